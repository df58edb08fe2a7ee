/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that do what they are told: one command at a time, given by the test, to
 * local APIC and processor; interrupts are counted and logged on the way.
 */
#ifndef TESTS_ABI_APIC_H
#define TESTS_ABI_APIC_H

#include "vmm.h"

#define APIC_PAGE	0xfee00000ull
#define APIC_ID		0x20
#define APIC_LVR	0x30
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LVTTHMR	0x330
#define APIC_LVTPC	0x340
#define APIC_LVT0	0x350
#define APIC_LVT1	0x360
#define APIC_LVTERR	0x370
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_SELF_IPI	0x3f0

#define LVT_MASKED	0x10000
#define LVT_PERIODIC	0x20000
#define LVT_DEADLINE	0x40000
#define TDCR_1		0xb

#define MSR_APIC_BASE	0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC	0x800
#define BASE_X2APIC	0x400ull
#define BASE_ENABLE	0x800ull

enum apic_chips { APIC_KERNEL, APIC_SPLIT };

/* Ways in which the guest's interrupt handler ends an interrupt. */
enum apic_eoi { APIC_EOI_NONE, APIC_EOI_PAGE, APIC_EOI_MSR, APIC_EOI_FLAG };

/* A VM with RAM, in-kernel APICs and @vcpus of them, in long mode, enabled by SVR. */
struct vmm *apic_vm(enum apic_chips chips, int vcpus);
/* The same without vcpus. */
struct vmm *apic_vm_bare(enum apic_chips chips);
/* One more vcpu with the guest in it; its CPUID has x2APIC and TSC deadline. */
struct vmm_vcpu *apic_vcpu_add(struct vmm *vm);
void apic_set_handler_eoi(struct vmm_vcpu *vcpu, enum apic_eoi how);

/* The handler clears bit 0 at @gpa, and writes EOI to the page if it was clear. */
void apic_set_eoi_flag(struct vmm_vcpu *vcpu, uint64_t gpa);
uint32_t apic_flagged(struct vmm_vcpu *vcpu);	/* how often it was set */

struct kvm_lapic_state apic_state(struct vmm_vcpu *vcpu);
void apic_set_state(struct vmm_vcpu *vcpu, const struct kvm_lapic_state *state);
uint32_t apic_state_get(const struct kvm_lapic_state *state, unsigned int reg);
void apic_state_put(struct kvm_lapic_state *state, unsigned int reg, uint32_t val);
/* Is @vector's bit set in the bitmap that starts at @reg? */
bool apic_state_bit(const struct kvm_lapic_state *state, unsigned int reg, int vector);
/* One register by KVM_GET_LAPIC. */
uint32_t apic_peek(struct vmm_vcpu *vcpu, unsigned int reg);

/* By KVM_GET_MSRS, KVM_SET_MSRS: false if refused. */
bool apic_msr_get(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t *val);
bool apic_msr_set(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t val);

/* The guest does one thing. */
uint32_t guest_read(struct vmm_vcpu *vcpu, unsigned int reg);
void guest_write(struct vmm_vcpu *vcpu, unsigned int reg, uint32_t val);
/* False: it got #GP. */
bool guest_rdmsr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t *val);
bool guest_wrmsr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t val);
uint64_t guest_cr8(struct vmm_vcpu *vcpu);
void guest_set_cr8(struct vmm_vcpu *vcpu, uint64_t val);
uint64_t guest_tsc(struct vmm_vcpu *vcpu);
void guest_take(struct vmm_vcpu *vcpu);		/* what is deliverable now */
void guest_halt(struct vmm_vcpu *vcpu);		/* STI, HLT until an interrupt, CLI */
/* Interrupts on until @vector has come @n times in all. */
void guest_wait(struct vmm_vcpu *vcpu, int vector, uint32_t n);
uint64_t guest_hypercall(struct vmm_vcpu *vcpu, uint64_t nr, uint64_t a0, uint64_t a1,
			 uint64_t a2, uint64_t a3);

/* The next KVM_RUN writes, and may exit before it is done; then the one that ends it. */
void guest_write_start(struct vmm_vcpu *vcpu, unsigned int reg, uint32_t val);
void guest_write_end(struct vmm_vcpu *vcpu);

/* guest_wait() in a thread of its own; joined by guest_join(). */
void guest_wait_start(struct vmm_thread *t, struct vmm_vcpu *vcpu, int vector, uint32_t n);
void guest_halt_start(struct vmm_thread *t, struct vmm_vcpu *vcpu);
void guest_join(struct vmm_thread *t);

/* How often @vector has come to the vcpu. */
uint32_t apic_count(struct vmm_vcpu *vcpu, int vector);
/* The vectors that came, in order: how many, and each. */
uint32_t apic_logged(struct vmm_vcpu *vcpu);
int apic_log(struct vmm_vcpu *vcpu, uint32_t i);
void apic_log_clear(struct vmm_vcpu *vcpu);

#endif
