// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: one table says which exist and who serves them.
 */
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeatures.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>
#include <compat/mitigation.h>
#include <compat/msr.h>
#include <kvm/irqchip.h>
#include <kvm/paravirt.h>
#include <kvm/trace.h>
#include "x86_private.h"

static_assert(sizeof(struct kvm_msrs) == 8);
static_assert(sizeof(struct kvm_msr_entry) == 16);

#define APIC_BASE_FLAGS		(MSR_IA32_APICBASE_BSP | X2APIC_ENABLE |	\
				 MSR_IA32_APICBASE_ENABLE)
#define PLATFORM_CPUID_FAULT	BIT_ULL(31)
#define MISC_CPUID_FAULT	BIT_ULL(0)
#define UCODE_REV_INTEL		0x100000000ULL
#define UCODE_REV_AMD		0x01000065ULL
#define HWCR_IGNORED		(BIT(3) | BIT(6) | BIT(8))
#define HWCR_STORED		(BIT(18) | BIT(24))

/*
 * One MSR or a run of them. .get and .set answer 0, or 1 for #GP; without .set a
 * write faults, without .get a read does.
 */
struct msr_desc {
	u32 first, last;
	int (*get)(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host);
	int (*set)(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host);
	u8 flags;
};

#define MSR_LISTED	BIT(0)	/* in KVM_GET_MSR_INDEX_LIST */

static int msr_get_zero(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	return 0;
}

static int msr_set_zero(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return val != 0;
}

static int msr_set_ignored(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return 0;
}

/* Performance counters of CPUs that offer none: for userspace's state transfer. */
static int msr_get_no_counter(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	return !host;
}

static int msr_set_no_counter(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return !host || val != 0;
}

/* What software expects to find on every CPU of some kind, and never changes. */
static int msr_get_constant(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	switch (index) {
	case MSR_EBC_FREQUENCY_ID:
		*val = 1 << 24;		/* the core runs at its bus clock */
		return 0;
	case MSR_FSB_FREQ:
		*val = 3;		/* a bus of 167 MHz */
		return 0;
	case MSR_IA32_PERF_STATUS:
		*val = 1000 | 4ULL << 40;	/* one fixed performance state */
		return 0;
	case MSR_K7_CLK_CTL:
		*val = 0x20000000;	/* the value the AMD errata ask for */
		return 0;
	}
	return 1;
}

static int msr_get_debugctl(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	return 0;
}

/* Branch tracing is not offered; kernels try to turn it on all the same. */
static int msr_set_debugctl(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return kvm_vendor->isa == KVM_ISA_VMX &&
	       (val & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF));
}

static int msr_get_vendor(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return kvm_vendor->get_msr(vcpu, index, val) ? 1 : 0;
}

static int msr_set_vendor(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return kvm_vendor->set_msr(vcpu, index, val) ? 1 : 0;
}

/* Registers that hold a linear address. */
static int msr_set_address(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!x86_is_canonical(vcpu, val))
		return 1;
	return msr_set_vendor(vcpu, index, val, host);
}

/* CPUs differ in whether these fault; sign extension is what both end up with. */
static int msr_set_sysenter(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return msr_set_vendor(vcpu, index, x86_canonical(vcpu, val), host);
}

static int msr_set_32bit(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (val >> 32)
		return 1;
	return msr_set_vendor(vcpu, index, val, host);
}

/* The vendor switches it; a guest has it if its CPUID says so. */
static bool msr_spec_ctrl_exists(struct kvm_vcpu *vcpu, bool host)
{
	return host || x86_guest_has(vcpu, X86_FEATURE_SPEC_CTRL) ||
	       x86_guest_has(vcpu, X86_FEATURE_AMD_IBRS);
}

static int msr_get_spec_ctrl(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!msr_spec_ctrl_exists(vcpu, host))
		return 1;
	return msr_get_vendor(vcpu, index, val, host);
}

static int msr_set_spec_ctrl(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!msr_spec_ctrl_exists(vcpu, host))
		return 1;
	return msr_set_vendor(vcpu, index, val, host);
}

static bool msr_tsc_aux_exists(struct kvm_vcpu *vcpu, bool host)
{
	return host || x86_guest_has(vcpu, X86_FEATURE_RDTSCP) ||
	       x86_guest_has(vcpu, X86_FEATURE_RDPID);
}

