// SPDX-License-Identifier: GPL-2.0-only
/* VMMs that die at work, and hosts that run out of memory. */
#define _GNU_SOURCE
#include "actions.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"
#define HOG		(4 * SZ_1M)
#define OOM_SCORE	"/proc/self/oom_score_adj"

/* Shared with the children of a case. */
struct notes {
	volatile int ready;	/* the VMM's vcpus are at work */
	volatile int stop;
	volatile uint64_t bad, verified;
};

static struct notes *notes_new(void)
{
	struct notes *n = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(n != MAP_FAILED);
	return n;
}

static void wait_ready(struct notes *n)
{
	uint64_t until = patience();

	while (!n->ready || !n->verified) {
		CHECKF(vmm_now_ms() < until, "the VMM does not get going");
		usleep(1000);
	}
}

/* A VMM whose vcpus churn a region in a cgroup of @limit bytes until it is told. */
static void vmm_main(struct notes *n, enum backing backing, uint64_t size,
		     uint64_t limit)
{
	struct swap *s = run_begin();

	region_add(s, backing, size);
	if (limit != ~0ull)
		cgroup_limit(s, "memory.max", limit);
	swap_start(s);
	swap_storm(s, true);
	n->ready = 1;
	while (!n->stop) {
		usleep(2000);
		n->bad = s->bad;
		n->verified = s->verified;
	}
	swap_finish(s);
	_exit(0);
}

static pid_t vmm_fork(struct notes *n, enum backing backing, uint64_t size,
		      uint64_t limit, const char *oom_score)
{
	pid_t pid;

	n->ready = 0;
	n->stop = 0;
	n->verified = 0;
	pid = fork();
	OK(pid);
	if (!pid) {
		host_write(OOM_SCORE, "%s", oom_score);
		vmm_main(n, backing, size, limit);
	}
	return pid;
}

/* The child's wait status; it must end soon. */
static int wait_end(pid_t pid)
{
	uint64_t until = patience();
	int status;
	pid_t done;

	while (!(done = waitpid(pid, &status, WNOHANG))) {
		CHECKF(vmm_now_ms() < until, "the VMM is still there");
		usleep(1000);
	}
	CHECK_EQ(done, pid);
	return status;
}

static bool has_directory(pid_t pid)
{
	DIR *dir = opendir(KVM_DEBUGFS);
	struct dirent *one;
	bool found = false;

	while (dir && !found && (one = readdir(dir)))
		found = atoi(one->d_name) == pid && strchr(one->d_name, '-');
	if (dir)
		closedir(dir);
	return found;
}

/* What a VM leaves behind: nothing. There is no other VM during these cases. */
static void check_gone(pid_t pid)
{
	static const char *const counters[] = {
		"pages_4k", "pages_2m", "pages_1g", "mmu_tables",
	};
	uint64_t until = patience(), left;
	unsigned int i;
	char path[80];

	while (has_directory(pid)) {
		CHECKF(vmm_now_ms() < until, "the dead VMM's VM is still there");
		usleep(1000);
	}
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		snprintf(path, sizeof(path), KVM_DEBUGFS "/%s", counters[i]);
		if (host_number(path, NULL, &left))
			CHECKF(!left, "%s is %llu without a VM", counters[i],
			       (unsigned long long)left);
	}
}

static uint64_t meminfo(const char *key)
{
	uint64_t kib = 0;

	host_number("/proc/meminfo", key, &kib);
	return kib;
}

TEST(killed, "SIGKILL for a VMM that is swapping")
{
	uint64_t size = scaled_mib(8);
	struct notes *n = notes_new();
	uint64_t verified = 0;
	int i, status;
	pid_t pid;

	for (i = 0; i < 3; i++) {
		pid = vmm_fork(n, i % 2 ? BACK_SHMEM : BACK_ANON, size,
			       size / 2 + 4 * SZ_1M, "0");
		wait_ready(n);
		usleep(1000 * (20 + 60 * i));
		OK(kill(pid, SIGKILL));
		status = wait_end(pid);
		CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		       "the VMM ended by itself: 0x%x", status);
		check_gone(pid);
		CHECK_EQ(n->bad, 0);
		verified += n->verified;
	}
	tap_diag("dwords %llu verified, 0 bad", (unsigned long long)verified);
}

TEST(exits, "a VMM that exits with its vcpus in the guest")
{
	struct notes *n = notes_new();
	struct swap *s;
	int i, status;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		pid = fork();
		OK(pid);
		if (!pid) {
			s = run_begin();
			region_add(s, i % 2 ? BACK_THP : BACK_ANON, SZ_4M);
			swap_start(s);
			swap_storm(s, true);
			usleep(1000 * (5 + 20 * i));
			n->verified = s->verified;
			if (i == 4) {
				/* All of its memory goes first. */
				s->region[1].may_fault = true;
				OK(munmap(s->region[1].hva, SZ_4M));
			}
			_exit(s->bad ? 1 : 0);
		}
		status = wait_end(pid);
		CHECKF(!status || (i && !backing_exists(BACK_THP)),
		       "the VMM ended with 0x%x", status);
		check_gone(pid);
	}
}

