// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers of a VM: their making, their ioctls, their end.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "lapic.h"

static_assert(sizeof(struct kvm_irqchip) == 520);
static_assert(sizeof(struct kvm_irq_level) == 8);
static_assert(sizeof(struct kvm_irq_routing) == 8);
static_assert(sizeof(struct kvm_irq_routing_entry) == 48);
static_assert(sizeof(struct kvm_msi) == 32);

#define X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS |		\
				 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

int irqchip_vm_init(struct kvm *kvm)
{
	struct kvm_chips *chips = kzalloc(sizeof(*chips), GFP_KERNEL_ACCOUNT);

	if (!chips)
		return -ENOMEM;
	INIT_HLIST_HEAD(&chips->acks);
	spin_lock_init(&chips->line_lock);
	mutex_init(&chips->map_lock);
	kvm->irqchip = chips;
	return 0;
}

void irqchip_vm_destroy(struct kvm *kvm)
{
	struct kvm_chips *chips = kvm->irqchip;
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm)
		if (vcpu->lapic)
			lapic_timer_stop(vcpu->lapic);
	pit_destroy(kvm);
	ioapic_destroy(kvm);
	pic_destroy(kvm);
	routing_destroy(kvm);
	kvfree(rcu_dereference_protected(chips->map, true));
	kfree(chips);
	kvm->irqchip = NULL;
}

/* From now on every new vcpu has a local APIC. */
static void irqchip_publish(struct kvm *kvm, enum kvm_irqchip_mode mode)
{
	/* Pairs with irqchip_in_kernel(). */
	smp_store_release(&kvm->irqchip_mode, mode);
}

static int irqchip_default_routes(struct kvm *kvm, enum kvm_irqchip_mode mode)
{
	int r;

	mutex_lock(&kvm->irq_lock);
	r = routing_set_default(kvm, mode);
	mutex_unlock(&kvm->irq_lock);
	return r;
}

/* kvm->lock held. */
static int irqchip_create(struct kvm *kvm)
{
	int r;

	if (irqchip_in_kernel(kvm))
		return -EEXIST;
	if (kvm->created_vcpus)
		return -EINVAL;
	r = pic_create(kvm);
	if (r)
		return r;
	r = ioapic_create(kvm);
	if (r)
		goto err_pic;
	r = irqchip_default_routes(kvm, KVM_IRQCHIP_KERNEL);
	if (r)
		goto err_ioapic;
	irqchip_publish(kvm, KVM_IRQCHIP_KERNEL);
	return 0;

err_ioapic:
	ioapic_destroy(kvm);
err_pic:
	pic_destroy(kvm);
	return r;
}

static int irqchip_ioctl_create(struct kvm *kvm)
{
	int r;

	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	r = irqchip_create(kvm);
	mutex_unlock(&kvm->lock);
	return r;
}

int irqchip_enable_split(struct kvm *kvm, u64 pins)
{
	int r = -EEXIST;

	if (pins > KVM_GSI_MAX)
		return -EINVAL;
	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	if (!irqchip_in_kernel(kvm) && !kvm->created_vcpus) {
		r = irqchip_default_routes(kvm, KVM_IRQCHIP_SPLIT);
		if (!r) {
			kvm->irqchip->split_pins = pins;
			irqchip_publish(kvm, KVM_IRQCHIP_SPLIT);
		}
	}
	mutex_unlock(&kvm->lock);
	return r;
}

int irqchip_enable_x2apic_api(struct kvm *kvm, u64 flags)
{
	if (flags & ~X2APIC_API_FLAGS)
		return -EINVAL;
	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	WRITE_ONCE(kvm->irqchip->x2apic_api, kvm->irqchip->x2apic_api | flags);
	mutex_unlock(&kvm->lock);
	return 0;
}

static int irqchip_ioctl_line(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_irq_level line;

	if (copy_from_user(&line, argp, sizeof(line)))
		return -EFAULT;
	if (!irqchip_in_kernel(kvm))
		return -ENXIO;
	line.status = irq_set(kvm, KVM_IRQ_SOURCE_USER, line.irq, line.level);
	if (ioctl == KVM_IRQ_LINE_STATUS && copy_to_user(argp, &line, sizeof(line)))
		return -EFAULT;
	return 0;
}

static int chip_get_state(struct kvm *kvm, struct kvm_irqchip *state)
{
	switch (state->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get_state(kvm, state->chip_id == KVM_IRQCHIP_PIC_SLAVE, &state->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get_state(kvm, &state->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

static int chip_set_state(struct kvm *kvm, const struct kvm_irqchip *state)
{
	switch (state->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_set_state(kvm, state->chip_id == KVM_IRQCHIP_PIC_SLAVE, &state->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_set_state(kvm, &state->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

static int irqchip_ioctl_state(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_irqchip *state;
	int r;

	/* A split one has no chips here. */
	if (smp_load_acquire(&kvm->irqchip_mode) != KVM_IRQCHIP_KERNEL)
		return -ENXIO;
	state = memdup_user(argp, sizeof(*state));
	if (IS_ERR(state))
		return PTR_ERR(state);
	if (ioctl == KVM_GET_IRQCHIP) {
		r = chip_get_state(kvm, state);
		if (!r && copy_to_user(argp, state, sizeof(*state)))
			r = -EFAULT;
	} else {
		r = chip_set_state(kvm, state);
	}
	kfree(state);
	return r;
}

static int irqchip_ioctl_routing(struct kvm *kvm, const struct kvm_irq_routing __user *argp)
{
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	int r;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (!irqchip_in_kernel(kvm) || head.flags || head.nr > KVM_GSI_MAX)
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(argp->entries, array_size(head.nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	mutex_lock(&kvm->irq_lock);
	r = routing_set(kvm, entries, head.nr);
	mutex_unlock(&kvm->irq_lock);
	kvfree(entries);
	return r;
}

static int irqchip_ioctl_msi(struct kvm *kvm, const void __user *argp)
{
	struct kvm_msi msi;
	int r;

	if (copy_from_user(&msi, argp, sizeof(msi)))
		return -EFAULT;
	if (!irqchip_in_kernel(kvm))
		return -EINVAL;
	r = routing_check_msi(kvm, msi.address_hi, msi.flags);
	if (r)
		return r;
	r = irq_send_msi(kvm, (u64)msi.address_hi << 32 | msi.address_lo, msi.data);
	return max(r, 0);
}

static int irqchip_ioctl_boot_cpu(struct kvm *kvm, unsigned long id)
{
	int r = -EBUSY;

	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	if (!kvm->created_vcpus) {
		/* No vcpu can have an ID that does not fit. */
		kvm->boot_cpu_id = min_t(unsigned long, id, U32_MAX);
		r = 0;
	}
	mutex_unlock(&kvm->lock);
	return r;
}

long irqchip_vm_ioctl(struct kvm *kvm, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_CREATE_IRQCHIP:
		return irqchip_ioctl_create(kvm);
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		return irqchip_ioctl_line(kvm, ioctl, argp);
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		return irqchip_ioctl_state(kvm, ioctl, argp);
	case KVM_SET_GSI_ROUTING:
		return irqchip_ioctl_routing(kvm, argp);
	case KVM_SIGNAL_MSI:
		return irqchip_ioctl_msi(kvm, argp);
	case KVM_SET_BOOT_CPU_ID:
		return irqchip_ioctl_boot_cpu(kvm, arg);
	default:
		return pit_vm_ioctl(kvm, ioctl, argp);
	}
}
