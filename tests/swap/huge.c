// SPDX-License-Identifier: GPL-2.0-only
/* Huge pages come and go, equal pages are merged. */
#define _GNU_SOURCE
#include "actions.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KSM		"/sys/kernel/mm/ksm/"
#define SPLIT		"/sys/kernel/debug/split_huge_pages"

static const char *without_thp(void)
{
	return backing_exists(BACK_THP) ? NULL : "this kernel has no huge pages";
}

/* Wait for khugepaged; true if the counter has moved. */
static bool khugepaged(struct region *r)
{
	uint64_t before = vmstat("thp_collapse_alloc");
	uint64_t until = vmm_now_ms() + 5000ull * slowness();

	host_write(THP "khugepaged/scan_sleep_millisecs", "0");
	host_write(THP "khugepaged/alloc_sleep_millisecs", "0");
	host_write(THP "khugepaged/pages_to_scan", "4096");
	while (vmstat("thp_collapse_alloc") == before && vmm_now_ms() < until)
		usleep(5000);
	return vmstat("thp_collapse_alloc") != before;
}

/* Small pages, below vcpus that use them, become a huge one. */
static void collapse(struct region *r)
{
	int i;

	swap_pause(r->swap);
	OK(madvise(r->hva, r->size, MADV_NOHUGEPAGE));
	for (i = 0; i < 4; i++)
		OK(madvise(r->hva, r->size, MADV_PAGEOUT));
	swap_resume(r->swap);
	swap_progress(r, 1);
	OK(madvise(r->hva, r->size, MADV_HUGEPAGE));
	if (madvise(r->hva, r->size, MADV_COLLAPSE)) {
		CHECKF(errno == EINVAL || errno == EAGAIN || errno == ENOMEM ||
		       errno == EBUSY, "MADV_COLLAPSE: %s", strerror(errno));
		if (errno == EINVAL)
			khugepaged(r);
	}
	swap_progress(r, 1);
	if (r->backing == BACK_ANON)
		OK(madvise(r->hva, r->size, MADV_NOHUGEPAGE));
}

static void collapsed(struct region *r)
{
	tap_diag("%llu huge pages",
		 (unsigned long long)vmstat_since("thp_collapse_alloc"));
	CHECKF(vmstat_since("thp_collapse_alloc"), "nothing was ever collapsed");
}

const struct action action_collapse = {
	.name = "collapse", .backings = ON_ANON, .rounds = 3, .mib = 2,
	.apply = collapse, .missing = without_thp, .proof = collapsed,
};

/* A piece of a huge page is treated otherwise than the rest. */
static void split_page(struct region *r)
{
	uint64_t page = random_below(region_pages(r));
	uint8_t *at = r->hva + page * PAGE;

	switch (random_below(3)) {
	case 0:
		swap_pause(r->swap);
		r->may_fault = true;
		swap_resume(r->swap);
		OK(mprotect(at, PAGE, PROT_NONE));
		jitter();
		OK(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
		swap_pause(r->swap);
		r->may_fault = false;
		swap_resume(r->swap);
		break;
	case 1:
		swap_pause(r->swap);
		OK(madvise(at, PAGE, MADV_DONTNEED));
		region_zeroed(r, page, 1);
		region_check(r);
		swap_resume(r->swap);
		break;
	default:
		/* Older kernels split all huge pages there are instead. */
		if (host_try_write(SPLIT, "%d,0x%lx,0x%lx", getpid(),
				   (unsigned long)r->hva,
				   (unsigned long)r->hva + r->size))
			host_write(SPLIT, "1");
	}
	/* And together again. */
	madvise(r->hva, r->size, MADV_COLLAPSE);
}

static void was_split(struct region *r)
{
	CHECKF(vmstat_since("thp_split_pmd"), "no huge page was ever split");
}

const struct action action_split = {
	.name = "split", .backings = ON(BACK_THP), .rounds = 9, .mib = 2,
	.apply = split_page, .missing = without_thp, .proof = was_split,
};

static const char *without_ksm(void)
{
	return host_has(KSM "run") ? NULL : "this kernel has no KSM";
}

static void wait_for_merge(void)
{
	uint64_t until = patience(), sharing = 0;

	do {
		usleep(5000);
		host_number(KSM "pages_sharing", NULL, &sharing);
		CHECKF(vmm_now_ms() < until, "KSM has merged only %llu pages",
		       (unsigned long long)sharing);
	} while (sharing < 200);
}

/* All pages are equal while only the offset in a page enters the pattern. */
static void merge(struct region *r)
{
	swap_pause(r->swap);
	r->mask = 0xfff;
	guest_fill_new(r);
	swap_resume(r->swap);
	region_policy(r, POLICY_VERIFY);
	OK(madvise(r->hva, r->size, MADV_MERGEABLE));
	host_write(KSM "sleep_millisecs", "1");
	host_write(KSM "pages_to_scan", "4096");
	host_write(KSM "run", "1");
	wait_for_merge();
	region_check(r);
	/* Each write takes a page out again, while KSM goes on. */
	region_policy(r, POLICY_CHURN);
	swap_progress(r, 2);
	if (random_below(2))
		OK(madvise(r->hva, r->size, MADV_UNMERGEABLE));
	host_write(KSM "run", "2");
	host_write(KSM "run", "0");
	swap_pause(r->swap);
	region_check(r);
	r->mask = ~0u;
	guest_fill_new(r);
	swap_resume(r->swap);
}

const struct action action_merge = {
	.name = "merge", .backings = ON_ANON, .rounds = 2, .mib = 2,
	.apply = merge, .missing = without_ksm,
};

ACTION_CASE(collapse, action_collapse, BACK_ANON,
	    "small pages become huge ones under running vcpus")
ACTION_CASE(split, action_split, BACK_THP,
	    "huge pages are split under running vcpus")
ACTION_CASE(merge, action_merge, BACK_ANON, "KSM merges and unmerges equal pages")
ACTION_CASE(merge_thp, action_merge, BACK_THP, "KSM splits huge pages to merge them")
