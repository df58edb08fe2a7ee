// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder: a table of known instructions, and instruction lengths as this
 * CPU sees them. For the latter the bytes are put before a page that is not
 * present: one byte too few and the fetch faults there.
 */
#include <stdio.h>
#include "decode.h"
#include "native.h"
#include "unit.h"

struct sample {
	u8 mode, len;
	u8 op;
	u8 bytes[15];
};

#define S(mode, len, op, ...) { DECODE_##mode, len, OP_##op, { __VA_ARGS__ } }

static const struct sample samples[] = {
	S(64, 2, NONE, 0x0f, 0xa2),
	S(64, 1, NONE, 0xf4),
	S(64, 2, NONE, 0x0f, 0x30),
	S(64, 3, NONE, 0x0f, 0x01, 0xd9),
	S(64, 3, NONE, 0x0f, 0x01, 0xd1),
	S(64, 2, NONE, 0xf3, 0x90),
	S(64, 3, MOV, 0x44, 0x89, 0x07),
	S(64, 7, MOV, 0x8b, 0x04, 0x25, 0, 0, 0, 0),
	S(64, 6, MOV, 0x8b, 0x05, 0, 0, 0, 0),
	S(32, 6, MOV, 0x8b, 0x05, 0, 0, 0, 0),
	S(16, 4, MOV, 0x8b, 0x06, 0, 0),
	S(64, 9, MOV, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0),
	S(32, 5, MOV, 0xa1, 0, 0, 0, 0),
	S(16, 3, MOV, 0xa3, 0, 0),
	S(64, 10, NONE, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0),
	S(64, 7, MOV, 0x48, 0xc7, 0x00, 0, 0, 0, 0),
	S(64, 5, MOV, 0x66, 0xc7, 0x00, 0, 0),
	S(64, 3, MOVZX, 0x0f, 0xb6, 0x03),
	S(64, 3, MOVSX, 0x48, 0x63, 0x03),
	S(32, 2, NONE, 0x63, 0x03),
	S(64, 3, MOVS, 0xf3, 0x48, 0xa5),
	S(16, 2, INS, 0xf3, 0x6c),
	S(64, 3, MOV_TO_CR, 0x0f, 0x22, 0xc0),
	S(64, 3, MOV_TO_CR, 0x0f, 0x22, 0x00),
	S(64, 4, MOV_FROM_CR, 0x44, 0x0f, 0x20, 0xc0),
	S(64, 3, LMSW, 0x0f, 0x01, 0xf0),
	S(64, 3, SMSW, 0x0f, 0x01, 0x20),
	S(64, 3, TEST, 0xf6, 0x00, 0x01),
	S(64, 6, TEST, 0xf7, 0x00, 0, 0, 0, 0),
	S(64, 2, NOT, 0xf6, 0x10),
	S(64, 4, CMPXCHG8B, 0xf0, 0x0f, 0xc7, 0x0f),
	S(64, 5, MOVBE, 0x0f, 0x38, 0xf0, 0x47, 0x08),
	S(64, 5, NONE, 0xf2, 0x0f, 0x38, 0xf0, 0xc0),
	S(64, 6, NONE, 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8),
	S(64, 4, SIMD, 0xc5, 0xf8, 0x28, 0xc1),
	S(64, 4, SIMD, 0xc5, 0xfe, 0x6f, 0x03),
	S(64, 5, SIMD, 0xc4, 0x41, 0x7d, 0x7f, 0x0b),
	S(32, 4, SIMD, 0xc5, 0xfc, 0x11, 0x03),
	S(64, 4, SIMD, 0xc5, 0xfa, 0x10, 0x03),
	S(64, 4, NONE, 0xc5, 0xfa, 0x10, 0xc1),
	S(64, 4, NONE, 0xc5, 0xf4, 0x28, 0xc1),
	S(64, 4, NONE, 0xc5, 0xf8, 0x12, 0x03),
	S(64, 4, NONE, 0xc5, 0xf8, 0x58, 0x03),
	S(64, 3, NONE, 0xc5, 0xf8, 0x77),
	S(64, 6, NONE, 0xc4, 0xe3, 0x75, 0x18, 0xc2, 1),
	S(64, 6, NONE, 0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1),
	S(64, 9, NONE, 0x8f, 0xea, 0x78, 0x10, 0xc0, 0, 0, 0, 0),
	S(64, 4, NONE, 0x0f, 0x0f, 0xc1, 0xb4),
	S(64, 6, NONE, 0x66, 0x0f, 0x78, 0xc0, 1, 2),
	S(32, 2, LOAD_FAR, 0xc5, 0x00),
	S(32, 7, CALL_FAR, 0x9a, 0, 0, 0, 0, 0, 0),
	S(16, 5, JMP_FAR, 0xea, 0, 0, 0, 0),
	S(64, 4, ENTER, 0xc8, 0, 0, 0),
	S(64, 3, SIMD, 0x0f, 0x10, 0x03),
	S(64, 4, SIMD, 0x66, 0x0f, 0x7f, 0x03),
	S(64, 4, NONE, 0xf3, 0x0f, 0x12, 0x03),
	S(64, 4, NONE, 0x66, 0x0f, 0xf0, 0xc0),
	S(64, 3, LGDT, 0x0f, 0x01, 0x13),
	S(64, 3, NONE, 0x0f, 0x01, 0xd0),
	S(64, 3, LTR, 0x0f, 0x00, 0xd8),
	S(64, 2, IRET, 0x48, 0xcf),
	S(32, 1, PUSH, 0x1e),
	S(64, 2, POP, 0x0f, 0xa9),
};

