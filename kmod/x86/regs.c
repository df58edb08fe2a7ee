// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl views of the registers.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/processor.h>
#include <asm/msr-index.h>
#include <kvm/irqchip.h>
#include "x86_private.h"

/* Room for any XSAVE image the kernel has; kvm_fpu_to_uabi() cuts at the size given. */
#define XSAVE_IMAGE_BYTES	PAGE_SIZE

static_assert(sizeof(struct kvm_fpu) == 416);
static_assert(sizeof(struct fxregs_state) == 512);

/* KVM_GET_REGS */
void x86_get_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs)
{
	const u64 *gpr = vcpu->regs.gpr;

	regs->rsp = vcpu_gpr(vcpu, KVM_RSP);
	regs->rax = gpr[KVM_RAX];
	regs->rbx = gpr[KVM_RBX];
	regs->rcx = gpr[KVM_RCX];
	regs->rdx = gpr[KVM_RDX];
	regs->rsi = gpr[KVM_RSI];
	regs->rdi = gpr[KVM_RDI];
	regs->rbp = gpr[KVM_RBP];
	regs->r8 = gpr[KVM_R8];
	regs->r9 = gpr[KVM_R9];
	regs->r10 = gpr[KVM_R10];
	regs->r11 = gpr[KVM_R11];
	regs->r12 = gpr[KVM_R12];
	regs->r13 = gpr[KVM_R13];
	regs->r14 = gpr[KVM_R14];
	regs->r15 = gpr[KVM_R15];
	regs->rip = vcpu_rip(vcpu);
	regs->rflags = vcpu_rflags(vcpu);
}

/**
 * x86_set_regs() - KVM_SET_REGS
 * @vcpu: loaded
 * @regs: from userspace
 *
 * An exception waiting for the old RIP goes with it. Return: 0.
 */
int x86_set_regs(struct kvm_vcpu *vcpu, const struct kvm_regs *regs)
{
	u64 *gpr = vcpu->regs.gpr;

	vcpu_set_gpr(vcpu, KVM_RSP, regs->rsp);
	gpr[KVM_RAX] = regs->rax;
	gpr[KVM_RBX] = regs->rbx;
	gpr[KVM_RCX] = regs->rcx;
	gpr[KVM_RDX] = regs->rdx;
	gpr[KVM_RSI] = regs->rsi;
	gpr[KVM_RDI] = regs->rdi;
	gpr[KVM_RBP] = regs->rbp;
	gpr[KVM_R8] = regs->r8;
	gpr[KVM_R9] = regs->r9;
	gpr[KVM_R10] = regs->r10;
	gpr[KVM_R11] = regs->r11;
	gpr[KVM_R12] = regs->r12;
	gpr[KVM_R13] = regs->r13;
	gpr[KVM_R14] = regs->r14;
	gpr[KVM_R15] = regs->r15;
	vcpu_set_rip(vcpu, regs->rip);
	vcpu_set_rflags(vcpu, regs->rflags | X86_EFLAGS_FIXED);
	vcpu->pending.type = KVM_EVENT_NONE;
	return 0;
}

/* The segments of struct kvm_sregs and whose they are. */
static const struct {
	u8 seg;			/* enum kvm_seg */
	u16 offset;
} sregs_segments[] = {
	{ KVM_CS, offsetof(struct kvm_sregs, cs) },
	{ KVM_DS, offsetof(struct kvm_sregs, ds) },
	{ KVM_ES, offsetof(struct kvm_sregs, es) },
	{ KVM_FS, offsetof(struct kvm_sregs, fs) },
	{ KVM_GS, offsetof(struct kvm_sregs, gs) },
	{ KVM_SS, offsetof(struct kvm_sregs, ss) },
	{ KVM_TR, offsetof(struct kvm_sregs, tr) },
	{ KVM_LDTR, offsetof(struct kvm_sregs, ldt) },
};

static void sregs_get_segments(struct kvm_vcpu *vcpu, struct kvm_sregs *sregs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sregs_segments); i++)
		kvm_vendor->get_segment(vcpu, sregs_segments[i].seg,
					(void *)sregs + sregs_segments[i].offset);
}

static void sregs_set_segments(struct kvm_vcpu *vcpu,
			       const struct kvm_sregs *sregs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sregs_segments); i++)
		kvm_vendor->set_segment(vcpu, sregs_segments[i].seg,
					(void *)sregs + sregs_segments[i].offset);
}

/**
 * x86_get_sregs() - KVM_GET_SREGS
 * @vcpu: loaded
 * @sregs: filled completely
 */
