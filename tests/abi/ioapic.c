// SPDX-License-Identifier: GPL-2.0-only
/* The I/O APIC. */
#include "chips.h"

#define MASKED	(1u << 16)
#define LEVEL	(1u << 15)
#define REMOTE	(1u << 14)

static uint32_t reg(struct vmm_vcpu *vcpu, unsigned int index)
{
	chips_write(vcpu, CHIPS_IOAPIC, index);
	return chips_read(vcpu, CHIPS_IOAPIC + 0x10);
}

static void set_reg(struct vmm_vcpu *vcpu, unsigned int index, uint32_t val)
{
	chips_write(vcpu, CHIPS_IOAPIC, index);
	chips_write(vcpu, CHIPS_IOAPIC + 0x10, val);
}

static void set_pin(struct vmm_vcpu *vcpu, unsigned int pin, uint32_t low)
{
	set_reg(vcpu, 0x11 + 2 * pin, 0);
	set_reg(vcpu, 0x10 + 2 * pin, low);
}

static uint32_t pin(struct vmm_vcpu *vcpu, unsigned int pin)
{
	return reg(vcpu, 0x10 + 2 * pin);
}

static void eoi(struct vmm_vcpu *vcpu)
{
	chips_write(vcpu, CHIPS_LAPIC + 0xb0, 0);
}

static struct kvm_ioapic_state state(struct vmm_vcpu *vcpu)
{
	return chips_state(vcpu->vm, KVM_IRQCHIP_IOAPIC).chip.ioapic;
}

/* With the local APIC switched on. */
static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = chips_boot();

	chips_write(vcpu, CHIPS_LAPIC + 0xf0, 0x1ff);
	return vcpu;
}

TEST(fresh, "the state after creation")
{
	struct vmm_vcpu *vcpu = chips_boot();
	struct kvm_ioapic_state s = state(vcpu);
	unsigned int i;

	CHECK_EQ(s.base_address, CHIPS_IOAPIC);
	CHECK_EQ(s.ioregsel, 0);
	CHECK_EQ(s.id, 0);
	CHECK_EQ(s.irr, 0);
	for (i = 0; i < 24; i++)
		CHECK_EQ(s.redirtbl[i].bits, MASKED);
}

TEST(registers, "version, identification, arbitration, index")
{
	struct vmm_vcpu *vcpu = boot();

	CHECK_EQ(reg(vcpu, 1), 0x170011);
	set_reg(vcpu, 1, 0x12345678);
	CHECK_EQ(reg(vcpu, 1), 0x170011);
	CHECK_EQ(reg(vcpu, 0), 0);
	set_reg(vcpu, 0, 0xa5ffffff);
	CHECK_EQ(reg(vcpu, 0), 0x05000000);
	CHECK_EQ(reg(vcpu, 2), 0x05000000);
	CHECK_EQ(state(vcpu).id, 5);
	set_reg(vcpu, 2, 0);
	CHECK_EQ(reg(vcpu, 0), 0x05000000);
	chips_write(vcpu, CHIPS_IOAPIC, 0x13);
	CHECK_EQ(chips_read(vcpu, CHIPS_IOAPIC), 0x13);
	CHECK_EQ(state(vcpu).ioregsel, 0x13);
	CHECK_EQ(chips_read(vcpu, CHIPS_IOAPIC + 0x20), 0);
}

TEST(table, "redirection entries: what the guest may write")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int i;

	for (i = 0; i < 24; i++) {
		set_reg(vcpu, 0x11 + 2 * i, 0xab000000 + (i << 24));
		set_reg(vcpu, 0x10 + 2 * i, MASKED | LEVEL | 0x2900 | (0x30 + i));
	}
	for (i = 0; i < 24; i++) {
		CHECK_EQ(reg(vcpu, 0x11 + 2 * i) >> 24, (uint8_t)(0xab + i));
		CHECK_EQ(reg(vcpu, 0x10 + 2 * i), MASKED | LEVEL | 0x2900 | (0x30 + i));
	}
	/* Delivery status and remote IRR are not its to set. */
	set_reg(vcpu, 0x10, MASKED | LEVEL | REMOTE | 1u << 12 | 0x40);
	CHECK_EQ(reg(vcpu, 0x10), MASKED | LEVEL | 0x40);
}

