// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest state that lives in the control block.
 *
 * The block is ordinary memory: "lazy" registers are fetched from it right after
 * each exit (switch.c).
 *
 * Three things differ between what the guest sees and what the CPU has:
 *  EFER.SVME	always set in hardware ("VMRUN", canonicalization and consistency
 *		checks), never seen by the guest.
 *  CR0.CD, NW	kept out of the hardware, which would run the guest uncached.
 *  CR4.MCE	set in hardware if the host has it, or a machine check under a guest
 *		that has not set it shuts the CPU down.
 * CR0 and CR4 are intercepted only while such a difference exists. Where none
 * does, the guest can make one without an exit; svm_cr_fixup() sees it at the next.
 *
 * Writes of CR4 are also intercepted until the guest has set OSXSAVE: before
 * that the CPU has the host's XCR0 and XSS, which XSAVES, XRSTORS and XGETBV
 * would show, and none of the three has an intercept.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "svm.h"

/* Write back what came without its set_*() operation. loaded */
void svm_lazy_store(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_regs *regs = &vcpu->regs;
	u32 dirty = regs->dirty;

	if (dirty & KVM_LAZY_EFER)
		svm_set_efer(vcpu, regs->efer);
	if (dirty & KVM_LAZY_CR4)
		svm_set_cr4(vcpu, regs->cr4);
	if (dirty & KVM_LAZY_CR0)
		svm_set_cr0(vcpu, regs->cr0);
	if (dirty & KVM_LAZY_CR3)
		svm_set_cr3(vcpu, regs->cr3);
}

void svm_cr_intercepts(struct svm_vcpu *svm)
{
	u64 cr4 = svm->vmcb->save.cr4 & ~svm->cr4_hidden;
	bool guarded = svm->cr4_guarded || svm->cr4_hidden ||
		       (svm_features.cr4_present & X86_CR4_OSXSAVE & ~cr4);

	svm->cr4_watched = cr4 & (svm_features.cr4_forced | X86_CR4_OSXSAVE);
	svm_intercept(svm, SVM_ICPT_CR_READ + 0, svm->cr0_hidden);
	svm_intercept(svm, SVM_ICPT_CR_WRITE + 0, svm->cr0_hidden);
	svm_intercept(svm, SVM_ICPT_CR_READ + 4, svm->cr4_hidden);
	svm_intercept(svm, SVM_ICPT_CR_WRITE + 4, guarded);
}

static void cr0_write(struct svm_vcpu *svm, u64 cr0)
{
	svm->cr0_hidden = cr0 & SVM_CR0_HIDE;
	svm->vmcb->save.cr0 = cr0 & ~SVM_CR0_HIDE;
}

static void cr4_write(struct svm_vcpu *svm, u64 cr4)
{
	svm->cr4_hidden = svm_features.cr4_forced & ~cr4;
	svm->vmcb->save.cr4 = cr4 | svm_features.cr4_forced;
}

/*
 * The guest has set CD or cleared MCE without an exit. Nothing else changed, so
 * no translation has to go.
 */
void svm_cr_fixup(struct svm_vcpu *svm)
{
	cr0_write(svm, svm->vmcb->save.cr0 | svm->cr0_hidden);
	cr4_write(svm, svm->vmcb->save.cr4 & ~svm->cr4_hidden);
	svm_cr_intercepts(svm);
}

/* EFER.LMA is LME and paging, whoever changes either. */
static void efer_write(struct svm_vcpu *svm, u64 efer)
{
	struct svm_save *save = &svm->vmcb->save;

	efer &= ~EFER_LMA;
	if ((efer & EFER_LME) && (save->cr0 & X86_CR0_PG))
		efer |= EFER_LMA;
	save->efer = efer | EFER_SVME;
	svm->vcpu.regs.efer = efer & ~EFER_SVME;
}

/*
 * The kvm_vendor_ops callbacks. A guest's own MOV to a control register drops
 * what its translations depend on; one done for it in the control block has to
 * drop them by hand.
 */
void svm_set_cr0(struct kvm_vcpu *vcpu, u64 cr0)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	cr0_write(svm, cr0);
	efer_write(svm, svm->vmcb->save.efer);
	vcpu->regs.cr0 = cr0;
	svm_cr_intercepts(svm);
	svm_flush_tlb(vcpu);
}

void svm_set_cr3(struct kvm_vcpu *vcpu, u64 cr3)
{
	to_svm(vcpu)->vmcb->save.cr3 = cr3;
	vcpu->regs.cr3 = cr3;
	svm_flush_tlb(vcpu);
}

void svm_set_cr4(struct kvm_vcpu *vcpu, u64 cr4)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	cr4_write(svm, cr4);
	vcpu->regs.cr4 = cr4;
	svm_cr_intercepts(svm);
	svm_flush_tlb(vcpu);
}

void svm_set_efer(struct kvm_vcpu *vcpu, u64 efer)
{
	efer_write(to_svm(vcpu), efer);
	svm_flush_tlb(vcpu);
}

static struct svm_seg *seg_of(struct svm_vcpu *svm, int seg)
{
	struct svm_save *save = &svm->vmcb->save;