static int msr_get_tsc_aux(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!msr_tsc_aux_exists(vcpu, host))
		return 1;
	return msr_get_vendor(vcpu, index, val, host);
}

static int msr_set_tsc_aux(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!msr_tsc_aux_exists(vcpu, host))
		return 1;
	/* Intel's CPUs fault on the upper half, AMD's ignore it. */
	if (kvm_vendor->isa == KVM_ISA_SVM)
		val = (u32)val;
	return msr_set_32bit(vcpu, index, val, host);
}

static int msr_get_efer(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu_efer(vcpu);
	return 0;
}

static int msr_set_efer(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host)
		return x86_set_efer(vcpu, val);
	/* Userspace may load a guest's EFER before its CPUID or its CR0. */
	if (val & ~x86_caps.efer)
		return 1;
	val = (val & ~(u64)EFER_LMA) | (vcpu_efer(vcpu) & EFER_LMA);
	kvm_vendor->set_efer(vcpu, val);
	return 0;
}

/**
 * x86_apic_base_valid() - can APIC_BASE have this value at all?
 * @vcpu: its CPUID says how wide addresses are and whether there is an x2APIC
 * @val: value
 */
bool x86_apic_base_valid(struct kvm_vcpu *vcpu, u64 val)
{
	u64 reserved = x86_bits_above(vcpu->maxphyaddr);

	reserved |= (PAGE_SIZE - 1) & ~(u64)APIC_BASE_FLAGS;
	if (!x86_guest_has(vcpu, X86_FEATURE_X2APIC))
		reserved |= X2APIC_ENABLE;
	if (val & reserved)
		return false;
	return (val & MSR_IA32_APICBASE_ENABLE) || !(val & X2APIC_ENABLE);
}

/*
 * Intel SDM, "x2APIC State Transitions": a guest gets from x2APIC mode to xAPIC
 * mode, and from disabled to x2APIC mode, only in two steps.
 */
static bool apic_mode_reachable(u64 old, u64 new)
{
	if (old & X2APIC_ENABLE)
		return (new & X2APIC_ENABLE) || !(new & MSR_IA32_APICBASE_ENABLE);
	return (old & MSR_IA32_APICBASE_ENABLE) || !(new & X2APIC_ENABLE);
}

/**
 * x86_set_apic_base() - write APIC_BASE
 * @vcpu: loaded
 * @val: value
 * @host_initiated: userspace may change mode in one step
 *
 * Return: 0, or 1 for #GP.
 */
int x86_set_apic_base(struct kvm_vcpu *vcpu, u64 val, bool host_initiated)
{
	u64 old = vcpu->regs.apic_base;

	if (!x86_apic_base_valid(vcpu, val))
		return 1;
	if (!host_initiated && !apic_mode_reachable(old, val))
		return 1;
	vcpu->regs.apic_base = val;
	if (vcpu->lapic)
		lapic_base_changed(vcpu, old);
	if ((val ^ old) & MSR_IA32_APICBASE_ENABLE)
		cpuid_follow_state(vcpu);
	return 0;
}

static int msr_get_apic_base(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->regs.apic_base;
	return 0;
}

static int msr_set_apic_base(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return x86_set_apic_base(vcpu, val, host);
}

static void tsc_set_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	u64 old = vcpu->tsc_offset;

	trace_kvm_write_tsc_offset(vcpu->id, old, offset);
	WRITE_ONCE(vcpu->tsc_offset, offset);
	kvm_vendor->set_tsc_offset(vcpu, offset);
	if (offset != old)
		clock_tsc_changed(vcpu->kvm);
	if (vcpu->lapic)
		lapic_timer_renew(vcpu);
}

static int msr_get_tsc(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = rdtsc() + vcpu->tsc_offset;
	return 0;
}

/*
 * Userspace sets the TSC of each vcpu in turn and means the same instant: a
 * value within a second of the first vcpu's clock, or 0, is that clock.
 */
