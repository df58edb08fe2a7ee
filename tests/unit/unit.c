// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "unit.h"

static struct unit_case *first, **last = &first;
static unsigned int failures;
static const char *skipped;
static uint64_t state;

void unit_register(struct unit_case *c)
{
	*last = c;
	last = &c->next;
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	if (failures++ >= 10)
		return;
	va_start(args, fmt);
	printf("# %s:%d: ", file, line);
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

void unit_skip(const char *why)
{
	skipped = why;
}

/* splitmix64 */
uint64_t unit_random(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned int unit_below(unsigned int n)
{
	return unit_random() % n;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("UNIT_SEED");
	unsigned int passed = 0, failed = 0;
	uint64_t start = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	struct unit_case *c;

	printf("# UNIT_SEED=%llu\n", (unsigned long long)start);
	for (c = first; c; c = c->next) {
		if (argc > 1 && !strstr(c->name, argv[1]))
			continue;
		failures = 0;
		skipped = NULL;
		state = start;
		c->run();
		if (failures) {
			printf("not ok %s (%u failures)\n", c->name, failures);
			failed++;
		} else if (skipped) {
			printf("ok %s # SKIP %s\n", c->name, skipped);
		} else {
			printf("ok %s\n", c->name);
			passed++;
		}
		fflush(stdout);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
