// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages: who is addressed, and what becomes of them there.
 *
 * What an APIC is addressed by is what its own registers say at that moment. The map,
 * built anew when an ID or a mode changes, is only the quick way to the answers.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <kvm/trace_irq.h>
#include "lapic.h"

#define MAP_MIN_IDS	256	/* what xAPIC IDs can be */
#define MAPS_WAITING	64	/* replaced and not yet freed, at most: see map_replace() */

/* Lifetime: from lapic_map_update() to a grace period after the next. Constant. */
struct kvm_apic_map {
	struct rcu_head rcu;
	u32 size;
	bool unique;		/* no two APICs have one ID */
	bool all_x2apic;	/* no APIC is in xAPIC mode */
	struct kvm_lapic *phys[];	/* by ID; NULL: nobody */
};

/* What came of one message. */
struct lapic_sent {
	int addressed;		/* APICs it was for */
	int accepted;		/* of them: have it */
	int fresh;		/* of them: did not have it pending before */
};

static u32 map_size(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u32 i, size = MAP_MIN_IDS;

	vm_for_each_vcpu(i, vcpu, kvm)
		size = max(size, vcpu->id + 1);
	return size;
}

static void map_fill(struct kvm_apic_map *map, struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u32 i, id;

	map->unique = true;
	map->all_x2apic = true;
	vm_for_each_vcpu(i, vcpu, kvm) {
		switch (READ_ONCE(vcpu->lapic->mode)) {
		case LAPIC_OFF:
			continue;
		case LAPIC_XAPIC:
			map->all_x2apic = false;
			break;
		}
		id = READ_ONCE(vcpu->lapic->id);
		if (id >= map->size || map->phys[id])
			map->unique = false;
		else
			map->phys[id] = vcpu->lapic;
	}
}

static void map_free_rcu(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct kvm_apic_map, rcu));
}

/*
 * A guest that does nothing but change its APIC's mode makes maps faster than grace
 * periods end: now and then it waits until the old ones are gone.
 */
static void map_replace(struct kvm_chips *chips, struct kvm_apic_map *map)
{
	struct kvm_apic_map *old;

	old = rcu_replace_pointer(chips->map, map, lockdep_is_held(&chips->map_lock));
	if (!old)
		return;
	call_rcu(&old->rcu, map_free_rcu);
	if (++chips->maps_replaced % MAPS_WAITING == 0)
		rcu_barrier();
}

void lapic_map_update(struct kvm *kvm)
{
	struct kvm_chips *chips = kvm->irqchip;
	struct kvm_apic_map *map;
	u32 size;

	mutex_lock(&chips->map_lock);
	size = map_size(kvm);
	/* Without a map every APIC is asked. */
	map = kvzalloc(struct_size(map, phys, size), GFP_KERNEL_ACCOUNT);
	if (map) {
		map->size = size;
		map_fill(map, kvm);
	}
	map_replace(chips, map);
	mutex_unlock(&chips->map_lock);
}

/* Is @src, which may be NULL, an APIC that writes 32-bit destinations? */
static bool lapic_sends_wide(const struct kvm_vcpu *src)
{
	return src && src->lapic->mode == LAPIC_X2APIC;
}

/*
 * 0xff reaches all, too, when an 8-bit message meets x2APIC mode: without interrupt
 * remapping a device has no other way. Userspace may switch that off.
 */
