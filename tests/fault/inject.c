// SPDX-License-Identifier: GPL-2.0-only
/* Sweeps of fail-nth, and the scenes they are played on. */
#define _GNU_SOURCE
#include "inject.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* No step has that many chances; a sweep that comes here goes in circles. */
#define SITES_MAX 20000

GUEST(fill, 64,
      "1: mov %rax, (%rdi)\n"
      "add %rdx, %rdi\n"
      "inc %rax\n"
      "dec %rcx\n"
      "jnz 1b\n"
      "hlt\n");

GUEST(compare, 64,
      "1: cmp %rax, (%rdi)\n"
      "jne 2f\n"
      "add %rdx, %rdi\n"
      "inc %rax\n"
      "dec %rcx\n"
      "jnz 1b\n"
      "hlt\n"
      "2: ud2\n");

static int inject_file(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			SKIP("this kernel has no fault injection");
	}
	return fd;
}

void inject_arm(unsigned int n)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%u", n);
	int fd = inject_file(), tries = 0;

	/* What is armed may hit this very call. */
	while (pwrite(fd, text, size, 0) != size)
		CHECKF(tries++ < 3, "fail-nth cannot be written: %s",
		       strerror(errno));
}

bool inject_hit(void)
{
	char text[16] = "";
	ssize_t got = pread(inject_file(), text, sizeof(text) - 1, 0);

	/* The read failed in place of the step: its n was not used up. */
	if (got < 0)
		text[0] = '1';
	inject_arm(0);
	return strtoul(text, NULL, 0) == 0;
}

/* What a step may answer when something could not be had. */
static bool honest(int error)
{
	switch (error) {
	case -ENOMEM:
	case -EFAULT:
	case -EAGAIN:
	case -ENFILE:
	case -EMFILE:
	case -ENOSPC:
		return true;
	}
	return false;
}

static void trial_retry(const struct sweep *sweep, struct scene *s,
			unsigned int n, int error)
{
	int r;

	if (error == -EPROTO)
		vmm_dump(s->vcpu);
	CHECKF(honest(error) || error == sweep->also, "chance %u: the step says %s", n,
	       strerror(-error));
	if (sweep->refused)
		sweep->refused(s);
	r = sweep->step(s);
	CHECKF(!r, "chance %u: %s, and the second try: %s", n,
	       strerror(-error), strerror(-r));
}

void sweep_run(const struct sweep *sweep)
{
	unsigned int n, errors = 0, absorbed = 0;
	bool hit = true;

	for (n = 1; hit; n++) {
		struct scene s = { .fd = -1 };
		int r;

		CHECK(n < SITES_MAX);
		sweep->prepare(&s);
		inject_arm(n);
		r = sweep->step(&s);
		hit = inject_hit();
		if (!hit && r)
			FAIL("nothing failed, yet the step says %s",
			     strerror(-r));
		if (r) {
			errors++;
			trial_retry(sweep, &s, n, r);
		} else if (hit) {
			absorbed++;
		}
		if (sweep->check)
			sweep->check(&s);
		if (sweep->finish)
			sweep->finish(&s);
		else
			scene_end(&s);
	}
	tap_diag("%u chances: %u errors, %u absorbed", n - 2, errors, absorbed);
	if (sweep->fails)
		CHECKF(errors, "nothing could be made to fail");
}

void scene_boot(struct scene *s)
{
	s->vcpu = vmm_boot(SZ_1M, VMM_LONG, fill);
	s->vm = s->vcpu->vm;
}

uint8_t *scene_map(uint64_t size, bool huge)
{
	uint8_t *raw = vmm_map_anon(size + SZ_2M);
	uint8_t *p = (uint8_t *)(((uintptr_t)raw + SZ_2M - 1) & ~(SZ_2M - 1));

	if (p > raw)
		OK(munmap(raw, p - raw));
	OK(munmap(p + size, raw + SZ_2M - p));
	OK(madvise(p, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	return p;
}

void scene_slot_at(struct scene *s, uint8_t *hva, uint64_t size,
		   unsigned int flags)
{
	s->hva = hva;
	s->size = size;
	vmm_slot(s->vm, 1, flags, GPA_SLOT, size, hva);
}

void scene_slot(struct scene *s, uint64_t size, unsigned int flags)
{
	scene_slot_at(s, scene_map(size, false), size, flags);
}

void scene_end(struct scene *s)
{
	int status;

	if (s->child > 0) {
		kill(s->child, SIGKILL);
		OK(waitpid(s->child, &status, 0));
	}
	vmm_destroy(s->vm);
	if (s->hva)
		OK(munmap(s->hva, s->size));
	if (s->fd >= 0)
		OK(close(s->fd));
}

static void scene_code(struct scene *s, struct vmm_blob code, uint64_t gpa,
		       uint64_t count, uint64_t stride, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rdi = gpa, .rcx = count, .rdx = stride, .rax = value,
	};

	vmm_load(s->vm, GPA_CODE, code);
	vmm_set_regs(s->vcpu, &regs);
}

void scene_fill(struct scene *s, uint64_t gpa, uint64_t count, uint64_t stride,
		uint64_t value)
{
	scene_code(s, fill, gpa, count, stride, value);
}

void scene_compare(struct scene *s, uint64_t gpa, uint64_t count,
		   uint64_t stride, uint64_t value)
{
	scene_code(s, compare, gpa, count, stride, value);
}

static void scene_note(struct scene *s, uint64_t what)
{
	if (s->accesses < SCENE_LOG)
		s->log[s->accesses] = what;
	s->accesses++;
}

/* In the log: address, bit 63 for a write, data of a write in bits 32 to 62. */
static void scene_device(struct scene *s)
{
	struct kvm_run *run = s->vcpu->run;
	uint64_t data = DEVICE_ANSWER;
	void *io;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		if (run->mmio.is_write)
			memcpy(&data, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, &data, run->mmio.len);
		scene_note(s, run->mmio.phys_addr |
			   (uint64_t)run->mmio.is_write << 63 |
			   (run->mmio.is_write ? (data & 0xff) << 32 : 0));
		return;
	}
	io = (uint8_t *)run + run->io.data_offset;
	if (run->io.direction == KVM_EXIT_IO_OUT)
		memcpy(&data, io, run->io.size);
	else
		memset(io, 0x5a, run->io.size * run->io.count);
	scene_note(s, run->io.port | (uint64_t)run->io.direction << 63 |
		   (uint64_t)run->io.count << 40 |
		   (run->io.direction ? (data & 0xff) << 32 : 0));
}

int scene_drive(struct scene *s)
{
	for (;;) {
		int r = vmm_run(s->vcpu);

		if (r)
			return r;
		switch (s->vcpu->run->exit_reason) {
		case KVM_EXIT_HLT:
			return 0;
		case KVM_EXIT_MMIO:
		case KVM_EXIT_IO:
			scene_device(s);
			break;
		default:
			return -EPROTO;
		}
	}
}

void scene_must(struct scene *s)
{
	int r = scene_drive(s);

	if (r) {
		vmm_dump(s->vcpu);
		FAIL("the guest does not reach its HLT: %s", strerror(-r));
	}
}

void scene_boot_run(struct scene *s)
{
	scene_boot(s);
	scene_fill(s, GPA_DATA2, 1, 8, 1);
	scene_must(s);
}
