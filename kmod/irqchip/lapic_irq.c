// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts inside one local APIC: requested, taken by the vcpu, finished.
 *
 * A request sets a bit of IRR and then one of irr_words; the vcpu's thread, when a
 * word of IRR has become empty, clears its bit of irr_words and then looks at the
 * word again. With the full barriers between, a request is never overlooked.
 */
#include <kvm/trace_irq.h>
#include "lapic.h"

bool lapic_request(struct kvm_lapic *apic, u8 vector, bool level)
{
	int word = vector / 32, bit = vector % 32;
	unsigned long *tmr = lapic_bits(apic, APIC_TMR, vector);

	if (level)
		set_bit(bit, tmr);
	else if (test_bit(bit, tmr))
		clear_bit(bit, tmr);
	if (test_and_set_bit(bit, lapic_bits(apic, APIC_IRR, vector)))
		return false;
	if (!test_bit(word, &apic->irr_words))
		set_bit(word, &apic->irr_words);
	return true;
}

int lapic_irr_top(struct kvm_lapic *apic)
{
	unsigned long words = READ_ONCE(apic->irr_words);
	int word;
	u32 bits;

	while (words) {
		word = __fls(words);
		bits = lapic_reg(apic, APIC_IRR + word * LAPIC_REG_STEP);
		if (bits)
			return word * 32 + __fls(bits);
		words &= ~BIT(word);
	}
	return -1;
}

static int lapic_isr_find(struct kvm_lapic *apic)
{
	int word;
	u32 bits;

	for (word = 7; word >= 0; word--) {
		bits = lapic_reg(apic, APIC_ISR + word * LAPIC_REG_STEP);
		if (bits)
			return word * 32 + __fls(bits);
	}
	return -1;
}

void lapic_irq_scan(struct kvm_lapic *apic)
{
	int word;

	for (word = 0; word < 8; word++)
		if (lapic_reg(apic, APIC_IRR + word * LAPIC_REG_STEP))
			set_bit(word, &apic->irr_words);
	apic->isr_top = lapic_isr_find(apic);
	lapic_look(apic);
}

/* Intel SDM, "Task and Processor Priorities". */
u32 lapic_ppr(struct kvm_lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI) & APIC_TPRI_MASK;
	u32 isr = apic->isr_top < 0 ? 0 : apic->isr_top & 0xf0;

	return (tpr & 0xf0) >= isr ? tpr : isr;
}

void lapic_error(struct kvm_lapic *apic, enum lapic_error error)
{
	if (!test_and_set_bit(error, &apic->errors))
		lapic_local(apic, APIC_LVTERR);
}

/* A local source has no other sender: whoever it meets is told by vcpu_post(). */
static void lapic_local_fixed(struct kvm_lapic *apic, u32 lvt, u32 val)
{
	bool level = (lvt == APIC_LVT0 || lvt == APIC_LVT1) && (val & APIC_LVT_LEVEL_TRIGGER);
	u8 vector = val;

	if (vector < LAPIC_FIRST_VECTOR) {
		/* The error interrupt's own vector may be the bad one: once is enough. */
		lapic_error(apic, LAPIC_ERR_RECV_VECTOR);
		return;
	}
	trace_kvm_apic_accept_irq(READ_ONCE(apic->id), KVM_APIC_FIXED, level, vector);
	if (lapic_request(apic, vector, level))
		vcpu_post(apic->vcpu, KVM_REQ_EVENT);
}

void lapic_local(struct kvm_lapic *apic, u32 lvt)
{
	u32 val = lapic_reg(apic, lvt);

	if (val & APIC_LVT_MASKED || READ_ONCE(apic->mode) == LAPIC_OFF)
		return;
	if (lvt == APIC_LVTT || lvt == APIC_LVTERR)
		val &= ~APIC_MODE_MASK;
	switch (GET_APIC_DELIVERY_MODE(val)) {
	case KVM_APIC_FIXED:
		lapic_local_fixed(apic, lvt, val);
		break;
	case KVM_APIC_NMI:
		vcpu_post_nmi(apic->vcpu);
		break;
	case KVM_APIC_INIT:
		vcpu_post_init(apic->vcpu);
		break;
	}
}

bool lapic_accepts_pic(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;
	u32 lvt = lapic_reg(apic, APIC_LVT0);

	/* Switched off, the APIC leaves LINT0 to be the processor's INTR pin. */
	if (READ_ONCE(apic->mode) == LAPIC_OFF)
		return true;
	return (lvt & (APIC_LVT_MASKED | APIC_MODE_MASK)) ==
	       SET_APIC_DELIVERY_MODE(0, APIC_MODE_EXTINT);
}