void x86_get_sregs(struct kvm_vcpu *vcpu, struct kvm_sregs *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	sregs_get_segments(vcpu, sregs);
	kvm_vendor->get_table(vcpu, KVM_TABLE_GDT, &sregs->gdt);
	kvm_vendor->get_table(vcpu, KVM_TABLE_IDT, &sregs->idt);
	sregs->cr0 = vcpu_cr0(vcpu);
	sregs->cr2 = vcpu->regs.cr2;
	sregs->cr3 = vcpu_cr3(vcpu);
	sregs->cr4 = vcpu_cr4(vcpu);
	sregs->cr8 = vcpu->regs.cr8;
	sregs->efer = vcpu_efer(vcpu);
	sregs->apic_base = vcpu->regs.apic_base;
	if (vcpu->user_irq >= 0)
		__set_bit(vcpu->user_irq, (unsigned long *)sregs->interrupt_bitmap);
	else if (vcpu->injected.type == KVM_EVENT_INTR)
		__set_bit(vcpu->injected.vector,
			  (unsigned long *)sregs->interrupt_bitmap);
}

/* Long mode is on or off as a whole: LME with PG, PAE, LMA and 64-bit CS. */
static bool sregs_mode_valid(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	if ((sregs->efer & EFER_LME) && (sregs->cr0 & X86_CR0_PG))
		return (sregs->cr4 & X86_CR4_PAE) && (sregs->efer & EFER_LMA) &&
		       cr3_valid(vcpu, sregs->cr3);
	return !(sregs->efer & EFER_LMA) && !sregs->cs.l;
}

static bool sregs_valid(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	return cr0_valid(sregs->cr0) &&
	       !(sregs->cr4 & vcpu->cr4_guest_rsvd) &&
	       !(sregs->efer & ~x86_caps.efer) &&
	       !(sregs->cr8 & ~0xfULL) &&
	       x86_apic_base_valid(vcpu, sregs->apic_base) &&
	       sregs_mode_valid(vcpu, sregs);
}

/**
 * x86_set_sregs() - KVM_SET_SREGS
 * @vcpu: loaded
 * @sregs: from userspace
 *
 * Return: 0, or -EINVAL for a state no CPU of this guest's kind can be in;
 * then nothing has changed.
 */
int x86_set_sregs(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	u64 old_base = vcpu->regs.apic_base;
	unsigned long irq;

	if (!sregs_valid(vcpu, sregs))
		return -EINVAL;

	kvm_vendor->set_table(vcpu, KVM_TABLE_GDT, &sregs->gdt);
	kvm_vendor->set_table(vcpu, KVM_TABLE_IDT, &sregs->idt);
	vcpu->regs.cr2 = sregs->cr2;
	vcpu->regs.apic_base = sregs->apic_base;
	if (vcpu->lapic)
		lapic_base_changed(vcpu, old_base);
	x86_set_cr8(vcpu, sregs->cr8);
	/* CR4 and CR3 first: turning paging on may read the tables they name. */
	kvm_vendor->set_efer(vcpu, sregs->efer);
	kvm_vendor->set_cr4(vcpu, sregs->cr4);
	kvm_vendor->set_cr3(vcpu, sregs->cr3);
	kvm_vendor->set_cr0(vcpu, sregs->cr0);
	sregs_set_segments(vcpu, sregs);
	cpuid_follow_state(vcpu);

	irq = find_first_bit((unsigned long *)sregs->interrupt_bitmap,
			     KVM_NR_INTERRUPTS);
	if (irq < KVM_NR_INTERRUPTS)
		vcpu->user_irq = irq;
	return 0;
}

/* The guest's FPU as an XSAVE image; kvfree() it. NULL: no memory. */
static struct xregs_state *fpu_image(struct kvm_vcpu *vcpu)
{
	struct xregs_state *image = kvzalloc(XSAVE_IMAGE_BYTES, GFP_KERNEL_ACCOUNT);

	if (image)
		kvm_fpu_to_uabi(&vcpu->fpu, image, XSAVE_IMAGE_BYTES, 0);
	return image;
}

/**
 * x86_get_fpu() - KVM_GET_FPU
 * @vcpu: its FPU state is not in the registers
 * @fpu: filled completely
 *
 * Return: 0 or -ENOMEM.
 */
int x86_get_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu *fpu)
{
	struct xregs_state *image = fpu_image(vcpu);
	struct fxregs_state *fx;

	if (!image)
		return -ENOMEM;
	fx = &image->i387;
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
	kvfree(image);
	return 0;
}

/**
 * x86_set_fpu() - KVM_SET_FPU
 * @vcpu: its FPU state is not in the registers
 * @fpu: from userspace
 *
 * State beyond x87 and SSE stays as it is.
 * Return: 0, -ENOMEM, -EINVAL (reserved bits of MXCSR).
 */
int x86_set_fpu(struct kvm_vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct xregs_state *image = fpu_image(vcpu);
	u64 allowed = x86_caps.xcr0 | XFEATURE_MASK_FPSSE;
	struct fxregs_state *fx;
	u32 pkru;
	int ret;

	if (!image)
		return -ENOMEM;
	fx = &image->i387;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->mxcsr = fpu->mxcsr;
	image->header.xfeatures &= allowed;
	image->header.xfeatures |= XFEATURE_MASK_FPSSE;
	ret = kvm_fpu_from_uabi(&vcpu->fpu, image, allowed, &pkru);
	kvfree(image);
	return ret;
}
