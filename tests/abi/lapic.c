// SPDX-License-Identifier: GPL-2.0-only
/* One local APIC: registers, priorities, timer, state. */
#define _GNU_SOURCE
#include "apic.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MSR_PV_EOI	0x4b564d04
#define GPA_FLAG	0x100000

static struct vmm_vcpu *one(void)
{
	return &apic_vm(APIC_SPLIT, 1)->vcpu[0];
}

static void to_x2apic(struct vmm_vcpu *vcpu)
{
	uint64_t base;

	CHECK(guest_rdmsr(vcpu, MSR_APIC_BASE, &base));
	CHECK(guest_wrmsr(vcpu, MSR_APIC_BASE, base | BASE_X2APIC));
	apic_set_handler_eoi(vcpu, APIC_EOI_MSR);
}

TEST(state_reset, "a new APIC is in the state that the manuals give")
{
	static const unsigned int masked[] = {
		APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT1, APIC_LVTERR,
	};
	struct vmm *vm = apic_vm_bare(APIC_SPLIT);
	struct vmm_vcpu *bsp = apic_vcpu_add(vm), *ap = apic_vcpu_add(vm);
	struct kvm_lapic_state s = apic_state(bsp), t = apic_state(ap);
	unsigned int i;

	CHECK_EQ(apic_state_get(&s, APIC_ID), 0);
	CHECK_EQ(apic_state_get(&t, APIC_ID), 1u << 24);
	CHECK_EQ(apic_state_get(&s, APIC_LVR) & 0xff00ff, 0x50014);
	CHECK_EQ(apic_state_get(&s, APIC_DFR), 0xffffffff);
	CHECK_EQ(apic_state_get(&s, APIC_SVR), 0xff);
	CHECK_EQ(apic_state_get(&s, APIC_TPR), 0);
	CHECK_EQ(apic_state_get(&s, APIC_LDR), 0);
	for (i = 0; i < sizeof(masked) / sizeof(*masked); i++)
		CHECK_EQ(apic_state_get(&s, masked[i]), LVT_MASKED);
	CHECK_EQ(apic_state_get(&s, APIC_LVT0), 0x700);
	CHECK_EQ(apic_state_get(&t, APIC_LVT0), LVT_MASKED);
	for (i = 0; i < 8; i++)
		CHECK_EQ(apic_state_get(&s, APIC_IRR + i * 16) |
			 apic_state_get(&s, APIC_ISR + i * 16), 0);
}

TEST(state_without_apic, "the ioctls say EINVAL where userspace has the APIC")
{
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vmm_create(SZ_2M));
	struct kvm_vapic_addr va = {};
	struct kvm_lapic_state s = {};

	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_LAPIC, &s), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_LAPIC, &s), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va), EINVAL);
}

TEST(state_round_trip, "registers set by userspace are what it and the guest read")
{
	static const struct { unsigned int reg; uint32_t val; } regs[] = {
		{ APIC_TPR, 0x30 }, { APIC_LDR, 0x05000000 }, { APIC_DFR, 0x0fffffff },
		{ APIC_SVR, 0x1f0 }, { APIC_ICR, 0x000c0831 }, { APIC_ICR2, 0x21000000 },
		{ APIC_LVTT, 0x20044 }, { APIC_LVT0, 0x8700 }, { APIC_LVT1, 0x400 },
		{ APIC_LVTERR, 0x45 }, { APIC_TDCR, 0xa }, { APIC_ESR, 0x40 },
		{ APIC_IRR + 0x20, 0x11 }, { APIC_ISR + 0x40, 0x4 }, { APIC_TMR + 0x20, 1 },
	};
	struct vmm_vcpu *vcpu = one();
	struct kvm_lapic_state s = apic_state(vcpu);
	unsigned int i;

	for (i = 0; i < sizeof(regs) / sizeof(*regs); i++)
		apic_state_put(&s, regs[i].reg, regs[i].val);
	apic_state_put(&s, APIC_LVR, 0xdeadbeef);
	apic_set_state(vcpu, &s);
	s = apic_state(vcpu);
	for (i = 0; i < sizeof(regs) / sizeof(*regs); i++) {
		CHECK_EQ(apic_state_get(&s, regs[i].reg), regs[i].val);
		CHECK_EQ(guest_read(vcpu, regs[i].reg), regs[i].val);
	}
	CHECK_EQ(apic_state_get(&s, APIC_LVR) & 0xff00ff, 0x50014);
	CHECK_EQ(guest_cr8(vcpu), 3);
	/* 0x82 is in service: its class beats the task's. */
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x80);
	CHECK_EQ(apic_peek(vcpu, APIC_PPR), 0x80);
}

