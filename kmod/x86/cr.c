// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control, extended-control and debug registers: what the architecture allows a
 * guest to load, then the vendor.
 */
#include <asm/processor.h>
#include <asm/msr-index.h>
#include <asm/traps.h>
#include <kvm/irqchip.h>
#include "x86_private.h"

#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS |	\
			 X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM |	\
			 X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
#define CR3_NO_FLUSH	BIT_ULL(63)
#define CR3_PCID	0xfffULL
#define CR3_PAE_TABLE	0xffffffe0ULL
/* Intel SDM, "PAE Paging": bits of a present PDPTE that must be 0. */
#define PDPTE_RESERVED	(GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5))
#define PDPTE_ACCESSED	BIT_ULL(5)
#define DR6_RESERVED_SET	0xffff0ff0ULL
#define DR6_VOLATILE	0x0000e00fULL
#define DR7_RESERVED_SET	0x00000400ULL
#define DR7_VOLATILE	0xffff2bffULL

/* CR4 bits that move a PAE or 4-level walk to other tables or other rules. */
#define CR4_PAE_RELOAD	(X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE)

bool cr0_valid(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return (cr0 & X86_CR0_PE) || !(cr0 & X86_CR0_PG);
}

/* In long mode CR3 is a physical address of the guest and PCID or cache bits. */
bool cr3_valid(struct kvm_vcpu *vcpu, u64 cr3)
{
	return !(cr3 & x86_bits_above(vcpu->maxphyaddr));
}

/* PAE paging loads four entries at once and faults on a bad one. */
static bool pdptes_valid(struct kvm_vcpu *vcpu, u64 cr3)
{
	u64 reserved = PDPTE_RESERVED | x86_bits_above(vcpu->maxphyaddr);
	u64 pdpte[4];
	int i;

	/* Walkers that read PDPTEs like any other entry may mark them so too. */
	if (kvm_vendor->isa == KVM_ISA_SVM)
		reserved &= ~PDPTE_ACCESSED;
	if (guest_read(vcpu, cr3 & CR3_PAE_TABLE, pdpte, sizeof(pdpte)))
		return false;
	for (i = 0; i < 4; i++) {
		if ((pdpte[i] & 1) && (pdpte[i] & reserved))
			return false;
	}
	return true;
}

static bool cs_is_64bit(struct kvm_vcpu *vcpu)
{
	struct kvm_segment cs;

	kvm_vendor->get_segment(vcpu, KVM_CS, &cs);
	return cs.l;
}

/* Intel SDM, "Initializing IA-32e Mode". */
static bool cr0_may_start_paging(struct kvm_vcpu *vcpu)
{
	u64 cr4 = vcpu_cr4(vcpu);

	if (vcpu_efer(vcpu) & EFER_LME)
		return (cr4 & X86_CR4_PAE) && !cs_is_64bit(vcpu);
	if (cr4 & X86_CR4_PAE)
		return pdptes_valid(vcpu, vcpu_cr3(vcpu));
	return true;
}

static bool cr0_may_stop_paging(struct kvm_vcpu *vcpu)
{
	if (vcpu_cr4(vcpu) & X86_CR4_PCIDE)
		return false;
	return !x86_long_mode(vcpu) || !cs_is_64bit(vcpu);
}

