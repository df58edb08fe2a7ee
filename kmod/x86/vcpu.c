// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU's architectural state at reset, and the modes it can be in.
 */
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>
#include <kvm/irqchip.h>
#include "x86_private.h"

struct x86_caps x86_caps;

/* Intel SDM, "Processor State After Reset"; APM, "Initial Processor State". */
#define RESET_CR0	(X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)
#define RESET_RIP	0xfff0
#define RESET_DX	0x600		/* family 6 until CPUID says otherwise */
#define RESET_DR6	0xffff0ff0
#define RESET_DR7	0x400
#define RESET_PAT	0x0007040600070406ULL

static void regs_reset(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_regs *regs = &vcpu->regs;

	memset(regs, 0, sizeof(*regs));
	regs->gpr[KVM_RDX] = RESET_DX;
	regs->rip = RESET_RIP;
	regs->rflags = X86_EFLAGS_FIXED;
	regs->cr0 = RESET_CR0;
	regs->xcr0 = XFEATURE_MASK_FP;
	regs->dr6 = RESET_DR6;
	regs->dr7 = RESET_DR7;
	regs->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	if (vcpu->id == vcpu->kvm->boot_cpu_id)
		regs->apic_base |= MSR_IA32_APICBASE_BSP;
	regs->avail = ~0U;
	regs->dirty = KVM_LAZY_RSP | KVM_LAZY_RIP | KVM_LAZY_RFLAGS;
}

/**
 * x86_vcpu_init() - bring a new vcpu to its architectural reset state
 * @vcpu: zeroed, .kvm and .id set, not yet published
 *
 * Sets what lives in struct kvm_vcpu, before the vendor's vcpu_init() puts the
 * same state into its control block. Context: may sleep, not loaded.
 * Return: 0 or -ENOMEM.
 */
int x86_vcpu_init(struct kvm_vcpu *vcpu)
{
	int ret;

	vcpu->cpuid = cpuid_set_alloc(0);
	if (!vcpu->cpuid)
		return -ENOMEM;
	ret = emulator_vcpu_init(vcpu);
	if (ret) {
		kvfree(vcpu->cpuid);
		vcpu->cpuid = NULL;
		return ret;
	}
	vcpu->user_irq = -1;
	vcpu->pat = RESET_PAT;
	/* Every vcpu of a VM starts on the same clock, which started with the VM. */
	vcpu->tsc_offset = -vcpu->kvm->tsc_base;
	vcpu->tsc_khz = tsc_khz;
	regs_reset(vcpu);
	msr_reset(vcpu);
	cpuid_derive(vcpu);
	return 0;
}

/**
 * x86_vcpu_destroy() - free what x86_vcpu_init() allocated
 * @vcpu: no longer reachable by anyone else, not loaded
 */
void x86_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	emulator_vcpu_destroy(vcpu);
	kvfree(vcpu->cpuid);
	vcpu->cpuid = NULL;
}

/**
 * x86_module_init() - compute what guests can be offered on this host
 *
 * Context: kvm_vendor is set, no VM exists; may sleep.
 * Return: 0.
 */
int x86_module_init(void)
{
	cpuid_host_init();
	return 0;
}

void x86_module_exit(void)
{
	memset(&x86_caps, 0, sizeof(x86_caps));
}

/**
 * x86_mode() - how the guest's next instruction is decoded
 * @vcpu: loaded
 *
 * Return: enum kvm_mode, from CR0.PE, RFLAGS.VM, EFER.LMA and the CS descriptor.
 */
enum kvm_mode x86_mode(struct kvm_vcpu *vcpu)
{
	struct kvm_segment cs;

	if (!(vcpu_cr0(vcpu) & X86_CR0_PE))
		return KVM_MODE_REAL;
	if (vcpu_rflags(vcpu) & X86_EFLAGS_VM)
		return KVM_MODE_VM86;
	kvm_vendor->get_segment(vcpu, KVM_CS, &cs);
	if (cs.l && x86_long_mode(vcpu))
		return KVM_MODE_PROT64;
	return cs.db ? KVM_MODE_PROT32 : KVM_MODE_PROT16;
}

u64 x86_canonical(struct kvm_vcpu *vcpu, u64 addr)
{
	unsigned int unused = vcpu_cr4(vcpu) & X86_CR4_LA57 ? 7 : 16;

	return (u64)((s64)(addr << unused) >> unused);
}

