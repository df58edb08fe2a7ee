/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest that knows it is one is given: the clock, steal time, hypercalls.
 * Documentation/virt/kvm/x86: msr.rst, cpuid.rst, hypercalls.rst.
 *
 * Memory shared with the guest is written through the VM's mm like any other, by the
 * vcpu's own thread where it may sleep: as a request before the next entry.
 * Unless said otherwise: called by the vcpu's thread, loaded, may sleep.
 */
#ifndef KVM_SWAP_PARAVIRT_H
#define KVM_SWAP_PARAVIRT_H

#include <linux/kvm.h>
#include <kvm/types.h>
#include <kvm/vcpu.h>
#include <kvm/vm.h>

/* CPUID 0x40000001 EAX: bits of KVM_FEATURE_* that work on this host. */
u32 paravirt_features(void);

/* VM ioctls; -ENOTTY for others'. Process context. */
long paravirt_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
/* vcpu ioctls; -ENOTTY for others'. */
long paravirt_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl);

/* KVM's own MSRs. 0, or 1 for #GP. */
int paravirt_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int paravirt_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val);

/* --- clock.c */
void clock_vm_init(struct kvm *kvm);		/* it starts at 0; before any vcpu */
void clock_update(struct kvm_vcpu *vcpu);	/* KVM_REQ_CLOCK */
/* The TSC offset of a vcpu of @kvm has changed. Any context. */
void clock_tsc_changed(struct kvm *kvm);
void clock_sched_in(struct kvm_vcpu *vcpu, bool moved);	/* [P] .pv.clock is enabled */

/* --- steal.c */
int steal_available(void);	/* 1: the host counts it */
void steal_update(struct kvm_vcpu *vcpu);	/* KVM_REQ_STEAL */
/* The thread leaves the CPU, other than by its own ioctl's end. IRQs off. */
void steal_sched_out(struct kvm_vcpu *vcpu);

/* --- async.c */
int async_init(void);
void async_exit(void);			/* no VM is left; may wait for the last worker */
void async_vcpu_init(struct kvm_vcpu *vcpu);
void async_vcpu_destroy(struct kvm_vcpu *vcpu);	/* nobody else reaches it; waits for nobody */
/* The page at @gfn is not there: does the guest want to be told instead of waiting? */
bool async_wanted(struct kvm_vcpu *vcpu, gfn_t gfn);
bool async_begin(struct kvm_vcpu *vcpu, gfn_t gfn, hva_t hva, bool write);
void async_update(struct kvm_vcpu *vcpu);	/* KVM_REQ_ASYNC_PF */

/* KVM_RUN begins: what could not be told before may be possible now. */
static inline void async_run_begin(struct kvm_vcpu *vcpu)
{
	if (unlikely(vcpu->pv.async.tell_all || vcpu->pv.async.count))
		vcpu_request(vcpu, KVM_REQ_ASYNC_PF);
}

/* The vcpu has come to this CPU, which is (@moved) another one than last time. [P] */
static inline void paravirt_sched_in(struct kvm_vcpu *vcpu, bool moved)
{
	if (vcpu->pv.clock & 1)
		clock_sched_in(vcpu, moved);
	if (vcpu->pv.steal & 1)
		vcpu_request(vcpu, KVM_REQ_STEAL);
}

/* --- hypercall.c: number and arguments; what RAX says. */
long hypercall(struct kvm_vcpu *vcpu, u64 nr, const u64 args[4], bool wide);

#endif
