/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual CPU: what the core, the x86 room and the vendor modules share.
 * Vendor modules embed struct kvm_vcpu at offset 0 of their own structure.
 */
#ifndef KVM_SWAP_VCPU_H
#define KVM_SWAP_VCPU_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <linux/spinlock.h>
#include <kvm/types.h>
#include <kvm/exit.h>
#include <kvm/strict.h>
#include <compat/fpu.h>
#include <compat/preempt.h>

#define KVM_VCPUS_MAX		1024
#define KVM_VCPU_ID_MAX		4096
#define KVM_RUN_PAGES		3	/* kvm_run, PIO data, coalesced ring */

/* Index into kvm_vcpu_regs.gpr[]: the order of ModRM numbers. */
enum kvm_gpr {
	KVM_RAX, KVM_RCX, KVM_RDX, KVM_RBX, KVM_RSP, KVM_RBP, KVM_RSI, KVM_RDI,
	KVM_R8, KVM_R9, KVM_R10, KVM_R11, KVM_R12, KVM_R13, KVM_R14, KVM_R15,
};

/*
 * State a vendor may hold in hardware between exits. A set bit in .avail says
 * the copy here is right; a set bit in .dirty says it is newer than the
 * hardware's and the vendor writes it back before the next entry.
 * General registers other than RSP are always available (the entry code stores
 * and loads them), bits exist only for the lazy ones.
 */
enum kvm_lazy_reg {
	KVM_LAZY_RSP = BIT(0),
	KVM_LAZY_RIP = BIT(1),
	KVM_LAZY_RFLAGS = BIT(2),
	KVM_LAZY_CR0 = BIT(3),
	KVM_LAZY_CR3 = BIT(4),
	KVM_LAZY_CR4 = BIT(5),
	KVM_LAZY_EFER = BIT(6),	/* LMA may change without an exit */
};

/* Guest-visible register values. Owner: the vcpu's thread, under vcpu->mutex. */
struct kvm_vcpu_regs {
	u64 gpr[16];		/* the entry code's only argument: keep first */
	u64 rip, rflags;
	u64 cr0, cr2, cr3, cr4, cr8, efer;
	u64 xcr0;
	u64 apic_base;
	u64 dr[4], dr6, dr7;
	u32 avail, dirty;	/* enum kvm_lazy_reg */
};

enum kvm_vcpu_mode {
	KVM_OUTSIDE_GUEST,
	KVM_IN_GUEST,		/* between the last request check and the exit */
	KVM_EXITING,		/* kicked, on its way out */
};

/* Bits of vcpu->requests; set by anyone, cleared by the vcpu's thread. */
enum kvm_request {
	KVM_REQ_EVENT,		/* something to inject may have become deliverable */
	KVM_REQ_SLOTS,		/* let go of the memslots seen so far: they have changed */
	KVM_REQ_DEAD,		/* the VM is dead: KVM_RUN returns -EIO */
	KVM_REQ_SHUTDOWN,	/* triple fault found in software */
	KVM_REQ_MMU_RELOAD,	/* the second-level root has changed */
	KVM_REQ_UNHALT,
	KVM_REQ_CLOCK,		/* write the guest's clock page */
	KVM_REQ_STEAL,		/* write its steal time page */
	KVM_REQ_ASYNC_PF,	/* a page the guest waits for may have come */
	KVM_REQ_PV_EOI,		/* look at its EOI flag when that can be waited for */
	KVM_REQ_APIC,		/* INIT or SIPI: .apic_events */
	KVM_REQ_NMI,		/* .nmi_posted */
	KVM_REQ_IOAPIC_EOI,	/* userspace's I/O APIC wants to know: .eoi_exit_vector */
	KVM_REQ_VAPIC,		/* look at TPR's copy when that can be waited for */
	KVM_REQ_TPR_ACCESS,	/* userspace wants to know of an access to TPR */
};

/* Why KVM_RUN must do something before the next entry. */
enum kvm_pending_io {
	KVM_IO_NONE,
	KVM_IO_PIO,		/* kvm_run.io answered by userspace */
	KVM_IO_MMIO,		/* kvm_run.mmio answered by userspace */
};