bool lapic_listens(const struct kvm_vcpu *vcpu)
{
	return vcpu->lapic->mode != LAPIC_OFF && lapic_enabled(vcpu->lapic);
}

static bool lapic_pic_waits(struct kvm_vcpu *vcpu)
{
	return vcpu->kvm->irqchip->pic && pic_intr(vcpu->kvm) && lapic_accepts_pic(vcpu);
}

static int lapic_peek(struct kvm_lapic *apic)
{
	int vector = lapic_irr_top(apic);

	if (vector < 0 || apic->mode == LAPIC_OFF)
		return -1;
	if (unlikely(apic->pv_eoi_offered)) {
		lapic_pv_eoi_sync(apic);
		/* The flag would be taken for the next one's. */
		if (apic->pv_eoi_offered)
			return -1;
	}
	return (vector & 0xf0) > (lapic_ppr(apic) & 0xf0) ? vector : -1;
}

/**
 * irqchip_peek() - is there an interrupt the vcpu should take?
 * @vcpu: own thread, loaded; it has a local APIC
 *
 * Return: its vector; KVM_IRQ_EXTINT if it is the 8259s', which say the vector only
 * when it is taken; -1 if there is none.
 */
int irqchip_peek(struct kvm_vcpu *vcpu)
{
	if (unlikely(vcpu->irq_watch))
		lapic_vapic_sync(vcpu->lapic);
	if (lapic_pic_waits(vcpu))
		return KVM_IRQ_EXTINT;
	return lapic_peek(vcpu->lapic);
}

static void lapic_irr_clear(struct kvm_lapic *apic, u8 vector)
{
	u32 reg = APIC_IRR + vector / 32 * LAPIC_REG_STEP;
	int word = vector / 32;

	clear_bit(vector % 32, lapic_bits(apic, APIC_IRR, vector));
	if (lapic_reg(apic, reg))
		return;
	clear_bit(word, &apic->irr_words);
	/* Pairs with the RMW in lapic_request(). */
	smp_mb__after_atomic();
	if (lapic_reg(apic, reg))
		set_bit(word, &apic->irr_words);
}

/**
 * irqchip_take() - acknowledge the interrupt irqchip_peek() found
 * @vcpu: own thread, loaded; it has a local APIC
 *
 * Return: the vector, now in service, or -1 if it has gone meanwhile.
 */
int irqchip_take(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->lapic;
	int vector;
	bool alone;

	if (lapic_pic_waits(vcpu)) {
		vector = pic_take(vcpu);
		if (vector >= 0)
			return vector;
	}
	vector = lapic_peek(apic);
	if (vector < 0)
		return -1;
	lapic_irr_clear(apic, vector);
	__set_bit(vector % 32, lapic_bits(apic, APIC_ISR, vector));
	alone = apic->isr_top < 0 && lapic_irr_top(apic) < 0;
	apic->isr_top = vector;
	if (alone)
		lapic_pv_eoi_offer(apic, vector);
	return vector;
}

bool lapic_eoi_heard(struct kvm_lapic *apic, u8 vector)
{
	struct kvm_chips *chips = apic->vcpu->kvm->irqchip;

	return test_bit(vector % 32, lapic_bits(apic, APIC_TMR, vector)) ||
	       (chips->ioapic && test_bit(vector, chips->ioapic_vectors));
}

/*
 * Intel SDM, "Signaling Interrupt Servicing Completion": level-triggered ones are
 * broadcast. The I/O APIC here wants to hear of some others as well.
 */
static void lapic_eoi_broadcast(struct kvm_lapic *apic, u8 vector)
{
	if (!lapic_eoi_heard(apic, vector))
		return;
	if (apic->vcpu->kvm->irqchip->ioapic) {
		ioapic_eoi(apic->vcpu, vector);
		return;
	}
	if (lapic_reg(apic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI)
		return;
	if (routing_is_level(apic->vcpu->kvm, vector))
		vcpu_post_ioapic_eoi(apic->vcpu, vector);
}

void lapic_eoi_finish(struct kvm_lapic *apic)
{
	int vector = apic->isr_top;

	__clear_bit(vector % 32, lapic_bits(apic, APIC_ISR, vector));
	apic->isr_top = lapic_isr_find(apic);
	lapic_look(apic);
	lapic_eoi_broadcast(apic, vector);
}

void lapic_eoi(struct kvm_lapic *apic)
{
	if (unlikely(apic->pv_eoi_offered)) {
		lapic_pv_eoi_sync(apic);
		apic->pv_eoi_ended = apic->pv_eoi_offered;
		if (apic->pv_eoi_ended)
			return;
	}
	trace_kvm_eoi(apic->id, apic->isr_top);
	if (apic->isr_top >= 0)
		lapic_eoi_finish(apic);
}
