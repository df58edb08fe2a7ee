// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder. Manuals: "Instruction Format", "Opcode Map".
 */
#include <linux/string.h>
#include "decode.h"

#define REX_B	BIT(0)
#define REX_X	BIT(1)
#define REX_R	BIT(2)
#define REX_W	BIT(3)

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

/* Where decoding has got to; lives on decode_insn()'s stack. */
struct cursor {
	const u8 *bytes;
	unsigned int count;
	unsigned int pos;
	int result;		/* first thing that went wrong, DECODE_OK */
};

static void cursor_fail(struct cursor *c, int result)
{
	if (c->result == DECODE_OK)
		c->result = result;
}

/* The next byte; 0 once something is wrong, so callers need not look at every byte. */
static u8 cursor_u8(struct cursor *c)
{
	if (c->pos >= DECODE_LEN_MAX) {
		cursor_fail(c, DECODE_TOO_LONG);
		return 0;
	}
	if (c->pos >= c->count) {
		cursor_fail(c, DECODE_SHORT);
		return 0;
	}
	return c->bytes[c->pos++];
}

static u8 cursor_peek(struct cursor *c)
{
	u8 byte = cursor_u8(c);

	if (c->result == DECODE_OK)
		c->pos--;
	return byte;
}

static u64 cursor_le(struct cursor *c, unsigned int size)
{
	u64 val = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		val |= (u64)cursor_u8(c) << (8 * i);
	return val;
}

static u64 sign_extend(u64 val, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (u64)((s64)(val << shift) >> shift);
}

static void decode_segment(struct decode_insn *insn, u8 seg)
{
	/* "Segment override": ES, CS, SS and DS overrides are null in 64-bit mode. */
	if (insn->mode == DECODE_64 && seg != SEG_FS && seg != SEG_GS)
		return;
	insn->seg = seg;
	insn->seg_override = true;
}

/* Legacy prefixes in any order, then REX; returns the first opcode byte. */
static u8 decode_prefixes(struct cursor *c, struct decode_insn *insn)
{
	u8 byte;

	for (;;) {
		byte = cursor_u8(c);
		switch (byte) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			decode_segment(insn, (byte >> 3) & 3);
			break;
		case 0x64:
		case 0x65:
			decode_segment(insn, byte & 7);
			break;
		case 0x66:
			insn->opsize_prefix = true;
			break;
		case 0x67:
			insn->addrsize = insn->mode == DECODE_32 ? 2 : 4;
			break;
		case 0xf0:
			insn->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			insn->rep = byte;
			break;
		default:
			if (insn->mode != DECODE_64 || (byte & 0xf0) != 0x40)
				return byte;
			insn->rex = byte;
			continue;
		}
		/* A REX that is not right before the opcode is ignored. */
		insn->rex = 0;
		if (c->result != DECODE_OK)
			return 0;
	}
}

static void decode_opsize(struct decode_insn *insn, u16 flags)
{
	bool wide = insn->mode != DECODE_16;

	if (insn->opsize_prefix)
		wide = !wide;
	insn->opsize = wide ? 4 : 2;
	if (insn->mode == DECODE_64) {
		if (flags & DF_F64)
			insn->opsize = 8;
		else if (insn->rex & REX_W)
			insn->opsize = 8;
		else if ((flags & DF_D64) && !insn->opsize_prefix)
			insn->opsize = 8;
	} else if (flags & DF_NOMOD) {
		insn->opsize = 4;	/* MOV to and from CR and DR: no 16-bit form */
	}
	if (flags & DF_BYTE)
		insn->opsize = 1;
}

static void decode_default_segment(struct decode_insn *insn, u8 seg)
{
	if (!insn->seg_override)
		insn->seg = seg;
}

