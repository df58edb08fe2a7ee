/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reproducible random numbers and the bounds of a fuzzing run:
 * KVM_FUZZ_SEED, KVM_FUZZ_SECONDS.
 */
#ifndef FUZZ_RANDOM_H
#define FUZZ_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One stream; each thread has its own. */
struct random {
	uint64_t state;
};

/* The stream that @seed and @n give, the same each time. */
void random_start(struct random *r, uint64_t seed, uint64_t n);
uint64_t random_u64(struct random *r);
/* 0 to @n - 1 */
unsigned int random_below(struct random *r, unsigned int n);
/* True once in @n times. */
bool random_once_in(struct random *r, unsigned int n);
void random_fill(struct random *r, void *data, size_t len);
/* Of any magnitude: small, negative, one bit, a mask, or anything. */
uint64_t random_value(struct random *r);

uint64_t fuzz_seed(void);
/* Milliseconds this case may take: all seconds divided among @cases. */
uint64_t fuzz_ms(unsigned int cases);

#endif
