// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM: its making, its ioctls, its end.
 *
 * Who keeps what alive: a VM file and each vcpu file hold a reference to the
 * VM, in-kernel users hold more; the VM holds the vendor's module. Files hold
 * kvm.ko through their operations' owner until after release() has returned.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/msr.h>

#include <compat/file.h>
#include <compat/uapi.h>
#include <kvm/irqchip.h>
#include <kvm/paravirt.h>
#include "core.h"

/* Where a VMM that says nothing wants its identity map; documented ABI. */
#define IDENTITY_MAP_DEFAULT	0xfffbc000ULL
/* The highest start of three pages below 4 GiB. */
#define TSS_ADDR_MAX		(SZ_4G - 3 * PAGE_SIZE)

int vm_usable(const struct kvm *kvm)
{
	return kvm->mm == current->mm && !READ_ONCE(kvm->dead) ? 0 : -EIO;
}

bool vm_stop(struct kvm *kvm)
{
	if (xchg(&kvm->dead, true))
		return false;
	vm_request_all(kvm, KVM_REQ_DEAD);
	return true;
}

void vm_kill(struct kvm *kvm, const char *why)
{
	if (vm_stop(kvm))
		pr_err("a virtual machine was stopped for good because of an internal error (%s); its ioctls answer EIO from now on, please report this\n",
		       why);
}
EXPORT_SYMBOL_GPL(vm_kill);

/* Parts that need no undoing. */
static void vm_init(struct kvm *kvm)
{
	kvm->mm = current->mm;
	refcount_set(&kvm->users, 1);
	mutex_init(&kvm->lock);
	mutex_init(&kvm->slots_lock);
	mutex_init(&kvm->bus_lock);
	mutex_init(&kvm->irq_lock);
	/* vcpus start at 0: their first entry flushes. */
	atomic64_set(&kvm->tlb_gen, 1);
	kvm->tsc_base = rdtsc();
	clock_vm_init(kvm);
	kvm->identity_map_addr = IDENTITY_MAP_DEFAULT;
	INIT_LIST_HEAD(&kvm->list);
}

static struct kvm *vm_alloc(void)
{
	struct kvm *kvm;
	int r = -ENODEV;

	if (!vendor_get())
		return ERR_PTR(r);
	r = -ENOMEM;
	kvm = kvzalloc(kvm_vendor->vm_size, GFP_KERNEL_ACCOUNT);
	if (!kvm)
		goto err_vendor;
	vm_init(kvm);
	mmgrab(kvm->mm);
	r = init_srcu_struct(&kvm->srcu);
	if (r)
		goto err_mm;
	r = memslots_init(kvm);
	if (r)
		goto err_srcu;
	r = hardware_get();
	if (r)
		goto err_slots;
	r = kvm_vendor->vm_init(kvm);
	if (r)
		goto err_hardware;
	r = eventfd_vm_init(kvm);
	if (r)
		goto err_vm;
	r = irqchip_vm_init(kvm);
	if (r)
		goto err_eventfd;
	/* Last: from here on the host's memory management calls back. */
	r = mmu_vm_init(kvm);
	if (r)
		goto err_irqchip;

	mutex_lock(&vm_list_lock);
	list_add_tail(&kvm->list, &vm_list);
	mutex_unlock(&vm_list_lock);
	return kvm;

err_irqchip:
	irqchip_vm_destroy(kvm);
err_eventfd:
	eventfd_vm_destroy(kvm);
	eventfd_vm_free(kvm);
err_vm:
	kvm_vendor->vm_destroy(kvm);
err_hardware:
	hardware_put();
err_slots:
	memslots_destroy(kvm);
err_srcu:
	cleanup_srcu_struct(&kvm->srcu);
err_mm:
	mmdrop(kvm->mm);
	kvfree(kvm);
err_vendor:
	vendor_put();
	return ERR_PTR(r);
}

/*
 * Nobody can reach the VM any more, except the host's memory management
 * through the notifier until mmu_vm_release(), and readers of the statistics
 * until stats_vm_destroy().
 */
static void vm_destroy(struct kvm *kvm)
{
	u32 i, n = kvm->online_vcpus;

	mutex_lock(&vm_list_lock);
	list_del(&kvm->list);
	mutex_unlock(&vm_list_lock);
	stats_vm_destroy(kvm);

	/* What may still raise interrupts: eventfds, then timers and devices. */
	eventfd_vm_destroy(kvm);
	irqchip_vm_destroy(kvm);
	bus_destroy(kvm);
	mmu_vm_release(kvm);
	/* Whoever flushes from here on finds no vcpu to wait for. */
	kvm->online_vcpus = 0;
	for (i = 0; i < n; i++)
		vcpu_destroy(kvm->vcpus[i]);
	eventfd_vm_free(kvm);
	mmu_vm_destroy(kvm);
	memslots_destroy(kvm);
	kvm_vendor->vm_destroy(kvm);
	hardware_put();
	cleanup_srcu_struct(&kvm->srcu);
	mmdrop(kvm->mm);
	kvfree(kvm);
	vendor_put();
}

