// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION: what works. Anything not listed is 0. VMMs enable what
 * is reported here and stop if that fails, so an entry comes with its feature
 * and not before. Booleans are exactly 1.
 */
#include <linux/cpumask.h>
#include <asm/cpufeature.h>

#include <compat/uapi.h>
#include <kvm/irqchip.h>
#include <kvm/paravirt.h>
#include <kvm/x86.h>
#include "core.h"

static int caps_nr_vcpus(void)
{
	return min_t(int, num_online_cpus(), KVM_VCPUS_MAX);
}

static int caps_xcrs(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

/* Odd ways that VMMs know, and can switch off: api.rst, "KVM_CAP_DISABLE_QUIRKS2". */
#define CAPS_QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_OUT_7E_INC_RIP |	\
			 KVM_X86_QUIRK_FIX_HYPERCALL_INSN |				\
			 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

static const struct cap {
	u32 cap;
	int value;
	int (*get)(void);	/* used instead of .value where it is set */
} caps[] = {
	{ .cap = KVM_CAP_IRQCHIP, .value = 1 },
	{ .cap = KVM_CAP_HLT, .value = 1 },
	{ .cap = KVM_CAP_USER_MEMORY, .value = 1 },
	{ .cap = KVM_CAP_SET_TSS_ADDR, .value = 1 },
	{ .cap = KVM_CAP_VAPIC, .value = 1 },
	{ .cap = KVM_CAP_EXT_CPUID, .value = 1 },
	{ .cap = KVM_CAP_CLOCKSOURCE, .value = 1 },
	{ .cap = KVM_CAP_NR_VCPUS, .get = caps_nr_vcpus },
	{ .cap = KVM_CAP_NR_MEMSLOTS, .value = KVM_SLOTS_MAX },
	{ .cap = KVM_CAP_NOP_IO_DELAY, .value = 1 },
	{ .cap = KVM_CAP_PIT, .value = 1 },
	{ .cap = KVM_CAP_MP_STATE, .value = 1 },
	{ .cap = KVM_CAP_COALESCED_MMIO, .value = KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ .cap = KVM_CAP_SYNC_MMU, .value = 1 },
	{ .cap = KVM_CAP_DESTROY_MEMORY_REGION_WORKS, .value = 1 },
	{ .cap = KVM_CAP_USER_NMI, .value = 1 },
	{ .cap = KVM_CAP_REINJECT_CONTROL, .value = 1 },
	{ .cap = KVM_CAP_IRQ_ROUTING, .value = KVM_GSI_MAX },
	{ .cap = KVM_CAP_IRQ_INJECT_STATUS, .value = 1 },
	{ .cap = KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, .value = 1 },
	{ .cap = KVM_CAP_MCE, .value = KVM_MCE_BANKS_MAX },
	{ .cap = KVM_CAP_SET_BOOT_CPU_ID, .value = 1 },
	{ .cap = KVM_CAP_IRQFD, .value = 1 },
	{ .cap = KVM_CAP_PIT2, .value = 1 },
	{ .cap = KVM_CAP_PIT_STATE2, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD, .value = 1 },
	{ .cap = KVM_CAP_SET_IDENTITY_MAP_ADDR, .value = 1 },
	{ .cap = KVM_CAP_ADJUST_CLOCK, .value = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME |
						KVM_CLOCK_HOST_TSC },
	{ .cap = KVM_CAP_INTERNAL_ERROR_DATA, .value = 1 },
	{ .cap = KVM_CAP_VCPU_EVENTS, .value = 1 },
	{ .cap = KVM_CAP_DEBUGREGS, .value = 1 },
	{ .cap = KVM_CAP_X86_ROBUST_SINGLESTEP, .value = 1 },
	{ .cap = KVM_CAP_ENABLE_CAP, .value = 1 },
	{ .cap = KVM_CAP_XSAVE, .value = 1 },
	{ .cap = KVM_CAP_XCRS, .get = caps_xcrs },
	{ .cap = KVM_CAP_ASYNC_PF, .value = 1 },
	{ .cap = KVM_CAP_GET_TSC_KHZ, .value = 1 },
	{ .cap = KVM_CAP_MAX_VCPUS, .value = KVM_VCPUS_MAX },
	{ .cap = KVM_CAP_TSC_DEADLINE_TIMER, .value = 1 },
	{ .cap = KVM_CAP_KVMCLOCK_CTRL, .value = 1 },
	{ .cap = KVM_CAP_SIGNAL_MSI, .value = 1 },
	{ .cap = KVM_CAP_READONLY_MEM, .value = 1 },
	{ .cap = KVM_CAP_IRQFD_RESAMPLE, .value = 1 },
	{ .cap = KVM_CAP_IOAPIC_POLARITY_IGNORED, .value = 1 },
	{ .cap = KVM_CAP_ENABLE_CAP_VM, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD_NO_LENGTH, .value = 1 },
	{ .cap = KVM_CAP_CHECK_EXTENSION_VM, .value = 1 },
	{ .cap = KVM_CAP_IOEVENTFD_ANY_LENGTH, .value = 1 },
	{ .cap = KVM_CAP_SPLIT_IRQCHIP, .value = 1 },
	{ .cap = KVM_CAP_MAX_VCPU_ID, .value = KVM_VCPU_ID_MAX },
	{ .cap = KVM_CAP_X2APIC_API, .value = KVM_X2APIC_API_USE_32BIT_IDS |
					      KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ .cap = KVM_CAP_IMMEDIATE_EXIT, .value = 1 },
	{ .cap = KVM_CAP_GET_MSR_FEATURES, .value = 1 },
	{ .cap = KVM_CAP_COALESCED_PIO, .value = 1 },
	{ .cap = KVM_CAP_MSR_PLATFORM_INFO, .value = 1 },
	{ .cap = KVM_CAP_EXCEPTION_PAYLOAD, .value = 1 },
	{ .cap = KVM_CAP_ASYNC_PF_INT, .value = 1 },
	{ .cap = KVM_CAP_LAST_CPU, .value = 1 },
	{ .cap = KVM_CAP_STEAL_TIME, .get = steal_available },
	{ .cap = KVM_CAP_SREGS2, .value = 1 },
	{ .cap = KVM_CAP_BINARY_STATS_FD, .value = 1 },
	{ .cap = KVM_CAP_XSAVE2, .value = sizeof(struct kvm_xsave) },
	{ .cap = KVM_CAP_SYS_ATTRIBUTES, .value = 1 },
	{ .cap = KVM_CAP_DISABLE_QUIRKS2, .value = CAPS_QUIRKS },
	{ .cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .value = 1 },
};

int caps_check(unsigned long cap)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].get ? caps[i].get() : caps[i].value;
	return 0;
}

