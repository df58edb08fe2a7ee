// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory that is in a file, and other processes that have it too. */
#define _GNU_SOURCE
#include "actions.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fills the region through a mapping of its own with what @seed says. */
static void other_process_fill(const struct region *r, const uint32_t *seed, bool forever)
{
	uint8_t *mine = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     r->fd, 0);
	uint64_t page;

	if (mine == MAP_FAILED)
		_exit(1);
	do {
		for (page = 0; page < region_pages(r); page++)
			host_page_fill(r, mine + page * PAGE, page, seed);
	} while (forever);
	_exit(0);
}

static pid_t other_process(const struct region *r, const uint32_t *seed, bool forever)
{
	pid_t pid = fork();

	OK(pid);
	if (!pid)
		other_process_fill(r, seed, forever);
	return pid;
}

/* What another process writes is what the guest reads. */
static void shared_fill(struct region *r)
{
	unsigned int v;
	int status;

	swap_pause(r->swap);
	for (v = 0; v < r->swap->vcpus; v++)
		r->seed[v] = prng() | 1;
	OK(waitpid(other_process(r, r->seed, false), &status, 0));
	CHECK_EQ(status, 0);
	region_check(r);
	swap_resume(r->swap);
}

/* Another process writes what is there already, while vcpus verify it. */
static void shared_writer(struct region *r)
{
	int status;
	pid_t pid;

	region_policy(r, POLICY_VERIFY);
	pid = other_process(r, r->seed, true);
	swap_progress(r, 2);
	jitter();
	kill(pid, SIGKILL);
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFSIGNALED(status), "the other process ended too early");
	region_policy(r, POLICY_CHURN);
}

static void share(struct region *r)
{
	shared_fill(r);
	shared_writer(r);
}

const struct action action_share = {
	.name = "share", .backings = ON_SHARED | ON(BACK_HUGE_2M), .rounds = 3,
	.mib = 2, .apply = share,
};

/* The file as the disk has it: nothing of it is in memory before it is read. */
static void read_from_disk(struct region *r)
{
	uint64_t page, bad = 0;
	uint8_t buffer[PAGE];

	OK(madvise(r->hva, r->size, MADV_DONTNEED));
	OK(fsync(r->fd));
	CHECK(!posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED));
	for (page = 0; page < region_pages(r); page++) {
		CHECK(pread(r->fd, buffer, PAGE, page * PAGE) == (ssize_t)PAGE);
		bad += host_page_bad(r, buffer, page, r->seed);
	}
	CHECKF(!bad, "%llu dwords the guest wrote never reached the disk",
	       (unsigned long long)bad);
}

/* Writing back cleans pages under vcpus that dirty them again. */
static void writeback(struct region *r)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (random_below(2))
			OK(fsync(r->fd));
		else
			OK(msync(r->hva, r->size, MS_SYNC));
		jitter();
	}
	swap_pause(r->swap);
	OK(fsync(r->fd));
	guest_fill_new(r);
	read_from_disk(r);
	region_check(r);
	swap_resume(r->swap);
}

static void written(struct region *r)
{
	CHECKF(vmstat_since("nr_written") >= region_pages(r),
	       "only %llu pages were written back",
	       (unsigned long long)vmstat_since("nr_written"));
}

const struct action action_writeback = {
	.name = "writeback", .backings = ON(BACK_FILE), .rounds = 4, .mib = 2,
	.apply = writeback, .proof = written,
};

/* The file changes below a private mapping that has copies of all its pages. */
static void underwrite(struct region *r)
{
	uint8_t noise[PAGE];
	uint64_t page;

	swap_progress(r, 1);
	memset(noise, 0x5a, sizeof(noise));
	for (page = 0; page < region_pages(r); page++)
		CHECK(pwrite(r->fd, noise, PAGE, page * PAGE) == (ssize_t)PAGE);
	OK(fsync(r->fd));
	swap_progress(r, 1);
	OK(fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, r->size));
	region_check(r);
}

const struct action action_underwrite = {
	.name = "underwrite", .backings = ON(BACK_PRIVATE), .rounds = 3, .mib = 2,
	.apply = underwrite,
};

ACTION_CASE(share_shmem, action_share, BACK_SHMEM,
	    "a memfd that another process writes to")
ACTION_CASE(share_file, action_share, BACK_FILE,
	    "a file that another process writes to")
ACTION_CASE(share_huge, action_share, BACK_HUGE_2M,
	    "hugetlbfs that another process writes to")
ACTION_CASE(writeback, action_writeback, BACK_FILE,
	    "a file is written back, and what the guest wrote is on the disk")
ACTION_CASE(underwrite, action_underwrite, BACK_PRIVATE,
	    "a file changes below a private mapping of it")