TEST(state_any_bytes, "whatever userspace writes, the vcpu goes on or stops, the host lives")
{
	struct vmm_vcpu *vcpu = one();
	struct kvm_lapic_state s;
	unsigned long i, n = tap_scaled(200, 20);
	unsigned int j;

	srand(4711);
	for (i = 0; i < n; i++) {
		for (j = 0; j < sizeof(s.regs); j++)
			s.regs[j] = rand() >> 8;
		if (i == 0)
			memset(&s, 0xff, sizeof(s));
		apic_set_state(vcpu, &s);
		s = apic_state(vcpu);
		guest_read(vcpu, APIC_TMCCT);
		guest_write(vcpu, APIC_TPR, 0);
		apic_log_clear(vcpu);
		guest_take(vcpu);
	}
}

TEST(state_wide_ids, "with 32-bit IDs x2APIC mode stores the whole ID, and no other")
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { 3 } };
	struct vmm *vm = apic_vm_bare(APIC_SPLIT);
	struct kvm_lapic_state s;
	struct vmm_vcpu *vcpu;

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 8;
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	apic_vcpu_add(vm);
	vcpu = apic_vcpu_add(vm);
	CHECK_EQ(apic_peek(vcpu, APIC_ID), 1u << 24);
	to_x2apic(vcpu);
	s = apic_state(vcpu);
	CHECK_EQ(apic_state_get(&s, APIC_ID), 1);
	CHECK_EQ(apic_state_get(&s, APIC_LDR), 2);
	apic_state_put(&s, APIC_ID, 1u << 24);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_LAPIC, &s), EINVAL);
	apic_state_put(&s, APIC_ID, 1);
	apic_set_state(vcpu, &s);
}

TEST(state_narrow_ids, "without, the ID's low byte is where xAPIC mode has it")
{
	struct vmm *vm = apic_vm_bare(APIC_SPLIT);
	struct vmm_vcpu *vcpu;
	struct kvm_lapic_state s;

	apic_vcpu_add(vm);
	vcpu = apic_vcpu_add(vm);
	to_x2apic(vcpu);
	s = apic_state(vcpu);
	CHECK_EQ(apic_state_get(&s, APIC_ID), 1u << 24);
	apic_set_state(vcpu, &s);
	CHECK_EQ(apic_peek(vcpu, APIC_LDR), 2);
}

TEST(vapic_addr, "SET_VAPIC_ADDR takes 0 and guest memory, nothing else")
{
	struct kvm_vapic_addr va = {};
	struct vmm_vcpu *vcpu = one();

	OK(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va));
	va.vapic_addr = 0x1000;
	OK(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va));
	va.vapic_addr = 1ull << 40;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va), EINVAL);
	va.vapic_addr = 0;
	OK(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va));
}

