// SPDX-License-Identifier: GPL-2.0-only
/* What the host's kernel tells about itself, and the module that calls its notifiers. */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOTIFY_FILE "/sys/kernel/debug/notify_bench"

static void bench_priority(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	OK(sched_setscheduler(0, policy, &param));
}

void bench_preempt_others(void)
{
	bench_priority(SCHED_FIFO, 10);
}

void bench_stop_preempting(void)
{
	bench_priority(SCHED_OTHER, 0);
}

uint64_t bench_huge_kb(const void *at)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kb;
	bool inside = false;
	char line[512];

	CHECKF(maps, "/proc/self/smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)at >= start && (uintptr_t)at < end;
		if (inside && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1) {
			fclose(maps);
			return kb;
		}
	}
	FAIL("%p is not mapped", at);
}

static bool bench_read(const char *path, uint64_t *value)
{
	char text[32];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	CHECKF(n > 0, "%s cannot be read", path);
	text[n] = '\0';
	*value = strtoull(text, NULL, 10);
	return true;
}

static bool bench_stat_read(struct vmm *vm, const char *name, uint64_t *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s",
		 getpid(), vm->fd, name);
	return bench_read(path, value);
}

uint64_t bench_stat(struct vmm *vm, const char *name)
{
	uint64_t value;

	if (!bench_stat_read(vm, name, &value))
		FAIL("debugfs has no %s for this VM", name);
	return value;
}

/* Older kernels count only what they mapped. */
uint64_t bench_faults(struct vmm *vm)
{
	uint64_t value;

	if (bench_stat_read(vm, "pf_taken", &value))
		return value;
	return bench_stat(vm, "pf_fixed");
}

uint64_t bench_interrupts(const char *kind)
{
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned long long cpu0, cpu1;
	char line[512], name[16];

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %15[A-Z]: %llu %llu", name, &cpu0,
			   &cpu1) == 3 && !strcmp(name, kind)) {
			fclose(file);
			return cpu1;
		}
	}
	FAIL("/proc/interrupts has no %s for a second CPU", kind);
}

uint64_t bench_slots_max(void)
{
	int dev = vmm_open();
	uint64_t n = OK(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS));

	close(dev);
	return n;
}

bool bench_can_age(void)
{
	return !access(NOTIFY_FILE, W_OK);
}

uint64_t bench_age(const void *at, uint64_t size, uint64_t step, int op)
{
	uint64_t words[4] = { (uintptr_t)at, size, step, op }, ticks;
	int fd = OK(open(NOTIFY_FILE, O_RDWR | O_CLOEXEC));

	CHECKF(write(fd, words, sizeof(words)) == sizeof(words),
	       NOTIFY_FILE ": %s", strerror(errno));
	CHECK(read(fd, &ticks, sizeof(ticks)) == sizeof(ticks));
	close(fd);
	return ticks;
}
