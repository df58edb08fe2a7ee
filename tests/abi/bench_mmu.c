// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the second TLB costs: first touches, invalidation, aging, swapping.
 * Ticks of the host's TSC (instructions under QEMU's -icount), the minimum of
 * several rounds; prints "name value", one per line.
 *
 * A name ending in _plain is the same work done by a process without a VM,
 * _floor that of a process whose notifier list exists but is empty: what the
 * kernel itself adds once somebody has registered. "Share" is total - plain.
 */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <stdio.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define ROUNDS		4
#define REGION		(64 * SZ_1M)
#define REGION_PAGES	(REGION / SZ_4K)

GUEST(touch_loop, 64, BENCH_TOUCH("%") "hlt\n");
GUEST(spin_loop, 64, ".skip 256\n1: pause\njmp 1b\n");

void bench_row(const char *name, uint64_t ticks, uint64_t operations)
{
	printf("%s %llu\n", name,
	       (unsigned long long)((ticks + operations / 2) / operations));
	fflush(stdout);
}

uint8_t *bench_region(uint64_t size, int advice)
{
	uint8_t *p = vmm_map_anon(size + SZ_2M);

	p = (uint8_t *)(((uintptr_t)p + SZ_2M - 1) & ~(SZ_2M - 1));
	OK(madvise(p, size, advice));
	return p;
}

void bench_touch_host(uint8_t *hva, uint64_t size)
{
	uint64_t i;

	for (i = 0; i < size; i += SZ_4K)
		*(volatile uint64_t *)(hva + i) = i;
}

struct vmm_vcpu *bench_boot(void)
{
	return vmm_boot(SZ_1M, VMM_LONG, touch_loop);
}

uint64_t bench_touch_guest(struct vmm_vcpu *vcpu, uint64_t gpa, uint64_t count,
			   uint64_t step)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = count, .rdx = step, .rsi = gpa,
	};
	uint64_t begin;

	vmm_set_regs(vcpu, &regs);
	begin = __rdtsc();
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	return __rdtsc() - begin;
}

struct vmm_vcpu *bench_spinner(struct vmm *vm, struct vmm_vcpu *model)
{
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	struct kvm_sregs sregs = vmm_sregs(model);
	struct kvm_regs regs = {
		.rip = GPA_CODE + 256, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
	};

	CHECK(touch_loop.end - touch_loop.start <= 256);
	memcpy(vm->ram + GPA_CODE + 256, spin_loop.start + 256,
	       spin_loop.end - spin_loop.start - 256);
	vmm_set_sregs(vcpu, &sregs);
	vmm_set_regs(vcpu, &regs);
	vcpu->mode = VMM_LONG;
	return vcpu;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* First touches by a process without a VM: the kernel's own part. */
static uint64_t touch_plain(uint8_t *hva)
{
	uint64_t best = ~0ull, begin;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		OK(madvise(hva, REGION, MADV_DONTNEED));
		begin = __rdtsc();
		bench_touch_plain(hva, REGION_PAGES, SZ_4K);
		best = least(best, __rdtsc() - begin);
	}
	return best;
}

/* The guest's first touches. A new slot each round: nothing is left of the last. */
static uint64_t touch_guest(struct vmm_vcpu *vcpu, uint8_t *hva, uint64_t step,
			    bool present)
{
	uint64_t best = ~0ull;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		OK(madvise(hva, REGION, MADV_DONTNEED));
		if (present)
			bench_touch_host(hva, REGION);
		vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, REGION, hva);
		best = least(best, bench_touch_guest(vcpu, BENCH_GPA,
						     REGION / step, step));
		vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, 0, NULL);
	}
	return best;
}

TEST(touch, "first touch of 64 MiB")
{
	uint8_t *hva = bench_region(REGION, MADV_NOHUGEPAGE);
	uint64_t plain = touch_plain(hva), total;
	struct vmm_vcpu *vcpu = bench_boot();

	bench_row("touch64_4k_present", touch_guest(vcpu, hva, SZ_4K, true),
		  REGION_PAGES);
	total = touch_guest(vcpu, hva, SZ_4K, false);
	bench_row("touch64_4k_absent_total", total, REGION_PAGES);
	bench_row("touch64_4k_absent_plain", plain, REGION_PAGES);
	bench_row("touch64_4k_absent_share", total - plain, REGION_PAGES);
}

TEST(touch_huge, "first touch of 64 MiB in huge pages")
{
	uint8_t *hva = bench_region(REGION, MADV_HUGEPAGE);
	struct vmm_vcpu *vcpu = bench_boot();

	bench_row("touch64_2m_present", touch_guest(vcpu, hva, SZ_2M, true),
		  REGION / SZ_2M);
}

/* MADV_DONTNEED in pieces of @step bytes; the guest has every page before. */
static uint64_t unmap(struct vmm_vcpu *vcpu, uint8_t *hva, uint64_t step)
{
	uint64_t best = ~0ull, begin, i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		bench_touch_host(hva, REGION);
		if (vcpu)
			bench_touch_guest(vcpu, BENCH_GPA, REGION_PAGES, SZ_4K);
		begin = __rdtsc();
		for (i = 0; i < REGION; i += step)
			madvise(hva + i, step, MADV_DONTNEED);
		best = least(best, __rdtsc() - begin);
	}
	return best;
}

