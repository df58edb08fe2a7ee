/* SPDX-License-Identifier: GPL-2.0-only */
/* Every ioctl of the KVM ABI a VMM on x86 can try. */
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

enum call_target { CALL_DEVICE = 1, CALL_VM = 2, CALL_VCPU = 4, CALL_OTHER = 8 };

struct call {
	const char *name;
	unsigned long cmd;
	unsigned int target;	/* enum call_target */
	unsigned int size;	/* of the argument with its tail; 0: a plain number */
	int count_at;		/* place of a 32-bit count of entries, -1 none */
};

extern const struct call calls[];
extern const unsigned int calls_count;

#endif
