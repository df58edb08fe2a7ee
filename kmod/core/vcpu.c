// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vcpu: its making, its mapping, its ioctls.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <compat/file.h>
#include <compat/fpu.h>
#include <compat/uapi.h>
#include <kvm/irqchip.h>
#include <kvm/paravirt.h>
#include <kvm/x86.h>
#include "core.h"

static struct kmem_cache *vcpu_cache;
static atomic64_t vcpu_serial;

int vcpu_cache_init(void)
{
	vcpu_cache = kmem_cache_create("kvmswap_vcpu", kvm_vendor->vcpu_size, 64,
				       SLAB_ACCOUNT, NULL);
	return vcpu_cache ? 0 : -ENOMEM;
}

void vcpu_cache_exit(void)
{
	kmem_cache_destroy(vcpu_cache);
}

void vcpu_lazy_load(struct kvm_vcpu *vcpu, u32 mask)
{
	kvm_vendor->lazy_load(vcpu, mask);
}
EXPORT_SYMBOL_GPL(vcpu_lazy_load);

static void vcpu_free_pages(struct kvm_vcpu *vcpu)
{
	int i;

	for (i = 0; i < KVM_RUN_PAGES; i++)
		if (vcpu->run_page[i])
			put_page(vcpu->run_page[i]);
}

static int vcpu_alloc_pages(struct kvm_vcpu *vcpu)
{
	int i;

	BUILD_BUG_ON(sizeof(struct kvm_run) > PAGE_SIZE);
	for (i = 0; i < KVM_RUN_PAGES; i++) {
		if (i == KVM_COALESCED_MMIO_PAGE_OFFSET) {
			vcpu->run_page[i] = eventfd_ring_page(vcpu->kvm);
			get_page(vcpu->run_page[i]);
			continue;
		}
		/* Not accounted: older kernels keep that mark where mapped pages count. */
		vcpu->run_page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!vcpu->run_page[i]) {
			vcpu_free_pages(vcpu);
			return -ENOMEM;
		}
	}
	vcpu->run = page_address(vcpu->run_page[0]);
	vcpu->pio_data = page_address(vcpu->run_page[KVM_PIO_PAGE_OFFSET]);
	return 0;
}

static struct kvm_vcpu *vcpu_alloc(struct kvm *kvm, u32 id)
{
	struct kvm_vcpu *vcpu = kmem_cache_zalloc(vcpu_cache, GFP_KERNEL);
	int r;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->kvm = kvm;
	vcpu->id = id;
	vcpu->serial = atomic64_inc_return(&vcpu_serial);
	mutex_init(&vcpu->mutex);
	vcpu->user_irq = -1;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	/* The others wait for the first to start them. */
	if (irqchip_in_kernel(kvm) && id != kvm->boot_cpu_id)
		vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
	vcpu_run_init(vcpu);
	async_vcpu_init(vcpu);

	r = vcpu_alloc_pages(vcpu);
	if (r)
		goto err_vcpu;
	r = kvm_fpu_alloc(&vcpu->fpu);
	if (r)
		goto err_pages;
	r = mmu_vcpu_init(vcpu);
	if (r)
		goto err_fpu;
	/* The vendor's control block starts from the reset state set up here. */
	r = x86_vcpu_init(vcpu);
	if (r)
		goto err_mmu;
	r = kvm_vendor->vcpu_init(vcpu);
	if (r)
		goto err_x86;
	r = irqchip_in_kernel(kvm) ? lapic_create(vcpu) : 0;
	if (r)
		goto err_vendor;
	return vcpu;

err_vendor:
	kvm_vendor->vcpu_destroy(vcpu);
err_x86:
	x86_vcpu_destroy(vcpu);
err_mmu:
	mmu_vcpu_destroy(vcpu);
err_fpu:
	kvm_fpu_free(&vcpu->fpu);
err_pages:
	vcpu_free_pages(vcpu);
err_vcpu:
	kmem_cache_free(vcpu_cache, vcpu);
	return ERR_PTR(r);
}

