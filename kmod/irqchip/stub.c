// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the interrupt controllers that are not written yet answer. Nothing reports
 * them; each function leaves this file when its own file comes.
 */
#include "chip.h"

int ioapic_create(struct kvm *kvm)
{
	return -EINVAL;
}

void ioapic_destroy(struct kvm *kvm)
{
}

void ioapic_get_state(struct kvm *kvm, struct kvm_ioapic_state *state)
{
}

void ioapic_set_state(struct kvm *kvm, const struct kvm_ioapic_state *state)
{
}

int ioapic_set_pin(struct kvm *kvm, u32 pin, bool level)
{
	return -1;
}

void ioapic_eoi(struct kvm_vcpu *vcpu, u8 vector)
{
}

int pic_create(struct kvm *kvm)
{
	return -EINVAL;
}

void pic_destroy(struct kvm *kvm)
{
}

void pic_get_state(struct kvm *kvm, bool slave, struct kvm_pic_state *state)
{
}

void pic_set_state(struct kvm *kvm, bool slave, const struct kvm_pic_state *state)
{
}

int pic_set_pin(struct kvm *kvm, u32 pin, bool level)
{
	return -1;
}

bool pic_intr(struct kvm *kvm)
{
	return false;
}

int pic_take(struct kvm_vcpu *vcpu)
{
	return -1;
}

long pit_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	return -ENOTTY;
}

void pit_destroy(struct kvm *kvm)
{
}
