// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRRs and PAT: validated and stored. Guest RAM is ordinary cached memory, so
 * what they say has no effect on how it is mapped.
 */
#include <linux/nospec.h>
#include <asm/msr-index.h>
#include "x86_private.h"

#define MTRR_VARIABLE_LAST	(MTRR_VARIABLE + 2 * KVM_MTRR_VARIABLE - 1)
#define MTRR_DEFTYPE_RSVD	(~(u64)(BIT(11) | BIT(10) | 0xff))
#define MTRR_MASK_VALID		BIT(11)

/* The place of a fixed-range MSR in .mtrr_fixed[], or -1. */
static int mtrr_fixed_place(u32 index)
{
	switch (index) {
	case MTRR_FIXED_64K:
		return 0;
	case MTRR_FIXED_16K:
		return 1;
	case MTRR_FIXED_16K + 1:
		return 2;
	case MTRR_FIXED_4K ... MTRR_FIXED_4K + 7:
		return 3 + array_index_nospec(index - MTRR_FIXED_4K, 8);
	default:
		return -1;
	}
}

static u64 *mtrr_slot(struct kvm_vcpu *vcpu, u32 index)
{
	int place = mtrr_fixed_place(index);

	if (place >= 0)
		return &vcpu->msrs.mtrr_fixed[place];
	if (index >= MTRR_VARIABLE && index <= MTRR_VARIABLE_LAST) {
		place = array_index_nospec(index - MTRR_VARIABLE,
					   2 * KVM_MTRR_VARIABLE);
		return &vcpu->msrs.mtrr_var[place];
	}
	if (index == MTRR_DEF_TYPE)
		return &vcpu->msrs.mtrr_deftype;
	return NULL;
}

/* UC, WC, WT, WP, WB; PAT has UC- (7) besides. */
static bool memory_type_valid(u8 type)
{
	return type < 7 && (BIT(type) & (BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6)));
}

static bool memory_types_valid(u64 types)
{
	int i;

	for (i = 0; i < 64; i += 8) {
		if (!memory_type_valid(types >> i))
			return false;
	}
	return true;
}

bool pat_valid(u64 pat)
{
	u8 type;
	int i;

	for (i = 0; i < 64; i += 8) {
		type = pat >> i;
		if (type != 7 && !memory_type_valid(type))
			return false;
	}
	return true;
}

static bool mtrr_valid(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	if (mtrr_fixed_place(index) >= 0)
		return memory_types_valid(val);
	if (index == MTRR_DEF_TYPE)
		return !(val & MTRR_DEFTYPE_RSVD) && memory_type_valid(val);
	if (val & x86_bits_above(vcpu->maxphyaddr))
		return false;
	/* Odd ones are masks, even ones bases. */
	if (index & 1)
		return !(val & (MTRR_MASK_VALID - 1));
	return !(val & GENMASK(11, 8)) && memory_type_valid(val);
}

/* Read an MTRR. 0, or 1: no such MSR. */
int mtrr_get(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	u64 *slot = mtrr_slot(vcpu, index);

	if (!slot)
		return 1;
	*val = *slot;
	return 0;
}

/* Write an MTRR. 0, or 1: no such MSR, or reserved bits. */
int mtrr_set(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	u64 *slot = mtrr_slot(vcpu, index);

	if (!slot || !mtrr_valid(vcpu, index, val))
		return 1;
	*slot = val;
	return 0;
}
