/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to lapic*.c: one local APIC.
 *
 * The chapter on the APIC of Intel's SDM, volume 3, and of AMD's APM, volume 2,
 * say how it behaves; names of registers are theirs.
 */
#ifndef KVM_SWAP_LAPIC_H
#define KVM_SWAP_LAPIC_H

#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include "chip.h"

#define LAPIC_VERSION		0x14U
#define LAPIC_LVTS		6	/* timer, thermal, counters, LINT0, LINT1, error */
#define LAPIC_REG_STEP		0x10
#define LAPIC_FIRST_VECTOR	16	/* lower ones belong to exceptions */
#define LAPIC_BROADCAST		0xffffffffU
#define XAPIC_BROADCAST		0xffU

#define LVT_TIMER_MODE		(3U << 17)
#define LVT_TSC_DEADLINE	APIC_LVT_TIMER_TSCDEADLINE
#define LVT_PERIODIC		APIC_LVT_TIMER_PERIODIC

enum lapic_mode { LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };

/* Bits of the error status register that this APIC can find. */
enum lapic_error {
	LAPIC_ERR_SEND_VECTOR = 5,
	LAPIC_ERR_RECV_VECTOR = 6,
	LAPIC_ERR_REGISTER = 7,
};

/*
 * Lifetime: with its vcpu.
 * [o] written once at creation        [a] atomic, anyone
 * [t] the vcpu's thread under vcpu->mutex writes, anyone may read one field
 */
struct kvm_lapic {
	struct kvm_vcpu *vcpu;		/* [o] */
	u8 mode;			/* [t] enum lapic_mode, as in APIC_BASE */
	u32 id;				/* [t] that messages are addressed to */
	gpa_t base;			/* [t] of the register page; ~0: there is none */
	int isr_top;			/* [t] highest vector in service, -1 none */
	unsigned long irr_words;	/* [a] words of IRR that may have bits */
	unsigned long errors;		/* [a] BIT(enum lapic_error) since ESR was written */

	struct hrtimer timer;		/* expiry may run beside the vcpu's thread */
	ktime_t timer_end;		/* [t], and the expiry of a periodic timer */
	u64 timer_period;		/* [t] ns, 0: not periodic */
	u64 timer_count_ns;		/* [t] ns of one step of the counter */
	u64 deadline;			/* [a] IA32_TSC_DEADLINE, 0: disarmed */

	bool pv_eoi_offered;		/* [t] the flag in guest memory is up, see lapic_pv_eoi.c */
	bool pv_eoi_ended;		/* [t] EOI came while the flag could not be reached */
	gpa_t vapic_addr;		/* [t] KVM_SET_VAPIC_ADDR, 0: none; see lapic_vapic.c */
	bool vapic_newer;		/* [t] TPR was written since the copy was */
	bool vapic_skip;		/* [t] the copy cannot be had: one entry without */
	bool tpr_report;		/* [t] KVM_TPR_ACCESS_REPORTING */
	bool tpr_write;			/* [t] for KVM_REQ_TPR_ACCESS, with: */
	u64 tpr_rip;			/* [t] of the instruction */

	/*
	 * As struct kvm_lapic_state lays them out. IRR and TMR: [a]; others: [t].
	 * PPR, TMCCT are computed when they are read.
	 */
	u8 regs[KVM_APIC_REG_SIZE] __aligned(16);
};

static inline u32 *lapic_word(struct kvm_lapic *apic, u32 reg)
{
	return (u32 *)(apic->regs + reg);
}

static inline u32 lapic_reg(const struct kvm_lapic *apic, u32 reg)
{
	return READ_ONCE(*(const u32 *)(apic->regs + reg));
}

static inline void lapic_set_reg(struct kvm_lapic *apic, u32 reg, u32 val)
{
	WRITE_ONCE(*lapic_word(apic, reg), val);
}

/* The bitmaps have 32 bits in every 16 bytes, so a bit's word is 16-byte aligned. */
static inline unsigned long *lapic_bits(struct kvm_lapic *apic, u32 reg, u8 vector)
{
	return (unsigned long *)(apic->regs + reg + vector / 32 * LAPIC_REG_STEP);
}

