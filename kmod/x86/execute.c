// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execution of decoded instructions: operands, stack, control registers.
 * Manuals: the "Operation" part of each instruction; "Limit Checking", "Type
 * Checking", "Canonical Addressing".
 */
#include <linux/string.h>
#include <asm/cpufeatures.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

int exec_raise(struct exec *x, u8 vector)
{
	x->fault.vector = vector;
	x->fault.has_error = false;
	x->fault.error = 0;
	x->fault.cr2 = 0;
	return EXEC_FAULT;
}

/* "Real-Address Mode Exceptions": no error codes there. */
int exec_raise_error(struct exec *x, u8 vector, u32 error)
{
	exec_raise(x, vector);
	x->fault.has_error = !x->real;
	x->fault.error = error;
	return EXEC_FAULT;
}

static bool exec_reg_is_high_byte(const struct exec *x, unsigned int reg, unsigned int size)
{
	return size == 1 && !x->insn.rex && reg >= 4 && reg < 8;
}

u64 exec_reg_read(const struct exec *x, unsigned int reg, unsigned int size)
{
	if (exec_reg_is_high_byte(x, reg, size))
		return (x->gpr[reg - 4] >> 8) & 0xff;
	return x->gpr[reg] & alu_mask(size);
}

void exec_reg_write(struct exec *x, unsigned int reg, unsigned int size, u64 val)
{
	u64 mask = alu_mask(size);

	val &= mask;
	if (exec_reg_is_high_byte(x, reg, size))
		x->gpr[reg - 4] = (x->gpr[reg - 4] & ~0xff00ULL) | val << 8;
	else if (size >= 4)
		x->gpr[reg] = val;	/* 32-bit results are zero-extended */
	else
		x->gpr[reg] = (x->gpr[reg] & ~mask) | val;
}

