// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two 8259 interrupt controllers of a PC, with the edge/level registers of
 * the PIIX. Terms are those of the 8259A's data sheet.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <kvm/trace_irq.h>
#include "chip.h"

#define PIC_MASTER	0
#define PIC_SLAVE	1
#define PIC_CASCADE	2	/* the master's input the slave's output leads to */
#define PIC_SPURIOUS	7
#define PIC_NONE	8	/* worse than the lowest priority */

#define PIC_MASTER_PORT	0x20
#define PIC_SLAVE_PORT	0xa0
#define PIC_ELCR_PORT	0x4d0

/* The timer, the keyboard, the cascade, the clock and the FPU are always edges. */
#define PIC_ELCR_MASTER	0xf8
#define PIC_ELCR_SLAVE	0xde

#define ICW1		0x10
#define ICW1_ICW4	0x01
#define ICW4_AEOI	0x02
#define ICW4_SFNM	0x10
#define OCW3		0x08
#define OCW3_RIS	0x01
#define OCW3_RR		0x02
#define OCW3_POLL	0x04
#define OCW3_SMM	0x20
#define OCW3_ESMM	0x40

/* Which of the initialization words is expected next: kvm_pic_state.init_state. */
enum pic_init { PIC_READY, PIC_ICW2, PIC_ICW3, PIC_ICW4 };

/* OCW2's R, SL and EOI bits. */
enum pic_ocw2 {
	PIC_AUTO_ROTATE_OFF, PIC_EOI, PIC_NOP, PIC_EOI_SPECIFIC,
	PIC_AUTO_ROTATE_ON, PIC_EOI_ROTATE, PIC_SET_PRIORITY, PIC_EOI_SPECIFIC_ROTATE,
};

/*
 * Lifetime: with the VM's other chips; freed when the last of its devices has
 * left its bus. [o] written once at creation   [c] .lock, inside line_lock
 */
struct kvm_pic {
	raw_spinlock_t lock;			/* taken with preemption off, see pic_take() */
	struct kvm *kvm;			/* [o] */
	struct work_struct ack_work;		/* tells what pic_take() may not */
	struct kvm_pic_state chip[2];		/* [c] .last_irr: the input lines */
	u8 acked[2];				/* [c] inputs whose service ended, to be told */
	bool intr;				/* [c] to write; the master's output */
	refcount_t users;			/* devices on the bus, and kvm->irqchip */
	struct kvm_io_device dev[3];		/* [o] master, slave, ELCR */
};

/* Bits of acknowledged inputs, master's in the low byte. */
static u16 pic_acks_fetch(struct kvm_pic *pic)
{
	u16 acks = pic->acked[PIC_MASTER] | pic->acked[PIC_SLAVE] << 8;

	pic->acked[PIC_MASTER] = 0;
	pic->acked[PIC_SLAVE] = 0;
	return acks;
}

/* Listeners may raise and lower lines: no lock is held here. */
static void pic_acks_tell(struct kvm *kvm, u16 acks)
{
	unsigned int pin;

	for (pin = 0; acks; pin++, acks >>= 1)
		if (acks & 1)
			irq_acked(kvm, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				  pin % 8);
}

static void pic_ack_work(struct work_struct *work)
{
	struct kvm_pic *pic = container_of(work, struct kvm_pic, ack_work);
	unsigned long irqflags;
	u16 acks;

	raw_spin_lock_irqsave(&pic->lock, irqflags);
	acks = pic_acks_fetch(pic);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	pic_acks_tell(pic->kvm, acks);
}

/* The rank of the best input of @mask, PIC_NONE if it is empty. */
static unsigned int pic_rank(const struct kvm_pic_state *s, u8 mask)
{
	unsigned int rank;

	for (rank = 0; rank < 8; rank++)
		if (mask & BIT((rank + s->priority_add) & 7))
			return rank;
	return PIC_NONE;
}

/* The input that would interrupt now, or -1. */
static int pic_pending(const struct kvm_pic_state *s, bool master)
{
	unsigned int rank = pic_rank(s, s->irr & ~s->imr);
	u8 isr = s->isr;

	if (rank == PIC_NONE)
		return -1;
	/* "Special Mask Mode": masked inputs in service hold nobody back. */
	if (s->special_mask)
		isr &= ~s->imr;
	/* "Special Fully Nested Mode": the slave may interrupt its own service. */
	if (master && s->special_fully_nested_mode)
		isr &= ~BIT(PIC_CASCADE);
	if (rank >= pic_rank(s, isr))
		return -1;
	return (rank + s->priority_add) & 7;
}

static void pic_wake(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(i, vcpu, kvm)
		if (lapic_accepts_pic(vcpu))
			vcpu_post(vcpu, KVM_REQ_EVENT);
}

