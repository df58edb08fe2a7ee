/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the interrupt controllers, as <kvm/trace.h> has the others.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm
/* Two headers of one system: what is made of its name must differ. */
#undef TRACE_SYSTEM_VAR
#define TRACE_SYSTEM_VAR kvm_irq

#if !defined(KVM_SWAP_TRACE_IRQ_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVM_SWAP_TRACE_IRQ_H

#include <linux/tracepoint.h>
#include <asm/apicdef.h>

#define KVM_TRACE_DELIVERY						\
	{ 0, "Fixed" }, { 1, "LowPrio" }, { 2, "SMI" }, { 3, "Res3" },	\
	{ 4, "NMI" }, { 5, "INIT" }, { 6, "SIPI" }, { 7, "ExtINT" }

#define KVM_TRACE_APIC_REG						\
	{ APIC_ID, "APIC_ID" }, { APIC_LVR, "APIC_LVR" },		\
	{ APIC_TASKPRI, "APIC_TASKPRI" }, { APIC_ARBPRI, "APIC_ARBPRI" },	\
	{ APIC_PROCPRI, "APIC_PROCPRI" }, { APIC_EOI, "APIC_EOI" },	\
	{ APIC_RRR, "APIC_RRR" }, { APIC_LDR, "APIC_LDR" },		\
	{ APIC_DFR, "APIC_DFR" }, { APIC_SPIV, "APIC_SPIV" },		\
	{ APIC_ISR, "APIC_ISR" }, { APIC_TMR, "APIC_TMR" },		\
	{ APIC_IRR, "APIC_IRR" }, { APIC_ESR, "APIC_ESR" },		\
	{ APIC_ICR, "APIC_ICR" }, { APIC_ICR2, "APIC_ICR2" },		\
	{ APIC_LVTT, "APIC_LVTT" }, { APIC_LVTTHMR, "APIC_LVTTHMR" },	\
	{ APIC_LVTPC, "APIC_LVTPC" }, { APIC_LVT0, "APIC_LVT0" },	\
	{ APIC_LVT1, "APIC_LVT1" }, { APIC_LVTERR, "APIC_LVTERR" },	\
	{ APIC_TMICT, "APIC_TMICT" }, { APIC_TMCCT, "APIC_TMCCT" },	\
	{ APIC_TDCR, "APIC_TDCR" }, { APIC_SELF_IPI, "APIC_SELF_IPI" }

/* @rw: 0 read, 1 write; @reg: offset in the register page, in x2APIC mode too. */
TRACE_EVENT(kvm_apic,
	TP_PROTO(unsigned int rw, unsigned int reg, u64 val),
	TP_ARGS(rw, reg, val),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, reg)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->reg = reg;
		__entry->val = val;
	),
	TP_printk("apic_%s %s = 0x%llx", __entry->rw ? "write" : "read",
		  __print_symbolic(__entry->reg, KVM_TRACE_APIC_REG), __entry->val)
);

TRACE_EVENT(kvm_apic_ipi,
	TP_PROTO(u32 icr_low, u32 dest_id),
	TP_ARGS(icr_low, dest_id),
	TP_STRUCT__entry(
		__field(u32, icr_low)
		__field(u32, dest_id)
	),
	TP_fast_assign(
		__entry->icr_low = icr_low;
		__entry->dest_id = dest_id;
	),
	TP_printk("dst %x vec %u (%s|%s|%s|%s|%s)", __entry->dest_id,
		  (u8)__entry->icr_low,
		  __print_symbolic(__entry->icr_low >> 8 & 7, KVM_TRACE_DELIVERY),
		  __entry->icr_low & APIC_DEST_LOGICAL ? "logical" : "physical",
		  __entry->icr_low & APIC_INT_ASSERT ? "assert" : "de-assert",
		  __entry->icr_low & APIC_INT_LEVELTRIG ? "level" : "edge",
		  __print_symbolic(__entry->icr_low >> 18 & 3, { 0, "dst" },
				   { 1, "self" }, { 2, "all" }, { 3, "all-but-self" }))
);

/* @delivery: enum kvm_apic_delivery. */
TRACE_EVENT(kvm_apic_accept_irq,
	TP_PROTO(u32 apicid, u16 delivery, u16 level, u8 vector),
	TP_ARGS(apicid, delivery, level, vector),
	TP_STRUCT__entry(
		__field(u32, apicid)
		__field(u16, dm)
		__field(u16, tm)
		__field(u8, vec)
	),
	TP_fast_assign(
		__entry->apicid = apicid;
		__entry->dm = delivery << 8;
		__entry->tm = level;
		__entry->vec = vector;
	),
	TP_printk("apicid %x vec %u (%s|%s)", __entry->apicid, __entry->vec,
		  __print_symbolic(__entry->dm >> 8 & 7, KVM_TRACE_DELIVERY),
		  __entry->tm ? "level" : "edge")
);

/* @vector: -1 if none was in service. */
TRACE_EVENT(kvm_eoi,
	TP_PROTO(u32 apicid, int vector),
	TP_ARGS(apicid, vector),
	TP_STRUCT__entry(
		__field(u32, apicid)
		__field(int, vector)
	),
	TP_fast_assign(
		__entry->apicid = apicid;
		__entry->vector = vector;
	),
	TP_printk("apicid %x vector %d", __entry->apicid, __entry->vector)
);