static int exec_segment_fault(struct exec *x, int seg)
{
	return exec_raise_error(x, seg == KVM_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

bool exec_canonical(const struct exec *x, u64 addr)
{
	unsigned int shift = x->cr4 & X86_CR4_LA57 ? 64 - 57 : 64 - 48;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

static int exec_linear64(struct exec *x, int seg, u64 offset, unsigned int len, u64 *linear)
{
	u64 addr = offset;

	if (seg == KVM_FS || seg == KVM_GS)
		addr += x->ops->segment(x, seg)->base;
	if (!exec_canonical(x, addr) || !exec_canonical(x, addr + len - 1))
		return exec_segment_fault(x, seg);
	*linear = addr;
	return EXEC_DONE;
}

static bool exec_segment_allows(const struct exec *x, const struct exec_segment *s, bool write)
{
	bool code = s->type & 8;

	if (x->real || x->vm86)
		return true;
	if (!s->usable)
		return false;
	if (write)
		return !code && (s->type & 2);
	return !code || (s->type & 2);
}

static bool exec_within_limit(const struct exec_segment *s, u64 offset, unsigned int len)
{
	u64 last = offset + len - 1;

	/* "Limit Checking": expand-down data segments are valid above their limit. */
	if ((s->type & 0xc) == 4)
		return offset > s->limit && last <= (s->big ? U32_MAX : U16_MAX);
	return last <= s->limit;
}

int exec_linear(struct exec *x, int seg, u64 offset, unsigned int len, bool write,
		u64 *linear)
{
	const struct exec_segment *s;

	if (x->insn.mode == DECODE_64)
		return exec_linear64(x, seg, offset, len, linear);
	s = x->ops->segment(x, seg);
	if (!exec_segment_allows(x, s, write) || !exec_within_limit(s, offset, len))
		return exec_segment_fault(x, seg);
	*linear = (u32)(s->base + offset);
	return EXEC_DONE;
}

u64 exec_address(const struct exec *x)
{
	const struct decode_insn *insn = &x->insn;
	u64 addr = (s64)insn->disp;

	if (insn->base != DECODE_NO_REG)
		addr += x->gpr[insn->base];
	if (insn->base == KVM_RSP)
		addr += x->pop_bias;
	if (insn->index != DECODE_NO_REG)
		addr += x->gpr[insn->index] << insn->scale;
	if (insn->rip_relative)
		addr += x->next_rip;
	return addr & alu_mask(insn->addrsize);
}

/* Find where an operand is. @displace: bytes added to a memory r/m's address. */
static int exec_operand_locate_at(struct exec *x, struct exec_operand *o, unsigned int kind,
				  bool write, s64 displace)
{
	const struct decode_insn *insn = &x->insn;
	u64 offset;

	o->size = insn->opsize;
	o->mem = false;
	switch (kind) {
	case OPD_G:
		o->reg = insn->reg;
		return EXEC_DONE;
	case OPD_Z:
		o->reg = (insn->opcode & 7) | (insn->rex & 1 ? 8 : 0);
		return EXEC_DONE;
	case OPD_ACC:
		o->reg = KVM_RAX;
		return EXEC_DONE;
	case OPD_MOFFS:
		offset = insn->imm;
		break;
	case OPD_E8:
		o->size = 1;
		offset = exec_address(x);
		break;
	case OPD_E16:
		o->size = 2;
		offset = exec_address(x);
		break;
	case OPD_E32:
		if (o->size > 4)
			o->size = 4;
		offset = exec_address(x);
		break;
	default:
		offset = exec_address(x);
		break;
	}
	if (kind != OPD_MOFFS && !insn->mem) {
		o->reg = insn->rm;
		return EXEC_DONE;
	}
	o->mem = true;
	offset = (offset + displace) & alu_mask(insn->addrsize);
	return exec_linear(x, insn->seg, offset, o->size, write, &o->linear);
}

int exec_operand_locate(struct exec *x, struct exec_operand *o, unsigned int kind, bool write)
{
	return exec_operand_locate_at(x, o, kind, write, 0);
}

int exec_operand_load(struct exec *x, struct exec_operand *o, u32 access)
{
	o->val = 0;
	if (o->mem)
		return x->ops->read(x, o->linear, &o->val, o->size, access);
	o->val = exec_reg_read(x, o->reg, o->size);
	return EXEC_DONE;
}

/* Store a result where nothing was read. */
int exec_operand_store(struct exec *x, struct exec_operand *o, u64 val)
{
	if (o->mem)
		return x->ops->write(x, o->linear, &val, o->size);
	exec_reg_write(x, o->reg, o->size, val);
	return EXEC_DONE;
}

/* Store the result of a read-modify-write. */
static int exec_operand_update(struct exec *x, struct exec_operand *o, u64 val)
{
	if (o->mem && (x->insn.lock || x->insn.op == OP_XCHG))
		return x->ops->exchange(x, o->linear, &o->val, &val, o->size);
	return exec_operand_store(x, o, val);
}

/* A source operand's value, immediates included. */
int exec_operand_value(struct exec *x, unsigned int kind, u64 *val)
{
	struct exec_operand o;
	int r;

	switch (kind) {
	case OPD_IMM:
		*val = x->insn.imm & alu_mask(x->insn.opsize);
		return EXEC_DONE;
	case OPD_IMMU8:
		*val = (u8)x->insn.imm;
		return EXEC_DONE;
	case OPD_ONE:
		*val = 1;
		return EXEC_DONE;
	case OPD_CL:
		*val = (u8)x->gpr[KVM_RCX];
		return EXEC_DONE;
	case OPD_S:
		*val = x->ops->selector(x, x->insn.reg & 7);
		return EXEC_DONE;
	case OPD_ZS:
		*val = x->ops->selector(x, (x->insn.opcode >> 3) & 7);
		return EXEC_DONE;
	}
	r = exec_operand_locate(x, &o, kind, false);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &o, KVM_ACCESS_READ);
	*val = o.val;
	return r;
}

/* dst = dst OP src for everything that computes one value from one or two. */
static int exec_update(struct exec *x, u64 (*compute)(struct exec *x, u64 a, u64 b, u64 *flags),
		       bool write)
{
	u32 access = write ? KVM_ACCESS_WRITE : KVM_ACCESS_READ;
	struct exec_operand dst;
	u64 b = 0, flags = x->rflags, result;
	int r;

	r = exec_operand_locate(x, &dst, x->insn.dst, write);
	if (r == EXEC_DONE && x->insn.src != OPD_NONE)
		r = exec_operand_value(x, x->insn.src, &b);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &dst, access);
	if (r != EXEC_DONE)
		return r;
	result = compute(x, dst.val, b, &flags);
	if (write)
		r = exec_operand_update(x, &dst, result);
	if (r == EXEC_DONE)
		x->rflags = flags;
	return r;
}

static u64 compute_binary(struct exec *x, u64 a, u64 b, u64 *flags)
{
	return alu_binary(x->insn.op, a, b, x->insn.opsize, flags);
}

static u64 compute_test(struct exec *x, u64 a, u64 b, u64 *flags)
{
	return alu_binary(OP_AND, a, b, x->insn.opsize, flags);
}

static u64 compute_shift(struct exec *x, u64 a, u64 b, u64 *flags)
{
	return alu_shift(x->insn.op, a, b, x->insn.opsize, flags);
}

static u64 compute_unary(struct exec *x, u64 a, u64 b, u64 *flags)
{
	unsigned int size = x->insn.opsize;

	switch (x->insn.op) {
	case OP_INC:
		return alu_inc(a, size, flags);
	case OP_DEC:
		return alu_dec(a, size, flags);
	case OP_NEG:
		return alu_binary(OP_SUB, 0, a, size, flags);
	default:
		return ~a & alu_mask(size);
	}
}

static u64 compute_shift_double(struct exec *x, u64 a, u64 b, u64 *flags)
{
	u64 fill = exec_reg_read(x, x->insn.reg, x->insn.opsize);

	return alu_shift_double(x->insn.op == OP_SHLD, a, fill, b, x->insn.opsize, flags);
}

static int exec_mov(struct exec *x)
{
	struct exec_operand dst;
	u64 val;
	int r;

	if (x->insn.src == OPD_S && (x->insn.reg & 7) > KVM_GS)
		return exec_raise(x, X86_TRAP_UD);
	r = exec_operand_locate(x, &dst, x->insn.dst, true);
	if (r == EXEC_DONE)
		r = exec_operand_value(x, x->insn.src, &val);
	if (r != EXEC_DONE)
		return r;
	/* A selector in memory is always 16 bits wide. */
	if (x->insn.src == OPD_S && dst.mem)
		dst.size = 2;
	return exec_operand_store(x, &dst, val);
}

static int exec_move_extend(struct exec *x)
{
	unsigned int shift;
	struct exec_operand src;
	int r;

	r = exec_operand_locate(x, &src, x->insn.src, false);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &src, KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	shift = 64 - 8 * src.size;
	if (x->insn.op == OP_MOVSX)
		src.val = (u64)((s64)(src.val << shift) >> shift);
	exec_reg_write(x, x->insn.reg, x->insn.opsize, src.val);
	return EXEC_DONE;
}

static int exec_movbe(struct exec *x)
{
	unsigned int i, size = x->insn.opsize;
	struct exec_operand dst;
	u64 val, swapped = 0;
	int r;

	if (!x->ops->has(x, X86_FEATURE_MOVBE))
		return exec_raise(x, X86_TRAP_UD);
	r = exec_operand_locate(x, &dst, x->insn.dst, true);
	if (r == EXEC_DONE)
		r = exec_operand_value(x, x->insn.src, &val);
	if (r != EXEC_DONE)
		return r;
	for (i = 0; i < size; i++)
		swapped |= ((val >> (8 * i)) & 0xff) << (8 * (size - 1 - i));
	return exec_operand_store(x, &dst, swapped);
}

/* XCHG and XADD: the register gets what memory held. */
static int exec_exchange(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u64 flags = x->rflags, reg, result;
	struct exec_operand dst;
	int r;

	r = exec_operand_locate(x, &dst, x->insn.dst, true);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &dst, KVM_ACCESS_WRITE);
	if (r != EXEC_DONE)
		return r;
	reg = exec_reg_read(x, x->insn.reg, size);
	result = reg;
	if (x->insn.op == OP_XADD)
		result = alu_binary(OP_ADD, dst.val, reg, size, &flags);
	/* A register destination that is also the source keeps the sum. */
	if (dst.mem)
		r = exec_operand_update(x, &dst, result);
	if (r != EXEC_DONE)
		return r;
	exec_reg_write(x, x->insn.reg, size, dst.val);
	if (!dst.mem)
		exec_reg_write(x, dst.reg, size, result);
	x->rflags = flags;
	return EXEC_DONE;
}

