// SPDX-License-Identifier: GPL-2.0-only
/* The two 8259 interrupt controllers. */
#include "chips.h"

#define MASTER	0x20
#define SLAVE	0xa0
#define ELCR	0x4d0

#define EOI		0x20
#define EOI_OF(irq)	(0x60 | (irq))
#define READ_IRR	0x0a
#define READ_ISR	0x0b

/* As every PC's firmware does it; @icw4 on top of 8086 mode, nothing masked. */
static void init_as(struct vmm_vcpu *vcpu, unsigned int icw4)
{
	chips_out(vcpu, MASTER, 0x11);
	chips_out(vcpu, SLAVE, 0x11);
	chips_out(vcpu, MASTER + 1, 0x20);
	chips_out(vcpu, SLAVE + 1, 0x70);
	chips_out(vcpu, MASTER + 1, 4);
	chips_out(vcpu, SLAVE + 1, 2);
	chips_out(vcpu, MASTER + 1, 1 | icw4);
	chips_out(vcpu, SLAVE + 1, 1 | icw4);
	chips_out(vcpu, MASTER + 1, 0);
	chips_out(vcpu, SLAVE + 1, 0);
}

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = chips_boot();

	init_as(vcpu, 0);
	return vcpu;
}

static void pulse(struct vmm_vcpu *vcpu, unsigned int irq)
{
	chips_line(vcpu->vm, irq, 1);
	chips_line(vcpu->vm, irq, 0);
}

static struct kvm_pic_state master(struct vmm_vcpu *vcpu)
{
	return chips_state(vcpu->vm, KVM_IRQCHIP_PIC_MASTER).chip.pic;
}

static struct kvm_pic_state slave(struct vmm_vcpu *vcpu)
{
	return chips_state(vcpu->vm, KVM_IRQCHIP_PIC_SLAVE).chip.pic;
}

TEST(fresh, "the state after creation")
{
	struct vmm_vcpu *vcpu = chips_boot();
	struct kvm_pic_state s = master(vcpu);

	CHECK_EQ(s.elcr_mask, 0xf8);
	CHECK_EQ(slave(vcpu).elcr_mask, 0xde);
	s.elcr_mask = 0;
	CHECK(!memcmp(&s, &(struct kvm_pic_state){}, sizeof(s)));
}

TEST(init, "the initialization words, and the mask")
{
	struct vmm_vcpu *vcpu = chips_boot();

	chips_out(vcpu, MASTER, 0x11);
	CHECK_EQ(master(vcpu).init_state, 1);
	CHECK_EQ(master(vcpu).init4, 1);
	chips_out(vcpu, MASTER + 1, 0x2f);
	CHECK_EQ(master(vcpu).init_state, 2);
	chips_out(vcpu, MASTER + 1, 4);
	CHECK_EQ(master(vcpu).init_state, 3);
	chips_out(vcpu, MASTER + 1, 0x13);
	CHECK_EQ(master(vcpu).init_state, 0);
	CHECK_EQ(master(vcpu).irq_base, 0x28);
	CHECK_EQ(master(vcpu).auto_eoi, 1);
	CHECK_EQ(master(vcpu).special_fully_nested_mode, 1);
	CHECK_EQ(master(vcpu).imr, 0);
	chips_out(vcpu, MASTER + 1, 0xa5);
	CHECK_EQ(chips_in(vcpu, MASTER + 1), 0xa5);
	CHECK_EQ(master(vcpu).imr, 0xa5);
	CHECK_EQ(slave(vcpu).imr, 0);

	/* Without ICW4 it has three words. */
	chips_out(vcpu, SLAVE, 0x10);
	chips_out(vcpu, SLAVE + 1, 0x70);
	chips_out(vcpu, SLAVE + 1, 2);
	CHECK_EQ(slave(vcpu).init_state, 0);
	CHECK_EQ(slave(vcpu).irq_base, 0x70);
}

