// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: exceptions, NMIs, interrupts.
 *
 * vcpu->pending holds an exception found by software. vcpu->injected holds what
 * the hardware was asked to deliver; an exit that interrupts the delivery puts
 * it back there and the next entry asks again. All of it belongs to the vcpu's
 * thread, which looks at it before each entry.
 */
#include <linux/kvm.h>
#include <asm/traps.h>
#include <kvm/trace.h>
#include <kvm/vm.h>
#include <kvm/irqchip.h>
#include "x86_private.h"

#define DR6_TRAP_BITS	0xfULL
#define DR6_PAYLOAD	0xe00fULL	/* BT, BS, BD, B3 to B0 */
#define DR7_GD		BIT(13)

/* Intel SDM, "Interrupt 8 - Double Fault Exception (#DF)": exception classes. */
enum exception_class { EXC_BENIGN, EXC_CONTRIBUTORY, EXC_PAGE, EXC_DOUBLE };

static enum exception_class exception_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
	case 21:			/* #CP */
		return EXC_CONTRIBUTORY;
	case X86_TRAP_PF:
	case 20:			/* #VE */
		return EXC_PAGE;
	case X86_TRAP_DF:
		return EXC_DOUBLE;
	default:
		return EXC_BENIGN;
	}
}

/* Faults push RFLAGS.RF so that the restarted instruction ignores its breakpoint. */
static bool exception_is_fault(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DB:		/* either; the debug state decides */
	case X86_TRAP_BP:
	case X86_TRAP_OF:
	case X86_TRAP_DF:
	case X86_TRAP_MC:
		return false;
	default:
		return true;
	}
}

static void event_raise(struct kvm_vcpu *vcpu, const struct kvm_event *event,
			bool has_payload, u64 payload)
{
	vcpu->pending = *event;
	vcpu->pending_payload_valid = has_payload;
	vcpu->pending_payload = payload;
}

/* The exception that @event meets on its way, or NULL: pending or being delivered. */
static const struct kvm_event *event_in_flight(struct kvm_vcpu *vcpu)
{
	if (vcpu->pending.type)
		return &vcpu->pending;
	if (vcpu->injected.type == KVM_EVENT_EXCEPTION ||
	    vcpu->injected.type == KVM_EVENT_SOFT_EXC)
		return &vcpu->injected;
	return NULL;
}

static void event_exception(struct kvm_vcpu *vcpu, const struct kvm_event *event,
			    bool has_payload, u64 payload)
{
	static const struct kvm_event double_fault = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = X86_TRAP_DF,
		.has_error = true,
	};
	const struct kvm_event *first = event_in_flight(vcpu);
	enum exception_class first_class, second_class;

	if (!first) {
		event_raise(vcpu, event, has_payload, payload);
		return;
	}

	first_class = exception_class(first->vector);
	second_class = exception_class(event->vector);
	/* What was on its way is swallowed by, or restarts after, the second. */
	if (first == &vcpu->injected)
		vcpu->injected.type = KVM_EVENT_NONE;
	if (first_class == EXC_DOUBLE && second_class != EXC_BENIGN) {
		vcpu->pending.type = KVM_EVENT_NONE;
		vcpu_request(vcpu, KVM_REQ_SHUTDOWN);
		return;
	}
	if ((first_class == EXC_CONTRIBUTORY && second_class == EXC_CONTRIBUTORY) ||
	    (first_class == EXC_PAGE && second_class != EXC_BENIGN)) {
		/* The CPU has set CR2 for the second page fault by then. */
		if (second_class == EXC_PAGE && has_payload)
			vcpu->regs.cr2 = payload;
		event_raise(vcpu, &double_fault, false, 0);
		return;
	}
	event_raise(vcpu, event, has_payload, payload);
}

/**
 * x86_queue_exception() - raise an exception without an error code
 * @vcpu: its own thread
 * @vector: 0 to 31
 *
 * One that meets another in flight becomes #DF or a shutdown as the classes of
 * the two demand.
 */
void x86_queue_exception(struct kvm_vcpu *vcpu, u8 vector)
{
	struct kvm_event event = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = vector,
	};

	event_exception(vcpu, &event, false, 0);
}

/* As x86_queue_exception(), with the error code @error. */
void x86_queue_exception_error(struct kvm_vcpu *vcpu, u8 vector, u32 error)
{
	struct kvm_event event = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = true,
		.error_code = error,
	};

	event_exception(vcpu, &event, false, 0);
}

