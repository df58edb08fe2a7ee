// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.6, and in later 6.1 kernels, the code that leaves virtualization mode in
 * an emergency is registered; before, the kernel did it and asked for VMCLEAR only.
 * Exports: cpu_emergency_register_virt_callback
 */
#include <linux/types.h>
#include <asm/reboot.h>

void probe(void (*cb)(void));
void probe(void (*cb)(void))
{
	cpu_emergency_register_virt_callback(cb);
}
