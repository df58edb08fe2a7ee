// SPDX-License-Identifier: GPL-2.0-only
/*
 * Global system interrupts: which pins of which chips, or which message, each leads to.
 *
 * The table is one immutable block published by pointer, so that raising an
 * interrupt takes no lock to find its way; a change builds a new one.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <kvm/trace_irq.h>
#include "chip.h"

#define PIC_CHIP_PINS	(KVM_PIC_PINS / 2)
#define DEFAULT_ROUTES	(KVM_PIC_PINS + KVM_IOAPIC_PINS)

/* One destination of a GSI. */
struct kvm_route {
	u32 gsi;
	u8 chip;		/* KVM_IRQCHIP_*; unused for messages */
	u8 pin;
	bool msi;
	u64 address;		/* of the message */
	u32 data;
};

/* Lifetime: from routing_set() to a grace period after the next. Constant. */
struct kvm_routing {
	struct rcu_head rcu;
	u32 gsis;			/* GSIs from here on lead nowhere */
	u16 first[KVM_GSI_MAX + 1];	/* a GSI's routes end where the next one's begin */
	struct kvm_route route[];
};

int routing_check_msi(struct kvm *kvm, u32 address_hi, u32 flags)
{
	/* A device's ID means nothing on x86, but VMMs may give it. */
	if (flags & ~KVM_MSI_VALID_DEVID)
		return -EINVAL;
	if ((kvm->irqchip->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS) && (address_hi & 0xff))
		return -EINVAL;
	return 0;
}

static int route_from_pin(struct kvm *kvm, struct kvm_route *route,
			  const struct kvm_irq_routing_irqchip *pin)
{
	u32 pins = pin->irqchip == KVM_IRQCHIP_IOAPIC ? KVM_IOAPIC_PINS : PIC_CHIP_PINS;

	if (kvm->irqchip_mode == KVM_IRQCHIP_SPLIT || pin->irqchip > KVM_IRQCHIP_IOAPIC ||
	    pin->pin >= pins)
		return -EINVAL;
	route->chip = pin->irqchip;
	route->pin = pin->pin;
	return 0;
}

static int route_from_entry(struct kvm *kvm, struct kvm_route *route,
			    const struct kvm_irq_routing_entry *entry)
{
	const struct kvm_irq_routing_msi *msi = &entry->u.msi;

	if (entry->gsi >= KVM_GSI_MAX)
		return -EINVAL;
	route->gsi = array_index_nospec(entry->gsi, KVM_GSI_MAX);
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return entry->flags ? -EINVAL : route_from_pin(kvm, route, &entry->u.irqchip);
	case KVM_IRQ_ROUTING_MSI:
		route->msi = true;
		route->address = (u64)msi->address_hi << 32 | msi->address_lo;
		route->data = msi->data;
		return routing_check_msi(kvm, msi->address_hi, entry->flags);
	default:
		return -EINVAL;
	}
}

/* A GSI leads to one message, or to at most one pin of each chip. */
static bool route_fits(const struct kvm_routing *routing, u32 begin, u32 end,
		       const struct kvm_route *new)
{
	const struct kvm_route *old;
	u32 i;

	for (i = begin; i < end; i++) {
		old = &routing->route[i];
		if (old->msi || new->msi || old->chip == new->chip)
			return false;
	}
	return true;
}

/* first[] from the numbers of routes that each GSI has. */
static void routing_lay_out(struct kvm_routing *routing,
			    const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		routing->first[entries[i].gsi + 1]++;
		routing->gsis = max(routing->gsis, entries[i].gsi + 1);
	}
	for (i = 0; i < KVM_GSI_MAX; i++)
		routing->first[i + 1] += routing->first[i];
}

static int routing_fill(struct kvm *kvm, struct kvm_routing *routing,
			const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct kvm_route new;
	u32 i, begin, end;
	int r;

	for (i = 0; i < nr; i++)
		if (entries[i].gsi >= KVM_GSI_MAX)
			return -EINVAL;
	routing_lay_out(routing, entries, nr);
	for (i = 0; i < nr; i++) {
		memset(&new, 0, sizeof(new));
		r = route_from_entry(kvm, &new, &entries[i]);
		if (r)
			return r;
		begin = routing->first[new.gsi];
		/* What is not filled yet is marked by a GSI that does not exist. */
		for (end = begin; routing->route[end].gsi < KVM_GSI_MAX; end++)
			;
		if (!route_fits(routing, begin, end, &new))
			return -EINVAL;
		routing->route[end] = new;
	}
	return 0;
}

