// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest uses every fourth page of its memory all the time and the rest never
 * again; its cgroup gives half of the rest back, bit by bit. Whether the host
 * takes cold pages or hot ones depends on nothing but aging.
 *
 * AGING_MB is the size of the guest (a multiple of 4). Prints "name value":
 * the hot pages that had to be swapped in again, and what was reclaimed.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GPA		(256 * SZ_1M)
#define HOT_STEP	4		/* every fourth page is hot */
#define STEPS		96		/* in which the limit goes down */
#define PASSES_AFTER	16
#define CGROUPS		"/sys/fs/cgroup"
#define GROUP		CGROUPS "/aging"
#define PM_SWAP		(1ull << 62)

/* Reads a word of RCX pages, RDX bytes apart, from RSI on; writes if RDI. */
GUEST(visit_pages, 64,
	"1: test %rdi, %rdi\n"
	"jz 2f\n"
	"mov %rsi, (%rsi)\n"
	"2: mov (%rsi), %rax\n"
	"add %rdx, %rsi\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"hlt\n");

/* The guest's memory under test. */
struct ram {
	struct vmm_vcpu *vcpu;
	uint8_t *hva;
	uint64_t pages;
	int pagemap;
	uint64_t *entries;	/* of the last look */
};

static void guest_visit(struct ram *ram, uint64_t step, bool write)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = ram->pages / step, .rdx = step * SZ_4K, .rsi = GPA,
		.rdi = write,
	};

	vmm_set_regs(ram->vcpu, &regs);
	vmm_run_to(ram->vcpu, KVM_EXIT_HLT);
}

struct swapped {
	uint64_t hot, cold;
};

static struct swapped look(struct ram *ram)
{
	off_t at = (uintptr_t)ram->hva / SZ_4K * sizeof(uint64_t);
	ssize_t size = ram->pages * sizeof(uint64_t);
	struct swapped found = { 0, 0 };
	uint64_t i;

	CHECK(pread(ram->pagemap, ram->entries, size, at) == size);
	for (i = 0; i < ram->pages; i++) {
		if (!(ram->entries[i] & PM_SWAP))
			continue;
		if (i % HOT_STEP)
			found.cold++;
		else
			found.hot++;
	}
	return found;
}

static void write_number(const char *path, uint64_t number)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)number);

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	CHECKF(write(fd, text, n) == n, "%s does not take %s: %s", path, text,
	       strerror(errno));
	close(fd);
}

static uint64_t read_number(const char *path)
{
	unsigned long long number;
	FILE *file = fopen(path, "r");

	CHECKF(file, "%s: %s", path, strerror(errno));
	CHECK(fscanf(file, "%llu", &number) == 1);
	fclose(file);
	return number;
}

/* The calling process is in a cgroup of its own from here on. */
static void group_enter(void)
{
	int fd = open(CGROUPS "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	CHECKF(fd >= 0, "no cgroup v2: %s", strerror(errno));
	CHECKF(write(fd, "+memory", 7) == 7, "no memory controller: %s",
	       strerror(errno));
	close(fd);
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		FAIL("%s: %s", GROUP, strerror(errno));
	write_number(GROUP "/cgroup.procs", getpid());
}

static void ram_make(struct ram *ram, uint64_t size)
{
	uint8_t *hva = vmm_map_anon(size + SZ_2M);

	ram->hva = (uint8_t *)(((uintptr_t)hva + SZ_2M - 1) & ~(SZ_2M - 1));
	ram->pages = size / SZ_4K;
	OK(madvise(ram->hva, size, MADV_NOHUGEPAGE));
	ram->entries = malloc(ram->pages * sizeof(uint64_t));
	CHECK(ram->entries);
	ram->pagemap = (int)OK(open("/proc/self/pagemap",
				    O_RDONLY | O_CLOEXEC));
	ram->vcpu = vmm_boot(SZ_1M, VMM_LONG, visit_pages);
	vmm_slot(ram->vcpu->vm, 1, 0, GPA, size, ram->hva);
}

/* The limit goes down by one of STEPS steps, whatever else was freed. */
static void press(uint64_t goal)
{
	uint64_t now = read_number(GROUP "/memory.current");

	write_number(GROUP "/memory.max", now - goal / STEPS * SZ_4K);
}

TEST(aging, "hot pages stay while half of the others go")
{
	uint64_t size = strtoull(getenv("AGING_MB") ?: "64", NULL, 0) * SZ_1M;
	uint64_t goal, refaults = 0;
	int steps = 0, after = 0, i;
	struct swapped now = { 0, 0 };
	struct ram ram;

	group_enter();
	ram_make(&ram, size);
	goal = ram.pages / HOT_STEP * (HOT_STEP - 1) / 2;
	guest_visit(&ram, 1, true);
	for (i = 0; i < 4; i++)
		guest_visit(&ram, HOT_STEP, false);
	while (after < PASSES_AFTER) {
		if (now.cold + now.hot >= goal) {
			after++;
		} else {
			CHECKF(steps++ < 2 * STEPS,
			       "only %llu pages are swapped out",
			       (unsigned long long)(now.cold + now.hot));
			press(goal);
		}
		/* Between the host's turn and the guest's: what will refault. */
		now = look(&ram);
		refaults += now.hot;
		guest_visit(&ram, HOT_STEP, false);
	}
	printf("aging_hot_pages %llu\naging_refaults %llu\n"
	       "aging_reclaimed %llu\naging_goal %llu\naging_steps %d\n",
	       (unsigned long long)ram.pages / HOT_STEP,
	       (unsigned long long)refaults,
	       (unsigned long long)(now.cold + now.hot),
	       (unsigned long long)goal, steps);
}
