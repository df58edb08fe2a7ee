// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest writes a pattern over 64 MiB and checks it, in every mode and page
 * size, on an idle host and under stress.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION_GPA	(16 * SZ_1M)
#define REGION_SIZE	(64 * SZ_1M)
#define REGION_VA	0x40000000ull	/* where it is mapped scrambled */
#define SEED		0x5a17c3d2u

/*
 * Every 16 bytes from ESI up to ECX get their own address XOR EBX, four times.
 * After an OUT to port 0x11 they are compared; EDX counts what is wrong.
 */
#define PATTERN_32 \
	"mov %esi, %edi\n" \
	"1: mov %edi, %eax\n" \
	"xor %ebx, %eax\n" \
	"mov %eax, (%edi)\n" \
	"mov %eax, 4(%edi)\n" \
	"mov %eax, 8(%edi)\n" \
	"mov %eax, 12(%edi)\n" \
	"add $16, %edi\n" \
	"cmp %ecx, %edi\n" \
	"jb 1b\n" \
	"xor %edx, %edx\n" \
	"out %al, $0x11\n" \
	"mov %esi, %edi\n" \
	"1: mov %edi, %eax\n" \
	"xor %ebx, %eax\n" \
	"cmp %eax, (%edi)\n jne 2f\n" \
	"cmp %eax, 4(%edi)\n jne 2f\n" \
	"cmp %eax, 8(%edi)\n jne 2f\n" \
	"cmp %eax, 12(%edi)\n jne 2f\n" \
	"3: add $16, %edi\n" \
	"cmp %ecx, %edi\n" \
	"jb 1b\n" \
	"hlt\n" \
	"2: inc %edx\n" \
	"jmp 3b\n"

GUEST(pattern16, 16, PATTERN_32);
GUEST(pattern32, 32, PATTERN_32);
/* In 64-bit code with 64-bit addresses; the pattern is 32 bits wide, too. */
GUEST(pattern64, 64,
	"mov %rsi, %rdi\n"
	"1: mov %edi, %eax\n"
	"xor %ebx, %eax\n"
	"mov %eax, (%rdi)\n"
	"mov %eax, 4(%rdi)\n"
	"mov %eax, 8(%rdi)\n"
	"mov %eax, 12(%rdi)\n"
	"add $16, %rdi\n"
	"cmp %rcx, %rdi\n"
	"jb 1b\n"
	"xor %edx, %edx\n"
	"out %al, $0x11\n"
	"mov %rsi, %rdi\n"
	"1: mov %edi, %eax\n"
	"xor %ebx, %eax\n"
	"cmp %eax, (%rdi)\n jne 2f\n"
	"cmp %eax, 4(%rdi)\n jne 2f\n"
	"cmp %eax, 8(%rdi)\n jne 2f\n"
	"cmp %eax, 12(%rdi)\n jne 2f\n"
	"3: add $16, %rdi\n"
	"cmp %rcx, %rdi\n"
	"jb 1b\n"
	"hlt\n"
	"2: inc %edx\n"
	"jmp 3b\n");

/* How the region is mapped: pages of @page bytes in reverse order, or as is. */
struct layout {
	enum vmm_mode mode;
	uint64_t page;		/* 0: identity, no scrambling */
};

static uint64_t region_va(const struct layout *l)
{
	if (l->page == SZ_1G)
		return REGION_VA + REGION_GPA;
	return l->page ? REGION_VA : REGION_GPA;
}

/* Where the byte at @offset of the virtual region is in guest-physical memory. */
static uint64_t region_gpa(const struct layout *l, uint64_t offset)
{
	uint64_t page = l->page;

	if (!page || page == SZ_1G)
		return REGION_GPA + offset;
	return REGION_GPA + REGION_SIZE - page - offset / page * page +
	       offset % page;
}

static struct vmm_vcpu *boot(const struct layout *l)
{
	struct vmm_blob code = pattern32;
	struct vmm_vcpu *vcpu;
	struct kvm_regs regs;
	uint64_t cr3, offset;

