// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of the switch: what a VM exit loads, and what it spoils.
 */
#include <linux/irqflags.h>
#include <asm/msr-index.h>
#include <asm/segment.h>
#include <compat/desc.h>
#include <compat/fsgs.h>
#include <compat/msr.h>
#include "vmx.h"

/* The same on every CPU and for as long as the kernel runs. */
static struct {
	u64 star, lstar, fmask;
	u64 efer, pat;
	u64 sysenter_cs, sysenter_eip;
} host __ro_after_init;

void __init vmx_host_init(void)
{
	rdmsrq(MSR_STAR, host.star);
	rdmsrq(MSR_LSTAR, host.lstar);
	rdmsrq(MSR_SYSCALL_MASK, host.fmask);
	rdmsrq(MSR_EFER, host.efer);
	rdmsrq(MSR_IA32_CR_PAT, host.pat);
	rdmsrq(MSR_IA32_SYSENTER_CS, host.sysenter_cs);
	rdmsrq(MSR_IA32_SYSENTER_EIP, host.sysenter_eip);
}

void vmx_host_fields(void)
{
	struct kvm_host_desc desc;

	kvm_host_desc_get(&desc);
	vmcs_write(HOST_CR0, read_cr0());
	vmcs_write(HOST_CS_SELECTOR, desc.cs_sel);
	vmcs_write(HOST_SS_SELECTOR, desc.ss_sel);
	vmcs_write(HOST_TR_SELECTOR, desc.tr_sel);
	/* An exit wants RPL 0 here, user space's may be 3: vmx_vcpu_put() has them. */
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_IA32_SYSENTER_CS, host.sysenter_cs);
	vmcs_write(HOST_IA32_SYSENTER_EIP, host.sysenter_eip);
	vmcs_write(HOST_IA32_EFER, host.efer);
	if (vmx_caps.exit & VM_EXIT_LOAD_IA32_PAT)
		vmcs_write(HOST_IA32_PAT, host.pat);
}

/* Host fields that differ per CPU. [P], VMCS current. */
static void host_cpu_fields(struct vmx_vcpu *vmx)
{
	struct kvm_host_desc desc;
	u64 gs_base;

	kvm_host_desc_get(&desc);
	rdmsrq(MSR_GS_BASE, gs_base);
	vmcs_write(HOST_GDTR_BASE, desc.gdt_base);
	vmx->host_gdt = desc.gdt_base;
	vmcs_write(HOST_IDTR_BASE, desc.idt_base);
	vmcs_write(HOST_TR_BASE, desc.tss_base);
	vmcs_write(HOST_IA32_SYSENTER_ESP, desc.sysenter_esp);
	vmcs_write(HOST_GS_BASE, gs_base);
}

void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx_vmcs_load(vmx, cpu)) {
		host_cpu_fields(vmx);
		/* What this CPU cached for us may be older than flushes we saw elsewhere. */
		vmx_flush_tlb(vcpu);
	}
	vmx->l1d_flush = true;
}

static u64 host_read_fs_base(void)
{
	u64 base;

	if (boot_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	rdmsrq(MSR_FS_BASE, base);
	return base;
}

static __always_inline void switch_msr(u32 index, u64 from, u64 to)
{
	if (from != to)
		native_wrmsrq(index, to);
}

/*
 * A guest that has not turned SYSCALL on cannot tell what it would do. SCE changes
 * only by us, so the copy needs no reading back. [P]
 */
static void switch_syscall(struct vmx_vcpu *vmx)
{
	if (!(vmx->vcpu.regs.efer & EFER_SCE))
		return;
	native_wrmsrq(MSR_STAR, vmx->msrs.star);
	native_wrmsrq(MSR_LSTAR, vmx->msrs.lstar);
	native_wrmsrq(MSR_SYSCALL_MASK, vmx->msrs.fmask);
	vmx->syscall_loaded = true;
}

void vmx_syscall_changed(struct vmx_vcpu *vmx)
{
	preempt_disable();
	if (vmx->guest_loaded)
		switch_syscall(vmx);
	preempt_enable();
}

void vmx_switch_to_guest(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 fs_base = host_read_fs_base();

	if (vmx->guest_loaded)
		return;
	vmx->guest_loaded = true;

	savesegment(ds, vmx->host.ds);
	savesegment(es, vmx->host.es);
	savesegment(fs, vmx->host.fs);
	savesegment(gs, vmx->host.gs);
	vmx->host.ldt = 0;
	if (fs_base != vmx->host_fs_base) {
		vmcs_write(HOST_FS_BASE, fs_base);
		vmx->host_fs_base = fs_base;
	}

	vmx->host.kernel_gs_base = native_read_msr(MSR_KERNEL_GS_BASE);
	switch_msr(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base, vmx->msrs.kernel_gs_base);
	switch_syscall(vmx);
	if (vmx->secondary & SECONDARY_EXEC_ENABLE_RDTSCP) {
		rdmsrq(MSR_TSC_AUX, vmx->host.tsc_aux);
		switch_msr(MSR_TSC_AUX, vmx->host.tsc_aux, vmx->msrs.tsc_aux);
		vmx->tsc_aux_loaded = true;
	}
}

/*
 * An exit has left null selectors and no LDT: SDM "Loading Host Segment and
 * Descriptor-Table Registers". 64-bit user space rarely had anything else.
 */
static void host_restore_selectors(struct vmx_vcpu *vmx)
{
	unsigned long flags;

	if (vmx->host.ds | vmx->host.es) {
		loadsegment(ds, vmx->host.ds);
		loadsegment(es, vmx->host.es);
	}
	if (vmx->host.fs) {
		loadsegment(fs, vmx->host.fs);
		/* The selector brought its descriptor's base; the thread's may be another. */
		wrmsrq(MSR_FS_BASE, vmx->host_fs_base);
	}
	if (vmx->host.gs) {
		local_irq_save(flags);
		native_load_gs_index(vmx->host.gs);
		local_irq_restore(flags);
	}
	if (vmx->host.ldt)
		asm volatile("lldt %0" : : "m" (vmx->host.ldt));
}

void vmx_vcpu_put(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	/* Exits load the base, with the largest limit there is. */
	const struct desc_ptr gdt = {
		.address = vmx->host_gdt, .size = GDT_SIZE - 1,
	};

	if (!vmx->guest_loaded)
		return;
	vmx->guest_loaded = false;

	vmx->msrs.kernel_gs_base = native_read_msr(MSR_KERNEL_GS_BASE);
	native_load_gdt(&gdt);
	kvm_host_tss_limit_lost();
	host_restore_selectors(vmx);
	if (vmx->host.gs || vmx->host.kernel_gs_base != vmx->msrs.kernel_gs_base)
		wrmsrq(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);

	if (vmx->syscall_loaded) {
		vmx->syscall_loaded = false;
		native_wrmsrq(MSR_STAR, host.star);
		native_wrmsrq(MSR_LSTAR, host.lstar);
		native_wrmsrq(MSR_SYSCALL_MASK, host.fmask);
	}
	if (vmx->tsc_aux_loaded) {
		vmx->tsc_aux_loaded = false;
		switch_msr(MSR_TSC_AUX, vmx->msrs.tsc_aux, vmx->host.tsc_aux);
	}
}
