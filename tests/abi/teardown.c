// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a VM while everything that can raise an interrupt does so: eventfds,
 * PIT, local APIC timer. The eventfds outlive it.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define VECTOR_PIT	0x41
#define VECTOR_FD	0x51
#define VECTOR_LAPIC	0x61
#define PIN_PIT		0	/* where GSI 0 leads unless routed otherwise */
#define PIN_FD		17
#define PORT_TOLD	0x99	/* written by every handler */
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

/* Handlers of all vectors tell the port and end their interrupt. */
GUEST(idle, 64,
	"1: sti\n"
	"hlt\n"
	"jmp 1b\n"
	ORG(64)
	"push %rax\n"
	"push %rbx\n"
	"out %al, $0x99\n"
	"mov $0xfee000b0, %ebx\n"
	"xor %eax, %eax\n"
	"mov %eax, (%rbx)\n"
	"pop %rbx\n"
	"pop %rax\n"
	"iretq\n");

struct eventfds {
	int irq, told, resample;
};

static struct eventfds eventfds_make(void)
{
	struct eventfds fds = {
		.irq = OK(eventfd(0, EFD_NONBLOCK)), .told = OK(eventfd(0, EFD_NONBLOCK)),
		.resample = OK(eventfd(0, EFD_NONBLOCK)),
	};

	return fds;
}

static void eventfds_close(const struct eventfds *fds)
{
	OK(close(fds->irq));
	OK(close(fds->told));
	OK(close(fds->resample));
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	CHECK_EQ(OK(write(fd, &one, sizeof(one))), sizeof(one));
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		FAIL("reading an eventfd: %s", strerror(errno));
	return n;
}

