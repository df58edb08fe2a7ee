// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters under <debugfs>/kvm/: one file each, summed over all VMs at the top
 * and per VM in a directory <pid>-<fd of the VM>. Reads are racy by design.
 * Writing 0 to a counter clears it; instantaneous values cannot be written.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "core.h"
#include "stats.h"

#define VM_STAT(s)	{ #s, STAT_VM, offsetof(struct kvm, stat.s) }
#define MMU_STAT(n, s)	{ n, STAT_VM, offsetof(struct kvm, mmu.stat.s) }
#define LEVEL(n, f)	{ n, STAT_LEVEL, offsetof(struct kvm, mmu.f) }
#define VCPU_STAT(s)	{ #s, STAT_VCPU, offsetof(struct kvm_vcpu, stat.s) }
#define VCPU_TIME(s)	{ #s, STAT_VCPU_NS, offsetof(struct kvm_vcpu, stat.s) }

const struct stat_desc stat_descs[] = {
	VM_STAT(remote_tlb_flush),
	VM_STAT(remote_tlb_flush_requests),
	{ "guest_pages", STAT_GUEST, 0 },
	LEVEL("pages_4k", pages[0]),
	LEVEL("pages_2m", pages[1]),
	LEVEL("pages_1g", pages[2]),
	LEVEL("mmu_tables", tables),
	MMU_STAT("mmu_unmap_hva", unmap_hva),
	MMU_STAT("mmu_age_hva", age_hva),
	MMU_STAT("mmu_test_age_hva", test_age_hva),
	MMU_STAT("mmu_unmapped", unmapped),
	MMU_STAT("mmu_aged", aged),
	MMU_STAT("mmu_refilled", refilled),
	MMU_STAT("mmu_splits", splits),
	MMU_STAT("mmu_zap_all", zap_all),
	VCPU_STAT(exits),
	VCPU_STAT(io_exits),
	VCPU_STAT(mmio_exits),
	VCPU_STAT(signal_exits),
	VCPU_STAT(irq_exits),
	VCPU_STAT(irq_window_exits),
	VCPU_STAT(request_irq_exits),
	VCPU_STAT(halt_exits),
	VCPU_STAT(pf_taken),
	VCPU_STAT(pf_fixed),
	VCPU_STAT(pf_spurious),
	VCPU_STAT(pf_emulate),
	VCPU_STAT(pf_refilled),
	VCPU_STAT(pf_async),
	VCPU_STAT(tlb_flush),
	VCPU_STAT(insn_emulation),
	VCPU_STAT(insn_emulation_fail),
	VCPU_STAT(hypercalls),
	VCPU_STAT(directed_yield_attempted),
	VCPU_STAT(directed_yield_successful),
	VCPU_STAT(preemption_reported),
	VCPU_STAT(preemption_other),
	VCPU_STAT(host_state_reload),
	VCPU_STAT(irq_injections),
	VCPU_STAT(nmi_injections),
	VCPU_STAT(halt_successful_poll),
	VCPU_STAT(halt_attempted_poll),
	VCPU_STAT(halt_wakeup),
	VCPU_TIME(halt_poll_success_ns),
	VCPU_TIME(halt_poll_fail_ns),
	VCPU_TIME(halt_wait_ns),
};

const unsigned int stat_descs_count = ARRAY_SIZE(stat_descs);

/* What one file shows. Lives as long as the VM's directory. */
struct stat_file {
	struct kvm *kvm;
	const struct stat_desc *desc;
};

/* A VM's directory and the data of its files; kvm->debugfs points to it. */
struct stat_dir {
	struct dentry *dentry;
	struct stat_file files[ARRAY_SIZE(stat_descs)];
};

static struct dentry *stats_root;	/* NULL or an error: no debugfs */

u64 stat_read(struct kvm *kvm, const struct stat_desc *desc)
{
	struct kvm_vcpu *vcpu;
	u64 sum = 0;
	u32 i;

	switch (desc->kind) {
	case STAT_VM:
		return atomic64_read((void *)kvm + desc->offset);
	case STAT_LEVEL:
		return atomic_long_read((void *)kvm + desc->offset);
	case STAT_VCPU:
	case STAT_VCPU_NS:
		vm_for_each_vcpu(i, vcpu, kvm)
			sum += stat_read_vcpu(vcpu, desc);
		break;
	case STAT_GUEST:
		return memslots_pages(kvm);
	}
	return sum;
}

