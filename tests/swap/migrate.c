// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory changes its place: compaction, migration, NUMA balancing. */
#define _GNU_SOURCE
#include "actions.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMPACT		"/proc/sys/vm/compact_memory"
#define NUMA		"/proc/sys/kernel/numa_balancing"

static const char *without_compaction(void)
{
	return host_has(COMPACT) ? NULL : "this kernel does not compact memory";
}

/* Every other page of much memory is free: there is something to tidy up. */
static void compact(struct region *r)
{
	uint64_t size = 16 * SZ_1M, at;
	uint8_t *p = vmm_map_anon(size);

	madvise(p, size, MADV_NOHUGEPAGE);
	for (at = 0; at < size; at += PAGE)
		p[at] = 1;
	for (at = 0; at < size; at += 2 * PAGE)
		OK(madvise(p + at, PAGE, MADV_DONTNEED));
	host_write(COMPACT, "1");
	OK(munmap(p, size));
}

static void migrated(struct region *r)
{
	CHECKF(vmstat_since("pgmigrate_success"), "no page was ever moved");
}

/* Where memory is tidy already, nothing has to move. */
static void compacted(struct region *r)
{
	CHECKF(vmstat_since("compact_migrate_scanned"), "nothing was compacted");
	tap_diag("%llu pages moved",
		 (unsigned long long)vmstat_since("pgmigrate_success"));
}

const struct action action_compact = {
	.name = "compact", .backings = ON_SMALL, .rounds = 3, .mib = 2,
	.apply = compact, .missing = without_compaction, .proof = compacted,
};

static const char *without_nodes(void)
{
	return host_has("/sys/devices/system/node/node1") ?
	       NULL : "this host has one memory node";
}

static int other_node(void)
{
	static int node;

	node = !node;
	return node;
}

/* The host changes the last 4 KiB of a page that has moved: the guest has to see it. */
static void moved_seen(struct region *r, uint64_t page)
{
	uint8_t *at = r->hva + page * PAGE;

	memset(at, 0, PAGE);
	guest_verify_zero(r, page, 1);
	host_page_fill(r, at, page, r->seed);
}

/*
 * A fault of a vcpu may hold the page for a moment, and then it cannot be moved. So
 * vcpus are kept off half the times: once for each node, and they run in between.
 */
static void move_pages(struct region *r)
{
	static unsigned int calls;
	bool alone = ++calls & 2;
	uint64_t first, pages, i, unit = region_unit(r);
	int node = other_node(), *nodes, *status;
	void **at;

	random_range(r, 1, &first, &pages);
	pages /= unit;
	if (pages > 256)
		pages = 256;
	at = calloc(pages, sizeof(*at));
	nodes = calloc(pages, sizeof(*nodes));
	status = calloc(pages, sizeof(*status));
	CHECK(at && nodes && status);
	for (i = 0; i < pages; i++) {
		at[i] = r->hva + (first + i * unit) * PAGE;
		nodes[i] = node;
	}
	if (alone)
		swap_pause(r->swap);
	OK(syscall(SYS_move_pages, 0, (unsigned long)pages, at, nodes, status,
		   MPOL_MF_MOVE));
	if (alone) {
		moved_seen(r, first + pages * unit - 1);
		swap_resume(r->swap);
	}
	free(at);
	free(nodes);
	free(status);
}

const struct action action_move_pages = {
	.name = "move_pages", .backings = ON_SMALL | ON(BACK_HUGE_2M), .rounds = 8,
	.mib = 2, .apply = move_pages, .missing = without_nodes, .proof = migrated,
};

/* The whole process moves to the other node. */
static void migrate_pages(struct region *r)
{
	int node = other_node();
	unsigned long from = 1ul << !node, to = 1ul << node;

	if (syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from, &to) < 0)
		/* There may be no second page of 1 GiB. */
		CHECKF(errno == ENOMEM, "migrate_pages: %s", strerror(errno));
}

const struct action action_migrate_pages = {
	.name = "migrate_pages", .backings = ON_SMALL | ON(BACK_HUGE_2M),
	.rounds = 2, .mib = 2, .apply = migrate_pages, .missing = without_nodes,
	.proof = migrated,
};

static const char *without_balancing(void)
{
	if (!host_has(NUMA))
		return "this kernel does not balance NUMA nodes";
	return without_nodes();
}

static void balancing_speed(const char *name, unsigned int value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/sched/numa_balancing/%s", name);
	if (!host_has(path))
		snprintf(path, sizeof(path), "%s_%s", NUMA, name);
	host_try_write(path, "%u", value);
}

/* Entries become inaccessible without being unmapped, to see who uses them. */
static void balance(struct region *r)
{
	uint64_t before = vmstat("numa_hint_faults");
	uint64_t until = patience();

	balancing_speed("scan_delay_ms", 1);
	balancing_speed("scan_period_min_ms", 10);
	balancing_speed("scan_period_max_ms", 20);
	balancing_speed("scan_size_mb", 16);
	host_write(NUMA, "1");
	while (vmstat("numa_hint_faults") < before + 64) {
		CHECKF(vmm_now_ms() < until, "no hinting faults: %llu entries marked",
		       (unsigned long long)vmstat_since("numa_pte_updates"));
		usleep(5000);
	}
	host_write(NUMA, "0");
}

const struct action action_balance = {
	.name = "balance", .backings = ON_ANON, .rounds = 3, .mib = 2,
	.apply = balance, .missing = without_balancing,
};

ACTION_CASE(compact, action_compact, BACK_ANON, "memory is compacted")
ACTION_CASE(compact_thp, action_compact, BACK_THP, "memory is compacted, huge pages")
ACTION_CASE(compact_shmem, action_compact, BACK_SHMEM, "memory is compacted, shmem")
ACTION_CASE(move_pages, action_move_pages, BACK_ANON,
	    "move_pages between two nodes")
ACTION_CASE(move_pages_thp, action_move_pages, BACK_THP,
	    "move_pages of huge pages")
ACTION_CASE(move_pages_huge, action_move_pages, BACK_HUGE_2M,
	    "move_pages of hugetlbfs")
ACTION_CASE(move_pages_file, action_move_pages, BACK_FILE, "move_pages of a file")
ACTION_CASE(migrate_pages, action_migrate_pages, BACK_ANON,
	    "migrate_pages of the whole VMM")
ACTION_CASE(migrate_pages_shmem, action_migrate_pages, BACK_SHMEM,
	    "migrate_pages of the whole VMM, shmem")
ACTION_CASE(balance, action_balance, BACK_ANON, "NUMA balancing between two nodes")
ACTION_CASE(balance_thp, action_balance, BACK_THP, "NUMA balancing of huge pages")
