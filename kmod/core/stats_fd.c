// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: the counters of a VM, or of one vcpu, as a file that describes
 * itself: header, name of the object, descriptors, values.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <compat/file.h>
#include <compat/uapi.h>
#include "core.h"
#include "stats.h"

#define STATS_NAME_BYTES	48

/* struct kvm_stats_desc with its name, as it is in the file. */
struct stats_record {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME_BYTES];
};

static_assert(offsetof(struct stats_record, name) == offsetof(struct kvm_stats_desc, name));
static_assert(sizeof(struct kvm_stats_header) == 24);

/*
 * An open file. Everything is constant; it holds a reference to the VM, which holds
 * the vcpu.
 */
struct stats_file {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;		/* NULL: the VM's own counters */
	struct kvm_stats_header head;
	size_t bytes;			/* of the whole file */
	char id[STATS_NAME_BYTES];
};

static bool stats_wanted(const struct stats_file *stats, const struct stat_desc *desc)
{
	return stat_is_vcpu(desc) == !!stats->vcpu;
}

static void stats_layout(struct stats_file *stats)
{
	struct kvm_stats_header *head = &stats->head;
	unsigned int i;

	for (i = 0; i < stat_descs_count; i++)
		head->num_desc += stats_wanted(stats, &stat_descs[i]);
	head->name_size = STATS_NAME_BYTES;
	head->id_offset = sizeof(*head);
	head->desc_offset = head->id_offset + sizeof(stats->id);
	head->data_offset = head->desc_offset + head->num_desc * sizeof(struct stats_record);
	stats->bytes = head->data_offset + head->num_desc * sizeof(u64);
	if (stats->vcpu)
		snprintf(stats->id, sizeof(stats->id), "kvm-%d/vcpu-%u",
			 task_pid_nr(current), stats->vcpu->id);
	else
		snprintf(stats->id, sizeof(stats->id), "kvm-%d", task_pid_nr(current));
}

static void stats_describe(const struct stat_desc *desc, u32 place, struct stats_record *record)
{
	record->flags = stat_is_level(desc) ? KVM_STATS_TYPE_INSTANT :
					      KVM_STATS_TYPE_CUMULATIVE;
	record->flags |= KVM_STATS_BASE_POW10;
	if (desc->kind == STAT_VCPU_NS) {
		record->flags |= KVM_STATS_UNIT_SECONDS;
		record->exponent = -9;
	}
	record->size = 1;
	record->offset = place * sizeof(u64);
	strscpy(record->name, desc->name, sizeof(record->name));
}

/* The file's content as it would be now; kvfree() it. NULL: no memory. */
static void *stats_image(const struct stats_file *stats)
{
	const struct kvm_stats_header *head = &stats->head;
	void *image = kvzalloc(stats->bytes, GFP_KERNEL_ACCOUNT);
	struct stats_record *record;
	unsigned int i, place = 0;
	u64 *data;

	if (!image)
		return NULL;
	memcpy(image, head, sizeof(*head));
	memcpy(image + head->id_offset, stats->id, sizeof(stats->id));
	record = image + head->desc_offset;
	data = image + head->data_offset;
	for (i = 0; i < stat_descs_count; i++) {
		const struct stat_desc *desc = &stat_descs[i];

		if (!stats_wanted(stats, desc))
			continue;
		stats_describe(desc, place, &record[place]);
		data[place] = stats->vcpu ? stat_read_vcpu(stats->vcpu, desc) :
					    stat_read(stats->kvm, desc);
		place++;
	}
	return image;
}

static ssize_t stats_read(struct file *file, char __user *user, size_t len, loff_t *pos)
{
	const struct stats_file *stats = file->private_data;
	void *image = stats_image(stats);
	ssize_t ret;

	if (!image)
		return -ENOMEM;
	ret = simple_read_from_buffer(user, len, pos, image, stats->bytes);
	kvfree(image);
	return ret;
}

static loff_t stats_llseek(struct file *file, loff_t offset, int whence)
{
	const struct stats_file *stats = file->private_data;

	return fixed_size_llseek(file, offset, whence, stats->bytes);
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *stats = file->private_data;

	kvm_put_kvm(stats->kvm);
	kfree(stats);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.llseek = stats_llseek,
	.release = stats_release,
};

int stats_fd(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	struct stats_file *stats;
	struct file *file;
	char name[32];
	int r, fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	r = -ENOMEM;
	stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);
	if (!stats)
		goto err_fd;
	stats->kvm = kvm;
	stats->vcpu = vcpu;
	stats_layout(stats);
	if (vcpu)
		snprintf(name, sizeof(name), "kvm-vcpu-stats:%u", vcpu->id);
	else
		strscpy(name, "kvm-vm-stats", sizeof(name));
	file = anon_inode_getfile(name, &stats_fops, stats, O_RDONLY);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		goto err_stats;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	refcount_inc(&kvm->users);
	fd_install(fd, file);
	return fd;

err_stats:
	kfree(stats);
err_fd:
	put_unused_fd(fd);
	return r;
}
