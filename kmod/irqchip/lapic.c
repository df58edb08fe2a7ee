// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of a local APIC, as its page in xAPIC mode and as MSRs in x2APIC
 * mode show them.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/cpufeatures.h>
#include <kvm/trace_irq.h>
#include <kvm/x86.h>
#include "lapic.h"

#define REG_BIT(reg)		BIT_ULL((reg) >> 4)
#define REG_BITS8(reg)		(0xffULL << ((reg) >> 4))

/* Which registers can be read; the rest of the page is reserved or write-only. */
#define READABLE_BOTH							\
	(REG_BIT(APIC_ID) | REG_BIT(APIC_LVR) | REG_BIT(APIC_TASKPRI) |	\
	 REG_BIT(APIC_PROCPRI) | REG_BIT(APIC_LDR) | REG_BIT(APIC_SPIV) |	\
	 REG_BITS8(APIC_ISR) | REG_BITS8(APIC_TMR) | REG_BITS8(APIC_IRR) |	\
	 REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REG_BIT(APIC_LVTT) |	\
	 REG_BIT(APIC_LVTTHMR) | REG_BIT(APIC_LVTPC) | REG_BIT(APIC_LVT0) |	\
	 REG_BIT(APIC_LVT1) | REG_BIT(APIC_LVTERR) | REG_BIT(APIC_TMICT) |	\
	 REG_BIT(APIC_TMCCT) | REG_BIT(APIC_TDCR))
#define READABLE_XAPIC							\
	(REG_BIT(APIC_ARBPRI) | REG_BIT(APIC_RRR) | REG_BIT(APIC_DFR) |	\
	 REG_BIT(APIC_ICR2))

#define SVR_WRITABLE		(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED |	\
				 APIC_SPIV_FOCUS_DISABLED)
#define LVT_VECTOR_MASK		(APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define LVT_MODE		(LVT_VECTOR_MASK | APIC_MODE_MASK)
#define LVT_PIN			(LVT_MODE | APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER)
#define ICR_WRITABLE		(APIC_VECTOR_MASK | APIC_MODE_MASK |		\
				 APIC_DEST_LOGICAL | APIC_INT_ASSERT |		\
				 APIC_INT_LEVELTRIG | APIC_DEST_ALLBUT)
#define DFR_RESERVED		0x0fffffffU
#define XAPIC_FIELD		0xff000000U	/* of ID, LDR, ICR2 */

static const u16 lapic_lvts[LAPIC_LVTS] = {
	APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR,
};

static bool lapic_directed_eoi(struct kvm_lapic *apic)
{
	/* The I/O APIC of the kernel has no EOI register to direct one to. */
	return apic->vcpu->kvm->irqchip_mode == KVM_IRQCHIP_SPLIT &&
	       x86_guest_has(apic->vcpu, X86_FEATURE_X2APIC);
}

static u32 lapic_version(struct kvm_lapic *apic)
{
	return LAPIC_VERSION | (LAPIC_LVTS - 1) << 16 |
	       (lapic_directed_eoi(apic) ? APIC_LVR_DIRECTED_EOI : 0);
}

/**
 * lapic_reg_read() - read a register by its offset in the page
 * @apic: own thread
 * @reg: multiple of 16 below KVM_APIC_REG_SIZE
 * @val: its value
 *
 * Return: 0, or 1: the mode has no such register to read.
 */
int lapic_reg_read(struct kvm_lapic *apic, u32 reg, u32 *val)
{
	u64 readable = READABLE_BOTH | (apic->mode == LAPIC_XAPIC ? READABLE_XAPIC : 0);

	if (!(readable & REG_BIT(reg)))
		return 1;
	if (unlikely(apic->pv_eoi_offered))
		lapic_pv_eoi_sync(apic);
	switch (reg) {
	case APIC_ID:
		*val = apic->mode == LAPIC_X2APIC ? apic->id : apic->id << 24;
		break;
	case APIC_LVR:
		*val = lapic_version(apic);
		break;
	case APIC_TASKPRI:
		lapic_vapic_pull(apic->vcpu);
		*val = lapic_reg(apic, reg);
		break;
	case APIC_ARBPRI:
	case APIC_PROCPRI:
		lapic_vapic_pull(apic->vcpu);
		*val = lapic_ppr(apic);
		break;
	case APIC_TMCCT:
		*val = lapic_timer_count(apic);
		break;
	default:
		*val = lapic_reg(apic, reg);
	}
	trace_kvm_apic(0, reg, *val);
	return 0;
}