/**
 * routing_set() - replace all routes
 * @kvm: with its interrupt controllers; kvm->irq_lock held; may sleep
 * @entries: as userspace gave them
 * @nr: up to KVM_GSI_MAX
 *
 * Return: 0, -EINVAL (an entry that makes no sense; nothing has changed) or -ENOMEM.
 */
int routing_set(struct kvm *kvm, const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct kvm_chips *chips = kvm->irqchip;
	struct kvm_routing *routing, *old;
	u32 i;
	int r;

	lockdep_assert_held(&kvm->irq_lock);
	if (nr > KVM_GSI_MAX)
		return -EINVAL;
	routing = kvzalloc(struct_size(routing, route, nr + 1), GFP_KERNEL_ACCOUNT);
	if (!routing)
		return -ENOMEM;
	for (i = 0; i <= nr; i++)
		routing->route[i].gsi = KVM_GSI_MAX;
	r = routing_fill(kvm, routing, entries, nr);
	if (r) {
		kvfree(routing);
		return r;
	}
	old = rcu_replace_pointer(chips->routing, routing, lockdep_is_held(&kvm->irq_lock));
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

static void route_default_pin(struct kvm_irq_routing_entry *entry, u32 gsi, u32 chip, u32 pin)
{
	entry->gsi = gsi;
	entry->type = KVM_IRQ_ROUTING_IRQCHIP;
	entry->u.irqchip.irqchip = chip;
	entry->u.irqchip.pin = pin;
}

/**
 * routing_set_default() - the routes of a VM whose VMM has not set any
 * @kvm: kvm->irq_lock held; may sleep
 * @mode: what it is going to have
 *
 * Documentation/virt/kvm/api.rst, KVM_CREATE_IRQCHIP.
 * Return: 0 or -ENOMEM.
 */
int routing_set_default(struct kvm *kvm, enum kvm_irqchip_mode mode)
{
	struct kvm_irq_routing_entry *entries;
	u32 gsi, nr = 0;
	int r;

	if (mode != KVM_IRQCHIP_KERNEL)
		return routing_set(kvm, NULL, 0);
	entries = kcalloc(DEFAULT_ROUTES, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (gsi = 0; gsi < KVM_IOAPIC_PINS; gsi++) {
		route_default_pin(&entries[nr++], gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < KVM_PIC_PINS)
			route_default_pin(&entries[nr++], gsi,
					  gsi < PIC_CHIP_PINS ? KVM_IRQCHIP_PIC_MASTER :
								KVM_IRQCHIP_PIC_SLAVE,
					  gsi % PIC_CHIP_PINS);
	}
	r = routing_set(kvm, entries, nr);
	kfree(entries);
	return r;
}

/* Nobody raises interrupts any more. */
void routing_destroy(struct kvm *kvm)
{
	kvfree(rcu_dereference_protected(kvm->irqchip->routing, true));
}

static int route_set_pin(struct kvm *kvm, const struct kvm_route *route,
			 enum kvm_irq_source source, bool level)
{
	struct kvm_chips *chips = kvm->irqchip;
	bool ioapic = route->chip == KVM_IRQCHIP_IOAPIC;
	u32 pin = route->pin;
	unsigned long flags;
	u8 *line;
	int r;

	if (route->chip == KVM_IRQCHIP_PIC_SLAVE)
		pin += PIC_CHIP_PINS;
	line = ioapic ? &chips->ioapic_lines[pin] : &chips->pic_lines[pin];

	spin_lock_irqsave(&chips->line_lock, flags);
	if (level)
		*line |= BIT(source);
	else
		*line &= ~BIT(source);
	/* The chip hears of changes in the order in which they happen. */
	r = ioapic ? ioapic_set_pin(kvm, pin, *line) : pic_set_pin(kvm, pin, *line);
	spin_unlock_irqrestore(&chips->line_lock, flags);
	return r;
}

static int route_set(struct kvm *kvm, const struct kvm_route *route,
		     enum kvm_irq_source source, bool level)
{
	if (!route->msi)
		return route_set_pin(kvm, route, source, level);
	return level ? irq_send_msi(kvm, route->address, route->data) : -1;
}

static int irq_sum(int a, int b)
{
	if (a < 0 || b < 0)
		return max(a, b);
	return a + b;
}

/* The routes of @gsi, up to *@end, or NULL: it leads nowhere. RCU read side. */
static const struct kvm_route *routing_find(struct kvm *kvm, u32 gsi,
					    const struct kvm_route **end)
{
	const struct kvm_routing *routing = rcu_dereference(kvm->irqchip->routing);

	if (!routing || gsi >= routing->gsis)
		return NULL;
	gsi = array_index_nospec(gsi, routing->gsis);
	*end = &routing->route[routing->first[gsi + 1]];
	return &routing->route[routing->first[gsi]];
}

int irq_set(struct kvm *kvm, enum kvm_irq_source source, u32 gsi, bool level)
{
	const struct kvm_route *route, *end;
	int r = -1;

	trace_kvm_set_irq(gsi, level, source);
	rcu_read_lock();
	route = routing_find(kvm, gsi, &end);
	for (; route && route < end; route++)
		r = irq_sum(r, route_set(kvm, route, source, level));
	rcu_read_unlock();
	return r;
}

int irq_pulse(struct kvm *kvm, u32 gsi)
{
	const struct kvm_route *route, *end;
	int r = -1;

	trace_kvm_set_irq(gsi, 1, KVM_IRQ_SOURCE_USER);
	rcu_read_lock();
	route = routing_find(kvm, gsi, &end);
	for (; route && route < end; route++) {
		r = irq_sum(r, route_set(kvm, route, KVM_IRQ_SOURCE_USER, true));
		if (!route->msi)
			route_set(kvm, route, KVM_IRQ_SOURCE_USER, false);
	}
	rcu_read_unlock();
	return r;
}

/* Intel SDM, "Message Signalled Interrupts". */
int irq_send_msi(struct kvm *kvm, u64 address, u32 data)
{
	struct kvm_apic_msg msg = {
		.dest = (u8)(address >> 12),
		.vector = data,
		.delivery = data >> 8 & 7,
		.logical = address & BIT(2),
		.lowest_hint = address & BIT(3),
		.level = data & BIT(15),
		.assert = true,
	};

	if (kvm->irqchip->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS)
		msg.dest |= address >> 32 & 0xffffff00;
	trace_kvm_msi_set_irq(address, data);
	return lapic_deliver_msi(kvm, &msg);
}

bool routing_is_level(struct kvm *kvm, u8 vector)
{
	const struct kvm_routing *routing;
	const struct kvm_route *route;
	bool found = false;
	u32 i, n;

	rcu_read_lock();
	routing = rcu_dereference(kvm->irqchip->routing);
	n = routing ? routing->first[kvm->irqchip->split_pins] : 0;
	for (i = 0; i < n && !found; i++) {
		route = &routing->route[i];
		found = (u8)route->data == vector && (route->data & BIT(15));
	}
	rcu_read_unlock();
	return found;
}

void irq_ack_add(struct kvm *kvm, struct kvm_irq_ack *ack)
{
	lockdep_assert_held(&kvm->irq_lock);
	hlist_add_head_rcu(&ack->node, &kvm->irqchip->acks);
}

void irq_ack_remove(struct kvm *kvm, struct kvm_irq_ack *ack)
{
	lockdep_assert_held(&kvm->irq_lock);
	hlist_del_rcu(&ack->node);
	synchronize_rcu();
}

static bool irq_leads_to(struct kvm *kvm, u32 gsi, u32 chip, u32 pin)
{
	const struct kvm_route *route, *end;

	route = routing_find(kvm, gsi, &end);
	for (; route && route < end; route++)
		if (!route->msi && route->chip == chip && route->pin == pin)
			return true;
	return false;
}

/* @pin counts within @chip: 0 to 7 for each 8259. */
void irq_acked(struct kvm *kvm, u32 chip, u32 pin)
{
	struct kvm_irq_ack *ack;

	trace_kvm_ack_irq(chip, pin);
	rcu_read_lock();
	hlist_for_each_entry_rcu(ack, &kvm->irqchip->acks, node)
		if (irq_leads_to(kvm, ack->gsi, chip, pin))
			ack->acked(ack);
	rcu_read_unlock();
}