/* #PF at linear address @gva; CR2 changes when it is delivered. */
void x86_queue_page_fault(struct kvm_vcpu *vcpu, gva_t gva, u32 error)
{
	struct kvm_event event = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = X86_TRAP_PF,
		.has_error = true,
		.error_code = error,
	};

	event_exception(vcpu, &event, true, gva);
}

void x86_queue_gp(struct kvm_vcpu *vcpu, u32 error)
{
	x86_queue_exception_error(vcpu, X86_TRAP_GP, error);
}

/**
 * x86_queue_debug() - raise #DB
 * @vcpu: its own thread
 * @dr6: the condition bits this one sets (BS, BD, BT, B0 to B3)
 */
void x86_queue_debug(struct kvm_vcpu *vcpu, u64 dr6)
{
	struct kvm_event event = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = X86_TRAP_DB,
	};

	event_exception(vcpu, &event, true, dr6);
}

/**
 * x86_queue_soft_exception() - deliver INT3 or INTO to the guest
 * @vcpu: its own thread, RIP at the instruction
 * @vector: X86_TRAP_BP or X86_TRAP_OF
 * @insn_len: bytes of the instruction; the handler returns behind it
 */
void x86_queue_soft_exception(struct kvm_vcpu *vcpu, u8 vector, u8 insn_len)
{
	struct kvm_event event = {
		.type = KVM_EVENT_SOFT_EXC,
		.vector = vector,
		.insn_len = insn_len,
	};

	event_exception(vcpu, &event, false, 0);
}

/* What was being delivered when the exit came: keep what will not come by itself. */
static void event_requeue(struct kvm_vcpu *vcpu, const struct kvm_event *event)
{
	vcpu->injected = *event;
	switch (event->type) {
	case KVM_EVENT_SOFT_INT:
	case KVM_EVENT_SOFT_EXC:
		/* RIP is still at the instruction: without a length, run it again. */
		if (!event->insn_len)
			vcpu->injected.type = KVM_EVENT_NONE;
		break;
	case KVM_EVENT_NMI:
		/* It has not reached its handler: nothing to wait for. */
		kvm_vendor->set_shadow(vcpu, kvm_vendor->get_shadow(vcpu) &
					     ~(u32)KVM_SHADOW_NMI);
		break;
	}
}

/**
 * x86_events_interrupted() - x86_events_complete() for a delivery that was cut short
 * @vcpu: loaded
 * @exit: from exit_facts()
 *
 * The event is kept for the next entry.
 */
void x86_events_interrupted(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	if (exit->kind == KVM_FACT_ENTRY_FAILED)
		return;
	/* A triple fault has used up whatever was being delivered. */
	if (exit->kind != KVM_FACT_SHUTDOWN)
		event_requeue(vcpu, &exit->vectoring);
	else
		vcpu->injected.type = KVM_EVENT_NONE;
}

/* CR2 and DR6 change at the moment their exception is delivered. */
static void event_deliver_payload(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_regs *regs = &vcpu->regs;

	if (!vcpu->pending_payload_valid)
		return;
	vcpu->pending_payload_valid = false;
	if (vcpu->pending.vector == X86_TRAP_PF) {
		regs->cr2 = vcpu->pending_payload;
	} else if (vcpu->pending.vector == X86_TRAP_DB) {
		regs->dr6 &= ~DR6_TRAP_BITS;
		regs->dr6 |= vcpu->pending_payload & DR6_PAYLOAD;
		if (regs->dr7 & DR7_GD)
			kvm_vendor->set_dr7(vcpu, regs->dr7 & ~DR7_GD);
	}
}

/**
 * x86_event_settle() - let CR2 and DR6 show the exception that waits
 * @vcpu: loaded; userspace is about to look
 *
 * Without KVM_CAP_EXCEPTION_PAYLOAD it expects them to have changed when the
 * exception was raised.
 */
void x86_event_settle(struct kvm_vcpu *vcpu)
{
	if (!vcpu->kvm->exception_payload && vcpu->pending.type)
		event_deliver_payload(vcpu);
}

/*
 * An exception overtakes an interrupt or NMI whose delivery was cut short: that
 * goes back to its queue. A software interrupt is run again after the handler.
 */
