// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory goes to swap or to its file, and comes back. */
#define _GNU_SOURCE
#include "actions.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

static const char *without_swap(void)
{
	uint64_t kib = 0;

	host_number("/proc/meminfo", "SwapTotal", &kib);
	return kib ? NULL : "this host has no swap";
}

static const char *without_cgroup(void)
{
	if (!host_has("/sys/fs/cgroup/cgroup.controllers"))
		return "this host has no cgroup2";
	return without_swap();
}

static const char *without_memory_reclaim(void)
{
	static const char probe[] = "/sys/fs/cgroup/swap-probe";
	bool have;

	if (without_cgroup())
		return without_cgroup();
	host_try_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(probe, 0755);
	have = host_has("/sys/fs/cgroup/swap-probe/memory.reclaim");
	rmdir(probe);
	return have ? NULL : "this kernel has no memory.reclaim";
}

static void do_pageout(struct region *r, uint64_t most)
{
	uint64_t first, pages;
	int i;

	random_range(r, 1, &first, &pages);
	if (pages > most)
		pages = most;
	for (i = 0; i < 3; i++)
		OK(madvise(r->hva + first * PAGE, pages * PAGE, MADV_PAGEOUT));
}

/* Pages in use are spared; those of vcpus that are kept off are not. */
static void pageout(struct region *r)
{
	do_pageout(r, 64);
	swap_pause(r->swap);
	do_pageout(r, region_pages(r));
	swap_resume(r->swap);
}

static void swapped_out(struct region *r)
{
	uint64_t out = vmstat_since("pswpout");

	tap_diag("%llu pages went to swap", (unsigned long long)out);
	/* On a disk's way back a page may still be in the swap cache. */
	CHECKF(r->backing == BACK_FILE || out >= 64, "only %llu pages went to swap",
	       (unsigned long long)out);
}

static void swapped_both_ways(struct region *r)
{
	uint64_t out = vmstat_since("pswpout"), in = vmstat_since("pswpin");

	if (r->backing == BACK_FILE)
		return;
	tap_diag("%llu pages went to swap and %llu came back",
		 (unsigned long long)out, (unsigned long long)in);
	CHECKF(out >= 64 && in >= 64, "only %llu pages went to swap and %llu came back",
	       (unsigned long long)out, (unsigned long long)in);
}

const struct action action_pageout = {
	.name = "pageout", .backings = ON_SMALL, .rounds = 6, .mib = 2,
	.apply = pageout, .missing = without_swap, .proof = swapped_out,
};

static void cold(struct region *r)
{
	uint64_t first, pages;

	random_range(r, 1, &first, &pages);
	OK(madvise(r->hva + first * PAGE, pages * PAGE, MADV_COLD));
	if (r->swap->cgroup[0] && !without_memory_reclaim()) {
		char path[128];

		snprintf(path, sizeof(path), "%s/memory.reclaim", r->swap->cgroup);
		host_try_write(path, "%llu", (unsigned long long)(pages * PAGE / 2));
	}
}

const struct action action_cold = {
	.name = "cold", .backings = ON_SMALL, .rounds = 6, .mib = 2,
	.apply = cold, .missing = without_swap,
};

/*
 * All of guest memory goes through a cgroup that has room for half of it. A kernel with
 * its checks on looks at pages more slowly than vcpus use so few of them: it finds all in
 * use, with the stock modules too, and kills the VMM for want of any. There, vcpus are
 * kept off while the limit is set.
 */
static void cgroup(struct region *r)
{
	struct swap *s = r->swap;
	uint64_t total = 2 * SZ_1M;
	unsigned int i;

	for (i = 0; i < s->regions; i++)
		if (!(ON(s->region[i].backing) & ON_HUGE))
			total += s->region[i].size / 2;
	if (host_checked())
		swap_pause(s);
	cgroup_limit(s, "memory.max", total);
	if (host_checked())
		swap_resume(s);
	swap_progress(r, 1);
	cgroup_limit(s, "memory.max", ~0ull);
}

