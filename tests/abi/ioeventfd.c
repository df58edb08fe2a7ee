// SPDX-License-Identifier: GPL-2.0-only
/* KVM_IOEVENTFD: guest writes that signal an eventfd instead of exiting. */
#define _GNU_SOURCE
#include "vmm.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define PORT	0x3f8
#define FAR	0x7777		/* an eventfd elsewhere */

static int new_eventfd(void)
{
	return OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

/* How often @fd has been signalled since the last look. */
static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		FAIL("reading an eventfd: %s", strerror(errno));
	return n;
}

static int try_ioeventfd(struct vmm *vm, int fd, uint64_t addr, uint32_t len,
			 uint32_t flags, uint64_t datamatch)
{
	struct kvm_ioeventfd args = {
		.addr = addr, .len = len, .fd = fd, .flags = flags,
		.datamatch = datamatch,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GONE	KVM_IOEVENTFD_FLAG_DEASSIGN

GUEST(outs, 64,
	"mov $0x3f8, %edx\n"
	"mov $0x11223344, %eax\n"
	"out %al, %dx\n"
	"out %ax, %dx\n"
	"out %eax, %dx\n"
	"hlt\n");

static struct vmm_vcpu *boot(struct vmm_blob blob)
{
	return vmm_boot(VMM_MIN_RAM, VMM_LONG, blob);
}

static void again(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE;
	vmm_set_regs(vcpu, &regs);
}

TEST(caps, "the capabilities are there")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_EQ(vmm_cap(vm, KVM_CAP_IOEVENTFD), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_IOEVENTFD_NO_LENGTH), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH), 1);
}

TEST(pio_length, "only a write of the registered length signals")
{
	struct vmm_vcpu *vcpu = boot(outs);
	uint32_t len;

	for (len = 1; len <= 4; len *= 2) {
		int fd = new_eventfd();

		OK(try_ioeventfd(vcpu->vm, fd, PORT, len, PIO, 0));
		again(vcpu);
		if (len != 1)
			CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x44);
		if (len != 2)
			CHECK_EQ(vmm_run_to_out(vcpu, PORT, 2), 0x3344);
		if (len != 4)
			CHECK_EQ(vmm_run_to_out(vcpu, PORT, 4), 0x11223344);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(signals(fd), 1);
		OK(try_ioeventfd(vcpu->vm, fd, PORT, len, PIO | GONE, 0));
	}
}

TEST(pio_any_length, "length 0 takes a write of any length")
{
	struct vmm_vcpu *vcpu = boot(outs);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, PORT, 0, PIO, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(fd), 3);
}

TEST(datamatch, "with a data match only that value signals")
{
	struct vmm_vcpu *vcpu = boot(outs);
	int wrong = new_eventfd(), right = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, wrong, PORT, 2, PIO | MATCH, 0x3345));
	vmm_run_to_out(vcpu, PORT, 1);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 2), 0x3344);
	vmm_run_to_out(vcpu, PORT, 4);
	vmm_run_to(vcpu, KVM_EXIT_HLT);

	OK(try_ioeventfd(vcpu->vm, right, PORT, 2, PIO | MATCH, 0x3344));
	again(vcpu);
	vmm_run_to_out(vcpu, PORT, 1);
	vmm_run_to_out(vcpu, PORT, 4);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(wrong), 0);
	CHECK_EQ(signals(right), 1);
}

TEST(datamatch_wide, "a data match wider than the write never matches")
{
	struct vmm_vcpu *vcpu = boot(outs);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, PORT, 1, PIO | MATCH, 0x144));
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x44);
	CHECK_EQ(signals(fd), 0);
}

TEST(deassign, "after a deassign the write exits again")
{
	struct vmm_vcpu *vcpu = boot(outs);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, PORT, 1, PIO, 0));
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 2), 0x3344);
	CHECK_EQ(signals(fd), 1);
	OK(try_ioeventfd(vcpu->vm, fd, PORT, 1, PIO | GONE, 0));
	again(vcpu);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x44);
	CHECK_EQ(signals(fd), 0);
}

GUEST(mmio_writes, 64,
	"mov $0xd0000000, %ebx\n"
	"mov $0x1122334455667788, %rax\n"
	"movb %al, (%rbx)\n"
	"movw %ax, (%rbx)\n"
	"movl %eax, (%rbx)\n"
	"movq %rax, (%rbx)\n"
	"hlt\n");

TEST(mmio_length, "MMIO: only a write of the registered length signals")
{
	struct vmm_vcpu *vcpu = boot(mmio_writes);
	uint32_t len, at;

	for (len = 1; len <= 8; len *= 2) {
		int fd = new_eventfd();

		OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, len, 0, 0));
		again(vcpu);
		for (at = 1; at <= 8; at *= 2)
			if (at != len)
				vmm_run_to_mmio(vcpu, true, GPA_MMIO, at);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(signals(fd), 1);
		OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, len, GONE, 0));
	}
}

