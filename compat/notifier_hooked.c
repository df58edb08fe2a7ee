// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMU notifiers where the kernel has none: hooks at the host's own TLB flushes and
 * at its looks at Accessed bits. Why that is enough is in docs/backport.md.
 *
 * Sptes are a TLB of the mm's page table. The host must flush the CPUs' TLBs
 * between taking an entry away and letting go of the page behind it, and does so
 * in flush_tlb_mm_range(), or for what reclaim unmaps in batches, in
 * arch_tlbbatch_flush(). A hook at the entry of both empties the second TLB first.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/workqueue.h>
#include <asm/tlbflush.h>

#include <compat/notifier.h>
#include <kvm/debug.h>
#include "hook.h"
#include "notifier_batch.h"

#define TABLE_BITS	6
/* Hooks outlive the last VM a little: placing them costs more than having them. */
#define LINGER		(2 * HZ)

/*
 * The registered mms. Changed under table_lock, read under RCU by hooks, which
 * hold the host's page-table locks. A plain hash, so that a hook finds out in a
 * few instructions that an mm is not here.
 */
static struct hlist_head table[1 << TABLE_BITS];
static DEFINE_SPINLOCK(table_lock);

/* Guards users, since_last and the placing of hooks. Taken before tracing's locks. */
static DEFINE_MUTEX(hooks_lock);
static unsigned int users;
static u64 since_last;		/* number of the latest registration */

/*
 * Registrations up to this one are trusted: no task is still unmapping in a batch what
 * it began to unmap before the hooks knew of the mm. Written by trust_work.
 */
static u64 since_trusted;

static struct hlist_head *table_bucket(const struct mm_struct *mm)
{
	return &table[((unsigned long)mm >> 10) & ((1 << TABLE_BITS) - 1)];
}

static __always_inline bool table_maybe(const struct mm_struct *mm)
{
	return READ_ONCE(table_bucket(mm)->first);
}

/* Everything anybody has noted may be about any registered mm: drop all. */
static void flush_everything(u64 newer_than)
{
	static const struct kvm_notifier_range all = { 0, TLB_FLUSH_ALL };
	struct kvm_notifier *n;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(table); i++)
		hlist_for_each_entry_rcu(n, &table[i], link)
			if (n->since > newer_than)
				n->ops->flush(n, &all, 1);
	rcu_read_unlock();
}

static noinline void flush_mm(struct mm_struct *mm,
			      const struct kvm_notifier_range *ranges, unsigned int nr)
{
	struct kvm_notifier *n;

	rcu_read_lock();
	hlist_for_each_entry_rcu(n, table_bucket(mm), link)
		if (n->mm == mm)
			n->ops->flush(n, ranges, nr);
	rcu_read_unlock();
}

static noinline void flush_mm_range(struct mm_struct *mm, unsigned long start,
				    unsigned long end)
{
	const struct kvm_notifier_range range = { start, end };

	if (!KVM_SEEDED_FAULT(41))
		flush_mm(mm, &range, 1);
}

/* flush_tlb_mm_range(mm, start, end, ...): every flush for one mm ends there. */
HOOK(hook_flush)
{
	struct mm_struct *mm = (struct mm_struct *)hook_arg0(regs);

	if (likely(!table_maybe(mm)))
		return;
	flush_mm_range(mm, hook_arg1(regs), hook_arg2(regs));
}

/* arch_tlbbatch_flush(): what this task has unmapped in a batch goes now. */
HOOK(hook_batch_flush)
{
	u64 trusted = READ_ONCE(since_trusted);
	struct kvm_notifier_range *ranges;
	struct batch_slot *slot;
	struct mm_struct *mm;
	unsigned int nr;

	if (unlikely(trusted != READ_ONCE(since_last)))
		flush_everything(trusted);
	if (!batch_any() || KVM_SEEDED_FAULT(42))
		return;
	slot = batch_mine();
	if (unlikely(batch_lost() || (slot && slot->lost)))
		flush_everything(0);
	if (!slot)
		return;
	while ((nr = batch_next(slot, &mm, &ranges)))
		flush_mm(mm, ranges, nr);
	batch_done(slot);
}