/* The files of a VM in a process that outlives the VMM's memory. */
static void orphan_main(struct swap *s, struct notes *n)
{
	struct vmm_vcpu *vcpu = s->worker[0].vcpu;
	uint64_t until = patience(), value;
	int r;

	while (getppid() != 1 && !n->stop && vmm_now_ms() < until)
		usleep(1000);
	r = vmm_run(vcpu);
	if (r != -EIO)
		tap_diag("KVM_RUN in another process: %s", strerror(-r));
	if (r != -EIO)
		_exit(11);
	if (vmm_try_slot(s->vm, 9, 0, 0x70000000, SZ_2M, s->vm->ram) != -1 ||
	    errno != EIO)
		_exit(12);
	if (vm_stat(s, "pages_4k", &value) && value)
		_exit(13);
	n->ready = 2;
	_exit(0);
}

TEST(orphaned, "a VM whose memory is gone while its files are still open")
{
	struct notes *n = notes_new();
	uint64_t until;
	struct swap *s;
	int status;
	pid_t pid;

	pid = fork();
	OK(pid);
	if (!pid) {
		s = run_begin();
		region_add(s, BACK_ANON, SZ_4M);
		swap_start(s);
		swap_storm(s, true);
		swap_progress(&s->region[1], 1);
		if (!fork())
			orphan_main(s, n);
		n->verified = s->verified;
		n->ready = 1;
		for (;;)
			pause();
	}
	wait_ready(n);
	OK(kill(pid, SIGKILL));
	status = wait_end(pid);
	CHECK(WIFSIGNALED(status));
	n->stop = 1;
	until = patience();
	while (n->ready != 2) {
		CHECKF(vmm_now_ms() < until, "the VM is still usable");
		usleep(1000);
	}
	check_gone(pid);
}

static void no_cgroup_swap(const char *cgroup)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/memory.swap.max", cgroup);
	if (!host_has(path))
		SKIP("this kernel does not limit swap by cgroup");
	host_write(path, "0");
}

TEST(oom_killed, "a VMM that outgrows a cgroup without swap")
{
	uint64_t size = scaled_mib(32), kills = 0;
	char cgroup[96], path[160];
	struct swap *s;
	int status;
	pid_t pid;

	if (!host_has("/sys/fs/cgroup/cgroup.controllers"))
		SKIP("this host has no cgroup2");
	pid = fork();
	OK(pid);
	if (!pid) {
		s = run_begin();
		no_cgroup_swap(s->cgroup);
		cgroup_limit(s, "memory.max", size / 2);
		region_add(s, BACK_ANON, size);
		swap_start(s);
		_exit(0);
	}
	status = wait_end(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		SKIP("this kernel does not limit swap by cgroup");
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the VMM was not killed: 0x%x", status);
	snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup/swap-%d", pid);
	snprintf(path, sizeof(path), "%s/memory.events", cgroup);
	CHECK(host_number(path, "oom_kill", &kills));
	CHECKF(kills, "it was somebody else who killed the VMM");
	check_gone(pid);
}

/* A process that is dying, or dead, has no memory any more. */
static bool has_memory(pid_t pid)
{
	uint64_t pages = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	return host_number(path, NULL, &pages) && pages;
}

/* Takes memory until @victim has none, or until it is killed. */
static void hog_main(pid_t victim, const char *score)
{
	host_write(OOM_SCORE, "%s", score);
	OK(setpriority(PRIO_PROCESS, 0, -5));
	while (has_memory(victim)) {
		uint8_t *p = mmap(NULL, HOG, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint64_t i;

		if (p == MAP_FAILED)
			_exit(1);
		for (i = 0; i < HOG; i += PAGE)
			p[i] = 1;
	}
	_exit(0);
}

static pid_t hog_fork(pid_t victim, const char *score)
{
	pid_t pid = fork();

	OK(pid);
	if (!pid)
		hog_main(victim, score);
	return pid;
}

/* The only swap device; "" if there is none. */
static void swap_device(char *name, size_t size)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[256];

	name[0] = '\0';
	if (file && fgets(line, sizeof(line), file) &&
	    fgets(line, sizeof(line), file))
		snprintf(name, size, "%.*s", (int)strcspn(line, " \t"), line);
	if (file)
		fclose(file);
}

/*
 * Runs @work in a process group of its own, on a host that has no swap
 * meanwhile. Whatever becomes of it, later cases have swap again.
 */
static void without_any_swap(void (*work)(void))
{
	uint64_t until = vmm_now_ms() + 80000ull * slowness();
	pid_t pid, done = 0;
	char device[64];
	int status = -1;

	swap_device(device, sizeof(device));
	if (device[0])
		OK(swapoff(device));
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		work();
		_exit(0);
	}
	while (pid > 0 && !done && vmm_now_ms() < until) {
		done = waitpid(pid, &status, WNOHANG);
		usleep(5000);
	}
	if (pid > 0)
		kill(-pid, SIGKILL);
	if (device[0])
		OK(swapon(device, 0));
	CHECKF(done == pid, "the host did not run out of memory in time");
	CHECKF(!status, "it ended with 0x%x", status);
}

