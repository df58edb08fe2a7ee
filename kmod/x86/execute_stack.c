// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that use the stack, and near jumps through memory.
 * Manuals: "Stack-Address Size"; the "Operation" part of each instruction.
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

unsigned int exec_stack_width(struct exec *x)
{
	if (x->insn.mode == DECODE_64)
		return 8;
	return x->ops->segment(x, KVM_SS)->big ? 4 : 2;
}

void exec_stack_set_pointer(struct exec *x, u64 val)
{
	exec_reg_write(x, KVM_RSP, exec_stack_width(x), val);
}

/* Room for @len bytes below @top, checked for writing. */
int exec_stack_write(struct exec *x, u64 top, const void *data, unsigned int len)
{
	u64 linear;
	int r;

	r = exec_linear(x, KVM_SS, (top - len) & alu_mask(exec_stack_width(x)), len, true, &linear);
	if (r == EXEC_DONE)
		r = x->ops->write(x, linear, data, len);
	return r;
}

int exec_stack_read(struct exec *x, u64 bottom, void *data, unsigned int len)
{
	u64 linear;
	int r;

	r = exec_linear(x, KVM_SS, bottom & alu_mask(exec_stack_width(x)), len, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, data, len, KVM_ACCESS_READ);
	return r;
}

static int stack_push(struct exec *x, u64 val)
{
	int r = exec_stack_write(x, x->gpr[KVM_RSP], &val, x->insn.opsize);

	if (r == EXEC_DONE)
		exec_stack_set_pointer(x, x->gpr[KVM_RSP] - x->insn.opsize);
	return r;
}

static int stack_pop_segment(struct exec *x, u16 selector)
{
	int seg = (x->insn.opcode >> 3) & 7;
	int r = exec_segment_load(x, seg, selector);

	if (r != EXEC_DONE)
		return r;
	if (seg == KVM_SS)
		x->effects |= EXEC_MOV_SS;
	exec_stack_set_pointer(x, x->gpr[KVM_RSP] + x->insn.opsize);
	return EXEC_DONE;
}

static int stack_pop_operand(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	struct exec_operand dst;
	u64 val = 0;
	int r;

	r = exec_stack_read(x, x->gpr[KVM_RSP], &val, size);
	if (r != EXEC_DONE)
		return r;
	if (x->insn.dst == OPD_ZS)
		return stack_pop_segment(x, val);
	/* A destination addressed through RSP uses the new one. */
	x->pop_bias = size;
	r = exec_operand_locate(x, &dst, x->insn.dst, true);
	if (r != EXEC_DONE)
		return r;
	exec_stack_set_pointer(x, x->gpr[KVM_RSP] + size);
	return exec_operand_store(x, &dst, val);
}

static int stack_push_all(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u64 top = x->gpr[KVM_RSP];
	int i, r;

	for (i = 0; i < 8; i++, top -= size) {
		r = exec_stack_write(x, top, &x->gpr[i], size);
		if (r != EXEC_DONE)
			return r;
	}
	exec_stack_set_pointer(x, top);
	return EXEC_DONE;
}

static int stack_pop_all(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u64 bottom = x->gpr[KVM_RSP], val;
	int i, r;

	for (i = 7; i >= 0; i--, bottom += size) {
		val = 0;
		r = exec_stack_read(x, bottom, &val, size);
		if (r != EXEC_DONE)
			return r;
		if (i != KVM_RSP)
			exec_reg_write(x, i, size, val);
	}
	exec_stack_set_pointer(x, bottom);
	return EXEC_DONE;
}

static unsigned int stack_iopl(const struct exec *x)
{
	return (x->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;
}

/* "Virtual-8086 mode": with IOPL below 3 the flags belong to the monitor. */
static bool stack_flags_denied(const struct exec *x)
{
	return x->vm86 && stack_iopl(x) < 3;
}

static int stack_push_flags(struct exec *x)
{
	if (stack_flags_denied(x))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	return stack_push(x, x->rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF));
}

