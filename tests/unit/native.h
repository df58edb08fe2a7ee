/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction on the real CPU: a signal handler loads all registers, the
 * trap flag (or a fault) brings control back.
 */
#ifndef UNIT_NATIVE_H
#define UNIT_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#define NATIVE_PAGE	4096

/* General registers in the order of ModRM numbers. */
struct native_state {
	uint64_t gpr[16];
	uint64_t rip, rflags;
	uint8_t ymm[16][32], mmx[8][8];	/* without AVX the upper halves are 0 */
	uint16_t seg[6];	/* as left by the instruction, in the order of ModRM numbers */
	int trap;		/* vector that ended it: 1 is a completed instruction */
	uint64_t error, cr2;
};

enum native_mode { NATIVE_16, NATIVE_32, NATIVE_64 };

/*
 * Code lies at native_code(mode, 0): one executable page, the next one not
 * present. In 16-bit mode RIP counts from the start of that page.
 */
bool native_init(enum native_mode mode);	/* false: this host cannot run it */
uint8_t *native_code(enum native_mode mode);
uint64_t native_code_rip(enum native_mode mode, unsigned int offset);

bool native_has_avx(void);

/* Run the instruction at s->rip with TF set; *s becomes the state after it. */
void native_step(struct native_state *s, enum native_mode mode);

/* Readable and writable memory of @pages pages at @addr between absent ones. */
uint8_t *native_memory(uint64_t addr, unsigned int pages);

#endif
