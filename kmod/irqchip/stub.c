// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the interrupt controllers that are not written yet answer. Nothing reports
 * them; each function leaves this file when its own file comes.
 */
#include <kvm/irqchip.h>

long irqchip_vm_ioctl(struct kvm *kvm, unsigned int ioctl, unsigned long arg)
{
	return -ENOTTY;
}

int irqchip_vm_init(struct kvm *kvm)
{
	return 0;
}

void irqchip_vm_destroy(struct kvm *kvm)
{
}

int irqchip_peek(struct kvm_vcpu *vcpu)
{
	return -1;
}

int irqchip_take(struct kvm_vcpu *vcpu)
{
	return -1;
}

int lapic_create(struct kvm_vcpu *vcpu)
{
	return 0;
}

void lapic_published(struct kvm_vcpu *vcpu)
{
}

void lapic_destroy(struct kvm_vcpu *vcpu)
{
}

void lapic_reset(struct kvm_vcpu *vcpu, bool init)
{
}

long lapic_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp)
{
	return -ENOTTY;
}

void lapic_base_changed(struct kvm_vcpu *vcpu, u64 old)
{
}

void lapic_set_tpr(struct kvm_vcpu *vcpu, u8 tpr)
{
}

int lapic_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return 1;
}

int lapic_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return 1;
}

int lapic_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val)
{
	return -EOPNOTSUPP;
}

int lapic_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val)
{
	return -EOPNOTSUPP;
}

bool lapic_accepts_pic(struct kvm_vcpu *vcpu)
{
	return false;
}

void lapic_timer_renew(struct kvm_vcpu *vcpu)
{
}
