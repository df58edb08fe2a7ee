// SPDX-License-Identifier: GPL-2.0-only
/* The 8254 timer. */
#define _GNU_SOURCE
#include "chips.h"

#include <time.h>
#include <unistd.h>

#define CH0	0x40
#define CH1	0x41
#define CH2	0x42
#define CTL	0x43
#define SPEAKER	0x61
#define PIT_HZ	1193182
#define VECTOR	0x20
#define TICK	11932		/* 10 ms */
#define MS	1000000ull

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int create(struct vmm *vm, uint32_t flags)
{
	struct kvm_pit_config config = { .flags = flags };

	return ioctl(vm->fd, KVM_CREATE_PIT2, &config);
}

/* With the 8259s ready and only the timer's input open. */
static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = chips_boot();

	OK(create(vcpu->vm, KVM_PIT_SPEAKER_DUMMY));
	chips_out(vcpu, 0x20, 0x11);
	chips_out(vcpu, 0x21, VECTOR);
	chips_out(vcpu, 0x21, 4);
	chips_out(vcpu, 0x21, 1);
	chips_out(vcpu, 0x21, 0xfe);
	return vcpu;
}

static struct kvm_pit_state2 state(struct vmm_vcpu *vcpu)
{
	struct kvm_pit_state2 s;

	OK(ioctl(vcpu->vm->fd, KVM_GET_PIT2, &s));
	return s;
}

static void program(struct vmm_vcpu *vcpu, unsigned int channel, unsigned int mode,
		    unsigned int count)
{
	chips_out(vcpu, CTL, channel << 6 | 0x30 | mode << 1);
	chips_out(vcpu, CH0 + channel, count);
	chips_out(vcpu, CH0 + channel, count >> 8);
}

static unsigned int latched(struct vmm_vcpu *vcpu, unsigned int channel)
{
	unsigned int low;

	chips_out(vcpu, CTL, channel << 6);
	low = chips_in(vcpu, CH0 + channel);
	return low | chips_in(vcpu, CH0 + channel) << 8;
}

TEST(caps, "the capabilities")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_EQ(vmm_cap(vm, KVM_CAP_PIT), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_PIT2), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_PIT_STATE2), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_REINJECT_CONTROL), 1);
}

TEST(create, "it needs the interrupt controllers and is made once")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct kvm_reinject_control control = {};
	int r = create(vm, 0);
	struct kvm_pit_state2 s2 = {};
	struct kvm_pit_state s = {};

	/* Older kernels do not look, whatever the documentation says. */
	CHECK(!r || errno == ENOENT);
	if (!r) {
		vmm_destroy(vm);
		vm = vmm_create(VMM_MIN_RAM);
	}
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_PIT2, &s2), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_PIT2, &s2), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_PIT, &s), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_PIT, &s), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_REINJECT_CONTROL, &control), ENXIO);
	OK(create(vm, 0));
	CHECK_ERRNO(create(vm, 0), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT), EEXIST);
	OK(ioctl(vm->fd, KVM_GET_PIT2, &s2));
	OK(ioctl(vm->fd, KVM_SET_PIT2, &s2));
	OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &control));
}

TEST(fresh, "the state after creation")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_pit_state2 s = state(vcpu);
	unsigned int n;

	CHECK_EQ(s.flags, 0);
	for (n = 0; n < 3; n++) {
		CHECK_EQ(s.channels[n].mode, 0xff);
		CHECK_EQ(s.channels[n].gate, n != 2);
		CHECK_EQ(s.channels[n].count, 0x10000);
	}
}