TEST(edge, "an edge is kept until it is taken, once")
{
	struct vmm_vcpu *vcpu = boot();

	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(chips_line(vcpu->vm, 3, 1), 1);
	CHECK_EQ(master(vcpu).irr, 8);
	CHECK_EQ(master(vcpu).last_irr, 8);
	chips_line(vcpu->vm, 3, 0);
	CHECK_EQ(master(vcpu).irr, 8);
	CHECK_EQ(master(vcpu).last_irr, 0);
	/* It has not been taken. */
	CHECK_EQ(chips_line(vcpu->vm, 3, 1), 0);
	CHECK_EQ(chips_take(vcpu), 0x23);
	CHECK_EQ(master(vcpu).irr, 0);
	CHECK_EQ(master(vcpu).isr, 8);
	/* The line is still up: no new edge. */
	chips_line(vcpu->vm, 3, 1);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(master(vcpu).isr, 0);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_line(vcpu->vm, 3, 0);
	chips_line(vcpu->vm, 3, 1);
	CHECK_EQ(chips_take(vcpu), 0x23);
}

TEST(masked, "a masked input waits")
{
	struct vmm_vcpu *vcpu = boot();

	chips_out(vcpu, MASTER + 1, 1 << 5);
	CHECK_EQ(chips_line(vcpu->vm, 5, 1), -1);
	chips_line(vcpu->vm, 5, 0);
	CHECK_EQ(master(vcpu).irr, 1 << 5);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER + 1, 0);
	CHECK_EQ(chips_take(vcpu), 0x25);
}

TEST(priority, "low numbers first, and service holds back what is not better")
{
	struct vmm_vcpu *vcpu = boot();

	pulse(vcpu, 7);
	pulse(vcpu, 4);
	pulse(vcpu, 1);
	CHECK_EQ(chips_take(vcpu), 0x21);
	CHECK_EQ(chips_take(vcpu), -1);
	pulse(vcpu, 0);
	CHECK_EQ(chips_take(vcpu), 0x20);
	CHECK_EQ(master(vcpu).isr, 3);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(master(vcpu).isr, 2);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), 0x24);
	pulse(vcpu, 1);
	CHECK_EQ(chips_take(vcpu), 0x21);
	chips_out(vcpu, MASTER, EOI_OF(4));
	CHECK_EQ(master(vcpu).isr, 2);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER, EOI_OF(1));
	CHECK_EQ(chips_take(vcpu), 0x27);
}

TEST(cascade, "the slave's interrupts go through the master's input 2")
{
	struct vmm_vcpu *vcpu = boot();

	pulse(vcpu, 12);
	pulse(vcpu, 3);
	CHECK_EQ(chips_take(vcpu), 0x74);
	CHECK_EQ(master(vcpu).isr, 1 << 2);
	CHECK_EQ(slave(vcpu).isr, 1 << 4);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, SLAVE, EOI);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), 0x23);
	chips_out(vcpu, MASTER, EOI);

	/* A second one of the slave comes when the first is through. */
	pulse(vcpu, 10);
	pulse(vcpu, 8);
	CHECK_EQ(chips_take(vcpu), 0x70);
	chips_out(vcpu, SLAVE, EOI);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), 0x72);
	chips_out(vcpu, SLAVE, EOI);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), -1);

	/* Masked at the master nothing of the slave comes. */
	chips_out(vcpu, MASTER + 1, 1 << 2);
	pulse(vcpu, 15);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER + 1, 0);
	CHECK_EQ(chips_take(vcpu), 0x77);
}

TEST(level, "a level comes again until the line is low")
{
	struct vmm_vcpu *vcpu = boot();
	int vector;

	chips_out(vcpu, ELCR, 0xff);
	chips_out(vcpu, ELCR + 1, 0xff);
	CHECK_EQ(chips_in(vcpu, ELCR), 0xf8);
	CHECK_EQ(chips_in(vcpu, ELCR + 1), 0xde);
	CHECK_EQ(master(vcpu).elcr, 0xf8);

	chips_line(vcpu->vm, 5, 1);
	CHECK_EQ(chips_take(vcpu), 0x25);
	CHECK_EQ(master(vcpu).irr, 1 << 5);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), 0x25);
	chips_line(vcpu->vm, 5, 0);
	CHECK_EQ(master(vcpu).irr, 0);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), -1);

	chips_line(vcpu->vm, 11, 1);
	CHECK_EQ(chips_take(vcpu), 0x73);
	chips_out(vcpu, SLAVE, EOI);
	chips_out(vcpu, MASTER, EOI);
	CHECK_EQ(chips_take(vcpu), 0x73);
	chips_out(vcpu, SLAVE, EOI);
	chips_out(vcpu, MASTER, EOI);
	chips_line(vcpu->vm, 11, 0);
	/* The master may have latched it: then it is spurious. */
	vector = chips_take(vcpu);
	CHECK(vector == -1 || vector == 0x77);
}