TEST(page_registers, "the page keeps what can be written, and only that")
{
	struct vmm_vcpu *vcpu = one();

	guest_write(vcpu, APIC_TPR, 0x120);
	CHECK_EQ(guest_read(vcpu, APIC_TPR), 0x20);
	CHECK_EQ(guest_cr8(vcpu), 2);
	guest_set_cr8(vcpu, 5);
	CHECK_EQ(guest_read(vcpu, APIC_TPR), 0x50);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x50);
	guest_write(vcpu, APIC_LDR, 0x12345678);
	CHECK_EQ(guest_read(vcpu, APIC_LDR), 0x12000000);
	guest_write(vcpu, APIC_DFR, 0);
	CHECK_EQ(guest_read(vcpu, APIC_DFR), 0x0fffffff);
	guest_write(vcpu, APIC_ICR2, 0x12345678);
	CHECK_EQ(guest_read(vcpu, APIC_ICR2), 0x12000000);
	guest_write(vcpu, APIC_TDCR, 0xffffffff);
	CHECK_EQ(guest_read(vcpu, APIC_TDCR), 0xb);
	guest_write(vcpu, APIC_LVTT, 0xffffffff);
	CHECK_EQ(guest_read(vcpu, APIC_LVTT) & ~0x1000u, 0x700ff);
	guest_write(vcpu, APIC_LVT0, 0xffffffff);
	CHECK_EQ(guest_read(vcpu, APIC_LVT0) & ~0x5000u, 0x1a7ff);
	guest_write(vcpu, APIC_LVTERR, 0xffffffff);
	CHECK_EQ(guest_read(vcpu, APIC_LVTERR) & ~0x1000u, 0x100ff);
	guest_write(vcpu, APIC_LVR, 0);
	CHECK_EQ(guest_read(vcpu, APIC_LVR) & 0xff00ff, 0x50014);
	guest_write(vcpu, APIC_PPR, 0xff);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x50);
}

TEST(soft_disable, "an APIC disabled by software masks its LVTs and takes no interrupt")
{
	struct vmm_vcpu *vcpu = one();

	guest_write(vcpu, APIC_LVT0, 0x40);
	CHECK_EQ(guest_read(vcpu, APIC_LVT0), 0x40);
	guest_write(vcpu, APIC_SVR, 0xff);
	CHECK_EQ(guest_read(vcpu, APIC_LVT0), 0x10040);
	guest_write(vcpu, APIC_LVT0, 0x41);
	CHECK_EQ(guest_read(vcpu, APIC_LVT0), 0x10041);
	guest_write(vcpu, APIC_ICR, 0x44041);
	guest_write(vcpu, APIC_SVR, 0x1ff);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x41), 0);
}

TEST(x2apic_registers, "x2APIC mode: the MSRs that exist, and #GP for the others")
{
	static const uint8_t readable[] = {
		0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x10, 0x17, 0x18, 0x1f, 0x20, 0x27,
		0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e,
	};
	static const uint8_t unreadable[] = {
		0x00, 0x01, 0x04, 0x07, 0x09, 0x0b, 0x0c, 0x0e, 0x29, 0x2e, 0x31, 0x3a,
		0x3d, 0x3f,
	};
	static const uint8_t unwritable[] = {
		0x00, 0x02, 0x03, 0x09, 0x0a, 0x0c, 0x0d, 0x0e, 0x10, 0x18, 0x20, 0x31,
		0x39, 0x3a, 0x7f, 0xff,
	};
	struct vmm_vcpu *vcpu = one();
	unsigned int i;
	uint64_t val;

	CHECK(!guest_rdmsr(vcpu, MSR_X2APIC + 2, &val));
	CHECK(!guest_wrmsr(vcpu, MSR_X2APIC + 8, 0));
	to_x2apic(vcpu);
	for (i = 0; i < sizeof(readable); i++)
		CHECKF(guest_rdmsr(vcpu, MSR_X2APIC + readable[i], &val),
		       "RDMSR of 0x8%02x faults", readable[i]);
	for (i = 0; i < sizeof(unreadable); i++)
		CHECKF(!guest_rdmsr(vcpu, MSR_X2APIC + unreadable[i], &val),
		       "RDMSR of 0x8%02x does not fault", unreadable[i]);
	for (i = 0; i < sizeof(unwritable); i++)
		CHECKF(!guest_wrmsr(vcpu, MSR_X2APIC + unwritable[i], 0),
		       "WRMSR to 0x8%02x does not fault", unwritable[i]);
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 8, 0x40));
	CHECK(guest_rdmsr(vcpu, MSR_X2APIC + 8, &val));
	CHECK_EQ(val, 0x40);
	CHECK_EQ(guest_cr8(vcpu), 4);
	CHECK(!guest_wrmsr(vcpu, MSR_X2APIC + 8, 1ull << 32));
	CHECK(!guest_wrmsr(vcpu, MSR_X2APIC + 0x28, 1));
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 0x28, 0));
	CHECK(!guest_wrmsr(vcpu, MSR_X2APIC + 0x3f, 0x100));
	CHECK(!guest_wrmsr(vcpu, MSR_X2APIC + 0x30, 1ull << 31));
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 0xb, 0));
}