static void lapic_write_svr(struct kvm_lapic *apic, u32 val)
{
	u32 old = lapic_reg(apic, APIC_SPIV), mask = SVR_WRITABLE;
	int i;

	if (lapic_directed_eoi(apic))
		mask |= APIC_SPIV_DIRECTED_EOI;
	lapic_set_reg(apic, APIC_SPIV, val & mask);
	if (!(old & ~val & APIC_SPIV_APIC_ENABLED))
		return;
	/* Intel SDM, "Local APIC State After It Has Been Software Disabled". */
	for (i = 0; i < LAPIC_LVTS; i++)
		lapic_set_reg(apic, lapic_lvts[i],
			      lapic_reg(apic, lapic_lvts[i]) | APIC_LVT_MASKED);
}

static void lapic_write_lvt(struct kvm_lapic *apic, u32 reg, u32 val, u32 mask)
{
	u32 old = lapic_reg(apic, reg);

	val &= mask;
	if (!lapic_enabled(apic))
		val |= APIC_LVT_MASKED;
	lapic_set_reg(apic, reg, val);
	if (reg == APIC_LVTT && ((val ^ old) & LVT_TIMER_MODE))
		lapic_timer_mode_changed(apic, old);
}

static u32 lapic_lvtt_mask(struct kvm_lapic *apic)
{
	u32 mask = LVT_VECTOR_MASK | LVT_PERIODIC;

	if (x86_guest_has(apic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
		mask |= LVT_TSC_DEADLINE;
	return mask;
}

static void lapic_write_tmict(struct kvm_lapic *apic, u32 val)
{
	if (lapic_deadline_mode(apic))
		return;
	lapic_set_reg(apic, APIC_TMICT, val);
	lapic_timer_start(apic, val);
}

static void lapic_write_tdcr(struct kvm_lapic *apic, u32 val)
{
	u32 count = lapic_timer_count(apic);

	lapic_set_reg(apic, APIC_TDCR, val & 0xb);
	lapic_timer_divide_changed(apic, count);
}

/* Intel SDM, "Error Handling": writing shows what has been found since the last time. */
static void lapic_write_esr(struct kvm_lapic *apic)
{
	lapic_set_reg(apic, APIC_ESR, xchg(&apic->errors, 0));
}

/* The registers that exist in one mode only, or differ in it. 0, or 1: not written. */
static int lapic_write_mode(struct kvm_lapic *apic, u32 reg, u32 val)
{
	bool x2apic = apic->mode == LAPIC_X2APIC;

	switch (reg) {
	case APIC_ESR:
		if (x2apic && val)
			return 1;
		lapic_write_esr(apic);
		return 0;
	case APIC_SELF_IPI:
		if (!x2apic || val & ~APIC_VECTOR_MASK)
			return 1;
		lapic_icr_write(apic, APIC_DEST_SELF | APIC_INT_ASSERT | val, 0);
		return 0;
	}
	if (x2apic)
		return 1;
	switch (reg) {
	case APIC_ID:	/* given by whoever made the vcpu */
		return 0;
	case APIC_LDR:
		lapic_set_reg(apic, APIC_LDR, val & XAPIC_FIELD);
		return 0;
	case APIC_DFR:
		lapic_set_reg(apic, APIC_DFR, val | DFR_RESERVED);
		return 0;
	case APIC_ICR:
		lapic_set_reg(apic, APIC_ICR, val & ICR_WRITABLE);
		lapic_icr_write(apic, val, lapic_reg(apic, APIC_ICR2) >> 24);
		return 0;
	case APIC_ICR2:
		lapic_set_reg(apic, APIC_ICR2, val & XAPIC_FIELD);
		return 0;
	}
	return 1;
}

/**
 * lapic_reg_write() - write a register by its offset in the page
 * @apic: own thread
 * @reg: multiple of 16 below KVM_APIC_REG_SIZE; not ICR in x2APIC mode
 * @val: new value; unknown bits are dropped
 *
 * Return: 0, or 1: the mode has no such register to write.
 */
int lapic_reg_write(struct kvm_lapic *apic, u32 reg, u32 val)
{
	trace_kvm_apic(1, reg, val);
	switch (reg) {
	case APIC_EOI:
		lapic_eoi(apic);
		return 0;
	case APIC_TASKPRI:
		lapic_set_tpr(apic->vcpu, val);
		return 0;
	case APIC_SPIV:
		lapic_write_svr(apic, val);
		return 0;
	case APIC_LVTT:
		lapic_write_lvt(apic, reg, val, lapic_lvtt_mask(apic));
		return 0;
	case APIC_LVTTHMR:
	case APIC_LVTPC:
		lapic_write_lvt(apic, reg, val, LVT_MODE);
		return 0;
	case APIC_LVT0:
	case APIC_LVT1:
		lapic_write_lvt(apic, reg, val, LVT_PIN);
		return 0;
	case APIC_LVTERR:
		lapic_write_lvt(apic, reg, val, LVT_VECTOR_MASK);
		return 0;
	case APIC_TMICT:
		lapic_write_tmict(apic, val);
		return 0;
	case APIC_TDCR:
		lapic_write_tdcr(apic, val);
		return 0;
	}
	return lapic_write_mode(apic, reg, val);
}

void lapic_set_tpr(struct kvm_vcpu *vcpu, u8 tpr)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 old = lapic_reg(apic, APIC_TASKPRI);

	lapic_set_reg(apic, APIC_TASKPRI, tpr);
	apic->vapic_newer = true;
	vcpu->regs.cr8 = tpr >> 4;
	if (tpr < old)
		lapic_look(apic);
}

static bool lapic_tpr_reported(const struct kvm_lapic *apic, u32 reg)
{
	return unlikely(apic->tpr_report) && reg == APIC_TASKPRI;
}

/* Is [gpa, gpa + len) in the page? It never crosses its end: accesses are split at pages. */
static bool lapic_owns(const struct kvm_lapic *apic, gpa_t gpa)
{
	return (gpa & PAGE_MASK) == apic->base;
}

/*
 * Intel SDM, "The Local APIC Block Diagram": registers are read and written as
 * aligned 32 bits; anything else is undefined. Bytes of a register can be read here,
 * other bytes are 0, and other writes do nothing.
 */
int lapic_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 offset = gpa & ~PAGE_MASK, reg = offset & ~(LAPIC_REG_STEP - 1), word = 0;
	u8 bytes[sizeof(u64) + LAPIC_REG_STEP] = {};

	if (!apic || !lapic_owns(apic, gpa))
		return -EOPNOTSUPP;
	if (offset < KVM_APIC_REG_SIZE && lapic_reg_read(apic, reg, &word))
		lapic_error(apic, LAPIC_ERR_REGISTER);
	if (lapic_tpr_reported(apic, reg))
		lapic_tpr_accessed(apic, x86_emulated_rip(vcpu), false);
	memcpy(bytes, &word, sizeof(word));
	memcpy(val, bytes + offset % LAPIC_REG_STEP, min_t(unsigned int, len, sizeof(u64)));
	return 0;
}