struct unmap_cost {
	uint64_t page;		/* page by page */
	uint64_t range;		/* all at once */
};

static struct unmap_cost unmap_both(struct vmm_vcpu *vcpu, uint8_t *hva)
{
	struct unmap_cost cost = {
		.page = unmap(vcpu, hva, SZ_4K),
		.range = unmap(vcpu, hva, REGION),
	};

	return cost;
}

static void unmap_rows(const char *suffix, const struct unmap_cost *cost,
		       const struct unmap_cost *base)
{
	char name[64];

	snprintf(name, sizeof(name), "unmap_4k_%s", suffix);
	bench_row(name, cost->page - base->page, REGION_PAGES);
	snprintf(name, sizeof(name), "unmap_range_%s", suffix);
	bench_row(name, cost->range - base->range, REGION_PAGES);
}

/*
 * One CPU cannot be in the guest and in madvise() at once. The running vcpu is
 * one that spins in the guest whenever the CPU is free and was preempted there
 * by this thread, which has real-time priority: inside KVM_RUN all the time.
 */
TEST(unmap, "unmapping page by page, 1 running vcpu")
{
	static const struct unmap_cost zero;
	uint8_t *hva = bench_region(REGION, MADV_NOHUGEPAGE);
	struct unmap_cost plain = unmap_both(NULL, hva), total, floor;
	struct vmm_vcpu *vcpu = bench_boot();
	struct vmm_thread spinner;

	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, REGION, hva);
	vmm_start(&spinner, bench_spinner(vcpu->vm, vcpu));
	bench_preempt_others();
	vmm_sleep_ms(20);
	CHECK(!spinner.done);
	total = unmap_both(vcpu, hva);
	bench_stop_preempting();
	vmm_kick(&spinner);
	vmm_join(&spinner);
	vmm_destroy(vcpu->vm);
	floor = unmap_both(NULL, hva);
	unmap_rows("total", &total, &zero);
	unmap_rows("plain", &plain, &zero);
	unmap_rows("floor", &floor, &plain);
	unmap_rows("share", &total, &plain);
}

/* Huge pages again: a table of small ones that was used before would stay. */
static void map_again(uint8_t *hva, uint64_t size)
{
	CHECK(mmap(hva, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hva);
	OK(madvise(hva, size, MADV_HUGEPAGE));
	bench_touch_host(hva, size);
}

/* Splits the host's huge page and has the guest touch all of it again. */
TEST(split, "exits to map 2 MiB again after the host split its huge page")
{
	uint8_t *hva = bench_region(SZ_2M, MADV_HUGEPAGE);
	struct vmm_vcpu *vcpu = bench_boot();
	uint64_t before, fewest = ~0ull;
	int round;

	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, SZ_2M, hva);
	for (round = 0; round < ROUNDS; round++) {
		map_again(hva, SZ_2M);
		bench_touch_guest(vcpu, BENCH_GPA, 512, SZ_4K);
		CHECKF(bench_huge_kb(hva) == 2048, "no huge page to split");
		OK(mprotect(hva + SZ_1M, SZ_4K, PROT_READ));
		OK(mprotect(hva + SZ_1M, SZ_4K, PROT_READ | PROT_WRITE));
		CHECKF(!bench_huge_kb(hva), "the huge page was not split");
		before = bench_faults(vcpu->vm);
		bench_touch_guest(vcpu, BENCH_GPA, 512, SZ_4K);
		fewest = least(fewest, bench_faults(vcpu->vm) - before);
	}
	bench_row("split_refault_exits", fewest, 1);
}

/* Ticks to drop a fixed, mapped 2 MiB of small pages. */
static uint64_t unmap_fixed(struct vmm_vcpu *vcpu, uint8_t *hva, uint64_t gpa)
{
	uint64_t best = ~0ull, begin;
	int round;

	for (round = 0; round < 2 * ROUNDS; round++) {
		bench_touch_host(hva, SZ_2M);
		bench_touch_guest(vcpu, gpa, 512, SZ_4K);
		begin = __rdtsc();
		madvise(hva, SZ_2M, MADV_DONTNEED);
		best = least(best, __rdtsc() - begin);
	}
	return best;
}

/* Ticks to age a fixed, mapped 2 MiB page by page, from the kernel's side. */
static uint64_t age_fixed(struct vmm_vcpu *vcpu, uint8_t *hva, uint64_t gpa)
{
	uint64_t best = ~0ull;
	int round;

	for (round = 0; round < 2 * ROUNDS; round++) {
		bench_touch_host(hva, SZ_2M);
		bench_touch_guest(vcpu, gpa, 512, SZ_4K);
		best = least(best, bench_age(hva, SZ_2M, SZ_4K,
					     BENCH_CLEAR_YOUNG));
	}
	return best;
}

