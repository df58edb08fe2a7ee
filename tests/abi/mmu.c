// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_SYNC_MMU: whatever the host does to the memory behind a slot, the
 * guest sees at once.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_HUGEPAGE
#define MADV_HUGEPAGE 14
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif

#define GPA_A	(256 * SZ_1M)

GUEST(nothing, 64, "hlt\n");

static struct vmm_vcpu *boot(void)
{
	return vmm_boot(SZ_1M, VMM_LONG, nothing);
}

/* Slot 1 at GPA_A over @hva. */
static struct vmm_vcpu *boot_with(void *hva, uint64_t size)
{
	struct vmm_vcpu *vcpu = boot();

	vmm_slot(vcpu->vm, 1, 0, GPA_A, size, hva);
	return vcpu;
}

static void *map_fixed(void *at, uint64_t size, int prot, int flags, int fd)
{
	void *p = mmap(at, size, prot, flags | MAP_FIXED, fd, 0);

	CHECKF(p == at, "mmap: %s", strerror(errno));
	return p;
}

static int memory_file(uint64_t size)
{
	int fd = memfd_create("guest", 0);

	if (fd < 0) {
		char name[] = "/tmp/abi-mmu-XXXXXX";

		fd = (int)OK(mkstemp(name));
		OK(unlink(name));
	}
	OK(ftruncate(fd, size));
	return fd;
}

TEST(dontneed, "after MADV_DONTNEED the guest reads zeros")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	for (i = 1; i < 10; i++) {
		vmm_poke(vcpu, GPA_A, i);
		vmm_poke(vcpu, GPA_A + SZ_4K, i);
		OK(madvise(hva, SZ_4K, MADV_DONTNEED));
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
		CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), i);
		vmm_poke(vcpu, GPA_A, 100 + i);
		CHECK_EQ(hva[0], 100 + i);
	}
}

TEST(dontneed_read_only_use, "the same when the guest has only read")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	for (i = 1; i < 10; i++) {
		hva[0] = i;
		CHECK_EQ(vmm_peek(vcpu, GPA_A), i);
		OK(madvise(hva, SZ_4K, MADV_DONTNEED));
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
	}
}

TEST(zero_page, "a page the guest only read is the host's next write")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	/* Reads may be served by the shared zero page until somebody writes. */
	for (i = 0; i < 16; i++) {
		CHECK_EQ(vmm_peek(vcpu, GPA_A + i * SZ_4K), 0);
		hva[i * 512] = 77;
		CHECK_EQ(vmm_peek(vcpu, GPA_A + i * SZ_4K), 77);
	}
}

TEST(munmap, "unmapped memory is EFAULT for the VMM, not a hole for the guest")
{
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 0;
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);

	vmm_poke(vcpu, GPA_A, 5);
	vmm_poke(vcpu, GPA_A + SZ_4K, 6);
	OK(munmap(hva, SZ_4K));
	CHECK_EQ(vmm_access(vcpu, GPA_A, false, &value), -EFAULT);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 6);
	map_fixed(hva, SZ_4K, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
}

TEST(map_over, "memory mapped over the old is what the guest sees")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	for (i = 1; i < 5; i++) {
		vmm_poke(vcpu, GPA_A, i);
		map_fixed(hva, SZ_64K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1);
		hva[0] = i * 10;
		CHECK_EQ(vmm_peek(vcpu, GPA_A), i * 10);
	}
}

TEST(mremap, "pages moved in by mremap are what the guest sees")
{
	uint64_t *hva = vmm_map_anon(SZ_64K), *other = vmm_map_anon(SZ_4K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);

	vmm_poke(vcpu, GPA_A, 1);
	vmm_poke(vcpu, GPA_A + SZ_4K, 2);
	other[0] = 3;
	CHECK(mremap(other, SZ_4K, SZ_4K, MREMAP_MAYMOVE | MREMAP_FIXED, hva) ==
	      hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	/* One page of the slot moves onto another. */
	CHECK(mremap(hva + 512, SZ_4K, SZ_4K, MREMAP_MAYMOVE | MREMAP_FIXED,
		     hva) == hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 2);
	vmm_poke(vcpu, GPA_A, 4);
	CHECK_EQ(hva[0], 4);
}

TEST(mprotect_read, "write-protected memory: reads go on, writes are EFAULT")
{
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 9;
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	for (i = 0; i < 3; i++) {
		vmm_poke(vcpu, GPA_A, 5 + i);
		OK(mprotect(hva, SZ_64K, PROT_READ));
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 5 + i);
		CHECK_EQ(vmm_access(vcpu, GPA_A, true, &value), -EFAULT);
		CHECK_EQ(hva[0], 5 + i);
		OK(mprotect(hva, SZ_64K, PROT_READ | PROT_WRITE));
	}
	vmm_poke(vcpu, GPA_A, 55);
	CHECK_EQ(hva[0], 55);
}

