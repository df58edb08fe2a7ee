// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ages a range of the calling process, as reclaim does page by page: the kernel's MMU
 * notifiers alone, or the page tables with whatever goes with that; and counts the
 * ticks. For benchmarks only.
 *
 * Write four u64 to <debugfs>/notify_bench: address, size, step (bytes), which
 * notifier. The next read of the same file gives the ticks as a u64.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

struct notify_request {
	u64 address, size, step, op;
};

enum notify_op { NOTIFY_CLEAR, NOTIFY_CLEAR_FLUSH, NOTIFY_TEST, NOTIFY_TABLES, NOTIFY_OPS };

/* The kernel's entry points; [o] written at load. */
static struct {
#ifdef CONFIG_MMU_NOTIFIER
	typeof(&__mmu_notifier_clear_young) clear;
	typeof(&__mmu_notifier_clear_flush_young) clear_flush;
	typeof(&__mmu_notifier_test_young) test;
#endif
	typeof(&ptep_test_and_clear_young) pte;
} notify;

static struct dentry *notify_file;

/* The kernel exports none of them; a kprobe knows where they are. */
static void *notify_find(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	int r = register_kprobe(&probe);
	void *address = probe.addr;

	if (r) {
		pr_err("notify_bench: %s cannot be found (%d)\n", name, r);
		return NULL;
	}
	unregister_kprobe(&probe);
	return address;
}

#ifdef CONFIG_MMU_NOTIFIER
static int notify_find_all(void)
{
	notify.clear = notify_find("__mmu_notifier_clear_young");
	notify.clear_flush = notify_find("__mmu_notifier_clear_flush_young");
	notify.test = notify_find("__mmu_notifier_test_young");
	notify.pte = notify_find("ptep_test_and_clear_young");
	return notify.clear && notify.clear_flush && notify.test && notify.pte ? 0 : -ENOENT;
}

/* What goes with a look at the page table where there are notifiers. */
static void notify_clear(struct mm_struct *mm, unsigned long at, unsigned long end)
{
	if (mm_has_notifiers(mm))
		notify.clear(mm, at, end);
}

static u64 notify_call(const struct notify_request *q)
{
	unsigned long at = q->address, end = q->address + q->size;
	struct mm_struct *mm = current->mm;
	u64 begin = rdtsc_ordered();

	for (; at < end; at += q->step) {
		if (!mm_has_notifiers(mm))
			continue;
		switch (q->op) {
		case NOTIFY_CLEAR:
			notify.clear(mm, at, at + q->step);
			break;
		case NOTIFY_CLEAR_FLUSH:
			notify.clear_flush(mm, at, at + q->step);
			break;
		case NOTIFY_TEST:
			notify.test(mm, at);
			break;
		}
	}
	return rdtsc_ordered() - begin;
}
#else
static int notify_find_all(void)
{
	notify.pte = notify_find("ptep_test_and_clear_young");
	return notify.pte ? 0 : -ENOENT;
}

static void notify_clear(struct mm_struct *mm, unsigned long at, unsigned long end)
{
}

static u64 notify_call(const struct notify_request *q)
{
	return 0;
}
#endif

/* The table of 4 KiB entries that maps @at, or NULL. */
static pte_t *notify_table(struct mm_struct *mm, unsigned long at)
{
	pgd_t *pgd = pgd_offset(mm, at);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, at);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, at);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	pmd = pmd_offset(pud, at);
	if (pmd_none(*pmd) || pmd_bad(*pmd))
		return NULL;
	return pte_offset_kernel(pmd, at);
}

/* Page by page, whatever the step. The caller's other threads leave the range alone. */
static u64 notify_tables(const struct notify_request *q)
{
	unsigned long at = q->address & PAGE_MASK, end = q->address + q->size;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	u64 begin;
	pte_t *pte;

	mmap_read_lock(mm);
	begin = rdtsc_ordered();
	for (; at < end; at += PAGE_SIZE) {
		pte = notify_table(mm, at);
		vma = pte ? find_vma(mm, at) : NULL;
		if (!vma || vma->vm_start > at || !pte_present(*pte))
			continue;
		spin_lock(&mm->page_table_lock);
		notify.pte(vma, at, pte);
		notify_clear(mm, at, at + PAGE_SIZE);
		spin_unlock(&mm->page_table_lock);
	}
	begin = rdtsc_ordered() - begin;
	mmap_read_unlock(mm);
	return begin;
}

static int notify_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(u64), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int notify_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t notify_write(struct file *file, const char __user *from, size_t size,
			    loff_t *at)
{
	u64 *ticks = file->private_data;
	struct notify_request q;

	if (size != sizeof(q))
		return -EINVAL;
	if (copy_from_user(&q, from, sizeof(q)))
		return -EFAULT;
	if (!q.step || q.op >= NOTIFY_OPS || q.size > TASK_SIZE_MAX ||
	    q.address > TASK_SIZE_MAX - q.size || (q.size && q.step > q.size))
		return -EINVAL;
	*ticks = q.op == NOTIFY_TABLES ? notify_tables(&q) : notify_call(&q);
	return size;
}

static ssize_t notify_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	loff_t start = 0;

	return simple_read_from_buffer(to, size, &start, file->private_data, sizeof(u64));
}

static const struct file_operations notify_fops = {
	.owner = THIS_MODULE,
	.open = notify_open,
	.release = notify_release,
	.read = notify_read,
	.write = notify_write,
};

static int __init notify_init(void)
{
	int r = notify_find_all();

	if (r)
		return r;
	notify_file = debugfs_create_file("notify_bench", 0600, NULL, NULL, &notify_fops);
	return PTR_ERR_OR_ZERO(notify_file);
}

static void __exit notify_exit(void)
{
	debugfs_remove(notify_file);
}

module_init(notify_init);
module_exit(notify_exit);
MODULE_DESCRIPTION("Times the aging of pages, for benchmarks");
MODULE_LICENSE("GPL");