TEST(mmio_any_length, "MMIO: length 0 takes a write of any length")
{
	struct vmm_vcpu *vcpu = boot(mmio_writes);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, 0, 0, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(fd), 4);
	OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, 0, GONE, 0));
	again(vcpu);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO, 1);
}

TEST(mmio_datamatch, "MMIO: an 8-byte data match")
{
	struct vmm_vcpu *vcpu = boot(mmio_writes);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, 8, MATCH, 0x1122334455667788));
	vmm_run_to_mmio(vcpu, true, GPA_MMIO, 1);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO, 2);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO, 4);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(fd), 1);
}

GUEST(elsewhere, 64,
	"mov $0xd0000000, %ebx\n"
	"movl %eax, 4(%rbx)\n"
	"movl (%rbx), %eax\n"
	"mov $0x3f8, %edx\n"
	"in %dx, %ax\n"
	"outw %ax, $0x80\n"
	"hlt\n");

TEST(others_exit, "reads, other addresses and the other space exit")
{
	struct vmm_vcpu *vcpu = boot(elsewhere);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, GPA_MMIO, 0, 0, 0));
	OK(try_ioeventfd(vcpu->vm, fd, PORT, 2, PIO, 0));
	OK(try_ioeventfd(vcpu->vm, fd, 0x80, 2, 0, 0));
	vmm_run_to_mmio(vcpu, true, GPA_MMIO + 4, 4);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
	vmm_run_to(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, PORT);
	vmm_run_to_out(vcpu, 0x80, 2);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(fd), 0);
}

TEST(many_values, "eventfds of one address are told apart by their values")
{
	struct vmm_vcpu *vcpu = boot(outs);
	struct kvm_regs regs;
	int fd[8], i;

	for (i = 0; i < 8; i++) {
		fd[i] = new_eventfd();
		OK(try_ioeventfd(vcpu->vm, fd[i], PORT, 1, PIO | MATCH, i));
	}
	regs = vmm_regs(vcpu);
	for (i = 0; i < 8; i++) {
		/* Behind the instructions that set DX and AX. */
		regs.rip = GPA_CODE + 10;
		regs.rdx = PORT;
		regs.rax = 0xabcd00 + 7 - i;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to_out(vcpu, PORT, 2);
		CHECK_EQ(signals(fd[7 - i]), 1);
	}
	for (i = 0; i < 8; i++)
		CHECK_EQ(signals(fd[i]), 0);
}

TEST(collisions, "what one write could mean twice is refused")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	int a = new_eventfd(), b = new_eventfd();

	OK(try_ioeventfd(vm, a, PORT, 2, PIO | MATCH, 1));
	OK(try_ioeventfd(vm, b, PORT, 2, PIO | MATCH, 2));
	CHECK_ERRNO(try_ioeventfd(vm, b, PORT, 2, PIO | MATCH, 1), EEXIST);
	CHECK_ERRNO(try_ioeventfd(vm, b, PORT, 2, PIO, 0), EEXIST);
	CHECK_ERRNO(try_ioeventfd(vm, b, PORT, 0, PIO, 0), EEXIST);
	OK(try_ioeventfd(vm, b, PORT, 4, PIO, 0));
	CHECK_ERRNO(try_ioeventfd(vm, b, PORT, 4, PIO | MATCH, 7), EEXIST);
	OK(try_ioeventfd(vm, b, PORT, 2, 0, 0));
	OK(try_ioeventfd(vm, b, PORT + 1, 0, PIO, 0));
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT + 1, 1, PIO, 0), EEXIST);
}

TEST(deassign_exact, "a deassign names fd, address, length and value exactly")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	int a = new_eventfd(), b = new_eventfd();

	OK(try_ioeventfd(vm, a, PORT, 2, PIO | MATCH, 1));
	CHECK_ERRNO(try_ioeventfd(vm, b, PORT, 2, PIO | MATCH | GONE, 1), ENOENT);
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT + 1, 2, PIO | MATCH | GONE, 1), ENOENT);
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT, 4, PIO | MATCH | GONE, 1), ENOENT);
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT, 2, PIO | MATCH | GONE, 2), ENOENT);
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT, 2, PIO | GONE, 1), ENOENT);
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT, 2, MATCH | GONE, 1), ENOENT);
	OK(try_ioeventfd(vm, a, PORT, 2, PIO | MATCH | GONE, 1));
	CHECK_ERRNO(try_ioeventfd(vm, a, PORT, 2, PIO | MATCH | GONE, 1), ENOENT);
}

