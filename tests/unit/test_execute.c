// SPDX-License-Identifier: GPL-2.0-only
/*
 * The executor against this CPU: the same instruction, registers, flags and memory
 * go through both, then every register, flag and memory byte is compared.
 */
#include <stdio.h>
#include <kvm/vendor.h>
#include "alu.h"
#include "execute.h"
#include "native.h"
#include "unit.h"

#define ARENA		0x30000000UL	/* in reach of 32-bit addresses and RIP-relative ones */
#define ARENA_PAGES	2
#define ARENA_SIZE	(ARENA_PAGES * NATIVE_PAGE)

#define ARITHMETIC	(ALU_CF | ALU_PF | ALU_AF | ALU_ZF | ALU_SF | ALU_OF)
#define COMPARED_FLAGS	(ARITHMETIC | X86_EFLAGS_DF | X86_EFLAGS_TF)

static u8 *arena;
static u8 model[ARENA_SIZE], initial[ARENA_SIZE];

/* --- struct exec_ops on the model's memory */

/* The global descriptor table Linux gives every process, as far as CPL 3 can see it. */
#define MODEL_GDT	0x7000000000UL

static const u64 model_gdt[16] = {
	[2] = 0x00af9b000000ffff,	/* kernel code */
	[3] = 0x00cf93000000ffff,	/* kernel data */
	[4] = 0x00cffb000000ffff,	/* user code, 32-bit */
	[5] = 0x00cff3000000ffff,	/* user data */
	[6] = 0x00affb000000ffff,	/* user code, 64-bit */
	[15] = 0x0040f50000000000,	/* which CPU this is, for getcpu() */
};

static u8 model_ymm[16][32], model_mmx[8][8];

static int model_check(struct exec *x, u64 linear, unsigned int len, bool write)
{
	u64 bad = linear;

	if (linear >= ARENA && linear + len <= ARENA + ARENA_SIZE)
		return EXEC_DONE;
	if (linear >= ARENA && linear < ARENA + ARENA_SIZE)
		bad = ARENA + ARENA_SIZE;
	x->fault.vector = X86_TRAP_PF;
	x->fault.has_error = true;
	x->fault.error = 4 | (write ? 2 : 0);
	x->fault.cr2 = bad;
	return EXEC_FAULT;
}

static int model_read(struct exec *x, u64 linear, void *data, unsigned int len, u32 access)
{
	int r;

	if (access & EXEC_IMPLICIT) {
		memcpy(data, (const u8 *)model_gdt + (linear - MODEL_GDT), len);
		return EXEC_DONE;
	}
	r = model_check(x, linear, len, access & KVM_ACCESS_WRITE);
	if (r == EXEC_DONE)
		memcpy(data, model + (linear - ARENA), len);
	return r;
}

static int model_write(struct exec *x, u64 linear, const void *data, unsigned int len)
{
	int r = model_check(x, linear, len, true);

	if (r == EXEC_DONE)
		memcpy(model + (linear - ARENA), data, len);
	return r;
}

static int model_exchange(struct exec *x, u64 linear, const void *old, const void *data,
			  unsigned int len)
{
	if (model_check(x, linear, len, true) == EXEC_DONE)
		CHECK(memcmp(model + (linear - ARENA), old, len) == 0);
	return model_write(x, linear, data, len);
}

static const struct exec_segment *model_segment(struct exec *x, int seg)
{
	static const struct exec_segment code = {
		.limit = U32_MAX, .type = 11, .usable = true, .big = true,
	}, data = {
		.limit = U32_MAX, .type = 3, .usable = true, .big = true,
	};

	return seg == KVM_CS ? &code : &data;
}

static u16 model_selector(struct exec *x, int seg)
{
	switch (seg) {
	case KVM_ES:
	case KVM_DS:
		return 0x2b;
	case KVM_SS:
		return 0x2b;
	case KVM_CS:
		return x->insn.mode == DECODE_64 ? 0x33 : 0x23;
	default:
		return 0;
	}
}

static int model_mark(struct exec *x, u64 linear, u32 old, u32 new)
{
	unit_fail(__FILE__, __LINE__, "a descriptor was to be changed");
	return EXEC_DONE;
}

