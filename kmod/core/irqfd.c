// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IRQFD: an eventfd that raises an interrupt when it is signalled, by whoever
 * signals it and in his context.
 *
 * With KVM_IRQFD_FLAG_RESAMPLE the interrupt is a level: it stays up until the guest
 * has acknowledged it, and then a second eventfd asks the device to look whether
 * there is more.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <compat/eventfd.h>
#include <compat/file.h>
#include <kvm/irqchip.h>
#include "eventfd.h"

/* Of one GSI: all its resampling irqfds share the line. Freed after a grace period. */
struct resampler {
	struct kvm *kvm;		/* [o] */
	struct kvm_irq_ack ack;		/* [o] .gsi too */
	struct list_head irqfds;	/* irqfd_lock to write, RCU to read */
	struct list_head list;		/* irqfd_lock; kvm->eventfds->resamplers */
};

/*
 * Lifetime: from KVM_IRQFD to its deassigning, the eventfd's closing or the VM's end.
 * [o] written once at creation   [i] irqfd_lock   [q] the eventfd's queue lock
 */
struct irqfd {
	struct kvm *kvm;		/* [o] */
	u32 gsi;			/* [o] */
	struct eventfd_ctx *ctx;	/* [o] a reference */
	wait_queue_entry_t wait;	/* [q] in the eventfd's queue */
	struct list_head list;		/* [i] kvm->eventfds->irqfds */
	bool hung_up;			/* [q] set once: the eventfd has been closed */
	struct resampler *resampler;	/* [o] NULL: edge-triggered */
	struct list_head resample_list;	/* [i], RCU to read */
	struct eventfd_ctx *resample_ctx;	/* [o] a reference, with .resampler */
};

/* Carries the answer of irqfd_queue() out of vfs_poll(). */
struct irqfd_poll {
	poll_table table;
	struct irqfd *irqfd;
	int error;
};

static void irqfd_inject(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		irq_set(irqfd->kvm, KVM_IRQ_SOURCE_RESAMPLE, irqfd->gsi, true);
	else
		irq_pulse(irqfd->kvm, irqfd->gsi);
}

/* Under the eventfd's queue lock, interrupts off, in whatever context signals it. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);

	if (events & EPOLLHUP) {
		WRITE_ONCE(irqfd->hung_up, true);
		schedule_work(&irqfd->kvm->eventfds->hangup_work);
	}
	if (!(events & EPOLLIN))
		return 0;
	kvm_eventfd_take(irqfd->ctx);
	irqfd_inject(irqfd);
	return 1;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd_poll *poll = container_of(table, struct irqfd_poll, table);

	poll->error = kvm_eventfd_wait_first(head, &poll->irqfd->wait);
}

/* The guest has acknowledged the line: down with it, and let the devices look again. */
static void resampler_acked(struct kvm_irq_ack *ack)
{
	struct resampler *resampler = container_of(ack, struct resampler, ack);
	struct irqfd *irqfd;

	irq_set(resampler->kvm, KVM_IRQ_SOURCE_RESAMPLE, ack->gsi, false);
	list_for_each_entry_rcu(irqfd, &resampler->irqfds, resample_list)
		kvm_eventfd_signal(irqfd->resample_ctx);
}

static struct resampler *resampler_create(struct kvm *kvm, u32 gsi)
{
	struct resampler *resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);

	if (!resampler)
		return NULL;
	resampler->kvm = kvm;
	resampler->ack.gsi = gsi;
	resampler->ack.acked = resampler_acked;
	INIT_LIST_HEAD(&resampler->irqfds);
	list_add(&resampler->list, &kvm->eventfds->resamplers);
	mutex_lock(&kvm->irq_lock);
	irq_ack_add(kvm, &resampler->ack);
	mutex_unlock(&kvm->irq_lock);
	return resampler;
}

static int resampler_attach(struct irqfd *irqfd)
{
	struct kvm_eventfds *e = irqfd->kvm->eventfds;
	struct resampler *resampler, *found = NULL;

	lockdep_assert_held(&e->irqfd_lock);
	list_for_each_entry(resampler, &e->resamplers, list)
		if (resampler->ack.gsi == irqfd->gsi)
			found = resampler;
	if (!found)
		found = resampler_create(irqfd->kvm, irqfd->gsi);
	if (!found)
		return -ENOMEM;
	list_add_rcu(&irqfd->resample_list, &found->irqfds);
	irqfd->resampler = found;
	return 0;
}

static void resampler_detach(struct irqfd *irqfd)
{
	struct resampler *resampler = irqfd->resampler;
	struct kvm *kvm = irqfd->kvm;

	lockdep_assert_held(&kvm->eventfds->irqfd_lock);
	list_del_rcu(&irqfd->resample_list);
	/* resampler_acked() may still be signalling this one. */
	synchronize_rcu();
	if (!list_empty(&resampler->irqfds))
		return;
	mutex_lock(&kvm->irq_lock);
	irq_ack_remove(kvm, &resampler->ack);
	mutex_unlock(&kvm->irq_lock);
	irq_set(kvm, KVM_IRQ_SOURCE_RESAMPLE, resampler->ack.gsi, false);
	list_del(&resampler->list);
	kfree(resampler);
}

static void irqfd_free(struct irqfd *irqfd)
{
	eventfd_ctx_put(irqfd->ctx);
	if (irqfd->resample_ctx)
		eventfd_ctx_put(irqfd->resample_ctx);
	kfree(irqfd);
}

