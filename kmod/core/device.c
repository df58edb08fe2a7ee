// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm and the system ioctls.
 */
#include <linux/miscdevice.h>
#include <linux/uaccess.h>

#include <kvm/x86.h>
#include "core.h"

/* An open file pins the vendor's module; the file's owner pins this one. */
static int device_open(struct inode *inode, struct file *file)
{
	return vendor_get() ? 0 : -ENODEV;
}

static int device_release(struct inode *inode, struct file *file)
{
	vendor_put();
	return 0;
}

static long device_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return caps_check(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : KVM_RUN_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return x86_get_supported_cpuid(argp);
	case KVM_GET_MSR_INDEX_LIST:
		return x86_msr_index_list(argp);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return x86_msr_feature_list(argp);
	case KVM_GET_MSRS:
		return x86_msr_feature_ioctl(argp);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return x86_mce_supported(argp);
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR:
		return x86_device_attr(argp, ioctl == KVM_GET_DEVICE_ATTR);
	default:
		return -EINVAL;
	}
}

/*
 * 32-bit VMMs come through the same handlers: the argument structures have one
 * layout for both, and pointers arrive zero-extended.
 */
static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
};

int kvmdev_register(void)
{
	return misc_register(&device);
}

void kvmdev_unregister(void)
{
	misc_deregister(&device);
}
