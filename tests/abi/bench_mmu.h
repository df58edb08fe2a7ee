/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs that measure the second TLB share.
 */
#ifndef TESTS_ABI_BENCH_MMU_H
#define TESTS_ABI_BENCH_MMU_H

#include "vmm.h"

#define BENCH_GPA	(256 * SZ_1M)

/*
 * RCX words, RDX bytes apart, from RSI on: in the guest (@r is "%") and in a
 * function of the process ("%%").
 */
#define BENCH_TOUCH(r) \
	"1: mov " r "rax, (" r "rsi)\n" \
	"add " r "rdx, " r "rsi\n" \
	"dec " r "rcx\n" \
	"jnz 1b\n"

static inline void bench_touch_plain(uint8_t *at, uint64_t count, uint64_t step)
{
	asm volatile(BENCH_TOUCH("%%") : "+S"(at), "+c"(count)
		     : "d"(step), "a"(0ul) : "memory", "cc");
}

/* Prints "@name value": ticks per operation, rounded. */
void bench_row(const char *name, uint64_t ticks, uint64_t operations);
/* Fresh anonymous memory that starts at a multiple of 2 MiB, madvise()d. */
uint8_t *bench_region(uint64_t size, int advice);
/* A write to each 4 KiB page by the host. */
void bench_touch_host(uint8_t *hva, uint64_t size);
/* A long-mode vcpu for bench_touch_guest(). */
struct vmm_vcpu *bench_boot(void);
/* @count writes, @step bytes apart, by the guest; the ticks of that KVM_RUN. */
uint64_t bench_touch_guest(struct vmm_vcpu *vcpu, uint64_t gpa, uint64_t count,
			   uint64_t step);
/* One more vcpu, that never stops by itself; @model is from bench_boot(). */
struct vmm_vcpu *bench_spinner(struct vmm *vm, struct vmm_vcpu *model);

/* bench_host.c: what the host's kernel tells, and is told. */

/* Real-time priority for the calling thread, and back. */
void bench_preempt_others(void);
void bench_stop_preempting(void);
/* KiB in transparent huge pages of the mapping that holds @at. */
uint64_t bench_huge_kb(const void *at);
/* A file of the VM's debugfs directory; ends the case if there is none. */
uint64_t bench_stat(struct vmm *vm, const char *name);
/* Second-level faults the VM's vcpus took so far. */
uint64_t bench_faults(struct vmm *vm);
uint64_t bench_slots_max(void);
/* Interrupts of one kind that the second CPU has taken, as /proc/interrupts names it. */
uint64_t bench_interrupts(const char *kind);

enum bench_age {
	BENCH_CLEAR_YOUNG,
	BENCH_CLEAR_FLUSH_YOUNG,
	BENCH_TEST_YOUNG,
	BENCH_TABLES,
};

/* The module behind bench_age() is loaded (tests/bench/notify). */
bool bench_can_age(void);
/*
 * Ticks to call the kernel's notifier for each @step bytes of a range; BENCH_TABLES: to
 * age its page-table entries, with all that goes with that on this kernel.
 */
uint64_t bench_age(const void *at, uint64_t size, uint64_t step, int op);

#endif
