// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC, an 82093AA: lines become interrupt messages. Terms are those of
 * its data sheet.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <kvm/trace_irq.h>
#include "chip.h"

#define IOAPIC_BASE		0xfec00000
#define IOAPIC_SIZE		0x100
#define IOAPIC_REGSEL		0x00
#define IOAPIC_WIN		0x10
#define IOAPIC_VERSION		(0x11 | (KVM_IOAPIC_PINS - 1) << 16)

/* Registers behind the window. */
enum ioapic_index { IOAPIC_ID, IOAPIC_VER, IOAPIC_ARB, IOAPIC_REDTBL = 0x10 };

/* "I/O Redirection Table Registers" */
#define RTE_DELIVERY_SHIFT	8
#define RTE_LOGICAL		BIT_ULL(11)
#define RTE_STATUS		BIT_ULL(12)
#define RTE_REMOTE_IRR		BIT_ULL(14)
#define RTE_LEVEL		BIT_ULL(15)
#define RTE_MASK		BIT_ULL(16)
#define RTE_DEST_SHIFT		56
/* What the guest can only read. */
#define RTE_READ_ONLY		(RTE_STATUS | RTE_REMOTE_IRR)

/*
 * A level-triggered line nobody lowers makes the guest do nothing but take its
 * interrupt. After so many times in a row it waits, so that whoever could lower the
 * line gets to it.
 */
#define IOAPIC_STORM_EOIS	10000
#define IOAPIC_STORM_PAUSE	msecs_to_jiffies(10)

/*
 * Lifetime: with the VM's other chips. [o] written once at creation
 * [c] .lock, inside line_lock; messages to local APICs are sent under it
 */
struct kvm_ioapic {
	spinlock_t lock;			/* all marked [c] */
	struct kvm *kvm;			/* [o] */
	u64 rte[KVM_IOAPIC_PINS];		/* [c] */
	u32 lines;				/* [c] a bit per pin: its input is high */
	u32 paused;				/* [c] pins that wait for .storm_work */
	u32 eois[KVM_IOAPIC_PINS];		/* [c] in a row with the line still high */
	u64 base_address;			/* [c] only remembered for KVM_GET_IRQCHIP */
	u8 regsel, id;				/* [c] */
	struct delayed_work storm_work;
	struct kvm_io_device dev;		/* [o] frees all when it has left the bus */
};

/* Only these delivery modes know levels; the others are edges whatever the entry says. */
static bool ioapic_is_level(u64 rte)
{
	unsigned int mode = (rte >> RTE_DELIVERY_SHIFT) & 7;

	return rte & RTE_LEVEL && (mode == KVM_APIC_FIXED || mode == KVM_APIC_LOWEST);
}

/* Send @pin's message. As irq_set(). */
static int ioapic_send(struct kvm_ioapic *ioapic, unsigned int pin)
{
	u64 rte = ioapic->rte[pin];
	struct kvm_apic_msg msg = {
		.dest = rte >> RTE_DEST_SHIFT,
		.vector = rte,
		.delivery = (rte >> RTE_DELIVERY_SHIFT) & 7,
		.logical = rte & RTE_LOGICAL,
		.level = ioapic_is_level(rte),
		.assert = true,
	};
	int r;

	lockdep_assert_held(&ioapic->lock);
	r = lapic_deliver(ioapic->kvm, NULL, &msg);
	/* It is accepted even if it met another one of its vector: that one's EOI counts. */
	if (msg.level && r >= 0)
		ioapic->rte[pin] |= RTE_REMOTE_IRR;
	return r;
}

/* Send @pin's message if its level says so. */
static int ioapic_send_level(struct kvm_ioapic *ioapic, unsigned int pin)
{
	u64 rte = ioapic->rte[pin];

	if (!ioapic_is_level(rte) || !(ioapic->lines & BIT(pin)))
		return 1;
	if (rte & (RTE_MASK | RTE_REMOTE_IRR) || ioapic->paused & BIT(pin))
		return -1;
	return ioapic_send(ioapic, pin);
}

static int ioapic_rise(struct kvm_ioapic *ioapic, unsigned int pin)
{
	bool was_high = ioapic->lines & BIT(pin);

	ioapic->lines |= BIT(pin);
	if (ioapic_is_level(ioapic->rte[pin]))
		return ioapic_send_level(ioapic, pin);
	/* "Interrupt Mask": edges of a masked pin are not kept. */
	if (ioapic->rte[pin] & RTE_MASK)
		return -1;
	return was_high ? 0 : ioapic_send(ioapic, pin);
}

/**
 * ioapic_set_pin() - the level of one of the inputs
 * @kvm: the VM
 * @pin: 0 to 23
 * @level: of the line
 *
 * Context: any. Return: vcpus reached, 0: it met an interrupt still pending, -1: masked,
 * for nobody, or a level that waits for the EOI of the last one.
 */
