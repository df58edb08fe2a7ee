// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 6.6 a crash with kexec asked for VMCLEAR through this pointer.
 * Exports: crash_vmclear_loaded_vmcss
 */
#include <linux/kexec.h>
#include <linux/rcupdate.h>

void probe(void (*cb)(void));
void probe(void (*cb)(void))
{
	rcu_assign_pointer(crash_vmclear_loaded_vmcss, cb);
}
