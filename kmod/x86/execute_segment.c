// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and descriptor tables. Manuals: "Segment Descriptors",
 * "Privilege Level Checking When Accessing Data Segments", "Loading Segment
 * Registers in IA-32e Mode", "System Descriptors".
 */
#include <linux/string.h>
#include <asm/cpufeatures.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"

#define SELECTOR_RPL	3
#define SELECTOR_LDT	BIT(2)
#define TYPE_CODE	BIT(3)
#define TYPE_CONFORMING	BIT(2)	/* of code */
#define TYPE_WRITE	BIT(1)	/* of data; code: readable */
#define TYPE_ACCESSED	BIT(0)
#define TYPE_LDT	2
#define TYPE_TSS	9	/* available; 11 is busy */
#define DESC_ACCESSED	BIT(8)	/* in the upper half */
#define DESC_BUSY	BIT(9)

static bool selector_null(u16 selector)
{
	return !(selector & ~SELECTOR_RPL);
}

static int selector_fault(struct exec *x, u8 vector, u16 selector)
{
	return exec_raise_error(x, vector, selector & ~SELECTOR_RPL);
}

static u64 table_linear(const struct exec *x, u64 base, u64 offset)
{
	return x->lma ? base + offset : (u32)(base + offset);
}

int exec_descriptor(struct exec *x, u16 selector, u32 desc[2], u64 *place)
{
	struct kvm_segment ldt;
	struct kvm_dtable gdt;
	u32 offset = selector & ~7, limit;
	u64 base;

	if (selector & SELECTOR_LDT) {
		x->ops->get_segment(x, KVM_LDTR, &ldt);
		if (ldt.unusable || !ldt.present)
			return selector_fault(x, X86_TRAP_GP, selector);
		base = ldt.base;
		limit = ldt.limit;
	} else {
		x->ops->get_table(x, KVM_TABLE_GDT, &gdt);
		base = gdt.base;
		limit = gdt.limit;
	}
	if (offset + 7 > limit)
		return selector_fault(x, X86_TRAP_GP, selector);
	*place = table_linear(x, base, offset);
	return x->ops->read(x, *place, desc, 8, KVM_ACCESS_READ | EXEC_IMPLICIT);
}

void exec_descriptor_unpack(const u32 desc[2], u16 selector, struct kvm_segment *s)
{
	memset(s, 0, sizeof(*s));
	s->selector = selector;
	s->base = desc[0] >> 16 | (desc[1] & 0xff) << 16 | (desc[1] & 0xff000000);
	s->limit = (desc[0] & 0xffff) | (desc[1] & 0xf0000);
	s->type = (desc[1] >> 8) & 15;
	s->s = (desc[1] >> 12) & 1;
	s->dpl = (desc[1] >> 13) & 3;
	s->present = (desc[1] >> 15) & 1;
	s->avl = (desc[1] >> 20) & 1;
	s->l = (desc[1] >> 21) & 1;
	s->db = (desc[1] >> 22) & 1;
	s->g = (desc[1] >> 23) & 1;
	if (s->g)
		s->limit = s->limit << 12 | 0xfff;
}

static void segment_stage(struct exec *x, int seg, const struct kvm_segment *s)
{
	x->new_seg[seg] = *s;
	x->new_segs |= BIT(seg);
}

int exec_segment_set(struct exec *x, int seg, const struct kvm_segment *s, const u32 desc[2],
		     u64 place)
{
	int r = EXEC_DONE;

	if (!(desc[1] & DESC_ACCESSED))
		r = x->ops->mark(x, place + 4, desc[1], desc[1] | DESC_ACCESSED);
	if (r != EXEC_DONE)
		return r;
	segment_stage(x, seg, s);
	x->new_seg[seg].type |= TYPE_ACCESSED;
	return EXEC_DONE;
}

/* @dpl: of a null stack segment, whose DPL is the privilege level. */
static int segment_set_null(struct exec *x, int seg, u16 selector, u8 dpl)
{
	struct kvm_segment s = { .selector = selector, .unusable = 1, .dpl = dpl };

	/* Its base stays: a null selector in FS or GS clears it on Intel's CPUs only. */
	if (!x->intel && (seg == KVM_FS || seg == KVM_GS)) {
		x->ops->get_segment(x, seg, &s);
		s.selector = selector;
		s.unusable = 1;
		s.present = 0;
	}
	segment_stage(x, seg, &s);
	return EXEC_DONE;
}

/* "Real-Address Mode": base from the selector, everything else stays as it is. */
static int segment_load_real(struct exec *x, int seg, u16 selector)
{
	struct kvm_segment s;

	x->ops->get_segment(x, seg, &s);
	s.selector = selector;
	s.base = (u32)selector << 4;
	segment_stage(x, seg, &s);
	return EXEC_DONE;
}

