// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPIs that reach a CPU in the guest while the host reclaims the guest's memory.
 * Needs two CPUs and swap. Reclaim must not let a write through once it writes a page
 * out, so it flushes after every page that was dirty in the page table, and may
 * gather the others.
 */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION		(32 * SZ_1M)
#define REGION_PAGES	(REGION / SZ_4K)
#define GROUP		"/sys/fs/cgroup/bench-reclaim"

/*
 * RCX pages from RSI on, RCX a power of two: reads a word of each, and writes it back if
 * RDI. After page n comes page n * RDX + R8.
 */
GUEST(visit_loop, 64,
	"mov %rcx, %r10\n"
	"dec %r10\n"
	"xor %r9, %r9\n"
	"1: mov %r9, %r11\n"
	"shl $12, %r11\n"
	"mov (%rsi, %r11), %rax\n"
	"test %rdi, %rdi\n"
	"jz 2f\n"
	"mov %rax, (%rsi, %r11)\n"
	"2: imul %rdx, %r9\n"
	"add %r8, %r9\n"
	"and %r10, %r9\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"hlt\n");

/* Reads a word of every fourth of RCX pages from RSI on, and again. */
GUEST(hot_loop, 64,
	".skip 512\n"
	"1: xor %r11, %r11\n"
	"mov %rcx, %rdx\n"
	"2: mov (%rsi, %r11), %rax\n"
	"add $16384, %r11\n"
	"pause\n"
	"sub $4, %rdx\n"
	"jnz 2b\n"
	"jmp 1b\n");

enum order { IN_ORDER, SCATTERED };

struct ram {
	struct vmm_vcpu *vcpu;
	uint8_t *hva;
};

static void visit(struct ram *ram, bool write, enum order order)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = REGION_PAGES, .rsi = BENCH_GPA, .rdi = write,
		/* Every page once: the first is 1 modulo 4, the second odd. */
		.rdx = order == IN_ORDER ? 1 : 1229, .r8 = order == IN_ORDER ? 1 : 3571,
	};

	vmm_set_regs(ram->vcpu, &regs);
	vmm_run_to(ram->vcpu, KVM_EXIT_HLT);
}

static bool try_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* The calling process is in a cgroup of its own from here on. */
static void group_enter(void)
{
	char pid[16];

	try_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		FAIL(GROUP ": %s", strerror(errno));
	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECKF(try_write(GROUP "/cgroup.procs", pid), GROUP ": %s", strerror(errno));
}

/* All of it. Pages found in use are spared at first. */
static void reclaim_advised(struct ram *ram)
{
	int i;

	for (i = 0; i < 3; i++)
		OK(madvise(ram->hva, REGION, MADV_PAGEOUT));
}

/* Half of it, as the LRU has it, 32 pages at a time. */
static void reclaim_group(struct ram *ram)
{
	char bytes[24];

	snprintf(bytes, sizeof(bytes), "%llu", REGION / 2ull);
	/* It may say that it did not get all. */
	try_write(GROUP "/memory.reclaim", bytes);
}

static uint64_t present(struct ram *ram)
{
	uint64_t entries[512], pages = 0;
	off_t at = (uintptr_t)ram->hva / SZ_4K * 8;
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	unsigned int i, j;

	for (i = 0; i < REGION_PAGES / 512; i++) {
		CHECK(pread(fd, entries, sizeof(entries), at + i * sizeof(entries)) ==
		      sizeof(entries));
		for (j = 0; j < 512; j++)
			pages += entries[j] >> 63;
	}
	close(fd);
	return pages;
}

/*
 * Counts what the vcpu's CPU, the second, gets to feel of it. Return: how often the
 * module has made it flush.
 */
static uint64_t reclaim_row(struct ram *ram, const char *name)
{
	uint64_t pages = present(ram), kicks, ipis;
	char row[64];

	kicks = bench_stat(ram->vcpu->vm, "remote_tlb_flush");
	ipis = bench_interrupts("CAL") + bench_interrupts("RES");
	reclaim_group(ram);
	ipis = bench_interrupts("CAL") + bench_interrupts("RES") - ipis;
	kicks = bench_stat(ram->vcpu->vm, "remote_tlb_flush") - kicks;
	pages -= present(ram);
	CHECKF(pages >= REGION_PAGES / 4, "only %llu pages were reclaimed",
	       (unsigned long long)pages);
	snprintf(row, sizeof(row), "reclaim_%s_pages", name);
	bench_row(row, pages, 1);
	snprintf(row, sizeof(row), "reclaim_%s_kicks", name);
	bench_row(row, kicks * 1000, pages);
	snprintf(row, sizeof(row), "reclaim_%s_ipis", name);
	bench_row(row, ipis * 1000, pages);
	return kicks;
}

/*
 * Read after it was swapped in, a page is clean in the page table. What the guest
 * uses in order lies in order on the LRU lists.
 */
static void reclaim_rows(struct ram *ram)
{
	visit(ram, true, IN_ORDER);
	reclaim_row(ram, "dirty");
	reclaim_advised(ram);
	visit(ram, false, IN_ORDER);
	reclaim_row(ram, "clean");
	reclaim_advised(ram);
	visit(ram, true, SCATTERED);
	reclaim_row(ram, "scattered_dirty");
	reclaim_advised(ram);
	visit(ram, false, SCATTERED);
	reclaim_row(ram, "scattered_clean");
}

/* A vcpu that uses a quarter of the memory and never stops by itself. */
static struct vmm_vcpu *hot_vcpu(struct ram *ram)
{
	struct vmm_vcpu *vcpu = bench_spinner(ram->vcpu->vm, ram->vcpu);
	struct kvm_regs regs = {
		.rip = GPA_CODE + 512, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = REGION_PAGES, .rsi = BENCH_GPA,
	};

	memcpy(vcpu->vm->ram + GPA_CODE + 512, hot_loop.start + 512,
	       hot_loop.end - hot_loop.start - 512);
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

/* What one vcpu uses all the time stays; what it has to come out for is counted. */
static void reclaim_beside(struct ram *ram)
{
	struct vmm_thread user;
	uint64_t exits;

	reclaim_advised(ram);
	visit(ram, true, SCATTERED);
	vmm_pin(1);
	vmm_start(&user, hot_vcpu(ram));
	vmm_pin(0);
	vmm_sleep_ms(200);
	exits = -bench_faults(ram->vcpu->vm);
	exits += reclaim_row(ram, "beside");
	vmm_sleep_ms(200);
	exits += bench_faults(ram->vcpu->vm);
	bench_row("reclaim_beside_exits", exits, 1);
	CHECK(!user.done);
	vmm_kick(&user);
	vmm_join(&user);
}

TEST(reclaim, "IPIs to a running vcpu while memory is reclaimed")
{
	struct vmm_thread spinner;
	struct ram ram;

	if (vmm_cpus() < 2)
		SKIP("one CPU only");
	group_enter();
	ram.hva = bench_region(REGION, MADV_NOHUGEPAGE);
	ram.vcpu = vmm_boot(SZ_1M, VMM_LONG, visit_loop);
	vmm_slot(ram.vcpu->vm, 1, 0, BENCH_GPA, REGION, ram.hva);
	vmm_pin(1);
	vmm_start(&spinner, bench_spinner(ram.vcpu->vm, ram.vcpu));
	vmm_pin(0);
	vmm_sleep_ms(50);
	reclaim_rows(&ram);
	CHECK(!spinner.done);
	vmm_kick(&spinner);
	vmm_join(&spinner);
	reclaim_beside(&ram);
}
