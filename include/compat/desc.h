/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's descriptor state, as a world switch must find and restore it.
 */
#ifndef KVM_COMPAT_DESC_H
#define KVM_COMPAT_DESC_H

#include <linux/types.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/segment.h>
#include "config.h"

/*
 * What the host-state area of a VMCS wants. Addresses are virtual; they differ
 * per CPU (gdt, tss, sysenter) and must be read again after a migration.
 */
struct kvm_host_desc {
	unsigned long gdt_base;		/* the read-only alias the CPU runs with */
	unsigned long idt_base;
	unsigned long tss_base;
	unsigned long sysenter_esp;
	u16 tr_sel, cs_sel, ss_sel;
};

/* [P] Of this CPU. */
static inline void kvm_host_desc_get(struct kvm_host_desc *desc)
{
	int cpu = smp_processor_id();
	struct desc_ptr idt;

	store_idt(&idt);
	desc->idt_base = idt.address;
	desc->gdt_base = (unsigned long)get_current_gdt_ro();
	desc->tss_base = (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss;
	desc->sysenter_esp = (unsigned long)(cpu_entry_stack(cpu) + 1);
	desc->tr_sel = GDT_ENTRY_TSS * 8;
	desc->cs_sel = __KERNEL_CS;
	desc->ss_sel = __KERNEL_DS;
}

/*
 * [P] A VMX exit leaves the TSS limit at 0x67 and the GDT and IDT limits at
 * 0xffff (SDM "Loading Host Segment and Descriptor-Table Registers"): the TSS no
 * longer covers the I/O bitmap, which the host reloads lazily once told so.
 */
static inline void kvm_host_tss_limit_lost(void)
{
	invalidate_tss_limit();
}

/* [P] Put the GDT's true base and limit back on this CPU. */
static inline void kvm_host_gdt_restore(void)
{
	load_fixmap_gdt(smp_processor_id());
}

/* [P] SVM: TR must be loaded again by LTR after VMLOAD of the host's TR changed it. */
static inline void kvm_host_tr_restore(void)
{
	struct desc_struct *gdt = get_current_gdt_rw();

	/* LTR faults on a busy descriptor. */
	gdt[GDT_ENTRY_TSS].type = DESC_TSS;
	load_TR_desc();
}

#endif
