// SPDX-License-Identifier: GPL-2.0-only
/* 6.16 renamed rdmsrl() and its family after the width they have: rdmsrq(). */
#include <asm/msr.h>

u64 probe(void);
u64 probe(void)
{
	u64 val;

	rdmsrq(0, val);
	wrmsrq(0, val);
	return val;
}
