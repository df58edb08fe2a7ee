// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SET_USER_MEMORY_REGION: rules, and what a guest sees of it. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

#define GPA_A	(256 * SZ_1M)
#define GPA_B	(512 * SZ_1M)

GUEST(nothing, 64, "hlt\n");

/* A long-mode vcpu to peek and poke with. */
static struct vmm_vcpu *boot(void)
{
	return vmm_boot(SZ_1M, VMM_LONG, nothing);
}

/* A slot of @size at @gpa whose pages start with their own number + @seed. */
static uint64_t *numbered_slot(struct vmm *vm, unsigned int slot, uint64_t gpa,
			       uint64_t size, uint64_t seed)
{
	uint8_t *hva = vmm_map_anon(size);
	uint64_t offset;

	for (offset = 0; offset < size; offset += SZ_4K)
		*(uint64_t *)(hva + offset) = seed + offset / SZ_4K;
	vmm_slot(vm, slot, 0, gpa, size, hva);
	return (uint64_t *)hva;
}

TEST(create_delete, "a created slot is memory, a deleted one exits as MMIO")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva;
	int i;

	vmm_expect_hole(vcpu, GPA_A);
	hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 100);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 100);
		CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_64K - SZ_4K), 115);
		vmm_poke(vcpu, GPA_A + SZ_4K, 0xabc);
		CHECK_EQ(hva[512], 0xabc);
		vmm_expect_hole(vcpu, GPA_A - 8);
		vmm_expect_hole(vcpu, GPA_A + SZ_64K);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
		vmm_expect_hole(vcpu, GPA_A);
		vmm_expect_hole(vcpu, GPA_A + SZ_4K);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	}
}

TEST(delete_seen_by_guest, "deleted memory is gone for writes too")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 1);
	uint64_t value = 0xdead;

	vmm_poke(vcpu, GPA_A, 5);
	vmm_slot(vcpu->vm, 1, 0, 0, 0, NULL);
	CHECK_EQ(vmm_access(vcpu, GPA_A, true, &value), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	CHECK(vcpu->run->mmio.is_write);
	CHECK_EQ(vcpu->run->mmio.len, 8);
	CHECK(!memcmp(vcpu->run->mmio.data, &value, 8));
	CHECK_EQ(hva[0], 5);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(hva[0], 5);
}

TEST(delete_large, "deleting a touched 8 MiB slot removes every page of it")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t size = 4 * SZ_2M, offset;

	numbered_slot(vcpu->vm, 1, GPA_A, size, 7);
	for (offset = 0; offset < size; offset += SZ_64K)
		CHECK_EQ(vmm_peek(vcpu, GPA_A + offset), 7 + offset / SZ_4K);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	for (offset = 0; offset < size; offset += SZ_64K)
		vmm_expect_hole(vcpu, GPA_A + offset);
}

TEST(replace_by_other_memory, "a slot deleted and added shows the new memory")
{
	struct vmm_vcpu *vcpu = boot();
	int i;

	for (i = 0; i < 10; i++) {
		numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, i * 1000);
		CHECK_EQ(vmm_peek(vcpu, GPA_A), i * 1000);
		CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), i * 1000 + 1);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	}
}

TEST(resize_by_delete_and_add, "a slot grows and shrinks by delete and add")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 0);

	vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_4K, hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
	vmm_expect_hole(vcpu, GPA_A + SZ_4K);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_64K - SZ_4K), 15);
}

TEST(resize_in_place, "changing the size of a slot in place gives EINVAL")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);
	struct vmm *vm = vcpu->vm;

	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, 2 * SZ_64K, hva), EINVAL);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 4);
	vmm_expect_hole(vcpu, GPA_A + SZ_64K);
}

TEST(change_hva, "changing the host address of a slot gives EINVAL")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	CHECK_ERRNO(vmm_try_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K,
				 vmm_map_anon(SZ_64K)), EINVAL);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	/* Moving and changing the memory at once neither. */
	CHECK_ERRNO(vmm_try_slot(vcpu->vm, 1, 0, GPA_B, SZ_64K,
				 (uint8_t *)hva + SZ_4K), EINVAL);
	vmm_expect_hole(vcpu, GPA_B);
}