TEST(edge, "an edge sends its message once")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 17, 0x55);
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), 1);
	CHECK_EQ(chips_take(vcpu), 0x55);
	CHECK_EQ(chips_take(vcpu), -1);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), -1);
	/* Still up: no edge. */
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), 0);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_line(vcpu->vm, 17, 0);
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), 1);
	chips_line(vcpu->vm, 17, 0);
	/* Kernels differ in whether they tell that it met the last one. */
	CHECK(chips_line(vcpu->vm, 17, 1) >= 0);
	CHECK_EQ(chips_take(vcpu), 0x55);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(pin(vcpu, 17), 0x55);
	CHECK_EQ(state(vcpu).irr, 0);
}

#define ACTIVE_LOW	(1u << 13)

TEST(polarity, "KVM_IRQ_LINE's 1 is asserted, whatever polarity the pin has")
{
	struct vmm_vcpu *vcpu = boot();

	CHECK_EQ(vmm_cap(vcpu->vm, KVM_CAP_IOAPIC_POLARITY_IGNORED), 1);
	set_pin(vcpu, 17, ACTIVE_LOW | LEVEL | 0x55);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), 1);
	CHECK_EQ(chips_take(vcpu), 0x55);
	chips_line(vcpu->vm, 17, 0);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(edge_masked, "an edge while masked is reported and lost")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 17, MASKED | 0x55);
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), -1);
	chips_line(vcpu->vm, 17, 0);
	set_pin(vcpu, 17, 0x55);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(level, "a level comes again after its EOI while the line is up")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 18, LEVEL | 0x56);
	CHECK_EQ(chips_line(vcpu->vm, 18, 1), 1);
	CHECK_EQ(state(vcpu).irr, 1 << 18);
	CHECK_EQ(chips_take(vcpu), 0x56);
	CHECK_EQ(pin(vcpu, 18), LEVEL | REMOTE | 0x56);
	CHECK_EQ(chips_line(vcpu->vm, 18, 1), -1);
	CHECK_EQ(chips_take(vcpu), -1);
	eoi(vcpu);
	CHECK_EQ(pin(vcpu, 18), LEVEL | REMOTE | 0x56);
	CHECK_EQ(chips_take(vcpu), 0x56);
	chips_line(vcpu->vm, 18, 0);
	CHECK_EQ(pin(vcpu, 18), LEVEL | REMOTE | 0x56);
	eoi(vcpu);
	CHECK_EQ(pin(vcpu, 18), LEVEL | 0x56);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(state(vcpu).irr, 0);
}

TEST(level_masked, "a level while masked comes when it is unmasked")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 18, MASKED | LEVEL | 0x56);
	CHECK_EQ(chips_line(vcpu->vm, 18, 1), -1);
	CHECK_EQ(chips_take(vcpu), -1);
	set_reg(vcpu, 0x10 + 36, LEVEL | 0x56);
	CHECK_EQ(chips_take(vcpu), 0x56);
	/* Masked in its handler, the EOI does not bring it again. */
	set_reg(vcpu, 0x10 + 36, MASKED | LEVEL | 0x56);
	CHECK_EQ(pin(vcpu, 18), MASKED | LEVEL | REMOTE | 0x56);
	eoi(vcpu);
	CHECK_EQ(pin(vcpu, 18), MASKED | LEVEL | 0x56);
	CHECK_EQ(chips_take(vcpu), -1);
	set_reg(vcpu, 0x10 + 36, LEVEL | 0x56);
	CHECK_EQ(chips_take(vcpu), 0x56);
}

TEST(remote_reset, "switching to edge and back clears remote IRR")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 18, LEVEL | 0x56);
	chips_line(vcpu->vm, 18, 1);
	CHECK_EQ(chips_take(vcpu), 0x56);
	chips_line(vcpu->vm, 18, 0);
	set_reg(vcpu, 0x10 + 36, MASKED | 0x56);
	CHECK_EQ(pin(vcpu, 18), MASKED | 0x56);
	set_reg(vcpu, 0x10 + 36, LEVEL | 0x56);
	CHECK_EQ(pin(vcpu, 18), LEVEL | 0x56);
}

TEST(two_pins, "two levels with two vectors, the higher first")
{
	struct vmm_vcpu *vcpu = boot();

	set_pin(vcpu, 20, LEVEL | 0x60);
	set_pin(vcpu, 21, LEVEL | 0x90);
	chips_line(vcpu->vm, 20, 1);
	chips_line(vcpu->vm, 21, 1);
	CHECK_EQ(chips_take(vcpu), 0x90);
	chips_line(vcpu->vm, 21, 0);
	CHECK_EQ(chips_take(vcpu), -1);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), 0x60);
	CHECK_EQ(pin(vcpu, 21), LEVEL | 0x90);
	CHECK_EQ(pin(vcpu, 20), LEVEL | REMOTE | 0x60);
}