/* Bits of vcpu->apic_events. */
enum kvm_apic_event { KVM_APIC_EVENT_INIT, KVM_APIC_EVENT_SIPI };

#define KVM_CPUID_ENTRIES_MAX	256
#define KVM_CPUID_RANGES	3	/* 0x0..., 0x4000 0000..., 0x8000 0000... */
#define KVM_CPUID_DIRECT	64	/* leaves of each range found without a search */

/* A guest's CPUID in userspace's order. Replaced as a whole by KVM_SET_CPUID2. */
struct kvm_cpuid_set {
	unsigned int nent;
	/* Place of the first entry of a low leaf, .nent if there is none. */
	u16 first[KVM_CPUID_RANGES][KVM_CPUID_DIRECT];
	/* What the guest asked for latest; NULL: nothing that stays as it is. */
	struct kvm_cpuid_entry2 *last;
	struct kvm_cpuid_entry2 entries[];
};

/* Words of X86_FEATURE_* bits that come from CPUID registers: 0 to 18. */
#define KVM_CPU_WORDS		19

#define KVM_MTRR_VARIABLE	8
#define KVM_MTRR_FIXED		11
#define KVM_MCE_BANKS_MAX	32

/* MSRs kept in software for the guest. Owner: as struct kvm_vcpu [t]. */
struct kvm_vcpu_msrs {
	u64 misc_enable;
	u64 platform_info;
	u64 misc_features;		/* bit 0: CPUID faults outside ring 0 */
	u64 tsc_adjust;
	u64 ucode_rev;
	u64 arch_caps;			/* IA32_ARCH_CAPABILITIES */
	u64 de_cfg;
	u64 hwcr;
	u64 mtrr_deftype;
	u64 mtrr_fixed[KVM_MTRR_FIXED];
	u64 mtrr_var[2 * KVM_MTRR_VARIABLE];	/* base, mask, base, ... */
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 mce_bank[4 * KVM_MCE_BANKS_MAX];	/* CTL, STATUS, ADDR, MISC, ... */
};

struct mmu_table;		/* kmod/mmu/spte.h */
struct kvm_emulator;		/* kmod/x86/emulator.h */
struct kvm_lapic;		/* kmod/irqchip/lapic.h */

/*
 * Lifetime: created by KVM_CREATE_VCPU, freed with the VM. Legend:
 * [t] the thread inside a vcpu ioctl, under .mutex   [a] atomic, anyone
 * [o] written once at creation                       [p] preemption off on .cpu
 */
struct kvm_vcpu {
	struct kvm *kvm;		/* [o] */
	u32 id;				/* [o] userspace's number, the APIC ID */
	u32 index;			/* [o] place in kvm->vcpus */
	u64 serial;			/* [o] no other vcpu ever has it */
	struct mutex mutex;		/* one ioctl at a time */
	struct kvm_run *run;		/* [o] shared with userspace: read each field once */
	void *pio_data;			/* [o] page 1 of the mapping */
	struct page *run_page[KVM_RUN_PAGES];	/* [o] */

	int mode;			/* [a] enum kvm_vcpu_mode */
	unsigned long requests;		/* [a] BIT(enum kvm_request) */
	int cpu;			/* [p] CPU whose hardware holds our state, -1 none */
	int last_cpu;			/* [p] CPU of the latest load, -1 never */
	bool loaded;			/* [t] between vcpu_load and vcpu_put */
	bool guest_switched;		/* [p] guest MSRs/debug registers are in the CPU */
	struct preempt_notifier preempt;/* [t] */
	u64 slots_seen;			/* [a] kvm->slots_gen while loaded; 0: not loaded */
	spinlock_t pid_lock;		/* .pid; nests inside everything */
	struct pid *pid;		/* thread that ran it last */
	sigset_t sigset;		/* [t] KVM_SET_SIGNAL_MASK */
	bool sigset_active;		/* [t] */
	bool launched;			/* [t] has been in the guest at least once */

	u64 tlb_gen;			/* [p] flushes acknowledged by a real entry */
	u64 tlb_gen_entry;		/* [p] generation this entry will acknowledge */

	struct strict_vcpu strict;	/* include/kvm/strict.h */

