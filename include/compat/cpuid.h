/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cpuid(), cpuid_count(), cpuid_eax() and their like, wherever they live.
 */
#ifndef KVM_COMPAT_CPUID_H
#define KVM_COMPAT_CPUID_H

#include <asm/processor.h>

#if __has_include("asm/cpuid/api.h")
#include <asm/cpuid/api.h>
#endif

#endif
