// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports and guest physical addresses that devices in the kernel answer.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <kvm/irqchip.h>
#include <kvm/vm.h>

#define BUS_DEVICES_MAX		16384

/* A place of a device's, which is asked while .dev is there. */
struct kvm_bus_entry {
	u64 base;
	struct kvm_io_device *dev;	/* NULL: taken away, without memory for a new table */
};

/* Freed after an RCU grace period. Constant once published, but for devices that go. */
struct kvm_bus_table {
	struct rcu_head rcu;
	unsigned int count;
	u64 max_len;			/* of the longest device: how far back a search goes */
	struct kvm_bus_entry entry[];	/* sorted by .base */
};

static struct kvm_bus_table *bus_writer_table(struct kvm *kvm, enum kvm_bus bus)
{
	return rcu_dereference_protected(kvm->bus[bus], lockdep_is_held(&kvm->bus_lock));
}

static struct kvm_bus_table *bus_alloc(unsigned int count, gfp_t gfp)
{
	struct kvm_bus_table *table;

	/* Very many devices make it larger than what the page allocator has at all times. */
	table = kvzalloc(struct_size(table, entry, count), GFP_KERNEL_ACCOUNT | gfp);
	if (table)
		table->max_len = 1;
	return table;
}

static void bus_append(struct kvm_bus_table *table, struct kvm_io_device *dev)
{
	table->entry[table->count].base = dev->base;
	table->entry[table->count].dev = dev;
	table->count++;
	table->max_len = max(table->max_len, dev->len);
}

static void bus_publish(struct kvm *kvm, enum kvm_bus bus, struct kvm_bus_table *new)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus);

	rcu_assign_pointer(kvm->bus[bus], new);
	if (old)
		kvfree_rcu(old, rcu);
}

int bus_add(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus), *new;
	unsigned int count = old ? old->count : 0, i = 0;

	if (count >= BUS_DEVICES_MAX)
		return -ENOSPC;
	new = bus_alloc(count + 1, 0);
	if (!new)
		return -ENOMEM;
	for (; i < count && old->entry[i].base <= dev->base; i++)
		if (old->entry[i].dev)
			bus_append(new, old->entry[i].dev);
	bus_append(new, dev);
	for (; i < count; i++)
		if (old->entry[i].dev)
			bus_append(new, old->entry[i].dev);
	bus_publish(kvm, bus, new);
	return 0;
}

static void bus_release(struct rcu_head *rcu)
{
	struct kvm_io_device *dev = container_of(rcu, struct kvm_io_device, rcu);

	dev->ops->release(dev);
}

/* Publish the table without entry @at, or leave a hole there. */
static void bus_shrink(struct kvm *kvm, enum kvm_bus bus, unsigned int at)
{
	struct kvm_bus_table *old = bus_writer_table(kvm, bus), *new;
	unsigned int i;

	new = bus_alloc(old->count - 1, __GFP_NOWARN);
	WRITE_ONCE(old->entry[at].dev, NULL);
	if (!new)
		return;
	for (i = 0; i < old->count; i++)
		if (old->entry[i].dev)
			bus_append(new, old->entry[i].dev);
	bus_publish(kvm, bus, new);
}

void bus_remove(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev)
{
	struct kvm_bus_table *table = bus_writer_table(kvm, bus);
	unsigned int i;

	for (i = 0; i < table->count && table->entry[i].dev != dev; i++)
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
			if (table->entry[i].dev)
				table->entry[i].dev->ops->release(table->entry[i].dev);
		kvfree(table);
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
		if (table->entry[mid].base < from)
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

	if (last < table->count && table->entry[last].base >= from &&
	    (!last || table->entry[last - 1].base < from))
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
		if (table->entry[i].base > addr)
			break;
		dev = READ_ONCE(table->entry[i].dev);
		if (dev && bus_claims(dev, addr, len))
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
		if (table->entry[i].base > addr)
			break;
		dev = READ_ONCE(table->entry[i].dev);
		if (dev && bus_claims(dev, addr, len))
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