TRACE_EVENT(kvm_pv_eoi,
	TP_PROTO(u32 apicid, int vector),
	TP_ARGS(apicid, vector),
	TP_STRUCT__entry(
		__field(u32, apicid)
		__field(int, vector)
	),
	TP_fast_assign(
		__entry->apicid = apicid;
		__entry->vector = vector;
	),
	TP_printk("apicid %x vector %d", __entry->apicid, __entry->vector)
);

TRACE_EVENT(kvm_msi_set_irq,
	TP_PROTO(u64 address, u64 data),
	TP_ARGS(address, data),
	TP_STRUCT__entry(
		__field(u64, address)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->address = address;
		__entry->data = data;
	),
	TP_printk("dst %llx vec %u (%s|%s|%s%s)",
		  (u8)(__entry->address >> 12) | ((__entry->address >> 32) & 0xffffff00),
		  (u8)__entry->data,
		  __print_symbolic(__entry->data >> 8 & 7, KVM_TRACE_DELIVERY),
		  __entry->address & BIT(2) ? "logical" : "physical",
		  __entry->data & BIT(15) ? "level" : "edge",
		  __entry->address & BIT(3) ? "|rh" : "")
);

/* @irq_source_id: enum kvm_irq_source. */
TRACE_EVENT(kvm_set_irq,
	TP_PROTO(unsigned int gsi, int level, int irq_source_id),
	TP_ARGS(gsi, level, irq_source_id),
	TP_STRUCT__entry(
		__field(unsigned int, gsi)
		__field(int, level)
		__field(int, irq_source_id)
	),
	TP_fast_assign(
		__entry->gsi = gsi;
		__entry->level = level;
		__entry->irq_source_id = irq_source_id;
	),
	TP_printk("gsi %u level %d source %d", __entry->gsi, __entry->level,
		  __entry->irq_source_id)
);

/* @irqchip: KVM_IRQCHIP_*. */
TRACE_EVENT(kvm_ack_irq,
	TP_PROTO(unsigned int irqchip, unsigned int pin),
	TP_ARGS(irqchip, pin),
	TP_STRUCT__entry(
		__field(unsigned int, irqchip)
		__field(unsigned int, pin)
	),
	TP_fast_assign(
		__entry->irqchip = irqchip;
		__entry->pin = pin;
	),
	TP_printk("irqchip %s pin %u",
		  __print_symbolic(__entry->irqchip, { 0, "PIC master" },
				   { 1, "PIC slave" }, { 2, "IOAPIC" }),
		  __entry->pin)
);

TRACE_EVENT(kvm_pic_set_irq,
	TP_PROTO(unsigned int chip, unsigned int pin, u8 elcr, u8 imr, bool coalesced),
	TP_ARGS(chip, pin, elcr, imr, coalesced),
	TP_STRUCT__entry(
		__field(u8, chip)
		__field(u8, pin)
		__field(u8, elcr)
		__field(u8, imr)
		__field(bool, coalesced)
	),
	TP_fast_assign(
		__entry->chip = chip;
		__entry->pin = pin;
		__entry->elcr = elcr;
		__entry->imr = imr;
		__entry->coalesced = coalesced;
	),
	TP_printk("chip %u pin %u (%s%s)%s", __entry->chip, __entry->pin,
		  __entry->elcr & (1 << __entry->pin) ? "level" : "edge",
		  __entry->imr & (1 << __entry->pin) ? "|masked" : "",
		  __entry->coalesced ? " (coalesced)" : "")
);

DECLARE_EVENT_CLASS(kvm_ioapic_entry,
	TP_PROTO(u64 e, int pin, bool coalesced),
	TP_ARGS(e, pin, coalesced),
	TP_STRUCT__entry(
		__field(u64, e)
		__field(int, pin)
		__field(bool, coalesced)
	),
	TP_fast_assign(
		__entry->e = e;
		__entry->pin = pin;
		__entry->coalesced = coalesced;
	),
	TP_printk("pin %d dst 0x%x vec %u (mode %u|%s|%s%s)%s", __entry->pin,
		  (u8)(__entry->e >> 56), (u8)__entry->e, (u32)(__entry->e >> 8) & 7,
		  __entry->e & BIT(11) ? "logical" : "physical",
		  __entry->e & BIT(15) ? "level" : "edge",
		  __entry->e & BIT(16) ? "|masked" : "",
		  __entry->coalesced ? " (coalesced)" : "")
);

DEFINE_EVENT(kvm_ioapic_entry, kvm_ioapic_set_irq,
	TP_PROTO(u64 e, int pin, bool coalesced),
	TP_ARGS(e, pin, coalesced)
);

/* A line that stays up through thousands of EOIs in a row fires later. */
DEFINE_EVENT(kvm_ioapic_entry, kvm_ioapic_delayed_eoi_inj,
	TP_PROTO(u64 e, int pin, bool coalesced),
	TP_ARGS(e, pin, coalesced)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kvm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace_irq
#include <trace/define_trace.h>
