/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole contract between kvm.ko and a vendor module.
 *
 * A vendor module knows one instruction set (VMX or SVM). It owns the control
 * block, the world switch and the reading of exit information; it reports facts
 * (include/kvm/exit.h) and is told what to load. Policy lives in kvm.ko.
 */
#ifndef KVM_SWAP_VENDOR_H
#define KVM_SWAP_VENDOR_H

#include <linux/module.h>
#include <kvm/vm.h>
#include <kvm/vcpu.h>
#include <kvm/exit.h>

/* MODULE_VERSION of all three modules, and what dkms.conf says. */
#define KVM_SWAP_VERSION	"0.1.0"

/* Changes whenever the meaning of anything in include/kvm/ changes. */
#define KVM_VENDOR_COOKIE	0x6b767301U

enum kvm_isa { KVM_ISA_VMX = 1, KVM_ISA_SVM = 2 };	/* as kvm:kvm_exit reports it */

enum kvm_table { KVM_TABLE_GDT, KVM_TABLE_IDT };

/* Interruptibility of the guest, as flags. */
enum kvm_shadow {
	KVM_SHADOW_STI = BIT(0),
	KVM_SHADOW_MOV_SS = BIT(1),
	KVM_SHADOW_NMI = BIT(2),	/* NMIs are blocked until IRET */
};

/* x86 segment register numbers: the order of ModRM's reg field, then TR, LDTR. */
enum kvm_seg { KVM_ES, KVM_CS, KVM_SS, KVM_DS, KVM_FS, KVM_GS, KVM_TR, KVM_LDTR };

/* What a vendor can do; constant after registration. */
struct kvm_vendor_caps {
	bool next_rip;		/* exits say how long the instruction was */
	bool decode_assist;	/* memory faults deliver instruction bytes */
	bool tsc_scaling;
	u8 tdp_levels;		/* 4 (5 where the host uses it) */
	u64 cpuid_hide_7_0_ebx;	/* features this vendor code cannot give a guest */
};

/**
 * struct kvm_vendor_ops - a vendor module's side of the contract
 *
 * Context legend, per operation:
 *  [S] may sleep   [P] preemption off, on the vcpu's CPU   [I] also IRQs off
 * "loaded" means between vcpu_load() and vcpu_put() on this CPU. Operations
 * that read or write guest state are called by the vcpu's thread, loaded.
 */
struct kvm_vendor_ops {
	u32 cookie;			/* KVM_VENDOR_COOKIE */
	u32 ops_size;			/* sizeof(struct kvm_vendor_ops) */
	u32 kvm_size, kvm_vcpu_size;	/* sizeof(struct kvm), (struct kvm_vcpu) */
	u32 vm_size, vcpu_size;		/* vendor's own structures, kvm/vcpu first */
	struct module *owner;
	const char *name;		/* "SVM" or "VMX" */
	u32 isa;			/* enum kvm_isa */
	struct kvm_vendor_caps caps;
	const struct kvm_mmu_format *format;

	/* This CPU's virtualization on/off. [I] 0, -EBUSY, -EIO. */
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	int (*vm_init)(struct kvm *kvm);				/* [S] */
	void (*vm_destroy)(struct kvm *kvm);				/* [S] */

	/* Fresh vcpu: control block allocated and in the architectural reset state. [S] */
	int (*vcpu_init)(struct kvm_vcpu *vcpu);
	void (*vcpu_destroy)(struct kvm_vcpu *vcpu);			/* [S] */
	/* The guest's CPUID or memory layout changed: re-derive intercepts. [S], loaded */
	void (*vcpu_update)(struct kvm_vcpu *vcpu);

	void (*vcpu_load)(struct kvm_vcpu *vcpu, int cpu);		/* [P] */
	void (*vcpu_put)(struct kvm_vcpu *vcpu);	/* [P] restores all host state */
	/*
	 * After vcpu_put(): leave nothing on this CPU that vcpu_load() on another would
	 * have to wait for. NULL: it never does. [I], under the run queue's lock
	 */
	void (*vcpu_leave)(struct kvm_vcpu *vcpu);
	/* Load what stays in the CPU across exits (guest MSRs). [P], once per load */
	void (*switch_to_guest)(struct kvm_vcpu *vcpu);

