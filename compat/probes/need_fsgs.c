// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the thread's FS and GS are while it does not run.
 * Needed: fsbase, gsbase, fsindex and gsindex in struct thread_struct
 */
#include <linux/sched.h>
#include <asm/processor.h>

unsigned long probe(void);
unsigned long probe(void)
{
	struct thread_struct *thread = &current->thread;

	return thread->fsbase + thread->gsbase + thread->fsindex + thread->gsindex;
}