static inline bool lapic_enabled(const struct kvm_lapic *apic)
{
	return lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* --- lapic.c. Own thread. 0, or 1: no such register, or not to be written so. */
int lapic_reg_read(struct kvm_lapic *apic, u32 reg, u32 *val);
int lapic_reg_write(struct kvm_lapic *apic, u32 reg, u32 val);
/* [t] The mode and what follows from it, from regs.apic_base. */
void lapic_follow_base(struct kvm_lapic *apic);

/* --- lapic_state.c */
void lapic_get_state(struct kvm_lapic *apic, struct kvm_lapic_state *state);
int lapic_set_state(struct kvm_lapic *apic, const struct kvm_lapic_state *state);

/* --- lapic_irq.c. Any context unless said otherwise. */
/* Set @vector's request. False: it was set already. */
bool lapic_request(struct kvm_lapic *apic, u8 vector, bool level);
/* Deliver what LVT register @lvt says, if it is not masked. */
void lapic_local(struct kvm_lapic *apic, u32 lvt);
void lapic_error(struct kvm_lapic *apic, enum lapic_error error);
u32 lapic_ppr(struct kvm_lapic *apic);		/* [t] */
int lapic_irr_top(struct kvm_lapic *apic);	/* [t] highest vector requested, or -1 */
void lapic_eoi(struct kvm_lapic *apic);		/* [t] */
void lapic_irq_scan(struct kvm_lapic *apic);	/* [t] the bitmaps were replaced */
void lapic_eoi_finish(struct kvm_lapic *apic);	/* [t] something is in service: no more */
/* [t] Does somebody listen for its EOI? */
bool lapic_eoi_heard(struct kvm_lapic *apic, u8 vector);
/* Something may be deliverable that was not before. [t] */
static inline void lapic_look(struct kvm_lapic *apic)
{
	apic->vcpu->irq_check = true;
}

/* --- lapic_send.c */
void lapic_icr_write(struct kvm_lapic *apic, u32 low, u32 dest);	/* [t] */
/* IDs or modes have changed. May sleep. */
void lapic_map_update(struct kvm *kvm);

/* --- lapic_pv_eoi.c, [t], loaded */
void lapic_pv_eoi_offer(struct kvm_lapic *apic, u8 vector);
/* ISR as the guest sees it, if .pv_eoi_offered; must not sleep, may have to be done later. */
void lapic_pv_eoi_sync(struct kvm_lapic *apic);

/* --- lapic_vapic.c, [t], loaded */
/* TPR and its copy, if there is one, agree; must not sleep, may have to be done later. */
void lapic_vapic_sync(struct kvm_lapic *apic);
/* The instruction at @rip has read or written TPR: KVM_EXIT_TPR_ACCESS before the next entry. */
void lapic_tpr_accessed(struct kvm_lapic *apic, u64 rip, bool write);
long lapic_ioctl_vapic(struct kvm_lapic *apic, const void __user *argp);
long lapic_ioctl_tpr_report(struct kvm_vcpu *vcpu, const void __user *argp);

/* --- lapic_timer.c, [t] */
void lapic_timer_init(struct kvm_lapic *apic);
void lapic_timer_stop(struct kvm_lapic *apic);
void lapic_timer_start(struct kvm_lapic *apic, u32 count);	/* @count: of the first round */
u32 lapic_timer_count(struct kvm_lapic *apic);			/* TMCCT */
void lapic_timer_mode_changed(struct kvm_lapic *apic, u32 old_lvt);
void lapic_timer_divide_changed(struct kvm_lapic *apic, u32 count);
void lapic_deadline_set(struct kvm_lapic *apic, u64 deadline);

static inline bool lapic_deadline_mode(const struct kvm_lapic *apic)
{
	return (lapic_reg(apic, APIC_LVTT) & LVT_TIMER_MODE) == LVT_TSC_DEADLINE;
}

#endif
