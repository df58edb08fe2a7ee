// SPDX-License-Identifier: GPL-2.0-only
/* KVM_IRQFD: eventfds that raise interrupts. */
#define _GNU_SOURCE
#include "chips.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define LEVEL	(1u << 15)
#define MASKED	(1u << 16)

static int new_eventfd(void)
{
	return OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		FAIL("reading an eventfd: %s", strerror(errno));
	return n;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	CHECK_EQ(OK(write(fd, &one, sizeof(one))), sizeof(one));
}

static int try_irqfd(struct vmm *vm, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd args = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample,
	};

	return ioctl(vm->fd, KVM_IRQFD, &args);
}

#define GONE		KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

static void set_pin(struct vmm_vcpu *vcpu, unsigned int pin, uint32_t low)
{
	chips_write(vcpu, CHIPS_IOAPIC, 0x10 + 2 * pin);
	chips_write(vcpu, CHIPS_IOAPIC + 0x10, low);
}

static void eoi(struct vmm_vcpu *vcpu)
{
	chips_write(vcpu, CHIPS_LAPIC + 0xb0, 0);
}

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = chips_boot();

	chips_write(vcpu, CHIPS_LAPIC + 0xf0, 0x1ff);
	return vcpu;
}

/* GSI @gsi as a message with @vector to APIC 0. */
static void route_msi(struct vmm *vm, uint32_t gsi, uint32_t vector)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} table = {
		.head.nr = 1,
		.entry.gsi = gsi,
		.entry.type = KVM_IRQ_ROUTING_MSI,
		.entry.u.msi.address_lo = 0xfee00000,
		.entry.u.msi.data = vector,
	};

	OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table));
}

TEST(caps, "the capabilities")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_EQ(vmm_cap(vm, KVM_CAP_IRQFD), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_IRQFD_RESAMPLE), 1);
}

TEST(edge, "a signal is an edge, and is used up")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd();

	set_pin(vcpu, 17, 0x51);
	OK(try_irqfd(vcpu->vm, fd, 17, 0, 0));
	CHECK_EQ(chips_take(vcpu), -1);
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x51);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), -1);
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x51);
}

TEST(msi, "a GSI that is routed to a message")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd(), i;

	route_msi(vcpu->vm, 100, 0x66);
	OK(try_irqfd(vcpu->vm, fd, 100, 0, 0));
	for (i = 0; i < 3; i++) {
		signal_fd(fd);
		CHECK_EQ(chips_wait(vcpu), 0x66);
		eoi(vcpu);
	}
	CHECK_EQ(chips_take(vcpu), -1);
	/* The route of the day counts. */
	route_msi(vcpu->vm, 100, 0x77);
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x77);
	eoi(vcpu);
	route_msi(vcpu->vm, 101, 0x77);
	signal_fd(fd);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(pic, "through the 8259")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd();

	chips_out(vcpu, 0x20, 0x11);
	chips_out(vcpu, 0x21, 0x20);
	chips_out(vcpu, 0x21, 4);
	chips_out(vcpu, 0x21, 1);
	chips_out(vcpu, 0x21, 0);
	OK(try_irqfd(vcpu->vm, fd, 5, 0, 0));
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x25);
}

TEST(pending, "what was signalled before the assignment comes")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd();

	set_pin(vcpu, 17, 0x51);
	signal_fd(fd);
	OK(try_irqfd(vcpu->vm, fd, 17, 0, 0));
	CHECK_EQ(chips_wait(vcpu), 0x51);
}

TEST(deassign, "after a deassign a signal is only a signal")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd();

	set_pin(vcpu, 17, 0x51);
	OK(try_irqfd(vcpu->vm, fd, 17, 0, 0));
	/* Another GSI's or another fd's is none, which is no error. */
	OK(try_irqfd(vcpu->vm, fd, 18, GONE, 0));
	OK(try_irqfd(vcpu->vm, new_eventfd(), 17, GONE, 0));
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x51);
	eoi(vcpu);
	OK(try_irqfd(vcpu->vm, fd, 17, GONE, 0));
	signals(fd);
	signal_fd(fd);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(signals(fd), 1);
	OK(try_irqfd(vcpu->vm, fd, 17, 0, 0));
}

TEST(resample, "a resampling one is a level until the guest's EOI")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd(), again = new_eventfd();

	set_pin(vcpu, 18, LEVEL | 0x52);
	OK(try_irqfd(vcpu->vm, fd, 18, RESAMPLE, again));
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x52);
	CHECK_EQ(signals(again), 0);
	eoi(vcpu);
	CHECK_EQ(signals(again), 1);
	CHECK_EQ(chips_take(vcpu), -1);
	/* The device has more. */
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x52);
	signal_fd(fd);
	eoi(vcpu);
	CHECK_EQ(signals(again), 1);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(resample_shared, "two devices on one line are both asked")
{
	struct vmm_vcpu *vcpu = boot();
	int fd[2] = { new_eventfd(), new_eventfd() };
	int again[2] = { new_eventfd(), new_eventfd() };

	set_pin(vcpu, 18, LEVEL | 0x52);
	OK(try_irqfd(vcpu->vm, fd[0], 18, RESAMPLE, again[0]));
	OK(try_irqfd(vcpu->vm, fd[1], 18, RESAMPLE, again[1]));
	signal_fd(fd[1]);
	CHECK_EQ(chips_wait(vcpu), 0x52);
	eoi(vcpu);
	CHECK_EQ(signals(again[0]), 1);
	CHECK_EQ(signals(again[1]), 1);
	OK(try_irqfd(vcpu->vm, fd[0], 18, GONE, 0));
	signal_fd(fd[1]);
	CHECK_EQ(chips_wait(vcpu), 0x52);
	eoi(vcpu);
	CHECK_EQ(signals(again[0]), 0);
	CHECK_EQ(signals(again[1]), 1);
}