TEST(gone, "a level that goes before it is taken does not come")
{
	struct vmm_vcpu *vcpu = boot();

	chips_out(vcpu, ELCR, 1 << 5);
	chips_line(vcpu->vm, 5, 1);
	chips_in(vcpu, MASTER + 1);
	chips_line(vcpu->vm, 5, 0);
	CHECK_EQ(chips_take(vcpu), -1);
	CHECK_EQ(master(vcpu).isr, 0);
}

TEST(auto_eoi, "automatic EOI leaves nothing in service")
{
	struct vmm_vcpu *vcpu = chips_boot();

	init_as(vcpu, 2);
	pulse(vcpu, 6);
	pulse(vcpu, 1);
	CHECK_EQ(chips_take(vcpu), 0x21);
	CHECK_EQ(master(vcpu).isr, 0);
	CHECK_EQ(chips_take(vcpu), 0x26);
	pulse(vcpu, 9);
	CHECK_EQ(chips_take(vcpu), 0x71);
	CHECK_EQ(slave(vcpu).isr, 0);

	/* Rotation in automatic EOI mode: the one served becomes the last. */
	chips_out(vcpu, MASTER, 0x80);
	pulse(vcpu, 1);
	CHECK_EQ(chips_take(vcpu), 0x21);
	CHECK_EQ(master(vcpu).priority_add, 2);
	pulse(vcpu, 1);
	pulse(vcpu, 5);
	CHECK_EQ(chips_take(vcpu), 0x25);
	CHECK_EQ(chips_take(vcpu), 0x21);
	chips_out(vcpu, MASTER, 0x00);
	CHECK_EQ(master(vcpu).rotate_on_auto_eoi, 0);
}

TEST(rotation, "rotating EOIs and set priority")
{
	struct vmm_vcpu *vcpu = boot();

	pulse(vcpu, 3);
	CHECK_EQ(chips_take(vcpu), 0x23);
	chips_out(vcpu, MASTER, 0xa0);
	CHECK_EQ(master(vcpu).priority_add, 4);
	CHECK_EQ(master(vcpu).isr, 0);
	pulse(vcpu, 3);
	pulse(vcpu, 6);
	CHECK_EQ(chips_take(vcpu), 0x26);
	chips_out(vcpu, MASTER, 0xe0 | 6);
	CHECK_EQ(master(vcpu).priority_add, 7);
	CHECK_EQ(chips_take(vcpu), 0x23);
	chips_out(vcpu, MASTER, EOI);
	chips_out(vcpu, MASTER, 0xc0 | 0);
	CHECK_EQ(master(vcpu).priority_add, 1);
	pulse(vcpu, 0);
	pulse(vcpu, 7);
	CHECK_EQ(chips_take(vcpu), 0x27);
}

TEST(special_mask, "special mask mode lets lower priorities through")
{
	struct vmm_vcpu *vcpu = boot();
	int vector;

	pulse(vcpu, 1);
	CHECK_EQ(chips_take(vcpu), 0x21);
	pulse(vcpu, 6);
	CHECK_EQ(chips_take(vcpu), -1);
	chips_out(vcpu, MASTER + 1, 1 << 1);
	chips_out(vcpu, MASTER, 0x68);
	CHECK_EQ(master(vcpu).special_mask, 1);
	vector = chips_take(vcpu);
	if (vector < 0)
		SKIP("this kernel only remembers special mask mode");
	CHECK_EQ(vector, 0x26);
	chips_out(vcpu, MASTER, EOI_OF(6));
	chips_out(vcpu, MASTER, 0x48);
	CHECK_EQ(master(vcpu).special_mask, 0);
	pulse(vcpu, 6);
	CHECK_EQ(chips_take(vcpu), -1);
}