static u64 tsc_host_offset(struct kvm_vcpu *vcpu, u64 val)
{
	struct kvm_vcpu *first = vcpu->kvm->vcpus[0];
	u64 host = rdtsc(), second = (u64)tsc_khz * 1000, shared, distance;

	if (!first || first == vcpu)
		return val - host;
	shared = READ_ONCE(first->tsc_offset);
	distance = val - (host + shared);
	if (val == 0 || distance + second < 2 * second)
		return shared;
	return val - host;
}

static int msr_set_tsc(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u64 offset;

	if (host) {
		tsc_set_offset(vcpu, tsc_host_offset(vcpu, val));
		return 0;
	}
	/* Intel SDM, "IA32_TSC_ADJUST Register Support": it moves along. */
	offset = val - rdtsc();
	vcpu->msrs.tsc_adjust += offset - vcpu->tsc_offset;
	tsc_set_offset(vcpu, offset);
	return 0;
}

static int msr_get_tsc_adjust(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && !x86_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
		return 1;
	*val = vcpu->msrs.tsc_adjust;
	return 0;
}

static int msr_set_tsc_adjust(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host) {
		if (!x86_guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
			return 1;
		tsc_set_offset(vcpu, vcpu->tsc_offset + val - vcpu->msrs.tsc_adjust);
	}
	/* Userspace restores TSC and TSC_ADJUST both; the one must not move the other. */
	vcpu->msrs.tsc_adjust = val;
	return 0;
}

static int msr_get_lapic(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	if (vcpu->lapic)
		return lapic_get_msr(vcpu, index, val, host);
	return !host || index != MSR_IA32_TSC_DEADLINE;
}

static int msr_set_lapic(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (vcpu->lapic)
		return lapic_set_msr(vcpu, index, val, host);
	/* Userspace saves and restores what is listed, whoever has the APIC. */
	return !host || index != MSR_IA32_TSC_DEADLINE;
}

static int msr_get_pat(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->pat;
	return 0;
}

static int msr_set_pat(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!pat_valid(val))
		return 1;
	/* A vendor that keeps PAT in its control block takes a copy. */
	if (kvm_vendor->set_msr(vcpu, index, val) == -EINVAL)
		return 1;
	vcpu->pat = val;
	return 0;
}

static int msr_get_mtrr_cap(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = MTRR_CAP_VALUE;
	return 0;
}

static int msr_get_mtrr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return mtrr_get(vcpu, index, val);
}

static int msr_set_mtrr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return mtrr_set(vcpu, index, val);
}

static int msr_get_mce(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return mce_get(vcpu, index, val, host);
}

static int msr_set_mce(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return mce_set(vcpu, index, val, host);
}

static int msr_get_misc_enable(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->msrs.misc_enable;
	return 0;
}

static int msr_set_misc_enable(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u64 fixed = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
		    MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	/* What a CPU lacks it says here for good; a guest's write does not change it. */
	if (!host)
		val = (val & ~fixed) | (vcpu->msrs.misc_enable & fixed);
	vcpu->msrs.misc_enable = val;
	return 0;
}

static int msr_get_ucode_rev(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->msrs.ucode_rev;
	return 0;
}

static int msr_set_ucode_rev(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	/* Intel guests write 0 before they read it; it keeps its value. */
	if (host)
		vcpu->msrs.ucode_rev = val;
	return 0;
}

static int msr_get_platform(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && READ_ONCE(vcpu->kvm->hide_platform_info))
		return 1;
	*val = vcpu->msrs.platform_info;
	return 0;
}

static int msr_set_platform(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host)
		return 1;
	if (!(val & PLATFORM_CPUID_FAULT) &&
	    (vcpu->msrs.misc_features & MISC_CPUID_FAULT))
		return 1;
	vcpu->msrs.platform_info = val;
	return 0;
}

static int msr_get_misc_features(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->msrs.misc_features;
	return 0;
}

static int msr_set_misc_features(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (val & ~MISC_CPUID_FAULT)
		return 1;
	if (val && !(vcpu->msrs.platform_info & PLATFORM_CPUID_FAULT))
		return 1;
	vcpu->msrs.misc_features = val;
	return 0;
}

static int msr_get_hwcr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = vcpu->msrs.hwcr;
	return 0;
}

static int msr_set_hwcr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	val &= ~(u64)HWCR_IGNORED;
	if (val & ~(u64)HWCR_STORED)
		return 1;
	vcpu->msrs.hwcr = val;
	return 0;
}