	/*
	 * Enter the guest and come back. [I]. It calls kvm_guest_enter_irqoff()
	 * and kvm_guest_exit_irqoff() itself, with nothing instrumentable
	 * between them and the switch; loads and saves CR2 and, once the guest
	 * uses them, the debug registers. XCR0 is the core's (before and after
	 * the call), so is kvm_guest_time_end(). Writes back ->regs.dirty first,
	 * sets ->regs.avail to what it read back. GPRs other than RSP are in
	 * ->regs.gpr[]. Returns 0, or -EIO when the hardware refused the entry
	 * (then exit_facts() answers KVM_FACT_ENTRY_FAILED).
	 */
	int (*enter)(struct kvm_vcpu *vcpu);
	/* Right after enter(), [I]: deliver to the host the NMI, IRQ or #MC that ended it. */
	void (*host_event)(struct kvm_vcpu *vcpu);
	/* Why the guest stopped. Preemptible, loaded. Handles nothing itself. */
	void (*exit_facts)(struct kvm_vcpu *vcpu, struct kvm_exit *exit);

	/* Make the next entry start with no cached guest translation of this VM. [I] */
	void (*flush_tlb)(struct kvm_vcpu *vcpu);
	/* The second-level root (host physical address, levels), before the first entry. [P] */
	void (*set_root)(struct kvm_vcpu *vcpu, hpa_t root, int levels);

	/* Load the lazy registers in @mask into ->regs and set ->regs.avail. loaded */
	void (*lazy_load)(struct kvm_vcpu *vcpu, u32 mask);
	/*
	 * Control registers: values are already architecturally valid for this
	 * guest. They update ->regs, the hardware's copy and whatever depends on
	 * it (modes, entry controls, PDPTRs). loaded, may sleep
	 */
	void (*set_cr0)(struct kvm_vcpu *vcpu, u64 cr0);
	void (*set_cr3)(struct kvm_vcpu *vcpu, u64 cr3);
	void (*set_cr4)(struct kvm_vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct kvm_vcpu *vcpu, u64 efer);
	void (*set_dr7)(struct kvm_vcpu *vcpu, u64 dr7);
	void (*get_segment)(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out);
	void (*set_segment)(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in);
	void (*get_table)(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out);
	void (*set_table)(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in);
	int (*get_cpl)(struct kvm_vcpu *vcpu);
	/* The four PDPTEs of PAE paging. NULL: the hardware reads them when it walks. */
	void (*get_pdptrs)(struct kvm_vcpu *vcpu, u64 *pdptrs);
	void (*set_pdptrs)(struct kvm_vcpu *vcpu, const u64 *pdptrs);
	/* MSRs the hardware holds for the guest; -ENOENT: not ours. */
	int (*get_msr)(struct kvm_vcpu *vcpu, u32 index, u64 *val);
	int (*set_msr)(struct kvm_vcpu *vcpu, u32 index, u64 val);
	void (*set_tsc_offset)(struct kvm_vcpu *vcpu, u64 offset);
	/* Called before entry when debug registers of the guest are active. */

	u32 (*get_shadow)(struct kvm_vcpu *vcpu);			/* enum kvm_shadow */
	void (*set_shadow)(struct kvm_vcpu *vcpu, u32 shadow);
	/* Deliver @ev at the next entry. [P] or [I] */
	void (*inject)(struct kvm_vcpu *vcpu, const struct kvm_event *ev);
	/* Take back what inject() asked for and was not delivered. [P] or [I] */
	void (*cancel_injection)(struct kvm_vcpu *vcpu);
	/* Exit as soon as an interrupt (NMI) could be taken; false turns it off. */
	void (*irq_window)(struct kvm_vcpu *vcpu, bool on);
	void (*nmi_window)(struct kvm_vcpu *vcpu, bool on);
};

/* The registered vendor; constant while any VM exists. */
extern const struct kvm_vendor_ops *kvm_vendor;

/**
 * kvmswap_vendor_register() - hand kvm.ko its vendor
 * @ops: constant until unregistered
 *
 * Checks the cookie and the sizes, so modules of two different builds refuse
 * each other in one sentence, then makes /dev/kvm appear.
 *
 * Context: module init, may sleep.
 * Return: 0, -EINVAL (mixed builds), -EEXIST (another vendor is registered),
 * or what /dev/kvm's registration answered.
 */
int kvmswap_vendor_register(const struct kvm_vendor_ops *ops);
void kvmswap_vendor_unregister(const struct kvm_vendor_ops *ops);

#endif
