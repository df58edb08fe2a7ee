// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of a local APIC: a counter on a bus of 1 GHz, or a deadline on the
 * guest's TSC.
 *
 * While the timer runs its callback may come at any time on another CPU; the vcpu's
 * thread stops it before it changes what the callback uses, but for LVTT, of which
 * the callback takes what it finds.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <asm/tsc.h>
#include <compat/hrtimer.h>
#include "lapic.h"

/* A guest cannot make the host do more than this, whatever period it asks for. */
static unsigned int min_timer_period_us = 200;
module_param(min_timer_period_us, uint, 0644);
MODULE_PARM_DESC(min_timer_period_us, "shortest period of a guest's periodic APIC timer, in us");

/* Farther deadlines are looked at again when so much time has passed. */
#define DEADLINE_MAX_MS		(3600ULL * MSEC_PER_SEC)

static bool lapic_periodic(const struct kvm_lapic *apic)
{
	return (lapic_reg(apic, APIC_LVTT) & LVT_TIMER_MODE) == LVT_PERIODIC;
}

/* TDCR bits 3, 1, 0: 000 divides by 2, 001 by 4, ... 110 by 128, 111 by 1. */
static u32 lapic_divisor(const struct kvm_lapic *apic)
{
	u32 tdcr = lapic_reg(apic, APIC_TDCR);

	return 1U << ((((tdcr & 3) | (tdcr & 8) >> 1) + 1) & 7);
}

static u64 lapic_guest_tsc(struct kvm_lapic *apic)
{
	return rdtsc() + READ_ONCE(apic->vcpu->tsc_offset);
}

/* From now to the deadline; 0: it is over. */
static u64 lapic_deadline_ns(struct kvm_lapic *apic, u64 deadline)
{
	u64 now = lapic_guest_tsc(apic), ticks;

	if (deadline <= now)
		return 0;
	/* The division traps if its result is too wide. */
	ticks = min(deadline - now, DEADLINE_MAX_MS * tsc_khz);
	/* Rounded up, so that the TSC has passed it when the time has. */
	return mul_u64_u64_div_u64(ticks, NSEC_PER_MSEC, tsc_khz) + 1;
}

static enum hrtimer_restart lapic_deadline_expired(struct kvm_lapic *apic)
{
	u64 ns = lapic_deadline_ns(apic, READ_ONCE(apic->deadline));

	/* The host's clock may run a little fast against the TSC. */
	if (ns) {
		hrtimer_forward_now(&apic->timer, ns_to_ktime(ns));
		return HRTIMER_RESTART;
	}
	WRITE_ONCE(apic->deadline, 0);
	lapic_local(apic, APIC_LVTT);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart lapic_timer_expired(struct hrtimer *timer)
{
	struct kvm_lapic *apic = container_of(timer, struct kvm_lapic, timer);

	if (lapic_deadline_mode(apic))
		return lapic_deadline_expired(apic);
	lapic_local(apic, APIC_LVTT);
	if (!lapic_periodic(apic) || !apic->timer_period)
		return HRTIMER_NORESTART;
	/* By whole periods from the start, so that it does not drift; missed ones are lost. */
	hrtimer_forward_now(timer, ns_to_ktime(apic->timer_period));
	return HRTIMER_RESTART;
}

void lapic_timer_init(struct kvm_lapic *apic)
{
	hrtimer_setup(&apic->timer, lapic_timer_expired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED);
}

void lapic_timer_stop(struct kvm_lapic *apic)
{
	hrtimer_cancel(&apic->timer);
}

static void lapic_timer_arm(struct kvm_lapic *apic, u64 ns)
{
	hrtimer_start(&apic->timer, ktime_add_ns(ktime_get(), ns), HRTIMER_MODE_ABS_PINNED);
}

/**
 * lapic_timer_start() - count down from @count, then, if periodic, from TMICT
 * @apic: own thread
 * @count: 0 stops it
 */
void lapic_timer_start(struct kvm_lapic *apic, u32 count)
{
	u64 period = lapic_reg(apic, APIC_TMICT) * apic->timer_count_ns;

	lapic_timer_stop(apic);
	if (!count || apic->mode == LAPIC_OFF)
		return;
	apic->timer_period = max(period, READ_ONCE(min_timer_period_us) * (u64)NSEC_PER_USEC);
	if (lapic_periodic(apic) && period < apic->timer_period)
		lapic_timer_arm(apic, apic->timer_period);
	else
		lapic_timer_arm(apic, count * apic->timer_count_ns);
}

/**
 * lapic_timer_count() - the current count register
 * @apic: own thread
 *
 * Return: steps left; 0 if the timer is off, has expired or has a deadline.
 */
u32 lapic_timer_count(struct kvm_lapic *apic)
{
	s64 left;

	if (lapic_deadline_mode(apic) || !hrtimer_active(&apic->timer))
		return 0;
	left = ktime_to_ns(hrtimer_get_remaining(&apic->timer));
	if (left <= 0)
		return 0;
	return min_t(u64, div64_u64(left, apic->timer_count_ns), lapic_reg(apic, APIC_TMICT));
}

/* Intel SDM, "TSC-Deadline Mode": going there or coming from there disarms the timer. */
void lapic_timer_mode_changed(struct kvm_lapic *apic, u32 old_lvt)
{
	if (!((lapic_reg(apic, APIC_LVTT) ^ old_lvt) & LVT_TSC_DEADLINE))
		return;
	lapic_timer_stop(apic);
	WRITE_ONCE(apic->deadline, 0);
	lapic_set_reg(apic, APIC_TMICT, 0);
}

/**
 * lapic_timer_divide_changed() - TDCR has a new value
 * @apic: own thread
 * @count: steps that were left
 */
void lapic_timer_divide_changed(struct kvm_lapic *apic, u32 count)
{
	apic->timer_count_ns = lapic_divisor(apic);
	if (count)
		lapic_timer_start(apic, count);
}

/**
 * lapic_deadline_set() - write IA32_TSC_DEADLINE
 * @apic: own thread
 * @deadline: guest TSC, 0 disarms
 */
void lapic_deadline_set(struct kvm_lapic *apic, u64 deadline)
{
	u64 ns;

	if (!lapic_deadline_mode(apic)) {
		/* Userspace loads it for a mode still to come; the counter counts on. */
		WRITE_ONCE(apic->deadline, deadline);
		return;
	}
	lapic_timer_stop(apic);
	WRITE_ONCE(apic->deadline, deadline);
	if (!deadline || apic->mode == LAPIC_OFF)
		return;
	ns = lapic_deadline_ns(apic, deadline);
	if (ns) {
		lapic_timer_arm(apic, ns);
		return;
	}
	WRITE_ONCE(apic->deadline, 0);
	lapic_local(apic, APIC_LVTT);
}

void lapic_timer_renew(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;

	if (apic && lapic_deadline_mode(apic) && READ_ONCE(apic->deadline))
		lapic_deadline_set(apic, READ_ONCE(apic->deadline));
}
