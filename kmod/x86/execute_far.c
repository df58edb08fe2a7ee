// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far transfers of control. Manuals: "JMP", "CALL", "RET", "IRET/IRETD/IRETQ",
 * "Privilege Level Checking When Transferring Program Control Between Code
 * Segments". Gates, task switches and entry into virtual-8086 mode are left out.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

#define SELECTOR_RPL	3
#define TYPE_CODE	BIT(3)
#define TYPE_CONFORMING	BIT(2)

/* Where control goes; on the executing function's stack. */
struct far_target {
	u16 selector;
	u64 offset;
	struct kvm_segment cs;
	u32 desc[2];
	u64 place;
};

static int far_fault(struct exec *x, u8 vector, u16 selector)
{
	return exec_raise_error(x, vector, selector & ~SELECTOR_RPL);
}

/*
 * "Call Gates", "Task Gates": transfers through them are left out. Other types are
 * no targets; in IA-32e mode there are only call gates.
 */
static bool far_is_gate(const struct exec *x, u8 type)
{
	switch (type) {
	case 12:
		return true;
	case 1:		/* TSS */
	case 4:		/* 16-bit call gate */
	case 5:		/* task gate */
	case 9:
		return !x->lma;
	default:
		return false;
	}
}

/* The target's code segment, as far as its descriptor alone can be judged. */
static int far_code_segment(struct exec *x, struct far_target *t)
{
	int r;

	if (!(t->selector & ~SELECTOR_RPL))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = exec_descriptor(x, t->selector, t->desc, &t->place);
	if (r != EXEC_DONE)
		return r;
	exec_descriptor_unpack(t->desc, t->selector, &t->cs);
	if (!t->cs.s && far_is_gate(x, t->cs.type))
		return EXEC_UNHANDLED;
	if (!t->cs.s || !(t->cs.type & TYPE_CODE))
		return far_fault(x, X86_TRAP_GP, t->selector);
	if (x->lma && t->cs.l && t->cs.db)
		return far_fault(x, X86_TRAP_GP, t->selector);
	return EXEC_DONE;
}

/* Present, and the offset within it: last checks before it is loaded. */
static int far_commit_code(struct exec *x, struct far_target *t, u8 cpl)
{
	bool wide = x->lma && t->cs.l;

	if (!t->cs.present)
		return far_fault(x, X86_TRAP_NP, t->selector);
	if (wide ? !exec_canonical(x, t->offset) : t->offset > t->cs.limit)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	t->cs.selector = (t->selector & ~SELECTOR_RPL) | cpl;
	x->next_rip = t->offset;
	return exec_segment_set(x, KVM_CS, &t->cs, t->desc, t->place);
}

static int far_go_real(struct exec *x, struct far_target *t)
{
	if (t->offset > x->ops->segment(x, KVM_CS)->limit)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	x->next_rip = t->offset;
	return exec_segment_load(x, KVM_CS, t->selector);
}

/* JMP or CALL to a code segment: the privilege level stays. */
static int far_go(struct exec *x, struct far_target *t)
{
	bool denied;
	int r;

	if (x->real || x->vm86)
		return far_go_real(x, t);
	r = far_code_segment(x, t);
	if (r != EXEC_DONE)
		return r;
	if (t->cs.type & TYPE_CONFORMING)
		denied = t->cs.dpl > x->cpl;
	else
		denied = (t->selector & SELECTOR_RPL) > x->cpl || t->cs.dpl != x->cpl;
	if (denied)
		return far_fault(x, X86_TRAP_GP, t->selector);
	return far_commit_code(x, t, x->cpl);
}

static int far_operand(struct exec *x, struct far_target *t)
{
	unsigned int size = x->insn.opsize;
	u8 pointer[10];
	u64 linear;
	int r;

	if (x->insn.src == OPD_IMM) {
		t->offset = x->insn.imm;
		t->selector = x->insn.imm2;
		return EXEC_DONE;
	}
	if (size == 8 && !x->intel)
		size = 4;
	r = exec_linear(x, x->insn.seg, exec_address(x), size + 2, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, pointer, size + 2, KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	t->offset = 0;
	memcpy(&t->offset, pointer, size);
	memcpy(&t->selector, pointer + size, 2);
	return EXEC_DONE;
}

static int far_jump(struct exec *x)
{
	u64 back = x->next_rip, top = x->gpr[KVM_RSP], cs;
	unsigned int size = x->insn.opsize;
	struct far_target t;
	int r;

	r = far_operand(x, &t);
	if (r == EXEC_DONE)
		r = far_go(x, &t);
	if (r != EXEC_DONE || x->insn.op == OP_JMP_FAR)
		return r;
	cs = x->ops->selector(x, KVM_CS);
	r = exec_stack_write(x, top, &cs, size);
	if (r == EXEC_DONE)
		r = exec_stack_write(x, top - size, &back, size);
	if (r == EXEC_DONE)
		exec_stack_set_pointer(x, top - 2 * size);
	return r;
}

/* Take a word off the stack at *@bottom, which moves on. */
static int far_pop(struct exec *x, u64 *bottom, u64 *val)
{
	int r;

	*val = 0;
	r = exec_stack_read(x, *bottom, val, x->insn.opsize);
	*bottom += x->insn.opsize;
	return r;
}

/* A return to less privilege must not leave more privileged data segments behind. */
static void far_drop_data_segments(struct exec *x, u8 cpl)
{
	static const int segs[] = { KVM_ES, KVM_DS, KVM_FS, KVM_GS };
	struct kvm_segment s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segs); i++) {
		x->ops->get_segment(x, segs[i], &s);
		if (s.unusable) {
			s.selector = 0;
		} else if (s.dpl >= cpl ||
			   ((s.type & TYPE_CODE) && (s.type & TYPE_CONFORMING))) {
			continue;
		} else {
			memset(&s, 0, sizeof(s));
			s.unusable = 1;
		}
		x->new_seg[segs[i]] = s;
		x->new_segs |= BIT(segs[i]);
	}
}

