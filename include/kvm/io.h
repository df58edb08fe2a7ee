/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that live in the kernel, behind ports and guest physical addresses.
 *
 * A bus is one immutable, sorted array published by pointer, so an access reads it
 * without a lock; a change builds a new one.
 */
#ifndef KVM_SWAP_IO_H
#define KVM_SWAP_IO_H

#include <linux/rcupdate.h>
#include <kvm/types.h>

enum kvm_bus { KVM_BUS_MMIO, KVM_BUS_PIO, KVM_BUSES };

struct kvm_io_device;

/*
 * 0: served. -EOPNOTSUPP: not this device's, ask the next one or userspace.
 * @len is 1, 2, 4 or 8. @val is as wide as @len and not aligned.
 * Context: the vcpu's thread, loaded, RCU read side: must not sleep.
 */
struct kvm_io_ops {
	int (*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		    unsigned int len, void *val);
	int (*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *val);
	/* Nobody can reach @dev any more (called after an RCU grace period). Must not sleep. */
	void (*release)(struct kvm_io_device *dev);
};

/*
 * Embedded in a device. Constant while it is on a bus; addresses may overlap with
 * other devices': they are asked in order of .base, then of their coming.
 */
struct kvm_io_device {
	const struct kvm_io_ops *ops;
	gpa_t base;
	u64 len;			/* 0: answers for .base whatever the access's length */
	struct rcu_head rcu;
};

/*
 * Put @dev on @bus. 0, -ENOMEM, or -ENOSPC: too many devices.
 * Context: kvm->bus_lock held; may sleep.
 */
int bus_add(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev);
/*
 * Take @dev away; its release() follows, after a grace period. It cannot fail.
 * Context: kvm->bus_lock held; may sleep.
 */
void bus_remove(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev);
void bus_destroy(struct kvm *kvm);	/* with the VM: releases all devices left */

/*
 * 0, or -EOPNOTSUPP: no device of the kernel answers. Context: as struct kvm_io_ops,
 * outside RCU.
 */
int bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len, void *val);
int bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len,
	      const void *val);

/*
 * The same with what belongs to the vcpu itself (its local APIC's page) asked
 * first. Context: as bus_read().
 */
int io_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val);
int io_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val);

/* VM ioctls of ioeventfd.c, irqfd.c and coalesced.c: -ENOTTY for others'. May sleep. */
long eventfd_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
int eventfd_vm_init(struct kvm *kvm);		/* 0 or -ENOMEM; may sleep */
void eventfd_vm_destroy(struct kvm *kvm);	/* before the interrupt controllers go */
void eventfd_vm_free(struct kvm *kvm);		/* after the buses and the vcpus */
struct page *eventfd_ring_page(struct kvm *kvm);	/* for KVM_COALESCED_MMIO_PAGE_OFFSET */

#endif