TEST(self_ipi_msr, "x2APIC mode's SELF_IPI")
{
	struct vmm_vcpu *vcpu = one();

	to_x2apic(vcpu);
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 0x3f, 0x61));
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 0x30, 0x44062));
	guest_take(vcpu);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x61), 1);
	CHECK_EQ(apic_count(vcpu, 0x62), 1);
	CHECK_EQ(apic_peek(vcpu, APIC_ISR + 0x30), 0);
}

TEST(mode_changes, "APIC_BASE: to x2APIC and off and back as the manual draws it")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t base, val;

	CHECK(guest_rdmsr(vcpu, MSR_APIC_BASE, &base));
	CHECK_EQ(base, APIC_PAGE | BASE_ENABLE | 0x100);
	to_x2apic(vcpu);
	CHECK(guest_rdmsr(vcpu, MSR_X2APIC + 2, &val));
	CHECK_EQ(val, 0);
	CHECK(guest_rdmsr(vcpu, MSR_X2APIC + 0xd, &val));
	CHECK_EQ(val, 1);
	CHECK(!guest_wrmsr(vcpu, MSR_APIC_BASE, base));
	CHECK(guest_wrmsr(vcpu, MSR_APIC_BASE, base & ~BASE_ENABLE));
	CHECK(!guest_rdmsr(vcpu, MSR_X2APIC + 2, &val));
	CHECK(!guest_wrmsr(vcpu, MSR_APIC_BASE, base | BASE_X2APIC));
	CHECK(guest_wrmsr(vcpu, MSR_APIC_BASE, base));
	CHECK_EQ(guest_read(vcpu, APIC_LVR) & 0xff00ff, 0x50014);
}

TEST(priority, "interrupts wait for the task's priority and come by their own")
{
	struct vmm_vcpu *vcpu = one();

	guest_write(vcpu, APIC_TPR, 0x60);
	guest_write(vcpu, APIC_ICR, 0x44041);
	guest_write(vcpu, APIC_ICR, 0x44065);
	guest_write(vcpu, APIC_ICR, 0x44081);
	guest_take(vcpu);
	CHECK_EQ(apic_logged(vcpu), 1);
	CHECK_EQ(apic_log(vcpu, 0), 0x81);
	CHECK_EQ(apic_peek(vcpu, APIC_IRR + 0x20), 2);
	guest_set_cr8(vcpu, 5);
	guest_take(vcpu);
	CHECK_EQ(apic_log(vcpu, 1), 0x65);
	guest_set_cr8(vcpu, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_logged(vcpu), 3);
	CHECK_EQ(apic_log(vcpu, 2), 0x41);
	CHECK_EQ(apic_peek(vcpu, APIC_IRR + 0x20), 0);
}

TEST(in_service, "what is in service blocks its class and below until its EOI")
{
	struct vmm_vcpu *vcpu = one();

	apic_set_handler_eoi(vcpu, APIC_EOI_NONE);
	guest_write(vcpu, APIC_ICR, 0x44065);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x65), 1);
	CHECK_EQ(guest_read(vcpu, APIC_ISR + 0x30), 1u << 5);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x60);
	guest_write(vcpu, APIC_ICR, 0x44068);
	guest_write(vcpu, APIC_ICR, 0x44041);
	guest_take(vcpu);
	CHECK_EQ(apic_logged(vcpu), 1);
	guest_write(vcpu, APIC_ICR, 0x44071);
	guest_take(vcpu);
	CHECK_EQ(apic_log(vcpu, 1), 0x71);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x70);
	guest_write(vcpu, APIC_EOI, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_logged(vcpu), 2);
	guest_write(vcpu, APIC_EOI, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_log(vcpu, 2), 0x68);
	guest_write(vcpu, APIC_EOI, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_log(vcpu, 3), 0x41);
	guest_write(vcpu, APIC_EOI, 0);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0);
	guest_write(vcpu, APIC_EOI, 0);
}

