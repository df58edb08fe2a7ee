// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: the page a guest computes its time from, the wall clock, and
 * KVM_GET/SET_CLOCK.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <time.h>

#define MSR_WALL_OLD	0x11
#define MSR_TIME_OLD	0x12
#define MSR_WALL	0x4b564d00
#define MSR_TIME	0x4b564d01

#define FLAG_STABLE	1
#define FLAG_STOPPED	2

#define GET_REALTIME	4
#define GET_HOST_TSC	8

#define NS		1000000000ull
#define PAGE		GPA_DATA2
#define WALL		(GPA_DATA2 + 0x100)

struct time_info {
	uint32_t version, pad0;
	uint64_t tsc, system;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};

struct wall {
	uint32_t version, sec, nsec;
};

/* As newer headers have it. */
struct clock_data {
	uint64_t clock;
	uint32_t flags, pad0;
	uint64_t realtime, host_tsc;
	uint32_t pad[4];
};

/* RBX is the TSC; a second HLT for a second reading. */
GUEST(read_tsc, 64,
	"1: lfence\n"
	"rdtsc\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"mov %rax, %rbx\n"
	"hlt\n"
	"jmp 1b\n");

static void set_msr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = msr, .data = value } };

	CHECKF(ioctl(vcpu->fd, KVM_SET_MSRS, &m) == 1, "MSR 0x%x refuses 0x%llx", msr,
	       (unsigned long long)value);
}

static uint64_t get_msr(struct vmm_vcpu *vcpu, uint32_t msr)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = msr };

	CHECKF(ioctl(vcpu->fd, KVM_GET_MSRS, &m) == 1, "MSR 0x%x cannot be read", msr);
	return m.entry.data;
}

static bool feature(struct vmm_vcpu *vcpu, int bit)
{
	struct kvm_cpuid_entry2 *leaf;

	leaf = vmm_cpuid_find(vmm_supported_cpuid(vcpu->vm->dev), 0x40000001, 0);
	return leaf && leaf->eax & 1u << bit;
}

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, read_tsc);

	if (!vmm_cap(vcpu->vm, KVM_CAP_CLOCKSOURCE))
		SKIP("KVM_CAP_CLOCKSOURCE is 0");
	return vcpu;
}

static struct time_info *info(struct vmm_vcpu *vcpu)
{
	return (struct time_info *)(vcpu->vm->ram + PAGE);
}

/* What the guest, having just read its TSC, computes as msr.rst says. */
static uint64_t guest_time(struct vmm_vcpu *vcpu, uint64_t page)
{
	struct time_info *t = (struct time_info *)(vcpu->vm->ram + page);
	uint64_t cycles;

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECKF(t->version && !(t->version & 1), "version is %u", t->version);
	cycles = vmm_regs(vcpu).rbx - t->tsc;
	cycles = t->shift >= 0 ? cycles << t->shift : cycles >> -t->shift;
	return t->system + (uint64_t)(((unsigned __int128)cycles * t->mul) >> 32);
}

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static uint64_t realtime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static struct clock_data get_clock(struct vmm *vm)
{
	struct clock_data data;

	memset(&data, 0xee, sizeof(data));
	OK(ioctl(vm->fd, KVM_GET_CLOCK, &data));
	return data;
}

/* @got lies between @from and @to, and half a second's slack for slow machines. */
static void check_between(const char *what, uint64_t got, uint64_t from, uint64_t to)
{
	CHECKF(got + NS / 2 >= from && got <= to + NS / 2, "%s is %llu, not in %llu..%llu",
	       what, (unsigned long long)got, (unsigned long long)from,
	       (unsigned long long)to);
}

TEST(features, "CPUID offers the clock: old and new MSRs")
{
	struct vmm_vcpu *vcpu = boot();

	CHECK(feature(vcpu, 0));
	CHECK(feature(vcpu, 3));
	if (vmm_cap(vcpu->vm, KVM_CAP_NOP_IO_DELAY))
		CHECK(feature(vcpu, 1));
}