static void model_get_segment(struct exec *x, int seg, struct kvm_segment *out)
{
	u16 selector = seg < 6 ? model_selector(x, seg) : 0;

	memset(out, 0, sizeof(*out));
	out->unusable = !selector;
	if (selector)
		exec_descriptor_unpack((const u32 *)&model_gdt[selector / 8], selector, out);
}

static void model_get_table(struct exec *x, int table, struct kvm_dtable *out)
{
	memset(out, 0, sizeof(*out));
	out->base = MODEL_GDT;
	out->limit = sizeof(model_gdt) - 1;
}

static bool model_has(struct exec *x, unsigned int feature)
{
	return true;
}

static void model_xmm_read(struct exec *x, unsigned int reg, void *data)
{
	memcpy(data, model_ymm[reg], 16);
}

static void model_xmm_write(struct exec *x, unsigned int reg, const void *data)
{
	memcpy(model_ymm[reg], data, 16);
}

static void model_ymm_read(struct exec *x, unsigned int reg, void *data)
{
	memcpy(data, model_ymm[reg], 32);
}

static void model_ymm_write(struct exec *x, unsigned int reg, const void *data)
{
	memcpy(model_ymm[reg], data, 32);
}

static bool model_avx_on(struct exec *x)
{
	return native_has_avx();
}

static bool model_mmx_read(struct exec *x, unsigned int reg, void *data)
{
	memcpy(data, model_mmx[reg], 8);
	return true;
}

static bool model_mmx_write(struct exec *x, unsigned int reg, const void *data)
{
	memcpy(model_mmx[reg], data, 8);
	return true;
}

static u64 model_get_cr(struct exec *x, int cr)
{
	return 0;
}

static const struct exec_ops model_ops = {
	.read = model_read,
	.write = model_write,
	.exchange = model_exchange,
	.mark = model_mark,
	.segment = model_segment,
	.get_segment = model_get_segment,
	.get_table = model_get_table,
	.selector = model_selector,
	.get_cr = model_get_cr,
	.has = model_has,
	.xmm_read = model_xmm_read,
	.xmm_write = model_xmm_write,
	.ymm_read = model_ymm_read,
	.ymm_write = model_ymm_write,
	.avx_on = model_avx_on,
	.mmx_read = model_mmx_read,
	.mmx_write = model_mmx_write,
};

static bool host_is_intel(void)
{
	u32 a = 0, b, c, d;

	asm("cpuid" : "+a" (a), "=b" (b), "=c" (c), "=d" (d));
	return b == 0x756e6547;
}

/* --- making instructions */

struct program {
	u8 bytes[24];
	unsigned int len;	/* of what was put down; immediates follow at random */
	int disp_at;		/* place of a 32-bit displacement, -1 */
	int disp_size;
};

static void emit(struct program *p, u8 byte)
{
	p->bytes[p->len++] = byte;
}

static void emit_modrm(struct program *p)
{
	u8 modrm = unit_random(), sib = unit_random();
	unsigned int mod;

	if (unit_below(8))
		modrm &= 0xbf;		/* mostly memory */
	mod = modrm >> 6;
	emit(p, modrm);
	if (mod == 3)
		return;
	if ((modrm & 7) == 4)
		emit(p, sib);
	if (mod == 1) {
		emit(p, unit_random());
	} else if (mod == 2 || (modrm & 7) == 5 || ((modrm & 7) == 4 && (sib & 7) == 5)) {
		p->disp_at = p->len;
		p->len += 4;
	}
}