static int exec_cmpxchg(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	struct exec_operand dst;
	u64 flags = x->rflags, acc, result;
	bool equal;
	int r;

	r = exec_operand_locate(x, &dst, x->insn.dst, true);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &dst, KVM_ACCESS_WRITE);
	if (r != EXEC_DONE)
		return r;
	acc = exec_reg_read(x, KVM_RAX, size);
	alu_binary(OP_CMP, acc, dst.val, size, &flags);
	equal = acc == dst.val;
	/* The destination is written in either case. */
	result = equal ? exec_reg_read(x, x->insn.reg, size) : dst.val;
	if (dst.mem || equal)
		r = exec_operand_update(x, &dst, result);
	if (r != EXEC_DONE)
		return r;
	if (!equal)
		exec_reg_write(x, KVM_RAX, size, dst.val);
	x->rflags = flags;
	return EXEC_DONE;
}

/* CMPXCHG8B and CMPXCHG16B */
static int exec_cmpxchg_pair(struct exec *x)
{
	unsigned int half = x->insn.opsize == 8 ? 8 : 4;
	u8 old[16], new[16];
	u64 low = 0, high = 0, acc_low, acc_high, linear;
	bool equal;
	int r;

	r = exec_linear(x, x->insn.seg, exec_address(x), 2 * half, true, &linear);
	if (r != EXEC_DONE)
		return r;
	if (half == 8 && (linear & 15))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = x->ops->read(x, linear, old, 2 * half, KVM_ACCESS_WRITE);
	if (r != EXEC_DONE)
		return r;
	memcpy(&low, old, half);
	memcpy(&high, old + half, half);
	acc_low = x->gpr[KVM_RAX] & alu_mask(half);
	acc_high = x->gpr[KVM_RDX] & alu_mask(half);
	equal = low == acc_low && high == acc_high;
	memcpy(new, old, sizeof(new));
	if (equal) {
		memcpy(new, &x->gpr[KVM_RBX], half);
		memcpy(new + half, &x->gpr[KVM_RCX], half);
	}
	if (x->insn.lock)
		r = x->ops->exchange(x, linear, old, new, 2 * half);
	else
		r = x->ops->write(x, linear, new, 2 * half);
	if (r != EXEC_DONE)
		return r;
	if (equal) {
		x->rflags |= ALU_ZF;
	} else {
		x->rflags &= ~(u64)ALU_ZF;
		exec_reg_write(x, KVM_RAX, half, low);
		exec_reg_write(x, KVM_RDX, half, high);
	}
	return EXEC_DONE;
}

