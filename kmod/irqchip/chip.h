/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to kmod/irqchip: the interrupt controllers of one VM and what their
 * files ask of each other.
 */
#ifndef KVM_SWAP_CHIP_H
#define KVM_SWAP_CHIP_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <kvm/irqchip.h>

#define KVM_PIC_PINS	16

struct kvm_apic_map;		/* lapic_send.c */
struct kvm_routing;		/* routing.c */
struct kvm_ioapic;		/* ioapic.c */
struct kvm_pic;			/* pic.c */
struct kvm_pit;			/* pit.c */

/*
 * Lifetime: with the VM, whatever irqchip_mode becomes.
 * [l] kvm->lock to write; set before irqchip_mode is published, then constant
 * [i] kvm->irq_lock to write, RCU to read
 * [p] line_lock, a leaf but for the chips' own locks, interrupts off
 */
struct kvm_chips {
	struct kvm_ioapic *ioapic;		/* [l] NULL unless KVM_IRQCHIP_KERNEL */
	struct kvm_pic *pic;			/* [l] the same */
	struct kvm_pit *pit;			/* kvm->lock; release to publish, KVM_CREATE_PIT2 */
	u32 split_pins;				/* [l] of userspace's I/O APIC */
	/* [a] what ioapic_eoi() wants to hear of: the vectors of all pins, edge ones too. */
	DECLARE_BITMAP(ioapic_vectors, 256);

	struct kvm_routing __rcu *routing;	/* [i] NULL: no GSI leads anywhere */
	struct hlist_head acks;			/* [i] */

	spinlock_t line_lock;			/* who holds a line, and telling the chip so */
	u8 ioapic_lines[KVM_IOAPIC_PINS];	/* [p] BIT(enum kvm_irq_source) */
	u8 pic_lines[KVM_PIC_PINS];		/* [p] */

	struct mutex map_lock;			/* writers of .map; innermost mutex */
	u32 maps_replaced;			/* map_lock */
	struct kvm_apic_map __rcu *map;		/* RCU; map_lock to write; NULL: ask every APIC */
	atomic_t turn;				/* whose turn lowest-priority delivery is */

	u64 x2apic_api;				/* KVM_X2APIC_API_*, kvm->lock to set bits */
};

/*
 * ioapic.c, pic.c: make the chip in its reset state in kvm->irqchip; put it on
 * its bus. 0, -ENOMEM, -ENOSPC. Context: kvm->lock held, kvm->bus_lock not; may sleep.
 * destroy undoes it; nothing if it was not made; after eventfd_vm_destroy().
 */
int ioapic_create(struct kvm *kvm);
void ioapic_destroy(struct kvm *kvm);
int pic_create(struct kvm *kvm);
void pic_destroy(struct kvm *kvm);

/* KVM_GET_IRQCHIP, KVM_SET_IRQCHIP: set takes any bytes. The chip exists; may sleep. */
void ioapic_get_state(struct kvm *kvm, struct kvm_ioapic_state *state);
void ioapic_set_state(struct kvm *kvm, const struct kvm_ioapic_state *state);
void pic_get_state(struct kvm *kvm, bool slave, struct kvm_pic_state *state);
void pic_set_state(struct kvm *kvm, bool slave, const struct kvm_pic_state *state);

/*
 * pit.c: KVM_CREATE_PIT(2), KVM_GET/SET_PIT(2), KVM_REINJECT_CONTROL;
 * -ENOTTY for others'. Its state is its own business but kvm->irqchip->pit. May sleep.
 */
long pit_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
void pit_destroy(struct kvm *kvm);	/* before the other chips; nothing if there is none */

/* routing.c: can a VMM of this VM mean these? 0 or -EINVAL. Any context. */
int routing_check_msi(struct kvm *kvm, u32 address_hi, u32 flags);
/* routing.c: is @vector that of a level-triggered pin of userspace's I/O APIC? Any context. */
bool routing_is_level(struct kvm *kvm, u8 vector);

/* lapic_send.c: as lapic_deliver(), but counting those that had it pending already. */
int lapic_deliver_msi(struct kvm *kvm, const struct kvm_apic_msg *msg);

#endif