static void event_put_back(struct kvm_vcpu *vcpu)
{
	if (vcpu->injected.type == KVM_EVENT_INTR && vcpu->user_irq < 0)
		vcpu->user_irq = vcpu->injected.vector;
	else if (vcpu->injected.type == KVM_EVENT_NMI)
		vcpu->nmi_pending++;
}

/* @again: its delivery was cut short before. */
static void event_hand_over(struct kvm_vcpu *vcpu, bool again)
{
	const struct kvm_event *ev = &vcpu->injected;

	if (ev->type == KVM_EVENT_EXCEPTION || ev->type == KVM_EVENT_SOFT_EXC)
		trace_kvm_inj_exception(ev->vector, ev->has_error, ev->error_code, again);
	else if (ev->type != KVM_EVENT_NMI)
		trace_kvm_inj_virq(ev->vector, ev->type == KVM_EVENT_SOFT_INT, again);
	kvm_vendor->inject(vcpu, ev);
}

static void event_inject_exception(struct kvm_vcpu *vcpu)
{
	event_put_back(vcpu);
	event_deliver_payload(vcpu);
	if (vcpu->pending.type == KVM_EVENT_EXCEPTION &&
	    exception_is_fault(vcpu->pending.vector))
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
	vcpu->injected = vcpu->pending;
	vcpu->pending.type = KVM_EVENT_NONE;
	event_hand_over(vcpu, false);
}

static bool event_nmi_allowed(struct kvm_vcpu *vcpu)
{
	return !kvm_vendor->get_shadow(vcpu);
}

/**
 * x86_irq_allowed() - could the guest take an external interrupt now?
 * @vcpu: loaded
 *
 * Return: RFLAGS.IF is set and no STI or MOV SS shadow is in the way.
 */
bool x86_irq_allowed(struct kvm_vcpu *vcpu)
{
	if (!(vcpu_rflags(vcpu) & X86_EFLAGS_IF))
		return false;
	return !(kvm_vendor->get_shadow(vcpu) &
		 (KVM_SHADOW_STI | KVM_SHADOW_MOV_SS));
}

/* "Handling Multiple NMIs": one is delivered, one more is remembered meanwhile. */
void x86_take_nmis(struct kvm_vcpu *vcpu)
{
	unsigned int posted = atomic_xchg(&vcpu->nmi_posted, 0), limit = 2;

	if (vcpu->injected.type == KVM_EVENT_NMI ||
	    (kvm_vendor->get_shadow(vcpu) & KVM_SHADOW_NMI))
		limit = 1;
	vcpu->nmi_pending = min(vcpu->nmi_pending + posted, limit);
}

static void event_inject_nmi(struct kvm_vcpu *vcpu)
{
	vcpu->nmi_pending--;
	vcpu->stat.nmi_injections++;
	vcpu->injected = (struct kvm_event) {
		.type = KVM_EVENT_NMI,
		.vector = X86_TRAP_NMI,
	};
	event_hand_over(vcpu, false);
}

/* Does an interrupt wait, allowed or not? */
static bool event_irq_waiting(struct kvm_vcpu *vcpu)
{
	bool waiting;

	if (vcpu->user_irq >= 0)
		return true;
	if (!vcpu->irq_check)
		return false;
	waiting = vcpu->lapic && irqchip_peek(vcpu) >= 0;
	/* What changes the answer sets it again. */
	vcpu->irq_check = waiting || vcpu->irq_watch;
	return waiting;
}

static void event_inject_irq(struct kvm_vcpu *vcpu)
{
	int vector = vcpu->user_irq;

	if (vector < 0)
		vector = irqchip_take(vcpu);
	vcpu->user_irq = -1;
	if (vector < 0)
		return;
	vcpu->stat.irq_injections++;
	vcpu->injected = (struct kvm_event) {
		.type = KVM_EVENT_INTR,
		.vector = vector,
	};
	event_hand_over(vcpu, false);
}

/* Would userspace's 8259 be heard, if there is nothing in its way? */
static bool event_user_irq_heard(struct kvm_vcpu *vcpu)
{
	return !vcpu->lapic || lapic_accepts_pic(vcpu);
}

static void event_set_windows(struct kvm_vcpu *vcpu, bool irq, bool nmi)
{
	if (irq != vcpu->irq_window) {
		vcpu->irq_window = irq;
		kvm_vendor->irq_window(vcpu, irq);
	}
	if (nmi != vcpu->nmi_window) {
		vcpu->nmi_window = nmi;
		kvm_vendor->nmi_window(vcpu, nmi);
	}
}

