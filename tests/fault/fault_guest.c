// SPDX-License-Identifier: GPL-2.0-only
/* Failures while an instruction of the guest is emulated. */
#define _GNU_SOURCE
#include "inject.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PORT		0x71
#define IO_OUT		(1ull << 63)
#define COUNT(n)	((uint64_t)(n) << 40)
#define BYTE(n)		((uint64_t)(n) << 32)

/* One guest program, its registers, and the accesses a device must see. */
struct program {
	const struct vmm_blob *code;
	uint64_t rsi, rdi, rax, rcx, rdx;
	const uint64_t *log;
	unsigned int accesses;
	/* Looks at what the guest has got from it. */
	void (*check)(struct scene *s);
};

static const struct program *program;

static void prepare_program(struct scene *s)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rsi = program->rsi, .rdi = program->rdi, .rax = program->rax,
		.rcx = program->rcx, .rdx = program->rdx,
	};
	uint64_t at;

	scene_boot(s);
	/* Guest memory that the VMM has, and the host's tables not any more. */
	scene_slot(s, SZ_64K, 0);
	for (at = 0; at < s->size; at += SZ_4K)
		memset(s->hva + at, 0x41 + at / SZ_4K, SZ_4K);
	vmm_load(s->vm, GPA_CODE, *program->code);
	vmm_set_regs(s->vcpu, &regs);
}

static int step_program(struct scene *s)
{
	return scene_drive(s);
}

static void check_program(struct scene *s)
{
	unsigned int i;

	/* Never two accesses for one, whatever failed and was tried again. */
	CHECK_EQ(s->accesses, program->accesses);
	for (i = 0; i < program->accesses; i++)
		CHECK_EQ(s->log[i], program->log[i]);
	if (program->check)
		program->check(s);
}

static void sweep_program(const struct program *p)
{
	static const struct sweep sweep = {
		.prepare = prepare_program, .step = step_program,
		.check = check_program, .fails = true,
	};

	program = p;
	sweep_run(&sweep);
}

GUEST(load, 64, "mov (%rsi), %rax\nhlt\n");

static void check_load(struct scene *s)
{
	CHECK_EQ(vmm_regs(s->vcpu).rax, DEVICE_ANSWER);
}

TEST(mmio_read, "a load from a device")
{
	static const uint64_t log[] = { GPA_MMIO };
	static const struct program p = {
		.code = &load, .rsi = GPA_MMIO, .log = log, .accesses = 1,
		.check = check_load,
	};

	sweep_program(&p);
}

GUEST(store, 64, "mov %rax, (%rsi)\nhlt\n");

TEST(mmio_write, "a store to a device")
{
	static const uint64_t log[] = { GPA_MMIO | IO_OUT | BYTE(0x77) };
	static const struct program p = {
		.code = &store, .rsi = GPA_MMIO, .rax = 0x77, .log = log,
		.accesses = 1,
	};

	sweep_program(&p);
}

GUEST(copy, 64, "rep movsb\nhlt\n");

TEST(mmio_copy_out, "a string copied from two pages to a device")
{
	static const uint64_t log[] = {
		GPA_MMIO | IO_OUT | BYTE(0x41), (GPA_MMIO + 1) | IO_OUT | BYTE(0x41),
		(GPA_MMIO + 2) | IO_OUT | BYTE(0x42),
		(GPA_MMIO + 3) | IO_OUT | BYTE(0x42),
	};
	static const struct program p = {
		.code = &copy, .rsi = GPA_SLOT + SZ_4K - 2, .rdi = GPA_MMIO,
		.rcx = 4, .log = log, .accesses = 4,
	};

	sweep_program(&p);
}

static void check_copy_in(struct scene *s)
{
	CHECK_EQ(s->hva[SZ_4K - 3], 0x41);
	CHECK_EQ(s->hva[SZ_4K - 2], DEVICE_ANSWER & 0xff);
	CHECK_EQ(s->hva[SZ_4K - 1], DEVICE_ANSWER & 0xff);
	CHECK_EQ(s->hva[SZ_4K], DEVICE_ANSWER & 0xff);
	CHECK_EQ(s->hva[SZ_4K + 1], DEVICE_ANSWER & 0xff);
	CHECK_EQ(s->hva[SZ_4K + 2], 0x42);
	CHECK_EQ(vmm_regs(s->vcpu).rcx, 0);
}

