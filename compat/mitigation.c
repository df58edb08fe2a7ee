// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mitigation modes that are decided once, and the software L1D flush.
 */
#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/hardirq.h>
#include <asm/processor.h>
#include <asm/vmx.h>
#include <compat/mitigation.h>
#include "mitigation.h"

/*
 * Reading this much displaces every line of a 32 or 48 KiB data cache whatever
 * its replacement policy does with a sequential sweep.
 */
#define L1D_FILL_ORDER	4
#define L1D_FILL_SIZE	(PAGE_SIZE << L1D_FILL_ORDER)
#define L1D_LINE	64

/* Written by kvm_mitigation_init(), constant after it. */
static enum kvm_l1d_mode l1d_mode;
static void *l1d_fill;
static bool itlb_multihit;

static enum kvm_l1d_mode l1d_host_mode(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return KVM_L1D_NEVER;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, caps);
	if (caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		return KVM_L1D_NEVER;

#ifdef KVM_HAVE_L1TF_MITIGATION
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		return KVM_L1D_NEVER;
	case L1TF_MITIGATION_FULL:
	case L1TF_MITIGATION_FULL_FORCE:
		return KVM_L1D_ALWAYS;
	default:
		return KVM_L1D_COND;
	}
#else
	return KVM_L1D_ALWAYS;
#endif
}

/* What /sys/devices/system/cpu/vulnerabilities/l1tf tells about us. */
static void l1d_report(bool vmx)
{
	static const enum vmx_l1d_flush_state state[] = {
		[KVM_L1D_NEVER] = VMENTER_L1D_FLUSH_NEVER,
		[KVM_L1D_COND] = VMENTER_L1D_FLUSH_COND,
		[KVM_L1D_ALWAYS] = VMENTER_L1D_FLUSH_ALWAYS,
	};

	if (!vmx)
		l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
	else if (!boot_cpu_has_bug(X86_BUG_L1TF))
		l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_NOT_REQUIRED;
	else
		l1tf_vmx_mitigation = state[l1d_mode];
}

int kvm_mitigation_init(void)
{
	struct page *page;

	l1d_mode = l1d_host_mode();
	if (l1d_mode != KVM_L1D_NEVER && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO, L1D_FILL_ORDER);
		if (!page)
			return -ENOMEM;
		l1d_fill = page_address(page);
	}
	l1d_report(boot_cpu_has(X86_FEATURE_VMX));

	itlb_multihit = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	itlb_multihit_kvm_mitigation = itlb_multihit;
	return 0;
}

void kvm_mitigation_exit(void)
{
	itlb_multihit_kvm_mitigation = false;
	l1d_report(false);
	if (l1d_fill)
		free_pages((unsigned long)l1d_fill, L1D_FILL_ORDER);
	l1d_fill = NULL;
}

enum kvm_l1d_mode kvm_mitigate_l1d_mode(void)
{
	return l1d_mode;
}
EXPORT_SYMBOL_GPL(kvm_mitigate_l1d_mode);

#ifdef KVM_HAVE_L1D_IRQ_MARK

bool kvm_l1d_irq_ran(void)
{
	bool ran = kvm_get_cpu_l1tf_flush_l1d();

	kvm_clear_cpu_l1tf_flush_l1d();
	return ran;
}

#else

/* Nobody knows. */
bool kvm_l1d_irq_ran(void)
{
	return true;
}

#endif
EXPORT_SYMBOL_GPL(kvm_l1d_irq_ran);

void kvm_l1d_flush(void)
{
	const u8 *p = l1d_fill;
	unsigned int i;

	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		native_wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}

	/* Bring in the translations first, so that the sweep is loads only. */
	for (i = 0; i < L1D_FILL_SIZE; i += PAGE_SIZE)
		(void)READ_ONCE(p[i]);
	/* All translations are there before the first line is read. */
	mb();
	for (i = 0; i < L1D_FILL_SIZE; i += L1D_LINE)
		(void)READ_ONCE(p[i]);
	/* Every line has been read before the guest runs. */
	rmb();
}
EXPORT_SYMBOL_GPL(kvm_l1d_flush);

bool kvm_itlb_multihit(void)
{
	return itlb_multihit;
}
