// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one exit costs, in ticks of the host's TSC: instructions under QEMU's
 * -icount, Bochs' ticks under Bochs. Each figure is the minimum of several
 * rounds, so that a timer tick in one of them does not count. Prints
 * "name ticks_per_operation", one per line.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#ifndef MADV_HUGEPAGE
#define MADV_HUGEPAGE 14
#endif
#ifndef MADV_NOHUGEPAGE
#define MADV_NOHUGEPAGE 15
#endif

#define GPA_A	(256 * SZ_1M)

static void report(const char *name, uint64_t ticks, uint64_t operations)
{
	printf("%s %llu\n", name,
	       (unsigned long long)((ticks + operations / 2) / operations));
	fflush(stdout);
}

/* RCX operations, then HLT. RAX, RDX and RSI are the host's to set. */
GUEST(loop_cpuid, 64,
	"mov %ecx, %edi\n"
	"1: xor %eax, %eax\n"
	"xor %ecx, %ecx\n"
	"cpuid\n"
	"dec %edi\n"
	"jnz 1b\n"
	"hlt\n");
GUEST(loop_vmmcall, 64,
	"1: mov $0x7654321, %eax\n"
	"vmmcall\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");
GUEST(loop_vmcall, 64,
	"1: mov $0x7654321, %eax\n"
	"vmcall\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");
GUEST(loop_out, 64,
	"1: out %al, %dx\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");
GUEST(loop_mmio_read, 64,
	"1: mov (%rsi), %eax\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");
GUEST(loop_mmio_write, 64,
	"1: mov %eax, (%rsi)\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");
/* Writes one word every RDX bytes. */
GUEST(loop_touch, 64,
	"1: mov %rax, (%rsi)\n"
	"add %rdx, %rsi\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");

static void start(struct vmm_vcpu *vcpu, uint64_t count, uint64_t rdx,
		  uint64_t rsi)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = count, .rdx = rdx, .rsi = rsi,
	};

	vmm_set_regs(vcpu, &regs);
}

/* Ticks from here to HLT, with @exits exits to userspace on the way. */
static uint64_t run_timed(struct vmm_vcpu *vcpu, uint64_t exits)
{
	uint64_t begin, end, i;

	begin = __rdtsc();
	for (i = 0; i < exits; i++)
		ioctl(vcpu->fd, KVM_RUN, 0ul);
	ioctl(vcpu->fd, KVM_RUN, 0ul);
	end = __rdtsc();
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	return end - begin;
}

static void bench_loop(const char *name, struct vmm_blob code, uint64_t count,
		       bool to_user, uint64_t rdx, uint64_t rsi)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, code);
	uint64_t best = ~0ull, ticks;
	int round;

	for (round = 0; round < 8; round++) {
		start(vcpu, count, rdx, rsi);
		ticks = run_timed(vcpu, to_user ? count : 0);
		if (ticks < best)
			best = ticks;
	}
	report(name, best, count);
	vmm_destroy(vcpu->vm);
}

static void bench_immediate_exit(uint64_t count)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, loop_out);
	uint64_t best = ~0ull, begin, ticks, i;
	int round;

	vcpu->run->immediate_exit = 1;
	for (round = 0; round < 8; round++) {
		begin = __rdtsc();
		for (i = 0; i < count; i++)
			ioctl(vcpu->fd, KVM_RUN, 0ul);
		ticks = __rdtsc() - begin;
		if (ticks < best)
			best = ticks;
	}
	report("immediate_exit", best, count);
	vmm_destroy(vcpu->vm);
}

static uint8_t *aligned(uint64_t size, int advice)
{
	uint8_t *p = vmm_map_anon(size + SZ_2M);

	p = (uint8_t *)(((uintptr_t)p + SZ_2M - 1) & ~(SZ_2M - 1));
	(void)madvise(p, size, advice);
	return p;
}

/*
 * The guest's first touch of @pages pages of @page bytes: @present in the host
 * before, or not. A new slot each round, so nothing is left of the last.
 */
static void bench_touch(const char *name, uint64_t pages, uint64_t page,
			bool present)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, loop_touch);
	uint64_t size = pages * page, best = ~0ull, ticks, i;
	uint8_t *hva = aligned(size, page == SZ_2M ? MADV_HUGEPAGE :
			       MADV_NOHUGEPAGE);
	int round;

	for (round = 0; round < 4; round++) {
		OK(madvise(hva, size, MADV_DONTNEED));
		for (i = 0; present && i < size; i += SZ_4K)
			hva[i] = 1;
		vmm_slot(vcpu->vm, 1, 0, GPA_A, size, hva);
		start(vcpu, pages, page, GPA_A);
		ticks = run_timed(vcpu, 0);
		if (ticks < best)
			best = ticks;
		vmm_slot(vcpu->vm, 1, 0, GPA_A, 0, NULL);
	}
	report(name, best, pages);
	vmm_destroy(vcpu->vm);
}

static bool cpu_is_amd(void)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 0, 0);
	bool amd = e && (e->ebx == 0x68747541 || e->ebx == 0x6f677948);

	free(cpuid);
	return amd;
}

TEST(bench, "cost of exits in ticks")
{
	uint64_t count = tap_scaled(2000, 200);

	bench_loop("cpuid", loop_cpuid, count, false, 0, 0);
	bench_loop("hypercall", cpu_is_amd() ? loop_vmmcall : loop_vmcall,
		   count, false, 0, 0);
	bench_loop("out_user", loop_out, count, true, 0x80, 0);
	bench_loop("mmio_read_user", loop_mmio_read, count, true, 0, GPA_MMIO);
	bench_loop("mmio_write_user", loop_mmio_write, count, true, 0, GPA_MMIO);
	bench_immediate_exit(count);
	bench_touch("touch_4k_present", 1024, SZ_4K, true);
	bench_touch("touch_4k_absent", 1024, SZ_4K, false);
	bench_touch("touch_2m_present", 16, SZ_2M, true);
}
