/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that does one access at a time to the chips of an in-kernel interrupt
 * controller, and takes interrupts when told to.
 */
#ifndef TESTS_ABI_CHIPS_H
#define TESTS_ABI_CHIPS_H

#include "vmm.h"

#define CHIPS_IOAPIC	0xfec00000u
#define CHIPS_LAPIC	0xfee00000u
#define CHIPS_RAM	(1 * SZ_1M)

/*
 * A VM with KVM_CREATE_IRQCHIP and one long-mode vcpu at code that serves the
 * functions below. Every vector above 31 has a handler.
 */
struct vmm_vcpu *chips_boot(void);

/* One access by the guest, interrupts off. */
void chips_out(struct vmm_vcpu *vcpu, unsigned int port, unsigned int val);
uint8_t chips_in(struct vmm_vcpu *vcpu, unsigned int port);
void chips_write(struct vmm_vcpu *vcpu, uint32_t gpa, uint32_t val);
uint32_t chips_read(struct vmm_vcpu *vcpu, uint32_t gpa);
/* Interrupts on for two instructions: the vector that came, or -1. */
int chips_take(struct vmm_vcpu *vcpu);
/* HLT with interrupts on until one comes: its vector. */
int chips_wait(struct vmm_vcpu *vcpu);

/* KVM_IRQ_LINE_STATUS: its answer. */
int chips_line(struct vmm *vm, unsigned int gsi, int level);
struct kvm_irqchip chips_state(struct vmm *vm, unsigned int chip);
void chips_set_state(struct vmm *vm, const struct kvm_irqchip *state);

#endif
