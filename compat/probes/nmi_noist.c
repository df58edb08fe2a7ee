// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NMI entry for an NMI taken from a guest: from 5.8, and 5.10 in stable form, to 6.7.
 * Exports: asm_exc_nmi_noist
 */
#include <asm/idtentry.h>

void *probe(void);
void *probe(void)
{
	return asm_exc_nmi_noist;
}
