// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between memory and MMX, XMM or YMM registers. Manuals: "Exceptions" of each
 * instruction; "MMX Technology Exceptions", "SSE Exceptions", "AVX Exceptions".
 */
#include <linux/string.h>
#include <asm/cpufeatures.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/vendor.h>
#include "execute.h"

#define SIMD_BYTES	32	/* of the largest register */

static bool simd_vector_valid(struct exec *x)
{
	return !x->real && !x->vm86 && x->ops->has(x, X86_FEATURE_AVX) &&
	       (x->cr4 & X86_CR4_OSXSAVE) && x->ops->avx_on(x);
}

/* Whether the guest may execute it now. EXEC_DONE or EXEC_FAULT */
static int simd_check(struct exec *x, const struct decode_simd *simd)
{
	static const unsigned int feature[] = {
		[SIMD_MMX] = X86_FEATURE_MMX,
		[SIMD_SSE] = X86_FEATURE_XMM,
		[SIMD_SSE2] = X86_FEATURE_XMM2,
		[SIMD_SSE3] = X86_FEATURE_XMM3,
	};

	if (x->insn.vector) {
		if (!simd_vector_valid(x))
			return exec_raise(x, X86_TRAP_UD);
	} else if ((x->cr0 & X86_CR0_EM) || !x->ops->has(x, feature[simd->level]) ||
		   (simd->level != SIMD_MMX && !(x->cr4 & X86_CR4_OSFXSR))) {
		return exec_raise(x, X86_TRAP_UD);
	}
	if (x->cr0 & X86_CR0_TS)
		return exec_raise(x, X86_TRAP_NM);
	return EXEC_DONE;
}

/* A register of the kind @simd moves; @data has SIMD_BYTES. MMX registers have no REX. */
static int simd_register_read(struct exec *x, const struct decode_simd *simd, unsigned int reg,
			      u8 *data)
{
	if (simd->level == SIMD_MMX)
		return x->ops->mmx_read(x, reg & 7, data) ? EXEC_DONE :
							    exec_raise(x, X86_TRAP_MF);
	if (x->insn.vector)
		x->ops->ymm_read(x, reg, data);
	else
		x->ops->xmm_read(x, reg, data);
	return EXEC_DONE;
}

static int simd_register_write(struct exec *x, const struct decode_simd *simd, unsigned int reg,
			       const u8 *data)
{
	if (simd->level == SIMD_MMX)
		return x->ops->mmx_write(x, reg & 7, data) ? EXEC_DONE :
							     exec_raise(x, X86_TRAP_MF);
	if (x->insn.vector)
		x->ops->ymm_write(x, reg, data);
	else
		x->ops->xmm_write(x, reg, data);
	return EXEC_DONE;
}

static int simd_address(struct exec *x, const struct decode_simd *simd, unsigned int bytes,
			bool write, u64 *linear)
{
	int r = exec_linear(x, x->insn.seg, exec_address(x), bytes, write, linear);

	if (r == EXEC_DONE && (simd->flags & SIMD_ALIGNED) && (*linear & (bytes - 1)))
		return exec_raise_error(x, X86_TRAP_GP, 0);
	return r;
}

static int simd_store(struct exec *x, const struct decode_simd *simd, unsigned int bytes)
{
	const u8 *from;
	u8 data[SIMD_BYTES] = { 0 }, old[16];
	u64 linear, val = 0;
	int r;

	if (x->insn.mem) {
		r = simd_address(x, simd, bytes, true, &linear);
		if (r != EXEC_DONE)
			return r;
	}
	r = simd_register_read(x, simd, x->insn.reg, data);
	if (r != EXEC_DONE)
		return r;
	from = simd->flags & SIMD_HIGH ? data + 8 : data;
	if (x->insn.mem)
		return x->ops->write(x, linear, from, bytes);
	if (simd->flags & SIMD_GPR) {
		memcpy(&val, from, bytes);
		exec_reg_write(x, x->insn.rm, bytes, val);
		return EXEC_DONE;
	}
	if (simd->flags & SIMD_REG_MERGE) {
		x->ops->xmm_read(x, x->insn.rm, old);
		memcpy(data + bytes, old + bytes, 16 - bytes);
	} else {
		memset(data + bytes, 0, sizeof(data) - bytes);
	}
	return simd_register_write(x, simd, x->insn.rm, data);
}

/* The source of a load: @bytes of memory, a general register, or an XMM or MMX one. */
static int simd_source(struct exec *x, const struct decode_simd *simd, unsigned int bytes, u8 *data)
{
	u8 reg[SIMD_BYTES] = { 0 };
	u64 linear, val;
	int r;

	if (x->insn.mem) {
		r = simd_address(x, simd, bytes, false, &linear);
		return r == EXEC_DONE ? x->ops->read(x, linear, data, bytes, KVM_ACCESS_READ) : r;
	}
	if (simd->flags & SIMD_GPR) {
		val = exec_reg_read(x, x->insn.rm, bytes);
		memcpy(data, &val, bytes);
		return EXEC_DONE;
	}
	r = simd_register_read(x, simd, x->insn.rm, reg);
	if (r != EXEC_DONE)
		return r;
	/* MOVHLPS takes the upper half and writes the lower, MOVLHPS the reverse. */
	if ((simd->flags & SIMD_CROSS) && !(simd->flags & SIMD_HIGH))
		memcpy(data, reg + 8, bytes);
	else
		memcpy(data, reg, bytes);
	return EXEC_DONE;
}

static int simd_load(struct exec *x, const struct decode_simd *simd, unsigned int bytes)
{
	bool merge = simd->flags & SIMD_MERGE;
	unsigned int at = simd->flags & SIMD_HIGH ? 8 : 0;
	u8 data[SIMD_BYTES] = { 0 }, source[SIMD_BYTES] = { 0 };
	int r;

	r = simd_source(x, simd, bytes, source);
	if (r != EXEC_DONE)
		return r;
	if ((simd->flags & SIMD_REG_MERGE) && !x->insn.mem)
		merge = true;
	if (merge)
		x->ops->xmm_read(x, x->insn.reg, data);
	memcpy(data + at, source, bytes);
	return simd_register_write(x, simd, x->insn.reg, data);
}

int exec_simd(struct exec *x)
{
	const struct decode_simd *simd = x->insn.simd;
	unsigned int bytes = simd->bytes;
	int r = simd_check(x, simd);

	if (r != EXEC_DONE)
		return r;
	if ((simd->flags & SIMD_GPR) && x->insn.opsize == 8)
		bytes = 8;
	if (x->insn.vector && bytes == 16)
		bytes = x->insn.vector;
	return simd->flags & SIMD_STORE ? simd_store(x, simd, bytes) : simd_load(x, simd, bytes);
}
