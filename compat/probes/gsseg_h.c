// SPDX-License-Identifier: GPL-2.0-only
/* load_gs_index() moved from <asm/special_insns.h> to a header of its own in 6.3. */
#include <linux/types.h>
#include <asm/gsseg.h>

void probe(void);
void probe(void)
{
	load_gs_index(0);
}
