/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of kvm-intel.ko share: capabilities, the vcpu, and who does
 * what. "SDM" is Intel's Software Developer's Manual, volume 3C.
 */
#ifndef KVM_SWAP_INTEL_VMX_H
#define KVM_SWAP_INTEL_VMX_H

#include <linux/list.h>
#include <asm/processor-flags.h>
#include <kvm/vendor.h>
#include <kvm/x86.h>
#include <compat/mitigation.h>
#include "insn.h"

/*
 * The CPU's offer, turned into the control words we use. Written by module
 * init, constant after; every CPU that is enabled must answer the same.
 */
struct vmx_caps {
	u64 basic;			/* IA32_VMX_BASIC: revision, region size */
	u32 pin, primary, secondary;	/* execution controls we can use */
	u32 secondary_may;		/* ones a guest's CPUID can add */
	u32 exit, entry;		/* VM-exit and VM-entry controls of every vcpu */
	u64 ept_vpid;			/* IA32_VMX_EPT_VPID_CAP */
	u64 cr0_fixed0, cr0_fixed1;	/* without PE and PG: the guest is unrestricted */
	u64 cr4_fixed0, cr4_fixed1;
};

extern struct vmx_caps vmx_caps;

/* Module parameters after the CPU has had its say; constant after module init. */
extern bool vmx_use_vpid, vmx_use_eptad;
/* When an entry flushes the first-level data cache; constant after module init. */
extern enum kvm_l1d_mode vmx_l1d_mode;

/*
 * Host state that a stay in the guest overwrites and no VMCS field restores.
 * Read by vmx_switch_to_guest(), put back by vmx_vcpu_put().
 */
struct vmx_host {
	u64 kernel_gs_base;		/* user space's GS base while in the kernel */
	u64 tsc_aux;
	u16 ds, es, fs, gs, ldt;
};

/* Guest MSRs that live in the CPU while the guest is loaded. */
struct vmx_guest_msrs {
	u64 star, lstar, fmask;		/* accesses exit: always right here */
	u64 kernel_gs_base;		/* in the CPU while ->guest_loaded */
	u64 cstar;			/* no Intel CPU uses it; kept for the guest to read */
	u64 tsc_aux;
};

/*
 * Legend: [t] the vcpu's thread, under vcpu.mutex   [o] written once at creation
 * [p] preemption off on vmcs_cpu, or the owner of a vcpu nobody else can see
 * [c] IRQs off on vmcs_cpu; cleared by that CPU with release when it lets go
 */
struct vmx_vcpu {
	struct kvm_vcpu vcpu;		/* keep first */
	void *vmcs;			/* [o] one page */
	u64 vmcs_pa;			/* [o] */
	int vmcs_cpu;			/* [c] CPU that may cache the VMCS, -1: none */
	struct list_head cpu_link;	/* [c] in that CPU's list of loaded VMCSs */
	bool launched;			/* [c] VMRESUME, not VMLAUNCH */
	u16 vpid;			/* [o] 0: runs without */

	u64 eptp;			/* [p] */
	u64 host_rsp;			/* [p] what HOST_RSP holds, written by switch.S */
	unsigned long host_cr3, host_cr4;	/* [p] what the VMCS holds */
	u64 host_fs_base;		/* [p] what the VMCS holds */
	bool guest_loaded;		/* [p] ->host is to be restored */
	bool tsc_aux_loaded;		/* [p] so is IA32_TSC_AUX */
	bool syscall_loaded;		/* [p] so are the MSRs of SYSCALL */
	unsigned long host_gdt;		/* [p] base of this CPU's GDT, as the host runs with it */
	struct vmx_host host;		/* [p] */
	struct vmx_guest_msrs msrs;	/* [t] */

	u32 pin, primary, secondary;	/* [t] copies of the VMCS's controls */
	u64 cr0_shadow, cr4_shadow;	/* [t] copies of the read shadows */
	u64 cr4_guest_owned;		/* [t] CR4 bits the guest changes without an exit */

	u32 exit_reason;		/* [t] of the latest exit, whole */
	u32 intr_info;			/* [t] valid for exits by exception, NMI, interrupt */
	u32 entry_flags;		/* [t] what vmx_world_switch() answered */
	bool entry_failed;		/* [t] ->exit_reason says why */
	bool check_debug;		/* [t] a trap and a shadow may contradict each other */
	bool l1d_flush;			/* [t] code with secrets has run since the latest flush */
	bool spec_ctrl_own;		/* [t] the guest has its own IA32_SPEC_CTRL */
	u64 spec_ctrl;			/* [t] its value */
};

static_assert(offsetof(struct vmx_vcpu, vcpu) == 0);

static inline struct vmx_vcpu *to_vmx(struct kvm_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* CR0 bits a guest changes without an exit; the others show it the read shadow. */
#define VMX_CR0_GUEST_OWNED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | \
				 X86_CR0_WP | X86_CR0_AM | X86_CR0_PG)

/* --- caps.c */
int vmx_caps_init(void);		/* module init: 0 or -EOPNOTSUPP and a logged sentence */
bool vmx_caps_same(void);		/* this CPU offers what module init saw */

