/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * High-resolution timers, set up in one call.
 */
#ifndef KVM_COMPAT_HRTIMER_H
#define KVM_COMPAT_HRTIMER_H

#include <linux/hrtimer.h>
#include "config.h"

#ifndef KVM_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*fn)(struct hrtimer *timer),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#endif

#endif
