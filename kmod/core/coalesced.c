// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced I/O: writes to registered ranges wait in a ring the VMM empties
 * whenever a vcpu comes back to it.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "eventfd.h"

/* Constant while it is on its bus, but for .list. */
struct coalesced_zone {
	struct kvm_io_device dev;
	struct list_head list;		/* kvm->bus_lock; kvm->eventfds->zones */
	u64 size;			/* .dev.len would read 0 as "any length" */
	bool pio;
};

/*
 * The VMM owns .first and could write anything anywhere in the page: what is read
 * there is checked before it is used, and read once.
 */
static int coalesced_put(struct kvm *kvm, bool pio, gpa_t addr, unsigned int len,
			 const void *val)
{
	struct kvm_coalesced_mmio_ring *ring = page_address(kvm->eventfds->ring_page);
	struct kvm_coalesced_mmio *entry;
	unsigned long irqflags;
	u32 last, next;
	int r = -EOPNOTSUPP;

	BUILD_BUG_ON(sizeof(*entry) != 24 || sizeof(*ring) != 8);
	spin_lock_irqsave(&kvm->eventfds->ring_lock, irqflags);
	last = READ_ONCE(ring->last);
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	if (last >= KVM_COALESCED_MMIO_MAX || next == READ_ONCE(ring->first))
		goto out;	/* full or broken: the exit makes the VMM look */
	entry = &ring->coalesced_mmio[array_index_nospec(last, KVM_COALESCED_MMIO_MAX)];
	entry->phys_addr = addr;
	entry->len = len;
	entry->pio = pio;
	memcpy(entry->data, val, len);
	/* Pairs with the VMM's read of .last before it reads the entry. */
	smp_store_release(&ring->last, next);
	r = 0;
out:
	spin_unlock_irqrestore(&kvm->eventfds->ring_lock, irqflags);
	return r;
}

static int coalesced_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			  unsigned int len, void *val)
{
	return -EOPNOTSUPP;
}

static int coalesced_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned int len, const void *val)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);

	if (!zone->size)
		return -EOPNOTSUPP;
	return coalesced_put(vcpu->kvm, zone->pio, addr, len, val);
}

static void coalesced_release(struct kvm_io_device *dev)
{
	kfree(container_of(dev, struct coalesced_zone, dev));
}

static const struct kvm_io_ops coalesced_ops = {
	.read = coalesced_read,
	.write = coalesced_write,
	.release = coalesced_release,
};

static int coalesced_register(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args)
{
	struct coalesced_zone *zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	int r;

	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &coalesced_ops;
	zone->dev.base = args->addr;
	zone->dev.len = args->size;
	zone->size = args->size;
	zone->pio = args->pio;
	mutex_lock(&kvm->bus_lock);
	r = bus_add(kvm, zone->pio ? KVM_BUS_PIO : KVM_BUS_MMIO, &zone->dev);
	if (!r)
		list_add_tail(&zone->list, &kvm->eventfds->zones);
	mutex_unlock(&kvm->bus_lock);
	if (r)
		kfree(zone);
	return r;
}

static bool coalesced_contains(const struct coalesced_zone *zone,
			       const struct kvm_coalesced_mmio_zone *args)
{
	u64 offset = args->addr - zone->dev.base;

	return zone->pio == args->pio && args->addr >= zone->dev.base &&
	       offset <= zone->size && args->size <= zone->size - offset;
}

/* Zones go as a whole, even if only a part is named; none is no error. */
static int coalesced_unregister(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *args)
{
	struct coalesced_zone *zone, *next;

	mutex_lock(&kvm->bus_lock);
	list_for_each_entry_safe(zone, next, &kvm->eventfds->zones, list) {
		if (!coalesced_contains(zone, args))
			continue;
		list_del(&zone->list);
		bus_remove(kvm, zone->pio ? KVM_BUS_PIO : KVM_BUS_MMIO, &zone->dev);
	}
	mutex_unlock(&kvm->bus_lock);
	/* The VMM empties the ring a last time now: no vcpu may add to it later. */
	synchronize_rcu_expedited();
	return 0;
}

/**
 * coalesced_ioctl() - KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO
 * @kvm: the VM
 * @add: which of them
 * @argp: struct kvm_coalesced_mmio_zone
 *
 * Context: no lock held; may sleep. Return: 0 or -errno.
 */
int coalesced_ioctl(struct kvm *kvm, bool add, const void __user *argp)
{
	struct kvm_coalesced_mmio_zone args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.pio > 1)
		return -EINVAL;
	return add ? coalesced_register(kvm, &args) : coalesced_unregister(kvm, &args);
}