TEST(nested, "special fully nested mode: a better one of the slave comes through")
{
	struct vmm_vcpu *vcpu = chips_boot();

	init_as(vcpu, 0x10);
	pulse(vcpu, 13);
	CHECK_EQ(chips_take(vcpu), 0x75);
	pulse(vcpu, 14);
	CHECK_EQ(chips_take(vcpu), -1);
	pulse(vcpu, 8);
	CHECK_EQ(chips_take(vcpu), 0x70);
	CHECK_EQ(slave(vcpu).isr, 1 << 5 | 1);
}

TEST(read_registers, "OCW3 chooses between IRR and ISR")
{
	struct vmm_vcpu *vcpu = boot();

	pulse(vcpu, 4);
	CHECK_EQ(chips_take(vcpu), 0x24);
	pulse(vcpu, 6);
	CHECK_EQ(chips_in(vcpu, MASTER), 1 << 6);
	chips_out(vcpu, MASTER, READ_ISR);
	CHECK_EQ(chips_in(vcpu, MASTER), 1 << 4);
	chips_out(vcpu, MASTER, READ_IRR);
	CHECK_EQ(chips_in(vcpu, MASTER), 1 << 6);
}

TEST(poll, "a poll command takes the interrupt by reading")
{
	struct vmm_vcpu *vcpu = boot();

	chips_out(vcpu, MASTER + 1, 0);
	pulse(vcpu, 6);
	chips_out(vcpu, MASTER, 0x0c);
	/* Bit 7 says that there is one; not every kernel sets it. */
	CHECK_EQ(chips_in(vcpu, MASTER) & 0x7f, 6);
	CHECK_EQ(master(vcpu).irr, 0);
	CHECK_EQ(chips_take(vcpu), -1);
	/* Only one read. */
	CHECK_EQ(chips_in(vcpu, MASTER), 0);
	CHECK_EQ(master(vcpu).poll, 0);
}

TEST(init_again, "ICW1 forgets edges and the mask, but no levels")
{
	struct vmm_vcpu *vcpu = boot();

	chips_out(vcpu, ELCR, 1 << 5);
	pulse(vcpu, 4);
	chips_line(vcpu->vm, 5, 1);
	chips_out(vcpu, MASTER + 1, 0x40);
	init_as(vcpu, 0);
	CHECK_EQ(master(vcpu).imr, 0);
	CHECK_EQ(master(vcpu).irr, 1 << 5);
	CHECK_EQ(master(vcpu).elcr, 1 << 5);
	CHECK_EQ(chips_take(vcpu), 0x25);
}

TEST(state, "what is set is what is got, and what goes on")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_irqchip m = chips_state(vcpu->vm, KVM_IRQCHIP_PIC_MASTER), got;

	m.chip.pic.irr = 1 << 4;
	m.chip.pic.imr = 1 << 6;
	m.chip.pic.isr = 1 << 5;
	m.chip.pic.irq_base = 0x40;
	m.chip.pic.read_reg_select = 1;
	m.chip.pic.priority_add = 3;
	m.chip.pic.elcr = 0x80;
	m.chip.pic.auto_eoi = 1;
	m.chip.pic.rotate_on_auto_eoi = 1;
	m.chip.pic.special_mask = 1;
	chips_set_state(vcpu->vm, &m);
	got = chips_state(vcpu->vm, KVM_IRQCHIP_PIC_MASTER);
	CHECK(!memcmp(&m.chip.pic, &got.chip.pic, sizeof(m.chip.pic)));
	CHECK_EQ(chips_take(vcpu), 0x44);
	CHECK_EQ(chips_in(vcpu, MASTER), 1 << 5);
}

TEST(hostile_state, "any bytes as state do no harm")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_irqchip m = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	unsigned int i;

	for (i = 0; i < 256; i += 15) {
		memset(&m.chip, i, sizeof(m.chip));
		m.chip_id = i & 1;
		chips_set_state(vcpu->vm, &m);
		pulse(vcpu, i & 15);
		chips_in(vcpu, MASTER);
		chips_out(vcpu, MASTER, EOI);
		chips_in(vcpu, SLAVE);
		chips_out(vcpu, SLAVE, 0xa0);
	}
	m.chip_id = 3;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_SET_IRQCHIP, &m), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_IRQCHIP, &m), EINVAL);
}

TEST(wake, "an interrupt of the 8259 ends a HLT")
{
	struct vmm_vcpu *vcpu = boot();

	pulse(vcpu, 9);
	CHECK_EQ(chips_wait(vcpu), 0x71);
}