static void set_lapic(struct vmm_vcpu *vcpu)
{
	struct kvm_lapic_state lapic;

	OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	*(uint32_t *)&lapic.regs[0xf0] = 0x1ff;
	*(uint32_t *)&lapic.regs[0x350] = 1 << 16;		/* nothing from the 8259s */
	*(uint32_t *)&lapic.regs[0x3e0] = 0xb;			/* divide by 1 */
	*(uint32_t *)&lapic.regs[0x320] = 1 << 17 | VECTOR_LAPIC;	/* periodic */
	*(uint32_t *)&lapic.regs[0x380] = 700000;
	OK(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
}

static void set_chips(struct vmm *vm, bool level)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_pit_state2 pit;

	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[PIN_PIT].bits = VECTOR_PIT;
	chip.chip.ioapic.redirtbl[PIN_FD].bits = VECTOR_FD | (level ? 1 << 15 : 0);
	OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	OK(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	pit.channels[0].mode = 2;
	pit.channels[0].gate = 1;
	pit.channels[0].rw_mode = 3;
	pit.channels[0].count = 1193;		/* about 1 ms */
	OK(ioctl(vm->fd, KVM_SET_PIT2, &pit));
}

static struct vmm_vcpu *busy_boot(const struct eventfds *fds, bool resample)
{
	struct kvm_pit_config pit = { 0 };
	struct kvm_ioeventfd told = {
		.addr = PORT_TOLD, .len = 1, .fd = fds->told, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct kvm_irqfd irq = {
		.fd = fds->irq, .gsi = PIN_FD, .flags = resample ? RESAMPLE : 0,
		.resamplefd = fds->resample,
	};
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu;

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	vcpu = vmm_vcpu_add(vm);
	vmm_load(vm, GPA_CODE, idle);
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_gate(vcpu, VECTOR_PIT, GPA_CODE + 64);
	vmm_gate(vcpu, VECTOR_FD, GPA_CODE + 64);
	vmm_gate(vcpu, VECTOR_LAPIC, GPA_CODE + 64);
	OK(ioctl(vm->fd, KVM_IOEVENTFD, &told));
	OK(ioctl(vm->fd, KVM_IRQFD, &irq));
	set_lapic(vcpu);
	set_chips(vm, resample);
	return vcpu;
}

/* A process that is killed in the middle of KVM_RUN, after @us microseconds of it. */
static uint64_t killed_after(const struct eventfds *fds, bool resample, unsigned int us)
{
	uint64_t told = 0, limit;
	int status;
	pid_t pid = (pid_t)OK(fork());

	if (!pid) {
		struct vmm_vcpu *vcpu = busy_boot(fds, resample);

		for (;;)
			vmm_run(vcpu);
	}
	/* It runs when its guest has been told of something. */
	limit = vmm_now_ms() + tap_scaled(10000, 10000) * 4;
	while (!told) {
		CHECKF(vmm_now_ms() < limit, "no interrupt comes");
		signal_fd(fds->irq);
		told = signals(fds->told);
	}
	for (; us; us = us > 50 ? us - 50 : 0) {
		usleep(50);
		signal_fd(fds->irq);
	}
	OK(kill(pid, SIGKILL));
	while (OK(waitpid(pid, &status, WNOHANG)) != pid)
		signal_fd(fds->irq);
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the VMM ended by itself");
	return told + signals(fds->told);
}

/* With nobody left who uses signals up, an eventfd only counts. */
static void check_alone(const struct eventfds *fds)
{
	signals(fds->irq);
	signals(fds->told);
	signal_fd(fds->irq);
	signal_fd(fds->irq);
	CHECK_EQ(signals(fds->irq), 2);
	vmm_sleep_ms(5);
	CHECK_EQ(signals(fds->told), 0);
}

static void kill_often(bool resample)
{
	struct eventfds fds = eventfds_make();
	unsigned int i, n = tap_scaled(30, 5);
	uint64_t told = 0;

	for (i = 0; i < n; i++) {
		told += killed_after(&fds, resample, i * 977 % 5000);
		check_alone(&fds);
	}
	tap_diag("%u VMMs killed, %llu interrupts", n, (unsigned long long)told);
	CHECK(told >= n);
	eventfds_close(&fds);
}

TEST(killed, "SIGKILL while irqfd, PIT and local APIC timer fire")
{
	kill_often(false);
}

TEST(killed_level, "SIGKILL while a level-triggered irqfd is being resampled")
{
	kill_often(true);
}

static void close_armed(bool resample)
{
	struct eventfds fds = eventfds_make();
	unsigned int i, n = tap_scaled(30, 5);

	for (i = 0; i < n; i++) {
		struct vmm_vcpu *vcpu = busy_boot(&fds, resample);
		struct vmm_thread t;

		vmm_start(&t, vcpu);
		while (!signals(fds.told)) {
			CHECK(!t.done);
			signal_fd(fds.irq);
		}
		vmm_kick(&t);
		vmm_join(&t);
		signal_fd(fds.irq);
		vmm_destroy(vcpu->vm);
		check_alone(&fds);
	}
	eventfds_close(&fds);
}

TEST(closed, "a VM closed with irqfd and ioeventfd armed")
{
	close_armed(false);
}

TEST(closed_level, "a VM closed with a level-triggered line still up")
{
	close_armed(true);
}

TEST(hung_up, "eventfds closed for good while their VM runs")
{
	unsigned int i, n = tap_scaled(30, 5);

	for (i = 0; i < n; i++) {
		struct eventfds fds = eventfds_make();
		struct vmm_vcpu *vcpu = busy_boot(&fds, i & 1);
		int told = OK(dup(fds.told));
		struct vmm_thread t;

		vmm_start(&t, vcpu);
		while (!signals(told)) {
			CHECK(!t.done);
			signal_fd(fds.irq);
		}
		signal_fd(fds.irq);
		eventfds_close(&fds);
		/* The timers go on as if nothing had happened. */
		signals(told);
		while (!signals(told))
			vmm_sleep_ms(1);
		vmm_kick(&t);
		vmm_join(&t);
		vmm_destroy(vcpu->vm);
		OK(close(told));
	}
}
