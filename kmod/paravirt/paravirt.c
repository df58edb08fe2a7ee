// SPDX-License-Identifier: GPL-2.0-only
/*
 * The room's doors: which MSRs, ioctls and CPUID bits lead where.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <kvm/irqchip.h>
#include "paravirt.h"

u32 paravirt_features(void)
{
	u32 features = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
		       BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_PV_EOI) |
		       BIT(KVM_FEATURE_PV_UNHALT) |
		       BIT(KVM_FEATURE_PV_SEND_IPI) | BIT(KVM_FEATURE_POLL_CONTROL) |
		       BIT(KVM_FEATURE_PV_SCHED_YIELD) |
		       BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_INT) |
		       BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);

	if (steal_available())
		features |= BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH);
	return features;
}

long paravirt_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_CLOCK:
		return clock_get(kvm, argp);
	case KVM_SET_CLOCK:
		return clock_set(kvm, argp);
	default:
		return -ENOTTY;
	}
}

long paravirt_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_KVMCLOCK_CTRL:
		return clock_note_pause(vcpu);
	default:
		return -ENOTTY;
	}
}

int paravirt_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return clock_get_msr(vcpu, index, val);
	case MSR_KVM_STEAL_TIME:
		return steal_get_msr(vcpu, val);
	case MSR_KVM_ASYNC_PF_EN:
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return async_get_msr(vcpu, index, val);
	case MSR_KVM_PV_EOI_EN:
		*val = vcpu->pv.eoi;
		return 0;
	case MSR_KVM_POLL_CONTROL:
		*val = !vcpu->pv.no_poll;
		return 0;
	default:
		return 1;
	}
}

int paravirt_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return clock_set_msr(vcpu, index, val);
	case MSR_KVM_STEAL_TIME:
		return steal_set_msr(vcpu, val);
	case MSR_KVM_ASYNC_PF_EN:
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return async_set_msr(vcpu, index, val);
	case MSR_KVM_PV_EOI_EN:
		return lapic_pv_eoi_set_msr(vcpu, val);
	case MSR_KVM_POLL_CONTROL:
		if (val > 1)
			return 1;
		vcpu->pv.no_poll = !val;
		return 0;
	default:
		return 1;
	}
}
