// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include "random.h"

/* splitmix64 */
uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void random_start(struct random *r, uint64_t seed, uint64_t n)
{
	r->state = seed;
	r->state = random_u64(r) ^ (n * 0xd1342543de82ef95);
	random_u64(r);
}

unsigned int random_below(struct random *r, unsigned int n)
{
	return (random_u64(r) >> 32) % n;
}

bool random_once_in(struct random *r, unsigned int n)
{
	return random_below(r, n) == 0;
}

void random_fill(struct random *r, void *data, size_t len)
{
	uint8_t *p = data;
	uint64_t word;
	size_t n;

	for (; len; len -= n, p += n) {
		n = len < 8 ? len : 8;
		word = random_u64(r);
		memcpy(p, &word, n);
	}
}

uint64_t random_value(struct random *r)
{
	switch (random_below(r, 8)) {
	case 0:
		return random_below(r, 4);
	case 1:
		return random_below(r, 256);
	case 2:
		return 1ull << random_below(r, 64);
	case 3:
		return (1ull << random_below(r, 64)) - 1;
	case 4:
		return -(uint64_t)random_below(r, 4096);
	case 5:
		return random_u64(r) >> random_below(r, 64);
	case 6:
		return (uint64_t)random_below(r, 1 << 20) << 12;
	default:
		return random_u64(r);
	}
}

static uint64_t fuzz_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

uint64_t fuzz_seed(void)
{
	return fuzz_env("KVM_FUZZ_SEED", 1);
}

uint64_t fuzz_ms(unsigned int cases)
{
	return fuzz_env("KVM_FUZZ_SECONDS", 30) * 1000 / cases;
}
