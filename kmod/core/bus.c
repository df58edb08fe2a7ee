// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports and guest physical addresses that devices in the kernel answer.
 */
#include <linux/slab.h>

#include <kvm/irqchip.h>
#include <kvm/vm.h>

#define BUS_DEVICES_MAX		16384

/* Constant once published, freed after an RCU grace period. */
struct kvm_bus_table {
	struct rcu_head rcu;
	unsigned int count;
	u64 max_len;			/* of the longest device: how far back a search goes */
	struct kvm_io_device *dev[];	/* sorted by .base */
};

static struct kvm_bus_table *bus_writer_table(struct kvm *kvm, enum kvm_bus bus)
{
	return rcu_dereference_protected(kvm->bus[bus], lockdep_is_held(&kvm->bus_lock));
}

static void bus_publish(struct kvm *kvm, enum kvm_bus bus, struct kvm_bus_table *new)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus);

	rcu_assign_pointer(kvm->bus[bus], new);
	if (old)
		kfree_rcu(old, rcu);
}

int bus_add(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus), *new;
	unsigned int count = old ? old->count : 0, i = 0, n;

	if (count >= BUS_DEVICES_MAX)
		return -ENOSPC;
	new = kzalloc(struct_size(new, dev, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	while (i < count && old->dev[i]->base <= dev->base) {
		new->dev[i] = old->dev[i];
		i++;
	}
	new->dev[i] = dev;
	for (n = i; n < count; n++)
		new->dev[n + 1] = old->dev[n];
	new->count = count + 1;
	new->max_len = max(old ? old->max_len : 1, dev->len);
	bus_publish(kvm, bus, new);
	return 0;
}

static void bus_release(struct rcu_head *rcu)
{
	struct kvm_io_device *dev = container_of(rcu, struct kvm_io_device, rcu);

	dev->ops->release(dev);
}

/* Publish the table without entry @at. */
static void bus_shrink(struct kvm *kvm, enum kvm_bus bus, unsigned int at)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus), *new = NULL;
	unsigned int i, n = 0;

	if (old->count > 1) {
		/* At most two pages, and who takes a device away has no other way. */
		new = kzalloc(struct_size(new, dev, old->count - 1),
			      GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
		for (i = 0; i < old->count; i++)
			if (i != at)
				new->dev[n++] = old->dev[i];
		new->count = n;
		new->max_len = old->max_len;
	}
	bus_publish(kvm, bus, new);
}

void bus_remove(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev)
{
	struct kvm_bus_table *table = bus_writer_table(kvm, bus);
	unsigned int i;

	for (i = 0; i < table->count && table->dev[i] != dev; i++)
		;
	if (WARN_ON_ONCE(i == table->count))
		return;
	bus_shrink(kvm, bus, i);
	call_rcu(&dev->rcu, bus_release);
}

void bus_destroy(struct kvm *kvm)
{
	struct kvm_bus_table *table;
	unsigned int bus, i;

	for (bus = 0; bus < KVM_BUSES; bus++) {
		table = rcu_dereference_protected(kvm->bus[bus], true);
		for (i = 0; table && i < table->count; i++)
			table->dev[i]->ops->release(table->dev[i]);
		kfree(table);
		RCU_INIT_POINTER(kvm->bus[bus], NULL);
	}
	/* Devices removed before may still have their release() ahead of them. */
	rcu_barrier();
}

static unsigned int bus_search(const struct kvm_bus_table *table, gpa_t from)
{
	unsigned int low = 0, high = table->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (table->dev[mid]->base < from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * The first entry that can reach @addr. A guest talks to one device many times, so
 * the latest answer is tried first; it may be of another table.
 */
static __always_inline unsigned int bus_first(struct kvm_vcpu *vcpu,
					      const struct kvm_bus_table *table, gpa_t addr)
{
	gpa_t from = addr >= table->max_len ? addr - table->max_len + 1 : 0;
	unsigned int last = vcpu->bus_last;

	if (last < table->count && table->dev[last]->base >= from &&
	    (!last || table->dev[last - 1]->base < from))
		return last;
	vcpu->bus_last = bus_search(table, from);
	return vcpu->bus_last;
}

static bool bus_claims(const struct kvm_io_device *dev, gpa_t addr, unsigned int len)
{
	if (!dev->len)
		return addr == dev->base;
	return addr >= dev->base && addr - dev->base + len <= dev->len;
}

int bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len, void *val)
{
	const struct kvm_bus_table *table;
	struct kvm_io_device *dev;
	int r = -EOPNOTSUPP;
	unsigned int i;

	rcu_read_lock();
	table = rcu_dereference(vcpu->kvm->bus[bus]);
	for (i = table ? bus_first(vcpu, table, addr) : 0; table && i < table->count; i++) {
		dev = table->dev[i];
		if (dev->base > addr)
			break;
		if (bus_claims(dev, addr, len))
			r = dev->ops->read(vcpu, dev, addr, len, val);
		if (!r)
			break;
	}
	rcu_read_unlock();
	return r;
}

int bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len,
	      const void *val)
{
	const struct kvm_bus_table *table;
	struct kvm_io_device *dev;
	int r = -EOPNOTSUPP;
	unsigned int i;

	rcu_read_lock();
	table = rcu_dereference(vcpu->kvm->bus[bus]);
	for (i = table ? bus_first(vcpu, table, addr) : 0; table && i < table->count; i++) {
		dev = table->dev[i];
		if (dev->base > addr)
			break;
		if (bus_claims(dev, addr, len))
			r = dev->ops->write(vcpu, dev, addr, len, val);
		if (!r)
			break;
	}
	rcu_read_unlock();
	return r;
}

int io_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val)
{
	if (vcpu->lapic && !lapic_mmio_read(vcpu, gpa, len, val))
		return 0;
	return bus_read(vcpu, KVM_BUS_MMIO, gpa, len, val);
}

int io_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val)
{
	if (vcpu->lapic && !lapic_mmio_write(vcpu, gpa, len, val))
		return 0;
	return bus_write(vcpu, KVM_BUS_MMIO, gpa, len, val);
}
