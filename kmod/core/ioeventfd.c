// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: a guest's write to a port or an address signals an eventfd and
 * does nothing else, so the vcpu goes straight on.
 */
#include <linux/eventfd.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <compat/file.h>
#include "eventfd.h"

/* Constant while it is on its bus, but for .list. */
struct ioeventfd {
	struct kvm_io_device dev;	/* .base is the address, .len its length or 0 for any */
	struct list_head list;		/* kvm->bus_lock; kvm->eventfds->ioeventfds */
	struct eventfd_ctx *ctx;	/* a reference */
	u64 datamatch;
	bool any_data;
	u8 bus;				/* enum kvm_bus */
};

static u64 ioeventfd_value(const void *val, unsigned int len)
{
	u64 value = 0;

	memcpy(&value, val, len);
	return value;
}

static int ioeventfd_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			  unsigned int len, void *val)
{
	return -EOPNOTSUPP;
}

static int ioeventfd_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned int len, const void *val)
{
	struct ioeventfd *e = container_of(dev, struct ioeventfd, dev);

	if (dev->len && (addr != dev->base || len != dev->len))
		return -EOPNOTSUPP;
	if (!e->any_data && ioeventfd_value(val, len) != e->datamatch)
		return -EOPNOTSUPP;
	kvm_eventfd_signal(e->ctx);
	return 0;
}

static void ioeventfd_release(struct kvm_io_device *dev)
{
	struct ioeventfd *e = container_of(dev, struct ioeventfd, dev);

	eventfd_ctx_put(e->ctx);
	kfree(e);
}

static const struct kvm_io_ops ioeventfd_ops = {
	.read = ioeventfd_read,
	.write = ioeventfd_write,
	.release = ioeventfd_release,
};

/* Could one write be for both? */
static bool ioeventfd_collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->bus == b->bus && a->dev.base == b->dev.base &&
	       (!a->dev.len || !b->dev.len ||
		(a->dev.len == b->dev.len &&
		 (a->any_data || b->any_data || a->datamatch == b->datamatch)));
}

static bool ioeventfd_same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->bus == b->bus && a->ctx == b->ctx && a->dev.base == b->dev.base &&
	       a->dev.len == b->dev.len && a->any_data == b->any_data &&
	       (a->any_data || a->datamatch == b->datamatch);
}

static int ioeventfd_assign(struct kvm *kvm, struct ioeventfd *e)
{
	struct ioeventfd *other;
	int r = 0;

	mutex_lock(&kvm->bus_lock);
	list_for_each_entry(other, &kvm->eventfds->ioeventfds, list)
		if (ioeventfd_collides(other, e))
			r = -EEXIST;
	if (!r)
		r = bus_add(kvm, e->bus, &e->dev);
	if (!r)
		list_add_tail(&e->list, &kvm->eventfds->ioeventfds);
	mutex_unlock(&kvm->bus_lock);
	return r;
}

static int ioeventfd_deassign(struct kvm *kvm, const struct ioeventfd *wanted)
{
	struct ioeventfd *e, *found = NULL;

	mutex_lock(&kvm->bus_lock);
	list_for_each_entry(e, &kvm->eventfds->ioeventfds, list)
		if (ioeventfd_same(e, wanted)) {
			found = e;
			break;
		}
	if (found) {
		list_del(&found->list);
		bus_remove(kvm, found->bus, &found->dev);
	}
	mutex_unlock(&kvm->bus_lock);
	if (!found)
		return -ENOENT;
	/* VMMs look at the eventfd a last time now: no vcpu may signal it later. */
	synchronize_rcu_expedited();
	return 0;
}

static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	u64 end;

	if (args->flags & ~(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
			    KVM_IOEVENTFD_FLAG_DEASSIGN))
		return -EINVAL;
	if (args->len > 8 || (args->len && !is_power_of_2(args->len)))
		return -EINVAL;
	if (check_add_overflow(args->addr, (u64)args->len, &end))
		return -EINVAL;
	/* What would there be to compare? */
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	return 0;
}

/**
 * ioeventfd_ioctl() - KVM_IOEVENTFD
 * @kvm: the VM
 * @argp: struct kvm_ioeventfd
 *
 * Context: no lock held; may sleep.
 * Return: 0, -EEXIST: a write could be meant for another one too, -ENOENT: no such
 * to deassign, or another errno.
 */
int ioeventfd_ioctl(struct kvm *kvm, const void __user *argp)
{
	struct kvm_ioeventfd args;
	struct ioeventfd *e;
	int r;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	r = ioeventfd_check(&args);
	if (r)
		return r;
	e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	e->dev.ops = &ioeventfd_ops;
	e->dev.base = args.addr;
	e->dev.len = args.len;
	e->datamatch = args.datamatch;
	e->any_data = !(args.flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	e->bus = args.flags & KVM_IOEVENTFD_FLAG_PIO ? KVM_BUS_PIO : KVM_BUS_MMIO;
	e->ctx = eventfd_ctx_fdget(args.fd);
	if (IS_ERR(e->ctx)) {
		r = PTR_ERR(e->ctx);
		goto err_free;
	}
	if (!(args.flags & KVM_IOEVENTFD_FLAG_DEASSIGN)) {
		r = ioeventfd_assign(kvm, e);
		if (!r)
			return 0;
	} else {
		r = ioeventfd_deassign(kvm, e);
	}
	eventfd_ctx_put(e->ctx);
err_free:
	kfree(e);
	return r;
}
