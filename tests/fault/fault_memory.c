// SPDX-License-Identifier: GPL-2.0-only
/* Allocations that fail while guest memory is mapped, split, moved, swapped. */
#define _GNU_SOURCE
#include "inject.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SEED		0x1000
#define AGAIN		0x770000

static int step_drive(struct scene *s)
{
	return scene_drive(s);
}

/* What the guest stored is there for the host and for the guest. */
static void expect_values(struct scene *s, uint64_t count, uint64_t stride,
			  uint64_t value)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		CHECK_EQ(*(uint64_t *)(s->hva + i * stride), value + i);
	scene_compare(s, GPA_SLOT, count, stride, value);
	scene_must(s);
}

/* --- the first entry, the first touch ---------------------------------------- */

static void prepare_entry(struct scene *s)
{
	scene_boot(s);
	scene_slot(s, SZ_64K, 0);
	scene_fill(s, GPA_SLOT, 1, 8, SEED);
}

static void check_entry(struct scene *s)
{
	expect_values(s, 1, 8, SEED);
}

TEST(first_entry, "the first KVM_RUN of a vcpu")
{
	static const struct sweep sweep = {
		.prepare = prepare_entry, .step = step_drive,
		.check = check_entry, .fails = true,
	};

	sweep_run(&sweep);
}

/* Pages in three 2 MiB regions, so that tables are needed at every level. */
static void prepare_touch(struct scene *s)
{
	prepare_entry(s);
	scene_must(s);
	vmm_slot(s->vm, 1, 0, 0, 0, NULL);
	OK(munmap(s->hva, s->size));
	scene_slot(s, 3 * SZ_2M, 0);
	scene_fill(s, GPA_SLOT, 6, SZ_1M, SEED);
}

static void check_touch(struct scene *s)
{
	expect_values(s, 6, SZ_1M, SEED);
}