/* Opcodes with an operation this test can run; ports and privileged ones are not. */
static bool testable(const struct decode_insn *insn)
{
	switch (insn->op) {
	case OP_NONE:
	case OP_IN:
	case OP_OUT:
	case OP_INS:
	case OP_OUTS:
	case OP_MOV_FROM_CR:
	case OP_MOV_TO_CR:
	case OP_MOV_FROM_DR:
	case OP_MOV_TO_DR:
	case OP_CLTS:
	case OP_LMSW:
	case OP_SMSW:		/* UMIP makes these a matter of the host kernel */
	case OP_SGDT:
	case OP_SIDT:
	case OP_SLDT:
	case OP_STR:
	case OP_PUSHF:		/* IF and IOPL differ from the model's */
		return false;
	case OP_ENTER:
		return !(insn->imm2 & 31);
	case OP_CALL:
	case OP_JMP:
	case OP_RET:
		/* AMD and Intel differ about 66 in 64-bit mode. */
		return !(insn->mode == DECODE_64 && insn->opsize_prefix);
	case OP_MOVSX:
		/* With a 16-bit operand, Intel's MOVSXD reads two bytes and AMD's four. */
		return !(insn->map == MAP_ONE && insn->opsize == 2);
	default:
		return true;
	}
}

/* A VEX form of one of the moves, mostly. */
static void random_vex(struct program *p, unsigned int mode)
{
	static const u8 moves[] = {
		0x10, 0x11, 0x13, 0x17, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xe7, 0xf0,
	};
	/* No second source; outside 64-bit mode the inverted R and X say that it is VEX. */
	u8 rest = 0x78 | (unit_random() & 7), inverted = mode == DECODE_64 ? unit_random() : 0xc0;

	if (unit_below(2)) {
		emit(p, 0xc5);
		emit(p, (inverted & 0x80) | rest);
	} else {
		emit(p, 0xc4);
		emit(p, (inverted & 0xe0) | 1);
		emit(p, (unit_random() & 0x80) | rest);
	}
	emit(p, moves[unit_below(sizeof(moves))]);
}

static const struct decode_entry *random_opcode(struct program *p)
{
	static const u8 segment_opcodes[] = {
		0x07, 0x17, 0x1f, 0x62, 0x8e, 0x9a, 0xa1, 0xa9, 0xb2, 0xb4, 0xb5, 0xc4, 0xc5, 0xc8,
		0xca, 0xcb, 0xcf, 0xcf, 0xea, 0xff, 0x06, 0x0e, 0x16, 0x1e, 0xa0, 0xa8,
	};
	const struct decode_entry *e;
	u8 opcode = unit_random();

	switch (unit_below(9)) {
	case 8:		/* rare ones: segment registers and far transfers */
		opcode = segment_opcodes[unit_below(sizeof(segment_opcodes))];
		if (opcode >= 0xa0 && opcode < 0xb6) {
			emit(p, 0x0f);
			e = &decode_0f[opcode];
		} else {
			e = &decode_one[opcode];
		}
		break;
	case 0:
		emit(p, 0x0f);
		emit(p, 0x38);
		emit(p, 0xf0 | (opcode & 1));
		return &decode_0f38[opcode & 1];
	case 1:
	case 2:
	case 3:
		e = &decode_0f[opcode];
		if (!(e->flags & DF_PREFIX))
			emit(p, 0x0f);
		break;
	default:
		e = &decode_one[opcode];
		break;
	}
	emit(p, opcode);
	return e;
}

static void random_program(struct program *p, struct decode_insn *insn, unsigned int mode)
{
	const struct decode_entry *e;
	unsigned int i;

	for (;;) {
		for (i = 0; i < sizeof(p->bytes); i++)
			p->bytes[i] = unit_random();
		p->len = 0;
		p->disp_at = -1;
		if (unit_below(12) == 0) {
			random_vex(p, mode);
			emit_modrm(p);
			goto decode;
		}
		if (unit_below(4) == 0)
			emit(p, 0x66);
		if (unit_below(4) == 0)
			emit(p, unit_below(2) ? 0xf2 : 0xf3);
		if (unit_below(16) == 0)
			emit(p, 0x2e);
		if (unit_below(16) == 0 && mode == DECODE_64)
			emit(p, 0x67);
		if (unit_below(8) == 0)
			emit(p, 0xf0);
		if (mode == DECODE_64 && unit_below(2))
			emit(p, 0x40 | (unit_random() & 15));
		e = random_opcode(p);
		if (e->flags & DF_MODRM)
			emit_modrm(p);
decode:
		if (decode_insn(insn, p->bytes, 15, mode) != DECODE_OK || !testable(insn))
			continue;
		if (mode != DECODE_64 && (insn->seg == KVM_FS || insn->seg == KVM_GS))
			continue;	/* null selectors there */
		/* What was put down as an opcode may have been a prefix. */
		if (!insn->mem || insn->base != DECODE_NO_REG || p->disp_at >= 0)
			return;
	}
}