static bool lapic_broadcast(const struct kvm *kvm, const struct kvm_vcpu *src,
			    const struct kvm_apic_msg *msg, u8 mode)
{
	if (msg->dest == LAPIC_BROADCAST)
		return true;
	if (msg->dest != XAPIC_BROADCAST || lapic_sends_wide(src))
		return false;
	return mode == LAPIC_XAPIC ||
	       !(kvm->irqchip->x2apic_api & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
}

/* Intel SDM, "Logical Destination Mode" and "Logical Destination Mode in x2APIC Mode". */
static bool lapic_logical_match(const struct kvm_lapic *apic, u8 mode, u32 dest)
{
	u32 ldr = lapic_reg(apic, APIC_LDR);

	if (mode == LAPIC_X2APIC)
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	if (dest > XAPIC_BROADCAST)
		return false;
	ldr >>= 24;
	if (lapic_reg(apic, APIC_DFR) == APIC_DFR_FLAT)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

static bool lapic_match(const struct kvm_lapic *apic, const struct kvm_vcpu *src,
			const struct kvm_apic_msg *msg)
{
	u8 mode = READ_ONCE(apic->mode);

	if (mode == LAPIC_OFF)
		return false;
	if (msg->shorthand)
		return msg->shorthand == 2 || src != apic->vcpu;
	if (lapic_broadcast(apic->vcpu->kvm, src, msg, mode))
		return true;
	if (msg->logical)
		return lapic_logical_match(apic, mode, msg->dest);
	return READ_ONCE(apic->id) == msg->dest;
}

static void lapic_hit_fixed(struct kvm_lapic *apic, const struct kvm_vcpu *src,
			    const struct kvm_apic_msg *msg, struct lapic_sent *sent)
{
	if (!lapic_enabled(apic))
		return;
	if (msg->vector < LAPIC_FIRST_VECTOR) {
		lapic_error(apic, LAPIC_ERR_RECV_VECTOR);
		return;
	}
	trace_kvm_apic_accept_irq(READ_ONCE(apic->id), msg->delivery, msg->level, msg->vector);
	sent->accepted++;
	if (!lapic_request(apic, msg->vector, msg->level))
		return;
	sent->fresh++;
	if (src == apic->vcpu)
		lapic_look(apic);
	else
		vcpu_post(apic->vcpu, KVM_REQ_EVENT);
}

/* @apic is addressed by @msg. Without SMM there is nothing an SMI could do. */
static void lapic_hit(struct kvm_lapic *apic, const struct kvm_vcpu *src,
		      const struct kvm_apic_msg *msg, struct lapic_sent *sent)
{
	sent->addressed++;
	switch (msg->delivery) {
	case KVM_APIC_FIXED:
	case KVM_APIC_LOWEST:
		lapic_hit_fixed(apic, src, msg, sent);
		return;
	case KVM_APIC_NMI:
		vcpu_post_nmi(apic->vcpu);
		break;
	case KVM_APIC_INIT:
		/* Intel SDM, "Interrupt Command Register (ICR)": INIT Level De-assert. */
		if (msg->level && !msg->assert)
			return;
		vcpu_post_init(apic->vcpu);
		break;
	case KVM_APIC_SIPI:
		vcpu_post_sipi(apic->vcpu, msg->vector);
		break;
	default:
		return;
	}
	trace_kvm_apic_accept_irq(READ_ONCE(apic->id), msg->delivery, msg->level, msg->vector);
	sent->accepted++;
	sent->fresh++;
}

static struct kvm_lapic *map_find(const struct kvm_apic_map *map, u32 id)
{
	if (id >= map->size)
		return NULL;
	return map->phys[array_index_nospec(id, map->size)];
}

/* Where lapic_next() looks for the addressees of one message. */
struct lapic_search {
	struct kvm *kvm;
	const struct kvm_vcpu *src;
	const struct kvm_apic_msg *msg;
	const struct kvm_apic_map *map;	/* NULL: ask every APIC */
	u32 pos;			/* index of a vcpu, or bit of a cluster */
};

static void lapic_search_begin(struct lapic_search *s, struct kvm *kvm,
			       const struct kvm_vcpu *src, const struct kvm_apic_msg *msg)
{
	const struct kvm_apic_map *map = rcu_dereference(kvm->irqchip->map);

	s->kvm = kvm;
	s->src = src;
	s->msg = msg;
	s->map = NULL;
	s->pos = 0;
	if (!map || !map->unique || msg->shorthand || msg->dest == LAPIC_BROADCAST ||
	    (msg->dest == XAPIC_BROADCAST && !lapic_sends_wide(src)))
		return;
	if (!msg->logical || map->all_x2apic)
		s->map = map;
}

/* By the map: one APIC, or those of a cluster of x2APICs, whose IDs say where they are. */
static struct kvm_lapic *lapic_next_mapped(struct lapic_search *s)
{
	struct kvm_lapic *apic;
	u32 dest = s->msg->dest;

	if (!s->msg->logical)
		return s->pos++ ? NULL : map_find(s->map, dest);
	while (s->pos < 16) {
		if (!(dest & BIT(s->pos++)))
			continue;
		apic = map_find(s->map, (dest >> 16 << 4) + s->pos - 1);
		if (apic)
			return apic;
	}
	return NULL;
}

static struct kvm_lapic *lapic_next(struct lapic_search *s)
{
	struct kvm_lapic *apic;

	if (likely(s->map))
		return lapic_next_mapped(s);
	while (s->pos < vm_online_vcpus(s->kvm)) {
		apic = s->kvm->vcpus[s->pos++]->lapic;
		if (lapic_match(apic, s->src, s->msg))
			return apic;
	}
	return NULL;
}

/*
 * Lowest priority: one of those that can take it, in turn. The manuals let an
 * implementation choose what it compares.
 */
static void lapic_send_lowest(struct lapic_search *s, struct lapic_sent *sent)
{
	u32 turn = atomic_inc_return(&s->kvm->irqchip->turn), n = 0, k;
	struct kvm_lapic *apic, *last = NULL;

	while ((apic = lapic_next(s)))
		n += lapic_enabled(apic);
	k = n ? turn % n : 0;
	s->pos = 0;
	while ((apic = lapic_next(s))) {
		last = apic;
		if (lapic_enabled(apic) && !k--)
			break;
	}
	if (last)
		lapic_hit(last, s->src, s->msg, sent);
}

static void lapic_send(struct kvm *kvm, const struct kvm_vcpu *src,
		       const struct kvm_apic_msg *msg, struct lapic_sent *sent)
{
	struct kvm_lapic *apic;
	struct lapic_search s;

	memset(sent, 0, sizeof(*sent));
	if (msg->shorthand == 1) {
		if (src)
			lapic_hit(src->lapic, src, msg, sent);
		return;
	}
	rcu_read_lock();
	lapic_search_begin(&s, kvm, src, msg);
	if (msg->delivery == KVM_APIC_LOWEST || (msg->lowest_hint && msg->logical))
		lapic_send_lowest(&s, sent);
	else
		while ((apic = lapic_next(&s)))
			lapic_hit(apic, src, msg, sent);
	rcu_read_unlock();
}

int lapic_deliver(struct kvm *kvm, struct kvm_vcpu *src, const struct kvm_apic_msg *msg)
{
	struct lapic_sent sent;

	lapic_send(kvm, src, msg, &sent);
	return sent.addressed ? sent.fresh : -1;
}

int lapic_deliver_msi(struct kvm *kvm, const struct kvm_apic_msg *msg)
{
	struct lapic_sent sent;

	lapic_send(kvm, NULL, msg, &sent);
	return sent.addressed ? sent.accepted : -1;
}

static void lapic_icr_message(struct kvm_apic_msg *msg, u32 icr, u32 dest)
{
	msg->dest = dest;
	msg->vector = icr;
	msg->delivery = GET_APIC_DELIVERY_MODE(icr);
	msg->shorthand = icr >> 18 & 3;
	msg->logical = icr & APIC_DEST_LOGICAL;
	/* The trigger mode of an IPI matters for INIT alone. */
	msg->level = msg->delivery == KVM_APIC_INIT && (icr & APIC_INT_LEVELTRIG);
	msg->assert = icr & APIC_INT_ASSERT;
	msg->lowest_hint = false;
}

/**
 * lapic_icr_write() - send an interprocessor interrupt
 * @apic: own thread
 * @low: command, as the ICR's low half
 * @dest: 8 bits in xAPIC mode, 32 in x2APIC mode
 */
void lapic_icr_write(struct kvm_lapic *apic, u32 low, u32 dest)
{
	struct kvm_apic_msg msg;
	struct lapic_sent sent;

	lapic_icr_message(&msg, low, dest);
	trace_kvm_apic_ipi(low, dest);
	if (msg.delivery <= KVM_APIC_LOWEST && msg.vector < LAPIC_FIRST_VECTOR) {
		lapic_error(apic, LAPIC_ERR_SEND_VECTOR);
		return;
	}
	/* Only devices send these two. */
	if (msg.delivery == KVM_APIC_RESERVED || msg.delivery == KVM_APIC_EXTINT)
		return;
	lapic_send(apic->vcpu->kvm, apic->vcpu, &msg, &sent);
}

static int lapic_send_bitmap(struct kvm *kvm, const struct kvm_apic_map *map,
			     struct kvm_apic_msg *msg, unsigned long bits, u64 base)
{
	struct lapic_sent sent = {};
	struct kvm_lapic *apic;
	unsigned long bit;

	for_each_set_bit(bit, &bits, BITS_PER_LONG) {
		if (base + bit >= map->size)
			break;
		apic = map_find(map, base + bit);
		if (apic)
			lapic_hit(apic, NULL, msg, &sent);
	}
	return sent.accepted;
}

int lapic_send_ipis(struct kvm *kvm, unsigned long low, unsigned long high, u32 min, u32 icr,
		    bool wide)
{
	int width = wide ? 64 : 32, n = 0;
	const struct kvm_apic_map *map;
	struct kvm_apic_msg msg;

	lapic_icr_message(&msg, icr, 0);
	/* The bitmap names the destinations. */
	msg.shorthand = 0;
	if (!wide) {
		low = (u32)low;
		high = (u32)high;
	}
	rcu_read_lock();
	map = rcu_dereference(kvm->irqchip->map);
	if (map) {
		n = lapic_send_bitmap(kvm, map, &msg, low, min);
		n += lapic_send_bitmap(kvm, map, &msg, high, (u64)min + width);
	}
	rcu_read_unlock();
	return n;
}
