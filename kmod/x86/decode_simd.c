// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between memory and MMX or XMM registers. Opcode and mandatory prefix
 * (none, 66, F3, F2) together select one; manuals: "Opcode Map", "Mandatory Prefix".
 */
#include "decode.h"

#define SIMD(op, pfx, len, gen, f) { .opcode = (op), .prefix = (pfx), .bytes = (len), \
				     .level = (gen), .flags = (f) }

static const struct decode_simd decode_simd_moves[] = {
	/* MOVUPS, MOVUPD, MOVSS, MOVSD */
	SIMD(0x10, 0x00, 16, SIMD_SSE, 0),
	SIMD(0x10, 0x66, 16, SIMD_SSE2, 0),
	SIMD(0x10, 0xf3, 4, SIMD_SSE, SIMD_REG_MERGE),
	SIMD(0x10, 0xf2, 8, SIMD_SSE2, SIMD_REG_MERGE),
	SIMD(0x11, 0x00, 16, SIMD_SSE, SIMD_STORE),
	SIMD(0x11, 0x66, 16, SIMD_SSE2, SIMD_STORE),
	SIMD(0x11, 0xf3, 4, SIMD_SSE, SIMD_STORE | SIMD_REG_MERGE),
	SIMD(0x11, 0xf2, 8, SIMD_SSE2, SIMD_STORE | SIMD_REG_MERGE),
	/* MOVLPS (MOVHLPS between registers), MOVLPD, MOVHPS (MOVLHPS), MOVHPD */
	SIMD(0x12, 0x00, 8, SIMD_SSE, SIMD_MERGE | SIMD_CROSS),
	SIMD(0x12, 0x66, 8, SIMD_SSE2, SIMD_MERGE | SIMD_MEM),
	SIMD(0x13, 0x00, 8, SIMD_SSE, SIMD_STORE | SIMD_MEM),
	SIMD(0x13, 0x66, 8, SIMD_SSE2, SIMD_STORE | SIMD_MEM),
	SIMD(0x16, 0x00, 8, SIMD_SSE, SIMD_MERGE | SIMD_HIGH | SIMD_CROSS),
	SIMD(0x16, 0x66, 8, SIMD_SSE2, SIMD_MERGE | SIMD_HIGH | SIMD_MEM),
	SIMD(0x17, 0x00, 8, SIMD_SSE, SIMD_STORE | SIMD_HIGH | SIMD_MEM),
	SIMD(0x17, 0x66, 8, SIMD_SSE2, SIMD_STORE | SIMD_HIGH | SIMD_MEM),
	/* MOVAPS, MOVAPD */
	SIMD(0x28, 0x00, 16, SIMD_SSE, SIMD_ALIGNED),
	SIMD(0x28, 0x66, 16, SIMD_SSE2, SIMD_ALIGNED),
	SIMD(0x29, 0x00, 16, SIMD_SSE, SIMD_STORE | SIMD_ALIGNED),
	SIMD(0x29, 0x66, 16, SIMD_SSE2, SIMD_STORE | SIMD_ALIGNED),
	/* MOVNTPS, MOVNTPD */
	SIMD(0x2b, 0x00, 16, SIMD_SSE, SIMD_STORE | SIMD_ALIGNED | SIMD_MEM),
	SIMD(0x2b, 0x66, 16, SIMD_SSE2, SIMD_STORE | SIMD_ALIGNED | SIMD_MEM),
	/* MOVD, MOVQ with a general register or memory */
	SIMD(0x6e, 0x00, 4, SIMD_MMX, SIMD_GPR),
	SIMD(0x6e, 0x66, 4, SIMD_SSE2, SIMD_GPR),
	SIMD(0x7e, 0x00, 4, SIMD_MMX, SIMD_STORE | SIMD_GPR),
	SIMD(0x7e, 0x66, 4, SIMD_SSE2, SIMD_STORE | SIMD_GPR),
	/* MOVQ, MOVDQA, MOVDQU */
	SIMD(0x6f, 0x00, 8, SIMD_MMX, 0),
	SIMD(0x6f, 0x66, 16, SIMD_SSE2, SIMD_ALIGNED),
	SIMD(0x6f, 0xf3, 16, SIMD_SSE2, 0),
	SIMD(0x7f, 0x00, 8, SIMD_MMX, SIMD_STORE),
	SIMD(0x7f, 0x66, 16, SIMD_SSE2, SIMD_STORE | SIMD_ALIGNED),
	SIMD(0x7f, 0xf3, 16, SIMD_SSE2, SIMD_STORE),
	SIMD(0x7e, 0xf3, 8, SIMD_SSE2, 0),
	SIMD(0xd6, 0x66, 8, SIMD_SSE2, SIMD_STORE),
	/* MOVNTQ, MOVNTDQ */
	SIMD(0xe7, 0x00, 8, SIMD_MMX, SIMD_STORE | SIMD_MEM),
	SIMD(0xe7, 0x66, 16, SIMD_SSE2, SIMD_STORE | SIMD_ALIGNED | SIMD_MEM),
	/* LDDQU */
	SIMD(0xf0, 0xf2, 16, SIMD_SSE3, SIMD_MEM),
};

const struct decode_simd *decode_simd_find(const struct decode_insn *insn)
{
	u8 prefix = insn->rep ? insn->rep : insn->opsize_prefix ? 0x66 : 0;
	const struct decode_simd *s = decode_simd_moves;
	const struct decode_simd *end = s + sizeof(decode_simd_moves) / sizeof(*s);

	for (; s < end; s++)
		if (s->opcode == insn->opcode && s->prefix == prefix)
			return s;
	return NULL;
}