TEST(touch_absent, "stores to pages that the host has not got yet")
{
	static const struct sweep sweep = {
		.prepare = prepare_touch, .step = step_drive,
		.check = check_touch, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_touch_present(struct scene *s)
{
	uint64_t at;

	prepare_touch(s);
	for (at = 0; at < s->size; at += SZ_4K)
		s->hva[at] = 1;
}

TEST(touch_present, "stores to pages that the host has")
{
	static const struct sweep sweep = {
		.prepare = prepare_touch_present, .step = step_drive,
		.check = check_touch, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_huge(struct scene *s)
{
	scene_boot(s);
	scene_slot_at(s, scene_map(2 * SZ_2M, true), 2 * SZ_2M, 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
}

static void check_pages(struct scene *s)
{
	expect_values(s, 16, SZ_4K, SEED);
}

TEST(touch_huge, "stores to a huge page that the host has not got yet")
{
	static const struct sweep sweep = {
		.prepare = prepare_huge, .step = step_drive,
		.check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_huge_present(struct scene *s)
{
	prepare_huge(s);
	s->hva[0] = 1;
	s->hva[SZ_2M] = 1;
}

TEST(touch_huge_present, "stores to a huge page that the host has")
{
	static const struct sweep sweep = {
		.prepare = prepare_huge_present, .step = step_drive,
		.check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_hugetlb(struct scene *s)
{
	uint8_t *p = mmap(NULL, 2 * SZ_2M, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		SKIP("no huge pages are reserved: %s", strerror(errno));
	scene_boot(s);
	scene_slot_at(s, p, 2 * SZ_2M, 0);
	scene_fill(s, GPA_SLOT, 4, SZ_1M, SEED);
}

static void check_hugetlb(struct scene *s)
{
	expect_values(s, 4, SZ_1M, SEED);
}

TEST(touch_hugetlb, "stores to hugetlb memory")
{
	static const struct sweep sweep = {
		.prepare = prepare_hugetlb, .step = step_drive,
		.check = check_hugetlb, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_memfd(struct scene *s)
{
	uint8_t *p;

	scene_boot(s);
	s->fd = (int)OK(syscall(SYS_memfd_create, "guest", MFD_CLOEXEC));
	OK(ftruncate(s->fd, SZ_2M));
	p = mmap(NULL, SZ_2M, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	CHECK(p != MAP_FAILED);
	scene_slot_at(s, p, SZ_2M, 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
}

TEST(touch_memfd, "stores to shared memory")
{
	static const struct sweep sweep = {
		.prepare = prepare_memfd, .step = step_drive,
		.check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- stronger mappings -------------------------------------------------------- */

static void prepare_zero_page(struct scene *s)
{
	scene_boot(s);
	scene_slot(s, SZ_64K, 0);
	/* Loads only: the host maps its page of zeros. */
	for (s->stage = 0; s->stage < 16; s->stage++)
		CHECK_EQ(vmm_peek(s->vcpu, GPA_SLOT + s->stage * SZ_4K), 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
}

TEST(zero_page, "stores to pages that were only read so far")
{
	static const struct sweep sweep = {
		.prepare = prepare_zero_page, .step = step_drive,
		.check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_fork(struct scene *s)
{
	scene_boot(s);
	scene_slot(s, SZ_64K, 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, AGAIN);
	scene_must(s);
	s->child = (pid_t)OK(fork());
	if (!s->child) {
		pause();
		_exit(0);
	}
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
}

TEST(copy_on_write, "stores to pages shared with a child")
{
	static const struct sweep sweep = {
		.prepare = prepare_fork, .step = step_drive,
		.check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- the dirty log of huge mappings -------------------------------------------- */

static uint64_t dirty_word(struct scene *s)
{
	uint64_t words[2 * SZ_2M / SZ_4K / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = words };
	unsigned int i;

	OK(ioctl(s->vm->fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		CHECK_EQ(words[i], 0);
	return words[0];
}

static void prepare_log_split(struct scene *s)
{
	prepare_huge_present(s);
	scene_must(s);
	vmm_slot(s->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_SLOT, s->size, s->hva);
	dirty_word(s);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, AGAIN);
}

static void check_log_split(struct scene *s)
{
	CHECK_EQ(dirty_word(s), 0xffff);
	expect_values(s, 16, SZ_4K, AGAIN);
}

TEST(log_split, "stores to a logged huge mapping")
{
	static const struct sweep sweep = {
		.prepare = prepare_log_split, .step = step_drive,
		.check = check_log_split, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_log_huge(struct scene *s)
{
	prepare_huge_present(s);
	scene_must(s);
}

static int step_log_huge(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_SLOT,
				   s->size, s->hva));
}

static void check_log_huge(struct scene *s)
{
	dirty_word(s);
	expect_values(s, 16, SZ_4K, SEED);
	CHECK_EQ(dirty_word(s), 0);
	scene_fill(s, GPA_SLOT, 2, SZ_4K, SEED);
	scene_must(s);
	CHECK_EQ(dirty_word(s), 3);
}

TEST(log_huge, "the dirty log of a huge mapping is switched on")
{
	static const struct sweep sweep = {
		.prepare = prepare_log_huge, .step = step_log_huge,
		.check = check_log_huge, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- what the host does to mapped memory ---------------------------------------- */

static void prepare_mapped(struct scene *s)
{
	scene_boot(s);
	scene_slot(s, SZ_2M, 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
	scene_must(s);
}

static void prepare_mapped_huge(struct scene *s)
{
	prepare_huge_present(s);
	scene_must(s);
}

static int step_dontneed(struct scene *s)
{
	return RESULT(madvise(s->hva + 2 * SZ_4K, SZ_4K, MADV_DONTNEED));
}

static void check_dontneed(struct scene *s)
{
	scene_compare(s, GPA_SLOT, 2, SZ_4K, SEED);
	scene_must(s);
	CHECK_EQ(vmm_peek(s->vcpu, GPA_SLOT + 2 * SZ_4K), 0);
	scene_compare(s, GPA_SLOT + 3 * SZ_4K, 13, SZ_4K, SEED + 3);
	scene_must(s);
}

TEST(dontneed, "MADV_DONTNEED of one page")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped, .step = step_dontneed,
		.check = check_dontneed,
	};

	sweep_run(&sweep);
}

TEST(dontneed_huge, "MADV_DONTNEED of one page of a huge one")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped_huge, .step = step_dontneed,
		.check = check_dontneed,
	};

	sweep_run(&sweep);
}

static int step_protect(struct scene *s)
{
	int r = RESULT(mprotect(s->hva, SZ_4K, PROT_READ));

	return r ? r : RESULT(mprotect(s->hva, SZ_4K, PROT_READ | PROT_WRITE));
}

static void check_rewritten(struct scene *s)
{
	expect_values(s, 16, SZ_4K, SEED);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, AGAIN);
	scene_must(s);
	expect_values(s, 16, SZ_4K, AGAIN);
}

TEST(protect_huge, "mprotect of one page of a huge one")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped_huge, .step = step_protect,
		.check = check_rewritten,
	};

	sweep_run(&sweep);
}

static int step_fork(struct scene *s)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		pause();
		_exit(0);
	}
	s->child = pid;
	return 0;
}

TEST(fork, "fork of the VMM")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped, .step = step_fork,
		.check = check_rewritten, .fails = true,
	};

	sweep_run(&sweep);
}

/* One call only takes the young bits. */
static int step_pageout(struct scene *s)
{
	for (; s->stage < 3; s->stage++) {
		int r = RESULT(madvise(s->hva, s->size, MADV_PAGEOUT));

		if (r)
			return r;
	}
	return 0;
}

TEST(swap_out, "guest memory goes to swap")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped, .step = step_pageout,
		.check = check_rewritten,
	};

	sweep_run(&sweep);
}

TEST(swap_out_huge, "a huge page of guest memory goes to swap")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped_huge, .step = step_pageout,
		.check = check_rewritten,
	};

	sweep_run(&sweep);
}

static void prepare_swapped(struct scene *s)
{
	prepare_mapped(s);
	CHECK_EQ(step_pageout(s), 0);
	scene_compare(s, GPA_SLOT, 16, SZ_4K, SEED);
}

TEST(swap_in_read, "the guest reads swapped memory")
{
	static const struct sweep sweep = {
		.prepare = prepare_swapped, .step = step_drive,
		.check = check_rewritten, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_swapped_write(struct scene *s)
{
	prepare_mapped(s);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, AGAIN);
	scene_must(s);
	CHECK_EQ(step_pageout(s), 0);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, SEED);
}

TEST(swap_in_write, "the guest writes swapped memory")
{
	static const struct sweep sweep = {
		.prepare = prepare_swapped_write, .step = step_drive,
		.check = check_rewritten, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_small(struct scene *s)
{
	prepare_mapped(s);
	OK(madvise(s->hva, s->size, MADV_HUGEPAGE));
}

static int step_collapse(struct scene *s)
{
	return RESULT(madvise(s->hva, s->size, MADV_COLLAPSE));
}

TEST(collapse, "small pages are made a huge one")
{
	static const struct sweep sweep = {
		.prepare = prepare_small, .step = step_collapse,
		.check = check_rewritten, .also = -EINVAL,
	};

	sweep_run(&sweep);
}

static int step_compact(struct scene *s)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) < 0)
		r = -errno;
	close(fd);
	return r;
}

TEST(compact, "memory is compacted")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped, .step = step_compact,
		.check = check_rewritten,
	};
	struct scene s = { .fd = -1 };
	unsigned int i;

	/* Too long a call to sweep through: a few numbers of each size. */
	for (i = 1; i < 1u << 14; i *= 2) {
		s = (struct scene){ .fd = -1 };
		sweep.prepare(&s);
		inject_arm(i);
		sweep.step(&s);
		inject_hit();
		sweep.check(&s);
		scene_end(&s);
	}
}

static int step_remap(struct scene *s)
{
	uint8_t *other = s->hva + s->size;

	if (!s->stage) {
		if (munmap(s->hva, s->size))
			return -errno;
		s->stage = 1;
	}
	other = mmap(s->hva, s->size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return other == MAP_FAILED ? -errno : 0;
}

static void check_remapped(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		CHECK_EQ(vmm_peek(s->vcpu, GPA_SLOT + i * SZ_4K), 0);
	*(uint64_t *)s->hva = 0x99;
	CHECK_EQ(vmm_peek(s->vcpu, GPA_SLOT), 0x99);
}

TEST(remap, "munmap, and other memory at the same place")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped, .step = step_remap,
		.check = check_remapped, .fails = true,
	};

	sweep_run(&sweep);
}

TEST(remap_huge, "munmap of huge pages, and other memory at the same place")
{
	static const struct sweep sweep = {
		.prepare = prepare_mapped_huge, .step = step_remap,
		.check = check_remapped, .fails = true,
	};

	sweep_run(&sweep);
}
