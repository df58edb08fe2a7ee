/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Passes over guest memory, in long mode with identity paging. A vcpu owns the
 * same stripe of every page, so that all vcpus hold translations of all pages.
 *
 * What a dword holds is made of its address and a seed: (address & mask) ^ seed.
 * Both dwords of a qword are made and compared at once.
 *
 * In:	RSI first page, RCX end; R8 the vcpu's block (swap.h); RBX the seed it
 *	should hold, RBP the seed to write, each in both halves; R11 mask; R12
 *	what is added to an address before it is masked; R15 what the raw
 *	pattern grows by from one qword to the next; RSP the block's end.
 * Out:	HLT; the block says what was wrong.
 */
#define BLOCK_PAGE	0	/* the page being worked on */
#define BLOCK_BAD	8	/* dwords that hold neither the pattern nor an allowed zero */
#define BLOCK_BAD_GPA	16	/* the first of them */
#define BLOCK_EXPECTED	24
#define BLOCK_GOT	32
#define BLOCK_ZEROS	40	/* dwords that were zero and might */
#define BLOCK_OFFSET	48	/* in: the stripe in a page, multiples of 32 */
#define BLOCK_LENGTH	56
#define BLOCK_ZERO_OK	64	/* in: zeros are as good as the pattern */

	.code64
	.section .rodata.guest, "a"

/* One qword at \at(%rdi): compare if \check, write if \write. */
.macro qword at, check, write
.if \check
	mov	%rax, %r9
	xor	%rbx, %r9
	mov	\at(%rdi), %r10
	cmp	%r9, %r10
	je	.Lgood\@
	lea	\at(%rdi), %r13
	call	guest_bad
.Lgood\@:
.endif
.if \write
	mov	%rax, %r9
	xor	%rbp, %r9
	mov	%r9, \at(%rdi)
.endif
	add	%r15, %rax
.endm

.macro pass check, write
.Lpage\@:
	mov	%rsi, BLOCK_PAGE(%r8)
	mov	%rsi, %rdi
	add	BLOCK_OFFSET(%r8), %rdi
	mov	%rdi, %rdx
	add	BLOCK_LENGTH(%r8), %rdx
	lea	(%rdi,%r12), %rax
	and	%r11, %rax
	lea	4(%rax), %r9
	shl	$32, %r9
	or	%r9, %rax
.Lqwords\@:
	qword	0, \check, \write
	qword	8, \check, \write
	qword	16, \check, \write
	qword	24, \check, \write
	add	$32, %rdi
	cmp	%rdx, %rdi
	jb	.Lqwords\@
	add	$0x1000, %rsi
	cmp	%rcx, %rsi
	jb	.Lpage\@
	hlt
.endm

	.balign	16
	.globl	guest_passes, guest_passes_end
/* The host enters at multiples of 512, see enum pass_op. */
guest_passes:
	pass	1, 0
	.balign	512
	pass	0, 1
	.balign	512
	pass	1, 1
	.balign	512

/* R13 address, R9 expected, R10 found: judge the low and the high dword. */
guest_bad:
	call	guest_bad_dword
	shr	$32, %r9
	shr	$32, %r10
	add	$4, %r13
guest_bad_dword:
	cmp	%r9d, %r10d
	je	2f
	test	%r10d, %r10d
	jnz	1f
	cmpq	$0, BLOCK_ZERO_OK(%r8)
	je	1f
	incq	BLOCK_ZEROS(%r8)
	ret
1:	incq	BLOCK_BAD(%r8)
	cmpq	$1, BLOCK_BAD(%r8)
	jne	2f
	mov	%r13, BLOCK_BAD_GPA(%r8)
	mov	%r9d, BLOCK_EXPECTED(%r8)
	mov	%r10d, BLOCK_GOT(%r8)
2:	ret
guest_passes_end:
	.byte	0

	.section .note.GNU-stack, "", @progbits