TEST(logical, "a logical destination")
{
	struct vmm_vcpu *vcpu = boot();

	chips_write(vcpu, CHIPS_LAPIC + 0xd0, 0x02000000);
	set_reg(vcpu, 0x11 + 34, 0x02000000);
	set_reg(vcpu, 0x10 + 34, 0x855);
	CHECK_EQ(chips_line(vcpu->vm, 17, 1), 1);
	CHECK_EQ(chips_take(vcpu), 0x55);
	eoi(vcpu);
	chips_line(vcpu->vm, 17, 0);
	set_reg(vcpu, 0x11 + 34, 0x04000000);
	chips_line(vcpu->vm, 17, 1);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(state, "what is set is what is got, and a level in it fires")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_irqchip s = chips_state(vcpu->vm, KVM_IRQCHIP_IOAPIC), got;

	s.chip.ioapic.ioregsel = 0x21;
	s.chip.ioapic.id = 7;
	s.chip.ioapic.redirtbl[5].bits = LEVEL | 0x61;
	s.chip.ioapic.redirtbl[6].bits = MASKED | LEVEL | 0x62 | 0xfe00000000000000;
	s.chip.ioapic.irr = 1 << 6;
	chips_set_state(vcpu->vm, &s);
	got = chips_state(vcpu->vm, KVM_IRQCHIP_IOAPIC);
	CHECK(!memcmp(&s.chip.ioapic, &got.chip.ioapic, sizeof(s.chip.ioapic)));

	s.chip.ioapic.irr = 1 << 5;
	chips_set_state(vcpu->vm, &s);
	CHECK_EQ(chips_take(vcpu), 0x61);
	chips_line(vcpu->vm, 5, 0);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(reg(vcpu, 0), 0x07000000);
}

TEST(restore_in_service, "remote IRR in a state waits for its EOI")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_irqchip s;

	set_pin(vcpu, 18, LEVEL | 0x56);
	chips_line(vcpu->vm, 18, 1);
	CHECK_EQ(chips_take(vcpu), 0x56);
	s = chips_state(vcpu->vm, KVM_IRQCHIP_IOAPIC);
	CHECK_EQ(s.chip.ioapic.redirtbl[18].fields.remote_irr, 1);
	chips_set_state(vcpu->vm, &s);
	CHECK_EQ(chips_take(vcpu), -1);
	eoi(vcpu);
	CHECK_EQ(chips_take(vcpu), 0x56);
}

TEST(hostile_state, "any bytes as state do no harm")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_IOAPIC };
	unsigned int i;

	for (i = 0; i < 256; i += 5) {
		memset(&s.chip, i, sizeof(s.chip));
		/* Not INIT or SIPI: they would stop the vcpu that the test needs. */
		for (unsigned int n = 0; n < 24; n++)
			if (s.chip.ioapic.redirtbl[n].fields.delivery_mode > 1)
				s.chip.ioapic.redirtbl[n].fields.delivery_mode = 0;
		chips_set_state(vcpu->vm, &s);
		chips_line(vcpu->vm, i % 24, 1);
		chips_line(vcpu->vm, i % 24, 0);
	}
	memset(&s.chip, 0, sizeof(s.chip));
	s.chip.ioapic.base_address = CHIPS_IOAPIC;
	chips_set_state(vcpu->vm, &s);
	CHECK_EQ(reg(vcpu, 1), 0x170011);
}

TEST(storm, "a line nobody lowers leaves the vcpu time for its VMM")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int i, n = tap_scaled(12000, 12000);

	set_pin(vcpu, 18, LEVEL | 0x56);
	chips_line(vcpu->vm, 18, 1);
	for (i = 0; i < n; i++) {
		int vector = chips_take(vcpu);

		if (vector < 0)
			break;
		CHECK_EQ(vector, 0x56);
		eoi(vcpu);
	}
	CHECKF(i < n, "no pause in %u interrupts", n);
	tap_diag("paused after %u", i);
	/* It is only a pause. */
	CHECK_EQ(chips_wait(vcpu), 0x56);
}
