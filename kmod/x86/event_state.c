// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS: what waits for, or is on its way
 * through, the guest's IDT, as userspace saves and restores it.
 *
 * The ABI has a slot for each of exception, interrupt and NMI; here there is one
 * for what the hardware was asked to deliver (vcpu->injected) and one for the
 * exception that comes next (vcpu->pending). INT n, INT3 and INTO are not shown: RIP
 * is still at the instruction, which runs again.
 */
#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/traps.h>
#include <kvm/vm.h>
#include <compat/uapi.h>
#include "x86_private.h"

#define EVENTS_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING |	\
			 KVM_VCPUEVENT_VALID_SIPI_VECTOR |	\
			 KVM_VCPUEVENT_VALID_SHADOW |		\
			 KVM_VCPUEVENT_VALID_SMM)

#define NMIS_MAX	2	/* one being handled or blocked, one latched */

/* .triple_fault.pending, which not every kernel's struct kvm_vcpu_events names. */
static u8 *events_triple_fault(struct kvm_vcpu_events *events)
{
	return (u8 *)events + offsetofend(struct kvm_vcpu_events, smi);
}

static void events_get_exception(struct kvm_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	bool pending = vcpu->pending.type == KVM_EVENT_EXCEPTION;
	const struct kvm_event *event = pending ? &vcpu->pending : &vcpu->injected;

	if (event->type != KVM_EVENT_EXCEPTION)
		return;
	events->exception.pending = pending;
	events->exception.injected = !pending || !vcpu->kvm->exception_payload;
	events->exception.nr = event->vector;
	events->exception.has_error_code = event->has_error;
	events->exception.error_code = event->error_code;
	if (pending && vcpu->pending_payload_valid && vcpu->kvm->exception_payload) {
		events->exception_has_payload = 1;
		events->exception_payload = vcpu->pending_payload;
	}
}

static void events_get_interrupt(struct kvm_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	u32 shadow = kvm_vendor->get_shadow(vcpu);

	if (vcpu->injected.type == KVM_EVENT_INTR) {
		events->interrupt.injected = 1;
		events->interrupt.nr = vcpu->injected.vector;
	} else if (vcpu->user_irq >= 0) {
		events->interrupt.injected = 1;
		events->interrupt.nr = vcpu->user_irq;
	}
	if (shadow & KVM_SHADOW_STI)
		events->interrupt.shadow |= KVM_X86_SHADOW_INT_STI;
	if (shadow & KVM_SHADOW_MOV_SS)
		events->interrupt.shadow |= KVM_X86_SHADOW_INT_MOV_SS;
	events->nmi.injected = vcpu->injected.type == KVM_EVENT_NMI;
	events->nmi.pending = min(vcpu->nmi_pending + atomic_read(&vcpu->nmi_posted), NMIS_MAX);
	events->nmi.masked = !!(shadow & KVM_SHADOW_NMI);
}

/**
 * events_get() - KVM_GET_VCPU_EVENTS
 * @vcpu: loaded
 * @events: filled completely
 *
 * Unless userspace has enabled KVM_CAP_EXCEPTION_PAYLOAD it knows no exception
 * whose CR2 or DR6 is yet to come: then they change here.
 */
static void events_get(struct kvm_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	memset(events, 0, sizeof(*events));
	x86_event_settle(vcpu);
	events->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->kvm->exception_payload)
		events->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	events_get_exception(vcpu, events);
	events_get_interrupt(vcpu, events);
	if (vcpu->kvm->triple_fault_event) {
		events->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		*events_triple_fault(events) = test_bit(KVM_REQ_SHUTDOWN, &vcpu->requests);
	}
}

static bool events_valid(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	u32 allowed = EVENTS_FLAGS;
	bool pending = false;

	if (vcpu->kvm->exception_payload)
		allowed |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->kvm->triple_fault_event)
		allowed |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (events->flags & ~allowed)
		return false;
	if (events->flags & KVM_VCPUEVENT_VALID_PAYLOAD)
		pending = events->exception.pending;
	if ((pending || events->exception.injected) &&
	    (events->exception.nr > 31 || events->exception.nr == X86_TRAP_NMI))
		return false;
	/* There is no system management mode for a guest to be in. */
	if ((events->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (events->smi.smm || events->smi.pending || events->smi.smm_inside_nmi ||
	     events->smi.latched_init))
		return false;
	return true;
}