int ioapic_set_pin(struct kvm *kvm, u32 pin, bool level)
{
	struct kvm_ioapic *ioapic = kvm->irqchip->ioapic;
	unsigned long irqflags;
	int r = 1;

	if (!ioapic || pin >= KVM_IOAPIC_PINS)
		return -1;
	spin_lock_irqsave(&ioapic->lock, irqflags);
	if (level) {
		r = ioapic_rise(ioapic, pin);
		trace_kvm_ioapic_set_irq(ioapic->rte[pin], pin, r == 0);
	} else {
		ioapic->lines &= ~BIT(pin);
		ioapic->eois[pin] = 0;
	}
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
	return r;
}

/* After its EOI: does the line that is still high fire at once? */
static void ioapic_resend(struct kvm_ioapic *ioapic, unsigned int pin)
{
	if (!ioapic_is_level(ioapic->rte[pin]) || !(ioapic->lines & BIT(pin)))
		return;
	if (++ioapic->eois[pin] < IOAPIC_STORM_EOIS) {
		ioapic_send_level(ioapic, pin);
		return;
	}
	ioapic->eois[pin] = 0;
	ioapic->paused |= BIT(pin);
	trace_kvm_ioapic_delayed_eoi_inj(ioapic->rte[pin], pin, false);
	schedule_delayed_work(&ioapic->storm_work, IOAPIC_STORM_PAUSE);
}

static void ioapic_storm_work(struct work_struct *work)
{
	struct kvm_ioapic *ioapic = container_of(work, struct kvm_ioapic, storm_work.work);
	unsigned long irqflags;
	unsigned int pin;

	spin_lock_irqsave(&ioapic->lock, irqflags);
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++) {
		if (!(ioapic->paused & BIT(pin)))
			continue;
		ioapic->paused &= ~BIT(pin);
		ioapic_send_level(ioapic, pin);
	}
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
}

/* Pins whose interrupt of @vector ends. */
static u32 ioapic_end(struct kvm_ioapic *ioapic, u8 vector)
{
	unsigned int pin;
	u32 ended = 0;

	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++) {
		if ((u8)ioapic->rte[pin] != vector)
			continue;
		if (ioapic_is_level(ioapic->rte[pin]) && !(ioapic->rte[pin] & RTE_REMOTE_IRR))
			continue;
		ioapic->rte[pin] &= ~RTE_REMOTE_IRR;
		ended |= BIT(pin);
	}
	return ended;
}

void ioapic_eoi(struct kvm_vcpu *vcpu, u8 vector)
{
	struct kvm_ioapic *ioapic = vcpu->kvm->irqchip->ioapic;
	unsigned long irqflags;
	unsigned int pin;
	u32 ended;

	if (!ioapic)
		return;
	spin_lock_irqsave(&ioapic->lock, irqflags);
	ended = ioapic_end(ioapic, vector);
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
	if (!ended)
		return;
	/* The listeners may lower the line, so they come first. */
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++)
		if (ended & BIT(pin))
			irq_acked(vcpu->kvm, KVM_IRQCHIP_IOAPIC, pin);
	spin_lock_irqsave(&ioapic->lock, irqflags);
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++)
		if (ended & BIT(pin))
			ioapic_resend(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
}

/* Tell the local APICs which vectors' EOIs matter here; rarely changes. */
static void ioapic_publish_vectors(struct kvm_ioapic *ioapic)
{
	DECLARE_BITMAP(vectors, 256) = {};
	unsigned int pin, i;

	lockdep_assert_held(&ioapic->lock);
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++)
		if (!(ioapic->rte[pin] & RTE_MASK))
			__set_bit((u8)ioapic->rte[pin], vectors);
	for (i = 0; i < BITS_TO_LONGS(256); i++)
		WRITE_ONCE(ioapic->kvm->irqchip->ioapic_vectors[i], vectors[i]);
}

static void ioapic_write_rte(struct kvm_ioapic *ioapic, unsigned int pin, bool high, u32 val)
{
	u64 rte = ioapic->rte[pin];

	if (high)
		rte = (u32)rte | (u64)val << 32;
	else
		rte = (rte & ~(u64)(u32)~RTE_READ_ONLY) | (val & ~RTE_READ_ONLY);
	/* Guests without an EOI register here get rid of a stuck Remote IRR in this way. */
	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;
	ioapic->rte[pin] = rte;
	ioapic_publish_vectors(ioapic);
	ioapic_send_level(ioapic, pin);
}

static void ioapic_write_window(struct kvm_ioapic *ioapic, u32 val)
{
	unsigned int index = ioapic->regsel, pin = (index - IOAPIC_REDTBL) / 2;

	if (index == IOAPIC_ID)
		ioapic->id = (val >> 24) & 0xf;
	else if (index >= IOAPIC_REDTBL && pin < KVM_IOAPIC_PINS)
		ioapic_write_rte(ioapic, array_index_nospec(pin, KVM_IOAPIC_PINS), index & 1,
				 val);
}