/* "16-Bit Addressing Forms with the ModR/M Byte" */
static void decode_address16(struct cursor *c, struct decode_insn *insn, u8 mod, u8 rm)
{
	static const u8 base[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const u8 index[8] = {
		6, 7, 6, 7, DECODE_NO_REG, DECODE_NO_REG, DECODE_NO_REG, DECODE_NO_REG,
	};

	insn->base = base[rm];
	insn->index = index[rm];
	if (mod == 0 && rm == 6)
		insn->base = DECODE_NO_REG;
	if (insn->base == 5)
		decode_default_segment(insn, SEG_SS);
	if (mod == 1)
		insn->disp = (s8)cursor_u8(c);
	else if (mod == 2 || insn->base == DECODE_NO_REG)
		insn->disp = (s16)cursor_le(c, 2);
}

/* "32-Bit Addressing Forms", also with 64-bit addresses */
static void decode_address32(struct cursor *c, struct decode_insn *insn, u8 mod, u8 rm)
{
	bool disp32 = mod == 2;
	u8 sib;

	if (rm == 4) {
		sib = cursor_u8(c);
		rm = sib & 7;
		insn->scale = sib >> 6;
		insn->index = ((sib >> 3) & 7) | (insn->rex & REX_X ? 8 : 0);
		if (insn->index == 4)
			insn->index = DECODE_NO_REG;
		if (rm == 5 && mod == 0)
			disp32 = true;
		else
			insn->base = rm | (insn->rex & REX_B ? 8 : 0);
	} else if (rm == 5 && mod == 0) {
		disp32 = true;
		insn->rip_relative = insn->mode == DECODE_64;
	} else {
		insn->base = rm | (insn->rex & REX_B ? 8 : 0);
	}
	if (insn->base == 4 || insn->base == 5)
		decode_default_segment(insn, SEG_SS);
	if (mod == 1)
		insn->disp = (s8)cursor_u8(c);
	else if (disp32)
		insn->disp = (s32)cursor_le(c, 4);
}

static void decode_modrm(struct cursor *c, struct decode_insn *insn, u16 flags)
{
	u8 mod, rm;

	insn->modrm = cursor_u8(c);
	mod = insn->modrm >> 6;
	rm = insn->modrm & 7;
	insn->reg = ((insn->modrm >> 3) & 7) | (insn->rex & REX_R ? 8 : 0);
	insn->rm = rm | (insn->rex & REX_B ? 8 : 0);
	if (mod == 3 || (flags & DF_NOMOD))
		return;
	insn->mem = true;
	if (insn->addrsize == 2)
		decode_address16(c, insn, mod, rm);
	else
		decode_address32(c, insn, mod, rm);
}

static void decode_immediate(struct cursor *c, struct decode_insn *insn, u16 flags)
{
	unsigned int size = insn->opsize;
	unsigned int z = size > 4 ? 4 : size;

	switch (flags & IMM_MASK) {
	case IMM_NONE:
		break;
	case IMM_8:
	case IMM_REL8:
		insn->imm = sign_extend(cursor_u8(c), 1);
		break;
	case IMM_16:
		insn->imm = cursor_le(c, 2);
		break;
	case IMM_Z:
	case IMM_RELZ:
		insn->imm = sign_extend(cursor_le(c, z), z);
		break;
	case IMM_V:
		insn->imm = cursor_le(c, size);
		break;
	case IMM_32:
		insn->imm = cursor_le(c, 4);
		break;
	case IMM_OFFS:
		insn->imm = cursor_le(c, insn->addrsize);
		break;
	case IMM_ENTER:
		insn->imm = cursor_le(c, 2);
		insn->imm2 = cursor_u8(c);
		break;
	case IMM_FAR:
		insn->imm = cursor_le(c, z);
		insn->imm2 = cursor_le(c, 2);
		break;
	case IMM_8_8:
		insn->imm = cursor_u8(c);
		insn->imm2 = cursor_u8(c);
		break;
	}
}

/*
 * VEX, EVEX and XOP only differ, for the length, in how many prefix bytes come
 * before the opcode and which opcodes have an immediate.
 */
static const struct decode_entry decode_vector_imm8 = { .flags = DF_MODRM | IMM_8 };
static const struct decode_entry decode_vector_imm32 = { .flags = DF_MODRM | IMM_32 };
static const struct decode_entry decode_vector_modrm = { .flags = DF_MODRM };
static const struct decode_entry decode_vector_plain;
static const struct decode_entry decode_vector_ud = { .flags = DF_UD };

static const struct decode_entry *decode_vector_map(unsigned int map, u8 opcode)
{
	switch (map) {
	case 1:		/* 0F */
		if (opcode == 0x77)
			return &decode_vector_plain;
		if ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
		    (opcode >= 0xc4 && opcode <= 0xc6))
			return &decode_vector_imm8;
		return &decode_vector_modrm;
	case 2:		/* 0F38 */
	case 5:		/* AVX512-FP16 */
	case 6:
	case 9:		/* XOP */
		return &decode_vector_modrm;
	case 3:		/* 0F3A */
	case 8:		/* XOP */
		return &decode_vector_imm8;
	case 7:		/* MSR_IMM */
	case 10:	/* XOP */
		return &decode_vector_imm32;
	default:
		return &decode_vector_ud;
	}
}