TEST(samples)
{
	struct decode_insn insn;
	const struct sample *s;
	unsigned int i, n;

	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		s = &samples[i];
		n = s->len;
		if (decode_insn(&insn, s->bytes, 15, s->mode) != DECODE_OK ||
		    insn.len != n || insn.op != s->op)
			unit_fail(__FILE__, __LINE__, "sample %u: length %u op %u", i, insn.len,
				  insn.op);
		/* One byte less is not enough, and nothing behind the end matters. */
		CHECK_EQ(decode_insn(&insn, s->bytes, n - 1, s->mode), DECODE_SHORT);
		CHECK_EQ(decode_insn(&insn, s->bytes, n, s->mode), DECODE_OK);
	}
}

TEST(invalid)
{
	static const u8 push_es[] = { 0x06 }, ud[] = { 0x0f, 0x04 }, lock_lea[] = { 0x8d, 0xc0 };
	static const u8 long_insn[16] = {
		0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		0x66, 0x66, 0x66, 0x66, 0x66, 0x90,
	};
	struct decode_insn insn;

	CHECK_EQ(decode_insn(&insn, push_es, 1, DECODE_64), DECODE_UD);
	CHECK_EQ(decode_insn(&insn, push_es, 1, DECODE_32), DECODE_OK);
	CHECK_EQ(decode_insn(&insn, ud, 2, DECODE_64), DECODE_UD);
	CHECK_EQ(decode_insn(&insn, lock_lea, 2, DECODE_64), DECODE_UD);
	CHECK_EQ(decode_insn(&insn, long_insn, 16, DECODE_64), DECODE_TOO_LONG);
	CHECK_EQ(decode_insn(&insn, long_insn + 1, 15, DECODE_64), DECODE_OK);
}

TEST(fields)
{
	/* mov rdx, fs:[rbp+r12*8+16] and, in 16-bit code, mov ax, [bp-2] */
	static const u8 sib[] = { 0x64, 0x4a, 0x8b, 0x54, 0xe5, 0x10 };
	static const u8 bp16[] = { 0x8b, 0x46, 0xfe };
	struct decode_insn insn;

	CHECK_EQ(decode_insn(&insn, sib, sizeof(sib), DECODE_64), DECODE_OK);
	CHECK_EQ(insn.base, 5);
	CHECK_EQ(insn.index, 12);
	CHECK_EQ(insn.scale, 3);
	CHECK_EQ(insn.disp, 16);
	CHECK_EQ(insn.seg, 4);
	CHECK_EQ(insn.opsize, 8);
	CHECK_EQ(decode_insn(&insn, bp16, sizeof(bp16), DECODE_16), DECODE_OK);
	CHECK_EQ(insn.base, 5);
	CHECK_EQ(insn.index, DECODE_NO_REG);
	CHECK_EQ(insn.disp, -2);
	CHECK_EQ(insn.seg, 2);
	CHECK_EQ(insn.opsize, 2);
}

/* What the CPU makes of the first @n bytes; is it asking for more? */
static bool native_wants_more(const u8 *bytes, unsigned int n, enum native_mode mode, int *trap)
{
	u8 *page = native_code(mode);
	struct native_state s;
	unsigned int i;

	memcpy(page + NATIVE_PAGE - n, bytes, n);
	/* No operand address, syscall number or count that does anything. */
	for (i = 0; i < 16; i++)
		s.gpr[i] = 0;
	s.gpr[0] = -1;
	s.rip = native_code_rip(mode, NATIVE_PAGE - n);
	s.rflags = 0x202;
	native_step(&s, mode);
	*trap = s.trap;
	return s.trap == 14 && (s.error & 16) &&
	       s.rip == native_code_rip(mode, NATIVE_PAGE - n) &&
	       s.cr2 == (uint64_t)(uintptr_t)page + NATIVE_PAGE;
}

