/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest guest of a PC's firmware: it is read from a disk by the BIOS,
 * reads the disk's second sector itself, adds its bytes up, says on COM1 what
 * it found and switches the machine off by ACPI (PM1a control of QEMU's PIIX4
 * and ICH9, which both have it at port 0x604 once SeaBIOS has set them up).
 */
	.code16
	.globl	_start

	.set	COM1, 0x3f8
	.set	PM1A_CONTROL, 0x604
	.set	SLEEP_ENABLE, 1 << 13
	.set	BUFFER, 0x8000
	.set	SECTOR, 512

_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld

	/* INT 13h, function 2: one sector, cylinder 0, head 0, sector 2. */
	movw	$0x0201, %ax
	movw	$0x0002, %cx
	xorb	%dh, %dh
	movw	$BUFFER, %bx
	int	$0x13
	movw	$failed, %si
	jc	report

	movw	$BUFFER, %si
	movw	$SECTOR, %cx
	xorl	%edx, %edx
add:	lodsb
	movzbl	%al, %eax
	addl	%eax, %edx
	loop	add

	movl	%edx, %eax
	movw	$digits_end, %di
	movl	$10, %ebx
divide:	xorl	%edx, %edx
	divl	%ebx
	addb	$'0', %dl
	decw	%di
	movb	%dl, (%di)
	testl	%eax, %eax
	jnz	divide
	pushw	%di
	movw	$found, %si
	call	print
	popw	%si
report:	call	print

	movw	$PM1A_CONTROL, %dx
	movw	$SLEEP_ENABLE, %ax
	outw	%ax, %dx
stop:	hlt
	jmp	stop

print:	lodsb
	testb	%al, %al
	jz	done
	movb	%al, %ah
	movw	$COM1 + 5, %dx
wait:	inb	%dx, %al
	testb	$0x20, %al
	jz	wait
	movb	%ah, %al
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	print
done:	ret

failed:	.asciz	"sector: cannot read\n"
found:	.asciz	"sector: sum "
digits:	.skip	10
digits_end:
	.asciz	"\n"

	.org	510
	.word	0xaa55