TEST(same_again, "setting a slot to what it is changes nothing")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 4);
}

TEST(move, "a moved slot is at its new address only")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	vmm_slot(vcpu->vm, 1, 0, GPA_B, SZ_64K, hva);
	vmm_expect_hole(vcpu, GPA_A);
	CHECK_EQ(vmm_peek(vcpu, GPA_B), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_B + SZ_4K), 4);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	vmm_expect_hole(vcpu, GPA_B);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 4);
}

TEST(move_onto_itself, "a slot may move to an address that it covers now")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 4);
	vmm_slot(vcpu->vm, 1, 0, GPA_A + SZ_4K, SZ_64K, hva);
	vmm_expect_hole(vcpu, GPA_A);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_64K), 18);
}

TEST(overlap, "overlapping slots give EEXIST and leave the old ones")
{
	struct vmm_vcpu *vcpu = boot();
	struct vmm *vm = vcpu->vm;
	uint64_t *other = vmm_map_anon(SZ_1M);

	numbered_slot(vm, 1, GPA_A, SZ_64K, 3);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A, SZ_64K, other), EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A, SZ_4K, other), EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A + SZ_4K, SZ_4K, other),
		    EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A - SZ_4K, 2 * SZ_4K, other),
		    EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A + SZ_64K - SZ_4K, SZ_64K,
				 other), EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, GPA_A - SZ_64K, SZ_1M, other),
		    EEXIST);
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, 0, SZ_4K, other), EEXIST);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 4);
	/* None of the refused ones has become slot 2. */
	CHECK_ERRNO(vmm_try_slot(vm, 2, 0, 0, 0, NULL), EINVAL);
}

TEST(overlap_by_move, "moving a slot onto another gives EEXIST")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *a = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	numbered_slot(vcpu->vm, 2, GPA_B, SZ_64K, 50);
	CHECK_ERRNO(vmm_try_slot(vcpu->vm, 1, 0, GPA_B, SZ_64K, a), EEXIST);
	CHECK_ERRNO(vmm_try_slot(vcpu->vm, 1, 0, GPA_B + SZ_64K - SZ_4K, SZ_64K,
				 a), EEXIST);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
	CHECK_EQ(vmm_peek(vcpu, GPA_B), 50);
	vmm_slot(vcpu->vm, 1, 0, GPA_B + SZ_64K, SZ_64K, a);
	CHECK_EQ(vmm_peek(vcpu, GPA_B + SZ_64K - SZ_4K), 65);
	CHECK_EQ(vmm_peek(vcpu, GPA_B + SZ_64K), 3);
}

TEST(neighbours, "slots that touch do not overlap")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t gpa = GPA_A;

	numbered_slot(vcpu->vm, 5, gpa, SZ_4K, 10);
	numbered_slot(vcpu->vm, 3, gpa + SZ_4K, SZ_4K, 20);
	numbered_slot(vcpu->vm, 4, gpa - SZ_4K, SZ_4K, 30);
	CHECK_EQ(vmm_peek(vcpu, gpa - SZ_4K), 30);
	CHECK_EQ(vmm_peek(vcpu, gpa), 10);
	CHECK_EQ(vmm_peek(vcpu, gpa + SZ_4K), 20);
	vmm_slot(vcpu->vm, 5, 0, gpa, 0, NULL);
	CHECK_EQ(vmm_peek(vcpu, gpa - SZ_4K), 30);
	vmm_expect_hole(vcpu, gpa);
	CHECK_EQ(vmm_peek(vcpu, gpa + SZ_4K), 20);
}

TEST(crossing_slots, "an access that crosses from one slot to another")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *a = vmm_map_anon(SZ_4K), *b = vmm_map_anon(SZ_4K);

	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_4K, a);
	vmm_slot(vcpu->vm, 2, 0, GPA_A + SZ_4K, SZ_4K, b);
	a[511] = 0x1122334455667788ull;
	b[0] = 0x99aabbccddeeff00ull;
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K - 3), 0xccddeeff00112233ull);
	vmm_poke(vcpu, GPA_A + SZ_4K - 4, 0x0102030405060708ull);
	CHECK_EQ(a[511], 0x0506070855667788ull);
	CHECK_EQ(b[0], 0x99aabbcc01020304ull);
}