static int stack_pop_flags(struct exec *x)
{
	u64 writable = X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |
		       X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_OF |
		       X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_ID;
	u64 val = 0;
	int r;

	if (stack_flags_denied(x))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = exec_stack_read(x, x->gpr[KVM_RSP], &val, x->insn.opsize);
	if (r != EXEC_DONE)
		return r;
	if (x->cpl <= stack_iopl(x))
		writable |= X86_EFLAGS_IF;
	if (x->cpl == 0 && !x->vm86)
		writable |= X86_EFLAGS_IOPL;
	writable &= alu_mask(x->insn.opsize);
	x->rflags = (x->rflags & ~writable) | (val & writable);
	exec_stack_set_pointer(x, x->gpr[KVM_RSP] + x->insn.opsize);
	return EXEC_DONE;
}

static int stack_leave(struct exec *x)
{
	u64 frame = x->gpr[KVM_RBP], val = 0;
	int r = exec_stack_read(x, frame, &val, x->insn.opsize);

	if (r != EXEC_DONE)
		return r;
	exec_stack_set_pointer(x, frame + x->insn.opsize);
	exec_reg_write(x, KVM_RBP, x->insn.opsize, val);
	return EXEC_DONE;
}

/* The frames of nested procedures are nobody's any more: level 0 only. */
static int stack_enter(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u64 frame = x->gpr[KVM_RSP] - size, top = frame - (u16)x->insn.imm, linear;
	int r;

	if (x->insn.imm2 & 31)
		return EXEC_UNHANDLED;
	r = exec_stack_write(x, x->gpr[KVM_RSP], &x->gpr[KVM_RBP], size);
	/* Nothing is written at the new top of the stack: its segment is checked. */
	if (r == EXEC_DONE)
		r = exec_linear(x, KVM_SS, top & alu_mask(exec_stack_width(x)), size, true,
				&linear);
	if (r != EXEC_DONE)
		return r;
	frame &= alu_mask(exec_stack_width(x));
	exec_reg_write(x, KVM_RBP, size, frame);
	exec_stack_set_pointer(x, top);
	return EXEC_DONE;
}

static int stack_jump(struct exec *x, u64 target)
{
	target &= alu_mask(x->insn.opsize);
	if (x->insn.mode == DECODE_64 ? !exec_canonical(x, target) :
	    target > x->ops->segment(x, KVM_CS)->limit)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	x->next_rip = target;
	return EXEC_DONE;
}

static int stack_jump_operand(struct exec *x)
{
	u64 target, back = x->next_rip;
	int r = exec_operand_value(x, x->insn.src, &target);

	if (r != EXEC_DONE)
		return r;
	if (x->insn.src == OPD_IMM)
		target += back;
	r = stack_jump(x, target);
	if (r == EXEC_DONE && x->insn.op == OP_CALL)
		r = stack_push(x, back);
	return r;
}

static int stack_return(struct exec *x)
{
	u64 target = 0;
	int r = exec_stack_read(x, x->gpr[KVM_RSP], &target, x->insn.opsize);

	if (r == EXEC_DONE)
		r = stack_jump(x, target);
	if (r == EXEC_DONE)
		exec_stack_set_pointer(x, x->gpr[KVM_RSP] + x->insn.opsize + x->insn.imm);
	return r;
}

int exec_stack(struct exec *x)
{
	u64 val;
	int r;

	switch (x->insn.op) {
	case OP_PUSH:
		r = exec_operand_value(x, x->insn.src, &val);
		return r == EXEC_DONE ? stack_push(x, val) : r;
	case OP_POP:
		return stack_pop_operand(x);
	case OP_PUSHA:
		return stack_push_all(x);
	case OP_POPA:
		return stack_pop_all(x);
	case OP_PUSHF:
		return stack_push_flags(x);
	case OP_POPF:
		return stack_pop_flags(x);
	case OP_ENTER:
		return stack_enter(x);
	case OP_LEAVE:
		return stack_leave(x);
	case OP_JMP:
	case OP_CALL:
		return stack_jump_operand(x);
	case OP_RET:
		return stack_return(x);
	default:
		return exec_segment(x);
	}
}