TEST(mprotect_none, "inaccessible memory is EFAULT until it is accessible")
{
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 9;
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int i;

	for (i = 0; i < 3; i++) {
		vmm_poke(vcpu, GPA_A, 5 + i);
		OK(mprotect(hva, SZ_64K, PROT_NONE));
		CHECK_EQ(vmm_access(vcpu, GPA_A, false, &value), -EFAULT);
		CHECK_EQ(vmm_access(vcpu, GPA_A, true, &value), -EFAULT);
		OK(mprotect(hva, SZ_64K, PROT_READ | PROT_WRITE));
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 5 + i);
	}
}

TEST(fork_copy_on_write, "guest writes after a fork stay out of the child")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int status, go[2], i;
	char byte = 'x';
	pid_t pid;

	for (i = 0; i < 16; i++)
		vmm_poke(vcpu, GPA_A + i * SZ_4K, 1000 + i);
	OK(pipe(go));
	pid = fork();
	OK(pid);
	if (!pid) {
		OK(read(go[0], &byte, 1));
		for (i = 0; i < 16; i++)
			CHECK_EQ(hva[i * 512], 1000 + i);
		_exit(0);
	}
	for (i = 0; i < 16; i++)
		vmm_poke(vcpu, GPA_A + i * SZ_4K, 2000 + i);
	for (i = 0; i < 16; i++)
		CHECK_EQ(hva[i * 512], 2000 + i);
	OK(write(go[1], &byte, 1));
	OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
}

TEST(fork_host_writes, "host writes after a fork reach the guest")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int status, go[2], i;
	char byte = 'x';
	pid_t pid;

	for (i = 0; i < 16; i++)
		vmm_poke(vcpu, GPA_A + i * SZ_4K, 1000 + i);
	OK(pipe(go));
	pid = fork();
	OK(pid);
	if (!pid) {
		OK(read(go[0], &byte, 1));
		_exit(0);
	}
	for (i = 0; i < 16; i++) {
		CHECK_EQ(vmm_peek(vcpu, GPA_A + i * SZ_4K), 1000 + i);
		/* The host gets a copy; the guest must follow it there. */
		hva[i * 512] = 3000 + i;
		CHECK_EQ(vmm_peek(vcpu, GPA_A + i * SZ_4K), 3000 + i);
	}
	OK(write(go[1], &byte, 1));
	OK(waitpid(pid, &status, 0));
}

TEST(shared_file, "a file mapped shared: guest, host and pwrite agree")
{
	int fd = memory_file(SZ_64K);
	uint64_t *hva = vmm_map_anon(SZ_64K), value, *second;
	struct vmm_vcpu *vcpu;

	map_fixed(hva, SZ_64K, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	second = mmap(NULL, SZ_64K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(second != MAP_FAILED);
	vcpu = boot_with(hva, SZ_64K);
	vmm_poke(vcpu, GPA_A, 1);
	CHECK_EQ(second[0], 1);
	second[1] = 2;
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 8), 2);
	value = 3;
	CHECK_EQ(pwrite(fd, &value, 8, 16), 8);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 16), 3);
	vmm_poke(vcpu, GPA_A + SZ_4K, 4);
	CHECK_EQ(pread(fd, &value, 8, SZ_4K), 8);
	CHECK_EQ(value, 4);
}

TEST(private_file, "a file mapped privately: guest writes stay private")
{
	int fd = memory_file(SZ_64K);
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 11;
	struct vmm_vcpu *vcpu;

	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	map_fixed(hva, SZ_64K, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	vcpu = boot_with(hva, SZ_64K);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 11);
	/* Not copied yet: the file's changes still show. */
	value = 12;
	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 12);
	vmm_poke(vcpu, GPA_A, 13);
	CHECK_EQ(hva[0], 13);
	CHECK_EQ(pread(fd, &value, 8, 0), 8);
	CHECK_EQ(value, 12);
}