TEST(count_modes, "reading counts back: low, high, both")
{
	struct vmm_vcpu *vcpu = boot();

	/* Mode 0 does not come back for 50 ms; too short a time to see it change. */
	program(vcpu, 1, 0, 0xffff);
	CHECK(latched(vcpu, 1) <= 0xffff);
	CHECK_EQ(state(vcpu).channels[1].count, 0xffff);
	CHECK_EQ(state(vcpu).channels[1].rw_mode, 3);
	chips_out(vcpu, CTL, 1 << 6 | 0x10 | 4);
	chips_out(vcpu, CH1, 0x21);
	CHECK_EQ(state(vcpu).channels[1].count, 0x21);
	CHECK_EQ(state(vcpu).channels[1].mode, 2);
	CHECK(chips_in(vcpu, CH1) <= 0x21);
	chips_out(vcpu, CTL, 1 << 6 | 0x20 | 4);
	chips_out(vcpu, CH1, 0x43);
	CHECK_EQ(state(vcpu).channels[1].count, 0x4300);
	CHECK(chips_in(vcpu, CH1) <= 0x43);
	program(vcpu, 1, 3, 0);
	CHECK_EQ(state(vcpu).channels[1].count, 0x10000);
}

TEST(speed, "a counter falls with 1193182 Hz")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t t0, t1, t2, t3, least, most, clocks;
	unsigned int a, b;

	program(vcpu, 1, 2, 0);
	t0 = now_ns();
	a = latched(vcpu, 1);
	t1 = now_ns();
	vmm_sleep_ms(20);
	t2 = now_ns();
	b = latched(vcpu, 1);
	t3 = now_ns();
	least = (t2 - t1) * PIT_HZ / 1000000000 - 2;
	most = (t3 - t0) * PIT_HZ / 1000000000 + 2;
	/* It may have gone round meanwhile. */
	clocks = least + (uint16_t)(a - b - least);
	CHECKF(clocks <= most, "%llu clocks, expected %llu to %llu",
	       (unsigned long long)clocks, (unsigned long long)least,
	       (unsigned long long)most);
}

TEST(latch, "a latched count stays until it is read")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_pit_state2 s;
	unsigned int low;

	program(vcpu, 2, 2, 0);
	chips_out(vcpu, SPEAKER, 1);
	chips_out(vcpu, CTL, 2 << 6);
	s = state(vcpu);
	CHECK_EQ(s.channels[2].count_latched, 3);
	vmm_sleep_ms(5);
	chips_out(vcpu, CTL, 2 << 6);
	CHECK_EQ(state(vcpu).channels[2].latched_count, s.channels[2].latched_count);
	low = chips_in(vcpu, CH2);
	CHECK_EQ(low | chips_in(vcpu, CH2) << 8, s.channels[2].latched_count);
	CHECK_EQ(state(vcpu).channels[2].count_latched, 0);
}

TEST(read_back, "the read-back command latches counts and status of several")
{
	struct vmm_vcpu *vcpu = boot();

	program(vcpu, 0, 2, 5000);
	program(vcpu, 2, 0, 0xffff);
	chips_out(vcpu, SPEAKER, 1);
	chips_out(vcpu, CTL, 0xc0 | 2 << 0 | 8);
	CHECK_EQ(state(vcpu).channels[0].status_latched, 1);
	CHECK_EQ(state(vcpu).channels[0].count_latched, 3);
	CHECK_EQ(state(vcpu).channels[1].status_latched, 0);
	CHECK_EQ(state(vcpu).channels[2].status_latched, 1);
	CHECK_EQ(chips_in(vcpu, CH0) & 0x3f, 0x34);
	CHECK_EQ(chips_in(vcpu, CH2) & 0x3f, 0x30);
	chips_in(vcpu, CH0);
	CHECK_EQ(state(vcpu).channels[0].count_latched, 2);
	chips_in(vcpu, CH0);
	CHECK_EQ(state(vcpu).channels[0].count_latched, 0);
	/* Status only. */
	chips_out(vcpu, CTL, 0xe0 | 2);
	CHECK_EQ(state(vcpu).channels[0].count_latched, 0);
	CHECK_EQ(state(vcpu).channels[0].status_latched, 1);
}

