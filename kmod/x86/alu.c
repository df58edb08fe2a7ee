// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic. Manuals: the "Flags Affected" part of each instruction.
 */
#include "alu.h"
#include "decode.h"

static u64 alu_sign(unsigned int size)
{
	return 1ULL << (8 * size - 1);
}

static s64 alu_extend(u64 a, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (s64)(a << shift) >> shift;
}

static void alu_assign(u64 *flags, u64 flag, bool on)
{
	if (on)
		*flags |= flag;
	else
		*flags &= ~flag;
}

static bool alu_parity_even(u8 byte)
{
	byte ^= byte >> 4;
	byte ^= byte >> 2;
	byte ^= byte >> 1;
	return !(byte & 1);
}

static void alu_result_flags(u64 result, unsigned int size, u64 *flags)
{
	alu_assign(flags, ALU_ZF, result == 0);
	alu_assign(flags, ALU_SF, result & alu_sign(size));
	alu_assign(flags, ALU_PF, alu_parity_even(result));
}

static u64 alu_add(u64 a, u64 b, bool carry, unsigned int size, u64 *flags)
{
	u64 result = (a + b + carry) & alu_mask(size);
	u64 carries = (a & b) | ((a | b) & ~result);

	alu_assign(flags, ALU_CF, carries & alu_sign(size));
	alu_assign(flags, ALU_AF, carries & 8);
	alu_assign(flags, ALU_OF, (a ^ result) & (b ^ result) & alu_sign(size));
	alu_result_flags(result, size, flags);
	return result;
}

static u64 alu_sub(u64 a, u64 b, bool borrow, unsigned int size, u64 *flags)
{
	u64 result = (a - b - borrow) & alu_mask(size);
	u64 borrows = (~a & b) | ((~a | b) & result);

	alu_assign(flags, ALU_CF, borrows & alu_sign(size));
	alu_assign(flags, ALU_AF, borrows & 8);
	alu_assign(flags, ALU_OF, (a ^ b) & (a ^ result) & alu_sign(size));
	alu_result_flags(result, size, flags);
	return result;
}

static u64 alu_logic(u64 result, unsigned int size, u64 *flags)
{
	*flags &= ~(u64)(ALU_CF | ALU_OF | ALU_AF);
	alu_result_flags(result, size, flags);
	return result;
}

u64 alu_binary(unsigned int op, u64 a, u64 b, unsigned int size, u64 *flags)
{
	switch (op) {
	case OP_ADD:
		return alu_add(a, b, false, size, flags);
	case OP_ADC:
		return alu_add(a, b, *flags & ALU_CF, size, flags);
	case OP_SUB:
	case OP_CMP:
		return alu_sub(a, b, false, size, flags);
	case OP_SBB:
		return alu_sub(a, b, *flags & ALU_CF, size, flags);
	case OP_OR:
		return alu_logic(a | b, size, flags);
	case OP_AND:
		return alu_logic(a & b, size, flags);
	default:
		return alu_logic(a ^ b, size, flags);
	}
}

u64 alu_inc(u64 a, unsigned int size, u64 *flags)
{
	u64 carry = *flags & ALU_CF;
	u64 result = alu_add(a, 1, false, size, flags);

	alu_assign(flags, ALU_CF, carry);
	return result;
}

u64 alu_dec(u64 a, unsigned int size, u64 *flags)
{
	u64 carry = *flags & ALU_CF;
	u64 result = alu_sub(a, 1, false, size, flags);

	alu_assign(flags, ALU_CF, carry);
	return result;
}

/* One bit position of a rotation or shift; CF is the bit that left. */
static u64 alu_shift_one(unsigned int op, u64 a, unsigned int size, u64 *flags)
{
	u64 top = alu_sign(size);
	bool left = op == OP_ROL || op == OP_RCL || op == OP_SHL || op == OP_SAL;
	bool out = left ? a & top : a & 1;
	bool in;

	switch (op) {
	case OP_ROL:
	case OP_ROR:
		in = out;
		break;
	case OP_RCL:
	case OP_RCR:
		in = *flags & ALU_CF;
		break;
	case OP_SAR:
		in = a & top;
		break;
	default:
		in = false;
		break;
	}
	alu_assign(flags, ALU_CF, out);
	if (left)
		return ((a << 1) | in) & alu_mask(size);
	return (a >> 1) | (in ? top : 0);
}

u64 alu_shift(unsigned int op, u64 a, unsigned int count, unsigned int size, u64 *flags)
{
	bool rotate = op <= OP_RCR;
	bool left = op == OP_ROL || op == OP_RCL || op == OP_SHL || op == OP_SAL;
	u64 top = alu_sign(size);
	u64 before = a;
	unsigned int i;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	for (i = 0; i < count; i++) {
		before = a;
		a = alu_shift_one(op, a, size, flags);
	}
	/* OF as the last single step leaves it: what a count of 1 defines. */
	if (left)
		alu_assign(flags, ALU_OF, !!(a & top) != !!(*flags & ALU_CF));
	else if (rotate)
		alu_assign(flags, ALU_OF, !!(a & top) != !!(a & (top >> 1)));
	else
		alu_assign(flags, ALU_OF, op == OP_SHR && (before & top));
	if (!rotate)
		alu_result_flags(a, size, flags);
	return a;
}

