// SPDX-License-Identifier: GPL-2.0-only
/* cpuid() and its family moved from <asm/processor.h> to a header of their own in 6.16. */
#include <linux/types.h>
#include <asm/cpuid/api.h>

u32 probe(void);
u32 probe(void)
{
	return cpuid_eax(0);
}
