// SPDX-License-Identifier: GPL-2.0-only
/* xgetbv() got a header of its own in 5.16. */
#include <linux/types.h>
#include <asm/fpu/xcr.h>

u64 probe(void);
u64 probe(void)
{
	return xgetbv(XCR_XFEATURE_ENABLED_MASK);
}