/* Intel SDM, "Processor State After Reset", column INIT. */
static void vcpu_reset_segments(struct kvm_vcpu *vcpu)
{
	static const struct kvm_segment data = {
		.limit = 0xffff, .type = 3, .s = 1, .present = 1,
	};
	static const struct kvm_segment code = {
		.base = 0xffff0000, .selector = 0xf000, .limit = 0xffff,
		.type = 11, .s = 1, .present = 1,
	};
	static const struct kvm_segment tr = {
		.limit = 0xffff, .type = 11, .present = 1,
	};
	static const struct kvm_segment ldtr = {
		.limit = 0xffff, .type = 2, .present = 1,
	};
	static const struct kvm_dtable table = { .limit = 0xffff };
	int seg;

	for (seg = KVM_ES; seg <= KVM_GS; seg++)
		kvm_vendor->set_segment(vcpu, seg, seg == KVM_CS ? &code : &data);
	kvm_vendor->set_segment(vcpu, KVM_TR, &tr);
	kvm_vendor->set_segment(vcpu, KVM_LDTR, &ldtr);
	kvm_vendor->set_table(vcpu, KVM_TABLE_GDT, &table);
	kvm_vendor->set_table(vcpu, KVM_TABLE_IDT, &table);
}

/* INIT leaves MSRs, the TSC, the FPU's state and the cache's mode (CD, NW) alone. */
static void vcpu_take_init(struct kvm_vcpu *vcpu)
{
	u64 cache = vcpu_cr0(vcpu) & (X86_CR0_CD | X86_CR0_NW);
	u32 version;
	int i;

	vcpu->pending.type = KVM_EVENT_NONE;
	vcpu->injected.type = KVM_EVENT_NONE;
	vcpu->user_irq = -1;
	vcpu->nmi_pending = 0;
	vcpu->pending_io = KVM_IO_NONE;
	kvm_vendor->set_shadow(vcpu, 0);
	vcpu->regs.gpr[KVM_RAX] = 1;
	vcpu->regs.gpr[KVM_RCX] = 0;
	x86_cpuid(vcpu);
	version = vcpu->regs.gpr[KVM_RAX];
	for (i = 0; i < 16; i++)
		vcpu_set_gpr(vcpu, i, i == KVM_RDX ? version : 0);
	vcpu_set_rip(vcpu, RESET_RIP);
	vcpu_set_rflags(vcpu, X86_EFLAGS_FIXED);
	memset(vcpu->regs.dr, 0, sizeof(vcpu->regs.dr));
	vcpu->regs.dr6 = RESET_DR6;
	kvm_vendor->set_dr7(vcpu, RESET_DR7);
	vcpu->regs.cr2 = 0;
	/* Paging ends before the long mode that needs it. */
	kvm_vendor->set_cr0(vcpu, X86_CR0_ET | cache);
	kvm_vendor->set_efer(vcpu, 0);
	kvm_vendor->set_cr4(vcpu, 0);
	kvm_vendor->set_cr3(vcpu, 0);
	vcpu_reset_segments(vcpu);
	cpuid_follow_state(vcpu);
	lapic_reset(vcpu, true);
	vcpu->mp_state = vcpu->regs.apic_base & MSR_IA32_APICBASE_BSP ?
			 KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
}

/* Intel SDM, "Typical AP Initialization Sequence": the vector is a page below 1 MiB. */
static void vcpu_take_sipi(struct kvm_vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	kvm_vendor->get_segment(vcpu, KVM_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	kvm_vendor->set_segment(vcpu, KVM_CS, &cs);
	vcpu_set_rip(vcpu, 0);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

void x86_apic_events(struct kvm_vcpu *vcpu)
{
	if (!READ_ONCE(vcpu->apic_events))
		return;
	if (test_and_clear_bit(KVM_APIC_EVENT_INIT, &vcpu->apic_events))
		vcpu_take_init(vcpu);
	/* One that does not wait for it ignores a SIPI. */
	if (test_and_clear_bit(KVM_APIC_EVENT_SIPI, &vcpu->apic_events) &&
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		vcpu_take_sipi(vcpu, READ_ONCE(vcpu->sipi_vector));
}
