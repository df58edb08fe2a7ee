// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's machine-check registers: storage with the architecture's rules.
 */
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/traps.h>
#include <kvm/vm.h>
#include "x86_private.h"

#define HWCR_MC_STATUS_WREN	BIT(18)
#define BANK_REG_STATUS		1

/* MCG_CAP: a global control register, and uncorrected errors software recovers from. */
#define MCE_CAPS_SUPPORTED	(MCG_CTL_P | MCG_SER_P)
#define MCG_CAP_BANKS		0xffULL
#define MCG_CAP_EXT_COUNT	GENMASK_ULL(23, 16)

static_assert(sizeof(struct kvm_x86_mce) == 64);

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

/* KVM_X86_GET_MCE_CAP_SUPPORTED. 0 or -EFAULT. */
int x86_mce_supported(u64 __user *user)
{
	return put_user(MCE_CAPS_SUPPORTED, user);
}

/**
 * x86_mce_setup() - KVM_X86_SETUP_MCE
 * @vcpu: loaded
 * @user: MCG_CAP the guest is to have
 *
 * Every bank, and reporting as a whole, is on afterwards. Return: 0, -EFAULT,
 * -EINVAL (no banks or too many, or a capability there is not).
 */
int x86_mce_setup(struct kvm_vcpu *vcpu, const u64 __user *user)
{
	struct kvm_vcpu_msrs *msrs = &vcpu->msrs;
	u64 cap, banks;
	u32 i;

	if (get_user(cap, user))
		return -EFAULT;
	banks = cap & MCG_CAP_BANKS;
	if (!banks || banks > KVM_MCE_BANKS_MAX)
		return -EINVAL;
	if (cap & ~(MCE_CAPS_SUPPORTED | MCG_CAP_BANKS | MCG_CAP_EXT_COUNT))
		return -EINVAL;
	/* AMD's CPUs have nothing above it. */
	if (kvm_vendor->isa == KVM_ISA_SVM)
		cap &= MCG_CTL_P | MCG_CAP_BANKS;
	msrs->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		msrs->mcg_ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		msrs->mce_bank[4 * i] = ~0ULL;
	return 0;
}

/* The guest takes no uncorrected error now: it has turned them off. */
static bool mce_disabled(const struct kvm_vcpu_msrs *msrs, const u64 *bank)
{
	return ((msrs->mcg_cap & MCG_CTL_P) && msrs->mcg_ctl != ~0ULL) || bank[0] != ~0ULL;
}

static void mce_bank_store(u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 overwrites = bank[BANK_REG_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[BANK_REG_STATUS] = mce->status | overwrites;
	bank[2] = mce->addr;
	bank[3] = mce->misc;
}

/*
 * Intel SDM, "Machine-Check Architecture": one that comes while another is being
 * handled, or to a CPU that does not take #MC, shuts the CPU down.
 */
static void mce_uncorrected(struct kvm_vcpu *vcpu, u64 *bank,
			    const struct kvm_x86_mce *mce)
{
	if ((vcpu->msrs.mcg_status & MCG_STATUS_MCIP) ||
	    !(vcpu_cr4(vcpu) & X86_CR4_MCE)) {
		vcpu_request(vcpu, KVM_REQ_SHUTDOWN);
		return;
	}
	mce_bank_store(bank, mce);
	vcpu->msrs.mcg_status = mce->mcg_status;
	x86_queue_exception(vcpu, X86_TRAP_MC);
}

/**
 * x86_mce_inject() - KVM_X86_SET_MCE: a machine check happens to the guest
 * @vcpu: loaded
 * @user: where, and what the bank will say
 *
 * A corrected error is only noted, and does not hide an uncorrected one.
 * Return: 0 (also if the guest has turned reporting off), -EFAULT, -EINVAL.
 */
int x86_mce_inject(struct kvm_vcpu *vcpu, const struct kvm_x86_mce __user *user)
{
	struct kvm_x86_mce mce;
	u64 *bank;

	if (copy_from_user(&mce, user, sizeof(mce)))
		return -EFAULT;
	if (mce.bank >= mce_banks(vcpu) || !(mce.status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &vcpu->msrs.mce_bank[4 * array_index_nospec(mce.bank, KVM_MCE_BANKS_MAX)];
	if (mce.status & MCI_STATUS_UC) {
		if (!mce_disabled(&vcpu->msrs, bank))
			mce_uncorrected(vcpu, bank, &mce);
	} else if ((bank[BANK_REG_STATUS] & MCI_STATUS_VAL) &&
		   (bank[BANK_REG_STATUS] & MCI_STATUS_UC)) {
		bank[BANK_REG_STATUS] |= MCI_STATUS_OVER;
	} else {
		mce_bank_store(bank, &mce);
	}
	return 0;
}