TEST(unaligned, "addresses and sizes that are no multiple of 4 KiB")
{
	struct vmm_vcpu *vcpu = boot();
	struct vmm *vm = vcpu->vm;
	uint8_t *hva = vmm_map_anon(SZ_64K);

	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A + 1, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A + 2048, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, 1, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_4K + 512, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_4K, hva + 8), EINVAL);
	vmm_expect_hole(vcpu, GPA_A);
}

TEST(unknown_flags, "every flag but LOG_DIRTY_PAGES and READONLY is refused")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	void *hva = vmm_map_anon(SZ_4K);
	int bit;

	for (bit = 2; bit < 32; bit++)
		CHECK_ERRNO(vmm_try_slot(vm, 1, 1u << bit, GPA_A, SZ_4K, hva),
			    EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, ~0u, GPA_A, SZ_4K, hva), EINVAL);
	vmm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_A, SZ_4K, hva);
}

TEST(slot_ids, "slot ids up to NR_MEMSLOTS - 1")
{
	struct vmm_vcpu *vcpu = boot();
	struct vmm *vm = vcpu->vm;
	unsigned int nr = vmm_cap(vm, KVM_CAP_NR_MEMSLOTS);
	uint64_t *hva = vmm_map_anon(SZ_4K);

	hva[0] = 77;
	CHECK_ERRNO(vmm_try_slot(vm, nr, 0, GPA_A, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, nr + 1, 0, GPA_A, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 0x7fff, 0, GPA_A, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 0xffff, 0, GPA_A, SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 0xffffffff, 0, GPA_A, SZ_4K, hva),
		    EINVAL);
	vmm_slot(vm, nr - 1, 0, GPA_A, SZ_4K, hva);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 77);
}

TEST(address_spaces, "slot bits 16-31 beyond the address spaces are refused")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	unsigned int spaces = vmm_cap(vm, KVM_CAP_MULTI_ADDRESS_SPACE);
	void *hva = vmm_map_anon(SZ_4K);

	if (!spaces)
		spaces = 1;
	CHECK_ERRNO(vmm_try_slot(vm, (spaces << 16) | 1, 0, GPA_A, SZ_4K, hva),
		    EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 0xffff0001, 0, GPA_A, SZ_4K, hva),
		    EINVAL);
	vmm_slot(vm, 1, 0, GPA_A, SZ_4K, hva);
}

TEST(delete_nonexistent, "deleting a slot that is not there gives EINVAL")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, 0, NULL), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 100, 0, 0, 0, NULL), EINVAL);
	vmm_slot(vm, 0, 0, 0, 0, NULL);
	CHECK_ERRNO(vmm_try_slot(vm, 0, 0, 0, 0, NULL), EINVAL);
}

TEST(bad_hva, "host addresses outside user space give EINVAL")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_4K,
				 (void *)0xffff888000000000ul), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_4K,
				 (void *)0xfffffffffffff000ul), EINVAL);
	/* Starts in user space, ends behind it, or wraps. */
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_1G,
				 (void *)0x7fffffff0000ul), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_64K,
				 (void *)0xffffffffffff8000ul), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, 0, 0, NULL), EINVAL);
}

TEST(gpa_wrap, "guest addresses that wrap around and huge sizes give EINVAL")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	void *hva = vmm_map_anon(SZ_64K);
	uint64_t last = ~0ull & ~0xfffull;

	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, last, 2 * SZ_4K, hva), EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, ~0ull - SZ_64K + 1, SZ_64K, hva),
		    EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, SZ_1G, ~0ull & ~0xfffull, hva),
		    EINVAL);
	/* 2^31 pages are one too many. */
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, SZ_1G, SZ_4K << 31, (void *)SZ_1M),
		    EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, SZ_1G, 1ull << 46, (void *)SZ_1M),
		    EINVAL);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, 0, 0, NULL), EINVAL);
}