static void stat_clear(struct kvm *kvm, const struct stat_desc *desc)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	switch (desc->kind) {
	case STAT_VM:
		atomic64_set((void *)kvm + desc->offset, 0);
		break;
	case STAT_LEVEL:
	case STAT_GUEST:
		break;
	case STAT_VCPU:
	case STAT_VCPU_NS:
		vm_for_each_vcpu(i, vcpu, kvm)
			WRITE_ONCE(*(u64 *)((void *)vcpu + desc->offset), 0);
	}
}

static int vm_stat_get(void *data, u64 *val)
{
	struct stat_file *file = data;

	*val = stat_read(file->kvm, file->desc);
	return 0;
}

static int vm_stat_clear(void *data, u64 val)
{
	struct stat_file *file = data;

	if (val)
		return -EINVAL;
	stat_clear(file->kvm, file->desc);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(vm_stat_fops, vm_stat_get, vm_stat_clear, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(vm_level_fops, vm_stat_get, NULL, "%llu\n");

static int all_stat_get(void *data, u64 *val)
{
	struct kvm *kvm;
	u64 sum = 0;

	mutex_lock(&vm_list_lock);
	list_for_each_entry(kvm, &vm_list, list)
		sum += stat_read(kvm, data);
	mutex_unlock(&vm_list_lock);
	*val = sum;
	return 0;
}

static int all_stat_clear(void *data, u64 val)
{
	struct kvm *kvm;

	if (val)
		return -EINVAL;
	mutex_lock(&vm_list_lock);
	list_for_each_entry(kvm, &vm_list, list)
		stat_clear(kvm, data);
	mutex_unlock(&vm_list_lock);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(all_stat_fops, all_stat_get, all_stat_clear, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(all_level_fops, all_stat_get, NULL, "%llu\n");

static int vcpu_pid_get(void *data, u64 *val)
{
	struct kvm_vcpu *vcpu = data;

	spin_lock(&vcpu->pid_lock);
	*val = pid_nr(vcpu->pid);
	spin_unlock(&vcpu->pid_lock);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(vcpu_pid_fops, vcpu_pid_get, NULL, "%llu\n");

static bool stats_on(void)
{
	return !IS_ERR_OR_NULL(stats_root);
}

/* Two VMs can ask for one name: a process may hand its VM's file to another. */
static struct dentry *stats_mkdir(const char *name)
{
	struct dentry *taken = debugfs_lookup(name, stats_root);

	if (taken) {
		dput(taken);
		return NULL;
	}
	return debugfs_create_dir(name, stats_root);
}

void stats_vm_create(struct kvm *kvm, int fd)
{
	struct stat_dir *dir;
	char name[32];
	int i;

	if (!stats_on())
		return;
	dir = kzalloc(sizeof(*dir), GFP_KERNEL_ACCOUNT);
	if (!dir)
		return;
	snprintf(name, sizeof(name), "%d-%d", task_pid_nr(current), fd);
	dir->dentry = stats_mkdir(name);
	if (IS_ERR_OR_NULL(dir->dentry)) {
		kfree(dir);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(stat_descs); i++) {
		const struct stat_desc *desc = &stat_descs[i];
		bool level = stat_is_level(desc);

		dir->files[i].kvm = kvm;
		dir->files[i].desc = desc;
		debugfs_create_file(desc->name, level ? 0444 : 0644, dir->dentry,
				    &dir->files[i], level ? &vm_level_fops : &vm_stat_fops);
	}
	kvm->debugfs = dir;
}

/* Waits for readers in the files; later ones get an error. */
void stats_vm_destroy(struct kvm *kvm)
{
	struct stat_dir *dir = kvm->debugfs;

	if (!dir)
		return;
	debugfs_remove(dir->dentry);
	kfree(dir);
}

void stats_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct stat_dir *dir = vcpu->kvm->debugfs;
	struct dentry *dentry;
	char name[16];

	if (!dir)
		return;
	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	dentry = debugfs_create_dir(name, dir->dentry);
	if (IS_ERR(dentry))
		return;
	debugfs_create_file("pid", 0444, dentry, vcpu, &vcpu_pid_fops);
}

void stats_init(void)
{
	int i;

	stats_root = debugfs_create_dir("kvm", NULL);
	if (!stats_on())
		return;
	for (i = 0; i < ARRAY_SIZE(stat_descs); i++) {
		const struct stat_desc *desc = &stat_descs[i];
		bool level = stat_is_level(desc);

		debugfs_create_file(desc->name, level ? 0444 : 0644, stats_root,
				    (void *)desc, level ? &all_level_fops : &all_stat_fops);
	}
}

void stats_exit(void)
{
	debugfs_remove(stats_root);
}
