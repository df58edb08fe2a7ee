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

/* Intel SDM, "IA32_ARCH_CAPABILITIES"; older headers lack some. */
#define CAP_RDCL_NO		BIT_ULL(0)
#define CAP_RSBA		BIT_ULL(2)
#define CAP_SKIP_L1DFL_VMENTRY	BIT_ULL(3)
#define CAP_SSB_NO		BIT_ULL(4)
#define CAP_MDS_NO		BIT_ULL(5)
#define CAP_PSCHANGE_MC_NO	BIT_ULL(6)
#define CAP_SBDR_SSDP_NO	BIT_ULL(13)
#define CAP_FBSDP_NO		BIT_ULL(14)
#define CAP_PSDP_NO		BIT_ULL(15)
#define CAP_FB_CLEAR		BIT_ULL(17)
#define CAP_RRSBA		BIT_ULL(19)
#define CAP_BHI_NO		BIT_ULL(20)
#define CAP_PBRSB_NO		BIT_ULL(24)
#define CAP_GDS_NO		BIT_ULL(26)
#define CAP_RFDS_NO		BIT_ULL(27)
#define CAP_RFDS_CLEAR		BIT_ULL(28)
#define CAP_ITS_NO		BIT_ULL(62)

/*
 * Of the host's register: what holds in a guest as it does here. The rest is about
 * MSRs and instructions (TSX, IBRS) that guests are not given.
 */
#define CAP_SAME	(CAP_RSBA | CAP_SBDR_SSDP_NO | CAP_FBSDP_NO | CAP_PSDP_NO |	\
			 CAP_FB_CLEAR | CAP_RRSBA | CAP_BHI_NO | CAP_PBRSB_NO |	\
			 CAP_GDS_NO | CAP_RFDS_NO | CAP_RFDS_CLEAR | CAP_ITS_NO)

/* The kernel knows more than the register says: CPUs that are older than it, or AMD's. */
static u64 arch_caps_not_affected(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		caps |= CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		caps |= CAP_SKIP_L1DFL_VMENTRY;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		caps |= CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		caps |= CAP_MDS_NO;
	/* Guests have no executable large page of the host's where that could harm. */
	if (!boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) || itlb_multihit)
		caps |= CAP_PSCHANGE_MC_NO;
#ifdef X86_BUG_GDS
	if (!boot_cpu_has_bug(X86_BUG_GDS))
		caps |= CAP_GDS_NO;
#endif
#ifdef X86_BUG_RFDS
	if (!boot_cpu_has_bug(X86_BUG_RFDS))
		caps |= CAP_RFDS_NO;
#endif
#ifdef X86_BUG_ITS
	if (!boot_cpu_has_bug(X86_BUG_ITS))
		caps |= CAP_ITS_NO;
#endif
	return caps;
}

u64 kvm_guest_arch_caps(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, caps);
	return (caps & CAP_SAME) | arch_caps_not_affected();
}