TEST(out2, "channel 2 in mode 0 raises its output in port 0x61")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t before, after, look;
	uint8_t port;

	chips_out(vcpu, SPEAKER, 1);
	before = now_ns();
	program(vcpu, 2, 0, 59659);		/* 50 ms */
	after = now_ns();
	/* However late this looks: low until its time has come, high from then on. */
	do {
		look = now_ns();
		port = chips_in(vcpu, SPEAKER);
		CHECK_EQ(port & 3, 1);
		CHECK(port & 0x20 || look - after < 51 * MS);
	} while (!(port & 0x20));
	CHECK(now_ns() - before >= 49 * MS);
	chips_out(vcpu, SPEAKER, 3);
	CHECK_EQ(chips_in(vcpu, SPEAKER) & 3, 3);
	CHECK_EQ(state(vcpu).flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	CHECK_EQ(state(vcpu).channels[2].gate, 1);
	chips_out(vcpu, SPEAKER, 0);
	CHECK_EQ(state(vcpu).channels[2].gate, 0);
	CHECK_EQ(state(vcpu).flags, 0);
}

GUEST(in_61, 64, "in $0x61, %al\n hlt\n");

TEST(no_speaker, "without its flag port 0x61 is the VMM's")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *vcpu;

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(create(vm, 0));
	vmm_load(vm, GPA_CODE, in_61);
	vcpu = vmm_vcpu_add(vm);
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_run_to(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, SPEAKER);
}

static void tick(struct vmm_vcpu *vcpu)
{
	CHECK_EQ(chips_wait(vcpu), VECTOR);
	chips_out(vcpu, 0x20, 0x20);
}

/* Ticks that were due between @start and now. */
static int due_since(uint64_t start)
{
	return (now_ns() - start) * PIT_HZ / 1000000000 / TICK;
}

/*
 * On a busy machine some come late, and then together: none before its time, and in
 * the end as many as there was time for.
 */
TEST(periodic, "channel 0 ticks at its rate in modes 2 and 3")
{
	uint64_t before, after;
	struct vmm_vcpu *vcpu;
	unsigned int mode;
	int n;

	for (mode = 2; mode <= 3; mode++) {
		vcpu = boot();
		before = now_ns();
		program(vcpu, 0, mode, TICK);
		after = now_ns();
		for (n = 1; n <= 20 || n <= due_since(after); n++) {
			tick(vcpu);
			CHECKF(n <= due_since(before), "tick %d came too early", n);
			CHECKF(n < 500, "of %d ticks %d came", due_since(after), n);
		}
	}
}

TEST(one_shot, "channel 0 interrupts once in mode 0")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t start = vmm_now_ms();
	int came;

	program(vcpu, 0, 0, 23864);			/* 20 ms */
	came = chips_take(vcpu);
	if (came < 0)
		came = chips_wait(vcpu);
	CHECK_EQ(came, VECTOR);
	chips_out(vcpu, 0x20, 0x20);
	CHECK(vmm_now_ms() - start >= 19);
	vmm_sleep_ms(60);
	CHECK_EQ(chips_take(vcpu), -1);
}

static void reinject(struct vmm_vcpu *vcpu, uint8_t on)
{
	struct kvm_reinject_control control = { .pit_reinject = on };

	OK(ioctl(vcpu->vm->fd, KVM_REINJECT_CONTROL, &control));
}

/*
 * How many ticks are missing after 200 ms without interrupts, when the guest has then
 * taken what there is for as long as any is missing, but no longer than @ms.
 */
static int missing(struct vmm_vcpu *vcpu, int vector, unsigned int ms)
{
	uint64_t start, end;
	int n = 1, left;

	program(vcpu, 0, 2, TICK);
	start = now_ns();
	CHECK_EQ(chips_wait(vcpu), vector);
	vmm_sleep_ms(200);
	end = vmm_now_ms() + ms;
	do {
		chips_out(vcpu, 0x20, 0x20);
		chips_write(vcpu, CHIPS_LAPIC + 0xb0, 0);
		if (chips_take(vcpu) == vector)
			n++;
		left = due_since(start) - n;
	} while (left > 0 && vmm_now_ms() < end);
	tap_diag("%d ticks, %d missing", n, left);
	return left;
}

/* One is latched meanwhile; the others of 200 ms are lost. */
#define LOST	17

