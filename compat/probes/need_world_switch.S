/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mitigations of a world switch as the kernel's own assembler macros. The
 * newest of them, the buffer clear for guests, came in July 2025 with TSA.
 * Needed: FILL_RETURN_BUFFER, UNTRAIN_RET and VM_CLEAR_CPU_BUFFERS in <asm/nospec-branch.h>
 */
#include <linux/linkage.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

SYM_FUNC_START(probe)
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#else
	ALTERNATIVE "", __CLEAR_CPU_BUFFERS, X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO
#endif
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, \
		X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	UNTRAIN_RET
	RET
SYM_FUNC_END(probe)
