/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The userspace of the unit tests' machine: answers every exit and records it.
 */
#ifndef UNIT_VMM_H
#define UNIT_VMM_H

#include "machine.h"
#include "unit.h"

#define CODE(...) do {							\
	static const u8 code_[] = { __VA_ARGS__ };			\
	machine_code(code_, sizeof(code_));				\
} while (0)

#define gpr(r)		(m.vcpu.regs.gpr[KVM_##r])
#define rip()		(m.vcpu.regs.rip)

/* One access as userspace saw it. */
struct access {
	bool port, write;
	u64 addr;
	unsigned int len, count;
	u8 data[8];
};

extern struct access seen[64];
extern unsigned int accesses;		/* of the latest run */
extern u64 answer;			/* what MMIO reads return, from the lowest byte on */
extern void (*meddle)(void);		/* what else userspace does at an exit */

void start(enum kvm_mode mode);
/* Serve device exits until the instruction lets go of the CPU; its verdict. */
int serve(int r);
/* Emulate at RIP and serve exits until the emulator lets go; its verdict. */
int run(void);
/* Run until RIP has left @rip, as a CPU that exits again at the same instruction would. */
void run_through(u64 rip);
u64 ram(u64 gpa, unsigned int len);
void check_access(unsigned int i, bool write, u64 addr, unsigned int len);
/* A meddle: userspace fills the port page with 0xaa. */
void fill_pio(void);

#endif