/* @slots slots of @size bytes in all, side by side; the middle 2 MiB is used. */
static void scale(const char *what, uint64_t size, uint64_t slots)
{
	uint8_t *hva = bench_region(size, MADV_NOHUGEPAGE);
	struct vmm_vcpu *vcpu = bench_boot();
	uint64_t middle = size / 2 & ~(SZ_2M - 1), gpa = 4 * SZ_1G, i;
	char name[64];

	for (i = 0; i < slots; i++)
		vmm_slot(vcpu->vm, 1 + i, 0, gpa + i * (size / slots),
			 size / slots, hva + i * (size / slots));
	vmm_map(vcpu->vm, VMM_LONG, vmm_sregs(vcpu).cr3, gpa + middle,
		gpa + middle, SZ_2M, PTE_P | PTE_W);
	snprintf(name, sizeof(name), "scale_unmap_%s", what);
	bench_row(name, unmap_fixed(vcpu, hva + middle, gpa + middle), 1);
	if (bench_can_age()) {
		snprintf(name, sizeof(name), "scale_age_%s", what);
		bench_row(name, age_fixed(vcpu, hva + middle, gpa + middle), 1);
	}
	vmm_destroy(vcpu->vm);
	OK(munmap(hva, size));
}

TEST(scale_size, "a fixed 2 MiB against the size of the memory slot")
{
	scale("size_64m", 64 * SZ_1M, 1);
	scale("size_1g", SZ_1G, 1);
	scale("size_8g", 8 * SZ_1G, 1);
	scale("size_64g", 64 * SZ_1G, 1);
}

/* Slots of 2 MiB, so that the 2 MiB lie in one however many there are. */
TEST(scale_slots, "a fixed 2 MiB against the number of memory slots")
{
	scale("slots_1", SZ_2M, 1);
	scale("slots_64", 64 * SZ_2M, 64);
	scale("slots_500", 500 * SZ_2M, 500);
	if (bench_slots_max() > 4096)
		scale("slots_4096", 4096 * SZ_2M, 4096);
}

/* Aging through the notifier of a range that was touched before each round. */
static uint64_t age(struct vmm_vcpu *vcpu, uint8_t *hva, uint64_t step, int op)
{
	uint64_t best = ~0ull;
	int round;

	for (round = 0; round < 2 * ROUNDS; round++) {
		if (vcpu)
			bench_touch_guest(vcpu, BENCH_GPA, REGION_PAGES, SZ_4K);
		best = least(best, bench_age(hva, REGION, step, op));
	}
	return best;
}

static const struct {
	const char *name;
	uint64_t step;
	int op;
} agings[] = {
	{ "age_4k", SZ_4K, BENCH_CLEAR_YOUNG },
	{ "age_flush_4k", SZ_4K, BENCH_CLEAR_FLUSH_YOUNG },
	{ "age_test_4k", SZ_4K, BENCH_TEST_YOUNG },
	{ "age_range", REGION, BENCH_CLEAR_YOUNG },
};

/*
 * Called straight through the kernel's notifier interface by a small module,
 * so that nothing of rmap and reclaim is in the figures.
 */
TEST(age, "aging 64 MiB through the notifier")
{
	uint8_t *hva = bench_region(REGION, MADV_NOHUGEPAGE);
	uint64_t total[4], floor;
	struct vmm_vcpu *vcpu;
	char name[64];
	int i;

	if (!bench_can_age())
		SKIP("the module that calls the notifiers is not loaded");
	bench_touch_host(hva, REGION);
	vcpu = bench_boot();
	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, REGION, hva);
	bench_touch_guest(vcpu, BENCH_GPA, REGION_PAGES, SZ_4K);
	for (i = 0; i < 4; i++)
		total[i] = age(vcpu, hva, agings[i].step, agings[i].op);
	vmm_destroy(vcpu->vm);
	for (i = 0; i < 4; i++) {
		floor = age(NULL, hva, agings[i].step, agings[i].op);
		bench_row(agings[i].name, total[i], REGION_PAGES);
		snprintf(name, sizeof(name), "%s_floor", agings[i].name);
		bench_row(name, floor, REGION_PAGES);
	}
}

/* The same as reclaim has it: the page table, and whatever tells of it. */
TEST(age_tables, "aging 64 MiB through the page tables")
{
	uint8_t *hva = bench_region(REGION, MADV_NOHUGEPAGE);
	uint64_t plain = ~0ull, total;
	struct vmm_vcpu *vcpu;
	int round;

	if (!bench_can_age())
		SKIP("the module that ages is not loaded");
	/* What a VM before this left behind may go away a little late. */
	vmm_sleep_ms(4000);
	for (round = 0; round < 2 * ROUNDS; round++) {
		bench_touch_host(hva, REGION);
		plain = least(plain, bench_age(hva, REGION, SZ_4K, BENCH_TABLES));
	}
	vcpu = bench_boot();
	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, REGION, hva);
	bench_touch_guest(vcpu, BENCH_GPA, REGION_PAGES, SZ_4K);
	total = age(vcpu, hva, SZ_4K, BENCH_TABLES);
	vmm_destroy(vcpu->vm);
	bench_row("age_tables_total", total, REGION_PAGES);
	bench_row("age_tables_plain", plain, REGION_PAGES);
}
