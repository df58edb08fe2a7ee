// SPDX-License-Identifier: GPL-2.0-only
/* GSIs, messages and the VM-wide ioctls of the interrupt controllers. */
#define _GNU_SOURCE
#include "apic.h"

#include <stdlib.h>
#include <unistd.h>

static int set_routes(struct vmm *vm, const struct kvm_irq_routing_entry *entries,
		      unsigned int nr)
{
	size_t size = sizeof(struct kvm_irq_routing) + nr * sizeof(*entries);
	struct kvm_irq_routing *table = calloc(1, size);
	int r, err;

	table->nr = nr;
	memcpy(table->entries, entries, nr * sizeof(*entries));
	r = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table);
	err = errno;
	free(table);
	errno = err;
	return r;
}

static struct kvm_irq_routing_entry msi_route(uint32_t gsi, uint32_t dest, uint32_t data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000 | dest << 12, .data = data },
	};
}

static struct kvm_irq_routing_entry pin_route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static void set_line(struct vmm *vm, uint32_t gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	OK(ioctl(vm->fd, KVM_IRQ_LINE, &line));
}

static int line_status(struct vmm *vm, uint32_t gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line));
	return line.status;
}

static int signal_msi(struct vmm *vm, uint32_t lo, uint32_t hi, uint32_t data, uint32_t flags)
{
	struct kvm_msi msi = {
		.address_lo = lo, .address_hi = hi, .data = data, .flags = flags,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static unsigned int pending(struct vmm *vm, int vector)
{
	struct kvm_lapic_state s;
	unsigned int set = 0;
	int i;

	for (i = 0; i < vm->vcpus; i++) {
		s = apic_state(&vm->vcpu[i]);
		set |= apic_state_bit(&s, APIC_IRR, vector) << i;
	}
	return set;
}

static int enable_split(struct vmm *vm, uint64_t pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { pins } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

TEST(capabilities, "the values that VMMs compare with")
{
	int dev = vmm_open();

	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING), 4096);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_INJECT_STATUS), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SET_BOOT_CPU_ID), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SPLIT_IRQCHIP), 1);
	CHECK_EQ(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X2APIC_API), 3);
}

TEST(without_chips, "without controllers in the kernel there is nothing to route to")
{
	struct kvm_irq_routing_entry e = msi_route(4, 0, 0x41);
	struct kvm_irq_level line = { .irq = 4, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = 2 };
	struct vmm *vm = vmm_create_bare();

	CHECK_ERRNO(ioctl(vm->fd, KVM_IRQ_LINE, &line), ENXIO);
	CHECK_ERRNO(signal_msi(vm, 0xfee00000, 0, 0x41, 0), EINVAL);
	CHECK_ERRNO(set_routes(vm, &e, 1), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO);
}

TEST(create_once, "controllers are made once, before the first vcpu")
{
	struct vmm *vm = vmm_create_bare();

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	CHECK_ERRNO(enable_split(vm, 24), EEXIST);
	vm = vmm_create_bare();
	CHECK_ERRNO(enable_split(vm, 4097), EINVAL);
	OK(enable_split(vm, 4096));
	CHECK_ERRNO(enable_split(vm, 24), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	vm = vmm_create_bare();
	vmm_vcpu_add_raw(vm);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EINVAL);
	CHECK_ERRNO(enable_split(vm, 24), EEXIST);
}

