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
#include <linux/workqueue.h>
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
	struct mutex irqfd_lock;	/* assigning and deassigning; outside kvm->irq_lock */
	struct list_head irqfds;	/* [i] */
	struct list_head resamplers;	/* [i] */
	struct work_struct hangup_work;	/* takes irqfds away whose file was closed */
	struct kvm *kvm;		/* [o] */
};

/* All of them: under no lock; may sleep; 0 or -errno. */
int ioeventfd_ioctl(struct kvm *kvm, const void __user *argp);
int coalesced_ioctl(struct kvm *kvm, bool add, const void __user *argp);
int irqfd_ioctl(struct kvm *kvm, const void __user *argp);

void irqfd_vm_init(struct kvm_eventfds *e);
/* Nobody can assign any more. May sleep. */
void irqfd_vm_destroy(struct kvm_eventfds *e);

#endif
