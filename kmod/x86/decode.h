/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes and a mode in, one decoded instruction out. Pure: no memory, no
 * registers, no kernel calls; tests/unit builds it in userspace.
 *
 * The length of every instruction of the one-byte, 0F, 0F38, 0F3A, 3DNow!, VEX,
 * EVEX and XOP maps is known; those execute.c can execute also have an operation.
 */
#ifndef KVM_SWAP_DECODE_H
#define KVM_SWAP_DECODE_H

#include <linux/types.h>
#include <linux/bits.h>

#define DECODE_LEN_MAX	15	/* longer instructions raise #GP(0) */

enum decode_mode {
	DECODE_16,	/* real mode, virtual-8086 mode, CS.D = 0 */
	DECODE_32,	/* CS.D = 1 */
	DECODE_64,	/* CS.L = 1 in long mode */
};

enum decode_result {
	DECODE_OK,
	DECODE_SHORT,		/* more bytes are needed */
	DECODE_UD,		/* no such instruction */
	DECODE_TOO_LONG,	/* past DECODE_LEN_MAX */
};

/*
 * What execute.c does: instructions that can touch memory, ports or control
 * registers. The eight ALU operations are in the order of opcode bits 5:3, the
 * shifts in that of ModRM reg.
 */
enum decode_op {
	OP_NONE,	/* only the length is known */
	OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, OP_CMP,
	OP_ROL, OP_ROR, OP_RCL, OP_RCR, OP_SHL, OP_SHR, OP_SAL, OP_SAR,
	OP_BT, OP_BTS, OP_BTR, OP_BTC,
	OP_TEST, OP_NOT, OP_NEG, OP_MUL, OP_IMUL, OP_DIV, OP_IDIV, OP_IMUL3,
	OP_INC, OP_DEC,
	OP_MOV, OP_MOVZX, OP_MOVSX, OP_MOVBE, OP_XCHG,
	OP_CMPXCHG, OP_CMPXCHG8B, OP_XADD, OP_SHLD, OP_SHRD, OP_BSF, OP_BSR,
	OP_SETCC, OP_CMOVCC, OP_XLAT,
	OP_PUSH, OP_POP, OP_PUSHA, OP_POPA, OP_PUSHF, OP_POPF, OP_LEAVE,
	OP_JMP, OP_CALL, OP_RET,
	OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS, OP_INS, OP_OUTS,
	OP_IN, OP_OUT,
	OP_MOV_FROM_CR, OP_MOV_TO_CR, OP_MOV_FROM_DR, OP_MOV_TO_DR,
	OP_CLTS, OP_LMSW, OP_SMSW,
	OP_MOV_SEG, OP_LOAD_FAR, OP_ENTER, OP_BOUND,
	OP_JMP_FAR, OP_CALL_FAR, OP_RET_FAR, OP_IRET,
	OP_SLDT, OP_STR, OP_LLDT, OP_LTR,
	OP_SGDT, OP_SIDT, OP_LGDT, OP_LIDT,
	OP_SIMD,	/* insn.simd says which */
};

enum decode_operand {
	OPD_NONE,
	OPD_E,		/* ModRM r/m: register or memory */
	OPD_E8,		/* the same, always one byte */
	OPD_E16,	/* the same, always two bytes */
	OPD_E32,	/* the same, four bytes (two with a 16-bit operand size) */
	OPD_G,		/* ModRM reg */
	OPD_Z,		/* opcode bits 2:0 */
	OPD_ACC,	/* AL, AX, EAX, RAX */
	OPD_MOFFS,	/* memory at the offset in the immediate */
	OPD_S,		/* segment register in ModRM reg */
	OPD_ZS,		/* segment register in opcode bits 5:3 */
	OPD_IMM,
	OPD_IMMU8,	/* the immediate's low byte, unsigned: ports, counts */
	OPD_ONE,
	OPD_CL,
	OPD_DX,
};

/* Immediate bytes after ModRM and displacement: low four bits of decode_entry.flags. */
enum decode_imm {
	IMM_NONE,
	IMM_8,		/* sign-extended */
	IMM_16,		/* zero-extended */
	IMM_Z,		/* 2 or 4 by operand size, sign-extended */
	IMM_V,		/* 2, 4 or 8 by operand size */
	IMM_32,
	IMM_OFFS,	/* by address size */
	IMM_REL8,
	IMM_RELZ,
	IMM_ENTER,	/* imm16, imm8 */
	IMM_FAR,	/* offset by operand size, selector */
	IMM_8_8,	/* two single bytes */
	IMM_MASK = 15,
};