static noinline void batch_note(struct mm_struct *mm, const struct page *page,
				unsigned long address)
{
	struct kvm_notifier *n;
	bool known = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(n, table_bucket(mm), link)
		if (n->mm == mm)
			known = true;
	rcu_read_unlock();
	if (known && !KVM_SEEDED_FAULT(43) && !KVM_SEEDED_FAULT(49))
		batch_add(mm, address, address + page_size((struct page *)page));
}

/*
 * try_to_unmap_one(folio or page, vma, address, flags), and the same for migration:
 * the last place that knows the mm. Only what may be unmapped without a flush of its
 * own matters.
 */
HOOK(hook_unmap_one)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)hook_arg1(regs);

	if (!(hook_arg3(regs) & TTU_BATCH_FLUSH) || likely(!table_maybe(vma->vm_mm)))
		return;
	batch_note(vma->vm_mm, (struct page *)hook_arg0(regs), hook_arg2(regs));
}

/*
 * try_to_unmap_flush(): the end of a batch, flush or no flush. Without one pending,
 * all that was noted has been flushed page by page.
 */
HOOK(hook_batch_end)
{
	struct batch_slot *slot;

	if (likely(!batch_any()) || current->tlb_ubc.flush_required)
		return;
	slot = batch_mine();
	if (slot)
		batch_done(slot);
}

/* Page by page: an RCU section of the cheaper kind, with preemption off as it is anyway. */
static bool young_mm(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct kvm_notifier *n;
	bool young = false;

	rcu_read_lock_sched();
	hlist_for_each_entry_rcu(n, table_bucket(mm), link, rcu_read_lock_sched_held())
		if (n->mm == mm)
			young |= n->ops->clear_young(n, start, end);
	rcu_read_unlock_sched();
	return young && !KVM_SEEDED_FAULT(48);
}

static noinline void young_pte(struct mm_struct *mm, unsigned long address, pte_t *ptep)
{
	address &= PAGE_MASK;
	if (pte_present(*ptep) && young_mm(mm, address, address + PAGE_SIZE))
		set_bit(_PAGE_BIT_ACCESSED, (unsigned long *)ptep);
}

/*
 * ptep_clear_flush_young(), ptep_test_and_clear_young(vma, address, ptep), under the
 * page-table lock: what the guest has used is handed over to the host's Accessed bit,
 * where the function is about to look.
 */
HOOK(hook_young_pte)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)hook_arg0(regs);

	if (likely(!table_maybe(vma->vm_mm)))
		return;
	young_pte(vma->vm_mm, hook_arg1(regs), (pte_t *)hook_arg2(regs));
}

/* The Accessed bit of a table of entries says nothing about any of them. */
static noinline void young_pmd(struct mm_struct *mm, unsigned long address, pmd_t *pmdp)
{
	const pmdval_t leaf = _PAGE_PRESENT | _PAGE_PSE;

	address &= PMD_MASK;
	if ((pmd_val(*pmdp) & leaf) == leaf && young_mm(mm, address, address + PMD_SIZE))
		set_bit(_PAGE_BIT_ACCESSED, (unsigned long *)pmdp);
}

HOOK(hook_young_pmd)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)hook_arg0(regs);

	if (likely(!table_maybe(vma->vm_mm)))
		return;
	young_pmd(vma->vm_mm, hook_arg1(regs), (pmd_t *)hook_arg2(regs));
}

static void notifier_release(struct kvm_notifier *n)
{
	if (test_and_set_bit(0, &n->released))
		return;
	n->ops->release(n);
	spin_lock(&table_lock);
	hlist_del_rcu(&n->link);
	spin_unlock(&table_lock);
}

static noinline void release_mm(struct mm_struct *mm)
{
	struct kvm_notifier *n;

	rcu_read_lock();
	hlist_for_each_entry_rcu(n, table_bucket(mm), link)
		if (n->mm == mm)
			notifier_release(n);
	rcu_read_unlock();
}

/* exit_mmap(mm): nobody runs in it any more. */
HOOK(hook_exit)
{
	struct mm_struct *mm = (struct mm_struct *)hook_arg0(regs);

	if (unlikely(table_maybe(mm)))
		release_mm(mm);
}