TEST(page, "the page is written, and time computed from it passes as on the host")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t host, guest, passed;

	set_msr(vcpu, MSR_TIME, PAGE | 1);
	CHECK_EQ(get_msr(vcpu, MSR_TIME), PAGE | 1);
	CHECK_EQ(get_msr(vcpu, MSR_TIME_OLD), PAGE | 1);
	host = monotonic();
	guest = guest_time(vcpu, PAGE);
	vmm_sleep_ms(300);
	passed = guest_time(vcpu, PAGE) - guest;
	host = monotonic() - host;
	CHECKF(passed > NS / 5 && passed < host + NS / 20,
	       "%llu ns passed in the guest, %llu on the host",
	       (unsigned long long)passed, (unsigned long long)host);
}

TEST(same_as_ioctl, "the guest's time is KVM_GET_CLOCK's")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t before, guest;

	set_msr(vcpu, MSR_TIME_OLD, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	before = get_clock(vcpu->vm).clock;
	guest = guest_time(vcpu, PAGE);
	check_between("guest time", guest, before, get_clock(vcpu->vm).clock);
}

TEST(disabled, "a page whose MSR has bit 0 clear is left alone")
{
	struct vmm_vcpu *vcpu = boot();

	set_msr(vcpu, MSR_TIME, PAGE);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(info(vcpu)->version, 0);
	CHECK_EQ(info(vcpu)->mul, 0);
}

TEST(no_memory, "addresses where no RAM is do no harm")
{
	struct vmm_vcpu *vcpu = boot();

	set_msr(vcpu, MSR_TIME, 0xffff000000000001ull);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	set_msr(vcpu, MSR_TIME, GPA_MMIO | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	/* Half of it beyond the end of RAM. */
	set_msr(vcpu, MSR_TIME, (SZ_1M - 16) | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(info(vcpu)->version && !(info(vcpu)->version & 1));
}

TEST(version, "an update makes the version another even number")
{
	struct vmm_vcpu *vcpu = boot();
	uint32_t version;

	info(vcpu)->version = 0x77;
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	version = info(vcpu)->version;
	CHECK(version != 0x77 && !(version & 1));
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(info(vcpu)->version != version && !(info(vcpu)->version & 1));
}

TEST(set_clock, "KVM_SET_CLOCK moves the guest's time, whether it has run or not")
{
	struct vmm_vcpu *vcpu = boot();
	struct clock_data data = { .clock = 1000 * NS };

	set_msr(vcpu, MSR_TIME, PAGE | 1);
	OK(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data));
	check_between("guest time", guest_time(vcpu, PAGE), 1000 * NS, 1010 * NS);
	data.clock = 5 * NS;
	OK(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data));
	check_between("clock", get_clock(vcpu->vm).clock, 5 * NS, 15 * NS);
	check_between("guest time", guest_time(vcpu, PAGE), 5 * NS, 15 * NS);
}

TEST(realtime_flag, "with KVM_CLOCK_REALTIME the time between counts as passed")
{
	struct vmm_vcpu *vcpu = boot();
	struct clock_data data;
	uint64_t before;

	if (!(vmm_cap(vcpu->vm, KVM_CAP_ADJUST_CLOCK) & GET_REALTIME))
		SKIP("KVM_CAP_ADJUST_CLOCK lacks KVM_CLOCK_REALTIME");
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	before = realtime();
	data = get_clock(vcpu->vm);
	tap_diag("flags 0x%x", data.flags);
	if (data.flags & GET_REALTIME)
		check_between("realtime", data.realtime, before, realtime());
	data.flags = GET_REALTIME;
	data.clock = 100 * NS;
	data.realtime = realtime() - 50 * NS;
	OK(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data));
	check_between("guest time", guest_time(vcpu, PAGE), 150 * NS, 160 * NS);
	/* A past that is yet to come does not count. */
	data.realtime = realtime() + 1000 * NS;
	OK(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data));
	check_between("guest time", guest_time(vcpu, PAGE), 100 * NS, 110 * NS);
}