/*
 * VEX instead of REX and the mandatory prefix. @rxb: as REX has them. @rest: W, the
 * second source inverted, the length, which mandatory prefix.
 */
static void decode_vex(struct decode_insn *insn, u8 rxb, u8 rest, unsigned int map)
{
	static const u8 rep[] = { 0, 0, 0xf3, 0xf2 };

	if (insn->mode == DECODE_64)
		insn->rex = 0x40 | (rest & 0x80 ? REX_W : 0) | rxb;
	insn->opsize_prefix = (rest & 3) == 1;
	insn->rep = rep[rest & 3];
	if (map == 1 && (rest & 0x78) == 0x78)
		insn->vector = rest & 4 ? 32 : 16;
}

/* The prefix's first byte, @first, has been consumed; NULL: it is not a vector prefix. */
static const struct decode_entry *decode_vector(struct cursor *c, struct decode_insn *insn,
						u8 first)
{
	unsigned int map = 1;
	u8 next;

	if (first != 0xc4 && first != 0xc5 && first != 0x62 && first != 0x8f)
		return NULL;
	next = cursor_peek(c);
	if (first == 0x8f) {
		/* XOP: what would be POP's ModRM reg is not 0. */
		if ((next & 0x1f) < 8)
			return NULL;
	} else if (insn->mode != DECODE_64 && (next & 0xc0) != 0xc0) {
		return NULL;	/* LES, LDS, BOUND: their ModRM names memory */
	}
	cursor_u8(c);
	if (insn->rex || insn->opsize_prefix || insn->rep || insn->lock)
		return &decode_vector_ud;
	if (first == 0xc5) {
		decode_vex(insn, next & 0x80 ? 0 : REX_R, next & 0x7f, map);
	} else if (first == 0xc4) {
		map = next & 0x1f;
		decode_vex(insn, ~next >> 5 & 7, cursor_u8(c), map);
	} else if (first == 0x8f) {
		map = next & 0x1f;
		cursor_u8(c);
	} else if (first == 0x62) {
		map = next & 7;
		cursor_le(c, 2);
	}
	insn->map = MAP_VEX;
	insn->opcode = cursor_u8(c);
	return decode_vector_map(map, insn->opcode);
}

static const struct decode_entry *decode_escape(struct cursor *c, struct decode_insn *insn)
{
	static const struct decode_entry extrq = { .flags = DF_MODRM | IMM_8_8 };
	u8 opcode = cursor_u8(c);

	switch (opcode) {
	case 0x0f:
		insn->map = MAP_3DNOW;	/* its opcode is the immediate */
		return &decode_vector_imm8;
	case 0x38:
		insn->map = MAP_0F38;
		insn->opcode = cursor_u8(c);
		/* MOVBE; with F2 these two are CRC32. */
		if ((insn->opcode & 0xfe) != 0xf0 || insn->rep == 0xf2)
			return &decode_vector_modrm;
		return insn->rep ? &decode_vector_ud : &decode_0f38[insn->opcode & 1];
	case 0x3a:
		insn->map = MAP_0F3A;
		insn->opcode = cursor_u8(c);
		return &decode_vector_imm8;
	default:
		insn->map = MAP_0F;
		insn->opcode = opcode;
		/* EXTRQ and INSERTQ with immediates. */
		if (opcode == 0x78 && (insn->opsize_prefix || insn->rep == 0xf2))
			return &extrq;
		/* MOVNTI takes no prefix. */
		if (opcode == 0xc3 && (insn->opsize_prefix || insn->rep))
			return &decode_vector_ud;
		return &decode_0f[opcode];
	}
}