/* BT and its kin: a bit offset in a register reaches beyond a memory operand. */
static int exec_bit(struct exec *x)
{
	unsigned int size = x->insn.opsize, bits = 8 * size;
	bool write = x->insn.op != OP_BT;
	u64 flags = x->rflags, offset, result;
	struct exec_operand dst;
	s64 displace = 0;
	int r;

	r = exec_operand_value(x, x->insn.src, &offset);
	if (r != EXEC_DONE)
		return r;
	if (x->insn.src == OPD_G) {
		/* signed, in whole operands */
		displace = (s64)(offset << (64 - bits)) >> (64 - bits);
		displace = (displace >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
	}
	r = exec_operand_locate_at(x, &dst, x->insn.dst, write, displace);
	if (r == EXEC_DONE)
		r = exec_operand_load(x, &dst, write ? KVM_ACCESS_WRITE : KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	result = alu_bit(x->insn.op, dst.val, offset & (bits - 1), &flags);
	if (write)
		r = exec_operand_update(x, &dst, result);
	if (r == EXEC_DONE)
		x->rflags = flags;
	return r;
}

static int exec_bit_scan(struct exec *x)
{
	u64 val, result;
	int r = exec_operand_value(x, x->insn.src, &val);

	if (r != EXEC_DONE)
		return r;
	if (alu_bit_scan(x->insn.op == OP_BSR, val, &result, &x->rflags))
		exec_reg_write(x, x->insn.reg, x->insn.opsize, result);
	return EXEC_DONE;
}

/* The one-operand forms: rDX:rAX, or AX for bytes. */
static int exec_multiply_divide(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	bool is_signed = x->insn.op == OP_IMUL || x->insn.op == OP_IDIV;
	u64 low, high, b;
	int r = exec_operand_value(x, x->insn.dst, &b);

	if (r != EXEC_DONE)
		return r;
	low = x->gpr[KVM_RAX] & alu_mask(size);
	high = size == 1 ? (x->gpr[KVM_RAX] >> 8) & 0xff : x->gpr[KVM_RDX] & alu_mask(size);
	if (x->insn.op == OP_MUL || x->insn.op == OP_IMUL)
		alu_multiply(is_signed, &low, &high, b, size, &x->rflags);
	else if (!alu_divide(is_signed, &low, &high, b, size))
		return exec_raise(x, X86_TRAP_DE);
	if (size == 1) {
		exec_reg_write(x, KVM_RAX, 2, low | high << 8);
	} else {
		exec_reg_write(x, KVM_RAX, size, low);
		exec_reg_write(x, KVM_RDX, size, high);
	}
	return EXEC_DONE;
}

/* IMUL with a register destination: by r/m, or r/m by immediate. */
static int exec_imul3(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u64 val, b, high;
	int r = exec_operand_value(x, x->insn.src, &val);

	if (r != EXEC_DONE)
		return r;
	if (x->insn.map == MAP_ONE)
		b = x->insn.imm & alu_mask(size);
	else
		b = exec_reg_read(x, x->insn.reg, size);
	alu_multiply(true, &val, &high, b, size, &x->rflags);
	exec_reg_write(x, x->insn.reg, size, val);
	return EXEC_DONE;
}

static int exec_conditional(struct exec *x)
{
	bool on = alu_condition(x->insn.opcode & 15, x->rflags);
	struct exec_operand dst;
	u64 val;
	int r;

	if (x->insn.op == OP_SETCC) {
		r = exec_operand_locate(x, &dst, x->insn.dst, true);
		return r == EXEC_DONE ? exec_operand_store(x, &dst, on) : r;
	}
	/* CMOVcc reads its source, and clears the upper half, even if false. */
	r = exec_operand_value(x, x->insn.src, &val);
	if (r != EXEC_DONE)
		return r;
	if (!on)
		val = exec_reg_read(x, x->insn.reg, x->insn.opsize);
	exec_reg_write(x, x->insn.reg, x->insn.opsize, val);
	return EXEC_DONE;
}

static int exec_xlat(struct exec *x)
{
	u64 offset = (x->gpr[KVM_RBX] + (u8)x->gpr[KVM_RAX]) & alu_mask(x->insn.addrsize);
	u64 linear;
	u8 val;
	int r;

	r = exec_linear(x, x->insn.seg, offset, 1, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, &val, 1, KVM_ACCESS_READ);
	if (r == EXEC_DONE)
		exec_reg_write(x, KVM_RAX, 1, val);
	return r;
}

static int exec_dispatch(struct exec *x)
{
	switch (x->insn.op) {
	case OP_ADD:
	case OP_OR:
	case OP_ADC:
	case OP_SBB:
	case OP_AND:
	case OP_SUB:
	case OP_XOR:
		return exec_update(x, compute_binary, true);
	case OP_CMP:
		return exec_update(x, compute_binary, false);
	case OP_TEST:
		return exec_update(x, compute_test, false);
	case OP_ROL:
	case OP_ROR:
	case OP_RCL:
	case OP_RCR:
	case OP_SHL:
	case OP_SHR:
	case OP_SAL:
	case OP_SAR:
		return exec_update(x, compute_shift, true);
	case OP_SHLD:
	case OP_SHRD:
		return exec_update(x, compute_shift_double, true);
	case OP_INC:
	case OP_DEC:
	case OP_NOT:
	case OP_NEG:
		return exec_update(x, compute_unary, true);
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		return exec_bit(x);
	case OP_BSF:
	case OP_BSR:
		return exec_bit_scan(x);
	case OP_MUL:
	case OP_IMUL:
	case OP_DIV:
	case OP_IDIV:
		return exec_multiply_divide(x);
	case OP_IMUL3:
		return exec_imul3(x);
	case OP_MOV:
		return exec_mov(x);
	case OP_MOVZX:
	case OP_MOVSX:
		return exec_move_extend(x);
	case OP_MOVBE:
		return exec_movbe(x);
	case OP_XCHG:
	case OP_XADD:
		return exec_exchange(x);
	case OP_CMPXCHG:
		return exec_cmpxchg(x);
	case OP_CMPXCHG8B:
		return exec_cmpxchg_pair(x);
	case OP_SETCC:
	case OP_CMOVCC:
		return exec_conditional(x);
	case OP_XLAT:
		return exec_xlat(x);
	case OP_MOVS:
	case OP_CMPS:
	case OP_STOS:
	case OP_LODS:
	case OP_SCAS:
		return exec_string(x);
	case OP_SIMD:
		return exec_simd(x);
	default:
		return exec_stack(x);
	}
}

int exec_insn(struct exec *x)
{
	const struct decode_insn *insn = &x->insn;

	/* "LOCK": only read-modify-write instructions with a memory destination. */
	if (insn->lock && (!(insn->flags & DF_LOCK) || !insn->mem))
		return exec_raise(x, X86_TRAP_UD);
	x->pop_bias = 0;
	x->effects = 0;
	x->new_segs = 0;
	x->new_tables = 0;
	x->next_rip = x->rip + insn->len;
	if (insn->mode != DECODE_64)
		x->next_rip = (u32)x->next_rip;
	return exec_dispatch(x);
}
