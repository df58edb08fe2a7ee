// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: injection, shadows and windows.
 *
 * The hardware does not know whether a guest is inside its NMI handler. So after
 * an NMI, IRET is intercepted; the intercept comes before the IRET executes and
 * NMIs stay blocked until RIP has moved. Who waits for that instant single-steps
 * the IRET.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include "svm.h"

static void nmi_mask(struct svm_vcpu *svm, bool masked)
{
	svm->nmi_masked = masked;
	svm->slow &= ~SVM_SLOW_IRET;
	svm_intercept(svm, SVM_ICPT_IRET, masked);
}

/* The kvm_vendor_ops callback. SVM has one shadow for STI and MOV SS. */
u32 svm_get_shadow(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 shadow = svm->nmi_masked ? KVM_SHADOW_NMI : 0;

	if (svm->vmcb->control.int_state & SVM_INT_SHADOW)
		shadow |= KVM_SHADOW_STI | KVM_SHADOW_MOV_SS;
	return shadow;
}

/* The kvm_vendor_ops callback. */
void svm_set_shadow(struct kvm_vcpu *vcpu, u32 shadow)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool nmi = shadow & KVM_SHADOW_NMI;

	if (shadow & (KVM_SHADOW_STI | KVM_SHADOW_MOV_SS))
		svm->vmcb->control.int_state |= SVM_INT_SHADOW;
	else
		svm->vmcb->control.int_state &= ~SVM_INT_SHADOW;
	if (nmi != svm->nmi_masked)
		nmi_mask(svm, nmi);
}

/*
 * The return address that a software interrupt pushes is behind its instruction.
 * Where the CPU has no field to say so, RIP itself has to be there ("Event
 * Injection", software interrupts).
 */
static void soft_prepare(struct svm_vcpu *svm, const struct kvm_event *ev)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;

	svm->slow |= SVM_SLOW_SOFT;
	svm->soft_rip = regs->rip;
	svm->soft_next = regs->rip + ev->insn_len;
	if (svm_features.nrips)
		svm->vmcb->control.next_rip = svm->soft_next;
	else
		regs->rip = svm->soft_next;
}

/* The software interrupt was not delivered: the guest is before it again. */
static void soft_rewind(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;

	if (regs->rip == svm->soft_next)
		regs->rip = svm->soft_rip;
}

/* The kvm_vendor_ops callback. */
void svm_inject(struct kvm_vcpu *vcpu, const struct kvm_event *ev)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_control *control = &svm->vmcb->control;
	u32 inj = SVM_EVENT_VALID | ev->vector;

	switch (ev->type) {
	case KVM_EVENT_INTR:
		inj |= SVM_EVENT_INTR;
		break;
	case KVM_EVENT_NMI:
		inj |= SVM_EVENT_NMI;
		nmi_mask(svm, true);
		break;
	case KVM_EVENT_SOFT_INT:
		inj |= SVM_EVENT_SOFT_INT;
		soft_prepare(svm, ev);
		break;
	case KVM_EVENT_SOFT_EXC:
		inj |= SVM_EVENT_EXCEPTION;
		soft_prepare(svm, ev);
		break;
	case KVM_EVENT_EXCEPTION:
		inj |= SVM_EVENT_EXCEPTION;
		if (ev->has_error)
			inj |= SVM_EVENT_ERROR;
		break;
	default:
		return;
	}
	control->event_inj_error = ev->error_code;
	control->event_inj = inj;
}

/* The kvm_vendor_ops callback. */
void svm_cancel_injection(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_control *control = &svm->vmcb->control;

	if ((control->event_inj & SVM_EVENT_TYPE) == SVM_EVENT_NMI)
		nmi_mask(svm, false);
	if (svm->slow & SVM_SLOW_SOFT) {
		svm->slow &= ~SVM_SLOW_SOFT;
		soft_rewind(svm);
	}
	control->event_inj = 0;
}

/*
 * An exit came while an event was being delivered: say which, so that it is
 * delivered again. INT n, INT3 and INTO of the guest's own are not: RIP is still
 * at the instruction, which will run again.
 */
