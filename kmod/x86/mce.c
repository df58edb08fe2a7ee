// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's machine-check registers: storage with the architecture's rules.
 */
#include <linux/nospec.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include "x86_private.h"

#define HWCR_MC_STATUS_WREN	BIT(18)
#define BANK_REG_STATUS		1

static u32 mce_banks(struct kvm_vcpu *vcpu)
{
	return vcpu->msrs.mcg_cap & 0xff;
}

/* Storage of a bank register, or NULL: no such bank. */
static u64 *mce_bank_slot(struct kvm_vcpu *vcpu, u32 index)
{
	u32 count = 4 * min_t(u32, mce_banks(vcpu), KVM_MCE_BANKS_MAX);
	u32 place = index - MSR_IA32_MC0_CTL;

	if (index < MSR_IA32_MC0_CTL || place >= count)
		return NULL;
	return &vcpu->msrs.mce_bank[array_index_nospec(place, count)];
}

/* Read a machine-check MSR. 0, or 1: no such MSR. */
int mce_get(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host_initiated)
{
	u64 *slot;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		*val = vcpu->msrs.mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*val = vcpu->msrs.mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->msrs.mcg_cap & MCG_CTL_P) && !host_initiated)
			return 1;
		*val = vcpu->msrs.mcg_ctl;
		return 0;
	default:
		slot = mce_bank_slot(vcpu, index);
		if (!slot)
			return 1;
		*val = *slot;
		return 0;
	}
}

/*
 * Intel SDM, "IA32_MCi_CTL MSRs" and "IA32_MCi_STATUS MSRS": software may set a
 * control register to all or nothing and only clear a status. Bit 10 of bank 4's
 * control, and bit 0 of bank 0's, are cleared by Linux for errata.
 */
static bool mce_bank_valid(struct kvm_vcpu *vcpu, u32 index, u64 val,
			   bool host_initiated)
{
	u32 reg = (index - MSR_IA32_MC0_CTL) & 3;

	if (reg == 0)
		return val == 0 || (val | BIT(10) | BIT(0)) == ~0ULL;
	if (reg == BANK_REG_STATUS)
		return val == 0 || host_initiated || (vcpu->msrs.hwcr & HWCR_MC_STATUS_WREN);
	return true;
}

/* Write a machine-check MSR. 0, or 1: no such MSR, or a value it cannot take. */
int mce_set(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host_initiated)
{
	u64 *slot;

	switch (index) {
	case MSR_IA32_MCG_STATUS:
		vcpu->msrs.mcg_status = val;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->msrs.mcg_cap & MCG_CTL_P) && (val || !host_initiated))
			return 1;
		if (val != 0 && val != ~0ULL)
			return 1;
		vcpu->msrs.mcg_ctl = val;
		return 0;
	default:
		slot = mce_bank_slot(vcpu, index);
		if (!slot || !mce_bank_valid(vcpu, index, val, host_initiated))
			return 1;
		*slot = val;
		return 0;
	}
}
