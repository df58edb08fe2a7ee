/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers: local APICs, and with a full set the I/O APIC, two
 * 8259 and the PIT.
 *
 * Whoever raises an interrupt may be in any context: delivery sets bits and wakes,
 * nothing in it sleeps. A vcpu's local APIC registers belong to its thread, but for
 * IRR, which anyone sets.
 */
#ifndef KVM_SWAP_IRQCHIP_H
#define KVM_SWAP_IRQCHIP_H

#include <linux/kvm.h>
#include <kvm/types.h>
#include <kvm/vcpu.h>
#include <kvm/vm.h>

enum kvm_irqchip_mode {
	KVM_IRQCHIP_NONE,	/* all of it in userspace */
	KVM_IRQCHIP_KERNEL,	/* all of it here */
	KVM_IRQCHIP_SPLIT,	/* local APICs here, the rest in userspace */
};

#define KVM_GSI_MAX		4096	/* KVM_CAP_IRQ_ROUTING: gsi numbers and routes */
#define KVM_IOAPIC_PINS		24

/* Who holds a line: it is high while any of them holds it. */
enum kvm_irq_source {
	KVM_IRQ_SOURCE_USER,	/* KVM_IRQ_LINE */
	KVM_IRQ_SOURCE_PIT,
	KVM_IRQ_SOURCE_RESAMPLE,	/* all level-triggered irqfds, see irqfd.c */
	KVM_IRQ_SOURCES,
};

/* Delivery modes as APIC messages encode them. */
enum kvm_apic_delivery {
	KVM_APIC_FIXED, KVM_APIC_LOWEST, KVM_APIC_SMI, KVM_APIC_RESERVED,
	KVM_APIC_NMI, KVM_APIC_INIT, KVM_APIC_SIPI, KVM_APIC_EXTINT,
};

/* One interrupt message on the (imaginary) APIC bus. */
struct kvm_apic_msg {
	u32 dest;
	u8 vector;
	u8 delivery;		/* enum kvm_apic_delivery */
	u8 shorthand;		/* ICR's: 0 none, 1 self, 2 all, 3 all but self */
	bool logical;
	bool level;		/* trigger mode */
	bool assert;		/* for INIT: a de-assert does nothing */
	bool lowest_hint;	/* MSI redirection hint */
};

/* Are local APICs in the kernel? Constant once a vcpu exists. */
static inline bool irqchip_in_kernel(const struct kvm *kvm)
{
	/* Pairs with the release in chip.c: the controllers are complete. */
	return smp_load_acquire(&kvm->irqchip_mode) != KVM_IRQCHIP_NONE;
}

/* --- chip.c: VM-wide ioctls; -ENOTTY for others'. May sleep. */
long irqchip_vm_ioctl(struct kvm *kvm, unsigned int ioctl, unsigned long arg);
/* KVM_CAP_SPLIT_IRQCHIP: 0, -EINVAL, -EEXIST (too late), -ENOMEM. Takes kvm->lock. */
int irqchip_enable_split(struct kvm *kvm, u64 pins);
/* KVM_CAP_X2APIC_API: 0 or -EINVAL */
int irqchip_enable_x2apic_api(struct kvm *kvm, u64 flags);
int irqchip_vm_init(struct kvm *kvm);
void irqchip_vm_destroy(struct kvm *kvm);		/* vcpus are still there, nothing runs */

/* From irqchip_peek(): the 8259s', which tell the vector when they are asked. */
#define KVM_IRQ_EXTINT		256

/*
 * The interrupt the vcpu would take next, or -1. peek changes nothing; take
 * acknowledges it at its controller (IRR to ISR, INTA cycle). The vcpu's own thread,
 * loaded, preemption may be off; vcpu->lapic is not NULL.
 */
int irqchip_peek(struct kvm_vcpu *vcpu);
int irqchip_take(struct kvm_vcpu *vcpu);