/*
 * Back to @t's code segment, with a stack off the stack at @bottom if the privilege
 * level changes (or @always). @release: bytes of parameters on both stacks.
 */
static int far_return_to(struct exec *x, struct far_target *t, u64 bottom, u16 release, bool always)
{
	u8 rpl = t->selector & SELECTOR_RPL;
	u64 rsp = bottom + release, ss = 0;
	unsigned int width;
	int r;

	r = far_code_segment(x, t);
	if (r == EXEC_UNHANDLED)
		return far_fault(x, X86_TRAP_GP, t->selector);
	if (r != EXEC_DONE)
		return r;
	if (rpl < x->cpl ||
	    (t->cs.type & TYPE_CONFORMING ? t->cs.dpl > rpl : t->cs.dpl != rpl))
		return far_fault(x, X86_TRAP_GP, t->selector);
	width = exec_stack_width(x);
	if (rpl != x->cpl || always) {
		bottom += release;
		r = far_pop(x, &bottom, &rsp);
		if (r == EXEC_DONE)
			r = far_pop(x, &bottom, &ss);
		if (r != EXEC_DONE)
			return r;
		rsp += release;
		r = far_commit_code(x, t, rpl);
		/* A null SS is for 64-bit code; the return may leave 64-bit mode. */
		if (r == EXEC_DONE && !(ss & ~SELECTOR_RPL) && !t->cs.l)
			return exec_raise_error(x, X86_TRAP_GP, 0);
		if (r == EXEC_DONE)
			r = exec_segment_load_stack(x, ss, rpl, X86_TRAP_GP);
		if (r != EXEC_DONE)
			return r;
		if (rpl != x->cpl)
			far_drop_data_segments(x, rpl);
		width = x->lma && t->cs.l ? 8 : x->new_seg[KVM_SS].db ? 4 : 2;
		if (width == 8 && x->insn.opsize < 8)
			rsp &= alu_mask(x->insn.opsize);
	} else {
		r = far_commit_code(x, t, rpl);
		if (r != EXEC_DONE)
			return r;
	}
	exec_reg_write(x, KVM_RSP, width, rsp);
	return EXEC_DONE;
}

static int far_return(struct exec *x)
{
	u64 bottom = x->gpr[KVM_RSP], cs = 0;
	u16 release = x->insn.imm;
	struct far_target t;
	int r;

	r = far_pop(x, &bottom, &t.offset);
	if (r == EXEC_DONE)
		r = far_pop(x, &bottom, &cs);
	if (r != EXEC_DONE)
		return r;
	t.selector = cs;
	if (!x->real && !x->vm86)
		return far_return_to(x, &t, bottom, release, false);
	r = far_go_real(x, &t);
	if (r == EXEC_DONE)
		exec_stack_set_pointer(x, bottom + release);
	return r;
}

/* Flags IRET may change, see its "Operation". */
static u64 far_writable_flags(const struct exec *x)
{
	unsigned int iopl = (x->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;
	u64 writable = X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |
		       X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_OF |
		       X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID;

	if (x->vm86)
		writable |= X86_EFLAGS_IF;
	else if (x->cpl <= iopl)
		writable |= X86_EFLAGS_IF;
	if (!x->cpl)
		writable |= X86_EFLAGS_IOPL;
	if (!x->cpl && !x->real)
		writable |= X86_EFLAGS_VIF | X86_EFLAGS_VIP;
	return writable & alu_mask(x->insn.opsize);
}

static int far_interrupt_return(struct exec *x)
{
	unsigned int iopl = (x->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;
	u64 bottom = x->gpr[KVM_RSP], cs = 0, flags = 0, writable;
	struct far_target t;
	int r;

	if (x->vm86 && iopl < 3)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	if (!x->real && !x->vm86 && (x->rflags & X86_EFLAGS_NT))
		return x->lma ? exec_raise_error(x, X86_TRAP_GP, 0) : EXEC_UNHANDLED;
	r = far_pop(x, &bottom, &t.offset);
	if (r == EXEC_DONE)
		r = far_pop(x, &bottom, &cs);
	if (r == EXEC_DONE)
		r = far_pop(x, &bottom, &flags);
	if (r != EXEC_DONE)
		return r;
	t.selector = cs;
	writable = far_writable_flags(x);
	if (x->real || x->vm86) {
		r = far_go_real(x, &t);
		exec_stack_set_pointer(x, bottom);
	} else if (!(flags & X86_EFLAGS_VM) || x->cpl || x->lma) {
		r = far_return_to(x, &t, bottom, 0, x->insn.mode == DECODE_64);
	} else {
		r = EXEC_UNHANDLED;
	}
	if (r != EXEC_DONE)
		return r;
	x->rflags = (x->rflags & ~writable) | (flags & writable);
	x->effects |= EXEC_IRET;
	return EXEC_DONE;
}

int exec_far(struct exec *x)
{
	switch (x->insn.op) {
	case OP_JMP_FAR:
	case OP_CALL_FAR:
		return far_jump(x);
	case OP_RET_FAR:
		return far_return(x);
	case OP_IRET:
		return far_interrupt_return(x);
	default:
		return exec_control(x);
	}
}
