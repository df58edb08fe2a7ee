/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address types and small constants every room shares.
 */
#ifndef KVM_SWAP_TYPES_H
#define KVM_SWAP_TYPES_H

#include <linux/types.h>
#include <linux/bits.h>
#include <linux/mm.h>

typedef u64 gpa_t;		/* guest physical address, bytes */
typedef u64 gfn_t;		/* guest frame number, 4 KiB units */
typedef unsigned long gva_t;	/* guest virtual (linear) address, bytes */
typedef unsigned long hva_t;	/* host virtual address in the VM's mm, bytes */
typedef u64 hpa_t;		/* host physical address, bytes */
typedef u64 hfn_t;		/* host frame number, 4 KiB units */

struct kvm;
struct kvm_vcpu;
struct kvm_memslot;
struct kvm_memslots;

/* How a memory access was made; the same bits in faults, walks and decodes. */
enum kvm_access {
	KVM_ACCESS_READ = BIT(0),
	KVM_ACCESS_WRITE = BIT(1),
	KVM_ACCESS_EXEC = BIT(2),
	KVM_ACCESS_USER = BIT(3),	/* at CPL 3, for guest page-table checks */
};

/* What a handler of the run loop answers; negative values are errnos. */
enum kvm_verdict {
	KVM_TO_USER = 0,	/* kvm_run is filled in, return 0 to the VMM */
	KVM_RESUME = 1,		/* go back into the guest */
	KVM_HALT = 2,		/* wait until .mp_state says it can run */
};

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
	return gpa >> PAGE_SHIFT;
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
	return gfn << PAGE_SHIFT;
}

#endif
