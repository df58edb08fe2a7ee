/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Integer arithmetic with its effect on RFLAGS. Pure.
 *
 * Operands are @size bytes wide (1, 2, 4, 8) and already truncated; so are the
 * results. *flags is read where the operation takes a carry and gets its
 * status flags replaced; flags the manuals leave undefined keep the value they had.
 */
#ifndef KVM_SWAP_ALU_H
#define KVM_SWAP_ALU_H

#include <linux/types.h>
#include <linux/bits.h>

#define ALU_CF	BIT(0)
#define ALU_PF	BIT(2)
#define ALU_AF	BIT(4)
#define ALU_ZF	BIT(6)
#define ALU_SF	BIT(7)
#define ALU_OF	BIT(11)

static inline u64 alu_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

/* @op: OP_ADD .. OP_CMP */
u64 alu_binary(unsigned int op, u64 a, u64 b, unsigned int size, u64 *flags);
u64 alu_inc(u64 a, unsigned int size, u64 *flags);
u64 alu_dec(u64 a, unsigned int size, u64 *flags);
/* @op: OP_ROL .. OP_SAR; @count as given, masked here */
u64 alu_shift(unsigned int op, u64 a, unsigned int count, unsigned int size, u64 *flags);
/* SHLD (@left) and SHRD; @fill supplies the bits shifted in */
u64 alu_shift_double(bool left, u64 a, u64 fill, unsigned int count, unsigned int size,
		     u64 *flags);
/* @op: OP_BT .. OP_BTC; @bit below 8 * @size */
u64 alu_bit(unsigned int op, u64 a, unsigned int bit, u64 *flags);
/* BSF (!@reverse) and BSR; false: @a is 0 and there is no result */
bool alu_bit_scan(bool reverse, u64 a, u64 *result, u64 *flags);
/* *low and *high are the operand a and the upper half of the result */
void alu_multiply(bool is_signed, u64 *low, u64 *high, u64 b, unsigned int size, u64 *flags);
/* *high:*low by @b: quotient in *low, remainder in *high; false: #DE */
bool alu_divide(bool is_signed, u64 *low, u64 *high, u64 b, unsigned int size);
/* Is condition @cc (opcode bits 3:0) true? */
bool alu_condition(unsigned int cc, u64 flags);

#endif