TEST(stable, "the stable flag, where given, is the ioctl's and CPUID's too")
{
	struct vmm_vcpu *vcpu = boot();

	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(!!(info(vcpu)->flags & FLAG_STABLE),
		 !!(get_clock(vcpu->vm).flags & KVM_CLOCK_TSC_STABLE));
	if (info(vcpu)->flags & FLAG_STABLE)
		CHECK(feature(vcpu, 24));
	else
		tap_diag("not stable on this host");
}

TEST(two_vcpus, "two vcpus' pages give one time")
{
	struct vmm_vcpu *vcpu = boot(), *second = vmm_vcpu_add(vcpu->vm);
	uint64_t a, b, c;

	vmm_set_mode(second, VMM_LONG);
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	set_msr(second, MSR_TIME, (PAGE + 64) | 1);
	a = guest_time(vcpu, PAGE);
	b = guest_time(second, PAGE + 64);
	c = guest_time(vcpu, PAGE);
	CHECKF(a <= b && b <= c, "%llu, %llu, %llu", (unsigned long long)a,
	       (unsigned long long)b, (unsigned long long)c);
}

TEST(tsc_moved, "setting the guest's TSC does not move its clock")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t before;

	set_msr(vcpu, MSR_TIME, PAGE | 1);
	before = guest_time(vcpu, PAGE);
	set_msr(vcpu, 0x10, 1ull << 50);
	CHECK(get_msr(vcpu, 0x10) >= 1ull << 50);
	check_between("guest time", guest_time(vcpu, PAGE), before, before + 10 * NS);
}

TEST(wall, "the wall clock is real time minus the guest's clock")
{
	struct vmm_vcpu *vcpu = boot();
	struct wall *w = (struct wall *)(vcpu->vm->ram + WALL);
	uint64_t before, sum;

	set_msr(vcpu, MSR_TIME, PAGE | 1);
	set_msr(vcpu, MSR_WALL, WALL);
	CHECK(w->version && !(w->version & 1));
	CHECK(w->nsec < NS);
	before = realtime();
	sum = w->sec * NS + w->nsec + guest_time(vcpu, PAGE);
	check_between("wall clock", sum, before, realtime());
	CHECK_EQ(get_msr(vcpu, MSR_WALL_OLD), WALL);
	memset(w, 0, sizeof(*w));
	set_msr(vcpu, MSR_WALL_OLD, WALL);
	CHECK(w->version && !(w->version & 1) && w->sec);
	set_msr(vcpu, MSR_WALL, 0);
	set_msr(vcpu, MSR_WALL, GPA_MMIO);
}

TEST(paused, "KVM_KVMCLOCK_CTRL sets the flag, which stays until the guest clears it")
{
	struct vmm_vcpu *vcpu = boot();

	if (!vmm_cap(vcpu->vm, KVM_CAP_KVMCLOCK_CTRL))
		SKIP("KVM_CAP_KVMCLOCK_CTRL is 0");
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!(info(vcpu)->flags & FLAG_STOPPED));
	OK(ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(info(vcpu)->flags & FLAG_STOPPED);
	info(vcpu)->flags &= ~FLAG_STOPPED;
	set_msr(vcpu, MSR_TIME, PAGE | 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!(info(vcpu)->flags & FLAG_STOPPED));
}

TEST(bad_input, "KVM_SET_CLOCK refuses unknown flags; bad pointers")
{
	struct vmm_vcpu *vcpu = boot();
	struct clock_data data = { .clock = NS, .flags = 1u << 31 };

	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, &data), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_SET_CLOCK, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_CLOCK, NULL), EFAULT);
}
