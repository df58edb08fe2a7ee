/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the emulator's files (emulate.c, mmio.c, pio.c, guestmem.c, gwalk.c) share.
 *
 * An instruction runs on a copy of the registers (struct exec). What it reads
 * goes into a log, what it writes into a list, and both the registers and the list
 * take effect only when it has succeeded. When a device has to answer a read,
 * the instruction is run again afterwards and finds its earlier reads in the log,
 * so no device sees one access twice.
 */
#ifndef KVM_SWAP_EMULATOR_H
#define KVM_SWAP_EMULATOR_H

#include <kvm/x86.h>
#include <kvm/vendor.h>
#include "execute.h"

#define EMUL_BYTES	16	/* room for an instruction's bytes, fetched in words */
#define EMUL_LOG_BYTES	128	/* an iteration reads at most two operands of 64 bytes */
#define EMUL_PIECES	24	/* 64 bytes across a page border, in device words, twice */
#define EMUL_MMIO_MAX	8	/* bytes in one KVM_EXIT_MMIO */

/* gwalk access: a descriptor-table or TSS access, supervisor whatever the CPL. */
#define GWALK_IMPLICIT	EXEC_IMPLICIT

enum guestmem_kind {
	GUESTMEM_NONE,		/* no slot: a device's, if anybody's */
	GUESTMEM_ROM,		/* READONLY slot */
	GUESTMEM_RAM,
};

/* Part of an operand that lies in one page and is accessed at once. */
struct emul_piece {
	gpa_t gpa;
	u16 offset;		/* into .log or .data */
	u8 len;
	bool device;
	bool locked;		/* write only while memory holds .old */
	u64 old;
};

struct emul_list {
	unsigned int count;
	unsigned int next;	/* first device piece not handed to userspace yet */
	struct emul_piece piece[EMUL_PIECES];
};

enum emul_phase {
	EMUL_IDLE,
	EMUL_READ,		/* .reads is being answered; run the instruction again then */
	EMUL_WRITE,		/* .writes is being handed out; registers are committed */
	EMUL_MOVE,		/* move.c waits for its answer */
};

/*
 * The access that made the guest exit: the CPU has translated it and checked its
 * rights, so the emulator need not do that once more for an operand at the same place.
 */
struct emul_hint {
	gpa_t gpa;
	gva_t gva;
	u32 access;		/* KVM_ACCESS_READ or _WRITE; 0: no hint */
	bool gva_valid;
};

/* A port access userspace is working on. */
struct emul_pio {
	u64 rip, next_rip;
	u32 count;		/* items of .size bytes */
	u16 port;
	u8 size;
	bool in, string;
	bool finished;		/* RIP has been advanced already */
	u32 data;		/* on its way to or from a device of the kernel */
};

/*
 * Lifetime: with its vcpu. Everything: the vcpu's thread, under vcpu->mutex.
 */
struct kvm_emulator {
	struct kvm_vcpu *vcpu;
	struct exec exec;
	struct exec_segment seg[6];
	u32 seg_valid;		/* BIT(enum kvm_seg) read for this instruction */

	u8 bytes[EMUL_BYTES];	/* the instruction as fetched */
	unsigned int bytes_len;
	u64 decoded;		/* exec.insn is what these bytes decode to, */
	u8 decoded_bits;	/* as many as these; 0: nothing */
	struct emul_hint hint;
	u8 move_size;		/* bytes move.c has asked for */

	int phase;		/* enum emul_phase */
	bool rep;		/* further iterations follow */
	u8 log[EMUL_LOG_BYTES];
	unsigned int log_len;	/* bytes answered */
	unsigned int log_pos;	/* bytes the current run has taken */
	unsigned int read_len;	/* bytes .reads will add */
	bool device_seen;	/* this iteration touched a device */
	struct emul_list reads, writes;
	u8 data[EMUL_LOG_BYTES];
	unsigned int data_len;

	struct emul_pio pio;

	/* Where the latest guest physical access was; good for one snapshot only. */
	u64 slot_generation;
	struct kvm_memslot *slot;
};

/* guestmem.c */
enum guestmem_kind guestmem_kind(struct kvm_vcpu *vcpu, gpa_t gpa);
int emul_translate(struct kvm_emulator *em, u64 linear, u32 access, gpa_t *gpa);
/* One naturally atomic read of 4 or 8 bytes within a page. 0 or -EFAULT. */
int guestmem_read_word(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size, u64 *val);

/* fetch.c */
bool fetch_code(struct kvm_vcpu *vcpu, u64 linear, u8 *bytes);
/* Of the instruction at @rip, just executed; 0: it takes a decoder. *@wide: 64-bit mode. */
unsigned int fetch_insn_length(struct kvm_vcpu *vcpu, u64 rip, bool *wide);

/* emulate.c */
void emul_load(struct kvm_vcpu *vcpu);		/* registers -> exec */
void emul_commit(struct kvm_vcpu *vcpu);	/* exec -> general registers */
int emul_fault(struct kvm_vcpu *vcpu);		/* queue exec.fault; KVM_RESUME */
int emul_result(struct kvm_vcpu *vcpu, int result);	/* enum exec_result -> kvm_verdict */
/*
 * An emulated instruction is complete: RIP and RFLAGS take their new values,
 * the interrupt shadow ends, the single-step trap is raised.
 */
void x86_insn_done(struct kvm_vcpu *vcpu, u64 next_rip, u64 rflags);

/* mmio.c: the memory operations of struct exec_ops. */
int mmio_read(struct exec *x, u64 linear, void *data, unsigned int len, u32 access);
int mmio_write(struct exec *x, u64 linear, const void *data, unsigned int len);
int mmio_exchange(struct exec *x, u64 linear, const void *old, const void *data,
		  unsigned int len);
/* Did the CPU fault at @linear, with rights that cover @access? */
bool mmio_hinted(const struct kvm_emulator *em, u64 linear, u32 access);
/* KVM_EXIT_MMIO: a write of @data, or a read if it is NULL. KVM_TO_USER */
int mmio_exit(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data);
int mmio_mark(struct exec *x, u64 linear, u32 old, u32 new);
/* Read @len bytes the CPU itself would read (TSS): memory only. enum exec_result. */
int mmio_read_system(struct exec *x, u64 linear, void *data, unsigned int len);
/* Perform the writes to memory. EXEC_DONE, EXEC_RETRY or errno. */
int mmio_commit(struct kvm_vcpu *vcpu);
/* Hand the next device piece to userspace: KVM_TO_USER; KVM_RESUME: there is none. */
int mmio_next(struct kvm_vcpu *vcpu);
/* Userspace has answered the latest piece. */
void mmio_answer(struct kvm_vcpu *vcpu);
void mmio_reset(struct kvm_emulator *em);

/* move.c */
bool move_possible(const struct kvm_emulator *em);
bool move_emulate(struct kvm_vcpu *vcpu, int *verdict);
void move_complete(struct kvm_vcpu *vcpu);

/* simd.c */
void simd_xmm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data);
void simd_xmm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data);
void simd_ymm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data);
void simd_ymm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data);
bool simd_mmx_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data);
bool simd_mmx_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data);

/* pio.c */
int pio_emulate(struct kvm_vcpu *vcpu);	/* IN, OUT, INS, OUTS in exec.insn */
int pio_complete(struct kvm_vcpu *vcpu);

#endif
