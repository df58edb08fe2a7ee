/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second TLB: sptes cached from the page tables of the VM's mm.
 */
#ifndef KVM_SWAP_MMU_H
#define KVM_SWAP_MMU_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <kvm/types.h>
#include <compat/notifier.h>

/*
 * A second-level page-table format, as data. One walker serves all of them.
 * Bits not named here belong to software (include/kvm's private users).
 */
struct kvm_mmu_format {
	const char *name;	/* "NPT", "EPT" */
	u64 table;		/* bits of an entry that points to a table */
	u64 present;		/* an entry is present if any of these is set */
	u64 leaf;		/* bits every present 4 KiB leaf has */
	u64 huge;		/* additional bits of a 2 MiB / 1 GiB leaf */
	u64 write, exec_off;	/* write permission; NX-style bit, 0 if exec is positive */
	u64 exec;		/* positive execute permission, 0 if exec_off is used */
	u64 accessed, dirty;	/* 0 where the hardware has none (old EPT) */
	u64 addr_mask;		/* physical address bits of an entry */
	/*
	 * Memory type bits of a leaf at @level (1: 4 KiB) whose host entry
	 * selects entry @pat_index (0..7: PAT << 2 | PCD << 1 | PWT) of the
	 * host's PAT. NPT copies the index, EPT looks the type up in the PAT MSR.
	 */
	u64 (*memtype)(unsigned int pat_index, int level);
	bool gb_pages;		/* 1 GiB leaves work */
};

/* A range of host addresses that is being invalidated: [start, end), bytes. */
struct kvm_inval {
	hva_t start, end;
};

/* Invalidations in progress at once that are told apart. */
#define KVM_INVALS	8

/*
 * Per-VM state. Lock order: the host's page-table locks -> mmu.lock; nothing
 * that may fault or sleep under mmu.lock.
 * [m] .lock, held for write   [r] .lock, held for read or write   [a] atomic
 */
struct kvm_mmu {
	rwlock_t lock;
	hpa_t root_hpa;			/* [o] root table, levels */
	u64 *root;			/* [o] its kernel address */
	int levels;			/* [o] 4 or 5 */
	/*
	 * Invalidation protocol. The fill reads the host's entry and installs
	 * the spte in one [r] section, so an invalidation either finds the spte
	 * or has announced its range here before the host's entry was read.
	 */
	long in_progress;		/* [m] invalidations begun and not ended */
	unsigned int invals;		/* [m] how many of them are in .inval */
	bool inval_any;			/* [m] there was no room for one: no fill at all */
	struct kvm_inval inval[KVM_INVALS];	/* [m] */
	/*
	 * Size - 1 of the largest hugetlb page mapped so far, bytes; 0: none. Kept
	 * where the host's flushes are what tells of its changes. [r] to raise it,
	 * [m] to rely on it
	 */
	unsigned long hugetlb;
	struct kvm_notifier notifier;	/* registration with the VM's mm */
	bool registered;		/* [o] */
	atomic_long_t pages[3];		/* [a] leaves by level: 4K, 2M, 1G */
	atomic_long_t tables;		/* [a] page-table pages allocated */
	struct {
		atomic64_t unmap_hva, age_hva, test_age_hva, unmapped, aged,
			   refilled, splits, zap_all;
	} stat;
};

/* What mmu_fault() found besides kvm_verdict and errnos. */
#define KVM_MMU_EMULATE		2	/* no memory behind it (or a write to ROM): emulate */

/**
 * mmu_fault() - make @gpa usable for @access after a second-level fault
 * @vcpu: loaded, its own thread
 * @gpa: bytes
 * @access: enum kvm_access of what the guest tried
 *
 * Fills from the host page table, making the host fault the page in first where
 * needed; one call may map the whole 2 MiB neighbourhood. Context: may sleep.
 * Return: KVM_RESUME (mapped, or somebody else did), KVM_MMU_EMULATE,
 * -ENOMEM, -EFAULT (no host mapping). A signal, or the SIGBUS that tells the VMM
 * of bad memory, is pending when KVM_RESUME is answered for it.
 */
int mmu_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u32 access);

/* Per-vcpu page-table cache. */
int mmu_vcpu_init(struct kvm_vcpu *vcpu);
void mmu_vcpu_destroy(struct kvm_vcpu *vcpu);

int mmu_vm_init(struct kvm *kvm);	/* may sleep; registers the notifier */
void mmu_vm_release(struct kvm *kvm);	/* unregisters the notifier; idempotent; may sleep */
void mmu_vm_destroy(struct kvm *kvm);	/* after the last vcpu is gone: frees every table */

/*
 * Drop every spte of @slot and flush before returning. Called after the snapshot
 * without it has been published. Context: slots_lock, may sleep.
 */
void mmu_slot_zap(struct kvm *kvm, const struct kvm_memslot *slot);

/* Write-protect (start of dirty logging) every spte of @slot, and flush. */
void mmu_slot_write_protect(struct kvm *kvm, const struct kvm_memslot *slot);

void mmu_vendor_init(void);	/* kvm_vendor is known now */
void mmu_module_exit(void);

#endif