/* With its VM, or instead of having become part of one. */
void vcpu_destroy(struct kvm_vcpu *vcpu)
{
	async_vcpu_destroy(vcpu);
	if (vcpu->lapic)
		lapic_destroy(vcpu);
	kvm_vendor->vcpu_destroy(vcpu);
	x86_vcpu_destroy(vcpu);
	mmu_vcpu_destroy(vcpu);
	kvm_fpu_free(&vcpu->fpu);
	vcpu_free_pages(vcpu);
	put_pid(vcpu->pid);
	kmem_cache_free(vcpu_cache, vcpu);
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct kvm_vcpu *vcpu = file->private_data;

	kvm_put_kvm(vcpu->kvm);
	return 0;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct kvm_vcpu *vcpu = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= KVM_RUN_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = vcpu->run_page[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

/* Any part may be mapped; what lies behind the last page faults when touched. */
static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_ioctl_get_regs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs regs = {};

	x86_get_regs(vcpu, &regs);
	return copy_to_user(argp, &regs, sizeof(regs)) ? -EFAULT : 0;
}

static int vcpu_ioctl_set_regs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs regs;

	if (copy_from_user(&regs, argp, sizeof(regs)))
		return -EFAULT;
	return x86_set_regs(vcpu, &regs);
}

static int vcpu_ioctl_get_sregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs sregs = {};

	x86_get_sregs(vcpu, &sregs);
	return copy_to_user(argp, &sregs, sizeof(sregs)) ? -EFAULT : 0;
}

static int vcpu_ioctl_set_sregs(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs sregs;

	if (copy_from_user(&sregs, argp, sizeof(sregs)))
		return -EFAULT;
	return x86_set_sregs(vcpu, &sregs);
}

static int vcpu_ioctl_get_fpu(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_fpu fpu = {};
	int r = x86_get_fpu(vcpu, &fpu);

	if (r)
		return r;
	return copy_to_user(argp, &fpu, sizeof(fpu)) ? -EFAULT : 0;
}

static int vcpu_ioctl_set_fpu(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_fpu fpu;

	if (copy_from_user(&fpu, argp, sizeof(fpu)))
		return -EFAULT;
	return x86_set_fpu(vcpu, &fpu);
}

static int vcpu_ioctl_interrupt(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, argp, sizeof(irq)))
		return -EFAULT;
	return x86_interrupt_ioctl(vcpu, &irq);
}

static int vcpu_ioctl_enable_cap(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	return caps_enable_vcpu(vcpu, &cap);
}

static int vcpu_ioctl_nmi(struct kvm_vcpu *vcpu)
{
	vcpu_post_nmi(vcpu);
	return 0;
}

static int vcpu_ioctl_get_mp_state(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state state;

	/* What others have sent it is part of its state by now. */
	x86_apic_events(vcpu);
	state.mp_state = vcpu->mp_state;
	return copy_to_user(argp, &state, sizeof(state)) ? -EFAULT : 0;
}

/* The ioctls of the devices a vcpu has in the kernel. */
static long vcpu_ioctl_devices(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp)
{
	long r = lapic_vcpu_ioctl(vcpu, ioctl, argp);

	if (r == -ENOTTY)
		r = x86_state_ioctl(vcpu, ioctl, argp);
	if (r == -ENOTTY)
		r = paravirt_vcpu_ioctl(vcpu, ioctl);
	return r == -ENOTTY ? -EINVAL : r;
}

/* The ioctls that work on the vcpu's registers: it is loaded. */
static long vcpu_ioctl_loaded(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_GET_REGS:
		return vcpu_ioctl_get_regs(vcpu, argp);
	case KVM_SET_REGS:
		return vcpu_ioctl_set_regs(vcpu, argp);
	case KVM_GET_SREGS:
		return vcpu_ioctl_get_sregs(vcpu, argp);
	case KVM_SET_SREGS:
		return vcpu_ioctl_set_sregs(vcpu, argp);
	case KVM_GET_FPU:
		return vcpu_ioctl_get_fpu(vcpu, argp);
	case KVM_SET_FPU:
		return vcpu_ioctl_set_fpu(vcpu, argp);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return x86_msr_ioctl(vcpu, ioctl, argp);
	case KVM_SET_CPUID2:
		return x86_set_cpuid2(vcpu, argp);
	case KVM_GET_CPUID2:
		return x86_get_cpuid2(vcpu, argp);
	case KVM_INTERRUPT:
		return vcpu_ioctl_interrupt(vcpu, argp);
	case KVM_NMI:
		return vcpu_ioctl_nmi(vcpu);
	case KVM_ENABLE_CAP:
		return vcpu_ioctl_enable_cap(vcpu, argp);
	case KVM_GET_MP_STATE:
		return vcpu_ioctl_get_mp_state(vcpu, argp);
	default:
		return vcpu_ioctl_devices(vcpu, ioctl, argp);
	}
}

