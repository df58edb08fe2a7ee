/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doors between a guest and file descriptors: writes that signal an eventfd
 * (ioeventfd.c), eventfds that raise an interrupt (irqfd.c), writes that wait in a
 * ring until the VMM looks (coalesced.c).
 */
#ifndef KVM_SWAP_EVENTFD_H
#define KVM_SWAP_EVENTFD_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <kvm/io.h>
#include <kvm/vm.h>

/*
 * Lifetime: with the VM. [o] written once at creation
 * [b] kvm->bus_lock           [i] irqfd_lock
 */
struct kvm_eventfds {
	struct list_head ioeventfds;	/* [b] */
	struct list_head zones;		/* [b] coalesced ranges */
	struct page *ring_page;		/* [o] the same page in every vcpu's mapping */
	spinlock_t ring_lock;		/* producers of the ring */
	struct mutex irqfd_lock;	/* assigning and deassigning */
	struct list_head irqfds;	/* [i] */
	struct list_head resamplers;	/* [i] */
};

/* All of them: under no lock; may sleep; 0 or -errno. */
int ioeventfd_ioctl(struct kvm *kvm, const void __user *argp);
int coalesced_ioctl(struct kvm *kvm, bool add, const void __user *argp);

#endif