TEST(truncated_file, "behind the end of a truncated file is EFAULT")
{
	int fd = memory_file(SZ_64K);
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 0;
	struct vmm_vcpu *vcpu;

	map_fixed(hva, SZ_64K, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	vcpu = boot_with(hva, SZ_64K);
	vmm_poke(vcpu, GPA_A, 1);
	vmm_poke(vcpu, GPA_A + SZ_4K, 2);
	OK(ftruncate(fd, SZ_4K));
	CHECK_EQ(vmm_access(vcpu, GPA_A + SZ_4K, false, &value), -EFAULT);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 1);
	OK(ftruncate(fd, SZ_64K));
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 0);
}

TEST(punched_hole, "a hole punched into the file reads as zeros")
{
	int fd = memory_file(SZ_64K);
	uint64_t *hva = vmm_map_anon(SZ_64K);
	struct vmm_vcpu *vcpu;

	map_fixed(hva, SZ_64K, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	vcpu = boot_with(hva, SZ_64K);
	vmm_poke(vcpu, GPA_A, 1);
	vmm_poke(vcpu, GPA_A + SZ_4K, 2);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SZ_4K));
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 2);
}

TEST(read_only_mapping, "memory mapped read-only serves a READONLY slot")
{
	int fd = memory_file(SZ_64K);
	uint64_t value = 21, *hva;
	struct vmm_vcpu *vcpu = boot();

	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	hva = mmap(NULL, SZ_64K, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(hva != MAP_FAILED);
	vmm_slot(vcpu->vm, 1, KVM_MEM_READONLY, GPA_A, SZ_64K, hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 21);
	value = 22;
	CHECK_EQ(pwrite(fd, &value, 8, 0), 8);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 22);
}

static uint8_t *aligned_2m(uint64_t size)
{
	uint8_t *p = vmm_map_anon(size + SZ_2M);

	return (uint8_t *)(((uintptr_t)p + SZ_2M - 1) & ~(SZ_2M - 1));
}

TEST(huge_pages, "a hole in a transparent huge page is a hole for the guest")
{
	uint64_t size = 4 * SZ_2M, offset, hole = SZ_2M + 17 * SZ_4K;
	uint8_t *hva = aligned_2m(size);
	struct vmm_vcpu *vcpu;

	/* Fails without THP; the case is as valid with small pages. */
	(void)madvise(hva, size, MADV_HUGEPAGE);
	for (offset = 0; offset < size; offset += SZ_4K)
		*(uint64_t *)(hva + offset) = offset + 1;
	vcpu = boot_with(hva, size);
	for (offset = 0; offset < size; offset += 16 * SZ_4K)
		CHECK_EQ(vmm_peek(vcpu, GPA_A + offset), offset + 1);
	OK(madvise(hva + hole, SZ_4K, MADV_DONTNEED));
	CHECK_EQ(vmm_peek(vcpu, GPA_A + hole), 0);
	for (offset = 0; offset < size; offset += 16 * SZ_4K)
		CHECK_EQ(vmm_peek(vcpu, GPA_A + offset), offset + 1);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + hole - SZ_4K), hole - SZ_4K + 1);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + hole + SZ_4K), hole + SZ_4K + 1);
	/* Half of a huge page write-protected, the other half not. */
	OK(mprotect(hva + SZ_1M, SZ_1M, PROT_READ));
	vmm_poke(vcpu, GPA_A, 4711);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_1M), SZ_1M + 1);
	OK(munmap(hva + 2 * SZ_2M, SZ_2M));
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 3 * SZ_2M), 3 * SZ_2M + 1);
}

