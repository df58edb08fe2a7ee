// SPDX-License-Identifier: GPL-2.0-only
/* The VMM changes how guest memory is mapped into itself. */
#define _GNU_SOURCE
#include "actions.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGEMAP_SOFT_DIRTY	55

/* Vcpus may run into what is missing for a while; @on again false: no more. */
static void tolerate_faults(struct region *r, bool on)
{
	swap_pause(r->swap);
	r->may_fault = on;
	swap_resume(r->swap);
}

static unsigned int faults_seen(struct swap *s)
{
	unsigned int i, sum = 0;

	for (i = 0; i < s->vcpus; i++)
		sum += s->worker[i].efaults;
	return sum;
}

/* Every vcpu writes everywhere, so one of them has to fail sooner or later. */
static void wait_for_fault(struct swap *s, unsigned int before)
{
	uint64_t until = patience();

	while (faults_seen(s) == before) {
		CHECKF(vmm_now_ms() < until,
		       "the guest goes on writing to memory its VMM may not write");
		usleep(200);
	}
}

static uint64_t checksum(const struct region *r, uint64_t first, uint64_t pages)
{
	const volatile uint64_t *p = (void *)(r->hva + first * PAGE);
	uint64_t sum = 0, i;

	for (i = 0; i < pages * PAGE / 8; i++)
		sum = (sum ^ p[i]) * 0x100000001b3ull;
	return sum;
}

static void protect(struct region *r)
{
	bool readable = random_below(2);
	uint64_t first, pages, sum = 0;
	unsigned int before;

	random_range(r, 1, &first, &pages);
	tolerate_faults(r, true);
	before = faults_seen(r->swap);
	OK(mprotect(r->hva + first * PAGE, region_bytes(r, pages),
		    readable ? PROT_READ : PROT_NONE));
	if (readable)
		sum = checksum(r, first, pages);
	wait_for_fault(r->swap, before);
	if (readable)
		CHECKF(checksum(r, first, pages) == sum,
		       "write-protected memory has changed");
	OK(mprotect(r->hva + first * PAGE, region_bytes(r, pages),
		    PROT_READ | PROT_WRITE));
	tolerate_faults(r, false);
}

const struct action action_protect = {
	.name = "protect", .backings = ON_SMALL | ON_HUGE, .rounds = 8,
	.mib = 2, .apply = protect,
};

static void *move_mapping(void *from, uint64_t size, void *to)
{
	void *p = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	CHECKF(p == to, "mremap: %s", strerror(errno));
	return p;
}

/* Keeps the room of a mapping that is away. */
static void reserve(void *at, uint64_t size)
{
	CHECK(mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_NORESERVE | MAP_FIXED, -1, 0) == at);
}

/* A part goes elsewhere and comes back, under vcpus that want it. */
static void move_away(struct region *r)
{
	uint64_t first, pages;
	uint8_t *at, *away;

	random_range(r, 1, &first, &pages);
	at = r->hva + first * PAGE;
	away = vmm_map_anon(pages * PAGE);
	tolerate_faults(r, true);
	move_mapping(at, pages * PAGE, away);
	reserve(at, pages * PAGE);
	jitter();
	move_mapping(away, pages * PAGE, at);
	tolerate_faults(r, false);
}

static void exchange(uint8_t *a, uint8_t *b, uint64_t size, uint8_t *room)
{
	move_mapping(a, size, room);
	move_mapping(b, size, a);
	move_mapping(room, size, b);
}

/* Two parts change places: the guest finds each where the other was. */
static void change_places(struct region *r)
{
	uint64_t half = region_pages(r) / 2, first, pages;
	uint8_t *room;

	first = random_below(half);
	pages = 1 + random_below(half - first);
	room = vmm_map_anon(pages * PAGE);
	swap_pause(r->swap);
	exchange(r->hva + first * PAGE, r->hva + (half + first) * PAGE,
		 pages * PAGE, room);
	r->bias = half * PAGE;
	guest_verify(r, first, pages);
	r->bias = -half * PAGE;
	guest_verify(r, half + first, pages);
	r->bias = 0;
	reserve(room, pages * PAGE);
	exchange(r->hva + first * PAGE, r->hva + (half + first) * PAGE,
		 pages * PAGE, room);
	region_check(r);
	swap_resume(r->swap);
}

static void move(struct region *r)
{
	if (random_below(2))
		move_away(r);
	else
		change_places(r);
}

const struct action action_move = {
	.name = "move", .backings = ON_SMALL, .rounds = 8, .mib = 2, .apply = move,
};

/* Shared memory is the same after it was mapped anew; other memory is zero. */
static void remap(struct region *r)
{
	bool gap = random_below(2), kept = ON(r->backing) & ON_SHARED;
	uint64_t first, pages;

	random_range(r, 1, &first, &pages);
	if (!kept)
		region_policy(r, POLICY_LOOSE);
	tolerate_faults(r, true);
	if (gap) {
		OK(munmap(r->hva + first * PAGE, pages * PAGE));
		jitter();
	}
	region_map_part(r, first, pages);
	tolerate_faults(r, false);
	if (kept)
		return;
	region_zeroed(r, first, pages);
	region_check(r);
	region_policy(r, POLICY_CHURN);
}

const struct action action_remap = {
	.name = "remap", .backings = ON_SMALL, .rounds = 10, .mib = 2,
	.apply = remap,
};