/* An address for an operand: anywhere in the arena, often at its edges. */
static u64 random_target(void)
{
	switch (unit_below(8)) {
	case 0:
		return ARENA + ARENA_SIZE - unit_below(20);
	case 1:
		return ARENA + NATIVE_PAGE - unit_below(20);
	case 2:
		return ARENA - unit_below(4);
	default:
		return ARENA + unit_below(ARENA_SIZE / 16) * 16;
	}
}

/* Aim the ModRM or moffs operand at @target by choosing displacement or base. */
static void aim(struct program *p, struct decode_insn *insn, struct native_state *s, u64 target,
		u64 next_rip)
{
	u64 rest = 0;
	s32 disp;

	if (insn->dst == OPD_MOFFS || insn->src == OPD_MOFFS) {
		memcpy(p->bytes + insn->len - insn->addrsize, &target, insn->addrsize);
		return;
	}
	if (!insn->mem)
		return;
	if (insn->index != DECODE_NO_REG)
		s->gpr[insn->index] = unit_random() & 0xff;
	if (insn->base == DECODE_NO_REG) {
		if (insn->index != DECODE_NO_REG)
			rest = s->gpr[insn->index] << insn->scale;
		if (insn->rip_relative)
			rest = next_rip;
		disp = target - rest;
		memcpy(p->bytes + p->disp_at, &disp, 4);
		return;
	}
	if (p->disp_at >= 0) {
		disp = (s32)(unit_random() & 0xffff) - 0x8000;
		memcpy(p->bytes + p->disp_at, &disp, 4);
		insn->disp = disp;
	}
	if (insn->index != DECODE_NO_REG && insn->index != insn->base)
		rest = s->gpr[insn->index] << insn->scale;
	s->gpr[insn->base] = target - rest - insn->disp;
	if (insn->addrsize == 4)
		s->gpr[insn->base] = (u32)s->gpr[insn->base];
}

