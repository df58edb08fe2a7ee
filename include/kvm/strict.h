/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Strict builds (make KVM_SWAP_STRICT=1) carry a model of every CPU's TLB.
 *
 * Emulators drop guest translations far more often than CPUs do, so a forgotten
 * flush would never be seen there. The model keeps what a CPU may keep: for each
 * tag (ASID or EPT root), everything the tables offered since the tag was last
 * flushed there. It knows nothing of tlb_gen; it sees sptes change, hears from the
 * vendor module which flushes the hardware was really told to do, and complains
 * when an invalidation ends, or a table is freed, with a CPU in the guest that may
 * hold what is gone, and when a vcpu enters with such a tag later.
 *
 * What one tag holds is a number, not a list: weakenings of a VM's sptes are
 * counted, and a tag flushed when the count stood at n may hold every spte
 * weakened by n + 1 and later, and none that went before.
 */
#ifndef KVM_SWAP_STRICT_H
#define KVM_SWAP_STRICT_H

#include <linux/atomic.h>
#include <linux/types.h>

struct kvm;
struct kvm_vcpu;
struct mmu_batch;

#ifdef KVM_SWAP_STRICT

/*
 * Part of struct kvm. [a] atomic
 * .settled never exceeds .weakened: by then every CPU has forgotten them.
 */
struct strict_vm {
	u64 id;				/* no other VM ever has it */
	atomic64_t weakened;		/* [a] sptes that lost a right, ever */
	atomic64_t settled;		/* [a] of these, gone from every CPU by promise */
};

/* Part of struct kvm_vcpu. [p] its CPU, IRQs off; read by anybody */
struct strict_vcpu {
	u64 since;			/* [p] count at the tag's last flush */
	u64 before;			/* [p] what .since of the tag was, should the entry fail */
	struct strict_tag *tag;		/* [p] */
	bool in_guest;			/* [p] release: .since is valid */
};

/* Part of struct mmu_batch: the latest weakening in it, and what it was. */
struct strict_batch {
	u64 seq;
	u64 old, new;
	int level;
};

int strict_init(void);		/* module load: 0 or -ENOMEM; may sleep */
void strict_destroy(void);
void strict_vm_init(struct strict_vm *vm);

static inline u64 strict_vm_id(const struct strict_vm *vm)
{
	return vm->id;
}

/* Called by spte_change() after each success. Any context. */
void strict_change(struct mmu_batch *batch, u64 old, u64 new, int level);
/*
 * The flush for @batch is said to have been done: nobody in the guest may hold what
 * it weakened. strict_settle(): nor may anybody who enters from now on.
 */
void strict_check(const struct mmu_batch *batch, const char *what);
void strict_settle(struct mmu_batch *batch, const char *what);

/*
 * By vendor modules, IRQs off, on the CPU concerned. @tag: what the hardware tags
 * translations with; @owner: who may find translations under it, a vcpu's or VM's
 * number that is never used again.
 */
void strict_flush_tag(u64 tag);
void strict_flush_cpu(void);
void strict_enter(struct kvm_vcpu *vcpu, u64 tag, u64 owner);
/* The guest has been left; @failed: it was never entered, and nothing was flushed. */
void strict_exit(struct kvm_vcpu *vcpu, bool failed);

#else

struct strict_vm {};
struct strict_vcpu {};
struct strict_batch {};

static inline int strict_init(void)
{
	return 0;
}

static inline void strict_destroy(void)
{
}

static inline void strict_vm_init(struct strict_vm *vm)
{
}

static inline u64 strict_vm_id(const struct strict_vm *vm)
{
	return 0;
}

static inline void strict_change(struct mmu_batch *batch, u64 old, u64 new, int level)
{
}

static inline void strict_check(const struct mmu_batch *batch, const char *what)
{
}

static inline void strict_settle(struct mmu_batch *batch, const char *what)
{
}

static inline void strict_flush_tag(u64 tag)
{
}

static inline void strict_flush_cpu(void)
{
}

static inline void strict_enter(struct kvm_vcpu *vcpu, u64 tag, u64 owner)
{
}

static inline void strict_exit(struct kvm_vcpu *vcpu, bool failed)
{
}

#endif
#endif
