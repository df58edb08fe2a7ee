/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks through the processor modes and back, for ever. Starts in real mode at
 * GPA_CODE. Reports each mode it has reached by OUT of its number to port
 * 0x10. ESI, EDI and EBP hold the page-table roots for 32-bit, PAE and
 * long-mode paging.
 */
#define GPA_CODE	0x8000
#define SEL_CODE32	0x08
#define SEL_DATA32	0x10
#define SEL_CODE64	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define CR0_PE		1
#define CR0_PG		(1 << 31)
#define CR4_PSE		(1 << 4)
#define CR4_PAE		(1 << 5)
#define MSR_EFER	0xc0000080
#define EFER_LME	(1 << 8)

#define AT(label)	(label - guest_switch_modes + GPA_CODE)

.macro report number
	mov $\number, %al
	out %al, $0x10
.endm

.macro load_data selector
	mov $\selector, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
.endm

	.section .rodata.guest, "a"
	.globl guest_switch_modes, guest_switch_modes_end
	.balign 16
guest_switch_modes:
	.code16
real:
	report 1
	lgdtl AT(gdt_pointer)
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE16, $AT(prot16)
prot16:
	load_data SEL_DATA16
	report 2
	ljmpl $SEL_CODE32, $AT(prot32)

	.code32
prot32:
	load_data SEL_DATA32
	report 3
	mov %cr4, %eax
	or $CR4_PSE, %eax
	mov %eax, %cr4
	mov %esi, %cr3
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	report 4
	/* PAE may not change while paging is on. */
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov %cr4, %eax
	and $~CR4_PSE, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov %edi, %cr3
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	report 5
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov %ebp, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	report 6
	ljmp $SEL_CODE64, $AT(long_mode)

	.code64
long_mode:
	movabs $0x123456789abcdef0, %r15
	report 7
	pushq $SEL_CODE32
	pushq $AT(compat)
	lretq

	.code32
compat:
	report 6
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	and $~EFER_LME, %eax
	wrmsr
	mov %cr4, %eax
	and $~CR4_PAE, %eax
	mov %eax, %cr4
	report 3
	ljmp $SEL_CODE16, $AT(back16)

	.code16
back16:
	load_data SEL_DATA16
	mov %cr0, %eax
	and $~CR0_PE, %eax
	mov %eax, %cr0
	ljmp $0, $AT(back_real)
back_real:
	load_data 0
	jmp real

	.balign 8
	.word 0
gdt_pointer:
	.word 0xfff
	.long 0x1000
guest_switch_modes_end:
	.byte 0

	.section .note.GNU-stack, "", @progbits