static int enable_exception_payload(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	WRITE_ONCE(kvm->exception_payload, cap->args[0]);
	return 0;
}

static int enable_triple_fault_event(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	WRITE_ONCE(kvm->triple_fault_event, cap->args[0]);
	return 0;
}

static int enable_split_irqchip(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	return irqchip_enable_split(kvm, cap->args[0]);
}

static int enable_x2apic_api(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	return irqchip_enable_x2apic_api(kvm, cap->args[0]);
}

static int enable_msr_platform_info(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	WRITE_ONCE(kvm->hide_platform_info, !cap->args[0]);
	return 0;
}

static int disable_quirks(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~(u64)CAPS_QUIRKS)
		return -EINVAL;
	WRITE_ONCE(kvm->quirks_off, cap->args[0]);
	return 0;
}

/* What a VM's KVM_ENABLE_CAP knows. Handlers check .args themselves. */
static const struct cap_enable {
	u32 cap;
	int (*enable)(struct kvm *kvm, const struct kvm_enable_cap *cap);
} cap_enables[] = {
	{ KVM_CAP_SPLIT_IRQCHIP, enable_split_irqchip },
	{ KVM_CAP_X2APIC_API, enable_x2apic_api },
	{ KVM_CAP_EXCEPTION_PAYLOAD, enable_exception_payload },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, enable_triple_fault_event },
	{ KVM_CAP_MSR_PLATFORM_INFO, enable_msr_platform_info },
	{ KVM_CAP_DISABLE_QUIRKS2, disable_quirks },
};

int caps_enable_vm(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	int i;

	if (cap->flags)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(cap_enables); i++)
		if (cap_enables[i].cap == cap->cap)
			return cap_enables[i].enable(kvm, cap);
	return -EINVAL;
}

/* No capability is a vcpu's own yet. */
int caps_enable_vcpu(struct kvm_vcpu *vcpu, const struct kvm_enable_cap *cap)
{
	return -EINVAL;
}