TEST(pointer_fault, "KVM_SET_USER_MEMORY_REGION with bad pointers: EFAULT")
{
	struct vmm *vm = vmm_create_bare();
	uint8_t *page = vmm_map_anon(2 * SZ_4K);

	OK(munmap(page + SZ_4K, SZ_4K));
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, ~0ul), EFAULT);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION,
			  page + SZ_4K - 16), EFAULT);
}

TEST(unmapped_hva, "a slot over unmapped host memory: KVM_RUN gives EFAULT")
{
	struct vmm_vcpu *vcpu = boot();
	uint8_t *hva = vmm_map_anon(SZ_64K);
	uint64_t value = 0;

	OK(munmap(hva, SZ_64K));
	vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	CHECK_EQ(vmm_access(vcpu, GPA_A, false, &value), -EFAULT);
	CHECK_EQ(vmm_access(vcpu, GPA_A, true, &value), -EFAULT);
	/* The guest stands before the access and goes on once it can. */
	CHECK(mmap(hva, SZ_64K, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		   MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hva);
	hva[0] = 42;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(hva[0], 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
}

TEST(same_hva_twice, "one host range in two slots is the same memory")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);

	vmm_slot(vcpu->vm, 2, 0, GPA_B, SZ_64K, hva);
	vmm_poke(vcpu, GPA_A, 0x111);
	CHECK_EQ(vmm_peek(vcpu, GPA_B), 0x111);
	vmm_poke(vcpu, GPA_B + SZ_4K, 0x222);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 0x222);
	/* What changes in the host changes in both. */
	OK(madvise(hva, SZ_64K, MADV_DONTNEED));
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_B), 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_B + SZ_4K), 0);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 0);
	vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	vmm_poke(vcpu, GPA_B, 0x333);
	vmm_expect_hole(vcpu, GPA_A);
	CHECK_EQ(hva[0], 0x333);
}

/* Adds RSI, RSI + RDX, ... (RCX of them) into RAX. */
GUEST(sum_pages, 64,
	"xor %eax, %eax\n"
	"1: add (%rsi), %rax\n"
	"add %rdx, %rsi\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"hlt\n");

TEST(many_slots, "509 slots of one page, in an order that is not theirs")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, sum_pages);
	const unsigned int n = 508;	/* and slot 0 */
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t *hva = vmm_map_anon(n * SZ_4K);
	unsigned int i;

	for (i = 0; i < n; i++) {
		unsigned int page = (i * 213 + 7) % n;

		/* Every other page of the guest has a slot. */
		hva[page * 512] = page + 1;
		vmm_slot(vcpu->vm, i + 1, 0, GPA_A + page * 2 * SZ_4K, SZ_4K,
			 hva + page * 512);
	}
	regs.rsi = GPA_A;
	regs.rdx = 2 * SZ_4K;
	regs.rcx = n;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, n * (n + 1) / 2);
	for (i = 0; i < n; i += 50)
		vmm_expect_hole(vcpu, GPA_A + (2 * i + 1) * SZ_4K);
	for (i = 0; i < n; i++)
		vmm_slot(vcpu->vm, i + 1, 0, 0, 0, NULL);
	for (i = 0; i < n; i += 50)
		vmm_expect_hole(vcpu, GPA_A + 2 * i * SZ_4K);
}

TEST(readonly, "READONLY memory can be read; writes exit as MMIO")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = vmm_map_anon(SZ_64K), value;
	int i;

	hva[0] = 0x1234;
	vmm_slot(vcpu->vm, 1, KVM_MEM_READONLY, GPA_A, SZ_64K, hva);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmm_peek(vcpu, GPA_A), 0x1234);
		value = 0x9876543210ull;
		CHECK_EQ(vmm_access(vcpu, GPA_A + 8, true, &value), 0);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(vcpu->run->mmio.phys_addr, GPA_A + 8);
		CHECK_EQ(vcpu->run->mmio.len, 8);
		CHECK(vcpu->run->mmio.is_write);
		CHECK(!memcmp(vcpu->run->mmio.data, &value, 8));
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(hva[1], 0);
	}
	/* The host may write, and the guest sees it. */
	hva[0] = 0x4321;
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 0x4321);
	/* Page never touched by either side. */
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 2 * SZ_4K), 0);
}