	struct kvm_vcpu_regs regs;	/* [t] */
	struct kvm_event injected;	/* [t] handed to the hardware, not yet delivered */
	struct kvm_event pending;	/* [t] exception to inject at the next entry */
	u64 pending_payload;		/* [t] CR2 or DR6 that goes with .pending */
	bool pending_payload_valid;	/* [t] */
	int user_irq;			/* [t] vector queued by KVM_INTERRUPT, -1 none */
	u8 nmi_pending;			/* [t] how many: at most two */
	bool irq_window, nmi_window;	/* [t] asked of the hardware */
	bool single_step_skip;		/* [t] */

	struct kvm_cpuid_set *cpuid;	/* [t] what KVM_SET_CPUID2 gave, never NULL */
	u32 maxphyaddr;			/* [t] from CPUID 0x80000008 */
	u64 cr4_guest_rsvd;		/* [t] CR4 bits this guest's CPUID forbids */
	u64 efer_guest_rsvd;		/* [t] */
	u64 xcr0_allowed;		/* [t] XCR0 bits this guest's CPUID offers */
	u32 guest_caps[KVM_CPU_WORDS];	/* [t] its CPUID as X86_FEATURE_* words */
	struct kvm_vcpu_msrs msrs;	/* [t] */
	u64 tsc_offset;			/* [t] */
	u32 tsc_khz;			/* [t] rate the guest is told */
	struct {
		u64 clock;		/* [t] MSR_KVM_SYSTEM_TIME */
		u64 steal;		/* [t] MSR_KVM_STEAL_TIME */
		u64 eoi;		/* [t] MSR_KVM_PV_EOI_EN */
		u64 run_delay;		/* [t] of the thread, when last reported */
		bool clock_paused;	/* [t] PVCLOCK_GUEST_STOPPED is to be shown */
		bool steal_away;	/* [t] the guest sees KVM_VCPU_PREEMPTED */
		bool no_poll;		/* [t] MSR_KVM_POLL_CONTROL is 0: no spinning in a halt */
		bool kicked;		/* [a] KVM_HC_KICK_CPU: the next halt ends at once */
		struct {
			u64 msr;	/* [t] MSR_KVM_ASYNC_PF_EN */
			u8 vector;	/* [t] MSR_KVM_ASYNC_PF_INT */
			bool unacked;	/* [t] the guest has not finished with the interrupt */
			bool tell_all;	/* [t] it is to be told that all pages are there */
			u32 serial;	/* [t] of the latest token */
			unsigned int count;		/* [t] of .faults */
			struct list_head faults;	/* [t] struct async_fault */
		} async;
	} pv;
	u64 pat;			/* [t] */
	struct kvm_guest_fpu fpu;	/* [t] */
	bool fpu_loaded;		/* [t] guest FPU registers are the thread's */

	struct {			/* [t] page tables ready for the next fault */
		struct mmu_table *table[5];
		int count;
	} mmu_cache;
	gfn_t mmu_swapped_in;		/* [t] the latest page a fault had swapped in */

	int pending_io;			/* [t] enum kvm_pending_io */
	unsigned int bus_last;		/* [t] where bus.c's latest search ended */
	struct kvm_emulator *emul;	/* [o] decode buffer and string/MMIO progress */
	int mp_state;			/* [t] KVM_MP_STATE_* */

	struct kvm_lapic *lapic;	/* [o] NULL: userspace has it */
	unsigned long apic_events;	/* [a] BIT(enum kvm_apic_event) */
	u8 sipi_vector;			/* [a] of the latest SIPI */
	u8 eoi_exit_vector;		/* [t] for KVM_REQ_IOAPIC_EOI */
	atomic_t nmi_posted;		/* [a] NMIs others have sent */
	/*
	 * [t] irqchip_peek() may have an answer. Set by KVM_REQ_EVENT, and by whatever
	 * the thread does to its own .lapic.
	 */
	bool irq_check;
	bool irq_watch;			/* [t] irqchip_peek() has to be asked before every entry */
	struct rcuwait halt_wait;	/* [a] where the thread sleeps while halted */
	u32 halt_poll_ns;		/* [t] how long it spins before it sleeps */