/* The child's copy is what the region was at the time of the fork. */
static bool child_copy_intact(const struct region *r)
{
	uint64_t page;

	for (page = 0; page < region_pages(r); page++)
		if (host_page_bad(r, r->hva + page * PAGE, page, r->seed))
			return false;
	return true;
}

static void child_of_fork(const struct region *r, int go, bool look)
{
	char byte;

	if (look && !child_copy_intact(r))
		_exit(11);
	if (read(go, &byte, 1) != 1)
		_exit(12);
	if (look && !child_copy_intact(r))
		_exit(13);
	memset(r->hva, 0xee, r->size);
	_exit(0);
}

static void fork_and_write(struct region *r)
{
	bool still = random_below(2);
	int go[2], status;
	pid_t pid;

	OK(pipe(go));
	/* Only with vcpus off is it known what the child must have. */
	if (still)
		swap_pause(r->swap);
	pid = fork();
	OK(pid);
	if (!pid)
		child_of_fork(r, go[0], still);
	if (still)
		swap_resume(r->swap);
	swap_progress(r, 1);
	CHECK(write(go[1], "", 1) == 1);
	jitter();
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFEXITED(status) && WEXITSTATUS(status) < 11,
	       "the child's copy of the region is not what it was at the fork (%d)",
	       WEXITSTATUS(status));
	CHECKF(!status, "the child died by signal %d", WTERMSIG(status));
	close(go[0]);
	close(go[1]);
}

const struct action action_fork = {
	.name = "fork", .backings = ON_ANON | ON(BACK_PRIVATE), .rounds = 4,
	.mib = 2, .apply = fork_and_write,
};

static const char *without_soft_dirty(void)
{
	uint8_t *page = vmm_map_anon(PAGE);
	const char *why = NULL;

	*page = 1;
	if (host_try_write("/proc/self/clear_refs", "4") ||
	    page_has(page, PAGEMAP_SOFT_DIRTY))
		why = "this kernel has no soft-dirty bits";
	*page = 2;
	if (!page_has(page, PAGEMAP_SOFT_DIRTY))
		why = "this kernel has no soft-dirty bits";
	munmap(page, PAGE);
	return why;
}

/* What the guest writes after the bits were cleared has them set. */
static void soft_dirty(struct region *r)
{
	uint64_t step = 30 + random_below(300), page, extra = 0;

	host_write("/proc/self/clear_refs", "4");
	swap_pause(r->swap);
	host_write("/proc/self/clear_refs", "4");
	guest_verify(r, 0, region_pages(r));
	for (page = 0; page < region_pages(r); page += step)
		guest_fill(r, page, 1);
	for (page = 0; page < region_pages(r); page++) {
		bool dirty = page_has(r->hva + page * PAGE, PAGEMAP_SOFT_DIRTY);

		if (page % (step))
			extra += dirty;
		else
			CHECKF(dirty, "page %llu was written, but is not soft-dirty",
			       (unsigned long long)page);
	}
	CHECKF(r->backing != BACK_ANON || !extra,
	       "%llu pages are soft-dirty, but nobody has written to them",
	       (unsigned long long)extra);
	swap_resume(r->swap);
}

const struct action action_soft_dirty = {
	.name = "soft_dirty", .backings = ON_SMALL, .rounds = 5, .mib = 2,
	.apply = soft_dirty, .missing = without_soft_dirty,
};

ACTION_CASE(protect, action_protect, BACK_ANON,
	    "mprotect: inaccessible or read-only, and back")
ACTION_CASE(protect_thp, action_protect, BACK_THP, "mprotect of parts of huge pages")
ACTION_CASE(protect_shmem, action_protect, BACK_SHMEM, "mprotect of shmem")
ACTION_CASE(protect_huge, action_protect, BACK_HUGE_2M, "mprotect of hugetlbfs")
ACTION_CASE(protect_1g, action_protect, BACK_HUGE_1G,
	    "mprotect of hugetlbfs of 1 GiB pages")
ACTION_CASE(move, action_move, BACK_ANON,
	    "mremap: away and back, and two parts that change places")
ACTION_CASE(move_thp, action_move, BACK_THP, "mremap of huge pages")
ACTION_CASE(move_shmem, action_move, BACK_SHMEM, "mremap of shmem")
ACTION_CASE(remap, action_remap, BACK_ANON,
	    "munmap and mmap at the same address, and mmap over it")
ACTION_CASE(remap_thp, action_remap, BACK_THP, "the same with huge pages")
ACTION_CASE(remap_shmem, action_remap, BACK_SHMEM,
	    "the same with shmem, which keeps its contents")
ACTION_CASE(fork, action_fork, BACK_ANON,
	    "fork: the child's copy stays, whoever writes")
ACTION_CASE(fork_thp, action_fork, BACK_THP, "fork with huge pages")
ACTION_CASE(fork_private, action_fork, BACK_PRIVATE,
	    "fork with a file mapped privately")
ACTION_CASE(soft_dirty, action_soft_dirty, BACK_ANON,
	    "clear_refs: what the guest writes is soft-dirty again")
ACTION_CASE(soft_dirty_thp, action_soft_dirty, BACK_THP,
	    "clear_refs with huge pages")
ACTION_CASE(soft_dirty_shmem, action_soft_dirty, BACK_SHMEM, "clear_refs with shmem")