bool kvm_get_kvm_safe(struct kvm *kvm)
{
	return refcount_inc_not_zero(&kvm->users);
}
EXPORT_SYMBOL_GPL(kvm_get_kvm_safe);

void kvm_put_kvm(struct kvm *kvm)
{
	if (refcount_dec_and_test(&kvm->users))
		vm_destroy(kvm);
}
EXPORT_SYMBOL_GPL(kvm_put_kvm);

static int vm_release(struct inode *inode, struct file *file)
{
	kvm_put_kvm(file->private_data);
	return 0;
}

static int vm_create_vcpu(struct kvm *kvm, unsigned long id)
{
	int r;

	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	r = vcpu_create(kvm, id);
	mutex_unlock(&kvm->lock);
	return r;
}

static int vm_set_memory_region(struct kvm *kvm, const void __user *argp)
{
	struct kvm_userspace_memory_region mem;

	if (copy_from_user(&mem, argp, sizeof(mem)))
		return -EFAULT;
	return memslot_set(kvm, &mem);
}

static int vm_get_dirty_log(struct kvm *kvm, const void __user *argp)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return memslot_get_dirty_log(kvm, &log);
}

/*
 * Both addresses serve a mode of old Intel hardware this module never uses:
 * unrestricted guests need neither the TSS nor the identity map.
 */
static int vm_set_tss_addr(struct kvm *kvm, unsigned long addr)
{
	if (addr > TSS_ADDR_MAX)
		return -EINVAL;
	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	kvm->tss_addr = addr;
	mutex_unlock(&kvm->lock);
	return 0;
}

static int vm_set_identity_map_addr(struct kvm *kvm, const void __user *argp)
{
	int r = -EINVAL;
	u64 addr;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	if (mutex_lock_killable(&kvm->lock))
		return -EINTR;
	if (!kvm->created_vcpus) {
		kvm->identity_map_addr = addr ? addr : IDENTITY_MAP_DEFAULT;
		r = 0;
	}
	mutex_unlock(&kvm->lock);
	return r;
}

static int vm_enable_cap(struct kvm *kvm, const void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	return caps_enable_vm(kvm, &cap);
}

/* The ioctls of the devices a VM has in the kernel. */
static long vm_ioctl_devices(struct kvm *kvm, unsigned int ioctl, unsigned long arg)
{
	long r = irqchip_vm_ioctl(kvm, ioctl, arg);

	if (r == -ENOTTY)
		r = eventfd_vm_ioctl(kvm, ioctl, (void __user *)arg);
	if (r == -ENOTTY)
		r = paravirt_vm_ioctl(kvm, ioctl, (void __user *)arg);
	return r;
}

static long vm_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm *kvm = file->private_data;
	void __user *argp = (void __user *)arg;
	int r = vm_usable(kvm);

	if (r)
		return r;
	switch (ioctl) {
	case KVM_CREATE_VCPU:
		return vm_create_vcpu(kvm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return vm_set_memory_region(kvm, argp);
	case KVM_GET_DIRTY_LOG:
		return vm_get_dirty_log(kvm, argp);
	case KVM_CHECK_EXTENSION:
		return caps_check(arg);
	case KVM_SET_TSS_ADDR:
		return vm_set_tss_addr(kvm, arg);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return vm_set_identity_map_addr(kvm, argp);
	case KVM_GET_STATS_FD:
		return stats_fd(kvm, NULL);
	case KVM_ENABLE_CAP:
		return vm_enable_cap(kvm, argp);
	default:
		return vm_ioctl_devices(kvm, ioctl, arg);
	}
}

/* A 32-bit VMM sets only the lower half of the bitmap's pointer. */
static long vm_compat_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm *kvm = file->private_data;
	struct kvm_dirty_log log;
	int r = vm_usable(kvm);

	if (ioctl != KVM_GET_DIRTY_LOG)
		return vm_ioctl(file, ioctl, arg);
	if (r)
		return r;
	if (copy_from_user(&log, (void __user *)arg, sizeof(log)))
		return -EFAULT;
	log.padding2 = (u32)log.padding2;
	return memslot_get_dirty_log(kvm, &log);
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = vm_compat_ioctl,
	.llseek = noop_llseek,
};

int vm_create(unsigned long type)
{
	struct file *file;
	struct kvm *kvm;
	int r, fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	kvm = vm_alloc();
	if (IS_ERR(kvm)) {
		r = PTR_ERR(kvm);
		goto err_fd;
	}
	file = anon_inode_getfile("kvm-vm", &vm_fops, kvm, O_RDWR);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		goto err_vm;
	}
	stats_vm_create(kvm, fd);
	fd_install(fd, file);
	return fd;

err_vm:
	kvm_put_kvm(kvm);
err_fd:
	put_unused_fd(fd);
	return r;
}
