/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the paravirt room share among themselves. For contexts see
 * <kvm/paravirt.h>.
 */
#ifndef KVM_SWAP_PARAVIRT_PRIVATE_H
#define KVM_SWAP_PARAVIRT_PRIVATE_H

#include <kvm/paravirt.h>
#include <kvm/x86.h>

/*
 * A guest waits for ever for the even version of a page that was left half written, so
 * what fails for a moment (no memory, swap) is tried again. Context: may sleep.
 */
#define PARAVIRT_TRIES	3

static inline int paravirt_read(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len)
{
	int tries = PARAVIRT_TRIES, ret;

	do {
		ret = guest_read(vcpu, gpa, data, len);
	} while (ret && --tries);
	return ret;
}

static inline int paravirt_write(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data,
				 unsigned int len)
{
	int tries = PARAVIRT_TRIES, ret;

	do {
		ret = guest_write(vcpu, gpa, data, len);
	} while (ret && --tries);
	return ret;
}

/* clock.c */
int clock_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int clock_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val);
int clock_note_pause(struct kvm_vcpu *vcpu);
int clock_get(struct kvm *kvm, void __user *argp);
int clock_set(struct kvm *kvm, const void __user *argp);
/* KVM_HC_CLOCK_PAIRING: 0 or a negative KVM_E*. */
long clock_pair(struct kvm_vcpu *vcpu, gpa_t gpa, u64 type);

/* steal.c */
int steal_get_msr(struct kvm_vcpu *vcpu, u64 *val);
int steal_set_msr(struct kvm_vcpu *vcpu, u64 val);

/* async.c: MSR_KVM_ASYNC_PF_*. 0, or 1 for #GP. */
int async_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int async_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val);

#endif