	if (l->mode == VMM_BIGREAL || l->mode == VMM_PROT16)
		code = pattern16;
	if (l->mode == VMM_LONG)
		code = pattern64;
	vcpu = vmm_boot(REGION_GPA + REGION_SIZE, l->mode, code);
	cr3 = vmm_sregs(vcpu).cr3;
	if (l->page == SZ_1G)
		vmm_map(vcpu->vm, l->mode, cr3, REGION_VA, 0, SZ_1G,
			PTE_P | PTE_W);
	for (offset = 0; l->page && l->page < SZ_1G && offset < REGION_SIZE;
	     offset += l->page)
		vmm_map(vcpu->vm, l->mode, cr3, REGION_VA + offset,
			region_gpa(l, offset), l->page, PTE_P | PTE_W);
	regs = vmm_regs(vcpu);
	regs.rsi = region_va(l);
	regs.rcx = region_va(l) + REGION_SIZE;
	regs.rbx = SEED;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

/* What the guest has written, read by the host: each page at three places. */
static void check_region(struct vmm_vcpu *vcpu, const struct layout *l)
{
	static const uint32_t places[] = { 0, 0x7f4, 0xffc };
	uint64_t offset;
	unsigned int i;

	for (offset = 0; offset < REGION_SIZE; offset += SZ_4K) {
		for (i = 0; i < 3; i++) {
			uint64_t at = offset + places[i];
			uint64_t gpa = region_gpa(l, at);
			uint32_t got = *(uint32_t *)(vcpu->vm->ram + gpa);
			uint32_t want;

			want = (uint32_t)((region_va(l) + at) & ~15ull) ^ SEED;
			CHECKF(got == want, "gpa 0x%llx holds 0x%x, not 0x%x",
			       (unsigned long long)gpa, got, want);
		}
	}
}

static void run_pattern(const struct layout *l)
{
	struct vmm_vcpu *vcpu = boot(l);

	vmm_run_to_out(vcpu, 0x11, 1);
	check_region(vcpu, l);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx, 0);
}

/* Children that keep CPUs and memory busy; they die with the case. */
static void stress_cpu(void)
{
	volatile double x = 1.0;

	for (;;)
		x = x * 1.0000001 + 1e-9;
}

static void stress_memory(void)
{
	for (;;) {
		size_t size = 16 * SZ_1M, i;
		uint8_t *p = vmm_map_anon(size);

		for (i = 0; i < size; i += SZ_4K)
			p[i] = i;
		OK(madvise(p, size / 2, MADV_DONTNEED));
		OK(munmap(p, size));
	}
}

static void start_stress(void)
{
	void (*work[])(void) = { stress_cpu, stress_memory };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		pid_t pid = fork();

		OK(pid);
		if (!pid) {
			/* The guest should make progress on one CPU, too. */
			OK(nice(5));
			work[i]();
		}
	}
}

/* One KVM_RUN in a thread that is moved from CPU to CPU all the time. */
static void run_moved(struct vmm_vcpu *vcpu)
{
	static unsigned int cpu;
	struct vmm_thread t;

	vmm_start(&t, vcpu);
	while (!t.done) {
		cpu_set_t set;

		vmm_sleep_ms(3);
		CPU_ZERO(&set);
		CPU_SET(cpu++ % CPU_SETSIZE, &set);
		if (t.tid && sched_setaffinity(t.tid, sizeof(set), &set))
			cpu = 0;
	}
	CHECK_EQ(vmm_join(&t), 0);
}

static void run_stressed(const struct layout *l)
{
	struct vmm_vcpu *vcpu = boot(l);

	start_stress();
	run_moved(vcpu);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	check_region(vcpu, l);
	run_moved(vcpu);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx, 0);
}

#define PATTERN(id, text, ...)						\
	TEST(id, text)							\
	{								\
		static const struct layout l = { __VA_ARGS__ };		\
									\
		run_pattern(&l);					\
	}

#define STRESSED(id, text, ...)						\
	PATTERN(id, text, __VA_ARGS__)					\
	TEST(id##_stress, text ", on a busy host, moved between CPUs")	\
	{								\
		static const struct layout l = { __VA_ARGS__ };		\
									\
		run_stressed(&l);					\
	}

STRESSED(big_real, "64 MiB in real mode with 4 GiB segments", VMM_BIGREAL, 0)
STRESSED(prot16, "64 MiB in 16-bit protected mode", VMM_PROT16, 0)
STRESSED(prot32, "64 MiB in flat protected mode", VMM_PROT32, 0)
STRESSED(page32_4m, "64 MiB by 4 MiB pages", VMM_PAGE32, SZ_4M)
PATTERN(page32_4k, "64 MiB by 4 KiB pages, two levels", VMM_PAGE32, SZ_4K)
STRESSED(pae_2m, "64 MiB by PAE pages of 2 MiB", VMM_PAE, SZ_2M)
PATTERN(pae_4k, "64 MiB by PAE pages of 4 KiB", VMM_PAE, SZ_4K)
PATTERN(compat, "64 MiB in compatibility mode", VMM_COMPAT, SZ_2M)
PATTERN(long_4k, "64 MiB in long mode by pages of 4 KiB", VMM_LONG, SZ_4K)
STRESSED(long_2m, "64 MiB in long mode by pages of 2 MiB", VMM_LONG, SZ_2M)

TEST(long_1g, "64 MiB in long mode by a page of 1 GiB")
{
	static const struct layout l = { VMM_LONG, SZ_1G };
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());

	if (!(vmm_cpuid_find(cpuid, 0x80000001, 0)->edx & (1u << 26)))
		SKIP("this CPU has no 1 GiB pages");
	run_pattern(&l);
}