static void event_interrupted(struct svm_vcpu *svm, struct kvm_exit *exit, bool soft)
{
	u32 info = exit->intr_info;
	struct kvm_event *ev = &exit->vectoring;

	ev->vector = info & SVM_EVENT_VECTOR;
	ev->has_error = info & SVM_EVENT_ERROR;
	ev->error_code = exit->intr_error;
	ev->insn_len = 0;

	switch (info & SVM_EVENT_TYPE) {
	case SVM_EVENT_INTR:
		ev->type = KVM_EVENT_INTR;
		break;
	case SVM_EVENT_NMI:
		ev->type = KVM_EVENT_NMI;
		nmi_mask(svm, false);
		break;
	case SVM_EVENT_SOFT_INT:
		ev->type = soft ? KVM_EVENT_SOFT_INT : KVM_EVENT_NONE;
		break;
	case SVM_EVENT_EXCEPTION:
		ev->type = KVM_EVENT_EXCEPTION;
		if (ev->vector == 3 || ev->vector == 4)
			ev->type = soft ? KVM_EVENT_SOFT_EXC : KVM_EVENT_NONE;
		break;
	}

	if (ev->type == KVM_EVENT_SOFT_INT || ev->type == KVM_EVENT_SOFT_EXC) {
		ev->insn_len = svm->soft_next - svm->soft_rip;
		soft_rewind(svm);
	}
	exit->events_taken = ev->type != KVM_EVENT_NONE;
}

/* An injected software interrupt has left, or an event was cut short: fill in which. */
void svm_event_taken(struct svm_vcpu *svm, struct kvm_exit *exit)
{
	bool soft = svm->slow & SVM_SLOW_SOFT;

	svm->slow &= ~SVM_SLOW_SOFT;
	if (exit->intr_info & SVM_EVENT_VALID)
		event_interrupted(svm, exit, soft);
}

/*
 * The kvm_vendor_ops callback. A virtual interrupt of the highest priority is
 * made pending, and intercepted instead of being delivered.
 */
void svm_irq_window(struct kvm_vcpu *vcpu, bool on)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_control *control = &svm->vmcb->control;

	control->vintr &= ~(SVM_VINTR_IRQ | SVM_VINTR_PRIO_MAX | SVM_VINTR_IGNORE_TPR);
	if (on)
		control->vintr |= SVM_VINTR_IRQ | SVM_VINTR_PRIO_MAX |
				  SVM_VINTR_IGNORE_TPR;
	svm_intercept(svm, SVM_ICPT_VINTR, on);
}

/*
 * The kvm_vendor_ops callback. In an NMI handler that has not come to its IRET,
 * the intercept of IRET is the first half of the window.
 */
void svm_nmi_window(struct kvm_vcpu *vcpu, bool on)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!on || (svm->nmi_masked && !(svm->slow & SVM_SLOW_IRET)))
		svm->slow &= ~SVM_SLOW_NMI_STEP;
	else
		svm->slow |= SVM_SLOW_NMI_STEP;
}

/* The guest is about to execute the IRET that ends NMI blocking. */
void svm_iret_intercepted(struct svm_vcpu *svm)
{
	svm->iret_rip = svm->vcpu.regs.rip;
	svm->slow |= SVM_SLOW_IRET;
	svm_intercept(svm, SVM_ICPT_IRET, false);
}

/* [I] */
void svm_step_before_entry(struct svm_vcpu *svm)
{
	struct svm_save *save = &svm->vmcb->save;

	svm->step_rip = save->rip;
	svm->step_guest_tf = save->rflags & X86_EFLAGS_TF;
	save->rflags |= X86_EFLAGS_TF;
}

/*
 * [I] After an exit with SVM_SLOW_IRET or SVM_SLOW_NMI_STEP. An IRET that has
 * executed brought RFLAGS from the guest's stack; otherwise TF is still ours.
 */
void svm_step_after_exit(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;
	bool iret_done = (svm->slow & SVM_SLOW_IRET) && regs->rip != svm->iret_rip;

	if (iret_done)
		nmi_mask(svm, false);
	if ((svm->slow & SVM_SLOW_NMI_STEP) && !iret_done && !svm->step_guest_tf)
		regs->rflags &= ~X86_EFLAGS_TF;
}

/*
 * A #DB was intercepted: was it the end of our own step? Then the guest does not
 * see it, unless it was stepping itself or hit a breakpoint as well.
 */
bool svm_step_done(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;

	if (!(svm->slow & SVM_SLOW_NMI_STEP) || !(regs->dr6 & DR_STEP))
		return false;

	/* Also where the IRET led to itself. */
	if (svm->slow & SVM_SLOW_IRET)
		nmi_mask(svm, false);
	if (svm->step_guest_tf)
		return false;
	regs->dr6 &= ~DR_STEP;
	return !(regs->dr6 & DR_TRAP_BITS);
}
