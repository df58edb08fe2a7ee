/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpuid(), cpuid_count(), cpuid_eax() and their like, wherever they live.
 */
#ifndef KVM_COMPAT_CPUID_H
#define KVM_COMPAT_CPUID_H

#include <asm/processor.h>
#include "config.h"

#ifdef KVM_HAVE_CPUID_API_H
#include <asm/cpuid/api.h>
#endif

#endif
