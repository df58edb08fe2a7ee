// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does `kvm-swap top` show what a VM has really done? Runs the tool as a
 * person would and compares with what this VM's memory went through.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOOL	"/lab/kvm-swap"
#define GPA	(256 * SZ_1M)
#define SMALL	(16 * SZ_1M)		/* in 4 KiB pages */
#define LARGE	(4 * SZ_1M)		/* in 2 MiB pages */

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

GUEST(touch, 64,
	"1: mov %rax, (%rsi)\n"
	"add %rdx, %rsi\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"hlt\n");

struct output {
	char text[4096];
	int status;
};

/* Runs the tool; both its outputs are kept. */
static struct output tool(const char *words)
{
	struct output out;
	char command[256];
	size_t n;
	FILE *pipe;

	snprintf(command, sizeof(command), TOOL " %s 2>&1", words);
	pipe = popen(command, "r");
	CHECK(pipe);
	n = fread(out.text, 1, sizeof(out.text) - 1, pipe);
	out.text[n] = '\0';
	out.status = WEXITSTATUS(pclose(pipe));
	return out;
}

static struct output tool_once(struct vmm *vm)
{
	char words[64];

	snprintf(words, sizeof(words), "top --once %d-%d", getpid(), vm->fd);
	return tool(words);
}

/* A figure of --once; -1 for a dash. */
static long long figure(const struct output *out, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(out->text, key);
	CHECKF(at, "there is no %s in: %s", name, out->text);
	at += strlen(key);
	return *at == '-' ? -1 : atoll(at);
}

/* Ours count what stock modules do not. */
static bool own_modules(void)
{
	return !access("/sys/kernel/debug/kvm/mmu_unmapped", F_OK);
}

static uint8_t *region(uint64_t size, int advice)
{
	uint8_t *p = vmm_map_anon(size + SZ_2M);

	p = (uint8_t *)(((uintptr_t)p + SZ_2M - 1) & ~(SZ_2M - 1));
	OK(madvise(p, size, advice));
	return p;
}

static void touch_guest(struct vmm_vcpu *vcpu, uint64_t gpa, uint64_t size)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = size / SZ_4K, .rdx = SZ_4K, .rsi = gpa,
	};

	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

#define EXPECT(out, name, low, high)					\
	do {								\
		long long got_ = figure(out, name);			\
									\
		CHECKF(got_ >= (long long)(low) &&			\
		       got_ <= (long long)(high),			\
		       "%s=%lld, expected %lld to %lld", name, got_,	\
		       (long long)(low), (long long)(high));		\
	} while (0)

/* What a page table, the VMM's own memory and the first slot may add, in KiB. */
#define SLACK	4096

TEST(figures, "sizes and events are those of the VM")
{
	uint8_t *small = region(SMALL, MADV_NOHUGEPAGE);
	uint8_t *large = region(LARGE, MADV_HUGEPAGE);
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, touch);
	struct output out = tool_once(vcpu->vm);
	long long unmapped, faults;

	EXPECT(&out, "mapped_kb", 0, 0);
	EXPECT(&out, "faults", 0, 0);
	vmm_slot(vcpu->vm, 1, 0, GPA, SMALL, small);
	vmm_slot(vcpu->vm, 2, 0, GPA + 64 * SZ_1M, LARGE, large);
	touch_guest(vcpu, GPA, SMALL);
	memset(large, 1, LARGE);
	touch_guest(vcpu, GPA + 64 * SZ_1M, LARGE);
	out = tool_once(vcpu->vm);
	CHECK_EQ(out.status, 0);
	CHECK_EQ(figure(&out, "pid"), getpid());
	if (own_modules())
		EXPECT(&out, "guest_kb", (SMALL + LARGE + SZ_1M) >> 10,
		       (SMALL + LARGE + SZ_1M) >> 10);
	EXPECT(&out, "resident_kb", (SMALL + LARGE) >> 10,
	       ((SMALL + LARGE) >> 10) + SLACK);
	EXPECT(&out, "mapped_kb", (SMALL + LARGE) >> 10,
	       ((SMALL + LARGE) >> 10) + SLACK);
	EXPECT(&out, "huge_kb", LARGE >> 10, LARGE >> 10);
	faults = figure(&out, "faults");
	CHECKF(faults >= 2 && faults <= (long long)(SMALL / SZ_4K) + 100,
	       "faults=%lld", faults);
	if (!own_modules())
		return;
	unmapped = figure(&out, "unmapped");
	EXPECT(&out, "refilled", 1, SMALL / SZ_4K);
	OK(madvise(small, SMALL / 2, MADV_DONTNEED));
	out = tool_once(vcpu->vm);
	EXPECT(&out, "unmapped", unmapped + SMALL / 2 / SZ_4K,
	       unmapped + SMALL / 2 / SZ_4K);
	EXPECT(&out, "mapped_kb", (SMALL / 2 + LARGE) >> 10,
	       ((SMALL / 2 + LARGE) >> 10) + SLACK);
}