/* SIGKILL and SIGSTOP keep their meaning whatever the mask says. */
static int vcpu_ioctl_signal_mask(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_signal_mask head;
	sigset_t set;

	if (!argp) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, argp + sizeof(head), sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/*
 * Without an in-kernel interrupt controller every vcpu is its VMM's to start, and
 * to halt.
 */
static bool vcpu_mp_state_valid(const struct kvm_vcpu *vcpu, u32 state)
{
	switch (state) {
	case KVM_MP_STATE_RUNNABLE:
		return true;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		return vcpu->lapic;
	default:
		return false;
	}
}

static int vcpu_ioctl_set_mp_state(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state state;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	if (!vcpu_mp_state_valid(vcpu, state.mp_state))
		return -EINVAL;
	if (state.mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		vcpu_post_sipi(vcpu, READ_ONCE(vcpu->sipi_vector));
		return 0;
	}
	vcpu->mp_state = state.mp_state;
	return 0;
}

static long vcpu_ioctl_locked(struct kvm_vcpu *vcpu, unsigned int ioctl, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	long r;

	switch (ioctl) {
	case KVM_RUN:
		return arg ? -EINVAL : vcpu_run(vcpu);
	case KVM_SET_SIGNAL_MASK:
		return vcpu_ioctl_signal_mask(vcpu, argp);
	case KVM_SET_MP_STATE:
		return vcpu_ioctl_set_mp_state(vcpu, argp);
	}

	vcpu_load(vcpu);
	/* Loading may have found the VM to be beyond help. */
	r = vm_usable(vcpu->kvm);
	if (!r)
		r = vcpu_ioctl_loaded(vcpu, ioctl, argp);
	vcpu_put(vcpu);
	return r;
}

static long vcpu_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm_vcpu *vcpu = file->private_data;
	long r = vm_usable(vcpu->kvm);

	if (r)
		return r;
	if (_IOC_TYPE(ioctl) != KVMIO)
		return -EINVAL;
	/* Not for the vcpu's thread alone: it may be in KVM_RUN for long. */
	if (ioctl == KVM_GET_STATS_FD)
		return stats_fd(vcpu->kvm, vcpu);
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	r = vcpu_ioctl_locked(vcpu, ioctl, arg);
	mutex_unlock(&vcpu->mutex);
	return r;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

static bool vcpu_id_used(struct kvm *kvm, u32 id)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm)
		if (vcpu->id == id)
			return true;
	return false;
}

/* From here on everybody who walks the VM's vcpus sees this one. */
static void vcpu_publish(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	kvm->vcpus[vcpu->index] = vcpu;
	kvm->created_vcpus++;
	/* Pairs with vm_online_vcpus(). */
	smp_store_release(&kvm->online_vcpus, vcpu->index + 1);
}

/* A file for @vcpu, which holds a reference to the VM. */
static struct file *vcpu_file(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	struct file *file;
	char name[32];

	snprintf(name, sizeof(name), "kvm-vcpu:%u", vcpu->id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (!IS_ERR(file))
		refcount_inc(&kvm->users);
	return file;
}

int vcpu_create(struct kvm *kvm, unsigned long id)
{
	struct kvm_vcpu *vcpu;
	struct file *file;
	int r, fd;

	lockdep_assert_held(&kvm->lock);
	if (id >= KVM_VCPU_ID_MAX || kvm->created_vcpus >= KVM_VCPUS_MAX)
		return -EINVAL;
	if (vcpu_id_used(kvm, id))
		return -EEXIST;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vcpu = vcpu_alloc(kvm, id);
	if (IS_ERR(vcpu)) {
		r = PTR_ERR(vcpu);
		goto err_fd;
	}
	file = vcpu_file(kvm, vcpu);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		goto err_vcpu;
	}
	vcpu->index = kvm->online_vcpus;
	vcpu_publish(kvm, vcpu);
	if (vcpu->lapic)
		lapic_published(vcpu);
	stats_vcpu_create(vcpu);
	fd_install(fd, file);
	return fd;

err_vcpu:
	vcpu_destroy(vcpu);
err_fd:
	put_unused_fd(fd);
	return r;
}