int lapic_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 offset = gpa & ~PAGE_MASK, word;

	if (!apic || !lapic_owns(apic, gpa))
		return -EOPNOTSUPP;
	if (offset % LAPIC_REG_STEP || len < sizeof(word))
		return 0;
	memcpy(&word, val, sizeof(word));
	if (offset >= KVM_APIC_REG_SIZE || lapic_reg_write(apic, offset, word))
		lapic_error(apic, LAPIC_ERR_REGISTER);
	if (lapic_tpr_reported(apic, offset))
		lapic_tpr_accessed(apic, x86_emulated_rip(vcpu), true);
	return 0;
}

static int lapic_get_deadline(struct kvm_lapic *apic, u64 *val)
{
	*val = lapic_deadline_mode(apic) ? READ_ONCE(apic->deadline) : 0;
	return 0;
}

int lapic_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 reg = (index - APIC_BASE_MSR) << 4, low;

	if (index == MSR_IA32_TSC_DEADLINE)
		return lapic_get_deadline(apic, val);
	if (apic->mode != LAPIC_X2APIC || reg >= KVM_APIC_REG_SIZE ||
	    lapic_reg_read(apic, reg, &low))
		return 1;
	if (lapic_tpr_reported(apic, reg) && !host)
		lapic_tpr_accessed(apic, vcpu_rip(vcpu), false);
	*val = low;
	if (reg == APIC_ICR)
		*val |= (u64)lapic_reg(apic, APIC_ICR2) << 32;
	return 0;
}

static int lapic_x2apic_icr(struct kvm_lapic *apic, u64 val)
{
	if ((u32)val & ~ICR_WRITABLE)
		return 1;
	trace_kvm_apic(1, APIC_ICR, val);
	lapic_set_reg(apic, APIC_ICR, val);
	lapic_set_reg(apic, APIC_ICR2, val >> 32);
	lapic_icr_write(apic, val, val >> 32);
	return 0;
}