TEST(timer_one_shot, "a one-shot timer comes once, after its time")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t start;

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, 0x50);
	start = vmm_now_ms();
	guest_write(vcpu, APIC_TMICT, 50000000);
	CHECK_EQ(guest_read(vcpu, APIC_TMICT), 50000000);
	CHECK(guest_read(vcpu, APIC_TMCCT) <= 50000000);
	guest_wait(vcpu, 0x50, 1);
	CHECKF(vmm_now_ms() - start >= 49, "it came after %d ms",
	       (int)(vmm_now_ms() - start));
	CHECK_EQ(guest_read(vcpu, APIC_TMCCT), 0);
	vmm_sleep_ms(60);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x50), 1);
}

TEST(timer_counts_down, "the current count falls at 1 GHz divided")
{
	struct vmm_vcpu *vcpu = one();
	uint32_t first, second;
	uint64_t start, ms;

	guest_write(vcpu, APIC_LVTT, LVT_MASKED | 0x50);
	guest_write(vcpu, APIC_TDCR, 0xa);
	guest_write(vcpu, APIC_TMICT, 0xffffffff);
	start = vmm_now_ms();
	first = guest_read(vcpu, APIC_TMCCT);
	vmm_sleep_ms(100);
	second = guest_read(vcpu, APIC_TMCCT);
	ms = vmm_now_ms() - start + 1;
	/* 100 ms are 781250 steps of 128 ns; the host may be late, not early. */
	CHECKF(first - second >= 781250 && first - second <= ms * 7813,
	       "%u steps in %llu ms", first - second, (unsigned long long)ms);
	guest_write(vcpu, APIC_TMICT, 0);
	CHECK_EQ(guest_read(vcpu, APIC_TMCCT), 0);
}

TEST(timer_periodic, "a periodic timer comes again and again, and stops")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t start = vmm_now_ms();
	uint32_t n;

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, LVT_PERIODIC | 0x50);
	guest_write(vcpu, APIC_TMICT, 5000000);
	guest_wait(vcpu, 0x50, 10);
	CHECKF(vmm_now_ms() - start >= 49, "10 periods of 5 ms took %d ms",
	       (int)(vmm_now_ms() - start));
	guest_write(vcpu, APIC_TMICT, 0);
	guest_take(vcpu);
	n = apic_count(vcpu, 0x50);
	vmm_sleep_ms(20);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x50), n);
}

TEST(timer_period_limit, "a period of nanoseconds does not become a storm")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t start = vmm_now_ms();

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, LVT_PERIODIC | 0x50);
	guest_write(vcpu, APIC_TMICT, 1);
	guest_wait(vcpu, 0x50, 100);
	CHECKF(vmm_now_ms() - start >= 19, "100 periods took %d ms",
	       (int)(vmm_now_ms() - start));
}

TEST(timer_masked, "a masked timer runs but does not interrupt")
{
	struct vmm_vcpu *vcpu = one();

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, LVT_MASKED | 0x50);
	guest_write(vcpu, APIC_TMICT, 1000000);
	vmm_sleep_ms(20);
	guest_take(vcpu);
	CHECK_EQ(guest_read(vcpu, APIC_TMCCT), 0);
	CHECK_EQ(apic_count(vcpu, 0x50), 0);
}

TEST(timer_wakes, "the timer ends a halt")
{
	struct vmm_vcpu *vcpu = one();
	int i;

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, 0x50);
	for (i = 0; i < 20; i++) {
		guest_write(vcpu, APIC_TMICT, i & 1 ? 1000 : 3000000);
		guest_halt(vcpu);
		CHECK_EQ(apic_count(vcpu, 0x50), i + 1);
	}
}

