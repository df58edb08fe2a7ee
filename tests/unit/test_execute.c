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
	int r = model_check(x, linear, len, access & KVM_ACCESS_WRITE);

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
	u16 sel;

	switch (seg) {
	case KVM_ES:
	case KVM_DS:
		return 0x2b;
	case KVM_SS:
		return 0x2b;
	case KVM_CS:
		return x->insn.mode == DECODE_64 ? 0x33 : 0x23;
	case KVM_FS:
		asm("mov %%fs, %0" : "=r" (sel));
		return sel;
	default:
		asm("mov %%gs, %0" : "=r" (sel));
		return sel;
	}
}

static u64 model_get_cr(struct exec *x, int cr)
{
	return 0;
}

static const struct exec_ops model_ops = {
	.read = model_read,
	.write = model_write,
	.exchange = model_exchange,
	.segment = model_segment,
	.selector = model_selector,
	.get_cr = model_get_cr,
};

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
	case OP_SMSW:		/* UMIP makes it a matter of the host kernel */
	case OP_PUSHF:		/* IF and IOPL differ from the model's */
		return false;
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

static const struct decode_entry *random_opcode(struct program *p)
{
	const struct decode_entry *e;
	u8 opcode = unit_random();

	switch (unit_below(8)) {
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

static void prepare_operands(struct program *p, struct decode_insn *insn, struct native_state *s,
			     u64 next_rip)
{
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
	aim(p, insn, s, random_target(), next_rip);
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
	if (x->fault.vector != cpu->trap) {
		report(p, &x->insn, "vector", x->fault.vector, cpu->trap);
		return;
	}
	/* A wild address may meet the kernel's memory, which is present. */
	if (cpu->cr2 - ARENA + NATIVE_PAGE > ARENA_SIZE + 2 * NATIVE_PAGE)
		return;
	if (cpu->trap == X86_TRAP_PF && x->fault.error != cpu->error)
		report(p, &x->insn, "error code", x->fault.error, cpu->error);
	/* Which of two bad operands is met first differs between CPUs. */
	else if (cpu->trap == X86_TRAP_PF && x->fault.cr2 != cpu->cr2 &&
		 x->insn.op != OP_MOVS && x->insn.op != OP_CMPS)
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
	struct exec x = { .ops = &model_ops, .cpl = 3 };
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
	prepare_operands(&p, &insn, &before, before.rip + insn.len);
	memcpy(arena, initial, ARENA_SIZE);
	memcpy(model, initial, ARENA_SIZE);
	memcpy(native_code(mode) + 256, p.bytes, 15);
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