static u64 random_value(void)
{
	static const u64 special[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	if (unit_below(3) == 0)
		return special[unit_below(sizeof(special) / sizeof(special[0]))];
	return unit_random() >> unit_below(64);
}

static void random_registers(struct native_state *s, unsigned int mode)
{
	int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = random_value();
	s->gpr[KVM_RSP] = ARENA + 64 + unit_below(ARENA_SIZE - 128);
	if (unit_below(2))
		s->gpr[KVM_RSP] &= ~7ULL;
	if (unit_below(16) == 0)
		s->gpr[KVM_RSP] = random_target();
	if (unit_below(2))
		s->gpr[KVM_RCX] = unit_below(70);
	s->rflags = 0x202 | (unit_random() & (ARITHMETIC | X86_EFLAGS_DF));
	if (mode != DECODE_64)
		for (i = 0; i < 16; i++)
			s->gpr[i] = i < 8 ? (u32)s->gpr[i] : 0;
}

/* Selectors of Linux's, some of them good for something at CPL 3. */
static u16 random_selector(void)
{
	static const u16 selectors[] = {
		0x23, 0x2b, 0x33, 0x23, 0x2b, 0x33, 0x2a, 0x30, 0, 3, 0x10, 0x18, 0x1b, 0x13,
		0x43, 0x83, 0x88, 0x07, 0x0f, 0xffff, 0x31, 0x22,
	};

	return selectors[unit_below(sizeof(selectors) / sizeof(selectors[0]))];
}

static void poke(u64 at, u64 val, unsigned int size)
{
	if (at >= ARENA && at + size <= ARENA + ARENA_SIZE)
		memcpy(initial + (at - ARENA), &val, size);
}

/* What segment loads and far returns find on the stack, behind their pointer or in a register. */
static void prepare_selectors(struct program *p, struct decode_insn *insn, struct native_state *s,
			      u64 target, u64 code)
{
	unsigned int size = insn->opsize;
	u64 rsp = s->gpr[KVM_RSP];

	if (unit_below(8) == 0)
		code = random_value();
	switch (insn->op) {
	case OP_MOV_SEG:
		if (insn->mem)
			poke(target, random_selector(), 2);
		else
			s->gpr[insn->rm] = random_selector();
		break;
	case OP_POP:
		poke(rsp, random_selector(), size);
		break;
	case OP_LOAD_FAR:
	case OP_JMP_FAR:
	case OP_CALL_FAR:
		if (insn->src == OPD_IMM) {
			u16 selector = random_selector();

			memcpy(p->bytes + insn->len - 2 - size, &code, size);
			memcpy(p->bytes + insn->len - 2, &selector, 2);
			break;
		}
		poke(target, code, size);
		poke(target + size, random_selector(), 2);
		break;
	case OP_RET_FAR:
	case OP_IRET:
		poke(rsp, code, size);
		poke(rsp + size, random_selector(), size);
		if (insn->op == OP_RET_FAR)
			break;
		poke(rsp + 2 * size, (unit_random() & 0x247fd5) | X86_EFLAGS_TF, size);
		poke(rsp + 3 * size, random_target(), size);
		poke(rsp + 4 * size, unit_below(4) ? 0x2b : random_selector(), size);
		break;
	}
}

static void prepare_operands(struct program *p, struct decode_insn *insn, struct native_state *s,
			     u64 next_rip, u64 code)
{
	u64 target;

	switch (insn->op) {
	case OP_MOVS:
	case OP_CMPS:
	case OP_STOS:
	case OP_LODS:
	case OP_SCAS:
		s->gpr[KVM_RSI] = random_target();
		s->gpr[KVM_RDI] = random_target();
		if (unit_below(2))	/* equal strings are rare at random */
			memset(initial + unit_below(ARENA_SIZE / 2), 0, ARENA_SIZE / 2);
		return;
	case OP_XLAT:
		s->gpr[KVM_RBX] = random_target();
		return;
	case OP_LEAVE:
		s->gpr[KVM_RBP] = random_target();
		return;
	}
	if (insn->src == OPD_G && insn->op >= OP_BT && insn->op <= OP_BTC && insn->mem) {
		s->gpr[insn->reg] = unit_below(256) - 128;
		aim(p, insn, s, ARENA + 64 + unit_below(ARENA_SIZE - 128), next_rip);
		return;
	}
	target = random_target();
	aim(p, insn, s, target, next_rip);
	prepare_selectors(p, insn, s, target, code);
	/* Make compare-and-exchange succeed now and then. */
	if (insn->op == OP_CMPXCHG && insn->base != KVM_RAX && insn->base != DECODE_NO_REG &&
	    unit_below(2)) {
		s->gpr[KVM_RAX] = 0x5a5a5a5a5a5a5a5a;
		memset(initial, 0x5a, ARENA_SIZE);
	}
}

/* --- comparing */

/* Flags the manuals leave undefined for the instruction at hand. */
static u64 undefined_flags(const struct decode_insn *insn, const struct native_state *before)
{
	unsigned int count = (u8)insn->imm, mask = insn->opsize == 8 ? 63 : 31;

	if (insn->src == OPD_CL)
		count = before->gpr[KVM_RCX];
	else if (insn->src == OPD_ONE)
		count = 1;
	count &= mask;
	switch (insn->op) {
	case OP_AND:
	case OP_OR:
	case OP_XOR:
	case OP_TEST:
		return ALU_AF;
	case OP_ROL:
	case OP_ROR:
	case OP_RCL:
	case OP_RCR:
		return count == 1 ? 0 : ALU_OF;
	case OP_SHL:
	case OP_SAL:
	case OP_SHR:
	case OP_SAR:
		return (count == 0 ? 0 : ALU_AF) | (count > 1 ? ALU_OF : 0) |
		       (count >= 8 * insn->opsize ? ALU_CF : 0);
	case OP_SHLD:
	case OP_SHRD:
		if (count > 8 * insn->opsize)
			return ARITHMETIC;
		return (count == 0 ? 0 : ALU_AF) | (count > 1 ? ALU_OF : 0);
	case OP_MUL:
	case OP_IMUL:
	case OP_IMUL3:
		return ALU_SF | ALU_ZF | ALU_AF | ALU_PF;
	case OP_DIV:
	case OP_IDIV:
		return ARITHMETIC;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		return ALU_OF | ALU_SF | ALU_AF | ALU_PF;
	case OP_BSF:
	case OP_BSR:
		return ARITHMETIC & ~ALU_ZF;
	default:
		return 0;
	}
}

/* Results the manuals leave undefined. */
static bool undefined_result(const struct decode_insn *insn, const struct native_state *before)
{
	unsigned int count = insn->src == OPD_CL ? before->gpr[KVM_RCX] : insn->imm;

	count &= insn->opsize == 8 ? 63 : 31;
	return (insn->op == OP_SHLD || insn->op == OP_SHRD) && count > 8 * insn->opsize;
}

static void report(const struct program *p, const struct decode_insn *insn, const char *what,
		   u64 got, u64 want)
{
	char text[64];
	unsigned int i;

	for (i = 0; i < insn->len; i++)
		snprintf(text + 3 * i, 4, "%02x ", p->bytes[i]);
	unit_fail(__FILE__, __LINE__, "mode %u %sop %u: %s is 0x%llx, CPU says 0x%llx", insn->mode,
		  text, insn->op, what, (unsigned long long)got, (unsigned long long)want);
}

static void compare_fault(const struct program *p, const struct exec *x, int r,
			  const struct native_state *cpu)
{
	if (r != EXEC_FAULT) {
		report(p, &x->insn, "result", r, cpu->trap);
		return;
	}
	/* CPUs differ in the order of CALL's push and its check of the target. */
	if (x->fault.vector != cpu->trap && x->insn.op == OP_CALL)
		return;
	/* Likewise in far returns: the rest of the stack frame or the selector first. */
	if (x->fault.vector != cpu->trap &&
	    (x->insn.op == OP_RET_FAR || x->insn.op == OP_IRET || x->insn.op == OP_CALL_FAR))
		return;
	if (x->fault.vector != cpu->trap) {
		report(p, &x->insn, "vector", x->fault.vector, cpu->trap);
		return;
	}
	/* A wild address may meet the kernel's memory, which is present. */
	if (cpu->cr2 - ARENA + NATIVE_PAGE > ARENA_SIZE + 2 * NATIVE_PAGE)
		return;
	if (x->fault.has_error && x->fault.error != cpu->error)
		report(p, &x->insn, "error code", x->fault.error, cpu->error);
	/* Which of two bad operands is met first differs between CPUs. */
	else if (cpu->trap == X86_TRAP_PF && x->fault.cr2 != cpu->cr2 &&
		 x->insn.op != OP_MOVS && x->insn.op != OP_CMPS &&
		 x->insn.op != OP_RET_FAR && x->insn.op != OP_IRET)
		report(p, &x->insn, "CR2", x->fault.cr2, cpu->cr2);
}

static void compare_state(const struct program *p, const struct exec *x, int r,
			  const struct native_state *before, const struct native_state *cpu)
{
	static const char *const name[] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	u64 flags = COMPARED_FLAGS & ~undefined_flags(&x->insn, before);
	u64 rip = r == EXEC_REP ? x->rip : x->next_rip;
	unsigned int i;
	u16 sel;

	/* No trap right behind a load of SS: the NOP there is executed as well. */
	if (x->effects & EXEC_MOV_SS)
		rip++;
	for (i = 0; i < 6; i++) {
		sel = x->new_segs & BIT(i) ? x->new_seg[i].selector :
					     model_selector((struct exec *)x, i);
		/* Signal delivery makes every null selector 0. */
		if (sel != cpu->seg[i] && (sel | cpu->seg[i]) > 3)
			report(p, &x->insn, "a selector", sel, cpu->seg[i]);
	}
	for (i = 0; i < (x->insn.mode == DECODE_64 ? 16 : 8); i++)
		if (memcmp(model_ymm[i], cpu->ymm[i], 32))
			report(p, &x->insn, "a YMM register", *(u64 *)model_ymm[i],
			       *(u64 *)cpu->ymm[i]);
	for (i = 0; i < 8; i++)
		if (memcmp(model_mmx[i], cpu->mmx[i], 8))
			report(p, &x->insn, "an MMX register", *(u64 *)model_mmx[i],
			       *(u64 *)cpu->mmx[i]);

	for (i = 0; i < (x->insn.mode == DECODE_64 ? 16 : 8); i++)
		if (x->gpr[i] != cpu->gpr[i])
			report(p, &x->insn, name[i], x->gpr[i], cpu->gpr[i]);
	if (rip != cpu->rip)
		report(p, &x->insn, "rip", rip, cpu->rip);
	if ((x->rflags ^ cpu->rflags) & flags)
		report(p, &x->insn, "flags", x->rflags & flags, cpu->rflags & flags);
}

/* One instruction through both; false: the CPU does not have it. */
static bool run_one(unsigned int mode)
{
	struct native_state before, cpu;
	struct decode_insn insn;
	struct exec x = {
		.ops = &model_ops, .cpl = 3, .lma = true, .cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE,
		.intel = host_is_intel(),
	};
	struct program p;
	unsigned int i;
	int r;

	random_program(&p, &insn, mode);
	for (i = 0; i < ARENA_SIZE; i += 8) {
		u64 word = unit_random();

		memcpy(initial + i, &word, 8);
	}
	random_registers(&before, mode);
	before.rip = native_code_rip(mode, 256);
	prepare_operands(&p, &insn, &before, before.rip + insn.len,
			 native_code_rip(mode, 512));
	memcpy(arena, initial, ARENA_SIZE);
	memcpy(model, initial, ARENA_SIZE);
	memcpy(native_code(mode) + 256, p.bytes, 15);
	native_code(mode)[256 + insn.len] = 0x90;
	for (i = 0; i < sizeof(before.ymm); i++)
		before.ymm[i / 32][i % 32] = i % 32 < 16 || native_has_avx() ? unit_random() : 0;
	for (i = 0; i < sizeof(before.mmx); i++)
		before.mmx[i / 8][i % 8] = unit_random();
	memcpy(model_ymm, before.ymm, sizeof(model_ymm));
	memcpy(model_mmx, before.mmx, sizeof(model_mmx));
	cpu = before;
	native_step(&cpu, mode);
	/* #AC: the host kernel has it on for a few; nothing to compare. */
	if (cpu.trap == 17)
		return false;

	CHECK_EQ(decode_insn(&x.insn, p.bytes, 15, mode), DECODE_OK);
	memcpy(x.gpr, before.gpr, sizeof(x.gpr));
	x.rip = before.rip;
	x.rflags = before.rflags | X86_EFLAGS_TF;
	r = exec_insn(&x);
	if (cpu.trap != 1) {
		/* A jump elsewhere faults there, after it was done. */
		if (cpu.rip != before.rip)
			return false;
		/* AMD's ENTER tries to write at the new top of the stack; others do not. */
		if (insn.op == OP_ENTER && r == EXEC_DONE && cpu.trap == X86_TRAP_PF)
			return false;
		compare_fault(&p, &x, r, &cpu);
	} else if (r != EXEC_DONE && r != EXEC_REP) {
		report(&p, &x.insn, "result", r, EXEC_DONE);
	} else if (!undefined_result(&insn, &before)) {
		compare_state(&p, &x, r, &before, &cpu);
		for (i = 0; i < ARENA_SIZE; i++)
			if (model[i] != arena[i])
				report(&p, &x.insn, "memory", model[i], arena[i]);
	}
	return cpu.trap == 1;
}

static void differential(unsigned int mode)
{
	unsigned int i, completed = 0, count = getenv("UNIT_LONG") ? 3000000 : 150000;

	if (!arena)
		arena = native_memory(ARENA, ARENA_PAGES);
	if (!arena || !native_init(mode)) {
		unit_skip("this host does not run such code");
		return;
	}
	for (i = 0; i < count; i++)
		completed += run_one(mode);
	/* Most must run to completion, or the comparison means nothing. */
	CHECK(completed > count / 3);
	printf("# %u of %u ran to completion\n", completed, count);
}

TEST(differential_64)
{
	differential(DECODE_64);
}

TEST(differential_32)
{
	differential(DECODE_32);
}