TEST(deadline, "the TSC deadline timer fires when the TSC is there, not before")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t now, until, val;
	int i;

	guest_write(vcpu, APIC_LVTT, LVT_DEADLINE | 0x51);
	for (i = 0; i < 10; i++) {
		now = guest_tsc(vcpu);
		until = now + 5000000;
		CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, until));
		guest_wait(vcpu, 0x51, i + 1);
		CHECKF(guest_tsc(vcpu) >= until, "it fired too early");
		CHECK(guest_rdmsr(vcpu, MSR_TSC_DEADLINE, &val));
		CHECK_EQ(val, 0);
	}
}

TEST(deadline_past, "a deadline in the past fires at once, 0 disarms")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t val;

	guest_write(vcpu, APIC_LVTT, LVT_DEADLINE | 0x51);
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, 1));
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 1);
	val = guest_tsc(vcpu) + 50000000;
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, val));
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, 0));
	vmm_sleep_ms(150);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 1);
	/* The farthest one there is. */
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, ~0ull));
	CHECK(guest_rdmsr(vcpu, MSR_TSC_DEADLINE, &val));
	CHECK_EQ(val, ~0ull);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 1);
}

TEST(deadline_modes, "the deadline belongs to its mode")
{
	struct vmm_vcpu *vcpu = one();
	uint64_t val;

	guest_write(vcpu, APIC_LVTT, 0x51);
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, 1));
	CHECK(guest_rdmsr(vcpu, MSR_TSC_DEADLINE, &val));
	CHECK_EQ(val, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 0);
	guest_write(vcpu, APIC_LVTT, LVT_DEADLINE | 0x51);
	guest_write(vcpu, APIC_TMICT, 1000);
	CHECK_EQ(guest_read(vcpu, APIC_TMCCT), 0);
	val = guest_tsc(vcpu) + 20000000;
	CHECK(guest_wrmsr(vcpu, MSR_TSC_DEADLINE, val));
	guest_write(vcpu, APIC_LVTT, 0x51);
	guest_write(vcpu, APIC_LVTT, LVT_DEADLINE | 0x51);
	vmm_sleep_ms(100);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 0);
}

TEST(deadline_of_userspace, "the VMM's write of a deadline leaves a one-shot timer alone")
{
	struct vmm_vcpu *vcpu = one();
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = MSR_TSC_DEADLINE };

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, 0x50);
	guest_write(vcpu, APIC_TMICT, 50000000);
	CHECK_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, &msrs), 1);
	guest_wait(vcpu, 0x50, 1);
}

TEST(timer_state, "a running timer goes on where its state says")
{
	struct vmm_vcpu *vcpu = one();
	struct kvm_lapic_state s;
	uint64_t start;

	guest_write(vcpu, APIC_TDCR, TDCR_1);
	guest_write(vcpu, APIC_LVTT, 0x50);
	start = vmm_now_ms();
	guest_write(vcpu, APIC_TMICT, 4000000000);
	s = apic_state(vcpu);
	CHECK(apic_state_get(&s, APIC_TMCCT) <= 4000000000 &&
	      apic_state_get(&s, APIC_TMCCT) + (vmm_now_ms() - start + 1) * 1000000 >= 4000000000);
	apic_state_put(&s, APIC_TMCCT, 30000000);
	start = vmm_now_ms();
	apic_set_state(vcpu, &s);
	guest_halt(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x50), 1);
	/* Neither at once nor when it was first to come. */
	CHECKF(vmm_now_ms() - start >= 29 && vmm_now_ms() - start < 3000,
	       "30 ms took %d", (int)(vmm_now_ms() - start));
	/* Expired already. */
	apic_state_put(&s, APIC_TMCCT, 0);
	apic_set_state(vcpu, &s);
	CHECK_EQ(apic_peek(vcpu, APIC_TMCCT), 0);
}

TEST(halt_and_deliver, "an interrupt from userspace ends a halt")
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x72 };
	struct vmm_vcpu *vcpu = one();
	struct vmm_thread t;

	guest_halt_start(&t, vcpu);
	vmm_sleep_ms(50);
	CHECK(!t.done);
	CHECK_EQ(ioctl(vcpu->vm->fd, KVM_SIGNAL_MSI, &msi), 1);
	guest_join(&t);
	CHECK_EQ(apic_count(vcpu, 0x72), 1);
}

