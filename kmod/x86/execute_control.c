// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers. Manuals: "MOV - Move to/from Control Registers",
 * "MOV - Move to/from Debug Registers", "CLTS", "LMSW", "SMSW".
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

static int control_result(struct exec *x, int vector)
{
	if (!vector)
		return EXEC_DONE;
	if (vector == X86_TRAP_GP)
		return exec_raise_error(x, vector, 0);
	return exec_raise(x, vector);
}

static bool control_exists(const struct exec *x, unsigned int cr)
{
	if (cr == 8)
		return x->insn.mode == DECODE_64;
	return cr == 0 || (cr >= 2 && cr <= 4);
}

static int control_move_cr(struct exec *x)
{
	const struct decode_insn *insn = &x->insn;

	if (!control_exists(x, insn->reg))
		return exec_raise(x, X86_TRAP_UD);
	if (insn->op == OP_MOV_FROM_CR) {
		exec_reg_write(x, insn->rm, insn->opsize, x->ops->get_cr(x, insn->reg));
		return EXEC_DONE;
	}
	return control_result(x, x->ops->set_cr(x, insn->reg,
						exec_reg_read(x, insn->rm, insn->opsize)));
}

static int control_move_dr(struct exec *x)
{
	const struct decode_insn *insn = &x->insn;
	u64 val;
	int vector;

	if (insn->reg > 7)
		return exec_raise(x, X86_TRAP_UD);
	if (insn->op == OP_MOV_TO_DR)
		return control_result(x, x->ops->set_dr(x, insn->reg,
							exec_reg_read(x, insn->rm, insn->opsize)));
	vector = x->ops->get_dr(x, insn->reg, &val);
	if (!vector)
		exec_reg_write(x, insn->rm, insn->opsize, val);
	return control_result(x, vector);
}

/* LMSW writes CR0 bits 3:0 but cannot clear PE. */
static int control_load_msw(struct exec *x)
{
	u64 msw, keep = ~(u64)(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS);
	int r = exec_operand_value(x, x->insn.src, &msw);

	if (r != EXEC_DONE)
		return r;
	return control_result(x, x->ops->set_cr(x, 0, (x->cr0 & keep) | (msw & 15)));
}

static int control_store_msw(struct exec *x)
{
	struct exec_operand dst;
	int r;

	if (x->cpl && (x->cr4 & X86_CR4_UMIP))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = exec_operand_locate(x, &dst, x->insn.mem ? OPD_E16 : OPD_E, true);
	return r == EXEC_DONE ? exec_operand_store(x, &dst, x->cr0) : r;
}

int exec_control(struct exec *x)
{
	switch (x->insn.op) {
	case OP_SMSW:
		return control_store_msw(x);
	case OP_MOV_FROM_CR:
	case OP_MOV_TO_CR:
	case OP_MOV_FROM_DR:
	case OP_MOV_TO_DR:
	case OP_CLTS:
	case OP_LMSW:
		break;
	default:
		return EXEC_UNHANDLED;
	}
	if (x->cpl)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	switch (x->insn.op) {
	case OP_CLTS:
		return control_result(x, x->ops->set_cr(x, 0, x->cr0 & ~(u64)X86_CR0_TS));
	case OP_LMSW:
		return control_load_msw(x);
	case OP_MOV_FROM_CR:
	case OP_MOV_TO_CR:
		return control_move_cr(x);
	default:
		return control_move_dr(x);
	}
}
