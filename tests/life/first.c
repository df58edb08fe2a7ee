// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first guest: says hello from real mode, protected mode and long mode.
 */
#include <stdio.h>

#include "vmm.h"

static const char *const words[] = {
	[VMM_REAL] = "real mode", [VMM_PROT16] = "16-bit protected mode",
	[VMM_PROT32] = "32-bit protected mode", [VMM_PAGE32] = "32-bit paging",
	[VMM_PAE] = "PAE paging", [VMM_LONG] = "64-bit long mode",
};

/* Prints the string at DATA by OUT to the serial port, then halts. */
GUEST(say16, 16,
	"  mov $0x7000, %si\n"
	"  mov $0x3f8, %dx\n"
	"  cld\n"
	"1: lodsb\n"
	"  test %al, %al\n"
	"  jz 2f\n"
	"  out %al, %dx\n"
	"  jmp 1b\n"
	"2: hlt\n");
GUEST(say32, 32,
	"  mov $0x7000, %esi\n"
	"  mov $0x3f8, %edx\n"
	"  cld\n"
	"1: lodsb\n"
	"  test %al, %al\n"
	"  jz 2f\n"
	"  out %al, %dx\n"
	"  jmp 1b\n"
	"2: hlt\n");
GUEST(say64, 64,
	"  mov $0x7000, %rsi\n"
	"  mov $0x3f8, %edx\n"
	"  cld\n"
	"1: lodsb\n"
	"  test %al, %al\n"
	"  jz 2f\n"
	"  out %al, %dx\n"
	"  jmp 1b\n"
	"2: hlt\n");

static void say(enum vmm_mode mode, struct vmm_blob blob)
{
	struct vmm_vcpu *vcpu = vmm_boot(4 * SZ_1M, mode, blob);
	char heard[128];
	size_t n = 0;

	snprintf((char *)vcpu->vm->ram + GPA_DATA, 128, "Hello from a guest in %s.",
		 words[mode]);
	for (;;) {
		CHECK_EQ(vmm_run(vcpu), 0);
		if (vcpu->run->exit_reason == KVM_EXIT_HLT)
			break;
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
		CHECK(n < sizeof(heard) - 1);
		heard[n++] = *(char *)vmm_io_data(vcpu);
	}
	heard[n] = 0;
	CHECK_EQ(strcmp(heard, (char *)vcpu->vm->ram + GPA_DATA), 0);
	printf("    %s\n", heard);
	fflush(stdout);
}

TEST(hello, "a guest speaks from every processor mode")
{
	say(VMM_REAL, say16);
	say(VMM_PROT16, say16);
	say(VMM_PROT32, say32);
	say(VMM_PAGE32, say32);
	say(VMM_PAE, say32);
	say(VMM_LONG, say64);
}
