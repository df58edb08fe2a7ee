/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPU-vulnerability mitigations around the guest, following the host's own mode.
 * The ones that must sit in the world switch are macros in entry_asm.h.
 * docs/security.md says which is done where.
 */
#ifndef KVM_COMPAT_MITIGATION_H
#define KVM_COMPAT_MITIGATION_H

#include <linux/percpu.h>
#include <linux/static_key.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>
#include <asm/spec-ctrl.h>
#include "config.h"
#include "msr.h"

/*
 * [P] Another vcpu than the last one runs on this CPU: does its predecessor's
 * branch history have to go? Then call kvm_ibpb().
 */
static __always_inline bool kvm_mitigate_ibpb_on_switch(void)
{
#ifdef KVM_HAVE_SWITCH_VCPU_IBPB
	return static_branch_likely(&switch_vcpu_ibpb);
#else
	return boot_cpu_has(X86_FEATURE_USE_IBPB);
#endif
}

/* [P] Indirect Branch Prediction Barrier on this CPU. */
static __always_inline void kvm_ibpb(void)
{
	indirect_branch_prediction_barrier();
}

/*
 * [I] The guest has run on this CPU: its predictions must not reach userspace
 * (VMSCAPE). The kernel does the barrier on its way out, if there is one.
 */
static __always_inline void kvm_mark_ibpb_exit_to_user(void)
{
#ifdef KVM_HAVE_IBPB_EXIT_TO_USER
	if (boot_cpu_has(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/*
 * Must CPU buffers (MDS, TAA, MMIO stale data, RFDS, TSA) be cleared at every
 * entry? KVM_CLEAR_CPU_BUFFERS in the world switch covers every bug but one;
 * this answers for that one, and kvm_verw() is its cure.
 */
static __always_inline bool kvm_mitigate_verw(void)
{
#if defined(KVM_HAVE_MMIO_STALE_DATA_KEY)
	return static_branch_unlikely(&mmio_stale_data_clear);
#elif defined(KVM_HAVE_CLEAR_CPU_BUF_VM_MMIO)
	return boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO);
#else
	return false;
#endif
}

/* [I] Right before the entry; nothing secret may be touched in between. */
static __always_inline void kvm_verw(void)
{
	asm volatile("verw %[sel]" : : [sel] "m" (x86_verw_sel) : "cc");
}

enum kvm_l1d_mode {
	KVM_L1D_NEVER,		/* not vulnerable, or the administrator said so */
	KVM_L1D_COND,		/* after an exit that ran code with secrets */
	KVM_L1D_ALWAYS,		/* at every entry */
};

/* VMX: what the host's L1TF mode asks of an entry. Constant after module init. */
enum kvm_l1d_mode kvm_mitigate_l1d_mode(void);

/* [P] COND: has an interrupt run on this CPU since the latest flush? */
bool kvm_l1d_irq_ran(void);

/* [I] Flush the first-level data cache of this CPU. */
void kvm_l1d_flush(void);

/* Executable huge pages can machine-check this CPU: map them as 4 KiB pages. */
bool kvm_itlb_multihit(void);

/* The host's IA32_SPEC_CTRL for the current thread; 0 where there is no such MSR. [P] */
static __always_inline u64 kvm_host_spec_ctrl(void)
{
	return this_cpu_read(x86_spec_ctrl_current);
}

/* Does the MSR exist and does the host's mode use it? */
static __always_inline bool kvm_has_spec_ctrl(void)
{
	return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
}

/*
 * SVM, [I]: load the guest's value before the switch and the host's after it.
 * For VMX the value must be back before the first RET: KVM_SPEC_CTRL_TO_HOST
 * in entry_asm.h is the exit's half there.
 */
static __always_inline void kvm_spec_ctrl_enter(u64 guest)
{
	if (kvm_has_spec_ctrl() && guest != kvm_host_spec_ctrl())
		native_wrmsrq(MSR_IA32_SPEC_CTRL, guest);
}

static __always_inline void kvm_spec_ctrl_exit(u64 guest)
{
	if (kvm_has_spec_ctrl() && guest != kvm_host_spec_ctrl())
		native_wrmsrq(MSR_IA32_SPEC_CTRL, kvm_host_spec_ctrl());
}

/*
 * [I] SVM is on for guests on this CPU from now on, or no longer. Where SRSO is
 * mitigated by reduced speculation (Zen 5), the kernel leaves that bit to the
 * hypervisor, since it costs speed and only guests make it needed.
 */
static inline void kvm_mitigate_svm_cpu(bool guests)
{
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	u64 cfg;

	if (!boot_cpu_has(X86_FEATURE_SRSO_BP_SPEC_REDUCE))
		return;
	rdmsrq(MSR_ZEN4_BP_CFG, cfg);
	if (guests)
		cfg |= BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	else
		cfg &= ~BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT);
	wrmsrq(MSR_ZEN4_BP_CFG, cfg);
#endif
}

/*
 * IA32_ARCH_CAPABILITIES for a guest: what its kernel need not work around, because of
 * the CPU or of what is done around the guest, and which of its own remedies work.
 * May sleep; the same at all times.
 */
u64 kvm_guest_arch_caps(void);

/* kvm.ko's module life: decides the modes once. 0 or -ENOMEM. May sleep. */
int kvm_mitigation_init(void);
void kvm_mitigation_exit(void);

#endif