TEST(readonly_flip, "READONLY changes only by delete and add")
{
	struct vmm_vcpu *vcpu = boot();
	struct vmm *vm = vcpu->vm;
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 1;

	vmm_slot(vm, 1, 0, GPA_A, SZ_64K, hva);
	vmm_poke(vcpu, GPA_A, 5);
	CHECK_ERRNO(vmm_try_slot(vm, 1, KVM_MEM_READONLY, GPA_A, SZ_64K, hva),
		    EINVAL);
	vmm_poke(vcpu, GPA_A, 6);
	vmm_slot(vm, 1, 0, GPA_A, 0, NULL);
	vmm_slot(vm, 1, KVM_MEM_READONLY, GPA_A, SZ_64K, hva);
	CHECK_EQ(vmm_access(vcpu, GPA_A, true, &value), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 6);
	CHECK_ERRNO(vmm_try_slot(vm, 1, 0, GPA_A, SZ_64K, hva), EINVAL);
	vmm_slot(vm, 1, 0, GPA_A, 0, NULL);
	vmm_slot(vm, 1, 0, GPA_A, SZ_64K, hva);
	vmm_poke(vcpu, GPA_A, 7);
	CHECK_EQ(hva[0], 7);
}

GUEST(rom_code, 64,
	"mov $0x77, %eax\n"
	"out %al, $0x10\n"
	"hlt\n");

TEST(readonly_execute, "a guest executes from READONLY memory")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);
	uint8_t *rom = vmm_map_anon(SZ_64K);

	memcpy(rom, rom_code.start, rom_code.end - rom_code.start);
	OK(mprotect(rom, SZ_64K, PROT_READ));
	vmm_slot(vcpu->vm, 1, KVM_MEM_READONLY, 0xffff0000ull, SZ_64K, rom);
	regs.rip = 0xffff0000ull;
	vmm_set_regs(vcpu, &regs);
	CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 1), 0x77);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(dirty_flag, "LOG_DIRTY_PAGES can be set and cleared on a live slot")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);
	int i;

	for (i = 0; i < 3; i++) {
		vmm_poke(vcpu, GPA_A, i);
		vmm_slot(vcpu->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_A, SZ_64K,
			 hva);
		CHECK_EQ(vmm_peek(vcpu, GPA_A), i);
		vmm_poke(vcpu, GPA_A, 100 + i);
		CHECK_EQ(hva[0], 100 + i);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	}
}

TEST(above_4g, "a slot at 16 GiB, reached by page tables")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	uint64_t va = 0x7f0000000000ull;

	numbered_slot(vcpu->vm, 1, 16 * SZ_1G, SZ_2M, 900);
	vmm_map(vcpu->vm, VMM_LONG, sregs.cr3, va, 16 * SZ_1G, SZ_2M,
		PTE_P | PTE_W);
	CHECK_EQ(vmm_peek(vcpu, va), 900);
	CHECK_EQ(vmm_peek(vcpu, va + SZ_2M - SZ_4K), 900 + 511);
	vmm_slot(vcpu->vm, 1, 0, 0, 0, NULL);
	vmm_expect_hole(vcpu, va);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
}

TEST(big_slot, "a sparse slot of 3 GiB is memory from end to end")
{
	struct vmm_vcpu *vcpu = boot();
	uint8_t *hva = vmm_map_anon(3 * SZ_1G);
	uint64_t offset;

	vmm_slot(vcpu->vm, 1, 0, GPA_A, 3 * SZ_1G, hva);
	for (offset = 0; offset < 3 * SZ_1G; offset += 256 * SZ_1M - SZ_4K) {
		vmm_poke(vcpu, GPA_A + offset, offset);
		CHECK_EQ(*(uint64_t *)(hva + offset), offset);
	}
	*(uint64_t *)(hva + 3 * SZ_1G - 8) = 0x99;
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 3 * SZ_1G - 8), 0x99);
	vmm_expect_hole(vcpu, GPA_A + 3 * SZ_1G);
}

