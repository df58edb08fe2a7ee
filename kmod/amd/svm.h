/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of kvm-amd.ko share.
 */
#ifndef KVM_SWAP_AMD_SVM_H
#define KVM_SWAP_AMD_SVM_H

#include <linux/percpu.h>
#include <asm/processor-flags.h>
#include <kvm/vendor.h>
#include "hw.h"

/* What this machine's SVM can do. Constant after module init. */
struct svm_features {
	bool nrips;		/* exits deliver the next RIP */
	bool decode_assists;	/* CR exits name the register, NPF brings bytes */
	bool flush_by_asid;
	bool tsc_aux;		/* RDTSCP or RDPID exists */
	u32 asid_min, asid_max;
	u64 cr4_present;	/* CR4 bits this CPU lets a guest set */
	u64 cr4_forced;		/* CR4 bits the host needs set while a guest runs */
};

extern struct svm_features svm_features;

/*
 * One CPU. Touched by that CPU only, with IRQs off, except at module init and
 * exit. asid_generation starts above 0, so that 0 in a vcpu never matches.
 */
struct svm_cpu {
	u64 asid_generation;
	u32 asid_next;
	bool flush_all;		/* ASIDs are being reused and no flush has happened yet */
	u64 tsc_aux;		/* the host's TSC_AUX */
	hpa_t host_pa;		/* what VMSAVE keeps of the host, for the way back */
	struct page *pages;	/* VM_HSAVE_PA's page, then host_pa's */
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/* Rare work of enter(), tested as one word. */
enum svm_slow {
	SVM_SLOW_DR = BIT(0),		/* the guest's breakpoint registers are live */
	SVM_SLOW_IRET = BIT(1),		/* an IRET that ends NMI blocking is executing */
	SVM_SLOW_NMI_STEP = BIT(2),	/* TF is ours: exit when NMIs can be taken */
	SVM_SLOW_SOFT = BIT(3),		/* a software interrupt was injected */
};

/*
 * One virtual CPU; same lifetime as .vcpu, which comes first.
 * [o] written once at creation   [t] the vcpu's thread   [p] preemption off
 */
struct svm_vcpu {
	struct kvm_vcpu vcpu;
	struct svm_vmcb *vmcb;		/* [o] */
	hpa_t vmcb_pa;			/* [o] */
	u64 asid_generation;		/* [p] svm_cpu's when the ASID was given, 0 never */
	int asid_cpu;			/* [p] where it was given */
	u32 slow;			/* [t] enum svm_slow */

	u64 cr0_hidden;			/* [t] CD and NW as the guest sees them */
	u64 cr4_hidden;			/* [t] bits set in hardware, clear for the guest */
	u64 cr4_watched;		/* [t] bits it is not to clear unnoticed */
	bool cr4_guarded;		/* [t] CPUID hides a feature that CR4 would give */
	bool has_tsc_aux;		/* [t] the guest can read TSC_AUX without an exit */
	bool tsc_aux_loaded;		/* [p] the CPU holds the guest's TSC_AUX */
	u64 tsc_aux;			/* [t] the guest's */

