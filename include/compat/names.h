/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of CPUs and of the KVM ABI that older kernels have no name for, by the
 * newest kernel's names. Included in front of every file by kmod/Kbuild.
 */
#ifndef KVM_COMPAT_NAMES_H
#define KVM_COMPAT_NAMES_H

#ifndef __ASSEMBLER__

#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <uapi/asm/vmx.h>
#include "config.h"

/* CPUID.(7,0).EDX */
#ifndef X86_FEATURE_AVX512_FP16
#define X86_FEATURE_AVX512_FP16		(18 * 32 + 23)
#endif

#ifndef MSR_AMD64_SYSCFG
#define MSR_AMD64_SYSCFG		0xc0010010
#endif

#ifndef EXIT_REASON_SIPI_SIGNAL
#define EXIT_REASON_SIPI_SIGNAL		4
#endif

/* Read it once: userspace writes it at any time. */
#ifdef KVM_HAVE_IMMEDIATE_EXIT_UNSAFE
#define immediate_exit			immediate_exit__unsafe
#endif

#endif /* __ASSEMBLER__ */
#endif
