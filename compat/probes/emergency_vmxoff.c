// SPDX-License-Identifier: GPL-2.0-only
/* Until 6.6 the kernel left VMX operation in an emergency by itself, KVM or not. */
#include <linux/types.h>
#include <asm/virtext.h>

void probe(void);
void probe(void)
{
	cpu_emergency_vmxoff();
}
