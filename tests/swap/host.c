// SPDX-License-Identifier: GPL-2.0-only
/* Random numbers, and the files by which the host is told and asked things. */
#define _GNU_SOURCE
#include "swap.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t prng_state = 1;

void prng_seed(uint64_t seed)
{
	prng_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

uint64_t prng(void)
{
	uint64_t z = prng_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t random_below(uint64_t n)
{
	return prng() % n;
}

uint64_t region_unit(const struct region *r)
{
	if (r->backing == BACK_HUGE_1G)
		return SZ_1G / PAGE;
	return r->backing == BACK_HUGE_2M ? SZ_2M / PAGE : 1;
}

uint64_t region_bytes(const struct region *r, uint64_t pages)
{
	uint64_t unit = region_unit(r);

	return (pages + unit - 1) / unit * unit * PAGE;
}

void random_range(const struct region *r, uint64_t align, uint64_t *first,
		  uint64_t *pages)
{
	uint64_t units;

	if (align < region_unit(r))
		align = region_unit(r);
	units = region_pages(r) / align;
	*first = 0;
	*pages = region_pages(r);
	if (units < 2)
		return;
	*first = random_below(units) * align;
	*pages = (1 + random_below(units - *first / align)) * align;
}

unsigned int slowness(void)
{
	return 1000 / tap_scaled(1000, 1);
}

uint64_t patience(void)
{
	return vmm_now_ms() + 60000ull * slowness();
}

bool host_checked(void)
{
	const char *text = getenv("KVM_SWAP_CHECKED");

	return text && atoi(text);
}

void jitter(void)
{
	usleep(random_below(3000));
}

uint64_t scaled_mib(unsigned int mib)
{
	return tap_scaled(mib, 2) * SZ_1M & ~(SZ_2M - 1);
}

bool host_has(const char *path)
{
	return !access(path, F_OK);
}

int host_try_write(const char *path, const char *fmt, ...)
{
	char text[128];
	va_list args;
	int fd, n, r = 0;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != n)
		r = -errno;
	close(fd);
	return r;
}

void host_write(const char *path, const char *fmt, ...)
{
	char text[128];
	va_list args;
	int r;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	r = host_try_write(path, "%s", text);
	if (r)
		FAIL("writing \"%s\" to %s: %s", text, path, strerror(-r));
}

bool host_number(const char *path, const char *key, uint64_t *value)
{
	size_t length = key ? strlen(key) : 0;
	bool found = false;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (key && (strncmp(line, key, length) ||
			    !strchr(" \t:=", line[length])))
			continue;
		*value = strtoull(line + length + strspn(line + length, " \t:="),
				  NULL, 10);
		found = true;
	}
	fclose(file);
	return found;
}

uint64_t vmstat(const char *key)
{
	uint64_t value = 0;

	host_number("/proc/vmstat", key, &value);
	return value;
}

static char vmstat_at_first[16384];

void vmstat_begin(void)
{
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, vmstat_at_first, sizeof(vmstat_at_first) - 1);

	vmstat_at_first[n < 0 ? 0 : n] = '\0';
	close(fd);
}

uint64_t vmstat_since(const char *key)
{
	const char *line = vmstat_at_first;
	size_t length = strlen(key);

	while (line && *line) {
		if (!strncmp(line, key, length) && line[length] == ' ')
			return vmstat(key) - strtoull(line + length, NULL, 10);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return 0;
}

bool vm_stat(struct swap *s, const char *name, uint64_t *value)
{
	char path[160];

	if (!s->debugfs[0])
		return false;
	snprintf(path, sizeof(path), "%s/%s", s->debugfs, name);
	return host_number(path, NULL, value);
}

void swap_cgroup(struct swap *s)
{
	if (s->cgroup[0])
		return;
	if (!host_has("/sys/fs/cgroup/cgroup.controllers"))
		SKIP("this host has no cgroup2");
	host_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	snprintf(s->cgroup, sizeof(s->cgroup), "/sys/fs/cgroup/swap-%d", getpid());
	OK(mkdir(s->cgroup, 0755));
	cgroup_limit(s, "cgroup.procs", getpid());
}

/* ~0ull is no limit. */
void cgroup_limit(struct swap *s, const char *file, uint64_t bytes)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", s->cgroup, file);
	if (bytes == ~0ull)
		host_write(path, "max");
	else
		host_write(path, "%llu", (unsigned long long)bytes);
}

void canary(void)
{
	uint64_t bytes = SZ_1M, *p = vmm_map_anon(bytes), i;

	for (i = 0; i < bytes / 8; i++)
		p[i] = i * 0x9e3779b97f4a7c15ull;
	usleep(500);
	for (i = 0; i < bytes / 8; i++)
		CHECKF(p[i] == i * 0x9e3779b97f4a7c15ull,
		       "somebody wrote 0x%llx into the host's memory",
		       (unsigned long long)p[i]);
	OK(munmap(p, bytes));
}