	struct {
		u64 exits, io_exits, mmio_exits, signal_exits, irq_exits,
		    halt_exits, pf_taken, pf_fixed, pf_spurious, pf_emulate,
		    pf_refilled, pf_async, tlb_flush, insn_emulation, insn_emulation_fail,
		    hypercalls, directed_yield_attempted,
		    directed_yield_successful, preemption_reported, preemption_other,
		    host_state_reload, irq_injections,
		    nmi_injections, irq_window_exits, request_irq_exits,
		    halt_attempted_poll, halt_successful_poll, halt_wakeup,
		    halt_poll_success_ns, halt_poll_fail_ns, halt_wait_ns;
	} stat;				/* [t] written; read racily by debugfs */
};

static inline void vcpu_request(struct kvm_vcpu *vcpu, enum kvm_request req)
{
	/* Pairs with the check after mode = KVM_IN_GUEST in the run loop. */
	smp_wmb();
	set_bit(req, &vcpu->requests);
}

/* Make @vcpu leave the guest soon, if it is there. Any context. */
void vcpu_kick(struct kvm_vcpu *vcpu);

/* vcpu_request(), then out of the guest or out of its halt, whichever it is in. Any context. */
void vcpu_post(struct kvm_vcpu *vcpu, enum kvm_request req);
void vcpu_post_nmi(struct kvm_vcpu *vcpu);
void vcpu_post_init(struct kvm_vcpu *vcpu);
void vcpu_post_sipi(struct kvm_vcpu *vcpu, u8 vector);
/* The guest has finished @vector: KVM_EXIT_IOAPIC_EOI before the next entry. Own thread. */
void vcpu_post_ioapic_eoi(struct kvm_vcpu *vcpu, u8 vector);

/* Load lazily-held registers named by @mask (enum kvm_lazy_reg) into ->regs. */
void vcpu_lazy_load(struct kvm_vcpu *vcpu, u32 mask);

static inline u64 vcpu_rip(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_RIP))
		vcpu_lazy_load(vcpu, KVM_LAZY_RIP);
	return vcpu->regs.rip;
}

static inline void vcpu_set_rip(struct kvm_vcpu *vcpu, u64 rip)
{
	vcpu->regs.rip = rip;
	vcpu->regs.avail |= KVM_LAZY_RIP;
	vcpu->regs.dirty |= KVM_LAZY_RIP;
}

static inline u64 vcpu_rflags(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_RFLAGS))
		vcpu_lazy_load(vcpu, KVM_LAZY_RFLAGS);
	return vcpu->regs.rflags;
}

static inline void vcpu_set_rflags(struct kvm_vcpu *vcpu, u64 rflags)
{
	vcpu->regs.rflags = rflags;
	vcpu->regs.avail |= KVM_LAZY_RFLAGS;
	vcpu->regs.dirty |= KVM_LAZY_RFLAGS;
}

static inline u64 vcpu_gpr(struct kvm_vcpu *vcpu, int gpr)
{
	if (gpr == KVM_RSP && !(vcpu->regs.avail & KVM_LAZY_RSP))
		vcpu_lazy_load(vcpu, KVM_LAZY_RSP);
	return vcpu->regs.gpr[gpr];
}

static inline void vcpu_set_gpr(struct kvm_vcpu *vcpu, int gpr, u64 val)
{
	vcpu->regs.gpr[gpr] = val;
	if (gpr == KVM_RSP) {
		vcpu->regs.avail |= KVM_LAZY_RSP;
		vcpu->regs.dirty |= KVM_LAZY_RSP;
	}
}

static inline u64 vcpu_cr0(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_CR0))
		vcpu_lazy_load(vcpu, KVM_LAZY_CR0);
	return vcpu->regs.cr0;
}

static inline u64 vcpu_cr3(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_CR3))
		vcpu_lazy_load(vcpu, KVM_LAZY_CR3);
	return vcpu->regs.cr3;
}

static inline u64 vcpu_cr4(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_CR4))
		vcpu_lazy_load(vcpu, KVM_LAZY_CR4);
	return vcpu->regs.cr4;
}

static inline u64 vcpu_efer(struct kvm_vcpu *vcpu)
{
	if (!(vcpu->regs.avail & KVM_LAZY_EFER))
		vcpu_lazy_load(vcpu, KVM_LAZY_EFER);
	return vcpu->regs.efer;
}

#endif
