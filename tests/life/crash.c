// SPDX-License-Identifier: GPL-2.0-only
/*
 * A crash kernel of thirty instructions, for the tests of the host's life.
 *
 * Places code where the machine's crash kernel would be (kexec_load(2)); after a panic
 * it says whether the CPU came there without virtualization, and ends the lab's run.
 * On a CPU in VMX operation the way there ends in a triple fault: CR4.VMXE cannot be
 * cleared (SDM "Restrictions on VMX Operation").
 *
 * Usage: crash NONCE, of the lab's settings; the machine needs crashkernel= on its
 * command line.
 */
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	4096UL

/*
 * 64-bit mode, this code mapped to its own address, no stack, no descriptor tables.
 * The first text goes to the job's serial port, the second to the console.
 */
asm(".pushsection .rodata\n"
    ".balign 16\n"
    "crash_code:\n"
    "	mov	%cr4, %rax\n"
    "	and	$~0x2000, %rax\n"		/* VMXE */
    "	mov	%rax, %cr4\n"
    "	mov	$0xc0000080, %ecx\n"		/* EFER */
    "	rdmsr\n"
    "	test	$0x1000, %eax\n"		/* SVME */
    "	jnz	9f\n"
    "	mov	$0x2f8, %edx\n"
    "	lea	crash_text(%rip), %rsi\n"
    "1:	add	$5, %edx\n"
    "2:	in	(%dx), %al\n"
    "	test	$0x20, %al\n"			/* room for a byte */
    "	jz	2b\n"
    "	sub	$5, %edx\n"
    "	lodsb\n"
    "	test	%al, %al\n"
    "	jz	3f\n"
    "	out	%al, (%dx)\n"
    "	jmp	1b\n"
    "3:	cmp	$0x3f8, %edx\n"
    "	je	9f\n"
    "	mov	$0x3f8, %edx\n"
    "	jmp	1b\n"
    "9:	hlt\n"
    "	jmp	9b\n"
    "crash_text:\n"
    ".popsection\n");

extern const char crash_code[], crash_text[];

/* Where the machine keeps memory for a crash kernel; 0: it does not. */
static unsigned long crash_region(void)
{
	unsigned long start, end;
	char line[128];
	FILE *map = fopen("/proc/iomem", "r");

	if (!map)
		return 0;
	while (fgets(line, sizeof(line), map))
		if (strstr(line, "Crash kernel") && sscanf(line, " %lx-%lx", &start, &end) == 2) {
			fclose(map);
			return start;
		}
	fclose(map);
	return 0;
}

int main(int argc, char **argv)
{
	size_t code = crash_text - crash_code;
	unsigned long region = crash_region();
	struct kexec_segment segment;
	static char image[PAGE];
	int length;

	if (argc != 2 || !region) {
		fprintf(stderr, "crash: needs a nonce, and crashkernel=64M on the command line\n");
		return 2;
	}
	memcpy(image, crash_code, code);
	length = snprintf(image + code, PAGE - code,
			  "the crash kernel runs without virtualization\n\036LAB %s 0\036", argv[1]);
	snprintf(image + code + length + 1, PAGE - code - length - 1, "\nlab: end %s\n", argv[1]);
	segment = (struct kexec_segment) {
		.buf = image, .bufsz = PAGE, .mem = (void *)region, .memsz = PAGE,
	};
	if (syscall(SYS_kexec_load, region, 1, &segment, KEXEC_ON_CRASH | KEXEC_ARCH_X86_64)) {
		perror("crash: kexec_load");
		return 1;
	}
	return 0;
}