/* --- cpu.c: which VMCS is where. */
int vmx_cpu_init(void);			/* 0 or -ENOMEM, -EBUSY; may sleep */
void vmx_cpu_exit(void);
int vmx_cpu_enable(void);		/* [I] */
void vmx_cpu_disable(void);		/* [I] */
/*
 * Make @vmx's VMCS current on this CPU. [P], IRQs on. True if this CPU did not
 * have it: per-CPU host fields must be written and translations flushed.
 */
bool vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu);
/* Let no CPU cache @vmx's VMCS any more. IRQs on, the vcpu is not running. */
void vmx_vmcs_release(struct vmx_vcpu *vmx);

/* --- tlb.c */
int vmx_tlb_init(void);
void vmx_tlb_exit(void);
u16 vmx_vpid_alloc(void);		/* 0: none left */
void vmx_vpid_free(u16 vpid);
void vmx_flush_tlb(struct kvm_vcpu *vcpu);
void vmx_flush_cpu(void);		/* [I] everything cached on this CPU */
/* The guest's own translations, as its write of a control register asks. loaded */
void vmx_flush_linear(struct vmx_vcpu *vmx);
void vmx_set_root(struct kvm_vcpu *vcpu, hpa_t root, int levels);

/* --- vmcs.c */
int vmx_vcpu_init(struct kvm_vcpu *vcpu);
void vmx_vcpu_destroy(struct kvm_vcpu *vcpu);
void vmx_vcpu_update(struct kvm_vcpu *vcpu);
int vmx_vmcs_init(void);		/* module-wide pages; 0 or -ENOMEM */
void vmx_vmcs_exit(void);

/* --- host.c */
void vmx_host_init(void);		/* constants of this kernel */
void vmx_host_fields(void);		/* host fields that never change. VMCS current */
void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu);
void vmx_vcpu_put(struct kvm_vcpu *vcpu);
void vmx_vcpu_leave(struct kvm_vcpu *vcpu);
void vmx_switch_to_guest(struct kvm_vcpu *vcpu);
/* The guest's EFER or one of its SYSCALL MSRs has changed. loaded */
void vmx_syscall_changed(struct vmx_vcpu *vmx);

/* --- state.c */
void vmx_lazy_load(struct kvm_vcpu *vcpu, u32 mask);
void vmx_set_cr0(struct kvm_vcpu *vcpu, u64 cr0);
void vmx_set_cr3(struct kvm_vcpu *vcpu, u64 cr3);
void vmx_set_cr4(struct kvm_vcpu *vcpu, u64 cr4);
void vmx_set_efer(struct kvm_vcpu *vcpu, u64 efer);
void vmx_set_dr7(struct kvm_vcpu *vcpu, u64 dr7);
/* Recompute who owns which CR4 bit. loaded */
void vmx_update_cr4_owner(struct vmx_vcpu *vmx);
void vmx_reset_state(struct vmx_vcpu *vmx);	/* VMCS current */

/* --- segment.c */
void vmx_get_segment(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out);
void vmx_set_segment(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in);
void vmx_get_table(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out);
void vmx_set_table(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in);
int vmx_get_cpl(struct kvm_vcpu *vcpu);
void vmx_get_pdptrs(struct kvm_vcpu *vcpu, u64 *pdptrs);
void vmx_set_pdptrs(struct kvm_vcpu *vcpu, const u64 *pdptrs);
void vmx_reset_segments(struct kvm_vcpu *vcpu);

/* --- msr.c */
int vmx_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int vmx_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val);
void vmx_set_tsc_offset(struct kvm_vcpu *vcpu, u64 offset);
void vmx_msr_bitmap_fill(u8 *bitmap);	/* a page: 1 intercepts */

/* --- event.c */
u32 vmx_get_shadow(struct kvm_vcpu *vcpu);
void vmx_set_shadow(struct kvm_vcpu *vcpu, u32 shadow);
void vmx_inject(struct kvm_vcpu *vcpu, const struct kvm_event *ev);
void vmx_cancel_injection(struct kvm_vcpu *vcpu);
void vmx_irq_window(struct kvm_vcpu *vcpu, bool on);
void vmx_nmi_window(struct kvm_vcpu *vcpu, bool on);
/* The event whose delivery the latest exit broke off: exit->info2 is valid and says. */
void vmx_vectoring_facts(struct vmx_vcpu *vmx, struct kvm_exit *exit);
/* An IRET that lifted NMI blocking has faulted: it blocks again. */
void vmx_nmi_reblock(void);
/* Make TF, the shadow and the pending debug exceptions agree. */
void vmx_fix_pending_debug(struct vmx_vcpu *vmx);

/* --- exit.c */
void vmx_exit_facts(struct kvm_vcpu *vcpu, struct kvm_exit *exit);
void vmx_host_event(struct kvm_vcpu *vcpu);

/* --- enter.c, switch.S */
int vmx_enter(struct kvm_vcpu *vcpu);

/* --- format.c */
const struct kvm_mmu_format *vmx_format_init(void);

#endif