int exec_segment_load_stack(struct exec *x, u16 selector, u8 cpl, u8 vector)
{
	struct kvm_segment s;
	u32 desc[2];
	u64 place;
	int r;

	if (selector_null(selector)) {
		if (x->insn.mode != DECODE_64 || cpl == 3 || (selector & SELECTOR_RPL) != cpl)
			return exec_raise_error(x, vector, 0);
		return segment_set_null(x, KVM_SS, selector, cpl);
	}
	r = exec_descriptor(x, selector, desc, &place);
	if (r != EXEC_DONE)
		return r;
	exec_descriptor_unpack(desc, selector, &s);
	if ((selector & SELECTOR_RPL) != cpl || !s.s || (s.type & TYPE_CODE) ||
	    !(s.type & TYPE_WRITE) || s.dpl != cpl)
		return selector_fault(x, vector, selector);
	if (!s.present)
		return selector_fault(x, X86_TRAP_SS, selector);
	return exec_segment_set(x, KVM_SS, &s, desc, place);
}

static int segment_load_data(struct exec *x, int seg, u16 selector)
{
	bool conforming;
	struct kvm_segment s;
	u32 desc[2];
	u64 place;
	int r;

	if (selector_null(selector))
		return segment_set_null(x, seg, selector, 0);
	r = exec_descriptor(x, selector, desc, &place);
	if (r != EXEC_DONE)
		return r;
	exec_descriptor_unpack(desc, selector, &s);
	if (!s.s || ((s.type & TYPE_CODE) && !(s.type & TYPE_WRITE)))
		return selector_fault(x, X86_TRAP_GP, selector);
	conforming = (s.type & TYPE_CODE) && (s.type & TYPE_CONFORMING);
	if (!conforming && ((selector & SELECTOR_RPL) > s.dpl || x->cpl > s.dpl))
		return selector_fault(x, X86_TRAP_GP, selector);
	if (!s.present)
		return selector_fault(x, X86_TRAP_NP, selector);
	return exec_segment_set(x, seg, &s, desc, place);
}

int exec_segment_load(struct exec *x, int seg, u16 selector)
{
	if (x->real || x->vm86)
		return segment_load_real(x, seg, selector);
	if (seg == KVM_SS)
		return exec_segment_load_stack(x, selector, x->cpl, X86_TRAP_GP);
	return segment_load_data(x, seg, selector);
}

static int segment_move(struct exec *x)
{
	int seg = x->insn.reg & 7, r;
	u64 selector;

	if (seg == KVM_CS || seg > KVM_GS)
		return exec_raise(x, X86_TRAP_UD);
	r = exec_operand_value(x, x->insn.src, &selector);
	if (r == EXEC_DONE)
		r = exec_segment_load(x, seg, selector);
	if (r == EXEC_DONE && seg == KVM_SS)
		x->effects |= EXEC_MOV_SS;
	return r;
}

