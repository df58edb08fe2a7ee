// SPDX-License-Identifier: GPL-2.0-only
/* What is behind a region, and how the host sees it. */
#define _GNU_SOURCE
#include "swap.h"

#include <fcntl.h>
#include <stdio.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB	(21u << 26)
#define MFD_HUGE_1GB	(30u << 26)
#endif

#define DISK		"/mnt/disk"
#define PAGEMAP_PRESENT	63

uint64_t region_pages(const struct region *r)
{
	return r->used / PAGE;
}

static bool hugetlb_pool(unsigned int kib)
{
	uint64_t pages = 0;
	char path[80];

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages", kib);
	if (!host_number(path, NULL, &pages))
		return false;
	if (!pages && kib == 2048) {
		host_try_write(path, "%u", 16);
		host_number(path, NULL, &pages);
	}
	return pages;
}

bool backing_exists(enum backing backing)
{
	switch (backing) {
	case BACK_THP:
		return host_has("/sys/kernel/mm/transparent_hugepage/enabled");
	case BACK_FILE:
	case BACK_PRIVATE:
		return host_has(DISK "/lost+found");
	case BACK_HUGE_2M:
		return hugetlb_pool(2048);
	case BACK_HUGE_1G:
		return hugetlb_pool(1 << 20);
	default:
		return true;
	}
}

static int backing_file(enum backing backing, uint64_t size)
{
	char name[] = DISK "/region-XXXXXX";
	int fd = -1;

	switch (backing) {
	case BACK_ANON:
	case BACK_THP:
		return -1;
	case BACK_SHMEM:
		fd = memfd_create("guest", MFD_CLOEXEC);
		break;
	case BACK_FILE:
	case BACK_PRIVATE:
		fd = mkstemp(name);
		if (fd >= 0)
			OK(unlink(name));
		break;
	case BACK_HUGE_2M:
		fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
		break;
	case BACK_HUGE_1G:
		fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_1GB);
		break;
	}
	CHECKF(fd >= 0, "a file for the guest's memory: %s", strerror(errno));
	OK(ftruncate(fd, size));
	return fd;
}

void region_map_part(struct region *r, uint64_t first, uint64_t pages)
{
	uint8_t *at = r->hva + first * PAGE;
	int flags = MAP_FIXED;

	if (r->fd < 0)
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	else
		flags |= r->backing == BACK_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
	CHECKF(mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, flags, r->fd,
		    r->fd < 0 ? 0 : first * PAGE) == at,
	       "mmap of a region: %s", strerror(errno));
	if (r->backing == BACK_ANON && backing_exists(BACK_THP))
		OK(madvise(at, pages * PAGE, MADV_NOHUGEPAGE));
	if (r->backing == BACK_THP)
		OK(madvise(at, pages * PAGE, MADV_HUGEPAGE));
}

static void region_slot(struct region *r, uint64_t size)
{
	vmm_slot(r->swap->vm, r->slot, r->slot_flags, r->gpa, size, r->hva);
}

struct region *region_add(struct swap *s, enum backing backing, uint64_t size)
{
	uint64_t align = backing == BACK_HUGE_1G ? SZ_1G : SZ_2M;
	struct region *r = &s->region[s->regions];
	uint8_t *room;

	CHECK(s->regions < SWAP_REGIONS);
	if (backing == BACK_HUGE_1G)
		size = SZ_1G;
	if (!backing_exists(backing))
		SKIP("this host offers no memory of backing %d", backing);
	r->swap = s;
	r->backing = backing;
	r->slot = ++s->regions;
	r->size = size;
	/* A gigabyte takes an emulator too long. */
	r->used = backing == BACK_HUGE_1G ? scaled_mib(8) : size;
	r->gpa = (s->next_gpa + align - 1) & ~(align - 1);
	/* A gap on either side, so that regions are not neighbours. */
	s->next_gpa = r->gpa + size + SZ_2M;
	r->mask = ~0u;
	r->policy = POLICY_CHURN;
	r->fd = backing_file(backing, size);
	room = vmm_map_anon(size + 2 * align);
	r->hva = (uint8_t *)(((uintptr_t)room + 2 * align - 1) & ~(align - 1));
	r->zeroed = calloc(1, region_pages(r));
	CHECK(r->zeroed);
	region_map_part(r, 0, size / PAGE);
	region_slot(r, size);
	return r;
}