static void exhaust_hog(void)
{
	struct notes *n = notes_new();
	pid_t vmm, hog;
	int status;

	vmm = vmm_fork(n, BACK_ANON, scaled_mib(16), ~0ull, "-1000");
	wait_ready(n);
	hog = hog_fork(getpid(), "1000");
	OK(waitpid(hog, &status, 0));
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the host never ran out of memory: 0x%x", status);
	n->stop = 1;
	status = wait_end(vmm);
	CHECKF(!status, "the VMM ended with 0x%x", status);
	check_gone(vmm);
}

TEST(exhausted, "the host runs out of memory and swap around a VMM")
{
	without_any_swap(exhaust_hog);
}

static void exhaust_vmm(void)
{
	struct notes *n = notes_new();
	pid_t vmm, hog;
	int status;

	vmm = vmm_fork(n, BACK_ANON, scaled_mib(64), ~0ull, "1000");
	wait_ready(n);
	host_write(OOM_SCORE, "-1000");
	/* Next after the VMM, should it be too late to stop: a host needs somebody to kill. */
	hog = hog_fork(vmm, "0");
	OK(waitpid(vmm, &status, 0));
	OK(waitpid(hog, NULL, 0));
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the VMM was not killed: 0x%x", status);
	check_gone(vmm);
}

TEST(chosen, "the host runs out of memory and chooses the VMM")
{
	without_any_swap(exhaust_vmm);
}

/* Pages of CPUs' own lists: free, yet not in MemFree; up to a 32nd of memory each. */
static uint64_t cpu_lists_kib(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	uint64_t pages = 0;
	unsigned int one;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %u", &one) == 1)
			pages += one;
	if (file)
		fclose(file);
	return pages * (PAGE / 1024);
}

/* What is free when nothing is cached. */
static uint64_t free_kib(void)
{
	host_write("/proc/sys/vm/drop_caches", "3");
	usleep(100000);
	return meminfo("MemFree") + cpu_lists_kib();
}

TEST(leaks, "VMMs come and go, and the host has as much memory as before")
{
	uint64_t size = 8 * SZ_1M, before = 0, after = 0;
	uint64_t swap_before = 0, swap_after = 0;
	/* Half a MiB of each of the six guests; the host's own caches need one in all. */
	uint64_t slack = 6 * 512;
	/* Slots that CPUs keep: 64 to give, 64 to give back. */
	uint64_t swap_slack = sysconf(_SC_NPROCESSORS_ONLN) * 512;
	struct notes *n = notes_new();
	unsigned int i;
	pid_t pid;

	/* What is freed is kept from use for a while, up to this; kmemleak looks for the rest. */
	if (host_checked())
		slack += meminfo("MemTotal") / 32;
	for (i = 0; i < 8; i++) {
		/* The first two fill the kernel's own caches. */
		if (i == 2) {
			before = free_kib();
			swap_before = meminfo("SwapFree");
		}
		pid = vmm_fork(n, i % 2 ? BACK_SHMEM : BACK_ANON, size,
			       size / 2 + 4 * SZ_1M, "0");
		wait_ready(n);
		if (i % 3) {
			n->stop = 1;
			CHECK_EQ(wait_end(pid), 0);
		} else {
			OK(kill(pid, SIGKILL));
			wait_end(pid);
		}
		check_gone(pid);
	}
	/* What the kernel frees late has a while to come back. */
	for (i = 0; i < 100 && (after + slack < before ||
				swap_after + swap_slack < swap_before); i++) {
		after = free_kib();
		swap_after = meminfo("SwapFree");
	}
	tap_diag("free memory %llu kB, then %llu kB; SwapFree %llu kB, then %llu kB",
		 (unsigned long long)before, (unsigned long long)after,
		 (unsigned long long)swap_before, (unsigned long long)swap_after);
	CHECKF(after + slack >= before, "%lld kB are missing",
	       (long long)(before - after));
	CHECKF(swap_after + swap_slack >= swap_before, "%lld kB of swap are missing",
	       (long long)(swap_before - swap_after));
}