TEST(mmio_copy_in, "a string copied from a device to two pages")
{
	static const uint64_t log[] = {
		GPA_MMIO, GPA_MMIO + 1, GPA_MMIO + 2, GPA_MMIO + 3,
	};
	static const struct program p = {
		.code = &copy, .rsi = GPA_MMIO, .rdi = GPA_SLOT + SZ_4K - 2,
		.rcx = 4, .log = log, .accesses = 4, .check = check_copy_in,
	};

	sweep_program(&p);
}

GUEST(push_device, 64, "mov %rdi, %rsp\npush (%rsi)\nhlt\n");

static void check_push(struct scene *s)
{
	uint64_t value;

	memcpy(&value, s->hva + SZ_4K - 4, 8);
	CHECK_EQ(value, DEVICE_ANSWER);
	CHECK_EQ(vmm_regs(s->vcpu).rsp, GPA_SLOT + SZ_4K - 4);
}

TEST(mmio_push, "what a device says is pushed across a page boundary")
{
	static const uint64_t log[] = { GPA_MMIO };
	static const struct program p = {
		.code = &push_device, .rsi = GPA_MMIO,
		.rdi = GPA_SLOT + SZ_4K + 4, .log = log, .accesses = 1,
		.check = check_push,
	};

	sweep_program(&p);
}

GUEST(out, 64, "out %al, $0x71\nin $0x71, %al\nhlt\n");

static void check_in(struct scene *s)
{
	CHECK_EQ(vmm_regs(s->vcpu).rax & 0xff, 0x5a);
}

TEST(port, "OUT and IN")
{
	static const uint64_t log[] = {
		PORT | IO_OUT | COUNT(1) | BYTE(0x33), PORT | COUNT(1),
	};
	static const struct program p = {
		.code = &out, .rax = 0x33, .log = log, .accesses = 2,
		.check = check_in,
	};

	sweep_program(&p);
}

GUEST(outs, 64, "rep outsb\nhlt\n");
GUEST(ins, 64, "rep insb\nhlt\n");

static const struct program *strings;

/* How many bytes an exit carries is the kernel's choice: bytes are counted. */
static void check_string(struct scene *s)
{
	uint64_t bytes = 0;
	unsigned int i;

	CHECK(s->accesses <= SCENE_LOG);
	for (i = 0; i < s->accesses; i++) {
		CHECK_EQ(s->log[i] & 0xffff, PORT);
		bytes += (s->log[i] >> 40) & 0x7fffff;
	}
	CHECK_EQ(bytes, 6);
	CHECK_EQ(vmm_regs(s->vcpu).rcx, 0);
	if (strings->check)
		strings->check(s);
}

static void sweep_string(const struct program *p)
{
	static const struct sweep sweep = {
		.prepare = prepare_program, .step = step_program,
		.check = check_string, .fails = true,
	};

	program = p;
	strings = p;
	sweep_run(&sweep);
}

TEST(port_string_out, "a string from two pages goes to a port")
{
	static const struct program p = {
		.code = &outs, .rsi = GPA_SLOT + SZ_4K - 3, .rcx = 6,
		.rdx = PORT,
	};

	sweep_string(&p);
}

static void check_ins(struct scene *s)
{
	CHECK_EQ(s->hva[SZ_4K - 4], 0x41);
	CHECK_EQ(s->hva[SZ_4K - 3], 0x5a);
	CHECK_EQ(s->hva[SZ_4K + 2], 0x5a);
	CHECK_EQ(s->hva[SZ_4K + 3], 0x42);
}

TEST(port_string_in, "a string from a port goes to two pages")
{
	static const struct program p = {
		.code = &ins, .rdi = GPA_SLOT + SZ_4K - 3, .rcx = 6,
		.rdx = PORT, .check = check_ins,
	};

	sweep_string(&p);
}