/* A word of the pattern, see guest.S. */
static uint32_t pattern(const struct region *r, uint64_t page, unsigned int at,
			uint32_t seed)
{
	return (((uint32_t)(r->gpa + page * PAGE + r->bias) + at) & r->mask) ^ seed;
}

uint64_t host_page_bad(const struct region *r, const uint8_t *hva, uint64_t page,
		       const uint32_t *seed)
{
	unsigned int v, offset, length, at;
	uint64_t bad = 0;

	for (v = 0; v < r->swap->vcpus; v++) {
		stripe_of(r->swap, v, &offset, &length);
		for (at = offset; at < offset + length; at += 4) {
			uint32_t got = *(const volatile uint32_t *)(hva + at);

			if (got != pattern(r, page, at, seed[v]))
				bad++;
		}
	}
	return bad;
}

void host_page_fill(const struct region *r, uint8_t *hva, uint64_t page,
		    const uint32_t *seed)
{
	unsigned int v, offset, length, at;

	for (v = 0; v < r->swap->vcpus; v++) {
		stripe_of(r->swap, v, &offset, &length);
		for (at = offset; at < offset + length; at += 4)
			*(uint32_t *)(hva + at) = pattern(r, page, at, seed[v]);
	}
}

bool host_page_zero(const uint8_t *hva)
{
	unsigned int i;

	for (i = 0; i < PAGE; i += 8)
		if (*(const volatile uint64_t *)(hva + i))
			return false;
	return true;
}

void host_verify(struct region *r, uint64_t first, uint64_t pages)
{
	uint64_t page, bad;

	for (page = first; page < first + pages; page++) {
		const uint8_t *hva = r->hva + page * PAGE;

		if (r->zeroed[page])
			bad = host_page_zero(hva) ? 0 : 1;
		else
			bad = host_page_bad(r, hva, page, r->seed);
		if (bad && !atomic_fetch_add(&r->swap->bad, bad))
			tap_diag("the host reads page %llu of slot %u (backing %d) otherwise than the guest wrote it: %llu dwords%s",
				 (unsigned long long)page, r->slot, r->backing,
				 (unsigned long long)bad,
				 r->zeroed[page] ? " (zeros expected)" : "");
	}
	r->swap->host_verified += pages * (PAGE / 4);
}

static int pagemap(void)
{
	static int fd = -1;
	static pid_t owner;

	if (fd < 0 || owner != getpid()) {
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		owner = getpid();
	}
	CHECKF(fd >= 0, "/proc/self/pagemap: %s", strerror(errno));
	return fd;
}

static uint64_t pagemap_count(const void *hva, uint64_t size, unsigned int bit)
{
	uint64_t entries[512], done, count = 0;
	uint64_t page = (uintptr_t)hva / PAGE, pages = size / PAGE;

	for (done = 0; done < pages;) {
		uint64_t n = pages - done < 512 ? pages - done : 512, i;

		CHECK(pread(pagemap(), entries, n * 8, (page + done) * 8) ==
		      (ssize_t)(n * 8));
		for (i = 0; i < n; i++)
			count += entries[i] >> bit & 1;
		done += n;
	}
	return count;
}

uint64_t host_resident(const void *hva, uint64_t size)
{
	return pagemap_count(hva, size, PAGEMAP_PRESENT);
}

bool page_has(const void *hva, unsigned int pagemap_bit)
{
	return pagemap_count(hva, PAGE, pagemap_bit);
}

void region_zeroed(struct region *r, uint64_t first, uint64_t pages)
{
	memset(r->zeroed + first, 1, pages);
}

/* The run of pages from @first on that are alike in ->zeroed. */
static uint64_t zeroed_run(const struct region *r, uint64_t first)
{
	uint64_t end = first;

	while (end < region_pages(r) && r->zeroed[end] == r->zeroed[first])
		end++;
	return end - first;
}