/* --- lapic.c: the vcpu's own thread unless said otherwise. */
/* Make vcpu->lapic, before publication. 0 or -ENOMEM; may sleep. */
int lapic_create(struct kvm_vcpu *vcpu);
/* It can be addressed now. kvm->lock held; may sleep. */
void lapic_published(struct kvm_vcpu *vcpu);
void lapic_destroy(struct kvm_vcpu *vcpu);
/* After RESET or (@init) INIT; regs.apic_base has its value already. */
void lapic_reset(struct kvm_vcpu *vcpu, bool init);
/* vcpu ioctls of the local APIC; -ENOTTY for others'. Loaded. */
long lapic_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp);
/* regs.apic_base has changed from @old (page moved, enabled, disabled, x2APIC). May sleep. */
void lapic_base_changed(struct kvm_vcpu *vcpu, u64 old);
void lapic_set_tpr(struct kvm_vcpu *vcpu, u8 tpr);	/* CR8 << 4; keeps regs.cr8 */
/* x2APIC's MSRs 0x800 to 0x8ff and IA32_TSC_DEADLINE. 0, or 1 for #GP. */
int lapic_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host);
int lapic_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host);
/* Its page in xAPIC mode, for the emulator. 0, or -EOPNOTSUPP: not its page. May sleep. */
int lapic_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val);
int lapic_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val);
/* Does the 8259's INTR line reach this vcpu (LINT0 as ExtINT, or APIC disabled)? Any context. */
bool lapic_accepts_pic(struct kvm_vcpu *vcpu);
/* Does it take interrupts (switched on, and enabled by software)? */
bool lapic_listens(const struct kvm_vcpu *vcpu);
/* MSR_KVM_PV_EOI_EN: 0, or 1 for #GP. May sleep. vcpu->pv.eoi is what it reads. */
int lapic_pv_eoi_set_msr(struct kvm_vcpu *vcpu, u64 val);
void lapic_pv_eoi_wait(struct kvm_vcpu *vcpu);	/* KVM_REQ_PV_EOI; may sleep */
void lapic_vapic_wait(struct kvm_vcpu *vcpu);	/* KVM_REQ_VAPIC; may sleep */
/* TPR and regs.cr8 become what the guest has made them in its own memory. May sleep. */
void lapic_vapic_pull(struct kvm_vcpu *vcpu);
void lapic_tpr_exit(struct kvm_vcpu *vcpu);	/* KVM_REQ_TPR_ACCESS: fill kvm_run */
/* The TSC offset or rate of the guest has changed: a deadline is armed again. */
void lapic_timer_renew(struct kvm_vcpu *vcpu);

/*
 * Send @msg. @src: sender for shorthands, else NULL. How many vcpus took it,
 * 0: it met an interrupt still pending there (coalesced), -1: nobody is addressed.
 * Any context.
 */
int lapic_deliver(struct kvm *kvm, struct kvm_vcpu *src, const struct kvm_apic_msg *msg);
/*
 * KVM_HC_SEND_IPI: a bitmap of APIC IDs from @min on, and the ICR's low word. Returns how
 * many vcpus it reached. Any context.
 */
int lapic_send_ipis(struct kvm *kvm, unsigned long low, unsigned long high, u32 min, u32 icr,
		    bool wide);

/* --- routing.c: from GSIs to pins and messages. Any context. */
/* As KVM_IRQ_LINE_STATUS: vcpus or pins reached, 0 coalesced, -1 masked or ignored. */
int irq_set(struct kvm *kvm, enum kvm_irq_source source, u32 gsi, bool level);
/* A pulse on a GSI that is routed to an MSI or, edge-triggered, to pins. */
int irq_pulse(struct kvm *kvm, u32 gsi);
int irq_send_msi(struct kvm *kvm, u64 address, u32 data);	/* as irq_set() */

/*
 * Told when the guest has acknowledged (EOI) a level-triggered pin: resampling
 * irqfds and the PIT. Add and remove under kvm->irq_lock; called with RCU's read
 * side held and no lock, in any context: must not sleep.
 */
struct kvm_irq_ack {
	struct hlist_node node;
	u32 gsi;
	void (*acked)(struct kvm_irq_ack *ack);
};

void irq_ack_add(struct kvm *kvm, struct kvm_irq_ack *ack);	/* kvm->irq_lock */
/* Under kvm->irq_lock; waits for listeners being told: may sleep. */
void irq_ack_remove(struct kvm *kvm, struct kvm_irq_ack *ack);
/* Pin @pin of chip @chip (KVM_IRQCHIP_*) has been acknowledged: tell its GSI's listeners. */
void irq_acked(struct kvm *kvm, u32 chip, u32 pin);
/* Both under kvm->irq_lock; may sleep. */
int routing_set(struct kvm *kvm, const struct kvm_irq_routing_entry *entries, u32 nr);
int routing_set_default(struct kvm *kvm, enum kvm_irqchip_mode mode);
void routing_destroy(struct kvm *kvm);

/* --- ioapic.c, pic.c: one pin; its level is all sources or-ed. Any context. As irq_set(). */
int ioapic_set_pin(struct kvm *kvm, u32 pin, bool level);
int pic_set_pin(struct kvm *kvm, u32 pin, bool level);
/*
 * A local APIC has finished @vector, which was level-triggered or is one of
 * kvm->irqchip->ioapic_vectors: a pin may fire again. No lock held.
 */
void ioapic_eoi(struct kvm_vcpu *vcpu, u8 vector);
bool pic_intr(struct kvm *kvm);			/* is its INTR line up? racy, any context */
int pic_take(struct kvm_vcpu *vcpu);		/* INTA cycle: vector, or -1 */

#endif
