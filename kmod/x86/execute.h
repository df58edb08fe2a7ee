/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a decoded instruction does. Works on a copy of the registers and reaches
 * everything else through a few operations, so that the same code runs in
 * kvm.ko and in tests/unit.
 */
#ifndef KVM_SWAP_EXECUTE_H
#define KVM_SWAP_EXECUTE_H

#include <kvm/x86.h>
#include "decode.h"

enum exec_result {
	EXEC_DONE,	/* complete: commit .gpr, .rflags and .next_rip */
	EXEC_REP,	/* one iteration complete: commit .gpr and .rflags, stay at .rip */
	EXEC_FAULT,	/* .fault goes to the guest; nothing has changed */
	EXEC_IO,	/* a device has to answer first; run again afterwards */
	EXEC_RETRY,	/* memory changed under a locked access: enter the guest again */
	EXEC_UNHANDLED,	/* not an instruction this code knows */
};			/* negative: errno */

/* A segment register's hidden part, as far as accesses need it. */
struct exec_segment {
	u64 base;
	u32 limit;	/* last byte */
	u8 type;	/* descriptor type bits 3:0 */
	bool usable;
	bool big;	/* D/B */
};

struct exec;

/* Besides enum kvm_access: the CPU's own access to a descriptor table or TSS. */
#define EXEC_IMPLICIT	BIT(8)

/*
 * Operations return enum exec_result (EXEC_DONE: fine) or an errno. Addresses
 * are linear, checked against the segment and not split at pages.
 */
struct exec_ops {
	/*
	 * @access: enum kvm_access to check, EXEC_IMPLICIT; WRITE when the operand is
	 * written back later
	 */
	int (*read)(struct exec *x, u64 linear, void *data, unsigned int len, u32 access);
	/* Checked now, performed when the instruction completes. */
	int (*write)(struct exec *x, u64 linear, const void *data, unsigned int len);
	/* The same, but only while memory still holds @old; one locked access. */
	int (*exchange)(struct exec *x, u64 linear, const void *old, const void *data,
			unsigned int len);
	/* Change a descriptor's 32 bits from @old to @new, as the CPU marks what it loads. */
	int (*mark)(struct exec *x, u64 linear, u32 old, u32 new);
	const struct exec_segment *(*segment)(struct exec *x, int seg);
	void (*get_segment)(struct exec *x, int seg, struct kvm_segment *out);
	void (*get_table)(struct exec *x, int table, struct kvm_dtable *out);
	u16 (*selector)(struct exec *x, int seg);
	/* Registers with side effects; set_*: 0, or the vector to raise. */
	u64 (*get_cr)(struct exec *x, int cr);
	int (*set_cr)(struct exec *x, int cr, u64 val);
	int (*get_dr)(struct exec *x, int dr, u64 *val);
	int (*set_dr)(struct exec *x, int dr, u64 val);
	bool (*has)(struct exec *x, unsigned int feature);	/* X86_FEATURE_* */
	/* Registers of the thread's FPU state; false: an x87 exception is pending. */
	void (*xmm_read)(struct exec *x, unsigned int reg, void *data);
	void (*xmm_write)(struct exec *x, unsigned int reg, const void *data);
	/* All 32 bytes of a YMM register, what lies above becoming 0; is AVX switched on? */
	void (*ymm_read)(struct exec *x, unsigned int reg, void *data);
	void (*ymm_write)(struct exec *x, unsigned int reg, const void *data);
	bool (*avx_on)(struct exec *x);
	bool (*mmx_read)(struct exec *x, unsigned int reg, void *data);
	bool (*mmx_write)(struct exec *x, unsigned int reg, const void *data);
};

enum exec_effect {
	EXEC_MOV_SS = BIT(0),		/* interrupts wait for the next instruction */
	EXEC_IRET = BIT(1),		/* NMIs are let in again; RF is what .rflags says */
};