/* Names that not every kernel's msr-index.h has. */
#define MSR_AMD_SYSCFG	0xc0010010
#define MSR_AMD_IC_CFG	0xc0011021
#define MSR_AMD_TW_CFG	0xc0011023
#define MSR_AMD_EX_CFG	0xc001102c

static int msr_get_paravirt(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	return paravirt_get_msr(vcpu, index, val);
}

static int msr_set_paravirt(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return paravirt_set_msr(vcpu, index, val);
}

#define MSR_RW(first, last, name, flags) \
	{ first, last, msr_get_##name, msr_set_##name, flags }
#define MSR_INERT(first, last, flags) \
	{ first, last, msr_get_zero, msr_set_ignored, flags }
#define MSR_RO(first, last, name, flags) \
	{ first, last, msr_get_##name, NULL, flags }

/*
 * Sorted by number. AMD's and Intel's exist for every guest, whose CPUID need not
 * be of the host's vendor. Those that only read as zero, or only swallow writes, are
 * what firmware and kernels touch on every CPU of the kind.
 */
static const struct msr_desc msr_table[] = {
	MSR_RO(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, zero, 0),
	MSR_RW(MSR_IA32_TSC, MSR_IA32_TSC, tsc, MSR_LISTED),
	MSR_RW(MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, paravirt, MSR_LISTED),
	MSR_RO(MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID, zero, 0),
	MSR_RW(MSR_IA32_APICBASE, MSR_IA32_APICBASE, apic_base, 0),
	MSR_RO(MSR_IA32_EBL_CR_POWERON, MSR_IA32_EBL_CR_POWERON, zero, 0),
	MSR_RO(MSR_EBC_FREQUENCY_ID, MSR_EBC_FREQUENCY_ID, constant, 0),
	MSR_RW(MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_ADJUST, tsc_adjust, MSR_LISTED),
	MSR_RW(MSR_IA32_SPEC_CTRL, MSR_IA32_SPEC_CTRL, spec_ctrl, MSR_LISTED),
	{ MSR_IA32_UCODE_WRITE, MSR_IA32_UCODE_WRITE, NULL, msr_set_ignored, 0 },
	MSR_RW(MSR_IA32_UCODE_REV, MSR_IA32_UCODE_REV, ucode_rev, MSR_LISTED),
	MSR_INERT(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1, 0),
	MSR_RO(MSR_FSB_FREQ, MSR_FSB_FREQ, constant, 0),
	MSR_RW(MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, platform, MSR_LISTED),
	MSR_RO(MTRR_CAP, MTRR_CAP, mtrr_cap, 0),
	MSR_RW(MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_ARCH_CAPABILITIES, arch_caps, MSR_LISTED),
	MSR_RW(MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES,
	       misc_features, MSR_LISTED),
	MSR_RW(MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_CS, vendor, MSR_LISTED),
	{ MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	  msr_get_vendor, msr_set_sysenter, MSR_LISTED },
	MSR_RO(MSR_IA32_MCG_CAP, MSR_IA32_MCG_CAP, mce, 0),
	MSR_RW(MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL, mce, MSR_LISTED),
	MSR_INERT(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1, 0),
	MSR_RO(MSR_IA32_PERF_STATUS, MSR_IA32_PERF_STATUS, constant, 0),
	MSR_RO(MSR_IA32_PERF_CTL, MSR_IA32_PERF_CTL, zero, 0),
	MSR_RW(MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, misc_enable, MSR_LISTED),
	MSR_RW(MSR_IA32_DEBUGCTLMSR, MSR_IA32_DEBUGCTLMSR, debugctl, 0),
	MSR_RO(MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP, zero, 0),
	MSR_RW(MTRR_VARIABLE, MTRR_VARIABLE + 2 * KVM_MTRR_VARIABLE - 1, mtrr, 0),
	MSR_RW(MTRR_FIXED_64K, MTRR_FIXED_64K, mtrr, 0),
	MSR_RW(MTRR_FIXED_16K, MTRR_FIXED_16K + 1, mtrr, 0),
	MSR_RW(MTRR_FIXED_4K, MTRR_FIXED_4K + 7, mtrr, 0),
	MSR_RW(MSR_IA32_CR_PAT, MSR_IA32_CR_PAT, pat, MSR_LISTED),
	MSR_RW(MTRR_DEF_TYPE, MTRR_DEF_TYPE, mtrr, 0),
	MSR_RW(MSR_IA32_PERF_CAPABILITIES, MSR_IA32_PERF_CAPABILITIES, no_counter, MSR_LISTED),
	MSR_RW(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 4 * KVM_MCE_BANKS_MAX - 1,
	       mce, 0),
	MSR_RW(MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, lapic, MSR_LISTED),
	MSR_RW(APIC_BASE_MSR, APIC_BASE_MSR + 0xff, lapic, 0),
	MSR_RW(MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, paravirt, MSR_LISTED),
	MSR_RW(MSR_KVM_ASYNC_PF_EN, MSR_KVM_STEAL_TIME, paravirt, MSR_LISTED),
	MSR_RW(MSR_KVM_PV_EOI_EN, MSR_KVM_PV_EOI_EN, paravirt, MSR_LISTED),
	MSR_RW(MSR_KVM_POLL_CONTROL, MSR_KVM_ASYNC_PF_ACK, paravirt, MSR_LISTED),
	MSR_RW(MSR_EFER, MSR_EFER, efer, 0),
	MSR_RW(MSR_STAR, MSR_STAR, vendor, MSR_LISTED),
	{ MSR_LSTAR, MSR_CSTAR, msr_get_vendor, msr_set_address, MSR_LISTED },
	{ MSR_SYSCALL_MASK, MSR_SYSCALL_MASK,
	  msr_get_vendor, msr_set_32bit, MSR_LISTED },
	{ MSR_FS_BASE, MSR_GS_BASE, msr_get_vendor, msr_set_address, 0 },
	{ MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE,
	  msr_get_vendor, msr_set_address, MSR_LISTED },
	MSR_RW(MSR_TSC_AUX, MSR_TSC_AUX, tsc_aux, MSR_LISTED),
	MSR_INERT(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3, 0),
	MSR_RO(MSR_AMD_SYSCFG, MSR_AMD_SYSCFG, zero, 0),
	MSR_RW(MSR_K7_HWCR, MSR_K7_HWCR, hwcr, MSR_LISTED),
	MSR_RO(MSR_K7_CLK_CTL, MSR_K7_CLK_CTL, constant, 0),
	MSR_INERT(MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG, 0),
	{ MSR_AMD64_PATCH_LOADER, MSR_AMD64_PATCH_LOADER, NULL, msr_set_ignored, 0 },
	MSR_RO(MSR_K8_INT_PENDING_MSG, MSR_K8_INT_PENDING_MSG, zero, 0),
	MSR_RW(MSR_FAM10H_MMIO_CONF_BASE, MSR_FAM10H_MMIO_CONF_BASE, zero, 0),
	MSR_RO(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK, zero, 0),
	MSR_INERT(MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, 0),
	MSR_RW(MSR_F15H_PERF_CTL, MSR_F15H_PERF_CTR5, no_counter, 0),
	MSR_RO(MSR_AMD_IC_CFG, MSR_AMD_IC_CFG, zero, 0),
	MSR_INERT(MSR_AMD64_DC_CFG, MSR_AMD_TW_CFG, 0),
	MSR_RW(MSR_AMD64_DE_CFG, MSR_AMD64_DE_CFG, de_cfg, 0),
	MSR_INERT(MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2, 0),
	MSR_INERT(MSR_AMD_EX_CFG, MSR_AMD_EX_CFG, 0),
};

static const struct msr_desc *msr_find(u32 index)
{
	unsigned int low = 0, high = ARRAY_SIZE(msr_table), middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (index > msr_table[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ARRAY_SIZE(msr_table) || index < msr_table[low].first)
		return NULL;
	return &msr_table[low];
}

/**
 * x86_get_msr() - read an MSR of the guest
 * @vcpu: loaded
 * @index: MSR number
 * @val: filled on success
 * @host_initiated: userspace asks, not the guest's RDMSR
 *
 * Return: 0, or 1 for #GP.
 */
int x86_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host_initiated)
{
	const struct msr_desc *desc = msr_find(index);

	if (!desc)
		return msr_get_vendor(vcpu, index, val, host_initiated);
	return desc->get ? desc->get(vcpu, index, val, host_initiated) : 1;
}

/**
 * x86_set_msr() - write an MSR of the guest
 * @vcpu: loaded
 * @index: MSR number
 * @val: value
 * @host_initiated: userspace asks, not the guest's WRMSR
 *
 * Return: 0, or 1 for #GP.
 */
int x86_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host_initiated)
{
	const struct msr_desc *desc = msr_find(index);

	if (!desc)
		return msr_set_vendor(vcpu, index, val, host_initiated);
	return desc->set ? desc->set(vcpu, index, val, host_initiated) : 1;
}

u64 msr_host_ucode_rev(void)
{
	u64 rev;

	if (rdmsrq_safe(MSR_IA32_UCODE_REV, &rev))
		return 0;
	return rev;
}

/* MSR values at reset. */
void msr_reset(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_msrs *msrs = &vcpu->msrs;

	msrs->misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
			    MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	msrs->platform_info = MSR_PLATFORM_INFO_DEFAULT;
	msrs->ucode_rev = kvm_vendor->isa == KVM_ISA_VMX ? UCODE_REV_INTEL :
							   UCODE_REV_AMD;
	msrs->mcg_cap = KVM_MCE_BANKS_MAX;
	msrs->arch_caps = kvm_guest_arch_caps();
	msrs->de_cfg = msr_de_cfg_offered();
}

/* Serve the entries until one is refused; how many were served. */
static unsigned int msr_entries_run(struct kvm_vcpu *vcpu, bool set,
				    struct kvm_msr_entry *entries,
				    unsigned int count)
{
	unsigned int i;
	int bad;

	for (i = 0; i < count; i++) {
		if (set)
			bad = x86_set_msr(vcpu, entries[i].index,
					  entries[i].data, true);
		else
			bad = x86_get_msr(vcpu, entries[i].index,
					  &entries[i].data, true);
		if (bad)
			break;
	}
	return i;
}

/**
 * x86_msr_ioctl() - KVM_GET_MSRS, KVM_SET_MSRS
 * @vcpu: loaded
 * @ioctl: which of the two
 * @arg: struct kvm_msrs of userspace
 *
 * Context: may sleep.
 * Return: how many entries were served, -E2BIG, -EFAULT, -ENOMEM.
 */
long x86_msr_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *arg)
{
	struct kvm_msrs __user *user = arg;
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
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
	ret = msr_entries_run(vcpu, ioctl == KVM_SET_MSRS, entries, head.nmsrs);
	if (ioctl == KVM_GET_MSRS && copy_to_user(user->entries, entries, bytes))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

static bool msr_desc_listed(const struct msr_desc *desc)
{
	if (!(desc->flags & MSR_LISTED))
		return false;
	if (desc->first == MSR_TSC_AUX)
		return x86_host_offers(X86_FEATURE_RDTSCP) ||
		       x86_host_offers(X86_FEATURE_RDPID);
	if (desc->first == MSR_IA32_SPEC_CTRL)
		return x86_host_offers(X86_FEATURE_SPEC_CTRL) ||
		       x86_host_offers(X86_FEATURE_AMD_IBRS);
	return true;
}

/**
 * x86_msr_index_list() - KVM_GET_MSR_INDEX_LIST
 * @user: .nmsrs says how many fit; always set to how many there are
 *
 * Only what userspace can read and write for every guest is listed.
 * Return: 0, -EFAULT, -E2BIG.
 */
int x86_msr_index_list(struct kvm_msr_list __user *user)
{
	u32 room, count = 0, index;
	unsigned int i;
	int ret = 0;

	if (get_user(room, &user->nmsrs))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(msr_table); i++) {
		if (!msr_desc_listed(&msr_table[i]))
			continue;
		for (index = msr_table[i].first; index <= msr_table[i].last; index++)
			count++;
	}
	if (put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	count = 0;
	for (i = 0; i < ARRAY_SIZE(msr_table); i++) {
		if (!msr_desc_listed(&msr_table[i]))
			continue;
		for (index = msr_table[i].first; index <= msr_table[i].last; index++) {
			if (put_user(index, &user->indices[count++]))
				ret = -EFAULT;
		}
	}
	return ret;
}