TEST(reinjected, "ticks the guest missed come later")
{
	CHECK(missing(boot(), VECTOR, 10000) <= 0);
}

TEST(discarded, "without reinjection one of them comes")
{
	struct vmm_vcpu *vcpu = boot();

	reinject(vcpu, 0);
	CHECK(missing(vcpu, VECTOR, 100) >= LOST);
}

static struct vmm_vcpu *boot_ioapic(void)
{
	struct vmm_vcpu *vcpu = boot();

	chips_out(vcpu, 0x21, 0xff);
	chips_write(vcpu, CHIPS_LAPIC + 0xf0, 0x1ff);
	chips_write(vcpu, CHIPS_IOAPIC, 0x10);
	chips_write(vcpu, CHIPS_IOAPIC + 0x10, 0x41);
	return vcpu;
}

TEST(through_ioapic, "reinjection counts EOIs of the I/O APIC's edges too")
{
	CHECK(missing(boot_ioapic(), 0x41, 10000) <= 0);
}

TEST(discarded_ioapic, "without reinjection one of them comes through the I/O APIC")
{
	struct vmm_vcpu *vcpu = boot_ioapic();

	reinject(vcpu, 0);
	CHECK(missing(vcpu, 0x41, 100) >= LOST);
}

TEST(set_state, "a state that is set ticks")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_pit_state2 s = state(vcpu), got;

	s.channels[0].count = TICK;
	s.channels[0].mode = 2;
	s.channels[0].rw_mode = 3;
	s.channels[0].count_load_time = now_ns();
	s.channels[1].count = 77;
	s.channels[1].mode = 3;
	s.channels[1].gate = 1;
	OK(ioctl(vcpu->vm->fd, KVM_SET_PIT2, &s));
	got = state(vcpu);
	CHECK_EQ(got.channels[0].count, TICK);
	CHECK_EQ(got.channels[0].mode, 2);
	CHECK_EQ(got.channels[1].count, 77);
	CHECK_EQ(got.channels[1].mode, 3);
	tick(vcpu);
	tick(vcpu);

	/* The HPET has taken the interrupt over. */
	s.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	OK(ioctl(vcpu->vm->fd, KVM_SET_PIT2, &s));
	CHECK_EQ(state(vcpu).flags, KVM_PIT_FLAGS_HPET_LEGACY);
	chips_take(vcpu);
	chips_out(vcpu, 0x20, 0x20);
	vmm_sleep_ms(50);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(old_state, "the older ioctls have the channels only")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_pit_state s;

	program(vcpu, 1, 3, 1234);
	OK(ioctl(vcpu->vm->fd, KVM_GET_PIT, &s));
	CHECK_EQ(s.channels[1].count, 1234);
	s.channels[1].count = 4321;
	OK(ioctl(vcpu->vm->fd, KVM_SET_PIT, &s));
	CHECK_EQ(state(vcpu).channels[1].count, 4321);
}

TEST(hostile_state, "any bytes as state do no harm")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_pit_state2 s;
	unsigned int i, n;

	for (i = 0; i < 256; i += 15) {
		memset(&s, i, sizeof(s));
		OK(ioctl(vcpu->vm->fd, KVM_SET_PIT2, &s));
		for (n = 0; n < 4; n++)
			chips_in(vcpu, CH0 + n);
		chips_in(vcpu, SPEAKER);
		chips_out(vcpu, SPEAKER, i);
		chips_out(vcpu, CTL, 0xce);
		latched(vcpu, 0);
		state(vcpu);
	}
}

TEST(fast, "the host survives the fastest rate a guest can ask for")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int n = 0;
	uint64_t start;

	if (access("/sys/module/kvm/version", F_OK))
		SKIP("the stock modules hang in an emulated host");
	reinject(vcpu, 0);
	chips_out(vcpu, CTL, 0x14);
	chips_out(vcpu, CH0, 1);
	start = vmm_now_ms();
	while (vmm_now_ms() - start < 200) {
		tick(vcpu);
		n++;
	}
	CHECKF(n <= 1200, "%u ticks in 200 ms", n);
}
