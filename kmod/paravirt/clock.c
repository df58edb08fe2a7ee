// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: the guest computes the time from its TSC and a page that says where the
 * TSC and the clock stood together, and how fast it counts.
 *
 * While the host's TSCs agree, a VM's clock is its TSC counted in nanoseconds from
 * one instant: every vcpu's page says the same, and nothing has to be renewed. Once
 * the host has found them to differ the clock follows the host's boot time, each page
 * holds for the CPU it was written on, and a vcpu that moves gets a new one.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/msr.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <compat/uapi.h>
#include <kvm/paravirt.h>
#include <kvm/trace.h>
#include <kvm/x86.h>
#include "paravirt.h"

#define CLOCK_ENABLE	BIT_ULL(0)
#define CLOCK_ADDRESS	(~3ULL)

static_assert(sizeof(struct pvclock_vcpu_time_info) == 32);
static_assert(sizeof(struct pvclock_wall_clock) == 12);
static_assert(sizeof(struct kvm_clock_pairing) == 64);

/* struct kvm_clock_data; older kernels name fewer of its fields. */
struct clock_data {
	u64 clock;
	u32 flags;
	u32 pad0;
	u64 realtime;
	u64 host_tsc;
	u32 pad[4];
};

static_assert(sizeof(struct clock_data) == sizeof(struct kvm_clock_data));

/* One instant of the host, as its clocks say it, in cycles and nanoseconds. */
struct clock_instant {
	u64 tsc, boot, real;
};

static void clock_sample(struct clock_instant *now)
{
	unsigned long flags;

	local_irq_save(flags);
	now->tsc = rdtsc_ordered();
	now->boot = ktime_get_boottime_ns();
	now->real = ktime_get_real_ns();
	local_irq_restore(flags);
}

/* pvclock-abi.h: nanoseconds are ((cycles << shift) * mul) >> 32. */
static void clock_set_rate(struct kvm_vm_clock *clock, u64 hz)
{
	clock->shift = 0;
	while (hz > 2 * (u64)NSEC_PER_SEC) {
		hz >>= 1;
		clock->shift--;
	}
	while (hz <= NSEC_PER_SEC) {
		hz <<= 1;
		clock->shift++;
	}
	clock->mul = div64_u64((u64)NSEC_PER_SEC << 32, hz);
}

/* clock->lock */
static u64 clock_at(const struct kvm_vm_clock *clock, const struct clock_instant *now)
{
	/* Two CPUs may differ by a few cycles. */
	s64 cycles = max_t(s64, now->tsc - clock->tsc, 0);

	if (!clock->by_tsc)
		return now->boot + clock->boot_offset;
	return clock->ns + pvclock_scale_delta(cycles, clock->mul, clock->shift);
}

/* The clock says @ns now. clock->lock */
static void clock_start(struct kvm_vm_clock *clock, const struct clock_instant *now, u64 ns)
{
	clock->by_tsc = !check_tsc_unstable();
	clock->tsc = now->tsc;
	clock->ns = ns;
	clock->boot_offset = ns - now->boot;
}

/*
 * The host has found its TSCs to differ: from here on its boot time counts, without
 * a step. clock->lock
 */
static void clock_check_tsc(struct kvm_vm_clock *clock, const struct clock_instant *now)
{
	if (clock->by_tsc && check_tsc_unstable())
		clock_start(clock, now, clock_at(clock, now));
}

void clock_vm_init(struct kvm *kvm)
{
	struct clock_instant now;

	spin_lock_init(&kvm->clock.lock);
	clock_set_rate(&kvm->clock, (u64)tsc_khz * 1000);
	clock_sample(&now);
	clock_start(&kvm->clock, &now, 0);
}

/* Guests use one vcpu's page for all if told it is stable: their TSCs must agree too. */
static bool clock_is_stable(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u64 offset = 0;
	u32 i;

	if (!kvm->clock.by_tsc)
		return false;
	vm_for_each_vcpu(i, vcpu, kvm) {
		if (i == 0)
			offset = READ_ONCE(vcpu->tsc_offset);
		else if (READ_ONCE(vcpu->tsc_offset) != offset)
			return false;
	}
	return true;
}

static void clock_fill(struct kvm_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct kvm_vm_clock *clock = &vcpu->kvm->clock;
	struct clock_instant now;

	clock_sample(&now);
	spin_lock(&clock->lock);
	clock_check_tsc(clock, &now);
	if (clock->by_tsc)
		now.tsc = clock->tsc;	/* what all pages start from */
	info->tsc_timestamp = now.tsc + vcpu->tsc_offset;
	info->system_time = clock_at(clock, &now);
	info->tsc_to_system_mul = clock->mul;
	info->tsc_shift = clock->shift;
	info->flags = clock_is_stable(vcpu->kvm) ? PVCLOCK_TSC_STABLE_BIT : 0;
	spin_unlock(&clock->lock);
}

/*
 * Write @data behind the version at @gpa: readers see an odd version while it lasts.
 * The count goes on from what the guest has, which may have come from another host.
 */
static int clock_write_versioned(struct kvm_vcpu *vcpu, gpa_t gpa, u32 version,
				 const void *data, unsigned int len)
{
	int ret;

	version = (version + 1) | 1;
	ret = paravirt_write(vcpu, gpa, &version, sizeof(version));
	if (ret)
		return ret;
	/* Odd, then the data, then even: the guest reads in the other order. */
	smp_wmb();
	ret = paravirt_write(vcpu, gpa + sizeof(version), data, len);
	/* As above. */
	smp_wmb();
	version++;
	return paravirt_write(vcpu, gpa, &version, sizeof(version)) ?: ret;
}

