// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's MMX, XMM and YMM registers for the emulator. While a vcpu is in its run
 * loop they are the thread's: in the CPU, or in memory if the thread was switched out.
 */
#include <linux/preempt.h>
#include <asm/fpu/api.h>
#include <compat/fpu.h>
#include "emulator.h"

#define FSW_ES	BIT(7)	/* an unmasked x87 exception is pending */

/* Until simd_end() the registers are in the CPU. */
static void simd_begin(struct kvm_vcpu *vcpu)
{
	fpregs_lock();
	kvm_fpu_before_entry(&vcpu->fpu);
}

static void simd_end(void)
{
	fpregs_unlock();
}

#define XMM_LOAD(n)	{ asm volatile("movdqu %0, %%xmm" #n : : "m" (*(const u8 (*)[16])data)); }
#define XMM_STORE(n)	{ asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*(u8 (*)[16])data)); }
#define YMM_LOAD(n)	{ asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*(const u8 (*)[32])data)); }
#define YMM_STORE(n)	{ asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*(u8 (*)[32])data)); }
#define MMX_LOAD(n)	{ asm volatile("movq %0, %%mm" #n : : "m" (*(const u8 (*)[8])data)); }
#define MMX_STORE(n)	{ asm volatile("movq %%mm" #n ", %0" : "=m" (*(u8 (*)[8])data)); }

/* A register's number is part of the instruction, so there is one for each. */
#define SIMD_CASES_8(op)			\
	case 0: op(0); break;			\
	case 1: op(1); break;			\
	case 2: op(2); break;			\
	case 3: op(3); break;			\
	case 4: op(4); break;			\
	case 5: op(5); break;			\
	case 6: op(6); break;			\
	case 7: op(7); break

#define SIMD_CASES_16(op)			\
	SIMD_CASES_8(op);			\
	case 8: op(8); break;			\
	case 9: op(9); break;			\
	case 10: op(10); break;			\
	case 11: op(11); break;			\
	case 12: op(12); break;			\
	case 13: op(13); break;			\
	case 14: op(14); break;			\
	case 15: op(15); break

/**
 * simd_xmm_read() - read a guest XMM register
 * @vcpu: in its run loop
 * @reg: 0 to 15
 * @data: 16 bytes
 */
void simd_xmm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	simd_begin(vcpu);
	switch (reg) {
	SIMD_CASES_16(XMM_STORE);
	}
	simd_end();
}

/* As simd_xmm_read(). The upper parts of YMM and ZMM registers stay as they are. */
void simd_xmm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	simd_begin(vcpu);
	switch (reg) {
	SIMD_CASES_16(XMM_LOAD);
	}
	simd_end();
}

/* As simd_xmm_read(), 32 bytes. The host has AVX: it has let the guest switch it on. */
void simd_ymm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	simd_begin(vcpu);
	switch (reg) {
	SIMD_CASES_16(YMM_STORE);
	}
	simd_end();
}

/* As simd_ymm_read(). The upper half of a ZMM register becomes 0, as the guest's move does it. */
void simd_ymm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	simd_begin(vcpu);
	switch (reg) {
	SIMD_CASES_16(YMM_LOAD);
	}
	simd_end();
}

/* An MMX instruction would deliver a pending x87 exception here, in the host. */
static bool simd_x87_pending(void)
{
	u16 status;

	asm volatile("fnstsw %0" : "=m" (status));
	return status & FSW_ES;
}

/**
 * simd_mmx_read() - read a guest MMX register, as an MMX instruction does
 * @vcpu: in its run loop
 * @reg: 0 to 7
 * @data: 8 bytes
 *
 * Return: false: an x87 exception is pending, the guest gets #MF.
 */
bool simd_mmx_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	bool pending;

	simd_begin(vcpu);
	pending = simd_x87_pending();
	if (!pending) {
		switch (reg) {
		SIMD_CASES_8(MMX_STORE);
		}
	}
	simd_end();
	return !pending;
}

/* As simd_mmx_read(). */
bool simd_mmx_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	bool pending;

	simd_begin(vcpu);
	pending = simd_x87_pending();
	if (!pending) {
		switch (reg) {
		SIMD_CASES_8(MMX_LOAD);
		}
	}
	simd_end();
	return !pending;
}