TEST(swapped, "memory in swap is shown, and so is aging")
{
	uint8_t *small = region(SMALL, MADV_NOHUGEPAGE);
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, touch);
	struct output out;
	long long aged;
	int i;

	if (access("/lab/swap", F_OK))
		SKIP("there is no swap space");
	vmm_slot(vcpu->vm, 1, 0, GPA, SMALL, small);
	touch_guest(vcpu, GPA, SMALL);
	out = tool_once(vcpu->vm);
	EXPECT(&out, "swapped_kb", 0, 0);
	aged = figure(&out, "aged");
	/* The first only finds the pages young. */
	OK(madvise(small, SMALL, MADV_PAGEOUT));
	out = tool_once(vcpu->vm);
	EXPECT(&out, "swapped_kb", 0, SLACK);
	if (own_modules())
		EXPECT(&out, "aged", aged + SMALL / SZ_4K - 100,
		       aged + SMALL / SZ_4K + 100);
	for (i = 0; i < 3; i++)
		OK(madvise(small, SMALL, MADV_PAGEOUT));
	out = tool_once(vcpu->vm);
	EXPECT(&out, "swapped_kb", (SMALL >> 10) - SLACK, SMALL >> 10);
	EXPECT(&out, "resident_kb", 0, 2 * SLACK);
	EXPECT(&out, "mapped_kb", 0, SLACK);
}

/* A VM that does a known amount of work between two looks. */
static void busy_vm(int tell)
{
	uint8_t *small = region(SMALL, MADV_NOHUGEPAGE);
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, touch);

	vmm_slot(vcpu->vm, 1, 0, GPA, SMALL, small);
	OK(write(tell, &vcpu->vm->fd, sizeof(int)));
	for (;;) {
		touch_guest(vcpu, GPA, SZ_1M);
		OK(madvise(small, SZ_1M, MADV_DONTNEED));
		vmm_sleep_ms(10);
	}
}

TEST(rates, "per second is per second")
{
	char words[64], vm[32], *line;
	double faults, unmapped = 1, mean;
	struct output out, begin, end;
	uint64_t start, took;
	int talk[2], fd;
	pid_t pid;

	OK(pipe(talk));
	pid = OK(fork());
	if (!pid)
		busy_vm(talk[1]);
	CHECK(read(talk[0], &fd, sizeof(fd)) == sizeof(fd));
	snprintf(vm, sizeof(vm), "%d-%d", pid, fd);
	snprintf(words, sizeof(words), "top --once %s", vm);
	begin = tool(words);
	start = vmm_now_ms();
	snprintf(words, sizeof(words), "top --count 4 %s", vm);
	out = tool(words);
	took = vmm_now_ms() - start;
	snprintf(words, sizeof(words), "top --once %s", vm);
	end = tool(words);
	kill(pid, SIGKILL);
	mean = (figure(&end, "faults") - figure(&begin, "faults")) * 1000.0 / took;
	CHECKF(mean > 0, "the VM did nothing");
	line = strrchr(out.text, '\n');
	while (line && strncmp(line + 1, vm, strlen(vm))) {
		*line = '\0';
		line = strrchr(out.text, '\n');
	}
	CHECKF(line, "the VM is not shown");
	/* VM, command, five sizes, then the rates. */
	CHECKF(sscanf(line + 1, "%*s %*s %*s %*s %*s %*s %*s %lf %lf", &faults,
		      &unmapped) >= 1, "no rate in: %s", line + 1);
	CHECKF(faults > mean / 3 && faults < mean * 3,
	       "%.0f faults/s shown, %.0f/s happened", faults, mean);
	CHECKF(unmapped > 0, "no page was unmapped per second");
	tap_diag("%.0f faults/s shown, %.0f/s happened", faults, mean);
}

static void expect_sentence(const struct output *out, const char *part)
{
	CHECKF(out->status == 1, "status %d with: %s", out->status, out->text);
	CHECKF(strstr(out->text, part), "\"%s\" is not in: %s", part, out->text);
	CHECKF(strchr(out->text, '\n') == out->text + strlen(out->text) - 1,
	       "not one line: %s", out->text);
}

TEST(no_vm, "without a VM a sentence says so")
{
	struct output out = tool("top --once");

	expect_sentence(&out, "No VM is running");
	out = tool("top --once 99999");
	expect_sentence(&out, "no VM 99999");
	out = tool("top --once ';reboot'");
	expect_sentence(&out, "named by its PID");
}

TEST(not_root, "without root a sentence says so")
{
	struct output out;

	OK(setgid(65534));
	OK(setuid(65534));
	out = tool("top --once");
	expect_sentence(&out, "only root");
}

TEST(no_debugfs, "without debugfs a sentence says so")
{
	struct output out;

	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(umount2("/sys/kernel/debug", MNT_DETACH));
	out = tool("top --once");
	expect_sentence(&out, "debugfs is not mounted");
}