/* One instruction in execution; belongs to one thread. */
struct exec {
	const struct exec_ops *ops;
	struct decode_insn insn;
	u64 gpr[16];
	u64 rip;		/* of the instruction */
	u64 next_rip;
	u64 rflags;
	u64 cr0, cr4;
	u8 cpl;
	bool real, vm86;	/* real mode; virtual-8086 mode */
	bool lma;		/* IA-32e mode, compatibility mode included */
	bool intel;		/* where the vendors' manuals differ, Intel's is followed */
	u64 pop_bias;		/* POP to memory: RSP counts as already advanced */
	/* What else takes effect when the instruction completes. */
	u8 effects;		/* enum exec_effect */
	u8 new_segs, new_tables;	/* BIT(enum kvm_seg), BIT(enum kvm_table) */
	struct kvm_segment new_seg[8];
	struct kvm_dtable new_table[2];
	struct x86_fault fault;
};

/*
 * Execute x->insn (one iteration of a string instruction). Everything but
 * .insn, .ops and the registers is output. enum exec_result or errno.
 */
int exec_insn(struct exec *x);

/* Shared with the port and string code. */
u64 exec_reg_read(const struct exec *x, unsigned int reg, unsigned int size);
void exec_reg_write(struct exec *x, unsigned int reg, unsigned int size, u64 val);
int exec_raise(struct exec *x, u8 vector);
int exec_raise_error(struct exec *x, u8 vector, u32 error);
/*
 * The linear address of @len bytes at @offset in @seg, after the segment's type
 * and limit checks (canonical check in 64-bit mode). EXEC_DONE or EXEC_FAULT.
 */
int exec_linear(struct exec *x, int seg, u64 offset, unsigned int len, bool write,
		u64 *linear);
bool exec_canonical(const struct exec *x, u64 addr);
/* Offset of the ModRM memory operand in its segment. */
u64 exec_address(const struct exec *x);

/* An operand of the instruction at hand; on the executing function's stack. */
struct exec_operand {
	u8 size;
	bool mem;
	u8 reg;
	u64 linear;
	u64 val;		/* as loaded */
};

/* Find where an operand (enum decode_operand) is; checks it for a @write. */
int exec_operand_locate(struct exec *x, struct exec_operand *o, unsigned int kind, bool write);
int exec_operand_load(struct exec *x, struct exec_operand *o, u32 access);
/* Store a result where nothing was read. */
int exec_operand_store(struct exec *x, struct exec_operand *o, u64 val);
/* A source operand's value, immediates included. */
int exec_operand_value(struct exec *x, unsigned int kind, u64 *val);

/* One iteration of MOVS, CMPS, STOS, LODS, SCAS. */
int exec_string(struct exec *x);
/* Stack and near control transfer. */
int exec_stack(struct exec *x);
unsigned int exec_stack_width(struct exec *x);
void exec_stack_set_pointer(struct exec *x, u64 val);
/* @len bytes below @top, above @bottom: offsets in the stack segment. */
int exec_stack_write(struct exec *x, u64 top, const void *data, unsigned int len);
int exec_stack_read(struct exec *x, u64 bottom, void *data, unsigned int len);
/* Segment registers, descriptor tables. */
int exec_segment(struct exec *x);
/* Load @selector into a data or stack segment register, at completion. */
int exec_segment_load(struct exec *x, int seg, u16 selector);
/* The descriptor @selector names; @place: its linear address. enum exec_result */
int exec_descriptor(struct exec *x, u16 selector, u32 desc[2], u64 *place);
void exec_descriptor_unpack(const u32 desc[2], u16 selector, struct kvm_segment *s);
/* The loaded descriptor becomes the segment register; its accessed bit is set. */
int exec_segment_set(struct exec *x, int seg, const struct kvm_segment *s, const u32 desc[2],
		     u64 place);
/* A stack segment for privilege level @cpl. */
int exec_segment_load_stack(struct exec *x, u16 selector, u8 cpl, u8 vector);
/* JMP, CALL, RET and IRET to another code segment. */
int exec_far(struct exec *x);
/* MMX and SSE moves. */
int exec_simd(struct exec *x);
/* Control and debug registers. */
int exec_control(struct exec *x);

#endif