TEST(resample_gone, "deassigning lowers the line")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd();

	set_pin(vcpu, 18, MASKED | LEVEL | 0x52);
	OK(try_irqfd(vcpu->vm, fd, 18, RESAMPLE, new_eventfd()));
	signal_fd(fd);
	OK(try_irqfd(vcpu->vm, fd, 18, GONE, 0));
	set_pin(vcpu, 18, LEVEL | 0x52);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(resample_pic, "the 8259's EOI resamples too")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = new_eventfd(), again = new_eventfd();

	chips_out(vcpu, 0x20, 0x11);
	chips_out(vcpu, 0x21, 0x20);
	chips_out(vcpu, 0x21, 4);
	chips_out(vcpu, 0x21, 1);
	chips_out(vcpu, 0x21, 0);
	chips_out(vcpu, 0x4d0, 1 << 5);
	OK(try_irqfd(vcpu->vm, fd, 5, RESAMPLE, again));
	signal_fd(fd);
	CHECK_EQ(chips_wait(vcpu), 0x25);
	CHECK_EQ(signals(again), 0);
	chips_out(vcpu, 0x20, 0x20);
	CHECK_EQ(signals(again), 1);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(refused, "bad arguments are refused")
{
	struct vmm_vcpu *vcpu = boot();
	struct vmm *vm = vcpu->vm, *bare = vmm_create(VMM_MIN_RAM);
	int fd = new_eventfd();

	CHECK_ERRNO(try_irqfd(bare, fd, 5, 0, 0), EINVAL);
	CHECK_ERRNO(try_irqfd(vm, fd, 5, 4, 0), EINVAL);
	CHECK_ERRNO(try_irqfd(vm, -1, 5, 0, 0), EBADF);
	CHECK_ERRNO(try_irqfd(vm, -1, 5, GONE, 0), EBADF);
	CHECK_ERRNO(try_irqfd(vm, vm->fd, 5, 0, 0), EINVAL);
	CHECK_ERRNO(try_irqfd(vm, fd, 5, RESAMPLE, -1), EBADF);
	CHECK_ERRNO(try_irqfd(vm, fd, 5, RESAMPLE, vm->fd), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_IRQFD, 8), EFAULT);
	OK(try_irqfd(vm, fd, 5, 0, 0));
	CHECK_ERRNO(try_irqfd(vm, fd, 5, 0, 0), EBUSY);
	CHECK_ERRNO(try_irqfd(vm, fd, 6, 0, 0), EBUSY);
	CHECK_ERRNO(try_irqfd(vm, fd, 6, RESAMPLE, new_eventfd()), EBUSY);
	OK(try_irqfd(vm, new_eventfd(), 5, 0, 0));
	/* A GSI that leads nowhere may get a route later. */
	OK(try_irqfd(vm, new_eventfd(), 3000, 0, 0));
}

TEST(split_resample, "with a split controller there is no resampling")
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	int fd = new_eventfd();

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	CHECK_ERRNO(try_irqfd(vm, fd, 5, RESAMPLE, new_eventfd()), EINVAL);
	OK(try_irqfd(vm, fd, 5, 0, 0));
}

TEST(closed, "closing the eventfd takes it away")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int i, rounds = tap_scaled(200, 20);

	set_pin(vcpu, 17, 0x51);
	for (i = 0; i < rounds; i++) {
		int fd = new_eventfd();

		OK(try_irqfd(vcpu->vm, fd, 17, i & 1 ? RESAMPLE : 0, fd));
		signal_fd(fd);
		close(fd);
	}
	vmm_destroy(vcpu->vm);
}

struct hammer {
	pthread_t thread;
	int fd;
	volatile bool stop;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	uint64_t one = 1;

	while (!h->stop)
		if (write(h->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			break;
	return NULL;
}

TEST(race, "signals while it is assigned, deassigned and the VM ends")
{
	unsigned int i, rounds = tap_scaled(100, 10);
	struct vmm_vcpu *vcpu = boot();
	struct hammer h = { .fd = new_eventfd() };

	set_pin(vcpu, 17, 0x51);
	CHECK_EQ(pthread_create(&h.thread, NULL, hammer, &h), 0);
	for (i = 0; i < rounds; i++) {
		OK(try_irqfd(vcpu->vm, h.fd, 17, i & 1 ? RESAMPLE : 0, new_eventfd()));
		if (i % 3 == 0 && chips_take(vcpu) == 0x51)
			eoi(vcpu);
		OK(try_irqfd(vcpu->vm, h.fd, 17, GONE, 0));
	}
	OK(try_irqfd(vcpu->vm, h.fd, 17, 0, 0));
	vmm_destroy(vcpu->vm);
	vmm_sleep_ms(20);
	h.stop = true;
	pthread_join(h.thread, NULL);
}
