// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU's architectural state at reset, and the modes it can be in.
 */
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>
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
	if (vcpu->id == 0)
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