static u32 ioapic_read_window(const struct kvm_ioapic *ioapic)
{
	unsigned int index = ioapic->regsel, pin;

	switch (index) {
	case IOAPIC_VER:
		return IOAPIC_VERSION;
	case IOAPIC_ID:
	case IOAPIC_ARB:
		return (u32)ioapic->id << 24;
	}
	pin = (index - IOAPIC_REDTBL) / 2;
	if (index < IOAPIC_REDTBL || pin >= KVM_IOAPIC_PINS)
		return index < IOAPIC_REDTBL ? 0 : ~0u;
	pin = array_index_nospec(pin, KVM_IOAPIC_PINS);
	return index & 1 ? ioapic->rte[pin] >> 32 : ioapic->rte[pin];
}

static int ioapic_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		       unsigned int len, void *val)
{
	struct kvm_ioapic *ioapic = container_of(dev, struct kvm_ioapic, dev);
	unsigned long irqflags;
	u64 data = 0;

	spin_lock_irqsave(&ioapic->lock, irqflags);
	if (addr - dev->base == IOAPIC_REGSEL)
		data = ioapic->regsel;
	else if (addr - dev->base == IOAPIC_WIN)
		data = ioapic_read_window(ioapic);
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
	memcpy(val, &data, len);
	return 0;
}

static int ioapic_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			unsigned int len, const void *val)
{
	struct kvm_ioapic *ioapic = container_of(dev, struct kvm_ioapic, dev);
	unsigned long irqflags;
	u32 data = 0;

	memcpy(&data, val, min_t(unsigned int, len, sizeof(data)));
	spin_lock_irqsave(&ioapic->lock, irqflags);
	if (addr - dev->base == IOAPIC_REGSEL)
		ioapic->regsel = data;
	else if (addr - dev->base == IOAPIC_WIN)
		ioapic_write_window(ioapic, data);
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
	return 0;
}

static void ioapic_release(struct kvm_io_device *dev)
{
	kfree(container_of(dev, struct kvm_ioapic, dev));
}

static const struct kvm_io_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
	.release = ioapic_release,
};

int ioapic_create(struct kvm *kvm)
{
	struct kvm_ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	unsigned int pin;
	int r;

	if (!ioapic)
		return -ENOMEM;
	BUILD_BUG_ON(KVM_IOAPIC_PINS != KVM_IOAPIC_NUM_PINS);
	spin_lock_init(&ioapic->lock);
	INIT_DELAYED_WORK(&ioapic->storm_work, ioapic_storm_work);
	ioapic->kvm = kvm;
	ioapic->base_address = IOAPIC_BASE;
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++)
		ioapic->rte[pin] = RTE_MASK;
	ioapic->dev.ops = &ioapic_ops;
	ioapic->dev.base = IOAPIC_BASE;
	ioapic->dev.len = IOAPIC_SIZE;
	kvm->irqchip->ioapic = ioapic;

	mutex_lock(&kvm->bus_lock);
	r = bus_add(kvm, KVM_BUS_MMIO, &ioapic->dev);
	mutex_unlock(&kvm->bus_lock);
	if (r) {
		kvm->irqchip->ioapic = NULL;
		kfree(ioapic);
	}
	return r;
}

void ioapic_destroy(struct kvm *kvm)
{
	struct kvm_ioapic *ioapic = kvm->irqchip->ioapic;

	if (!ioapic)
		return;
	cancel_delayed_work_sync(&ioapic->storm_work);
	kvm->irqchip->ioapic = NULL;
	mutex_lock(&kvm->bus_lock);
	bus_remove(kvm, KVM_BUS_MMIO, &ioapic->dev);
	mutex_unlock(&kvm->bus_lock);
}

void ioapic_get_state(struct kvm *kvm, struct kvm_ioapic_state *state)
{
	struct kvm_ioapic *ioapic = kvm->irqchip->ioapic;
	unsigned long irqflags;
	unsigned int pin;

	memset(state, 0, sizeof(*state));
	spin_lock_irqsave(&ioapic->lock, irqflags);
	state->base_address = ioapic->base_address;
	state->ioregsel = ioapic->regsel;
	state->id = ioapic->id;
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++) {
		state->redirtbl[pin].bits = ioapic->rte[pin];
		/* An edge has been sent or is lost; only levels are still there. */
		if (ioapic_is_level(ioapic->rte[pin]))
			state->irr |= ioapic->lines & BIT(pin);
	}
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
}

void ioapic_set_state(struct kvm *kvm, const struct kvm_ioapic_state *state)
{
	struct kvm_ioapic *ioapic = kvm->irqchip->ioapic;
	unsigned long irqflags;
	unsigned int pin;

	spin_lock_irqsave(&ioapic->lock, irqflags);
	ioapic->base_address = state->base_address;
	ioapic->regsel = state->ioregsel;
	ioapic->id = state->id & 0xf;
	ioapic->lines = 0;
	ioapic->paused = 0;
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++) {
		ioapic->rte[pin] = state->redirtbl[pin].bits;
		ioapic->eois[pin] = 0;
	}
	ioapic_publish_vectors(ioapic);
	for (pin = 0; pin < KVM_IOAPIC_PINS; pin++)
		if (state->irr & BIT(pin))
			ioapic_rise(ioapic, pin);
	spin_unlock_irqrestore(&ioapic->lock, irqflags);
}
