/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Neutral facts about why a guest stopped. A vendor module fills struct
 * kvm_exit from its hardware's exit information; the x86 room and the core act
 * on it without knowing which vendor it was.
 */
#ifndef KVM_SWAP_EXIT_H
#define KVM_SWAP_EXIT_H

#include <kvm/types.h>

enum kvm_exit_kind {
	KVM_FACT_NONE,		/* nothing left to do: re-enter */
	KVM_FACT_ENTRY_FAILED,	/* the entry never happened; reason is the hardware's */
	KVM_FACT_SHUTDOWN,	/* triple fault */
	KVM_FACT_CPUID,
	KVM_FACT_HLT,
	KVM_FACT_IO,
	KVM_FACT_MSR,
	KVM_FACT_MEMORY,	/* second-level (NPT/EPT) fault */
	KVM_FACT_CR,
	KVM_FACT_DR,
	KVM_FACT_XSETBV,
	KVM_FACT_HYPERCALL,
	KVM_FACT_EXCEPTION,	/* an intercepted exception of the guest */
	KVM_FACT_IRQ_WINDOW,	/* the guest can take an interrupt now */
	KVM_FACT_NMI_WINDOW,
	KVM_FACT_WBINVD,	/* WBINVD or INVD: nothing to do but skip it */
	KVM_FACT_PAUSE,		/* spinning; yield */
	KVM_FACT_MONITOR,	/* MONITOR: a no-op */
	KVM_FACT_MWAIT,		/* MWAIT: a no-op */
	KVM_FACT_RDPMC,
	KVM_FACT_RDTSC,
	KVM_FACT_UD_INSN,	/* an instruction this VM does not have: inject #UD */
	KVM_FACT_TASK_SWITCH,
	KVM_FACT_INVALID_STATE,	/* the guest state needs software to make progress */
	KVM_FACT_UNKNOWN,	/* hardware reason in .reason: KVM_EXIT_UNKNOWN */
};

/* An event on its way into the guest's IDT. */
enum kvm_event_type {
	KVM_EVENT_NONE,
	KVM_EVENT_INTR,		/* external interrupt */
	KVM_EVENT_NMI,
	KVM_EVENT_EXCEPTION,	/* hardware exception */
	KVM_EVENT_SOFT_INT,	/* INT n; insn_len is needed to deliver it again */
	KVM_EVENT_SOFT_EXC,	/* INT3, INTO */
};

struct kvm_event {
	u8 type;		/* enum kvm_event_type */
	u8 vector;
	u8 insn_len;		/* for SOFT_*; 0 where the hardware does not say */
	bool has_error;
	u32 error_code;
};

enum kvm_cr_op {
	KVM_CR_MOV_TO,		/* mov %gpr, %crN */
	KVM_CR_MOV_FROM,
	KVM_CR_CLTS,
	KVM_CR_LMSW,		/* value holds the 16-bit source */
};

/*
 * One exit. Lives on the run loop's stack, filled by vendor exit_facts(),
 * read by the handlers; no sharing.
 */
struct kvm_exit {
	u32 kind;		/* enum kvm_exit_kind */
	u32 reason;		/* the hardware's own number, for users and traces */
	u64 info1, info2;	/* the hardware's own words, for traces */
	u32 intr_info, intr_error;
	u8 insn_len;		/* 0: the hardware does not say, decode */
	u8 insn_bytes;		/* how many of insn[] the hardware delivered */
	u8 insn[15];
	bool events_taken;	/* .vectoring was being delivered when this happened */
	struct kvm_event vectoring;
	union {
		struct {
			u16 port;
			u8 size;		/* 1, 2, 4 bytes */
			bool in;
			bool string;
			bool rep;
			u64 next_rip;		/* 0: unknown */
		} io;
		struct {
			u32 index;		/* ECX */
			bool write;
		} msr;
		struct {
			gpa_t gpa;
			gva_t gva;
			u32 access;		/* enum kvm_access of the access */
			bool gva_valid;
			bool walk;		/* on a guest page-table access, not the last */
			bool present;		/* an spte was there but too weak */
		} mem;
		struct {
			u8 cr;
			u8 op;			/* enum kvm_cr_op */
			u8 gpr;
			bool decode;		/* op and gpr unknown: decode the instruction */
			u64 value;
		} cr;
		struct {
			u8 dr;
			u8 gpr;
			bool write;
			bool decode;
		} dr;
		struct {
			u8 vector;
			bool has_error;
			u32 error_code;
			u64 payload;		/* CR2 for #PF, DR6 for #DB */
		} exc;
	};
};

#endif