int lapic_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 reg = (index - APIC_BASE_MSR) << 4;

	if (index == MSR_IA32_TSC_DEADLINE) {
		/* Userspace may load it before it loads the mode of the timer. */
		if (host || lapic_deadline_mode(apic))
			lapic_deadline_set(apic, val);
		return 0;
	}
	if (apic->mode != LAPIC_X2APIC || reg >= KVM_APIC_REG_SIZE)
		return 1;
	if (reg == APIC_ICR)
		return lapic_x2apic_icr(apic, val);
	if (val >> 32)
		return 1;
	if (lapic_tpr_reported(apic, reg) && !host)
		lapic_tpr_accessed(apic, vcpu_rip(vcpu), true);
	return lapic_reg_write(apic, reg, val);
}

/* Intel SDM, "Deriving Logical x2APIC ID from the Local x2APIC ID". */
static u32 lapic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | BIT(id & 0xf);
}

void lapic_follow_base(struct kvm_lapic *apic)
{
	u64 base = apic->vcpu->regs.apic_base;
	u8 mode = LAPIC_OFF;

	if (base & MSR_IA32_APICBASE_ENABLE)
		mode = base & X2APIC_ENABLE ? LAPIC_X2APIC : LAPIC_XAPIC;
	apic->base = mode == LAPIC_XAPIC ? base & PAGE_MASK : ~0ULL;
	if (mode != apic->mode && mode != LAPIC_OFF)
		WRITE_ONCE(apic->id, mode == LAPIC_X2APIC ? apic->vcpu->id : (u8)apic->vcpu->id);
	if (mode == LAPIC_X2APIC)
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(apic->id));
	WRITE_ONCE(apic->mode, mode);
}

void lapic_base_changed(struct kvm_vcpu *vcpu, u64 old)
{
	struct kvm_lapic *apic = vcpu->lapic;

	lapic_follow_base(apic);
	if (apic->mode == LAPIC_OFF)
		lapic_timer_stop(apic);
	lapic_map_update(vcpu->kvm);
	lapic_look(apic);
}

/**
 * lapic_reset() - Intel SDM, "Local APIC State After Power-Up or Reset" and after INIT
 * @vcpu: own thread, or not published; regs.apic_base has its value already
 * @init: INIT, which leaves the APIC ID alone
 */
void lapic_reset(struct kvm_vcpu *vcpu, bool init)
{
	struct kvm_lapic *apic = vcpu->lapic;
	int i;

	lapic_pv_eoi_wait(vcpu);
	lapic_timer_stop(apic);
	WRITE_ONCE(apic->deadline, 0);
	memset(apic->regs, 0, sizeof(apic->regs));
	apic->irr_words = 0;
	apic->isr_top = -1;
	apic->errors = 0;
	lapic_set_reg(apic, APIC_DFR, APIC_DFR_FLAT);
	lapic_set_reg(apic, APIC_SPIV, APIC_VECTOR_MASK);
	for (i = 0; i < LAPIC_LVTS; i++)
		lapic_set_reg(apic, lapic_lvts[i], APIC_LVT_MASKED);
	/* Firmware that knows no APIC gets the 8259's interrupts all the same. */
	if (vcpu->regs.apic_base & MSR_IA32_APICBASE_BSP &&
	    vm_has_quirk(vcpu->kvm, KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_set_reg(apic, APIC_LVT0, SET_APIC_DELIVERY_MODE(0, APIC_MODE_EXTINT));
	if (!init)
		apic->mode = LAPIC_OFF;
	lapic_follow_base(apic);
	lapic_set_tpr(vcpu, 0);
	lapic_timer_divide_changed(apic, 0);
}

int lapic_create(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic;

	if (!irqchip_in_kernel(vcpu->kvm))
		return 0;
	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	vcpu->lapic = apic;
	lapic_timer_init(apic);
	lapic_reset(vcpu, false);
	return 0;
}

void lapic_published(struct kvm_vcpu *vcpu)
{
	if (vcpu->lapic)
		lapic_map_update(vcpu->kvm);
}

/* Nobody can reach the vcpu any more. */
void lapic_destroy(struct kvm_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	lapic_timer_stop(vcpu->lapic);
	kfree(vcpu->lapic);
	vcpu->lapic = NULL;
}