/* Something has changed: let the slave's output reach the master, and its the CPUs. */
static void pic_update(struct kvm_pic *pic)
{
	struct kvm_pic_state *master = &pic->chip[PIC_MASTER];
	bool intr;

	lockdep_assert_held(&pic->lock);
	if (pic_pending(&pic->chip[PIC_SLAVE], false) >= 0)
		master->irr |= BIT(PIC_CASCADE);
	else
		master->irr &= ~BIT(PIC_CASCADE);
	intr = pic_pending(master, true) >= 0;
	if (intr && !pic->intr) {
		WRITE_ONCE(pic->intr, true);
		pic_wake(pic->kvm);
	}
	WRITE_ONCE(pic->intr, intr);
}

static void pic_end_service(struct kvm_pic *pic, unsigned int chip, u8 mask)
{
	pic->acked[chip] |= mask & pic->chip[chip].isr;
	pic->chip[chip].isr &= ~mask;
}

/* The CPU takes @irq: into service, or already out of it with automatic EOI. */
static void pic_acknowledge(struct kvm_pic *pic, unsigned int chip, int irq)
{
	struct kvm_pic_state *s = &pic->chip[chip];

	s->isr |= BIT(irq);
	if (!(s->elcr & BIT(irq)))
		s->irr &= ~BIT(irq);
	if (!s->auto_eoi)
		return;
	if (s->rotate_on_auto_eoi)
		s->priority_add = (irq + 1) & 7;
	pic_end_service(pic, chip, BIT(irq));
}

/**
 * pic_set_pin() - the level of one of the sixteen inputs
 * @kvm: the VM
 * @pin: 0 to 15; those from 8 on are the slave's
 * @level: of the line
 *
 * Context: any. Return: 1, 0: it met a request still pending, -1: masked.
 */
int pic_set_pin(struct kvm *kvm, u32 pin, bool level)
{
	struct kvm_pic *pic = kvm->irqchip->pic;
	struct kvm_pic_state *s;
	unsigned long irqflags;
	u8 bit = BIT(pin & 7);
	int r = 1;

	if (!pic || pin >= KVM_PIC_PINS)
		return -1;
	raw_spin_lock_irqsave(&pic->lock, irqflags);
	s = &pic->chip[pin / 8];
	if (level) {
		if (s->elcr & bit || !(s->last_irr & bit)) {
			r = !(s->irr & bit);
			s->irr |= bit;
		}
		s->last_irr |= bit;
	} else {
		if (s->elcr & bit)
			s->irr &= ~bit;
		s->last_irr &= ~bit;
	}
	if (s->imr & bit)
		r = -1;
	trace_kvm_pic_set_irq(pin / 8, pin & 7, s->elcr, s->imr, r == 0);
	pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	return r;
}

bool pic_intr(struct kvm *kvm)
{
	struct kvm_pic *pic = kvm->irqchip->pic;

	return pic && READ_ONCE(pic->intr);
}

/**
 * pic_take() - the CPU's interrupt acknowledge cycle
 * @vcpu: who takes the interrupt
 *
 * Context: any; preemption may be off, where real-time kernels let nobody take the
 * locks that listeners to acknowledgements need.
 * Return: the vector, which is that of the spurious interrupt if the request has gone
 * meanwhile; -1: there are no 8259s.
 */
int pic_take(struct kvm_vcpu *vcpu)
{
	struct kvm_pic *pic = vcpu->kvm->irqchip->pic;
	unsigned int chip = PIC_MASTER;
	unsigned long irqflags;
	int irq, vector;

	if (!pic)
		return -1;
	raw_spin_lock_irqsave(&pic->lock, irqflags);
	irq = pic_pending(&pic->chip[PIC_MASTER], true);
	if (irq >= 0)
		pic_acknowledge(pic, PIC_MASTER, irq);
	if (irq == PIC_CASCADE) {
		chip = PIC_SLAVE;
		irq = pic_pending(&pic->chip[PIC_SLAVE], false);
		if (irq >= 0)
			pic_acknowledge(pic, PIC_SLAVE, irq);
	}
	vector = pic->chip[chip].irq_base + (irq >= 0 ? irq : PIC_SPURIOUS);
	/* The output drops in the cycle, and may come back at once. */
	WRITE_ONCE(pic->intr, false);
	pic_update(pic);
	/* Only with automatic EOI. */
	if (pic->acked[PIC_MASTER] | pic->acked[PIC_SLAVE])
		schedule_work(&pic->ack_work);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	return vector;
}