	bool nmi_masked;		/* [t] an NMI handler has not executed IRET yet */
	u64 iret_rip;			/* [t] of the IRET, with SVM_SLOW_IRET */
	u64 step_rip;			/* [t] with SVM_SLOW_NMI_STEP: where the step began */
	bool step_guest_tf;		/* [t] the guest's own TF there */
	u64 soft_rip, soft_next;	/* [t] with SVM_SLOW_SOFT: instruction, return address */
};

static inline struct svm_vcpu *to_svm(struct kvm_vcpu *vcpu)
{
	BUILD_BUG_ON(offsetof(struct svm_vcpu, vcpu) != 0);
	return (struct svm_vcpu *)vcpu;
}

static inline void svm_intercept(struct svm_vcpu *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[bit / 32];

	if (on)
		*word |= BIT(bit % 32);
	else
		*word &= ~BIT(bit % 32);
}

#define SVM_CR0_HIDE	(X86_CR0_CD | X86_CR0_NW)
#define SVM_LAZY_CRS	(KVM_LAZY_CR0 | KVM_LAZY_CR3 | KVM_LAZY_CR4 | KVM_LAZY_EFER)

/* --- cpu.c */
int svm_cpus_alloc(void);
void svm_cpus_free(void);
int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_asid_assign(struct svm_vcpu *svm, struct svm_cpu *cpu);

/* --- vmcb.c */
int svm_maps_alloc(void);
void svm_maps_free(void);
int svm_vcpu_init(struct kvm_vcpu *vcpu);
void svm_vcpu_destroy(struct kvm_vcpu *vcpu);
void svm_vcpu_update(struct kvm_vcpu *vcpu);

/* --- switch.c */
void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu);
void svm_vcpu_put(struct kvm_vcpu *vcpu);
void svm_switch_to_guest(struct kvm_vcpu *vcpu);
void svm_lazy_load(struct kvm_vcpu *vcpu, u32 mask);
int svm_enter(struct kvm_vcpu *vcpu);
void svm_host_event(struct kvm_vcpu *vcpu);
void svm_tsc_aux_changed(struct svm_vcpu *svm);
void svm_flush_tlb(struct kvm_vcpu *vcpu);
void svm_set_root(struct kvm_vcpu *vcpu, hpa_t root, int levels);

/* --- enter.S */
int svm_world_switch(struct kvm_vcpu_regs *regs, hpa_t vmcb_pa, hpa_t host_pa);

/* --- state.c */
void svm_lazy_store(struct kvm_vcpu *vcpu);
void svm_cr_fixup(struct svm_vcpu *svm);
void svm_cr_intercepts(struct svm_vcpu *svm);
void svm_set_cr0(struct kvm_vcpu *vcpu, u64 cr0);
void svm_set_cr3(struct kvm_vcpu *vcpu, u64 cr3);
void svm_set_cr4(struct kvm_vcpu *vcpu, u64 cr4);
void svm_set_efer(struct kvm_vcpu *vcpu, u64 efer);
void svm_get_segment(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out);
void svm_set_segment(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in);
void svm_get_table(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out);
void svm_set_table(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in);
int svm_get_cpl(struct kvm_vcpu *vcpu);
int svm_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int svm_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val);
void svm_set_tsc_offset(struct kvm_vcpu *vcpu, u64 offset);

/* --- debug.c */
void svm_set_dr7(struct kvm_vcpu *vcpu, u64 dr7);
void svm_dr_lend(struct svm_vcpu *svm);
void svm_dr_reclaim(struct svm_vcpu *svm);
void svm_dr_load(struct svm_vcpu *svm);
void svm_dr_save(struct svm_vcpu *svm);

/* --- event.c */
u32 svm_get_shadow(struct kvm_vcpu *vcpu);
void svm_set_shadow(struct kvm_vcpu *vcpu, u32 shadow);
void svm_inject(struct kvm_vcpu *vcpu, const struct kvm_event *ev);
void svm_cancel_injection(struct kvm_vcpu *vcpu);
void svm_irq_window(struct kvm_vcpu *vcpu, bool on);
void svm_nmi_window(struct kvm_vcpu *vcpu, bool on);
void svm_iret_intercepted(struct svm_vcpu *svm);
void svm_step_before_entry(struct svm_vcpu *svm);
void svm_step_after_exit(struct svm_vcpu *svm);
bool svm_step_done(struct svm_vcpu *svm);
void svm_event_taken(struct svm_vcpu *svm, struct kvm_exit *exit);

/* --- exit.c */
void svm_exit_facts(struct kvm_vcpu *vcpu, struct kvm_exit *exit);

/* --- format.c */
extern struct kvm_mmu_format svm_format;
void svm_format_init(void);

#endif
