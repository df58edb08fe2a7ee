// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the host's descriptor tables and entry stack are.
 * Needed: get_cpu_entry_area(), get_current_gdt_ro() and store_idt() in <asm/desc.h>
 */
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>

void *probe(int cpu);
void *probe(int cpu)
{
	struct desc_ptr idt;

	store_idt(&idt);
	load_fixmap_gdt(cpu);
	invalidate_tss_limit();
	if (get_current_gdt_ro() != (void *)idt.address)
		return cpu_entry_stack(cpu) + 1;
	return &get_cpu_entry_area(cpu)->tss.x86_tss;
}