enum decode_flags {
	DF_MODRM = BIT(4),
	DF_BYTE = BIT(5),	/* operands are one byte */
	DF_I64 = BIT(6),	/* invalid in 64-bit mode */
	DF_D64 = BIT(7),	/* operand size defaults to 64 in 64-bit mode */
	DF_F64 = BIT(8),	/* operand size is 64 in 64-bit mode */
	DF_LOCK = BIT(9),	/* LOCK is allowed with a memory destination */
	DF_GROUP = BIT(10),	/* .op is an enum decode_group, ModRM reg selects */
	DF_UD = BIT(11),	/* always invalid */
	DF_MEM = BIT(12),	/* invalid with a register r/m */
	DF_REG = BIT(13),	/* invalid with a memory r/m */
	DF_NOMOD = BIT(14),	/* ModRM mod is ignored: always a register */
	DF_PREFIX = BIT(15),	/* a legacy prefix or an escape byte, not an opcode */
};

struct decode_entry {
	u8 op;			/* enum decode_op or decode_group */
	u8 dst, src;		/* enum decode_operand */
	u16 flags;		/* enum decode_imm | enum decode_flags */
};

enum decode_group {
	GROUP_1, GROUP_1A, GROUP_2, GROUP_3, GROUP_4, GROUP_5, GROUP_6, GROUP_7,
	GROUP_8, GROUP_9, GROUP_11, GROUP_COUNT,
};

enum decode_map {
	MAP_ONE,	/* one-byte opcodes */
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	MAP_3DNOW,
	MAP_VEX,	/* VEX, EVEX and XOP: length only */
};

#define DECODE_NO_REG	0xff

/* CPUID features an OP_SIMD instruction belongs to. */
enum decode_simd_level { SIMD_MMX, SIMD_SSE, SIMD_SSE2, SIMD_SSE3 };

enum decode_simd_flags {
	SIMD_STORE = BIT(0),	/* r/m is the destination */
	SIMD_ALIGNED = BIT(1),	/* memory must be 16-byte aligned */
	SIMD_GPR = BIT(2),	/* a register r/m is a general one; 8 bytes with REX.W */
	SIMD_HIGH = BIT(3),	/* the upper half of the register in reg */
	SIMD_MERGE = BIT(4),	/* a load keeps the rest of the register */
	SIMD_REG_MERGE = BIT(5),/* it does so only when r/m is a register */
	SIMD_CROSS = BIT(6),	/* a register r/m gives its other half */
	SIMD_MEM = BIT(7),	/* invalid with a register r/m */
};

struct decode_simd {
	u8 opcode;
	u8 prefix;		/* mandatory prefix, 0 if none */
	u8 bytes;		/* moved */
	u8 level;		/* enum decode_simd_level; SIMD_MMX: MMX registers */
	u8 flags;		/* enum decode_simd_flags */
};

/* One decoded instruction; the caller's, no sharing. */
struct decode_insn {
	u8 op;			/* enum decode_op */
	u8 dst, src;		/* enum decode_operand */
	u16 flags;		/* enum decode_flags of the opcode and its group member */
	u64 imm;		/* extended as its kind says */
	u16 imm2;		/* second part of IMM_ENTER, IMM_FAR */
	s32 disp;
	u8 len;			/* bytes, 1..DECODE_LEN_MAX */
	u8 mode;		/* enum decode_mode */
	u8 opsize;		/* 1, 2, 4, 8 */
	u8 addrsize;		/* 2, 4, 8 */
	u8 map, opcode;		/* enum decode_map */
	u8 modrm;		/* raw byte */
	u8 rex;			/* 0x40..0x4f, 0 if none */
	u8 reg, rm;		/* with their REX extension */
	u8 base, index;		/* of a memory r/m, DECODE_NO_REG if none */
	u8 scale;		/* shift */
	u8 seg;			/* segment of the ModRM, moffs or string source operand */
	u8 rep;			/* 0, 0xf2, 0xf3: the last one given */
	bool seg_override;
	bool lock;
	bool opsize_prefix;	/* 66 */
	bool mem;		/* ModRM r/m names memory */
	bool rip_relative;
	u8 vector;		/* VEX, map 0F, one source: bytes of a whole register; else 0 */
	const struct decode_simd *simd;	/* of OP_SIMD */
};

/**
 * decode_insn() - decode one instruction
 * @insn: filled in; meaningful only after DECODE_OK
 * @bytes: the instruction, readable for @count bytes
 * @count: how many bytes there are; bytes past the instruction are not looked at
 * @mode: enum decode_mode
 *
 * Context: any; pure.
 * Return: enum decode_result.
 */
int decode_insn(struct decode_insn *insn, const u8 *bytes, unsigned int count,
		unsigned int mode);

/* The move @insn (map 0F, opcode of an OP_SIMD entry) is, NULL: another instruction. */
const struct decode_simd *decode_simd_find(const struct decode_insn *insn);

/* The tables, decode_table.c. */
extern const struct decode_entry decode_one[256];
extern const struct decode_entry decode_0f[256];
extern const struct decode_entry decode_0f38[2];	/* F0, F1: MOVBE */
extern const struct decode_entry decode_groups[GROUP_COUNT][8];

#endif