const struct action action_cgroup = {
	.name = "cgroup", .backings = ON_SMALL, .rounds = 2, .mib = 6,
	.apply = cgroup, .missing = without_cgroup, .proof = swapped_both_ways,
};

static void do_reclaim(struct region *r)
{
	char path[128];
	int e;

	snprintf(path, sizeof(path), "%s/memory.reclaim", r->swap->cgroup);
	e = host_try_write(path, "%llu", (unsigned long long)r->size / 8);
	CHECKF(!e || e == -EAGAIN, "memory.reclaim: %s", strerror(-e));
}

/* Pages in use are spared; those of vcpus that are kept off are not. */
static void reclaim(struct region *r)
{
	do_reclaim(r);
	swap_pause(r->swap);
	do_reclaim(r);
	swap_resume(r->swap);
}

const struct action action_reclaim = {
	.name = "reclaim", .backings = ON_SMALL, .rounds = 6, .mib = 2,
	.apply = reclaim, .missing = without_memory_reclaim,
	.proof = swapped_out,
};

/*
 * What was only read since it came back is not written out again, so reclaim flushes
 * once for many such pages. A vcpu that can read them without a swap-in reads frames
 * that are somebody else's.
 */
static void reread(struct region *r)
{
	uint64_t pages = region_pages(r), left = pages, came;
	char path[128];
	int i;

	snprintf(path, sizeof(path), "%s/memory.reclaim", r->swap->cgroup);
	region_policy(r, POLICY_REST);
	region_drive_out(r);
	guest_verify(r, 0, pages);
	/* At first they are found in use. */
	for (i = 0; i < 20 && left > pages / 4; i++) {
		host_try_write(path, "%llu", (unsigned long long)r->size);
		left = host_resident(r->hva, r->size);
	}
	came = vmstat("pswpin");
	guest_verify(r, 0, pages);
	came = vmstat("pswpin") - came;
	tap_diag("%llu of %llu pages came back, in %d tries",
		 (unsigned long long)came, (unsigned long long)pages, i);
	CHECKF(came >= pages / 2, "%llu pages came back for %llu that were gone",
	       (unsigned long long)came, (unsigned long long)(pages - left));
	region_policy(r, POLICY_CHURN);
}

static void reread_out(struct region *r)
{
	uint64_t out = vmstat_since("pswpout"), in = vmstat_since("pswpin");

	CHECKF(in > region_pages(r) && out >= 64, "only %llu pages went to swap and %llu came back",
	       (unsigned long long)out, (unsigned long long)in);
}

static const struct action action_reread = {
	.name = "reread", .backings = ON(BACK_ANON), .rounds = 1, .mib = 4,
	.apply = reread, .missing = without_memory_reclaim, .proof = reread_out,
};

ACTION_CASE(pageout, action_pageout, BACK_ANON,
	    "MADV_PAGEOUT of anonymous memory")
ACTION_CASE(pageout_thp, action_pageout, BACK_THP,
	    "MADV_PAGEOUT of huge pages, whole and in parts")
ACTION_CASE(pageout_shmem, action_pageout, BACK_SHMEM, "MADV_PAGEOUT of shmem")
ACTION_CASE(pageout_file, action_pageout, BACK_FILE,
	    "MADV_PAGEOUT of a file mapped shared")
ACTION_CASE(pageout_private, action_pageout, BACK_PRIVATE,
	    "MADV_PAGEOUT of a file mapped privately")
ACTION_CASE(cold, action_cold, BACK_ANON, "MADV_COLD and reclaim")
ACTION_CASE(cgroup, action_cgroup, BACK_ANON,
	    "a cgroup with half the memory the guest has")
ACTION_CASE(cgroup_thp, action_cgroup, BACK_THP, "the same with huge pages")
ACTION_CASE(cgroup_shmem, action_cgroup, BACK_SHMEM, "the same with shmem")
ACTION_CASE(reclaim, action_reclaim, BACK_ANON, "memory.reclaim")
ACTION_CASE(reclaim_thp, action_reclaim, BACK_THP, "memory.reclaim of huge pages")
ACTION_CASE(reread, action_reread, BACK_ANON, "reclaim of what was only read")
