// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory loses its contents, or only the pages it is in. */
#define _GNU_SOURCE
#include "actions.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

typedef void (*discard_fn)(struct region *r, uint64_t first, uint64_t pages);

/* The only page of its size is not there while the host frees it. */
static void scarce(struct region *r, bool yes)
{
	swap_pause(r->swap);
	r->may_fault = yes && r->backing == BACK_HUGE_1G;
	swap_resume(r->swap);
}

/* Nobody looks while it goes: exactly that part is zero afterwards. */
static void discard_paused(struct region *r, discard_fn discard)
{
	uint64_t first, pages;

	swap_pause(r->swap);
	random_range(r, 1, &first, &pages);
	discard(r, first, pages);
	region_zeroed(r, first, pages);
	region_check(r);
	swap_resume(r->swap);
}

/* Vcpus read meanwhile: they find the old contents or zeros, never others. */
static void discard_live(struct region *r, discard_fn discard)
{
	uint64_t first, pages;
	int i;

	region_policy(r, POLICY_LOOSE);
	for (i = 0; i < 3; i++) {
		random_range(r, 1, &first, &pages);
		discard(r, first, pages);
		region_zeroed(r, first, pages);
		jitter();
	}
	region_check(r);
	region_policy(r, POLICY_CHURN);
}

/* Vcpus write meanwhile: what they write to must not be somebody else's yet. */
static void discard_written(struct region *r, discard_fn discard)
{
	uint64_t first, pages;
	int i;

	region_policy(r, POLICY_WRITE);
	for (i = 0; i < 3; i++) {
		random_range(r, 1, &first, &pages);
		discard(r, first, pages);
		canary();
	}
	swap_pause(r->swap);
	guest_fill(r, 0, region_pages(r));
	region_check(r);
	swap_resume(r->swap);
	region_policy(r, POLICY_CHURN);
}

static void discard(struct region *r, discard_fn fn)
{
	scarce(r, true);
	switch (random_below(3)) {
	case 0:
		discard_paused(r, fn);
		break;
	case 1:
		discard_live(r, fn);
		break;
	default:
		discard_written(r, fn);
	}
	scarce(r, false);
}

static void do_dontneed(struct region *r, uint64_t first, uint64_t pages)
{
	OK(madvise(r->hva + first * PAGE, region_bytes(r, pages), MADV_DONTNEED));
}

static void dontneed(struct region *r)
{
	discard(r, do_dontneed);
}

const struct action action_dontneed = {
	.name = "dontneed", .backings = ON_ANON | ON(BACK_PRIVATE), .rounds = 9,
	.mib = 2, .apply = dontneed,
};

static void do_remove(struct region *r, uint64_t first, uint64_t pages)
{
	if (random_below(2))
		OK(madvise(r->hva + first * PAGE, region_bytes(r, pages), MADV_REMOVE));
	else
		OK(fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     first * PAGE, region_bytes(r, pages)));
}

static void remove_pages(struct region *r)
{
	discard(r, do_remove);
}

const struct action action_remove = {
	.name = "remove", .backings = ON_SHARED | ON(BACK_HUGE_2M), .rounds = 9, .mib = 2,
	.apply = remove_pages,
};

/* The pages stay in the file: only the mapping goes, the contents are the same. */
static void zap(struct region *r)
{
	uint64_t first, pages;
	int i;

	for (i = 0; i < 4; i++) {
		random_range(r, 1, &first, &pages);
		if (madvise(r->hva + first * PAGE, region_bytes(r, pages),
			    MADV_DONTNEED)) {
			/* Older kernels refuse hugetlb memory. */
			CHECK(errno == EINVAL && (ON(r->backing) & ON_HUGE));
			region_map_part(r, first, region_bytes(r, pages) / PAGE);
		}
		jitter();
	}
}

const struct action action_zap = {
	.name = "zap", .backings = ON_SHARED | ON_HUGE, .rounds = 8, .mib = 2,
	.apply = zap,
};

/* The odd pages of a freed part have either their old contents or none. */
static void free_settle(struct region *r, uint64_t first, uint64_t pages)
{
	uint64_t page;

	for (page = first; page < first + pages; page++)
		if (host_page_zero(r->hva + page * PAGE))
			region_zeroed(r, page, 1);
}

/* Every fourth page is written again before the host takes the others. */
static void free_pages(struct region *r)
{
	uint64_t first, pages, page;
	int i;

	swap_pause(r->swap);
	random_range(r, 4, &first, &pages);
	OK(madvise(r->hva + first * PAGE, pages * PAGE, MADV_FREE));
	for (page = first; page < first + pages && page < first + 64; page += 4)
		guest_fill(r, page, 1);
	for (i = 0; i < 3; i++)
		OK(madvise(r->hva + first * PAGE, pages * PAGE, MADV_PAGEOUT));
	free_settle(r, first, pages);
	for (page = first; page < first + pages && page < first + 64; page += 4)
		CHECKF(!r->zeroed[page],
		       "page %llu was written after MADV_FREE, but lost",
		       (unsigned long long)page);
	region_check(r);
	swap_resume(r->swap);
}

/* Something must have been taken in all these rounds, or nothing was tested. */
static void freed_some(struct region *r)
{
	CHECKF(vmstat_since("pglazyfreed"), "no freed page was ever taken");
}

const struct action action_free = {
	.name = "free", .backings = ON_ANON, .rounds = 6, .mib = 2,
	.apply = free_pages, .proof = freed_some,
};

ACTION_CASE(dontneed, action_dontneed, BACK_ANON,
	    "MADV_DONTNEED: zeros, never stale data")
ACTION_CASE(dontneed_thp, action_dontneed, BACK_THP,
	    "MADV_DONTNEED of huge pages and of parts of them")
ACTION_CASE(dontneed_private, action_dontneed, BACK_PRIVATE,
	    "MADV_DONTNEED of a private mapping: the file's contents again")
ACTION_CASE(free, action_free, BACK_ANON,
	    "MADV_FREE: old contents or zeros, but what is written later stays")
ACTION_CASE(free_thp, action_free, BACK_THP, "MADV_FREE of huge pages")
ACTION_CASE(remove, action_remove, BACK_SHMEM,
	    "MADV_REMOVE and punched holes in shmem")
ACTION_CASE(remove_file, action_remove, BACK_FILE,
	    "MADV_REMOVE and punched holes in a file")
ACTION_CASE(remove_huge, action_remove, BACK_HUGE_2M,
	    "MADV_REMOVE and punched holes in hugetlbfs")
ACTION_CASE(zap_shmem, action_zap, BACK_SHMEM,
	    "MADV_DONTNEED of shared memory keeps its contents")
ACTION_CASE(zap_file, action_zap, BACK_FILE,
	    "MADV_DONTNEED of a shared file keeps its contents")
ACTION_CASE(zap_huge, action_zap, BACK_HUGE_2M,
	    "MADV_DONTNEED of hugetlbfs keeps its contents")
/* The host takes a while to clear a page of that size. */
static const struct action action_remove_1g = {
	.name = "remove", .rounds = 2, .apply = remove_pages,
};

ACTION_CASE(remove_1g, action_remove_1g, BACK_HUGE_1G,
	    "MADV_REMOVE and punched holes in hugetlbfs of 1 GiB pages")
ACTION_CASE(zap_1g, action_zap, BACK_HUGE_1G,
	    "MADV_DONTNEED of hugetlbfs of 1 GiB pages keeps its contents")
