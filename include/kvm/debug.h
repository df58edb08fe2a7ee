/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Build switches for tests: seeded faults that prove the tests can fail.
 */
#ifndef KVM_SWAP_DEBUG_H
#define KVM_SWAP_DEBUG_H

/*
 * `make KVM_SWAP_FAULT=n` builds modules that are broken in one known way;
 * tests/selfcheck expects red from each. Never defined in a normal build.
 * `make KVM_SWAP_FAULT=kvm_seeded_fault` leaves the choice to kvm.ko's parameter of
 * that name, 0 for none.
 */
#ifdef KVM_SWAP_FAULT
extern int kvm_seeded_fault;
#define KVM_SEEDED_FAULT(n)	(KVM_SWAP_FAULT == (n))
#else
#define KVM_SEEDED_FAULT(n)	0
#endif

#endif