u64 alu_shift_double(bool left, u64 a, u64 fill, unsigned int count, unsigned int size,
		     u64 *flags)
{
	unsigned int bits = 8 * size;
	u64 top = alu_sign(size);
	u64 before = a;
	unsigned int i;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	/* A count above the operand size has no defined result: go on with the bits at hand. */
	for (i = 0; i < count; i++) {
		before = a;
		if (left) {
			alu_assign(flags, ALU_CF, a & top);
			a = ((a << 1) | ((fill >> (bits - 1)) & 1)) & alu_mask(size);
			fill = (fill << 1) | (before & top ? 1 : 0);
		} else {
			alu_assign(flags, ALU_CF, a & 1);
			a = (a >> 1) | (fill & 1 ? top : 0);
			fill = (fill >> 1) | (before & 1 ? top : 0);
		}
	}
	alu_assign(flags, ALU_OF, (before ^ a) & top);
	alu_result_flags(a, size, flags);
	return a;
}

u64 alu_bit(unsigned int op, u64 a, unsigned int bit, u64 *flags)
{
	u64 flag = 1ULL << bit;

	alu_assign(flags, ALU_CF, a & flag);
	switch (op) {
	case OP_BTS:
		return a | flag;
	case OP_BTR:
		return a & ~flag;
	case OP_BTC:
		return a ^ flag;
	default:
		return a;
	}
}

bool alu_bit_scan(bool reverse, u64 a, u64 *result, u64 *flags)
{
	unsigned int bit = reverse ? 63 : 0;

	alu_assign(flags, ALU_ZF, a == 0);
	if (a == 0)
		return false;
	while (!(a & (1ULL << bit)))
		bit += reverse ? -1 : 1;
	*result = bit;
	return true;
}

void alu_multiply(bool is_signed, u64 *low, u64 *high, u64 b, unsigned int size, u64 *flags)
{
	unsigned __int128 product;
	bool overflow;

	if (is_signed)
		product = (__int128)alu_extend(*low, size) * alu_extend(b, size);
	else
		product = (unsigned __int128)*low * b;
	*low = (u64)product & alu_mask(size);
	*high = (u64)(product >> (8 * size)) & alu_mask(size);
	if (is_signed)
		overflow = product != (unsigned __int128)(__int128)alu_extend(*low, size);
	else
		overflow = *high != 0;
	alu_assign(flags, ALU_CF, overflow);
	alu_assign(flags, ALU_OF, overflow);
}

/* 128 by 64 bits; the caller has made sure that the quotient fits. */
static void alu_divide_raw(u64 *low, u64 *high, u64 b)
{
	asm("divq %[b]" : "+a" (*low), "+d" (*high) : [b] "r" (b) : "cc");
}

bool alu_divide(bool is_signed, u64 *low, u64 *high, u64 b, unsigned int size)
{
	unsigned __int128 dividend = ((unsigned __int128)*high << (8 * size)) | *low;
	bool negative = false, negative_b = false;
	u64 quotient, remainder, limit;

	if (is_signed) {
		negative = *high & alu_sign(size);
		negative_b = b & alu_sign(size);
		b = alu_extend(b, size);
		if (negative_b)
			b = -b;
		if (negative) {
			dividend = -dividend;
			if (size < 8)	/* the sign bits above the dividend */
				dividend &= ((unsigned __int128)1 << (16 * size)) - 1;
		}
	}
	if (b == 0)
		return false;
	remainder = (u64)(dividend >> 64);
	quotient = (u64)dividend;
	if (remainder >= b)
		return false;
	alu_divide_raw(&quotient, &remainder, b);
	if (is_signed)
		limit = alu_sign(size) - (negative == negative_b);
	else
		limit = alu_mask(size);
	if (quotient > limit)
		return false;
	*low = (negative != negative_b ? -quotient : quotient) & alu_mask(size);
	*high = (negative ? -remainder : remainder) & alu_mask(size);
	return true;
}

bool alu_condition(unsigned int cc, u64 flags)
{
	bool sign_differs = !(flags & ALU_SF) != !(flags & ALU_OF);
	bool result;

	switch (cc >> 1) {
	case 0:
		result = flags & ALU_OF;
		break;
	case 1:
		result = flags & ALU_CF;
		break;
	case 2:
		result = flags & ALU_ZF;
		break;
	case 3:
		result = flags & (ALU_CF | ALU_ZF);
		break;
	case 4:
		result = flags & ALU_SF;
		break;
	case 5:
		result = flags & ALU_PF;
		break;
	case 6:
		result = sign_differs;
		break;
	default:
		result = sign_differs || (flags & ALU_ZF);
		break;
	}
	return result != (cc & 1);
}