static struct hook hooks[] = {
	{ { "flush_tlb_mm_range" },		hook_flush },
	{ { "arch_tlbbatch_flush" },		hook_batch_flush },
#ifdef KVM_HAVE_TRY_TO_MIGRATE
	{ { "try_to_unmap_one", "try_to_migrate_one" }, hook_unmap_one },
#else
	{ { "try_to_unmap_one" },		hook_unmap_one },
#endif
	{ { "try_to_unmap_flush" },		hook_batch_end },
	{ { "exit_mmap" },			hook_exit },
	{ { "ptep_clear_flush_young", "ptep_test_and_clear_young" }, hook_young_pte },
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	{ { "pmdp_clear_flush_young", "pmdp_test_and_clear_young" }, hook_young_pmd },
#endif
};

static void hooks_drop(struct work_struct *work)
{
	mutex_lock(&hooks_lock);
	if (!users && batch_ready()) {
		hooks_remove(hooks, ARRAY_SIZE(hooks));
		batch_exit();
	}
	mutex_unlock(&hooks_lock);
}

static DECLARE_DELAYED_WORK(drop_work, hooks_drop);

/* Is some task between unmapping in a batch and flushing? */
static bool anybody_unflushed(void)
{
	struct task_struct *process, *task;
	bool found = false;

	rcu_read_lock();
	for_each_process_thread(process, task)
		found |= READ_ONCE(task->tlb_ubc.flush_required);
	rcu_read_unlock();
	return found;
}

/*
 * A task may have entered try_to_unmap_one() before the hooks knew of the mm, and
 * flush what it unmaps there only later. Until it is certain that nobody has, every
 * batched flush empties the new VMs. Nothing sleeps in that function, so after a
 * grace period of RCU-tasks all such tasks have done their unmapping. Whoever has
 * not flushed by then has a flag that says so; then the VMs are emptied once more.
 */
static void trust_settle(struct work_struct *work)
{
	u64 since, trusted = READ_ONCE(since_trusted);

	mutex_lock(&hooks_lock);
	since = since_last;
	mutex_unlock(&hooks_lock);
	if (since == trusted)
		return;
	synchronize_rcu_tasks();
	if (anybody_unflushed())
		flush_everything(trusted);
	/* In a test, the window that closes here stays open, and nothing is noted. */
	if (!KVM_SEEDED_FAULT(49))
		WRITE_ONCE(since_trusted, since);
}

static DECLARE_WORK(trust_work, trust_settle);

static int hooks_get(void)
{
	int r = 0;

	lockdep_assert_held(&hooks_lock);
	if (!batch_ready()) {
		r = batch_init();
		if (r)
			return r;
		r = hooks_place(hooks, ARRAY_SIZE(hooks));
		if (r) {
			batch_exit();
			return r;
		}
	}
	users++;
	return 0;
}

static void hooks_put(void)
{
	lockdep_assert_held(&hooks_lock);
	if (!--users)
		mod_delayed_work(system_long_wq, &drop_work, LINGER);
}

int kvm_notifier_register(struct kvm_notifier *n, const struct kvm_notifier_ops *ops,
			  struct mm_struct *mm)
{
	int r;

	mutex_lock(&hooks_lock);
	r = hooks_get();
	if (r)
		goto out;
	mmgrab(mm);
	n->ops = ops;
	n->mm = mm;
	n->released = 0;
	n->since = since_last + 1;
	/* Before the mm can be found, so that no flush takes it for trusted. */
	WRITE_ONCE(since_last, n->since);
	spin_lock(&table_lock);
	hlist_add_head_rcu(&n->link, table_bucket(mm));
	spin_unlock(&table_lock);
	queue_work(system_long_wq, &trust_work);
out:
	mutex_unlock(&hooks_lock);
	return r;
}

void kvm_notifier_unregister(struct kvm_notifier *n)
{
	notifier_release(n);
	/* Hooks that have found it, the one of the mm's end among them, are done. */
	synchronize_rcu();
	mmdrop(n->mm);
	mutex_lock(&hooks_lock);
	hooks_put();
	mutex_unlock(&hooks_lock);
}

/* Placed once for a try, so that loading says what creating a VM would say. */
int kvm_notifier_init(void)
{
	int r;

	mutex_lock(&hooks_lock);
	r = hooks_get();
	if (!r)
		hooks_put();
	mutex_unlock(&hooks_lock);
	return r;
}

void kvm_notifier_exit(void)
{
	cancel_work_sync(&trust_work);
	cancel_delayed_work_sync(&drop_work);
	hooks_drop(NULL);
}