TEST(detects_corruption, "one wrong bit in 64 MiB is found")
{
	static const struct layout l = { VMM_PROT32, 0 };
	struct vmm_vcpu *vcpu = boot(&l);

	vmm_run_to_out(vcpu, 0x11, 1);
	vcpu->vm->ram[REGION_GPA + 12345678] ^= 0x10;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx, 1);
}

/*
 * Real mode proper: each word of the segments 0x1000 to 0xf000, and of 0xffff
 * above 1 MiB, gets selector XOR offset; then the same is compared.
 */
GUEST(real_pattern, 16,
	"xor %dx, %dx\n"
	"xor %bp, %bp\n"		/* 0: write, 1: compare */
	"5: mov $0x1000, %bx\n"
	"1: mov %bx, %es\n"
	"xor %di, %di\n"
	"cmp $0xffff, %bx\n"
	"jne 2f\n"
	"mov $0x10, %di\n"
	"2: mov %bx, %ax\n"
	"xor %di, %ax\n"
	"test %bp, %bp\n"
	"jnz 3f\n"
	"mov %ax, %es:(%di)\n"
	"3: cmp %ax, %es:(%di)\n"
	"je 4f\n"
	"inc %dx\n"
	"4: add $2, %di\n"
	"jnz 2b\n"
	"cmp $0xffff, %bx\n"
	"je 6f\n"
	"add $0x1000, %bx\n"
	"jnc 1b\n"
	"mov $0xffff, %bx\n"
	"jmp 1b\n"
	"6: out %al, $0x11\n"
	"inc %bp\n"
	"cmp $2, %bp\n"
	"jb 5b\n"
	"hlt\n");

static uint16_t real_word(uint32_t gpa)
{
	if (gpa >= SZ_1M)
		return 0xffff ^ (gpa - 0xffff0);
	return (gpa >> 4 & 0xf000) ^ (gpa & 0xffff);
}

TEST(real, "everything real mode reaches above 64 KiB")
{
	struct vmm_vcpu *vcpu = vmm_boot(2 * SZ_1M, VMM_REAL, real_pattern);
	uint32_t gpa;

	vmm_run_to_out(vcpu, 0x11, 1);
	for (gpa = 0x10000; gpa < SZ_1M + 0xfff0; gpa += 2) {
		uint16_t got = *(uint16_t *)(vcpu->vm->ram + gpa);

		CHECKF(got == real_word(gpa), "0x%x holds 0x%x, not 0x%x", gpa,
		       got, real_word(gpa));
	}
	vmm_run_to_out(vcpu, 0x11, 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx & 0xffff, 0);
}

TEST(real_stress, "the same on a busy host, moved between CPUs")
{
	struct vmm_vcpu *vcpu = vmm_boot(2 * SZ_1M, VMM_REAL, real_pattern);
	int i;

	start_stress();
	for (i = 0; i < 2; i++) {
		run_moved(vcpu);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	}
	run_moved(vcpu);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx & 0xffff, 0);
}

TEST(forked_meanwhile, "a guest writes on while its VMM forks")
{
	static const struct layout l = { VMM_LONG, SZ_4K };
	struct vmm_vcpu *vcpu = boot(&l);
	struct vmm_thread t;
	int status, forks;

	/* Every fork write-protects all of the guest's memory. */
	vmm_start(&t, vcpu);
	for (forks = 0; forks < 10 && !t.done; forks++) {
		pid_t pid = fork();

		OK(pid);
		if (!pid)
			_exit(0);
		OK(waitpid(pid, &status, 0));
		vmm_sleep_ms(30);
	}
	CHECK_EQ(vmm_join(&t), 0);
	check_region(vcpu, &l);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx, 0);
}
