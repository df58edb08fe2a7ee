// SPDX-License-Identifier: GPL-2.0-only
/* The vcpu ioctls of the local APIC: which there are, and its state. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "lapic.h"

static_assert(sizeof(struct kvm_lapic_state) == KVM_APIC_REG_SIZE);
static_assert(KVM_APIC_REG_SIZE == 0x400);

static bool lapic_wide_id(const struct kvm_lapic *apic)
{
	return apic->mode == LAPIC_X2APIC &&
	       (apic->vcpu->kvm->irqchip->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS);
}

static u32 *state_word(struct kvm_lapic_state *state, u32 reg)
{
	return (u32 *)(state->regs + reg);
}

void lapic_get_state(struct kvm_lapic *apic, struct kvm_lapic_state *state)
{
	u32 val = 0;

	lapic_pv_eoi_wait(apic->vcpu);
	memcpy(state->regs, apic->regs, sizeof(state->regs));
	*state_word(state, APIC_ID) = lapic_wide_id(apic) ? apic->id : apic->id << 24;
	*state_word(state, APIC_PROCPRI) = lapic_ppr(apic);
	*state_word(state, APIC_TMCCT) = lapic_timer_count(apic);
	lapic_reg_read(apic, APIC_LVR, &val);
	*state_word(state, APIC_LVR) = val;
}

/*
 * The ID that @state gives. A VMM that knows 32-bit IDs knows the vcpu's; one that does
 * not has put its low eight bits where xAPIC mode has them. 0 or -EINVAL.
 */
static int lapic_set_id(struct kvm_lapic *apic, u32 val)
{
	if (lapic_wide_id(apic))
		return val == apic->vcpu->id ? 0 : -EINVAL;
	if (val >> 24 != (u8)apic->id)
		WRITE_ONCE(apic->id, val >> 24);
	return 0;
}

/* Start what was running when the state was read: the count goes on from TMCCT. */
static void lapic_timer_restore(struct kvm_lapic *apic, u32 left)
{
	u32 count = lapic_reg(apic, APIC_TMICT);

	lapic_timer_divide_changed(apic, 0);
	if (lapic_deadline_mode(apic)) {
		lapic_deadline_set(apic, READ_ONCE(apic->deadline));
		return;
	}
	/* A one-shot timer at 0 has expired. A periodic one starts over. */
	if (!left && (lapic_reg(apic, APIC_LVTT) & LVT_TIMER_MODE) == LVT_PERIODIC)
		left = count;
	lapic_timer_start(apic, min(left, count));
}

/**
 * lapic_set_state() - KVM_SET_LAPIC
 * @apic: own thread
 * @state: any bytes; what is computed from others is left out
 *
 * Return: 0, or -EINVAL: the 32-bit ID is not this vcpu's.
 */
int lapic_set_state(struct kvm_lapic *apic, const struct kvm_lapic_state *state)
{
	const u32 *words = (const u32 *)state->regs;
	u32 reg;
	int r = lapic_set_id(apic, words[APIC_ID / 4]);

	if (r)
		return r;
	lapic_pv_eoi_wait(apic->vcpu);
	lapic_timer_stop(apic);
	for (reg = 0; reg < KVM_APIC_REG_SIZE; reg += sizeof(u32))
		lapic_set_reg(apic, reg, words[reg / 4]);
	apic->errors = 0;
	lapic_follow_base(apic);
	lapic_set_tpr(apic->vcpu, lapic_reg(apic, APIC_TASKPRI));
	lapic_irq_scan(apic);
	lapic_timer_restore(apic, words[APIC_TMCCT / 4]);
	lapic_map_update(apic->vcpu->kvm);
	return 0;
}

static long lapic_ioctl_get(struct kvm_lapic *apic, void __user *argp)
{
	struct kvm_lapic_state *state = kmalloc(sizeof(*state), GFP_KERNEL);
	long r = 0;

	if (!state)
		return -ENOMEM;
	lapic_get_state(apic, state);
	if (copy_to_user(argp, state, sizeof(*state)))
		r = -EFAULT;
	kfree(state);
	return r;
}

static long lapic_ioctl_set(struct kvm_lapic *apic, const void __user *argp)
{
	struct kvm_lapic_state *state = memdup_user(argp, sizeof(*state));
	long r;

	if (IS_ERR(state))
		return PTR_ERR(state);
	r = lapic_set_state(apic, state);
	kfree(state);
	return r;
}

long lapic_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_LAPIC:
		return vcpu->lapic ? lapic_ioctl_get(vcpu->lapic, argp) : -EINVAL;
	case KVM_SET_LAPIC:
		return vcpu->lapic ? lapic_ioctl_set(vcpu->lapic, argp) : -EINVAL;
	case KVM_SET_VAPIC_ADDR:
		return vcpu->lapic ? lapic_ioctl_vapic(vcpu->lapic, argp) : -EINVAL;
	case KVM_TPR_ACCESS_REPORTING:
		return lapic_ioctl_tpr_report(vcpu, argp);
	default:
		return -ENOTTY;
	}
}
