// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf's guest callbacks.
 */
#include <linux/kernel.h>
#include <linux/perf_event.h>
#include <compat/perf.h>

#ifdef KVM_HAVE_PERF_GUEST_CBS

static const struct kvm_perf_ops *perf_ops;

#ifdef KVM_HAVE_PERF_GUEST_STATE

static unsigned int perf_state(void)
{
	if (!perf_ops->in_guest())
		return 0;
	return PERF_GUEST_ACTIVE | (perf_ops->user() ? PERF_GUEST_USER : 0);
}

static unsigned long perf_ip(void)
{
	return perf_ops->ip();
}

static struct perf_guest_info_callbacks perf_callbacks = {
	.state = perf_state,
	.get_ip = perf_ip,
};

#else

static int perf_in_guest(void)
{
	return perf_ops->in_guest();
}

static int perf_user(void)
{
	return perf_ops->user();
}

static unsigned long perf_ip(void)
{
	return perf_ops->ip();
}

static struct perf_guest_info_callbacks perf_callbacks = {
	.is_in_guest = perf_in_guest,
	.is_user_mode = perf_user,
	.get_guest_ip = perf_ip,
};

#endif

void kvm_perf_register(const struct kvm_perf_ops *ops)
{
	perf_ops = ops;
	perf_register_guest_info_callbacks(&perf_callbacks);
}

void kvm_perf_unregister(void)
{
	perf_unregister_guest_info_callbacks(&perf_callbacks);
	perf_ops = NULL;
}

#else

/* This kernel's perf does not ask about guests. */
void kvm_perf_register(const struct kvm_perf_ops *ops)
{
}

void kvm_perf_unregister(void)
{
}

#endif