TEST(added_during_exit, "memory added during an MMIO exit serves the next access")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t value = 0;

	CHECK_EQ(vmm_access(vcpu, GPA_A, false, &value), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	numbered_slot(vcpu->vm, 1, GPA_A, SZ_4K, 3);
	vmm_mmio_answer(vcpu, 0xbeef);
	/* The access that exited still gets userspace's answer. */
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 0xbeef);
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 3);
}

/* Reads the word at RSI for ever; counts rounds at RDI. */
GUEST(reader, 64,
	"1: mov (%rsi), %rax\n"
	"incq (%rdi)\n"
	"jmp 1b\n");

static void wait_for_progress(volatile uint64_t *counter)
{
	uint64_t start = *counter;

	while (*counter == start)
		vmm_sleep_ms(1);
}

TEST(delete_while_running, "a running guest exits as MMIO when its slot goes")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, reader);
	volatile uint64_t *counter;
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);
	struct vmm_thread t;
	int i;

	counter = (volatile uint64_t *)(vcpu->vm->ram + GPA_DATA);
	regs.rsi = GPA_A;
	regs.rdi = GPA_DATA;
	vmm_set_regs(vcpu, &regs);
	for (i = 0; i < 5; i++) {
		vmm_start(&t, vcpu);
		wait_for_progress(counter);
		CHECK(!t.done);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
		CHECK_EQ(vmm_join(&t), 0);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(vcpu->run->mmio.phys_addr, GPA_A);
		vmm_slot(vcpu->vm, 1, 0, GPA_A, SZ_64K, hva);
	}
}

TEST(move_while_running, "a running guest never reads a slot at two places")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, reader);
	volatile uint64_t *counter;
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t *hva = numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);
	struct vmm_thread t;

	counter = (volatile uint64_t *)(vcpu->vm->ram + GPA_DATA);
	regs.rsi = GPA_A;
	regs.rdi = GPA_DATA;
	vmm_set_regs(vcpu, &regs);
	vmm_start(&t, vcpu);
	wait_for_progress(counter);
	vmm_slot(vcpu->vm, 1, 0, GPA_B, SZ_64K, hva);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(vcpu->run->mmio.phys_addr, GPA_A);
	vmm_mmio_answer(vcpu, 0);
	regs = vmm_regs(vcpu);
	regs.rsi = GPA_B;
	vmm_set_regs(vcpu, &regs);
	vmm_start(&t, vcpu);
	wait_for_progress(counter);
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
	CHECK_EQ(vmm_regs(vcpu).rax, 3);
}

TEST(unrelated_while_running, "adding and deleting other slots is not noticed")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, reader);
	volatile uint64_t *counter;
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t *other = vmm_map_anon(SZ_64K);
	unsigned long i, n = tap_scaled(100, 10);
	struct vmm_thread t;

	counter = (volatile uint64_t *)(vcpu->vm->ram + GPA_DATA);
	numbered_slot(vcpu->vm, 1, GPA_A, SZ_64K, 3);
	regs.rsi = GPA_A;
	regs.rdi = GPA_DATA;
	vmm_set_regs(vcpu, &regs);
	vmm_start(&t, vcpu);
	for (i = 0; i < n; i++) {
		vmm_slot(vcpu->vm, 2, 0, GPA_B, SZ_64K, other);
		vmm_slot(vcpu->vm, 2, 0, GPA_B, 0, NULL);
	}
	wait_for_progress(counter);
	CHECK(!t.done);
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
}

TEST(no_memory, "a vcpu without any memory does not run code")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	int r;

	/*
	 * Fetching from nowhere cannot be emulated. In-tree KVM does not even
	 * get there: it sizes its page-table pool by the slots and finds none.
	 */
	vmm_set_mode(vcpu, VMM_REAL);
	r = vmm_run(vcpu);
	if (r == -ENOSPC)
		return;
	CHECK_EQ(r, 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}
