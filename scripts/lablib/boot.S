/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boot sector of a lab disk: reads the pieces listed in the second sector to
 * their physical addresses, asks the BIOS for the memory map, and enters the
 * kernel by its PVH entry ("x86/HVM direct boot ABI": 32-bit protected mode,
 * flat segments, no paging, EBX = start info).
 *
 * The second sector is written by intel.py:
 *   0  entry point
 *   4  first piece: sector, count of sectors, destination; count 0 ends
 * The start info is at START_INFO in the third sector.
 */
	.code16
	.globl	_start

	.set	TABLE, 0x7e00
	.set	START_INFO, 0x8000
	.set	MEMMAP_ENTRIES, START_INFO + 48
	.set	MEMMAP, 0x9000
	.set	BUFFER, 0x20000
	.set	AT_ONCE, 64

_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movb	%dl, drive
	inb	$0x92, %al
	orb	$2, %al
	outb	%al, $0x92
	lgdt	gdt_pointer

	/* The table and the start info are the next two sectors. */
	movl	$1, lba
	movw	$2, count
	movw	$0, buffer_offset
	movw	$(TABLE >> 4), buffer_segment
	call	read

	movw	$(BUFFER >> 4), buffer_segment
	movw	$(TABLE + 4), %bp
next_piece:
	movl	0(%bp), %eax
	movl	%eax, lba
	movl	8(%bp), %edi
next_read:
	movl	4(%bp), %eax
	testl	%eax, %eax
	jz	piece_done
	cmpl	$AT_ONCE, %eax
	jbe	1f
	movl	$AT_ONCE, %eax
1:	subl	%eax, 4(%bp)
	movw	%ax, count
	movzwl	%ax, %ecx
	shll	$7, %ecx
	pushl	%ecx
	pushl	%edi
	call	read
	movzwl	count, %eax
	addl	%eax, lba
	call	flat_segments
	popl	%edi
	popl	%ecx
	movl	$BUFFER, %esi
	addr32 rep movsl
	jmp	next_read
piece_done:
	addw	$12, %bp
	cmpl	$0, 4(%bp)
	jne	next_piece

	/* Memory map; the E820 record is the PVH one less its last word. */
	xorl	%ebx, %ebx
	movw	$MEMMAP, %di
next_range:
	movl	$0xe820, %eax
	movl	$0x534d4150, %edx
	movl	$20, %ecx
	int	$0x15
	jc	map_done
	movl	$0, 20(%di)
	addw	$24, %di
	incl	MEMMAP_ENTRIES
	testl	%ebx, %ebx
	jnz	next_range
map_done:
	cli
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x10, $protected

	/* Real mode with 4 GiB limits in DS and ES. */
flat_segments:
	cli
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	movw	$0x08, %bx
	movw	%bx, %ds
	movw	%bx, %es
	andb	$0xfe, %al
	movl	%eax, %cr0
	xorw	%bx, %bx
	movw	%bx, %ds
	movw	%bx, %es
	ret

read:
	movb	$0x42, %ah
	movb	drive, %dl
	movw	$packet, %si
	int	$0x13
	jc	failed
	ret

failed:
	movw	$0x0e21, %ax
	int	$0x10
	hlt
	jmp	failed

	.code32
protected:
	movw	$0x08, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	/*
	 * VMX on and locked, as firmware leaves it and Bochs' does not: a kernel
	 * built without KVM would lock it off (SDM: IA32_FEATURE_CONTROL).
	 */
	movl	$0x3a, %ecx
	rdmsr
	testb	$1, %al
	jnz	1f
	orb	$5, %al
	wrmsr
1:	movl	$START_INFO, %ebx
	jmp	*TABLE

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf92000000ffff
	.quad	0x00cf9a000000ffff
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

packet:
	.byte	16, 0
count:
	.word	0
buffer_offset:
	.word	0
buffer_segment:
	.word	0
lba:
	.quad	0
drive:
	.byte	0

	.org	510
	.word	0xaa55