/* "Initialization Command Word 1": everything but the mode of the inputs starts anew. */
static void pic_init(struct kvm_pic *pic, unsigned int chip, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[chip];

	/* Nobody will end what was in service or is forgotten here. */
	pic->acked[chip] |= s->isr | (s->irr & ~s->elcr);
	s->init4 = val & ICW1_ICW4;
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->read_reg_select = 0;
	s->special_mask = 0;
	s->poll = 0;
	s->special_fully_nested_mode = 0;
	if (!s->init4) {
		s->auto_eoi = 0;
		s->rotate_on_auto_eoi = 0;
	}
	s->init_state = PIC_ICW2;
}

static void pic_ocw2(struct kvm_pic *pic, unsigned int chip, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[chip];
	enum pic_ocw2 command = val >> 5;
	unsigned int irq = val & 7, rank;
	u8 isr = s->isr;

	switch (command) {
	case PIC_AUTO_ROTATE_OFF:
	case PIC_AUTO_ROTATE_ON:
		s->rotate_on_auto_eoi = command == PIC_AUTO_ROTATE_ON;
		break;
	case PIC_EOI:
	case PIC_EOI_ROTATE:
		/* It does not end a masked service in special mask mode. */
		if (s->special_mask)
			isr &= ~s->imr;
		rank = pic_rank(s, isr);
		if (rank == PIC_NONE)
			break;
		irq = (rank + s->priority_add) & 7;
		pic_end_service(pic, chip, BIT(irq));
		if (command == PIC_EOI_ROTATE)
			s->priority_add = (irq + 1) & 7;
		break;
	case PIC_EOI_SPECIFIC_ROTATE:
		s->priority_add = (irq + 1) & 7;
		fallthrough;
	case PIC_EOI_SPECIFIC:
		pic_end_service(pic, chip, BIT(irq));
		break;
	case PIC_SET_PRIORITY:
		s->priority_add = (irq + 1) & 7;
		break;
	case PIC_NOP:
		break;
	}
}

static void pic_ocw3(struct kvm_pic_state *s, u8 val)
{
	if (val & OCW3_POLL)
		s->poll = 1;
	if (val & OCW3_RR)
		s->read_reg_select = val & OCW3_RIS;
	if (val & OCW3_ESMM)
		s->special_mask = !!(val & OCW3_SMM);
}

/* The second port takes the words that follow ICW1, and else the mask. */
static void pic_write_data(struct kvm_pic_state *s, u8 val)
{
	switch (s->init_state) {
	case PIC_ICW2:
		s->irq_base = val & 0xf8;
		s->init_state = PIC_ICW3;
		break;
	case PIC_ICW3:
		/* How a PC's chips are cascaded is not the guest's choice. */
		s->init_state = s->init4 ? PIC_ICW4 : PIC_READY;
		break;
	case PIC_ICW4:
		s->special_fully_nested_mode = !!(val & ICW4_SFNM);
		s->auto_eoi = !!(val & ICW4_AEOI);
		s->init_state = PIC_READY;
		break;
	default:
		s->imr = val;
		break;
	}
}

static void pic_write_byte(struct kvm_pic *pic, unsigned int chip, bool data, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[chip];

	if (data)
		pic_write_data(s, val);
	else if (val & ICW1)
		pic_init(pic, chip, val);
	else if (val & OCW3)
		pic_ocw3(s, val);
	else
		pic_ocw2(pic, chip, val);
	pic_update(pic);
}

/* "Poll Command": the next read is an acknowledge cycle. */
static u8 pic_poll(struct kvm_pic *pic, unsigned int chip)
{
	int irq = pic_pending(&pic->chip[chip], chip == PIC_MASTER);

	pic->chip[chip].poll = 0;
	if (irq < 0)
		return PIC_SPURIOUS;
	pic_acknowledge(pic, chip, irq);
	pic_update(pic);
	return 0x80 | irq;
}

static u8 pic_read_byte(struct kvm_pic *pic, unsigned int chip, bool data)
{
	const struct kvm_pic_state *s = &pic->chip[chip];

	if (s->poll)
		return pic_poll(pic, chip);
	if (data)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

/* Two ports each for the chips and for ELCR; wider accesses are split as the ISA bus does. */
static int pic_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		    unsigned int len, void *val)
{
	struct kvm_pic *pic = vcpu->kvm->irqchip->pic;
	unsigned int kind = dev - pic->dev, at = addr & 1, i;
	unsigned long irqflags;
	u8 *bytes = val;
	u16 acks;

	raw_spin_lock_irqsave(&pic->lock, irqflags);
	for (i = 0; i < len; i++, at++)
		if (kind > PIC_SLAVE)
			bytes[i] = pic->chip[at].elcr;
		else
			bytes[i] = pic_read_byte(pic, kind, at);
	acks = pic_acks_fetch(pic);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	pic_acks_tell(vcpu->kvm, acks);
	return 0;
}

