/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases and their verdicts. A case runs to its end and fails if any CHECK in it
 * failed; a program prints "N passed, N failed" last and exits 1 if one failed.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stdint.h>

struct unit_case {
	const char *name;
	void (*run)(void);
	struct unit_case *next;
};

void unit_register(struct unit_case *c);
/* Count a failure and say where, at most ten times per case. */
void unit_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The case counts as neither passed nor failed. */
void unit_skip(const char *why);

/* A reproducible stream; the seed is printed and can be set by UNIT_SEED. */
uint64_t unit_random(void);
unsigned int unit_below(unsigned int n);

#define TEST(id)							\
	static void test_##id(void);					\
	static struct unit_case case_##id = { #id, test_##id, NULL };	\
	__attribute__((constructor)) static void register_##id(void)	\
	{								\
		unit_register(&case_##id);				\
	}								\
	static void test_##id(void)

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			unit_fail(__FILE__, __LINE__, "not true: %s", #cond); \
	} while (0)

#define CHECK_EQ(a, b)							\
	do {								\
		unsigned long long a_ = (unsigned long long)(a);	\
		unsigned long long b_ = (unsigned long long)(b);	\
									\
		if (a_ != b_)						\
			unit_fail(__FILE__, __LINE__, "%s is 0x%llx, expected 0x%llx", \
				  #a, a_, b_);				\
	} while (0)

#endif