void region_check(struct region *r)
{
	uint64_t first, pages;

	swap_pause(r->swap);
	for (first = 0; first < region_pages(r); first += pages) {
		pages = zeroed_run(r, first);
		if (r->zeroed[first])
			guest_verify_zero(r, first, pages);
		else
			guest_verify(r, first, pages);
	}
	host_verify(r, 0, region_pages(r));
	for (first = 0; first < region_pages(r); first += pages) {
		pages = zeroed_run(r, first);
		if (r->zeroed[first])
			guest_fill(r, first, pages);
	}
	memset(r->zeroed, 0, region_pages(r));
	swap_resume(r->swap);
}

void swap_check_all(struct swap *s)
{
	unsigned int i;

	for (i = 0; i < s->regions; i++)
		region_check(&s->region[i]);
}

void lru_drain(struct swap *s)
{
	void *page = s->vm->ram;
	int node = 0, status;

	/* Moving a page drains all CPUs first. */
	syscall(SYS_move_pages, 0, 1ul, &page, &node, &status, MPOL_MF_MOVE);
}

static uint64_t read_entry(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd >= 0 && pread(fd, &entry, 8, index * 8) != 8)
		entry = 0;
	close(fd);
	return entry;
}

/* What the kernel says about the first page that is still there. */
static void dump_resident(const struct region *r)
{
	uint64_t page, entry = 0, frame;

	for (page = 0; page < region_pages(r); page++) {
		entry = read_entry("/proc/self/pagemap",
				   (uintptr_t)r->hva / PAGE + page);
		if (entry >> PAGEMAP_PRESENT & 1)
			break;
	}
	frame = entry & ((1ull << 55) - 1);
	tap_diag("page %llu is frame 0x%llx, flags 0x%llx, mapped %llu times",
		 (unsigned long long)page, (unsigned long long)frame,
		 (unsigned long long)read_entry("/proc/kpageflags", frame),
		 (unsigned long long)read_entry("/proc/kpagecount", frame));
}

void region_drive_out(struct region *r)
{
	uint64_t left = 0, until = vmm_now_ms() + 10000ull * slowness();
	int i;

	if (ON(r->backing) & ON_HUGE)
		return;
	/* The first calls may only clear Accessed bits, and others of the host hold pages. */
	for (i = 0; i < 8 || vmm_now_ms() < until; i++) {
		if (r->backing == BACK_FILE || r->backing == BACK_PRIVATE)
			OK(fsync(r->fd));
		if (i)
			lru_drain(r->swap);
		if (i >= 8)
			usleep(10000);
		OK(madvise(r->hva, r->size, MADV_PAGEOUT));
		left = host_resident(r->hva, r->size);
		if (!left)
			return;
	}
	dump_resident(r);
	FAIL("%llu of %llu pages of slot %u (backing %d) stay in memory",
	     (unsigned long long)left, (unsigned long long)region_pages(r), r->slot,
	     r->backing);
}

static uint64_t swap_mapped(struct swap *s)
{
	uint64_t small = 0, large = 0, huge = 0;

	vm_stat(s, "pages_4k", &small);
	vm_stat(s, "pages_2m", &large);
	vm_stat(s, "pages_1g", &huge);
	return small + 512 * large + 512 * 512 * huge;
}

static uint64_t swap_resident(struct swap *s)
{
	uint64_t sum = host_resident(s->vm->ram, s->vm->ram_size);
	unsigned int i;

	for (i = 0; i < s->regions; i++)
		sum += host_resident(s->region[i].hva, s->region[i].size);
	return sum;
}

/* Storm off: what is mapped for the guest cannot be more than what is there. */
void swap_check_counters(struct swap *s)
{
	uint64_t mapped, resident;
	int tries;

	/* The host may reclaim something between the two looks. */
	for (tries = 0; tries < 5; tries++) {
		mapped = swap_mapped(s);
		resident = swap_resident(s);
		if (mapped <= resident)
			return;
	}
	FAIL("%llu pages are mapped for the guest, but only %llu for the host",
	     (unsigned long long)mapped, (unsigned long long)resident);
}