static const char *hex(const u8 *bytes, unsigned int n)
{
	static char text[64];
	unsigned int i;

	for (i = 0; i < n; i++)
		snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
	return text;
}

/* AMD takes a 16-bit displacement for near branches with 66 in 64-bit mode, Intel does not. */
static bool vendor_specific(const struct decode_insn *insn)
{
	if (insn->mode != DECODE_64 || !insn->opsize_prefix)
		return false;
	if (insn->map == MAP_ONE)
		return insn->opcode == 0xe8 || insn->opcode == 0xe9;
	return insn->map == MAP_0F && (insn->opcode & 0xf0) == 0x80;
}

static void compare_length(const u8 *bytes, unsigned int mode)
{
	struct decode_insn insn;
	int r = decode_insn(&insn, bytes, 15, mode), trap;
	bool more;

	if (r == DECODE_TOO_LONG) {
		native_wants_more(bytes, 15, mode, &trap);
		if (trap != 13 && trap != 6 && trap != 14)
			unit_fail(__FILE__, __LINE__, "mode %u %s: too long, CPU says trap %d",
				  mode, hex(bytes, 15), trap);
		return;
	}
	if (r == DECODE_UD) {
		more = native_wants_more(bytes, 15, mode, &trap);
		if (trap != 6 && trap != 13)
			unit_fail(__FILE__, __LINE__, "mode %u %s: invalid, CPU says trap %d%s",
				  mode, hex(bytes, 15), trap, more ? " (more bytes)" : "");
		return;
	}
	if (vendor_specific(&insn))
		return;
	/* The length of what is not an instruction of this CPU is its own affair. */
	native_wants_more(bytes, 15, mode, &trap);
	if (trap == 6)
		return;
	if (native_wants_more(bytes, insn.len, mode, &trap)) {
		unit_fail(__FILE__, __LINE__, "mode %u %s: length %u is too short", mode,
			  hex(bytes, 15), insn.len);
		return;
	}
	if (!native_wants_more(bytes, insn.len - 1, mode, &trap) && trap != 6)
		unit_fail(__FILE__, __LINE__, "mode %u %s: length %u is too long (trap %d)", mode,
			  hex(bytes, 15), insn.len, trap);
}

static void random_bytes(u8 *bytes, unsigned int n)
{
	while (n--)
		*bytes++ = unit_random();
}

/* Every opcode of every map; with every ModRM byte if UNIT_LONG is set. */
static void sweep(unsigned int mode)
{
	static const u8 escape[4][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
	unsigned int map, opcode, modrm, step = getenv("UNIT_LONG") ? 1 : 11, n;
	u8 bytes[24];

	if (!native_init(mode)) {
		unit_skip("this host does not run such code");
		return;
	}
	for (map = 0; map < 4; map++) {
		for (opcode = 0; opcode < 256; opcode++) {
			for (modrm = unit_below(step); modrm < 256; modrm += step) {
				random_bytes(bytes, sizeof(bytes));
				n = (map > 0) + (map > 1);
				memcpy(bytes, escape[map], n);
				bytes[n++] = opcode;
				bytes[n++] = modrm;
				compare_length(bytes, mode);
			}
		}
	}
}

/* Prefixes before anything, vector prefixes included. */
static void random_walk(unsigned int mode)
{
	static const u8 prefix[] = {
		0x66, 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0xf0, 0x40, 0x48, 0x41, 0x4f,
	};
	static const u8 vector[] = { 0xc4, 0xc5, 0x62, 0x8f };
	unsigned int i, n, prefixes, count = getenv("UNIT_LONG") ? 400000 : 30000;
	u8 bytes[24];

	if (!native_init(mode)) {
		unit_skip("this host does not run such code");
		return;
	}
	for (i = 0; i < count; i++) {
		random_bytes(bytes, sizeof(bytes));
		prefixes = unit_below(4);
		for (n = 0; n < prefixes; n++)
			bytes[n] = prefix[unit_below(sizeof(prefix))];
		switch (unit_below(4)) {
		case 0:
			bytes[n] = 0x0f;
			break;
		case 1:
			bytes[n] = vector[unit_below(4)];
			break;
		}
		compare_length(bytes, mode);
	}
}

TEST(lengths_64)
{
	sweep(DECODE_64);
}

TEST(lengths_32)
{
	sweep(DECODE_32);
}

TEST(lengths_16)
{
	sweep(DECODE_16);
}

TEST(lengths_64_random)
{
	random_walk(DECODE_64);
}

TEST(lengths_32_random)
{
	random_walk(DECODE_32);
}

TEST(lengths_16_random)
{
	random_walk(DECODE_16);
}