TEST(nmi_to_self, "an NMI through the ICR")
{
	struct vmm_vcpu *vcpu = one();

	apic_set_handler_eoi(vcpu, APIC_EOI_NONE);
	guest_write(vcpu, APIC_ICR2, 0);
	guest_write(vcpu, APIC_ICR, 0x4400);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 2), 1);
}

TEST(pv_eoi, "MSR_KVM_PV_EOI_EN: an interrupt ends by a bit in guest memory")
{
	struct vmm_vcpu *vcpu = one();
	uint32_t *flag = (uint32_t *)(vcpu->vm->ram + GPA_FLAG);
	uint32_t flagged;
	uint64_t val;
	int i;

	CHECK(!guest_wrmsr(vcpu, MSR_PV_EOI, GPA_FLAG | 3));
	CHECK(!guest_wrmsr(vcpu, MSR_PV_EOI, 1ull << 40 | 1));
	CHECK(guest_wrmsr(vcpu, MSR_PV_EOI, GPA_FLAG | 1));
	CHECK(apic_msr_get(vcpu, MSR_PV_EOI, &val));
	CHECK_EQ(val, GPA_FLAG | 1);
	/* A page that is not there is not waited for. */
	*flag = 0;
	apic_set_eoi_flag(vcpu, GPA_FLAG);
	guest_write(vcpu, APIC_ICR, 0x44050);
	guest_take(vcpu);
	/* From the second one on it is counted upon. */
	flagged = apic_flagged(vcpu);
	for (i = 1; i < 11; i++) {
		guest_write(vcpu, APIC_ICR, 0x44050);
		guest_take(vcpu);
		CHECK_EQ(apic_count(vcpu, 0x50), i + 1);
		CHECK_EQ(apic_peek(vcpu, APIC_ISR + 0x20), 0);
	}
	/* An exit before the EOI, for a tick of the host's say, takes the flag back. */
	flagged = apic_flagged(vcpu) - flagged;
	CHECKF(flagged > 5 && flagged <= 10, "%u of 10 by the flag", flagged);
	flagged = apic_flagged(vcpu);
	/* What is pending besides makes the first one's EOI exit. */
	guest_write(vcpu, APIC_ICR, 0x44041);
	guest_write(vcpu, APIC_ICR, 0x44050);
	guest_take(vcpu);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x50), 12);
	CHECK_EQ(apic_count(vcpu, 0x41), 1);
	CHECK(apic_flagged(vcpu) <= flagged + 1);
	/* A guest may write EOI all the same; the flag does not stay behind. */
	apic_set_handler_eoi(vcpu, APIC_EOI_PAGE);
	guest_write(vcpu, APIC_ICR, 0x44050);
	guest_take(vcpu);
	CHECK_EQ(apic_peek(vcpu, APIC_ISR + 0x20), 0);
	CHECK_EQ(*flag & 1, 0);
	/* What comes while the flag is up takes it back. */
	apic_set_handler_eoi(vcpu, APIC_EOI_NONE);
	guest_write(vcpu, APIC_ICR, 0x44050);
	guest_take(vcpu);
	guest_write(vcpu, APIC_ICR, 0x44042);
	guest_take(vcpu);
	CHECK_EQ(*flag & 1, 0);
	CHECK_EQ(apic_count(vcpu, 0x42), 0);
	guest_write(vcpu, APIC_EOI, 0);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x42), 1);
	guest_write(vcpu, APIC_EOI, 0);
	flagged = apic_flagged(vcpu);
	CHECK(guest_wrmsr(vcpu, MSR_PV_EOI, 0));
	apic_set_eoi_flag(vcpu, GPA_FLAG);
	guest_write(vcpu, APIC_ICR, 0x44051);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x51), 1);
	CHECK_EQ(apic_flagged(vcpu), flagged);
}
