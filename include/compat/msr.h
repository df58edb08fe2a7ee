/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSR access by the names that say how wide it is.
 */
#ifndef KVM_COMPAT_MSR_H
#define KVM_COMPAT_MSR_H

#include <asm/msr.h>
#include "config.h"

#ifndef KVM_HAVE_RDMSRQ
#define rdmsrq(msr, val)	rdmsrl(msr, val)
#define wrmsrq(msr, val)	wrmsrl(msr, val)
#define rdmsrq_safe(msr, p)	rdmsrl_safe(msr, p)
#define wrmsrq_safe(msr, val)	wrmsrl_safe(msr, val)
#define native_wrmsrq(msr, val)	native_wrmsrl(msr, val)
#endif

#endif