TEST(boot_cpu, "the boot processor is vcpu 0 or the one userspace says, before there is one")
{
	struct kvm_mp_state mp;
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *first, *second;

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1ul));
	first = vmm_vcpu_add(vm);
	second = vmm_vcpu_add(vm);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0ul), EBUSY);
	CHECK_EQ(vmm_sregs(first).apic_base, 0xfee00800);
	CHECK_EQ(vmm_sregs(second).apic_base, 0xfee00900);
	OK(ioctl(first->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	OK(ioctl(second->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(apic_peek(first, APIC_LVT0), 0x10000);
	CHECK_EQ(apic_peek(second, APIC_LVT0), 0x700);
}

TEST(tables, "which routes make sense")
{
	struct vmm *vm = apic_vm(APIC_KERNEL, 1);
	struct kvm_irq_routing_entry e[4], bad;
	struct kvm_irq_routing head = {};

	OK(set_routes(vm, e, 0));
	head.flags = 1;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	head.flags = 0;
	head.nr = 4097;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	head.nr = 0xffffffff;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &head), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, NULL), EFAULT);

	bad = msi_route(4096, 0, 0x41);
	CHECK_ERRNO(set_routes(vm, &bad, 1), EINVAL);
	bad = msi_route(4095, 0, 0x41);
	OK(set_routes(vm, &bad, 1));
	bad.type = 6;
	CHECK_ERRNO(set_routes(vm, &bad, 1), EINVAL);
	bad = pin_route(4, KVM_IRQCHIP_IOAPIC, 24);
	CHECK_ERRNO(set_routes(vm, &bad, 1), EINVAL);
	bad = pin_route(4, KVM_IRQCHIP_PIC_SLAVE, 8);
	CHECK_ERRNO(set_routes(vm, &bad, 1), EINVAL);
	bad = pin_route(4, 3, 0);
	CHECK_ERRNO(set_routes(vm, &bad, 1), EINVAL);

	e[0] = pin_route(4, KVM_IRQCHIP_PIC_MASTER, 4);
	e[1] = pin_route(4, KVM_IRQCHIP_PIC_SLAVE, 7);
	e[2] = pin_route(4, KVM_IRQCHIP_IOAPIC, 23);
	OK(set_routes(vm, e, 3));
	e[3] = msi_route(4, 0, 0x41);
	CHECK_ERRNO(set_routes(vm, e, 4), EINVAL);
	e[1] = pin_route(4, KVM_IRQCHIP_IOAPIC, 22);
	CHECK_ERRNO(set_routes(vm, e, 3), EINVAL);
	e[0] = msi_route(5, 0, 0x41);
	e[1] = msi_route(5, 0, 0x42);
	CHECK_ERRNO(set_routes(vm, e, 2), EINVAL);
	e[1].gsi = 6;
	OK(set_routes(vm, e, 2));
}

TEST(largest_table, "4096 routes, each to where it says")
{
	struct kvm_irq_routing_entry *e = calloc(4096, sizeof(*e));
	struct vmm *vm = apic_vm(APIC_SPLIT, 1);
	int i;

	for (i = 0; i < 4096; i++)
		e[i] = msi_route(4095 - i, 0, 0x20 + i % 200);
	OK(set_routes(vm, e, 4096));
	CHECK_EQ(line_status(vm, 4095, 1), 1);
	CHECK_EQ(pending(vm, 0x20), 1);
	CHECK_EQ(line_status(vm, 0, 1), 1);
	CHECK_EQ(pending(vm, 0x20 + 4095 % 200), 1);
	set_line(vm, 2001, 0);
	CHECK_EQ(pending(vm, 0x20 + 2094 % 200), 0);
	free(e);
}

TEST(no_route, "a GSI that leads nowhere is no error")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 1);

	set_line(vm, 4, 1);
	CHECK_EQ(line_status(vm, 4, 1), -1);
	CHECK_EQ(line_status(vm, 4096, 1), -1);
	CHECK_EQ(line_status(vm, 0xffffffff, 1), -1);
}

TEST(split_has_no_pins, "with a split irqchip only messages can be routed to")
{
	struct kvm_irq_routing_entry e = pin_route(4, KVM_IRQCHIP_IOAPIC, 4);
	struct kvm_irqchip chip = { .chip_id = 2 };
	struct vmm *vm = apic_vm(APIC_SPLIT, 1);

	CHECK_ERRNO(set_routes(vm, &e, 1), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
}

TEST(replaced, "a new table counts from the next interrupt on")
{
	struct kvm_irq_routing_entry e = msi_route(7, 0, 0x41);
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);

	OK(set_routes(vm, &e, 1));
	set_line(vm, 7, 1);
	CHECK_EQ(pending(vm, 0x41), 1);
	e = msi_route(7, 1, 0x42);
	OK(set_routes(vm, &e, 1));
	set_line(vm, 7, 1);
	CHECK_EQ(pending(vm, 0x42), 2);
	OK(set_routes(vm, &e, 0));
	CHECK_EQ(line_status(vm, 7, 1), -1);
}

TEST(eoi_exit, "EOI of a level-triggered route of the split irqchip's pins is told")
{
	struct kvm_irq_routing_entry e[2] = {
		msi_route(5, 0, 0xc041),	/* level */
		msi_route(6, 0, 0x51),		/* edge */
	};
	struct vmm *vm = apic_vm(APIC_SPLIT, 1);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];

	OK(set_routes(vm, e, 2));
	apic_set_handler_eoi(vcpu, APIC_EOI_NONE);
	set_line(vm, 6, 1);
	guest_take(vcpu);
	guest_write(vcpu, APIC_EOI, 0);
	set_line(vm, 5, 1);
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0x41), 1);
	CHECK_EQ(apic_peek(vcpu, APIC_TMR + 0x20), 2);
	guest_write_start(vcpu, APIC_EOI, 0);
	vmm_run_to(vcpu, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(vcpu->run->eoi.vector, 0x41);
	guest_write_end(vcpu);
}

