// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM's eventfds and coalesced ranges have in common: their birth, their
 * ioctls and their end.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "eventfd.h"

/**
 * eventfd_vm_init() - make a VM able to have eventfds
 * @kvm: being created
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int eventfd_vm_init(struct kvm *kvm)
{
	struct kvm_eventfds *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return -ENOMEM;
	/* Not accounted: older kernels keep that mark where mapped pages count. */
	e->ring_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!e->ring_page) {
		kfree(e);
		return -ENOMEM;
	}
	INIT_LIST_HEAD(&e->ioeventfds);
	INIT_LIST_HEAD(&e->zones);
	spin_lock_init(&e->ring_lock);
	e->kvm = kvm;
	irqfd_vm_init(e);
	kvm->eventfds = e;
	return 0;
}

long eventfd_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_IOEVENTFD:
		return ioeventfd_ioctl(kvm, argp);
	case KVM_IRQFD:
		return irqfd_ioctl(kvm, argp);
	case KVM_REGISTER_COALESCED_MMIO:
		return coalesced_ioctl(kvm, true, argp);
	case KVM_UNREGISTER_COALESCED_MMIO:
		return coalesced_ioctl(kvm, false, argp);
	default:
		return -ENOTTY;
	}
}

/* What is on the buses goes with them. */
void eventfd_vm_destroy(struct kvm *kvm)
{
	irqfd_vm_destroy(kvm->eventfds);
}

/* The caller may map it and takes a reference of its own. */
struct page *eventfd_ring_page(struct kvm *kvm)
{
	return kvm->eventfds->ring_page;
}

/* The buses are empty, so nobody puts anything into the ring any more. */
void eventfd_vm_free(struct kvm *kvm)
{
	put_page(kvm->eventfds->ring_page);
	kfree(kvm->eventfds);
}