TEST(refused, "bad arguments are refused")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	int fd = new_eventfd();
	uint32_t len;

	for (len = 3; len <= 16; len++)
		if (len != 4 && len != 8)
			CHECK_ERRNO(try_ioeventfd(vm, fd, PORT, len, PIO, 0), EINVAL);
	CHECK_ERRNO(try_ioeventfd(vm, fd, PORT, 0, PIO | MATCH, 0), EINVAL);
	CHECK_ERRNO(try_ioeventfd(vm, fd, ~0ull, 2, 0, 0), EINVAL);
	CHECK_ERRNO(try_ioeventfd(vm, fd, PORT, 2, PIO | 1 << 5, 0), EINVAL);
	CHECK_ERRNO(try_ioeventfd(vm, -1, PORT, 2, PIO, 0), EBADF);
	CHECK_ERRNO(try_ioeventfd(vm, vm->fd, PORT, 2, PIO, 0), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, 8), EFAULT);
	OK(try_ioeventfd(vm, fd, PORT, 8, PIO, 0));
}

TEST(closed_fd, "the eventfd's file may be closed while it is assigned")
{
	struct vmm_vcpu *vcpu = boot(outs);
	int fd = new_eventfd(), other = OK(dup(fd));

	OK(try_ioeventfd(vcpu->vm, fd, PORT, 0, PIO, 0));
	close(fd);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(other), 3);
	close(other);
	again(vcpu);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	vmm_destroy(vcpu->vm);
}

GUEST(rep_outs, 64,
	"mov $0x3f8, %edx\n"
	"mov $0x7000, %esi\n"
	"mov $5, %ecx\n"
	"cld\n"
	"rep outsb\n"
	"hlt\n");

TEST(string, "each item of a string write signals")
{
	struct vmm_vcpu *vcpu = boot(rep_outs);
	int fd = new_eventfd();

	OK(try_ioeventfd(vcpu->vm, fd, PORT, 1, PIO, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(fd), 5);
	CHECK_EQ(vmm_regs(vcpu).rcx, 0);
	CHECK_EQ(vmm_regs(vcpu).rsi, 0x7005);
}

#define MANY	4000

TEST(very_many, "thousands of ioeventfds come and go")
{
	struct vmm_vcpu *vcpu = boot(mmio_writes);
	struct vmm *vm = vcpu->vm;
	int fd = new_eventfd(), last = new_eventfd(), i, n;
	uint64_t far = GPA_MMIO + SZ_1M;

	for (n = 0; n < MANY; n++) {
		if (try_ioeventfd(vm, fd, far + 8 * n, 4, 0, 0) < 0)
			break;
	}
	/* There may be a limit, but not a low one. */
	if (n < MANY)
		CHECK(errno == ENOSPC && n >= 900);
	OK(try_ioeventfd(vm, fd, far + 8 * --n, 4, GONE, 0));
	OK(try_ioeventfd(vm, last, GPA_MMIO, 0, 0, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(signals(last), 4);
	CHECK_EQ(signals(fd), 0);
	/* From the middle outwards: neighbours of what is gone stay. */
	for (i = 0; i < n; i++) {
		int at = i & 1 ? n / 2 - 1 - i / 2 : n / 2 + i / 2;

		if (at >= 0 && at < n)
			OK(try_ioeventfd(vm, fd, far + 8 * at, 4, GONE, 0));
		if (i % 1000)
			continue;
		again(vcpu);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(signals(last), 4);
	}
	CHECK_ERRNO(try_ioeventfd(vm, fd, far, 4, GONE, 0), ENOENT);
}

GUEST(forever, 64,
	"mov $0x3f8, %edx\n"
	"1: out %al, %dx\n"
	"jmp 1b\n");

TEST(race, "assign and deassign while a vcpu writes")
{
	struct vmm_vcpu *vcpu = boot(forever);
	unsigned long i, rounds = tap_scaled(300, 20);
	int fd = new_eventfd(), keep = new_eventfd();
	struct vmm_thread t;

	/* So that the vcpu does not come back to its thread meanwhile. */
	OK(try_ioeventfd(vcpu->vm, keep, PORT, 0, PIO, 0));
	vmm_start(&t, vcpu);
	while (!signals(keep))
		vmm_sleep_ms(1);
	for (i = 0; i < rounds; i++) {
		OK(try_ioeventfd(vcpu->vm, fd, FAR + i % 3, 1, PIO, 0));
		OK(try_ioeventfd(vcpu->vm, fd, FAR + i % 3, 1, PIO | GONE, 0));
	}
	/* On one CPU it may not have had a turn yet. */
	while (!signals(keep))
		vmm_sleep_ms(1);
	/* Nothing may signal it any more once the deassign has returned. */
	OK(try_ioeventfd(vcpu->vm, keep, PORT, 0, PIO | GONE, 0));
	signals(keep);
	vmm_sleep_ms(20);
	CHECK_EQ(signals(keep), 0);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
}