TEST(msi, "KVM_SIGNAL_MSI: who gets it, and how many")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);
	int i;

	CHECK_EQ(signal_msi(vm, 0xfee01000, 0, 0x41, 0), 1);
	CHECK_EQ(pending(vm, 0x41), 2);
	CHECK_EQ(signal_msi(vm, 0xfee01000, 0, 0x41, 0), 1);
	CHECK_EQ(signal_msi(vm, 0xfee07000, 0, 0x42, 0), 0);
	/* The high half means nothing without 32-bit IDs. */
	CHECK_EQ(signal_msi(vm, 0xfee00000, 1, 0x43, 0), 1);
	CHECK_EQ(pending(vm, 0x43), 1);
	CHECK(signal_msi(vm, 0xfeeff000, 0, 0x44, 0) >= 1);
	CHECK_EQ(pending(vm, 0x44), 3);
	CHECK_ERRNO(signal_msi(vm, 0xfee00000, 0, 0x45, 2), EINVAL);
	for (i = 0; i < 2; i++)
		guest_write(&vm->vcpu[i], APIC_LDR, 0x01000000u << i);
	CHECK(signal_msi(vm, 0xfee03004, 0, 0x46, 0) >= 1);
	CHECK_EQ(pending(vm, 0x46), 3);
	/* The redirection hint picks one. */
	CHECK_EQ(signal_msi(vm, 0xfee0300c, 0, 0x147, 0), 1);
	CHECK(pending(vm, 0x47) == 1 || pending(vm, 0x47) == 2);
	guest_write(&vm->vcpu[0], APIC_SVR, 0xff);
	CHECK_EQ(signal_msi(vm, 0xfee00000, 0, 0x48, 0), 0);
}

TEST(msi_wide_ids, "with 32-bit IDs the address's high half has 24 bits of them")
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args = { 3 } };
	struct kvm_irq_routing_entry e = msi_route(4, 0, 0x41);
	struct vmm *vm = apic_vm(APIC_SPLIT, 1);

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	CHECK_ERRNO(signal_msi(vm, 0xfee00000, 1, 0x41, 0), EINVAL);
	CHECK_EQ(signal_msi(vm, 0xfee00000, 0x100, 0x41, 0), 0);
	CHECK_EQ(pending(vm, 0x41), 0);
	e.u.msi.address_hi = 0x80;
	CHECK_ERRNO(set_routes(vm, &e, 1), EINVAL);
	e.u.msi.address_hi = 0x8000;
	OK(set_routes(vm, &e, 1));
}

struct storm {
	struct vmm *vm;
	volatile bool stop;
	unsigned int seed;
};

static void *storm_routes(void *arg)
{
	struct kvm_irq_routing_entry e[24];
	struct storm *storm = arg;
	int i;

	while (!storm->stop) {
		for (i = 0; i < 24; i++)
			e[i] = msi_route(i, rand_r(&storm->seed) & 3,
					 0x30 + (rand_r(&storm->seed) & 0x7f));
		set_routes(storm->vm, e, 24);
	}
	return NULL;
}

static void *storm_lines(void *arg)
{
	struct storm *storm = arg;
	struct kvm_irq_level line;

	while (!storm->stop) {
		line.irq = rand_r(&storm->seed) % 26;
		line.level = rand_r(&storm->seed) & 1;
		ioctl(storm->vm->fd, KVM_IRQ_LINE, &line);
	}
	return NULL;
}

TEST(storm, "routes replaced and lines raised while a vcpu takes interrupts")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);
	struct storm storm = { .vm = vm, .seed = 99 };
	uint64_t end = vmm_now_ms() + tap_scaled(2000, 500);
	pthread_t a, b;

	CHECK(!pthread_create(&a, NULL, storm_routes, &storm));
	CHECK(!pthread_create(&b, NULL, storm_lines, &storm));
	while (vmm_now_ms() < end) {
		apic_log_clear(&vm->vcpu[0]);
		guest_take(&vm->vcpu[0]);
		guest_take(&vm->vcpu[1]);
	}
	storm.stop = true;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}