TEST(misaligned_huge, "huge host pages at guest addresses of another alignment")
{
	uint64_t size = 4 * SZ_2M, offset;
	uint8_t *hva = aligned_2m(size);
	struct vmm_vcpu *vcpu = boot();

	(void)madvise(hva, size, MADV_HUGEPAGE);
	for (offset = 0; offset < size; offset += SZ_4K)
		*(uint64_t *)(hva + offset) = offset + 1;
	vmm_slot(vcpu->vm, 1, 0, GPA_A + 5 * SZ_4K, size - 3 * SZ_4K,
		 hva + 2 * SZ_4K);
	for (offset = 2 * SZ_4K; offset < size - SZ_4K; offset += 7 * SZ_4K)
		CHECK_EQ(vmm_peek(vcpu, GPA_A + 3 * SZ_4K + offset),
			 offset + 1);
	vmm_expect_hole(vcpu, GPA_A + 4 * SZ_4K);
	vmm_expect_hole(vcpu, GPA_A + 2 * SZ_4K + size);
}

static bool reserve_hugetlb(unsigned int pages)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+");
	unsigned int have = 0;

	if (!f)
		return false;
	fprintf(f, "%u\n", pages);
	fflush(f);
	rewind(f);
	if (fscanf(f, "%u", &have) != 1)
		have = 0;
	fclose(f);
	return have >= pages;
}

TEST(hugetlb, "memory of hugetlbfs")
{
	uint64_t size = 2 * SZ_2M, *hva, value = 0;
	struct vmm_vcpu *vcpu;

	if (!reserve_hugetlb(3))
		SKIP("no huge pages to be had");
	hva = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (hva == MAP_FAILED)
		SKIP("no hugetlb mapping: %s", strerror(errno));
	vcpu = boot_with(hva, size);
	vmm_poke(vcpu, GPA_A + 0x134568, 1);
	vmm_poke(vcpu, GPA_A + SZ_4K, 2);
	vmm_poke(vcpu, GPA_A + SZ_2M + SZ_4K, 3);
	CHECK_EQ(hva[512], 2);
	/* MADV_DONTNEED on huge pages is newer than 5.10; a new mapping not. */
	map_fixed(hva, SZ_2M, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_2M + SZ_4K), 3);
	OK(munmap((uint8_t *)hva + SZ_2M, SZ_2M));
	CHECK_EQ(vmm_access(vcpu, GPA_A + SZ_2M, false, &value), -EFAULT);
	OK(munmap(hva, SZ_2M));
	reserve_hugetlb(0);
}

/* Copies the word at RSI to RDI for ever. */
GUEST(copier, 64,
	"1: mov (%rsi), %rax\n"
	"mov %rax, (%rdi)\n"
	"jmp 1b\n");

static struct vmm_vcpu *boot_copier(uint64_t *hva, uint64_t size)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, copier);
	struct kvm_regs regs = vmm_regs(vcpu);

	vmm_slot(vcpu->vm, 1, 0, GPA_A, size, hva);
	regs.rsi = GPA_A;
	regs.rdi = GPA_DATA;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

static void wait_for_copy(struct vmm_vcpu *vcpu, uint64_t value)
{
	volatile uint64_t *copy = (volatile uint64_t *)(vcpu->vm->ram +
							GPA_DATA);
	uint64_t start = vmm_now_ms();

	while (*copy != value) {
		CHECKF(vmm_now_ms() - start < 20000,
		       "the guest still reads %llu, not %llu",
		       (unsigned long long)*copy, (unsigned long long)value);
		vmm_sleep_ms(1);
	}
}

TEST(dontneed_while_running, "a running guest follows pages that are replaced")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	unsigned long i, n = tap_scaled(100, 10);
	struct vmm_vcpu *vcpu = boot_copier(hva, SZ_64K);
	struct vmm_thread t;

	vmm_start(&t, vcpu);
	for (i = 1; i <= n; i++) {
		hva[0] = i;
		wait_for_copy(vcpu, i);
		OK(madvise(hva, SZ_4K, MADV_DONTNEED));
		if (i % 2)
			wait_for_copy(vcpu, 0);
	}
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
}

TEST(remap_while_running, "a running guest follows mappings that are replaced")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	unsigned long i, n = tap_scaled(60, 10);
	struct vmm_vcpu *vcpu = boot_copier(hva, SZ_64K);
	struct vmm_thread t;

	vmm_start(&t, vcpu);
	for (i = 1; i <= n; i++) {
		uint64_t *page = vmm_map_anon(SZ_4K);

		page[0] = i;
		CHECK(mremap(page, SZ_4K, SZ_4K,
			     MREMAP_MAYMOVE | MREMAP_FIXED, hva) == hva);
		wait_for_copy(vcpu, i);
	}
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
}

