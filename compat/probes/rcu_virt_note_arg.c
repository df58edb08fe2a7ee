// SPDX-License-Identifier: GPL-2.0-only
/* rcu_virt_note_context_switch() took the CPU number until 6.6, which dropped it as unused. */
#include <linux/rcupdate.h>

void probe(void);
void probe(void)
{
	rcu_virt_note_context_switch(0);
}
