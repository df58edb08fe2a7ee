// SPDX-License-Identifier: GPL-2.0-only
/* Idle-page tracking: the host asks which pages the guest has used. */
#define _GNU_SOURCE
#include "actions.h"

#include <fcntl.h>
#include <unistd.h>

#define BITMAP		"/sys/kernel/mm/page_idle/bitmap"

static const char *without_idle(void)
{
	return host_has(BITMAP) ? NULL : "this kernel does not track idle pages";
}

static uint64_t frame_of(const struct region *r, uint64_t page)
{
	uint64_t at = ((uintptr_t)r->hva / PAGE + page) * 8, entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	CHECK(pread(fd, &entry, 8, at) == 8);
	close(fd);
	return entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
}

/*
 * Of the last word, if memory ends within it, the kernel says that it read or wrote
 * nothing: then nothing is known of those few frames, and they pass for idle.
 */
static bool idle_get(int fd, uint64_t frame)
{
	uint64_t word = ~0ull;

	OK(pread(fd, &word, 8, frame / 64 * 8));
	return word >> frame % 64 & 1;
}

static void idle_set(int fd, uint64_t frame)
{
	uint64_t word = 1ull << frame % 64;

	OK(pwrite(fd, &word, 8, frame / 64 * 8));
}

/*
 * Pages the guest leaves alone stay idle. One it reads may pass for idle as
 * long as its translation is in a TLB, so not each of them has to be seen.
 */
static void idle(struct region *r)
{
	int fd = open(BITMAP, O_RDWR | O_CLOEXEC);
	uint64_t step = 20 + random_below(50), page, used = 0, seen = 0, wrong = 0;

	OK(fd);
	swap_pause(r->swap);
	guest_verify(r, 0, region_pages(r));
	/* Pages on their way to the LRU lists cannot be marked. */
	lru_drain(r->swap);
	for (page = 0; page < region_pages(r); page++)
		if (frame_of(r, page))
			idle_set(fd, frame_of(r, page));
	for (page = 0; page < region_pages(r); page += step)
		guest_verify(r, page, 1);
	for (page = 0; page < region_pages(r); page++) {
		bool is_idle = !frame_of(r, page) || idle_get(fd, frame_of(r, page));

		if (page % step) {
			wrong += !is_idle;
		} else {
			used++;
			seen += !is_idle;
		}
	}
	swap_resume(r->swap);
	close(fd);
	tap_diag("in use: %llu of %llu that were used, %llu of the others",
		 (unsigned long long)seen, (unsigned long long)used,
		 (unsigned long long)wrong);
	CHECKF(seen * 2 >= used, "the host saw %llu of %llu pages in use",
	       (unsigned long long)seen, (unsigned long long)used);
	CHECKF(wrong * 20 <= region_pages(r), "%llu pages nobody used are not idle",
	       (unsigned long long)wrong);
}

const struct action action_idle = {
	.name = "idle", .backings = ON(BACK_ANON) | ON(BACK_SHMEM), .rounds = 3,
	.mib = 2, .apply = idle, .missing = without_idle,
};

ACTION_CASE(idle, action_idle, BACK_ANON, "idle-page tracking sees what is used")
ACTION_CASE(idle_shmem, action_idle, BACK_SHMEM, "the same with shmem")
