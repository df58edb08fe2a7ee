// SPDX-License-Identifier: GPL-2.0-only
/*
 * By 7.2 one function forwarded interrupts and NMIs that ended a guest's stay.
 * Exports: x86_entry_from_kvm
 */
#include <linux/types.h>
#include <asm/entry-common.h>
#include <asm/trapnr.h>

void probe(void);
void probe(void)
{
	x86_entry_from_kvm(EVENT_TYPE_EXTINT, 0x20);
}