/**
 * x86_events_inject() - hand the most urgent deliverable event to the hardware
 * @vcpu: about to be entered
 *
 * Order: what was cut short, an exception, an NMI, an interrupt. What has to
 * wait gets a window exit. Context: preemption off, IRQs on or off.
 */
void x86_events_inject(struct kvm_vcpu *vcpu)
{
	bool want_window = READ_ONCE(vcpu->run->request_interrupt_window);
	bool waiting;

	if (vcpu->pending.type)
		event_inject_exception(vcpu);
	else if (vcpu->injected.type)
		event_hand_over(vcpu, true);

	if (vcpu->nmi_pending && !vcpu->injected.type && event_nmi_allowed(vcpu))
		event_inject_nmi(vcpu);
	waiting = event_irq_waiting(vcpu);
	if (waiting && !vcpu->injected.type && x86_irq_allowed(vcpu)) {
		event_inject_irq(vcpu);
		waiting = event_irq_waiting(vcpu);
	}
	want_window = want_window && event_user_irq_heard(vcpu);
	event_set_windows(vcpu, waiting || want_window, vcpu->nmi_pending);
}

/**
 * x86_events_cancel() - the entry x86_events_inject() prepared did not happen
 * @vcpu: preemption off
 *
 * What was handed over stays in vcpu->injected for the next entry.
 */
void x86_events_cancel(struct kvm_vcpu *vcpu)
{
	if (vcpu->injected.type)
		kvm_vendor->cancel_injection(vcpu);
}

/**
 * x86_events_pending() - does an event wait that the next entry can deliver?
 * @vcpu: loaded
 */
bool x86_events_pending(struct kvm_vcpu *vcpu)
{
	if (vcpu->pending.type || vcpu->injected.type)
		return true;
	if (vcpu->nmi_pending && event_nmi_allowed(vcpu))
		return true;
	return event_irq_waiting(vcpu) && x86_irq_allowed(vcpu);
}

/**
 * x86_interrupt_ioctl() - KVM_INTERRUPT
 * @vcpu: loaded
 * @irq: vector to deliver as soon as the guest allows it
 *
 * With a local APIC here it stands for the 8259 that userspace keeps.
 * Return: 0, -EINVAL (not a vector), -EEXIST (one is waiting already), -ENXIO (the
 * 8259 is in the kernel).
 */
int x86_interrupt_ioctl(struct kvm_vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq > 255)
		return -EINVAL;
	if (vcpu->kvm->irqchip_mode == KVM_IRQCHIP_KERNEL)
		return -ENXIO;
	if (vcpu->user_irq >= 0)
		return -EEXIST;
	vcpu->user_irq = irq->irq;
	return 0;
}

static bool event_ready_for_irq(struct kvm_vcpu *vcpu)
{
	return vcpu->user_irq < 0 && !vcpu->pending.type && !vcpu->injected.type &&
	       event_user_irq_heard(vcpu) && x86_irq_allowed(vcpu);
}

/**
 * x86_event_window() - the hardware says an interrupt could be taken now
 * @vcpu: loaded
 *
 * Return: KVM_TO_USER if userspace asked to be told, KVM_RESUME otherwise.
 */
int x86_event_window(struct kvm_vcpu *vcpu)
{
	vcpu->stat.irq_window_exits++;
	vcpu->irq_window = false;
	kvm_vendor->irq_window(vcpu, false);
	if (!READ_ONCE(vcpu->run->request_interrupt_window) ||
	    !event_ready_for_irq(vcpu))
		return KVM_RESUME;
	vcpu->stat.request_irq_exits++;
	vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return KVM_TO_USER;
}

/**
 * x86_run_publish() - fill kvm_run's outputs common to every exit to userspace
 * @vcpu: loaded
 */
void x86_run_publish(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (unlikely(vcpu->irq_watch))
		lapic_vapic_pull(vcpu);
	run->if_flag = !!(vcpu_rflags(vcpu) & X86_EFLAGS_IF);
	run->ready_for_interrupt_injection = event_ready_for_irq(vcpu);
	run->cr8 = vcpu->regs.cr8;
	run->apic_base = vcpu->regs.apic_base;
	run->flags = 0;
}
