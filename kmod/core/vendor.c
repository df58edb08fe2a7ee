// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vendor module's arrival and departure.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/module.h>

#include <kvm/x86.h>
#include "core.h"

const struct kvm_vendor_ops *kvm_vendor;

static DEFINE_MUTEX(vendor_lock);	/* kvm_vendor against opens of /dev/kvm */

bool vendor_get(void)
{
	bool ok;

	mutex_lock(&vendor_lock);
	ok = kvm_vendor && try_module_get(kvm_vendor->owner);
	mutex_unlock(&vendor_lock);
	return ok;
}

/* Called with a reference held, so kvm_vendor stays what it is. */
void vendor_put(void)
{
	module_put(kvm_vendor->owner);
}

/* Both modules must have been compiled from the same headers for the same kernel. */
static bool vendor_matches(const struct kvm_vendor_ops *ops)
{
	return ops->cookie == KVM_VENDOR_COOKIE &&
	       ops->ops_size == sizeof(struct kvm_vendor_ops) &&
	       ops->kvm_size == sizeof(struct kvm) &&
	       ops->kvm_vcpu_size == sizeof(struct kvm_vcpu) &&
	       ops->vm_size >= sizeof(struct kvm) &&
	       ops->vcpu_size >= sizeof(struct kvm_vcpu);
}

static int vendor_start(void)
{
	int r;

	mmu_vendor_init();
	r = x86_module_init();
	if (r)
		return r;
	r = vcpu_cache_init();
	if (r)
		goto err_x86;
	r = hardware_init();
	if (r)
		goto err_cache;
	run_init();
	r = kvmdev_register();
	if (r)
		goto err_hardware;
	return 0;

err_hardware:
	hardware_exit();
err_cache:
	vcpu_cache_exit();
err_x86:
	x86_module_exit();
	return r;
}

static void vendor_set(const struct kvm_vendor_ops *ops)
{
	mutex_lock(&vendor_lock);
	kvm_vendor = ops;
	mutex_unlock(&vendor_lock);
}

/* Serializes registrations; vendor_lock nests inside. */
static DEFINE_MUTEX(vendor_register_lock);

int kvmswap_vendor_register(const struct kvm_vendor_ops *ops)
{
	int r;

	if (!vendor_matches(ops)) {
		pr_err("the vendor module was not built together with this kvm.ko; install and load kvm.ko, kvm-intel.ko and kvm-amd.ko of one build\n");
		return -EINVAL;
	}

	mutex_lock(&vendor_register_lock);
	if (kvm_vendor) {
		pr_err("cannot serve %s because %s is in use already; unload that vendor module first\n",
		       ops->name, kvm_vendor->name);
		r = -EEXIST;
		goto out;
	}
	vendor_set(ops);
	r = vendor_start();
	if (r)
		vendor_set(NULL);
out:
	mutex_unlock(&vendor_register_lock);
	return r;
}
EXPORT_SYMBOL_GPL(kvmswap_vendor_register);

/* The module's reference count is zero, so there is no VM and no open /dev/kvm. */
void kvmswap_vendor_unregister(const struct kvm_vendor_ops *ops)
{
	mutex_lock(&vendor_register_lock);
	if (!WARN_ON(kvm_vendor != ops)) {
		kvmdev_unregister();
		hardware_exit();
		vcpu_cache_exit();
		x86_module_exit();
		vendor_set(NULL);
	}
	mutex_unlock(&vendor_register_lock);
}
EXPORT_SYMBOL_GPL(kvmswap_vendor_unregister);