TEST(freed_pages, "pages a guest gave up are not written by it any more")
{
	const uint64_t size = 4 * SZ_1M;
	uint8_t *hva = vmm_map_anon(size), *other;
	struct vmm_vcpu *vcpu = boot_with(hva, size);
	uint64_t offset, i;

	/*
	 * The guest fills memory, the host takes it away, somebody else gets
	 * it; then the guest writes again: into new pages.
	 */
	for (i = 1; i <= 3; i++) {
		for (offset = 0; offset < size; offset += 4 * SZ_4K)
			vmm_poke(vcpu, GPA_A + offset, i);
		OK(madvise(hva, size, MADV_DONTNEED));
		other = vmm_map_anon(size);
		memset(other, 0x5a, size);
		for (offset = 0; offset < size; offset += 16 * SZ_4K)
			vmm_poke(vcpu, GPA_A + offset + 8, i);
		for (offset = 0; offset < size; offset++)
			CHECK_EQ(other[offset], 0x5a);
		OK(munmap(other, size));
		for (offset = 0; offset < size; offset += 16 * SZ_4K) {
			CHECK_EQ(vmm_peek(vcpu, GPA_A + offset), 0);
			CHECK_EQ(vmm_peek(vcpu, GPA_A + offset + 8), i);
		}
		OK(madvise(hva, size, MADV_DONTNEED));
	}
}

TEST(two_vcpus_invalidation, "both of two running vcpus follow")
{
	uint64_t *hva = vmm_map_anon(SZ_64K);
	unsigned long i, n = tap_scaled(40, 5);
	struct vmm_vcpu *a = boot_copier(hva, SZ_64K), *b;
	struct vmm_thread ta, tb;
	volatile uint64_t *copy;
	struct kvm_regs regs;

	b = vmm_vcpu_add(a->vm);
	vmm_set_mode(b, VMM_LONG);
	regs = vmm_regs(b);
	regs.rsi = GPA_A;
	regs.rdi = GPA_DATA + 64;
	vmm_set_regs(b, &regs);
	copy = (volatile uint64_t *)(a->vm->ram + GPA_DATA + 64);
	vmm_start(&ta, a);
	vmm_start(&tb, b);
	for (i = 1; i <= n; i++) {
		uint64_t start = vmm_now_ms();

		OK(madvise(hva, SZ_4K, MADV_DONTNEED));
		hva[0] = i;
		wait_for_copy(a, i);
		while (*copy != i) {
			CHECK(vmm_now_ms() - start < 20000);
			vmm_sleep_ms(1);
		}
	}
	vmm_kick(&ta);
	vmm_kick(&tb);
	CHECK_EQ(vmm_join(&ta), -EINTR);
	CHECK_EQ(vmm_join(&tb), -EINTR);
}

TEST(not_pinned, "guest memory is not pinned: what is given up is free")
{
	const uint64_t size = 32 * SZ_1M;
	uint8_t *hva = vmm_map_anon(size);
	struct vmm_vcpu *vcpu = boot_with(hva, size);
	unsigned char resident[32 * 256];
	uint64_t offset, pages = 0;

	for (offset = 0; offset < size; offset += SZ_4K)
		hva[offset] = 1;
	for (offset = 0; offset < size; offset += 64 * SZ_4K)
		vmm_poke(vcpu, GPA_A + offset, 1);
	OK(madvise(hva, size, MADV_DONTNEED));
	OK(mincore(hva, size, resident));
	for (offset = 0; offset < size / SZ_4K; offset++)
		pages += resident[offset] & 1;
	CHECK_EQ(pages, 0);
}

TEST(own_run_page, "a VMM that gives its vcpu's own mapping to the guest")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t value = 0;
	int r;

	/*
	 * kvm_run is kernel memory, mapped into the VMM. Whether the guest gets
	 * it or the VMM an error: nothing else may happen.
	 */
	vmm_slot(vcpu->vm, 1, 0, GPA_A, 3 * SZ_4K, vcpu->run);
	r = vmm_access(vcpu, GPA_A + SZ_4K, false, &value);
	CHECK(r == 0 || r == -EFAULT);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	vmm_expect_hole(vcpu, GPA_A + SZ_4K);
}