/**
 * clock_update() - write the vcpu's page
 * @vcpu: its own thread, loaded
 *
 * Nothing comes of an address that is no RAM. Context: may sleep.
 */
void clock_update(struct kvm_vcpu *vcpu)
{
	struct pvclock_vcpu_time_info info = { }, old;
	gpa_t gpa = vcpu->pv.clock & CLOCK_ADDRESS;

	if (!(vcpu->pv.clock & CLOCK_ENABLE) ||
	    paravirt_read(vcpu, gpa, &old, sizeof(old)))
		return;
	clock_fill(vcpu, &info);
	/* The guest clears it when its watchdog has seen it. */
	info.flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	if (vcpu->pv.clock_paused)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	if (!clock_write_versioned(vcpu, gpa, old.version, &info.pad0,
				   sizeof(info) - sizeof(info.version)))
		vcpu->pv.clock_paused = false;
	trace_kvm_pvclock_update(vcpu->id, &info);
}

void clock_sched_in(struct kvm_vcpu *vcpu, bool moved)
{
	const struct kvm_vm_clock *clock = &vcpu->kvm->clock;

	if (unlikely(READ_ONCE(clock->by_tsc) ? check_tsc_unstable() : moved))
		vcpu_request(vcpu, KVM_REQ_CLOCK);
}

void clock_tsc_changed(struct kvm *kvm)
{
	vm_request_all(kvm, KVM_REQ_CLOCK);
}

/* Real time minus the guest's clock: when the guest was started, so to say. */
static void clock_write_wall(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_vm_clock *clock = &vcpu->kvm->clock;
	struct pvclock_wall_clock wall = { };
	struct clock_instant now;
	u32 version, nsec;

	if (!gpa || paravirt_read(vcpu, gpa, &version, sizeof(version)))
		return;
	clock_sample(&now);
	spin_lock(&clock->lock);
	now.real -= clock_at(clock, &now);
	spin_unlock(&clock->lock);
	wall.sec = div_u64_rem(now.real, NSEC_PER_SEC, &nsec);
	wall.nsec = nsec;
	clock_write_versioned(vcpu, gpa, version, &wall.sec,
			      sizeof(wall) - sizeof(wall.version));
}

int clock_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	if (index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW)
		*val = READ_ONCE(vcpu->kvm->clock.wall);
	else
		*val = vcpu->pv.clock;
	return 0;
}

int clock_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	if (index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW) {
		WRITE_ONCE(vcpu->kvm->clock.wall, val);
		clock_write_wall(vcpu, val & CLOCK_ADDRESS);
		return 0;
	}
	vcpu->pv.clock = val;
	if (val & CLOCK_ENABLE)
		vcpu_request(vcpu, KVM_REQ_CLOCK);
	return 0;
}

/* KVM_KVMCLOCK_CTRL. 0, or -EINVAL: the guest has no clock to show it. */
int clock_note_pause(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->pv.clock & CLOCK_ENABLE))
		return -EINVAL;
	vcpu->pv.clock_paused = true;
	vcpu_request(vcpu, KVM_REQ_CLOCK);
	return 0;
}

/* KVM_GET_CLOCK. 0 or -EFAULT. */
int clock_get(struct kvm *kvm, void __user *argp)
{
	struct kvm_vm_clock *clock = &kvm->clock;
	struct clock_data data = { };
	struct clock_instant now;

	clock_sample(&now);
	spin_lock(&clock->lock);
	clock_check_tsc(clock, &now);
	data.clock = clock_at(clock, &now);
	if (clock_is_stable(kvm)) {
		data.flags = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
		data.realtime = now.real;
		data.host_tsc = now.tsc;
	}
	spin_unlock(&clock->lock);
	return copy_to_user(argp, &data, sizeof(data)) ? -EFAULT : 0;
}

/**
 * clock_set() - KVM_SET_CLOCK
 * @kvm: its vcpus may be running
 * @argp: struct kvm_clock_data
 *
 * With KVM_CLOCK_REALTIME the time since then counts as time the guest has lived.
 * Return: 0, -EFAULT, -EINVAL (unknown flags).
 */
int clock_set(struct kvm *kvm, const void __user *argp)
{
	struct kvm_vm_clock *clock = &kvm->clock;
	struct clock_instant now;
	struct clock_data data;

	if (copy_from_user(&data, argp, sizeof(data)))
		return -EFAULT;
	if (data.flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	clock_sample(&now);
	if ((data.flags & KVM_CLOCK_REALTIME) && now.real > data.realtime)
		data.clock += now.real - data.realtime;
	spin_lock(&clock->lock);
	clock_start(clock, &now, data.clock);
	spin_unlock(&clock->lock);
	vm_request_all(kvm, KVM_REQ_CLOCK);
	return 0;
}

/* One instant on the guest's TSC and the host's real time, for the guest's PTP. */
long clock_pair(struct kvm_vcpu *vcpu, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing pair = { };
	struct clock_instant now;
	u32 nsec;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK || !READ_ONCE(vcpu->kvm->clock.by_tsc))
		return -KVM_EOPNOTSUPP;
	clock_sample(&now);
	pair.sec = div_u64_rem(now.real, NSEC_PER_SEC, &nsec);
	pair.nsec = nsec;
	pair.tsc = now.tsc + vcpu->tsc_offset;
	return guest_write(vcpu, gpa, &pair, sizeof(pair)) ? -KVM_EFAULT : 0;
}