/* LES, LDS, LSS, LFS, LGS: an offset and behind it a selector. */
static int segment_load_pointer(struct exec *x)
{
	unsigned int size = x->insn.opsize;
	u8 pointer[10];
	u64 linear, offset = 0;
	u16 selector;
	int seg, r;

	if (size == 8 && !x->intel)
		size = 4;
	if (x->insn.map == MAP_ONE)
		seg = x->insn.opcode == 0xc4 ? KVM_ES : KVM_DS;
	else
		seg = x->insn.opcode & 7;
	r = exec_linear(x, x->insn.seg, exec_address(x), size + 2, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, pointer, size + 2, KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	memcpy(&offset, pointer, size);
	memcpy(&selector, pointer + size, 2);
	r = exec_segment_load(x, seg, selector);
	if (r == EXEC_DONE)
		exec_reg_write(x, x->insn.reg, size, offset);
	return r;
}

/* The upper half of a 16-byte system descriptor. */
static int segment_read_wide_base(struct exec *x, u64 place, struct kvm_segment *s)
{
	u32 upper[2];
	int r = x->ops->read(x, place + 8, upper, 8, KVM_ACCESS_READ | EXEC_IMPLICIT);

	if (r != EXEC_DONE)
		return r;
	s->base |= (u64)upper[0] << 32;
	if ((upper[1] & 0x1f00) || !exec_canonical(x, s->base))
		return selector_fault(x, X86_TRAP_GP, s->selector);
	return EXEC_DONE;
}

/* LLDT and LTR */
static int segment_load_system(struct exec *x)
{
	bool tss = x->insn.op == OP_LTR, wrong;
	struct kvm_segment s;
	u64 selector, place;
	u32 desc[2];
	int r;

	r = exec_operand_value(x, x->insn.src, &selector);
	if (r != EXEC_DONE)
		return r;
	if (selector_null(selector))
		return tss ? exec_raise_error(x, X86_TRAP_GP, 0) :
			     segment_set_null(x, KVM_LDTR, selector, 0);
	if (selector & SELECTOR_LDT)
		return selector_fault(x, X86_TRAP_GP, selector);
	r = exec_descriptor(x, selector, desc, &place);
	if (r != EXEC_DONE)
		return r;
	exec_descriptor_unpack(desc, selector, &s);
	wrong = s.type != (tss ? TYPE_TSS : TYPE_LDT);
	if (tss && !x->lma && s.type == 1)	/* a 16-bit TSS */
		wrong = false;
	if (s.s || wrong)
		return selector_fault(x, X86_TRAP_GP, selector);
	if (!s.present)
		return selector_fault(x, X86_TRAP_NP, selector);
	if (x->lma)
		r = segment_read_wide_base(x, place, &s);
	if (r == EXEC_DONE && tss)
		r = x->ops->mark(x, place + 4, desc[1], desc[1] | DESC_BUSY);
	if (r != EXEC_DONE)
		return r;
	if (tss)
		s.type |= 2;
	segment_stage(x, tss ? KVM_TR : KVM_LDTR, &s);
	return EXEC_DONE;
}

/* LGDT and LIDT */
static int segment_load_table(struct exec *x)
{
	int table = x->insn.op == OP_LGDT ? KVM_TABLE_GDT : KVM_TABLE_IDT;
	unsigned int size = x->insn.mode == DECODE_64 ? 10 : 6;
	struct kvm_dtable *t = &x->new_table[table];
	u8 image[10];
	u64 linear, base = 0;
	u16 limit;
	int r;

	r = exec_linear(x, x->insn.seg, exec_address(x), size, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, image, size, KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	memcpy(&limit, image, 2);
	memcpy(&base, image + 2, size - 2);
	if (x->insn.opsize == 2)
		base &= 0xffffff;
	if (x->insn.mode == DECODE_64 && !exec_canonical(x, base))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	memset(t, 0, sizeof(*t));
	t->base = base;
	t->limit = limit;
	x->new_tables |= BIT(table);
	return EXEC_DONE;
}

/* SGDT and SIDT */
static int segment_store_table(struct exec *x)
{
	unsigned int size = x->insn.mode == DECODE_64 ? 10 : 6;
	struct kvm_dtable t;
	u8 image[10];
	u64 linear;
	int r;

	x->ops->get_table(x, x->insn.op == OP_SGDT ? KVM_TABLE_GDT : KVM_TABLE_IDT, &t);
	if (x->insn.opsize == 2 && x->intel)
		t.base &= 0xffffff;
	memcpy(image, &t.limit, 2);
	memcpy(image + 2, &t.base, size - 2);
	r = exec_linear(x, x->insn.seg, exec_address(x), size, true, &linear);
	return r == EXEC_DONE ? x->ops->write(x, linear, image, size) : r;
}

/* SLDT and STR */
static int segment_store_selector(struct exec *x)
{
	u16 selector = x->ops->selector(x, x->insn.op == OP_STR ? KVM_TR : KVM_LDTR);
	struct exec_operand dst;
	int r;

	r = exec_operand_locate(x, &dst, x->insn.mem ? OPD_E16 : OPD_E, true);
	return r == EXEC_DONE ? exec_operand_store(x, &dst, selector) : r;
}

static int segment_system(struct exec *x)
{
	bool selectors = x->insn.op >= OP_SLDT && x->insn.op <= OP_LTR;

	if (selectors && (x->real || x->vm86))
		return exec_raise(x, X86_TRAP_UD);
	switch (x->insn.op) {
	case OP_SGDT:
	case OP_SIDT:
	case OP_SLDT:
	case OP_STR:
		if (x->cpl && (x->cr4 & X86_CR4_UMIP))
			return exec_raise_error(x, X86_TRAP_GP, 0);
		return selectors ? segment_store_selector(x) : segment_store_table(x);
	default:
		if (x->cpl)
			return exec_raise_error(x, X86_TRAP_GP, 0);
		return selectors ? segment_load_system(x) : segment_load_table(x);
	}
}

/* BOUND: signed index against two signed bounds. */
static int segment_bound(struct exec *x)
{
	unsigned int size = x->insn.opsize, shift = 64 - 8 * size;
	u64 linear, lower = 0, upper = 0;
	s64 index;
	u8 pair[8];
	int r;

	r = exec_linear(x, x->insn.seg, exec_address(x), 2 * size, false, &linear);
	if (r == EXEC_DONE)
		r = x->ops->read(x, linear, pair, 2 * size, KVM_ACCESS_READ);
	if (r != EXEC_DONE)
		return r;
	memcpy(&lower, pair, size);
	memcpy(&upper, pair + size, size);
	index = (s64)(exec_reg_read(x, x->insn.reg, size) << shift) >> shift;
	if (index < (s64)(lower << shift) >> shift || index > (s64)(upper << shift) >> shift)
		return exec_raise(x, X86_TRAP_BR);
	return EXEC_DONE;
}

int exec_segment(struct exec *x)
{
	switch (x->insn.op) {
	case OP_MOV_SEG:
		return segment_move(x);
	case OP_LOAD_FAR:
		return segment_load_pointer(x);
	case OP_BOUND:
		return segment_bound(x);
	case OP_SLDT:
	case OP_STR:
	case OP_LLDT:
	case OP_LTR:
	case OP_SGDT:
	case OP_SIDT:
	case OP_LGDT:
	case OP_LIDT:
		return segment_system(x);
	default:
		return exec_far(x);
	}
}
