// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMCS is loaded on which CPU.
 *
 * A CPU may keep any part of a VMCS it has loaded in places of its own until
 * VMCLEAR (SDM "VMCS Region", "Developing VMX Software: Software Use of
 * Virtual-Machine Control Structures"), so before another CPU loads it, before
 * its page is freed and before VMXOFF the CPU that has it must clear it.
 */
#define pr_fmt(fmt) "kvm_intel: " fmt

#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <compat/virt.h>
#include "vmx.h"

/*
 * Touched by their own CPU only, with IRQs off; an NMI of a crash may walk the
 * list at any instruction, so entries join it before VMPTRLD and leave it after
 * VMCLEAR, and a half-linked entry is never visible going forward.
 */
static DEFINE_PER_CPU(struct list_head, cpu_vmcss);
static DEFINE_PER_CPU(struct vmx_vcpu *, cpu_current);

void vmx_insn_failed(const char *insn, u64 operand)
{
	if (!kvm_virt_rebooting())
		WARN_ONCE(1, "kvm_intel: %s of 0x%llx failed\n", insn, operand);
}

/* On vmx->vmcs_cpu, IRQs off. */
static void vmcs_clear(struct vmx_vcpu *vmx)
{
	lockdep_assert_irqs_disabled();
	vmx_vmclear(vmx->vmcs_pa);
	if (this_cpu_read(cpu_current) == vmx)
		this_cpu_write(cpu_current, NULL);
	vmx->launched = false;
	list_del(&vmx->cpu_link);
	/* The next CPU may take it from here: pairs with vmx_vmcs_load(). */
	smp_store_release(&vmx->vmcs_cpu, -1);
}

static void vmcs_clear_ipi(void *data)
{
	struct vmx_vcpu *vmx = data;

	/* CPU hotplug may have been faster. */
	if (READ_ONCE(vmx->vmcs_cpu) == smp_processor_id())
		vmcs_clear(vmx);
}

void vmx_vmcs_release(struct vmx_vcpu *vmx)
{
	int cpu = READ_ONCE(vmx->vmcs_cpu);

	/* Fails if the CPU is offline: then it has let go on its way down. */
	if (cpu >= 0)
		smp_call_function_single(cpu, vmcs_clear_ipi, vmx, 1);
}

void vmx_vcpu_leave(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->vmcs_cpu == smp_processor_id())
		vmcs_clear(vmx);
}

static noinline void vmcs_load(struct vmx_vcpu *vmx, int cpu, bool moved)
{
	unsigned long flags;

	if (moved)
		vmx_vmcs_release(vmx);

	local_irq_save(flags);
	/* Acquire: all that vmcs_clear() did on the other CPU is done. */
	if (moved && !WARN_ON_ONCE(smp_load_acquire(&vmx->vmcs_cpu) != -1)) {
		list_add(&vmx->cpu_link, this_cpu_ptr(&cpu_vmcss));
		WRITE_ONCE(vmx->vmcs_cpu, cpu);
	}
	vmx_vmptrld(vmx->vmcs_pa);
	this_cpu_write(cpu_current, vmx);
	local_irq_restore(flags);
}

bool vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu)
{
	bool moved = READ_ONCE(vmx->vmcs_cpu) != cpu;

	if (unlikely(moved || this_cpu_read(cpu_current) != vmx))
		vmcs_load(vmx, cpu, moved);
	return moved;
}

/* This CPU is about to stop forever or to leave VMX operation: any context. */
static void cpu_emergency_clear(void)
{
	struct vmx_vcpu *vmx;

	list_for_each_entry(vmx, this_cpu_ptr(&cpu_vmcss), cpu_link)
		vmx_vmclear(vmx->vmcs_pa);
}

int vmx_cpu_enable(void)
{
	int err;

	if (!vmx_caps_same()) {
		pr_err("CPU %d has other VMX capabilities than the CPU the module was loaded on: it stays without virtualization\n",
		       smp_processor_id());
		return -EIO;
	}
	err = kvm_virt_cpu_enable(X86_FEATURE_VMX);
	if (err)
		return err;
	/* VMXON does not empty the caches: an earlier user may have left anything. */
	vmx_flush_cpu();
	return 0;
}

void vmx_cpu_disable(void)
{
	struct vmx_vcpu *vmx, *next;

	list_for_each_entry_safe(vmx, next, this_cpu_ptr(&cpu_vmcss), cpu_link)
		vmcs_clear(vmx);
	kvm_virt_cpu_disable(X86_FEATURE_VMX);
}

int vmx_cpu_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_LIST_HEAD(per_cpu_ptr(&cpu_vmcss, cpu));
	return kvm_virt_init(X86_FEATURE_VMX, cpu_emergency_clear);
}

void vmx_cpu_exit(void)
{
	kvm_virt_exit(X86_FEATURE_VMX);
}
