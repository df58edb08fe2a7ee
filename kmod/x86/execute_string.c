// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions, one iteration at a time: a fault or a device access in
 * the middle leaves the registers as the finished iterations made them.
 * Manuals: "REP/REPE/REPZ/REPNE/REPNZ".
 */
#include <asm/processor-flags.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

static u64 string_offset(const struct exec *x, unsigned int reg)
{
	return x->gpr[reg] & alu_mask(x->insn.addrsize);
}

/* rSI may be in any segment. */
static int string_load_source(struct exec *x, u64 *val)
{
	u64 linear;
	int r;

	*val = 0;
	r = exec_linear(x, x->insn.seg, string_offset(x, KVM_RSI), x->insn.opsize, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, val, x->insn.opsize, KVM_ACCESS_READ);
	return r;
}

/* rDI is always in ES. */
static int string_load_destination(struct exec *x, u64 *val)
{
	u64 linear;
	int r;

	*val = 0;
	r = exec_linear(x, KVM_ES, string_offset(x, KVM_RDI), x->insn.opsize, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, val, x->insn.opsize, KVM_ACCESS_READ);
	return r;
}

static int string_store_destination(struct exec *x, u64 val)
{
	u64 linear;
	int r;

	r = exec_linear(x, KVM_ES, string_offset(x, KVM_RDI), x->insn.opsize, true, &linear);
	if (r == EXEC_DONE)
		r = x->ops->write(x, linear, &val, x->insn.opsize);
	return r;
}

static void string_advance(struct exec *x, unsigned int reg)
{
	u64 step = x->rflags & X86_EFLAGS_DF ? -(u64)x->insn.opsize : x->insn.opsize;

	exec_reg_write(x, reg, x->insn.addrsize, x->gpr[reg] + step);
}

static int string_compare(struct exec *x)
{
	u64 a, b;
	int r;

	if (x->insn.op == OP_SCAS) {
		a = x->gpr[KVM_RAX] & alu_mask(x->insn.opsize);
		r = EXEC_DONE;
	} else {
		r = string_load_source(x, &a);
	}
	if (r == EXEC_DONE)
		r = string_load_destination(x, &b);
	if (r != EXEC_DONE)
		return r;
	alu_binary(OP_CMP, a, b, x->insn.opsize, &x->rflags);
	if (x->insn.op == OP_CMPS)
		string_advance(x, KVM_RSI);
	string_advance(x, KVM_RDI);
	return EXEC_DONE;
}

static int string_move(struct exec *x)
{
	u64 val;
	int r;

	if (x->insn.op == OP_STOS) {
		val = x->gpr[KVM_RAX];
		r = EXEC_DONE;
	} else {
		r = string_load_source(x, &val);
	}
	if (r == EXEC_DONE && x->insn.op != OP_LODS)
		r = string_store_destination(x, val);
	if (r != EXEC_DONE)
		return r;
	if (x->insn.op == OP_LODS)
		exec_reg_write(x, KVM_RAX, x->insn.opsize, val);
	if (x->insn.op != OP_STOS)
		string_advance(x, KVM_RSI);
	if (x->insn.op != OP_LODS)
		string_advance(x, KVM_RDI);
	return EXEC_DONE;
}

/* REPE and REPNE of the comparing ones also end on ZF. */
static bool string_found(const struct exec *x)
{
	if (x->insn.op != OP_CMPS && x->insn.op != OP_SCAS)
		return false;
	return !(x->rflags & ALU_ZF) == (x->insn.rep == 0xf3);
}

int exec_string(struct exec *x)
{
	unsigned int width = x->insn.addrsize;
	u64 count = x->gpr[KVM_RCX] & alu_mask(width);
	int r;

	if (x->insn.rep && !count)
		return EXEC_DONE;
	if (x->insn.op == OP_CMPS || x->insn.op == OP_SCAS)
		r = string_compare(x);
	else
		r = string_move(x);
	if (r != EXEC_DONE || !x->insn.rep)
		return r;
	exec_reg_write(x, KVM_RCX, width, --count);
	return count && !string_found(x) ? EXEC_REP : EXEC_DONE;
}
