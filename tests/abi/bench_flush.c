// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM costs everybody else: TLB flushes of a process that has none. Where
 * the kernel has MMU notifiers, nothing; where hooks stand in for them, a look-up.
 */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define FLUSHES		20000
#define ROUNDS		4

/* Ticks of FLUSHES pairs of mprotect(); only taking rights away flushes. */
static uint64_t flush_once(uint8_t *page)
{
	uint64_t start = __rdtsc();
	unsigned int i;

	for (i = 0; i < FLUSHES; i++) {
		OK(mprotect(page, SZ_4K, PROT_NONE));
		OK(mprotect(page, SZ_4K, PROT_READ | PROT_WRITE));
	}
	return __rdtsc() - start;
}

/* The best of some rounds, in a process whose address space no VM is attached to. */
static uint64_t flush_elsewhere(void)
{
	uint64_t *best = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t ticks;
	int status;
	pid_t pid;

	CHECK(best != MAP_FAILED);
	*best = ~0ull;
	pid = OK(fork());
	if (!pid) {
		uint8_t *page = bench_region(SZ_4K, MADV_NOHUGEPAGE);
		unsigned int i;

		for (i = 0; i < ROUNDS; i++) {
			*page = 1;
			ticks = flush_once(page);
			if (ticks < *best)
				*best = ticks;
		}
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	ticks = *best;
	OK(munmap(best, SZ_4K));
	return ticks;
}

TEST(flush, "a TLB flush of a process without a VM, while there is one")
{
	uint64_t alone, beside;
	struct vmm *vm;

	/* What a VM before this left behind may go away a little late. */
	vmm_sleep_ms(4000);
	alone = flush_elsewhere();
	vm = vmm_create(SZ_1M);
	beside = flush_elsewhere();
	vmm_destroy(vm);
	bench_row("flush_alone", alone, FLUSHES);
	bench_row("flush_beside", beside, FLUSHES);
}