static const struct decode_entry *decode_opcode(struct cursor *c, struct decode_insn *insn)
{
	const struct decode_entry *e;
	u8 opcode = decode_prefixes(c, insn);

	if (opcode == 0x0f)
		return decode_escape(c, insn);
	e = decode_vector(c, insn, opcode);
	if (e)
		return e;
	insn->map = MAP_ONE;
	insn->opcode = opcode;
	return &decode_one[opcode];
}

/*
 * Same opcode, another instruction: entries whose operation depends on more than
 * opcode and ModRM reg, and which therefore lose it here.
 */
static bool decode_unrelated(const struct decode_insn *insn, const struct decode_entry *outer)
{
	if (insn->map == MAP_ONE && insn->opcode == 0x63)
		return insn->mode != DECODE_64;			/* ARPL */
	if (insn->map == MAP_0F && (insn->opcode & 0xfe) == 0xbc)
		return insn->rep == 0xf3;			/* TZCNT, LZCNT */
	if ((outer->flags & DF_GROUP) && outer->op == GROUP_7)
		/* The register forms of /0 to /3, and of /5. */
		return !insn->mem && (insn->rep || !(insn->modrm & 0x20));
	return false;
}

static int decode_simd(struct decode_insn *insn)
{
	insn->simd = decode_simd_find(insn);
	if (!insn->simd)
		return DECODE_OK;
	if ((insn->simd->flags & SIMD_MEM) && !insn->mem)
		return DECODE_UD;
	insn->op = OP_SIMD;
	return DECODE_OK;
}

/* A move in its VEX form, unless that has a third operand or moves a part of a YMM register. */
static int decode_simd_vector(struct decode_insn *insn)
{
	const struct decode_simd *simd = decode_simd_find(insn);

	if (!simd || simd->level == SIMD_MMX || (simd->flags & SIMD_MERGE) ||
	    ((simd->flags & SIMD_REG_MERGE) && !insn->mem) ||
	    (insn->vector == 32 && simd->bytes != 16))
		return DECODE_OK;
	return decode_simd(insn);
}

int decode_insn(struct decode_insn *insn, const u8 *bytes, unsigned int count,
		unsigned int mode)
{
	struct cursor c = { .bytes = bytes, .count = count };
	const struct decode_entry *outer, *e;
	u16 flags;

	memset(insn, 0, sizeof(*insn));
	insn->mode = mode;
	insn->addrsize = mode == DECODE_64 ? 8 : mode == DECODE_32 ? 4 : 2;
	insn->base = DECODE_NO_REG;
	insn->index = DECODE_NO_REG;
	insn->seg = SEG_DS;

	outer = decode_opcode(&c, insn);
	e = outer;
	flags = e->flags;
	if (flags & DF_MODRM)
		decode_modrm(&c, insn, flags);
	if (flags & DF_GROUP) {
		e = &decode_groups[outer->op][(insn->modrm >> 3) & 7];
		flags |= e->flags;
	}
	decode_opsize(insn, flags);
	decode_immediate(&c, insn, flags);
	if (c.result != DECODE_OK)
		return c.result;

	if ((flags & (DF_UD | DF_PREFIX)) ||
	    ((flags & DF_I64) && mode == DECODE_64) ||
	    ((flags & DF_MEM) && !insn->mem) ||
	    ((flags & DF_REG) && insn->mem))
		return DECODE_UD;
	insn->flags = flags;
	insn->len = c.pos;
	if (insn->vector)
		return decode_simd_vector(insn);
	if (decode_unrelated(insn, outer))
		return DECODE_OK;
	if (e->op == OP_SIMD && !(flags & DF_GROUP))
		return decode_simd(insn);
	insn->op = e->op;
	insn->dst = e->dst != OPD_NONE ? e->dst : outer->dst;
	insn->src = e->src != OPD_NONE ? e->src : outer->src;
	return DECODE_OK;
}