static void events_set_exception(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	bool payload = events->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	struct kvm_event event = {
		.type = KVM_EVENT_EXCEPTION,
		.vector = events->exception.nr,
		.has_error = events->exception.has_error_code,
		.error_code = events->exception.error_code,
	};

	if (payload && events->exception.pending) {
		vcpu->pending = event;
		vcpu->pending_payload_valid = events->exception_has_payload;
		vcpu->pending_payload = events->exception_payload;
	} else if (events->exception.injected) {
		vcpu->injected = event;
	}
}

/* What cannot have the hardware's one place waits in its own queue. */
static void events_set_interrupt(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	if (events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&vcpu->nmi_posted, 0);
		vcpu->nmi_pending = min_t(int, events->nmi.pending, NMIS_MAX);
	}
	if (events->nmi.injected && vcpu->injected.type)
		vcpu->nmi_pending = min(vcpu->nmi_pending + 1, NMIS_MAX);
	else if (events->nmi.injected)
		vcpu->injected = (struct kvm_event) {
			.type = KVM_EVENT_NMI,
			.vector = X86_TRAP_NMI,
		};

	vcpu->user_irq = -1;
	if (!events->interrupt.injected || events->interrupt.soft)
		return;
	if (vcpu->injected.type)
		vcpu->user_irq = events->interrupt.nr;
	else
		vcpu->injected = (struct kvm_event) {
			.type = KVM_EVENT_INTR,
			.vector = events->interrupt.nr,
		};
}

static void events_set_shadow(struct kvm_vcpu *vcpu, const struct kvm_vcpu_events *events)
{
	u32 shadow = kvm_vendor->get_shadow(vcpu) & ~(u32)KVM_SHADOW_NMI;

	if (events->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		shadow = 0;
		if (events->interrupt.shadow & KVM_X86_SHADOW_INT_STI)
			shadow |= KVM_SHADOW_STI;
		if (events->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS)
			shadow |= KVM_SHADOW_MOV_SS;
	}
	if (events->nmi.masked)
		shadow |= KVM_SHADOW_NMI;
	kvm_vendor->set_shadow(vcpu, shadow);
}

/**
 * events_set() - KVM_SET_VCPU_EVENTS
 * @vcpu: loaded
 * @events: from userspace
 *
 * Return: 0, or -EINVAL; then nothing has changed.
 */
static int events_set(struct kvm_vcpu *vcpu, struct kvm_vcpu_events *events)
{
	if (!events_valid(vcpu, events))
		return -EINVAL;
	vcpu->pending.type = KVM_EVENT_NONE;
	vcpu->pending_payload_valid = false;
	vcpu->injected.type = KVM_EVENT_NONE;
	events_set_exception(vcpu, events);
	events_set_interrupt(vcpu, events);
	events_set_shadow(vcpu, events);
	if (events->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		WRITE_ONCE(vcpu->sipi_vector, events->sipi_vector);
	if (events->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (*events_triple_fault(events))
			vcpu_request(vcpu, KVM_REQ_SHUTDOWN);
		else
			clear_bit(KVM_REQ_SHUTDOWN, &vcpu->requests);
	}
	vcpu_request(vcpu, KVM_REQ_EVENT);
	return 0;
}

int events_get_ioctl(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events events;

	events_get(vcpu, &events);
	return copy_to_user(argp, &events, sizeof(events)) ? -EFAULT : 0;
}

int events_set_ioctl(struct kvm_vcpu *vcpu, const void __user *argp)
{
	struct kvm_vcpu_events events;

	if (copy_from_user(&events, argp, sizeof(events)))
		return -EFAULT;
	return events_set(vcpu, &events);
}
