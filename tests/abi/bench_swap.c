// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to swap: a guest, and a process without a VM, each fill and
 * verify twice as much memory as their cgroup allows.
 */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define CGROUPS		"/sys/fs/cgroup"
#define GROUP		CGROUPS "/kvm-swap-bench"
#define SIZE		(128 * SZ_1M)
#define LIMIT		(64 * SZ_1M)
#define SEED		0x5a17c3d2ul
#define PAGES_TOUCHED	(2 * SIZE / SZ_4K)

/*
 * Every dword of [RSI, RSI + RCX) gets its offset XOR EBX and is then
 * compared; RDX counts what is wrong. @r as for BENCH_TOUCH().
 */
#define FILL_VERIFY(r) \
	"xor " r "edx, " r "edx\n" \
	"xor " r "edi, " r "edi\n" \
	"1: mov " r "edi, " r "eax\n" \
	"xor " r "ebx, " r "eax\n" \
	"mov " r "eax, (" r "rsi, " r "rdi)\n" \
	"add $4, " r "rdi\n" \
	"cmp " r "rcx, " r "rdi\n" \
	"jb 1b\n" \
	"xor " r "edi, " r "edi\n" \
	"1: mov " r "edi, " r "eax\n" \
	"xor " r "ebx, " r "eax\n" \
	"cmp " r "eax, (" r "rsi, " r "rdi)\n" \
	"jne 3f\n" \
	"2: add $4, " r "rdi\n" \
	"cmp " r "rcx, " r "rdi\n" \
	"jb 1b\n" \
	"jmp 4f\n" \
	"3: inc " r "rdx\n" \
	"jmp 2b\n" \
	"4:\n"

GUEST(fill_verify, 64, FILL_VERIFY("%") "hlt\n");

/* What a measuring process hands back; shared memory. */
struct swap_cost {
	uint64_t ticks;
	uint64_t idle_ms;
	uint64_t bad;
	uint64_t swapped_out;	/* pages, by everybody on the machine */
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	CHECKF(write(fd, text, strlen(text)) == (ssize_t)strlen(text),
	       "%s does not take \"%s\": %s", path, text, strerror(errno));
	close(fd);
}

/* The number behind @key in a file of "key number" lines. */
static uint64_t find_number(const char *path, const char *key, int skip)
{
	unsigned long long n[5] = { 0 };
	char line[512];
	FILE *file = fopen(path, "r");

	CHECKF(file, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		size_t len = strlen(key);

		if (strncmp(line, key, len))
			continue;
		sscanf(line + len, " %llu %llu %llu %llu %llu", &n[0], &n[1],
		       &n[2], &n[3], &n[4]);
		break;
	}
	fclose(file);
	return n[skip];
}

static uint64_t idle_ms(void)
{
	uint64_t hz = sysconf(_SC_CLK_TCK);

	return (find_number("/proc/stat", "cpu ", 3) +
		find_number("/proc/stat", "cpu ", 4)) * 1000 / hz;
}

static void swap_begin(struct swap_cost *cost)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file(GROUP "/cgroup.procs", pid);
	cost->swapped_out = -find_number("/proc/vmstat", "pswpout ", 0);
	cost->idle_ms = -idle_ms();
}

static void swap_end(struct swap_cost *cost)
{
	cost->idle_ms += idle_ms();
	cost->swapped_out += find_number("/proc/vmstat", "pswpout ", 0);
}

static void swap_plain(struct swap_cost *cost)
{
	uint8_t *hva = bench_region(SIZE, MADV_NOHUGEPAGE);
	uint64_t bad, size = SIZE, seed = SEED, begin;

	swap_begin(cost);
	begin = __rdtsc();
	asm volatile(FILL_VERIFY("%%") : "=&d"(bad), "+c"(size), "+b"(seed)
		     : "S"(hva) : "rax", "rdi", "memory", "cc");
	cost->ticks = __rdtsc() - begin;
	cost->bad = bad;
	swap_end(cost);
}

static void swap_guest(struct swap_cost *cost)
{
	uint8_t *hva = bench_region(SIZE, MADV_NOHUGEPAGE);
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, fill_verify);
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t begin;

	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, SIZE, hva);
	regs.rsi = BENCH_GPA;
	regs.rcx = SIZE;
	regs.rbx = SEED;
	vmm_set_regs(vcpu, &regs);
	swap_begin(cost);
	begin = __rdtsc();
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	cost->ticks = __rdtsc() - begin;
	cost->bad = vmm_regs(vcpu).rdx;
	swap_end(cost);
}

/* In a process of its own, whose memory is gone afterwards. */
static void swap_measure(void (*run)(struct swap_cost *),
			 struct swap_cost *cost)
{
	int status;
	pid_t pid = (pid_t)OK(fork());

	if (!pid) {
		run(cost);
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the measuring process did not end well");
	CHECKF(!cost->bad, "%llu dwords are wrong",
	       (unsigned long long)cost->bad);
	CHECKF(cost->swapped_out >= (SIZE - LIMIT) / SZ_4K,
	       "only %llu pages were swapped out",
	       (unsigned long long)cost->swapped_out);
}

static void swap_group(void)
{
	char limit[32];

	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		FAIL("%s: %s", GROUP, strerror(errno));
	snprintf(limit, sizeof(limit), "%llu", LIMIT);
	write_file(GROUP "/memory.max", limit);
}

TEST(swap, "fill and verify 128 MiB in 64 MiB")
{
	struct swap_cost *cost;

	if (find_number("/proc/meminfo", "SwapTotal:", 0) * 1024 < SIZE)
		SKIP("there is no swap space of 128 MiB");
	swap_group();
	cost = mmap(NULL, 2 * sizeof(*cost), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(cost != MAP_FAILED);
	swap_measure(swap_plain, &cost[0]);
	swap_measure(swap_guest, &cost[1]);
	OK(rmdir(GROUP));
	bench_row("swap_total", cost[1].ticks, PAGES_TOUCHED);
	bench_row("swap_plain", cost[0].ticks, PAGES_TOUCHED);
	bench_row("swap_share", cost[1].ticks - cost[0].ticks, PAGES_TOUCHED);
	bench_row("swap_idle_ms", cost[0].idle_ms + cost[1].idle_ms, 1);
	bench_row("swap_pages_out", cost[1].swapped_out, 1);
	bench_row("swap_pages_out_plain", cost[0].swapped_out, 1);
}
