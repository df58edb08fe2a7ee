// SPDX-License-Identifier: GPL-2.0-only
/* Allocations and user copies that fail while devices are made in the kernel. */
#define _GNU_SOURCE
#include "inject.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PORT		0x3f8
#define GSI		100
#define GSI_PIN		17
#define VECTOR		0x55
#define ROUTES		60
#define MSR_TIME	0x4b564d01
#define MSR_WALL	0x4b564d00
#define MSR_STEAL	0x4b564d03
#define GET_STATS_FD	_IO(KVMIO, 0xce)
#define RESAMPLE	KVM_IRQFD_FLAG_RESAMPLE

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		FAIL("reading an eventfd: %s", strerror(errno));
	return n;
}

/* --- interrupt controllers ---------------------------------------------------- */

static void prepare_vm(struct scene *s)
{
	s->vm = vmm_create(SZ_1M);
}

static int step_irqchip(struct scene *s)
{
	return RESULT(ioctl(s->vm->fd, KVM_CREATE_IRQCHIP, 0));
}

static void refused_irqchip(struct scene *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level line = { .irq = 4, .level = 1 };

	CHECK_ERRNO(ioctl(s->vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(ioctl(s->vm->fd, KVM_IRQ_LINE, &line), ENXIO);
}

/* A vcpu whose local APIC is on. */
static void add_lapic(struct scene *s)
{
	struct kvm_lapic_state lapic;

	s->vcpu = vmm_vcpu_add(s->vm);
	OK(ioctl(s->vcpu->fd, KVM_GET_LAPIC, &lapic));
	*(uint32_t *)&lapic.regs[0xf0] = 0x1ff;
	OK(ioctl(s->vcpu->fd, KVM_SET_LAPIC, &lapic));
}

static int line_status(struct scene *s, unsigned int gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	OK(ioctl(s->vm->fd, KVM_IRQ_LINE_STATUS, &line));
	return line.status;
}

static bool requested(struct scene *s, unsigned int vector)
{
	struct kvm_lapic_state lapic;

	OK(ioctl(s->vcpu->fd, KVM_GET_LAPIC, &lapic));
	return *(uint32_t *)&lapic.regs[0x200 + vector / 32 * 16] >> vector % 32 & 1;
}

static void unmask_pin(struct scene *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	OK(ioctl(s->vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[GSI_PIN].bits = VECTOR;
	OK(ioctl(s->vm->fd, KVM_SET_IRQCHIP, &chip));
}

static void check_irqchip(struct scene *s)
{
	CHECK_ERRNO(ioctl(s->vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	add_lapic(s);
	unmask_pin(s);
	line_status(s, GSI_PIN);
	CHECK(requested(s, VECTOR));
}

TEST(create_irqchip, "KVM_CREATE_IRQCHIP")
{
	static const struct sweep sweep = {
		.prepare = prepare_vm, .step = step_irqchip, .refused = refused_irqchip,
		.check = check_irqchip, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_split(struct scene *s)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	return RESULT(ioctl(s->vm->fd, KVM_ENABLE_CAP, &cap));
}

static void check_split(struct scene *s)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	CHECK_ERRNO(ioctl(s->vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	add_lapic(s);
	OK(ioctl(s->vm->fd, KVM_SIGNAL_MSI, &msi));
	CHECK(requested(s, VECTOR));
}

TEST(split_irqchip, "KVM_ENABLE_CAP of the split interrupt controller")
{
	static const struct sweep sweep = {
		.prepare = prepare_vm, .step = step_split, .refused = refused_irqchip,
		.check = check_split, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_irqchip(struct scene *s)
{
	prepare_vm(s);
	CHECK_EQ(step_irqchip(s), 0);
}

static void prepare_lapic(struct scene *s)
{
	prepare_irqchip(s);
	add_lapic(s);
	unmask_pin(s);
}

static int step_lapic_vcpu(struct scene *s)
{
	int fd = ioctl(s->vm->fd, KVM_CREATE_VCPU, 0ul);

	if (fd < 0)
		return -errno;
	s->fd = fd;
	return 0;
}

static void check_lapic_vcpu(struct scene *s)
{
	struct kvm_lapic_state lapic;

	OK(ioctl(s->fd, KVM_GET_LAPIC, &lapic));
}

TEST(create_lapic, "KVM_CREATE_VCPU with a local APIC")
{
	static const struct sweep sweep = {
		.prepare = prepare_irqchip, .step = step_lapic_vcpu,
		.check = check_lapic_vcpu, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_pit(struct scene *s)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return RESULT(ioctl(s->vm->fd, KVM_CREATE_PIT2, &config));
}

static void refused_pit(struct scene *s)
{
	struct kvm_pit_state2 state;

	CHECK_ERRNO(ioctl(s->vm->fd, KVM_GET_PIT2, &state), ENXIO);
}

static void check_pit(struct scene *s)
{
	struct kvm_pit_state2 state;

	OK(ioctl(s->vm->fd, KVM_GET_PIT2, &state));
	CHECK_ERRNO(step_pit(s) ? -1 : 0, EEXIST);
}

TEST(create_pit, "KVM_CREATE_PIT2")
{
	static const struct sweep sweep = {
		.prepare = prepare_irqchip, .step = step_pit, .refused = refused_pit,
		.check = check_pit, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_routing(struct scene *s)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[ROUTES];
	} table = { .head.nr = ROUTES };
	unsigned int i;

	for (i = 0; i < ROUTES; i++) {
		table.entry[i].gsi = GSI + i;
		table.entry[i].type = KVM_IRQ_ROUTING_MSI;
		table.entry[i].u.msi.address_lo = 0xfee00000;
		table.entry[i].u.msi.data = VECTOR + i;
	}
	return RESULT(ioctl(s->vm->fd, KVM_SET_GSI_ROUTING, &table));
}

static void refused_routing(struct scene *s)
{
	CHECK_EQ(line_status(s, GSI), -1);
	CHECK(!requested(s, VECTOR));
}

static void check_routing(struct scene *s)
{
	line_status(s, GSI);
	line_status(s, GSI + ROUTES - 1);
	CHECK(requested(s, VECTOR) && requested(s, VECTOR + ROUTES - 1));
}

TEST(set_gsi_routing, "KVM_SET_GSI_ROUTING")
{
	static const struct sweep sweep = {
		.prepare = prepare_lapic, .step = step_routing, .refused = refused_routing,
		.check = check_routing, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- eventfds ------------------------------------------------------------------ */

static int resample_fd;

static void prepare_irqfd(struct scene *s)
{
	prepare_lapic(s);
	s->fd = OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	resample_fd = OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static int irqfd(struct scene *s, uint32_t flags)
{
	struct kvm_irqfd args = {
		.fd = s->fd, .gsi = GSI_PIN, .flags = flags, .resamplefd = resample_fd,
	};

	return RESULT(ioctl(s->vm->fd, KVM_IRQFD, &args));
}

static int step_irqfd(struct scene *s)
{
	return irqfd(s, 0);
}

static int step_irqfd_level(struct scene *s)
{
	return irqfd(s, RESAMPLE);
}

/* It is not half there: nobody uses signals up. */
static void refused_irqfd(struct scene *s)
{
	CHECK_EQ(OK(eventfd_write(s->fd, 1)), 0);
	CHECK_EQ(signals(s->fd), 1);
	CHECK(!requested(s, VECTOR));
}

static void check_irqfd(struct scene *s)
{
	CHECK_EQ(OK(eventfd_write(s->fd, 1)), 0);
	CHECK_EQ(signals(s->fd), 0);
	CHECK(requested(s, VECTOR));
	CHECK_EQ(irqfd(s, KVM_IRQFD_FLAG_DEASSIGN), 0);
	CHECK_EQ(OK(eventfd_write(s->fd, 1)), 0);
	CHECK_EQ(signals(s->fd), 1);
	OK(close(resample_fd));
}

TEST(irqfd, "KVM_IRQFD")
{
	static const struct sweep sweep = {
		.prepare = prepare_irqfd, .step = step_irqfd, .refused = refused_irqfd,
		.check = check_irqfd, .fails = true,
	};

	sweep_run(&sweep);
}

TEST(irqfd_level, "KVM_IRQFD with resampling")
{
	static const struct sweep sweep = {
		.prepare = prepare_irqfd, .step = step_irqfd_level, .refused = refused_irqfd,
		.check = check_irqfd, .fails = true,
	};

	sweep_run(&sweep);
}

GUEST(one_out, 64,
	"mov $0x3f8, %edx\n"
	"mov $0x5a, %al\n"
	"out %al, %dx\n"
	"hlt\n");

static void prepare_ioeventfd(struct scene *s)
{
	s->vcpu = vmm_boot(SZ_1M, VMM_LONG, one_out);
	s->vm = s->vcpu->vm;
	s->fd = OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static int ioeventfd(struct scene *s, uint32_t flags)
{
	struct kvm_ioeventfd args = {
		.addr = PORT, .len = 1, .fd = s->fd, .flags = KVM_IOEVENTFD_FLAG_PIO | flags,
	};

	return RESULT(ioctl(s->vm->fd, KVM_IOEVENTFD, &args));
}

static int step_ioeventfd(struct scene *s)
{
	return ioeventfd(s, 0);
}

/* The guest's write comes to the VMM (@exits) or to the eventfd. */
static void write_goes(struct scene *s, bool exits)
{
	struct kvm_regs regs = vmm_regs(s->vcpu);

	regs.rip = GPA_CODE;
	vmm_set_regs(s->vcpu, &regs);
	s->accesses = 0;
	scene_must(s);
	CHECK_EQ(s->accesses, exits);
}

static void refused_ioeventfd(struct scene *s)
{
	write_goes(s, true);
	CHECK_EQ(signals(s->fd), 0);
}

static void check_ioeventfd(struct scene *s)
{
	write_goes(s, false);
	CHECK_EQ(signals(s->fd), 1);
}

TEST(ioeventfd, "KVM_IOEVENTFD")
{
	static const struct sweep sweep = {
		.prepare = prepare_ioeventfd, .step = step_ioeventfd,
		.refused = refused_ioeventfd, .check = check_ioeventfd, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_ioeventfd_gone(struct scene *s)
{
	prepare_ioeventfd(s);
	CHECK_EQ(ioeventfd(s, 0), 0);
}

static int step_ioeventfd_gone(struct scene *s)
{
	return ioeventfd(s, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

TEST(ioeventfd_gone, "KVM_IOEVENTFD takes one away")
{
	static const struct sweep sweep = {
		.prepare = prepare_ioeventfd_gone, .step = step_ioeventfd_gone,
		.refused = check_ioeventfd, .check = refused_ioeventfd, .fails = true,
	};

	sweep_run(&sweep);
}

static struct kvm_coalesced_mmio_ring *ring(struct scene *s)
{
	return (void *)((uint8_t *)s->vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * SZ_4K);
}

static int coalesced(struct scene *s, bool add)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = PORT, .size = 1, .pio = 1 };

	return RESULT(ioctl(s->vm->fd, add ? KVM_REGISTER_COALESCED_MMIO :
				       KVM_UNREGISTER_COALESCED_MMIO, &zone));
}

static int step_coalesced(struct scene *s)
{
	return coalesced(s, true);
}

static int step_coalesced_gone(struct scene *s)
{
	return coalesced(s, false);
}

static void refused_coalesced(struct scene *s)
{
	write_goes(s, true);
}

static void check_coalesced(struct scene *s)
{
	uint32_t last = ring(s)->last;

	write_goes(s, false);
	CHECK_EQ(ring(s)->last, last + 1);
}

TEST(coalesced, "KVM_REGISTER_COALESCED_MMIO")
{
	static const struct sweep sweep = {
		.prepare = prepare_ioeventfd, .step = step_coalesced,
		.refused = refused_coalesced, .check = check_coalesced, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_coalesced_gone(struct scene *s)
{
	prepare_ioeventfd(s);
	CHECK_EQ(coalesced(s, true), 0);
}

TEST(coalesced_gone, "KVM_UNREGISTER_COALESCED_MMIO")
{
	static const struct sweep sweep = {
		.prepare = prepare_coalesced_gone, .step = step_coalesced_gone,
		.check = refused_coalesced, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- counters and the guest's own pages ----------------------------------------- */

static int step_stats(struct scene *s)
{
	char bytes[4096];

	if (s->fd < 0)
		s->fd = ioctl(s->stage ? s->vcpu->fd : s->vm->fd, GET_STATS_FD);
	if (s->fd < 0)
		return -errno;
	return pread(s->fd, bytes, sizeof(bytes), 0) < 0 ? -errno : 0;
}

static void check_stats(struct scene *s)
{
	uint32_t head[6];

	CHECK_EQ(OK(pread(s->fd, head, sizeof(head), 0)), sizeof(head));
	CHECK(head[2] > 0);
}

TEST(stats_fd, "KVM_GET_STATS_FD on a VM, and reading it")
{
	static const struct sweep sweep = {
		.prepare = scene_boot_run, .step = step_stats, .check = check_stats,
		.fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_vcpu_stats(struct scene *s)
{
	scene_boot_run(s);
	s->stage = 1;
}

TEST(vcpu_stats_fd, "KVM_GET_STATS_FD on a vcpu, and reading it")
{
	static const struct sweep sweep = {
		.prepare = prepare_vcpu_stats, .step = step_stats, .check = check_stats,
		.fails = true,
	};

	sweep_run(&sweep);
}

static int set_msr(struct scene *s, uint32_t msr, uint64_t val)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = msr, .data = val } };
	int r = ioctl(s->vcpu->fd, KVM_SET_MSRS, &m);

	/* None set: what the MSR needs could not be had. */
	return r < 0 ? -errno : r ? 0 : -EFAULT;
}

static void prepare_pages(struct scene *s)
{
	scene_boot_run(s);
	scene_fill(s, GPA_DATA, 1, 8, 1);
}

static int step_pages(struct scene *s)
{
	int r = 0;

	if (s->stage == 0)
		r = set_msr(s, MSR_TIME, GPA_DATA2 | 1);
	if (!r && s->stage <= 1) {
		s->stage = 1;
		r = set_msr(s, MSR_WALL, GPA_DATA2 + 0x100);
	}
	if (!r && s->stage <= 2) {
		s->stage = 2;
		r = set_msr(s, MSR_STEAL, (GPA_DATA2 + 0x1000) | 1);
	}
	if (!r) {
		s->stage = 3;
		r = scene_drive(s);
	}
	return r;
}

/* The clock's version is the first word of its page, steal time's the third. */
static void check_pages(struct scene *s)
{
	volatile uint32_t *clock = (volatile uint32_t *)(s->vm->ram + GPA_DATA2);
	volatile uint32_t *steal = clock + 0x400;

	CHECKF(clock[0] && !(clock[0] & 1), "the clock's version is %u", clock[0]);
	CHECKF(!(steal[2] & 1), "the version of the steal time is %u", steal[2]);
	CHECKF(steal[2], "no steal time was written");
}

TEST(guest_pages, "kvmclock, wall clock and steal time, and the run that writes them")
{
	static const struct sweep sweep = {
		.prepare = prepare_pages, .step = step_pages, .check = check_pages, .fails = true,
	};

	sweep_run(&sweep);
}
