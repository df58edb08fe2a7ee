/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test cases and their verdicts in the Test Anything Protocol.
 *
 * A test program is a set of cases. Each case runs in a process (and process
 * group) of its own under a time limit, so that a case that crashes or hangs
 * costs only itself.
 */
#ifndef TESTS_ABI_TAP_H
#define TESTS_ABI_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One named case; created by TEST(), lives as long as the program. */
struct tap_case {
	const char *name;
	const char *about;
	void (*run)(void);
	struct tap_case *next;
};

void tap_register(struct tap_case *c);

/* Ends the calling case as failed, after saying where and why. */
void tap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* Ends the calling case as skipped; the reason is shown in the report. */
void tap_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* A line of explanation that is shown whatever the verdict will be. */
void tap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Sizes and repetitions are divided by KVM_TEST_SCALE (default 1), which slow
 * emulators set; the result is never below @least. Time limits grow by it.
 */
unsigned long tap_scaled(unsigned long n, unsigned long least);

#define TEST(id, text)							\
	static void test_##id(void);					\
	static struct tap_case case_##id = { #id, text, test_##id, NULL }; \
	__attribute__((constructor)) static void register_##id(void)	\
	{								\
		tap_register(&case_##id);				\
	}								\
	static void test_##id(void)

#define FAIL(...) tap_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) tap_skip(__VA_ARGS__)

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			FAIL("not true: %s", #cond);			\
	} while (0)

#define CHECKF(cond, ...)						\
	do {								\
		if (!(cond))						\
			FAIL(__VA_ARGS__);				\
	} while (0)

#define CHECK_EQ(a, b)							\
	do {								\
		unsigned long long a_ = (unsigned long long)(a);	\
		unsigned long long b_ = (unsigned long long)(b);	\
									\
		if (a_ != b_)						\
			FAIL("%s is 0x%llx (%lld), expected 0x%llx (%lld)", \
			     #a, a_, (long long)a_, b_, (long long)b_);	\
	} while (0)

/* The system call must succeed; its result is the value. */
#define OK(expr)							\
	({								\
		long r_ = (long)(expr);					\
									\
		if (r_ < 0)						\
			FAIL("%s: %s", #expr, strerror(errno));		\
		r_;							\
	})

/* The system call must fail with exactly this errno. */
#define CHECK_ERRNO(expr, err)						\
	do {								\
		long r_;						\
		int e_;							\
									\
		errno = 0;						\
		r_ = (long)(expr);					\
		e_ = errno;						\
		if (r_ != -1)						\
			FAIL("%s returned %ld, expected errno %s (%d)",	\
			     #expr, r_, strerror(err), err);		\
		if (e_ != (err))					\
			FAIL("%s failed with %s (%d), expected %s (%d)", \
			     #expr, strerror(e_), e_, strerror(err), err); \
	} while (0)

#endif