/* Once it is out of the queue, under the queue's lock, nobody raises its interrupt. */
static void irqfd_remove(struct irqfd *irqfd)
{
	u64 count;

	lockdep_assert_held(&irqfd->kvm->eventfds->irqfd_lock);
	list_del(&irqfd->list);
	eventfd_ctx_remove_wait_queue(irqfd->ctx, &irqfd->wait, &count);
	if (irqfd->resampler)
		resampler_detach(irqfd);
	irqfd_free(irqfd);
}

static void irqfd_hangup_work(struct work_struct *work)
{
	struct kvm_eventfds *e = container_of(work, struct kvm_eventfds, hangup_work);
	struct irqfd *irqfd, *next;

	mutex_lock(&e->irqfd_lock);
	list_for_each_entry_safe(irqfd, next, &e->irqfds, list)
		if (READ_ONCE(irqfd->hung_up))
			irqfd_remove(irqfd);
	mutex_unlock(&e->irqfd_lock);
}

void irqfd_vm_init(struct kvm_eventfds *e)
{
	mutex_init(&e->irqfd_lock);
	INIT_LIST_HEAD(&e->irqfds);
	INIT_LIST_HEAD(&e->resamplers);
	INIT_WORK(&e->hangup_work, irqfd_hangup_work);
}

void irqfd_vm_destroy(struct kvm_eventfds *e)
{
	struct irqfd *irqfd, *next;

	mutex_lock(&e->irqfd_lock);
	list_for_each_entry_safe(irqfd, next, &e->irqfds, list)
		irqfd_remove(irqfd);
	mutex_unlock(&e->irqfd_lock);
	/* With all of them out of their queues nobody schedules it again. */
	cancel_work_sync(&e->hangup_work);
}

/* Publish @irqfd: from irqfd_queue() on it may be woken. */
static int irqfd_add(struct irqfd *irqfd, struct file *file)
{
	struct irqfd_poll poll = { .irqfd = irqfd };
	struct kvm_eventfds *e = irqfd->kvm->eventfds;
	struct irqfd *other;
	__poll_t events;
	int r;

	lockdep_assert_held(&e->irqfd_lock);
	list_for_each_entry(other, &e->irqfds, list)
		if (other->ctx == irqfd->ctx)
			return -EBUSY;
	if (irqfd->resample_ctx) {
		r = resampler_attach(irqfd);
		if (r)
			return r;
	}
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&poll.table, irqfd_queue);
	events = vfs_poll(file, &poll.table);
	if (poll.error) {
		if (irqfd->resampler)
			resampler_detach(irqfd);
		return poll.error;
	}
	list_add_tail(&irqfd->list, &e->irqfds);
	/* It was signalled before anybody listened. */
	if (events & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;
}

static struct irqfd *irqfd_alloc(struct kvm *kvm, const struct kvm_irqfd *args,
				 struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	struct eventfd_ctx *ctx;

	if (!irqfd)
		return ERR_PTR(-ENOMEM);
	irqfd->kvm = kvm;
	irqfd->gsi = args->gsi;
	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx))
		goto err_free;
	irqfd->ctx = ctx;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return irqfd;
	ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(ctx))
		goto err_ctx;
	irqfd->resample_ctx = ctx;
	return irqfd;

err_ctx:
	eventfd_ctx_put(irqfd->ctx);
err_free:
	kfree(irqfd);
	return ERR_CAST(ctx);
}

static int irqfd_assign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct file *file;
	int r;

	/* Held to the end, so that it is not closed before all is in place. */
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	irqfd = irqfd_alloc(kvm, args, file);
	if (IS_ERR(irqfd)) {
		r = PTR_ERR(irqfd);
		goto out;
	}
	mutex_lock(&kvm->eventfds->irqfd_lock);
	r = irqfd_add(irqfd, file);
	mutex_unlock(&kvm->eventfds->irqfd_lock);
	if (r)
		irqfd_free(irqfd);
out:
	fput(file);
	return r;
}

static int irqfd_deassign(struct kvm *kvm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&kvm->eventfds->irqfd_lock);
	list_for_each_entry_safe(irqfd, next, &kvm->eventfds->irqfds, list)
		if (irqfd->ctx == ctx && irqfd->gsi == args->gsi)
			irqfd_remove(irqfd);
	mutex_unlock(&kvm->eventfds->irqfd_lock);
	eventfd_ctx_put(ctx);
	return 0;
}

/* An acknowledgment is only seen if the chips are here, not in userspace. */
static bool irqfd_allowed(struct kvm *kvm, const struct kvm_irqfd *args)
{
	/* Pairs with the release in irqchip/chip.c. */
	int mode = smp_load_acquire(&kvm->irqchip_mode);

	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		return mode == KVM_IRQCHIP_KERNEL;
	return mode != KVM_IRQCHIP_NONE;
}

/**
 * irqfd_ioctl() - KVM_IRQFD
 * @kvm: the VM
 * @argp: struct kvm_irqfd
 *
 * Context: no lock held; may sleep.
 * Return: 0 (also if there is nothing to deassign), -EBUSY: the eventfd raises an
 * interrupt of this VM already, or another errno.
 */
int irqfd_ioctl(struct kvm *kvm, const void __user *argp)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args.flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(kvm, &args);
	if (!irqfd_allowed(kvm, &args))
		return -EINVAL;
	return irqfd_assign(kvm, &args);
}