/**
 * x86_set_cr0() - load CR0 as MOV to CR0 would
 * @vcpu: loaded
 * @cr0: value; reserved low bits are ignored, as by the CPU
 *
 * The vendor keeps EFER.LMA right when PG changes with EFER.LME set.
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_cr0(struct kvm_vcpu *vcpu, u64 cr0)
{
	u64 old = vcpu_cr0(vcpu);

	if (!cr0_valid(cr0))
		return 1;
	cr0 = (cr0 & CR0_DEFINED) | X86_CR0_ET;
	if (cr0 == old)
		return 0;
	if ((cr0 & ~old & X86_CR0_PG) && !cr0_may_start_paging(vcpu))
		return 1;
	if ((old & ~cr0 & X86_CR0_PG) && !cr0_may_stop_paging(vcpu))
		return 1;
	kvm_vendor->set_cr0(vcpu, cr0);
	return 0;
}

/**
 * x86_set_cr3() - load CR3 as MOV to CR3 would
 * @vcpu: loaded
 * @cr3: value, with the no-flush bit where CR4.PCIDE allows it
 *
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_cr3(struct kvm_vcpu *vcpu, u64 cr3)
{
	u64 cr4 = vcpu_cr4(vcpu);

	if (cr4 & X86_CR4_PCIDE)
		cr3 &= ~CR3_NO_FLUSH;
	if (x86_long_mode(vcpu)) {
		if (!cr3_valid(vcpu, cr3))
			return 1;
	} else if (x86_paging(vcpu) && (cr4 & X86_CR4_PAE)) {
		if (!pdptes_valid(vcpu, cr3))
			return 1;
	}
	kvm_vendor->set_cr3(vcpu, cr3);
	return 0;
}

static bool cr4_allowed(struct kvm_vcpu *vcpu, u64 cr4, u64 old)
{
	if (cr4 & vcpu->cr4_guest_rsvd)
		return false;
	if (x86_long_mode(vcpu)) {
		if (!(cr4 & X86_CR4_PAE) || ((cr4 ^ old) & X86_CR4_LA57))
			return false;
	} else if (x86_paging(vcpu) && (cr4 & X86_CR4_PAE) &&
		   ((cr4 ^ old) & CR4_PAE_RELOAD)) {
		if (!pdptes_valid(vcpu, vcpu_cr3(vcpu)))
			return false;
	}
	if (cr4 & ~old & X86_CR4_PCIDE)
		return x86_long_mode(vcpu) && !(vcpu_cr3(vcpu) & CR3_PCID);
	return true;
}

/**
 * x86_set_cr4() - load CR4 as MOV to CR4 would
 * @vcpu: loaded
 * @cr4: value
 *
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_cr4(struct kvm_vcpu *vcpu, u64 cr4)
{
	u64 old = vcpu_cr4(vcpu);

	if (!cr4_allowed(vcpu, cr4, old))
		return 1;
	kvm_vendor->set_cr4(vcpu, cr4);
	return 0;
}

/**
 * x86_set_cr8() - load the task priority
 * @vcpu: loaded
 * @cr8: 0 to 15
 *
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_cr8(struct kvm_vcpu *vcpu, u64 cr8)
{
	if (cr8 & ~0xfULL)
		return 1;
	if (vcpu->lapic)
		lapic_set_tpr(vcpu, cr8 << 4);
	else
		vcpu->regs.cr8 = cr8;
	return 0;
}

/**
 * x86_set_efer() - write EFER as WRMSR would
 * @vcpu: loaded
 * @efer: value; LMA is the CPU's own and keeps what it is
 *
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_efer(struct kvm_vcpu *vcpu, u64 efer)
{
	u64 old = vcpu_efer(vcpu);

	efer = (efer & ~(u64)EFER_LMA) | (old & EFER_LMA);
	if (efer & vcpu->efer_guest_rsvd)
		return 1;
	if (((efer ^ old) & EFER_LME) && x86_paging(vcpu))
		return 1;
	if (efer != old)
		kvm_vendor->set_efer(vcpu, efer);
	return 0;
}

/* Intel SDM, "XSETBV": combinations that make sense. */
static bool xcr0_valid(u64 xcr0)
{
	u64 avx512 = xcr0 & XFEATURE_MASK_AVX512;
	u64 mpx = xcr0 & (XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR);

	if (!(xcr0 & XFEATURE_MASK_FP))
		return false;
	if ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE))
		return false;
	if (mpx && mpx != (XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR))
		return false;
	if (avx512 && (avx512 != XFEATURE_MASK_AVX512 ||
		       !(xcr0 & XFEATURE_MASK_YMM)))
		return false;
	return true;
}

/**
 * x86_set_xcr0() - load XCR0 as XSETBV would
 * @vcpu: loaded
 * @xcr0: value
 *
 * Return: 0, or 1 if the guest gets #GP.
 */
int x86_set_xcr0(struct kvm_vcpu *vcpu, u64 xcr0)
{
	if (!xcr0_valid(xcr0))
		return 1;
	/* x87 state needs no offer from CPUID. */
	if (xcr0 & ~(vcpu->xcr0_allowed | XFEATURE_MASK_FP))
		return 1;
	vcpu->regs.xcr0 = xcr0;
	cpuid_follow_state(vcpu);
	return 0;
}

/* DR4 and DR5 are DR6 and DR7, or nothing at all with CR4.DE. -1: #UD. */
static int dr_resolve(struct kvm_vcpu *vcpu, int dr)
{
	if (dr != 4 && dr != 5)
		return dr;
	return vcpu_cr4(vcpu) & X86_CR4_DE ? -1 : dr + 2;
}

/**
 * x86_set_dr() - load a debug register as MOV to DR would
 * @vcpu: loaded
 * @dr: 0 to 7
 * @val: value
 *
 * Return: 0, or the vector of the exception the guest gets.
 */
int x86_set_dr(struct kvm_vcpu *vcpu, int dr, u64 val)
{
	dr = dr_resolve(vcpu, dr);
	if (dr < 0)
		return X86_TRAP_UD;
	switch (dr) {
	case 0 ... 3:
		vcpu->regs.dr[dr] = val;
		return 0;
	case 6:
		if (val >> 32)
			return X86_TRAP_GP;
		vcpu->regs.dr6 = (val & DR6_VOLATILE) | DR6_RESERVED_SET;
		return 0;
	default:
		if (val >> 32)
			return X86_TRAP_GP;
		kvm_vendor->set_dr7(vcpu, (val & DR7_VOLATILE) | DR7_RESERVED_SET);
		return 0;
	}
}

/**
 * x86_get_dr() - read a debug register as MOV from DR would
 * @vcpu: loaded
 * @dr: 0 to 7
 * @val: filled on success
 *
 * Return: 0, or the vector of the exception the guest gets.
 */
int x86_get_dr(struct kvm_vcpu *vcpu, int dr, u64 *val)
{
	dr = dr_resolve(vcpu, dr);
	if (dr < 0)
		return X86_TRAP_UD;
	if (dr < 4)
		*val = vcpu->regs.dr[dr];
	else
		*val = dr == 6 ? vcpu->regs.dr6 : vcpu->regs.dr7;
	return 0;
}
