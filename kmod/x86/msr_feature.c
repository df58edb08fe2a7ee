// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this host can give a guest, as /dev/kvm says it without a vcpu: feature MSRs,
 * with those that are nothing else, and device attributes.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/msr-index.h>
#include <compat/mitigation.h>
#include <compat/uapi.h>
#include "x86_private.h"

static const u32 msr_features[] = {
	MSR_IA32_UCODE_REV,
	MSR_PLATFORM_INFO,
	MSR_IA32_ARCH_CAPABILITIES,
	MSR_IA32_PERF_CAPABILITIES,
	MSR_AMD64_DE_CFG,
};

/* LFENCE serializes what comes after it. */
#define DE_CFG_LFENCE	BIT_ULL(1)

u64 msr_de_cfg_offered(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? DE_CFG_LFENCE : 0;
}

int msr_get_de_cfg(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->msrs.de_cfg;
	return 0;
}

/* A guest may confirm what its CPU does anyway, and cannot switch it off. */
int msr_set_de_cfg(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if ((val & ~msr_de_cfg_offered()) || (!host && (vcpu->msrs.de_cfg & ~val)))
		return 1;
	vcpu->msrs.de_cfg = val;
	return 0;
}

int msr_get_arch_caps(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && !x86_guest_has(vcpu, X86_FEATURE_ARCH_CAPABILITIES))
		return 1;
	*val = vcpu->msrs.arch_caps;
	return 0;
}

/* Userspace tells its guest what it wants: the guest may move to hosts that have it. */
int msr_set_arch_caps(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host)
		return 1;
	vcpu->msrs.arch_caps = val;
	return 0;
}

/* 0, or 1: not a feature MSR. */
static int msr_feature_get(u32 index, u64 *val)
{
	switch (index) {
	case MSR_IA32_UCODE_REV:
		*val = msr_host_ucode_rev();
		return 0;
	case MSR_PLATFORM_INFO:
		*val = MSR_PLATFORM_INFO_DEFAULT;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*val = kvm_guest_arch_caps();
		return 0;
	case MSR_IA32_PERF_CAPABILITIES:
		*val = 0;	/* there are no counters */
		return 0;
	case MSR_AMD64_DE_CFG:
		*val = msr_de_cfg_offered();
		return 0;
	default:
		return 1;
	}
}

/**
 * x86_msr_feature_list() - KVM_GET_MSR_FEATURE_INDEX_LIST
 * @user: .nmsrs says how many fit; always set to how many there are
 *
 * Return: 0, -EFAULT, -E2BIG.
 */
int x86_msr_feature_list(struct kvm_msr_list __user *user)
{
	u32 room;

	if (get_user(room, &user->nmsrs) ||
	    put_user((u32)ARRAY_SIZE(msr_features), &user->nmsrs))
		return -EFAULT;
	if (room < ARRAY_SIZE(msr_features))
		return -E2BIG;
	if (copy_to_user(user->indices, msr_features, sizeof(msr_features)))
		return -EFAULT;
	return 0;
}

/**
 * x86_msr_feature_ioctl() - KVM_GET_MSRS on /dev/kvm
 * @user: struct kvm_msrs of userspace
 *
 * Context: may sleep.
 * Return: how many entries were read, -E2BIG, -EFAULT, -ENOMEM.
 */
long x86_msr_feature_ioctl(struct kvm_msrs __user *user)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	unsigned int i;
	size_t bytes;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs > MSR_ENTRIES_MAX)
		return -E2BIG;
	bytes = head.nmsrs * sizeof(*entries);
	entries = memdup_user(user->entries, bytes);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (i = 0; i < head.nmsrs; i++) {
		if (msr_feature_get(entries[i].index, &entries[i].data))
			break;
	}
	ret = i;
	if (copy_to_user(user->entries, entries, bytes))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

/**
 * x86_device_attr() - KVM_GET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR on /dev/kvm
 * @user: which one; where to put it
 * @get: not only whether there is one
 *
 * Return: 0, -ENXIO (no such attribute), -EFAULT.
 */
int x86_device_attr(const struct kvm_device_attr __user *user, bool get)
{
	struct kvm_device_attr attr;

	if (copy_from_user(&attr, user, sizeof(attr)))
		return -EFAULT;
	if (attr.group || attr.attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	if (!get)
		return 0;
	return put_user(x86_caps.xcr0, (u64 __user *)(unsigned long)attr.addr);
}