	switch (seg) {
	case KVM_TR:
		return &save->seg[SVM_TR];
	case KVM_LDTR:
		return &save->seg[SVM_LDTR];
	default:
		return &save->seg[seg];
	}
}

/* The kvm_vendor_ops callback. */
void svm_get_segment(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct svm_seg *s = seg_of(svm, seg);

	*out = (struct kvm_segment) {
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->attrib & SVM_SEG_TYPE,
		.s = !!(s->attrib & SVM_SEG_S),
		.dpl = (s->attrib >> SVM_SEG_DPL_SHIFT) & 3,
		.present = !!(s->attrib & SVM_SEG_P),
		.avl = !!(s->attrib & SVM_SEG_AVL),
		.l = !!(s->attrib & SVM_SEG_L),
		.db = !!(s->attrib & SVM_SEG_DB),
		/* The hardware may keep a stale G; the limit is what counts. */
		.g = s->limit > 0xfffff,
	};
	/* There is no "unusable" in SVM: a null segment is not present. */
	out->unusable = !out->present;

	switch (seg) {
	case KVM_TR:
		/* A TSS in TR is busy by definition; not every CPU saves it so. */
		out->type |= 2;
		break;
	case KVM_SS:
		/* The privilege level is CPL's; the DPL of a null SS is not kept. */
		if (out->unusable)
			out->db = 0;
		out->dpl = svm_get_cpl(vcpu);
		break;
	case KVM_ES:
	case KVM_DS:
	case KVM_FS:
	case KVM_GS:
		/* What has been loaded has been accessed. */
		if (!out->unusable)
			out->type |= 1;
		break;
	}
}

/* The kvm_vendor_ops callback. */
void svm_set_segment(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_seg *s = seg_of(svm, seg);

	s->base = in->base;
	s->limit = in->limit;
	s->selector = in->selector;
	s->attrib = (in->type & SVM_SEG_TYPE) |
		    (in->s ? SVM_SEG_S : 0) |
		    (in->dpl & 3) << SVM_SEG_DPL_SHIFT |
		    (in->present && !in->unusable ? SVM_SEG_P : 0) |
		    (in->avl ? SVM_SEG_AVL : 0) |
		    (in->l ? SVM_SEG_L : 0) |
		    (in->db ? SVM_SEG_DB : 0) |
		    (in->g ? SVM_SEG_G : 0);

	if (seg == KVM_SS)
		svm->vmcb->save.cpl = in->dpl & 3;
}

static struct svm_seg *table_of(struct svm_vcpu *svm, int table)
{
	return &svm->vmcb->save.seg[table == KVM_TABLE_GDT ? SVM_GDTR : SVM_IDTR];
}

/* The kvm_vendor_ops callback. */
void svm_get_table(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out)
{
	const struct svm_seg *s = table_of(to_svm(vcpu), table);

	*out = (struct kvm_dtable) { .base = s->base, .limit = s->limit };
}

/* The kvm_vendor_ops callback. */
void svm_set_table(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in)
{
	struct svm_seg *s = table_of(to_svm(vcpu), table);

	s->base = in->base;
	s->limit = in->limit;
}

/* The kvm_vendor_ops callback. */
int svm_get_cpl(struct kvm_vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->save.cpl;
}

/* Where the control block keeps an MSR that is all the guest's, or NULL. */
static u64 *msr_of(struct svm_vcpu *svm, u32 index)
{
	struct svm_save *save = &svm->vmcb->save;

	switch (index) {
	case MSR_FS_BASE:
		return &save->seg[KVM_FS].base;
	case MSR_GS_BASE:
		return &save->seg[KVM_GS].base;
	case MSR_KERNEL_GS_BASE:
		return &save->kernel_gs_base;
	case MSR_STAR:
		return &save->star;
	case MSR_LSTAR:
		return &save->lstar;
	case MSR_CSTAR:
		return &save->cstar;
	case MSR_SYSCALL_MASK:
		return &save->sfmask;
	case MSR_IA32_SYSENTER_CS:
		return &save->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &save->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &save->sysenter_eip;
	case MSR_IA32_CR_PAT:
		return &save->g_pat;
	case MSR_TSC_AUX:
		return svm_features.tsc_aux ? &svm->tsc_aux : NULL;
	default:
		return NULL;
	}
}

/* The kvm_vendor_ops callback. */
int svm_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	const u64 *place = msr_of(to_svm(vcpu), index);

	if (!place)
		return -ENOENT;
	*val = *place;
	return 0;
}

/* The kvm_vendor_ops callback. Values have been checked (canonical, valid types). */
int svm_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *place = msr_of(svm, index);

	if (!place)
		return -ENOENT;
	*place = val;
	if (index == MSR_IA32_CR_PAT)
		vcpu->pat = val;
	if (index == MSR_TSC_AUX)
		svm_tsc_aux_changed(svm);
	return 0;
}

/* The kvm_vendor_ops callback. */
void svm_set_tsc_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	to_svm(vcpu)->vmcb->control.tsc_offset = offset;
}