static int pic_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *val)
{
	struct kvm_pic *pic = vcpu->kvm->irqchip->pic;
	unsigned int kind = dev - pic->dev, at = addr & 1, i;
	unsigned long irqflags;
	const u8 *bytes = val;
	u16 acks;

	raw_spin_lock_irqsave(&pic->lock, irqflags);
	for (i = 0; i < len; i++, at++)
		if (kind > PIC_SLAVE)
			pic->chip[at].elcr = bytes[i] & pic->chip[at].elcr_mask;
		else
			pic_write_byte(pic, kind, at, bytes[i]);
	acks = pic_acks_fetch(pic);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	pic_acks_tell(vcpu->kvm, acks);
	return 0;
}

static void pic_put(struct kvm_pic *pic)
{
	if (refcount_dec_and_test(&pic->users))
		kfree(pic);
}

/* Which of its devices this was can be told by its address. */
static void pic_release(struct kvm_io_device *dev)
{
	unsigned int at = dev->base == PIC_MASTER_PORT ? 0 : dev->base == PIC_SLAVE_PORT ? 1 : 2;

	pic_put(container_of(dev - at, struct kvm_pic, dev[0]));
}

static const struct kvm_io_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
	.release = pic_release,
};

/* Take the first @n of its devices off the bus. */
static void pic_remove(struct kvm_pic *pic, int n)
{
	lockdep_assert_held(&pic->kvm->bus_lock);
	while (n--)
		bus_remove(pic->kvm, KVM_BUS_PIO, &pic->dev[n]);
}

int pic_create(struct kvm *kvm)
{
	static const u16 ports[] = { PIC_MASTER_PORT, PIC_SLAVE_PORT, PIC_ELCR_PORT };
	struct kvm_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	int i, r = 0;

	if (!pic)
		return -ENOMEM;
	raw_spin_lock_init(&pic->lock);
	INIT_WORK(&pic->ack_work, pic_ack_work);
	refcount_set(&pic->users, 1);
	pic->kvm = kvm;
	pic->chip[PIC_MASTER].elcr_mask = PIC_ELCR_MASTER;
	pic->chip[PIC_SLAVE].elcr_mask = PIC_ELCR_SLAVE;
	kvm->irqchip->pic = pic;

	mutex_lock(&kvm->bus_lock);
	for (i = 0; !r && i < ARRAY_SIZE(ports); i++) {
		pic->dev[i].ops = &pic_ops;
		pic->dev[i].base = ports[i];
		pic->dev[i].len = 2;
		r = bus_add(kvm, KVM_BUS_PIO, &pic->dev[i]);
		if (!r)
			refcount_inc(&pic->users);
	}
	if (r)
		pic_remove(pic, i - 1);
	mutex_unlock(&kvm->bus_lock);
	if (r) {
		kvm->irqchip->pic = NULL;
		pic_put(pic);
	}
	return r;
}

void pic_destroy(struct kvm *kvm)
{
	struct kvm_pic *pic = kvm->irqchip->pic;

	if (!pic)
		return;
	cancel_work_sync(&pic->ack_work);
	mutex_lock(&kvm->bus_lock);
	pic_remove(pic, ARRAY_SIZE(pic->dev));
	mutex_unlock(&kvm->bus_lock);
	kvm->irqchip->pic = NULL;
	pic_put(pic);
}

void pic_get_state(struct kvm *kvm, bool slave, struct kvm_pic_state *state)
{
	struct kvm_pic *pic = kvm->irqchip->pic;
	unsigned long irqflags;

	raw_spin_lock_irqsave(&pic->lock, irqflags);
	*state = pic->chip[slave];
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
}

void pic_set_state(struct kvm *kvm, bool slave, const struct kvm_pic_state *state)
{
	struct kvm_pic *pic = kvm->irqchip->pic;
	unsigned long irqflags;
	struct kvm_pic_state *s;
	u8 elcr_mask;
	u16 acks;

	raw_spin_lock_irqsave(&pic->lock, irqflags);
	s = &pic->chip[slave];
	elcr_mask = s->elcr_mask;
	/* Nobody will end what was in service before. */
	pic->acked[slave] |= s->isr & ~state->isr;
	*s = *state;
	s->elcr_mask = elcr_mask;
	s->elcr &= elcr_mask;
	s->priority_add &= 7;
	pic_update(pic);
	acks = pic_acks_fetch(pic);
	raw_spin_unlock_irqrestore(&pic->lock, irqflags);
	pic_acks_tell(kvm, acks);
}
