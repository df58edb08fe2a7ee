// SPDX-License-Identifier: GPL-2.0-only
/* BHI: a loop that overwrites the branch history, since 6.9 and its stable backports. */
#include <asm/nospec-branch.h>

void *probe(void);
void *probe(void)
{
	return clear_bhb_loop;
}
