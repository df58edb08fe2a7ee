// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 timer of a PC. Nothing counts here: what a counter shows follows from
 * when it was loaded. Terms are those of the 8254's data sheet.
 */
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <compat/hrtimer.h>
#include <compat/uapi.h>
#include "chip.h"

#define PIT_HZ			1193182
#define PIT_PORT		0x40
#define PIT_CONTROL		3		/* of its four ports */
#define PIT_SPEAKER_PORT	0x61
#define PIT_GSI			0
#define PIT_MODE_NONE		0xff		/* nobody has written a control word */

/* A guest may not ask for interrupts more often than this: the host has to survive them. */
#define PIT_PERIOD_MIN_NS	(200 * NSEC_PER_USEC)
/* Ticks nobody served are kept up to here: two hours at 100 Hz. */
#define PIT_TICKS_KEPT_MAX	720000

/* "Control Word Format" */
#define CW_CHANNEL(val)		((val) >> 6)
#define CW_READ_BACK		3
#define CW_RW(val)		(((val) >> 4) & 3)
#define CW_MODE(val)		(((val) >> 1) & 7)
#define READ_BACK_NO_COUNT	0x20
#define READ_BACK_NO_STATUS	0x10

#define STATUS_OUT		0x80
#define STATUS_RW_SHIFT		4
#define STATUS_MODE_SHIFT	1

/* Bits of port 0x61. */
#define SPEAKER_GATE		0x01
#define SPEAKER_DATA		0x02
#define SPEAKER_REFRESH		0x10
#define SPEAKER_OUT		0x20
#define SPEAKER_REFRESH_NS_BIT	14		/* about 15 us, the refresh of its DRAM */

/* Which byte is next; .rw_mode has the first three. */
enum pit_rw { PIT_RW_NONE, PIT_RW_LSB, PIT_RW_MSB, PIT_RW_WORD, PIT_RW_WORD_MSB };

/*
 * Lifetime: from KVM_CREATE_PIT2 to the VM's end; freed when the last of its devices
 * has left its bus. [o] written once at creation
 * [p] .lock, outside the chips' locks: lines are set under it
 */
struct kvm_pit {
	spinlock_t lock;			/* all marked [p] */
	struct kvm *kvm;			/* [o] */
	/* [p] .count is 1 to 65536; .count_load_time in ns of CLOCK_MONOTONIC */
	struct kvm_pit_channel_state channel[3];
	u64 stopped_at[3];			/* [p] input clocks seen when the gate closed */
	u32 flags;				/* [p] KVM_PIT_FLAGS_* */
	struct hrtimer timer;			/* channel 0's next interrupt */
	bool armed;				/* [p] */
	u64 next_clock;				/* [p] its time, in input clocks since the load */
	bool reinject;				/* [p] */
	u32 ticks_kept;				/* [p] to be re-injected */
	struct kvm_irq_ack ack;			/* [o] */
	refcount_t users;			/* devices on the bus, and kvm->irqchip */
	bool speaker;				/* [o] .speaker_dev is on the bus */
	struct kvm_io_device dev, speaker_dev;	/* [o] */
};

static u64 pit_clocks_to_ns(u64 clocks)
{
	return mul_u64_u32_div(clocks, NSEC_PER_SEC, PIT_HZ);
}

static u64 pit_ns_to_clocks(u64 ns)
{
	return mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC);
}

static bool pit_is_periodic(const struct kvm_pit_channel_state *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* In these modes the gate does not hold the counter, its rise only starts it. */
static bool pit_is_triggered(const struct kvm_pit_channel_state *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* Input clocks since @n was loaded or triggered. */
static u64 pit_elapsed(struct kvm_pit *pit, unsigned int n, u64 now)
{
	const struct kvm_pit_channel_state *c = &pit->channel[n];

	if (!c->gate && !pit_is_triggered(c))
		return pit->stopped_at[n];
	return pit_ns_to_clocks(now - c->count_load_time);
}

static u16 pit_to_bcd(u32 val)
{
	return val % 10 | val / 10 % 10 << 4 | val / 100 % 10 << 8 | val / 1000 % 10 << 12;
}

static u32 pit_from_bcd(u16 val)
{
	return (val & 0xf) + (val >> 4 & 0xf) * 10 + (val >> 8 & 0xf) * 100 + (val >> 12) * 1000;
}

/* The counting element as the guest reads it. */
static u16 pit_count(struct kvm_pit *pit, unsigned int n, u64 now)
{
	const struct kvm_pit_channel_state *c = &pit->channel[n];
	u64 elapsed = pit_elapsed(pit, n, now);
	u32 modulus = c->bcd ? 10000 : 0x10000, past, count;

	switch (c->mode) {
	case 2:
		div_u64_rem(elapsed, c->count, &past);
		count = c->count - past;
		break;
	case 3:
		/* "Square Wave Mode": by two, twice per period. */
		div_u64_rem(elapsed * 2, c->count, &past);
		count = (c->count - past) & ~1;
		break;
	default:
		/* It wraps and goes on. */
		div_u64_rem(elapsed, modulus, &past);
		count = c->count + modulus - past;
		break;
	}
	count %= modulus;
	return c->bcd ? pit_to_bcd(count) : count;
}

static bool pit_out(struct kvm_pit *pit, unsigned int n, u64 now)
{
	const struct kvm_pit_channel_state *c = &pit->channel[n];
	u64 elapsed = pit_elapsed(pit, n, now);
	u32 past;

	switch (c->mode) {
	case 0:
	case 1:
		return elapsed >= c->count;
	case 2:
		div_u64_rem(elapsed, c->count, &past);
		return !c->gate || past != c->count - 1;
	case 3:
		div_u64_rem(elapsed, c->count, &past);
		return !c->gate || past < (c->count + 1) / 2;
	default:
		return elapsed != c->count;
	}
}

/*
 * Raise channel 0's interrupt. False if the last one is still pending. Nobody
 * listening counts as served: ticks are kept for those who are late only.
 */
static bool pit_inject(struct kvm_pit *pit)
{
	int r = irq_set(pit->kvm, KVM_IRQ_SOURCE_PIT, PIT_GSI, true);

	irq_set(pit->kvm, KVM_IRQ_SOURCE_PIT, PIT_GSI, false);
	return r != 0;
}

static void pit_tick(struct kvm_pit *pit, u64 ticks)
{
	lockdep_assert_held(&pit->lock);
	if (pit_inject(pit))
		ticks--;
	if (pit->reinject)
		pit->ticks_kept = min_t(u64, pit->ticks_kept + ticks, PIT_TICKS_KEPT_MAX);
}

/* The guest has served an interrupt: the next of those it missed. */
static void pit_acked(struct kvm_irq_ack *ack)
{
	struct kvm_pit *pit = container_of(ack, struct kvm_pit, ack);
	unsigned long irqflags;

	if (!READ_ONCE(pit->ticks_kept))
		return;
	spin_lock_irqsave(&pit->lock, irqflags);
	if (pit->ticks_kept && pit_inject(pit))
		WRITE_ONCE(pit->ticks_kept, pit->ticks_kept - 1);
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

/* Input clocks between two interrupts. */
static u64 pit_period(const struct kvm_pit *pit)
{
	u64 least = pit_ns_to_clocks(PIT_PERIOD_MIN_NS) + 1;

	return max_t(u64, pit->channel[0].count, least);
}

static void pit_arm(struct kvm_pit *pit)
{
	u64 at = pit->channel[0].count_load_time + pit_clocks_to_ns(pit->next_clock);

	lockdep_assert_held(&pit->lock);
	pit->armed = true;
	hrtimer_start(&pit->timer, ns_to_ktime(at), HRTIMER_MODE_ABS);
}

/* Channel 0 has been loaded, at .count_load_time: when will its output rise next? */
static void pit_start(struct kvm_pit *pit, u64 now)
{
	const struct kvm_pit_channel_state *c = &pit->channel[0];
	u64 elapsed = pit_ns_to_clocks(now - c->count_load_time);

	/* If the callback is under way it finds nothing due. */
	pit->armed = false;
	hrtimer_try_to_cancel(&pit->timer);
	pit->ticks_kept = 0;
	if (pit->flags & KVM_PIT_FLAGS_HPET_LEGACY || c->mode == PIT_MODE_NONE ||
	    pit_is_triggered(c) || !c->gate)
		return;
	pit->next_clock = c->count;
	if (pit_is_periodic(c)) {
		pit->next_clock = pit_period(pit);
		pit->next_clock *= div64_u64(elapsed, pit->next_clock) + 1;
	} else if (elapsed >= c->count) {
		return;
	}
	pit_arm(pit);
}

static enum hrtimer_restart pit_expired(struct hrtimer *timer)
{
	struct kvm_pit *pit = container_of(timer, struct kvm_pit, timer);
	u64 clocks, period, ticks = 1;
	unsigned long irqflags;

	spin_lock_irqsave(&pit->lock, irqflags);
	clocks = pit_ns_to_clocks(ktime_get_ns() - pit->channel[0].count_load_time) + 1;
	/* Somebody may have loaded it again meanwhile. */
	if (!pit->armed || clocks < pit->next_clock)
		goto out;
	pit->armed = false;
	if (pit_is_periodic(&pit->channel[0])) {
		period = pit_period(pit);
		ticks += div64_u64(clocks - pit->next_clock, period);
		pit->next_clock += ticks * period;
		pit_arm(pit);
	}
	pit_tick(pit, ticks);
out:
	spin_unlock_irqrestore(&pit->lock, irqflags);
	/* pit_arm() has started it again if that is wanted. */
	return HRTIMER_NORESTART;
}

static void pit_load(struct kvm_pit *pit, unsigned int n, u16 val)
{
	struct kvm_pit_channel_state *c = &pit->channel[n];
	u64 now = ktime_get_ns();

	c->count = c->bcd ? pit_from_bcd(val) : val;
	if (!c->count)
		c->count = c->bcd ? 10000 : 0x10000;
	c->count_load_time = now;
	pit->stopped_at[n] = 0;
	if (!n)
		pit_start(pit, now);
}

/* "Counter Latch Command": kept until it has been read. */
static void pit_latch_count(struct kvm_pit *pit, unsigned int n, u64 now)
{
	struct kvm_pit_channel_state *c = &pit->channel[n];

	if (c->count_latched)
		return;
	c->latched_count = pit_count(pit, n, now);
	c->count_latched = c->rw_mode;
}

static void pit_latch_status(struct kvm_pit *pit, unsigned int n, u64 now)
{
	struct kvm_pit_channel_state *c = &pit->channel[n];

	if (c->status_latched)
		return;
	c->status = (pit_out(pit, n, now) ? STATUS_OUT : 0) | c->rw_mode << STATUS_RW_SHIFT |
		    (c->mode & 7) << STATUS_MODE_SHIFT | c->bcd;
	c->status_latched = 1;
}

static void pit_read_back(struct kvm_pit *pit, u8 val)
{
	u64 now = ktime_get_ns();
	unsigned int n;

	for (n = 0; n < 3; n++) {
		if (!(val & BIT(n + 1)))
			continue;
		if (!(val & READ_BACK_NO_COUNT))
			pit_latch_count(pit, n, now);
		if (!(val & READ_BACK_NO_STATUS))
			pit_latch_status(pit, n, now);
	}
}

static void pit_write_control(struct kvm_pit *pit, u8 val)
{
	unsigned int n = CW_CHANNEL(val);
	struct kvm_pit_channel_state *c;

	if (n == CW_READ_BACK) {
		pit_read_back(pit, val);
		return;
	}
	if (CW_RW(val) == PIT_RW_NONE) {
		pit_latch_count(pit, n, ktime_get_ns());
		return;
	}
	c = &pit->channel[n];
	c->rw_mode = CW_RW(val);
	c->read_state = c->rw_mode;
	c->write_state = c->rw_mode;
	c->mode = CW_MODE(val);
	/* "X" in the table of modes: 6 is 2, and 7 is 3. */
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = val & 1;
}

static void pit_write_byte(struct kvm_pit *pit, unsigned int port, u8 val)
{
	struct kvm_pit_channel_state *c = &pit->channel[port];

	if (port == PIT_CONTROL) {
		pit_write_control(pit, val);
		return;
	}
	switch (c->write_state) {
	case PIT_RW_MSB:
		pit_load(pit, port, val << 8);
		break;
	case PIT_RW_WORD:
		c->write_latch = val;
		c->write_state = PIT_RW_WORD_MSB;
		break;
	case PIT_RW_WORD_MSB:
		c->write_state = PIT_RW_WORD;
		pit_load(pit, port, val << 8 | c->write_latch);
		break;
	default:
		pit_load(pit, port, val);
		break;
	}
}

static u8 pit_read_latched(struct kvm_pit_channel_state *c)
{
	u8 state = c->count_latched;

	/* Of a word, the low byte comes first. */
	c->count_latched = state == PIT_RW_WORD ? PIT_RW_MSB : PIT_RW_NONE;
	return state == PIT_RW_MSB ? c->latched_count >> 8 : c->latched_count;
}

static u8 pit_read_byte(struct kvm_pit *pit, unsigned int port)
{
	struct kvm_pit_channel_state *c = &pit->channel[port];
	u16 count;

	if (port == PIT_CONTROL)
		return 0;
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return pit_read_latched(c);
	count = pit_count(pit, port, ktime_get_ns());
	switch (c->read_state) {
	case PIT_RW_MSB:
		return count >> 8;
	case PIT_RW_WORD:
		c->read_state = PIT_RW_WORD_MSB;
		return count;
	case PIT_RW_WORD_MSB:
		c->read_state = PIT_RW_WORD;
		return count >> 8;
	default:
		return count;
	}
}

/* Wider accesses are split as the ISA bus does. A vcpu's thread has interrupts on. */
static int pit_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		    unsigned int len, void *val)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	u8 *byte = val;

	spin_lock_irq(&pit->lock);
	do {
		*byte++ = pit_read_byte(pit, addr++ & 3);
	} while (--len);
	spin_unlock_irq(&pit->lock);
	return 0;
}

static int pit_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
		     unsigned int len, const void *val)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, dev);
	const u8 *bytes = val;
	unsigned long irqflags;
	unsigned int i;

	spin_lock_irqsave(&pit->lock, irqflags);
	for (i = 0; i < len; i++)
		pit_write_byte(pit, (addr + i) & 3, bytes[i]);
	spin_unlock_irqrestore(&pit->lock, irqflags);
	return 0;
}

/* "Gate Pin Operations Summary" */
static void pit_set_gate(struct kvm_pit *pit, unsigned int n, bool gate)
{
	struct kvm_pit_channel_state *c = &pit->channel[n];
	u64 now = ktime_get_ns();

	if (c->gate == gate)
		return;
	if (!gate) {
		pit->stopped_at[n] = pit_elapsed(pit, n, now);
	} else if (pit_is_triggered(c) || pit_is_periodic(c)) {
		c->count_load_time = now;
		pit->stopped_at[n] = 0;
	} else {
		c->count_load_time = now - pit_clocks_to_ns(pit->stopped_at[n]);
	}
	c->gate = gate;
}

static int speaker_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			unsigned int len, void *val)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	unsigned long irqflags;
	u8 data = 0;
	u64 now;

	spin_lock_irqsave(&pit->lock, irqflags);
	/* Read here, or another vcpu may load the counter at a later time. */
	now = ktime_get_ns();
	if (pit->channel[2].gate)
		data |= SPEAKER_GATE;
	if (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		data |= SPEAKER_DATA;
	if (now >> SPEAKER_REFRESH_NS_BIT & 1)
		data |= SPEAKER_REFRESH;
	if (pit_out(pit, 2, now))
		data |= SPEAKER_OUT;
	spin_unlock_irqrestore(&pit->lock, irqflags);
	*(u8 *)val = data;
	return 0;
}

static int speaker_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			 unsigned int len, const void *val)
{
	struct kvm_pit *pit = container_of(dev, struct kvm_pit, speaker_dev);
	u8 data = *(const u8 *)val;
	unsigned long irqflags;

	spin_lock_irqsave(&pit->lock, irqflags);
	if (data & SPEAKER_DATA)
		pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	pit_set_gate(pit, 2, data & SPEAKER_GATE);
	spin_unlock_irqrestore(&pit->lock, irqflags);
	return 0;
}

static void pit_put(struct kvm_pit *pit)
{
	if (refcount_dec_and_test(&pit->users))
		kfree(pit);
}

static void pit_release(struct kvm_io_device *dev)
{
	pit_put(container_of(dev, struct kvm_pit, dev));
}

static void speaker_release(struct kvm_io_device *dev)
{
	pit_put(container_of(dev, struct kvm_pit, speaker_dev));
}

static const struct kvm_io_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
	.release = pit_release,
};

static const struct kvm_io_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
	.release = speaker_release,
};

static struct kvm_pit *pit_alloc(struct kvm *kvm)
{
	struct kvm_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	struct kvm_pit_channel_state *c;
	unsigned int n;

	if (!pit)
		return NULL;
	spin_lock_init(&pit->lock);
	refcount_set(&pit->users, 1);
	hrtimer_setup(&pit->timer, pit_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	pit->kvm = kvm;
	pit->reinject = true;
	pit->ack.gsi = PIT_GSI;
	pit->ack.acked = pit_acked;
	for (n = 0; n < 3; n++) {
		c = &pit->channel[n];
		c->count = 0x10000;
		c->mode = PIT_MODE_NONE;
		c->gate = n != 2;
		c->count_load_time = ktime_get_ns();
	}
	pit->dev.ops = &pit_ops;
	pit->dev.base = PIT_PORT;
	pit->dev.len = 4;
	pit->speaker_dev.ops = &speaker_ops;
	pit->speaker_dev.base = PIT_SPEAKER_PORT;
	pit->speaker_dev.len = 1;
	return pit;
}

static int pit_add(struct kvm_pit *pit, bool speaker)
{
	struct kvm *kvm = pit->kvm;
	int r;

	mutex_lock(&kvm->bus_lock);
	r = bus_add(kvm, KVM_BUS_PIO, &pit->dev);
	if (r)
		goto out;
	refcount_inc(&pit->users);
	if (!speaker)
		goto out;
	r = bus_add(kvm, KVM_BUS_PIO, &pit->speaker_dev);
	if (r) {
		bus_remove(kvm, KVM_BUS_PIO, &pit->dev);
		goto out;
	}
	refcount_inc(&pit->users);
	pit->speaker = true;
out:
	mutex_unlock(&kvm->bus_lock);
	return r;
}

static int pit_create(struct kvm *kvm, u32 flags)
{
	struct kvm_pit *pit;
	int r;

	lockdep_assert_held(&kvm->lock);
	if (kvm->irqchip->pit)
		return -EEXIST;
	if (READ_ONCE(kvm->irqchip_mode) != KVM_IRQCHIP_KERNEL)
		return -ENOENT;
	pit = pit_alloc(kvm);
	if (!pit)
		return -ENOMEM;
	mutex_lock(&kvm->irq_lock);
	irq_ack_add(kvm, &pit->ack);
	mutex_unlock(&kvm->irq_lock);
	r = pit_add(pit, flags & KVM_PIT_SPEAKER_DUMMY);
	if (r) {
		mutex_lock(&kvm->irq_lock);
		irq_ack_remove(kvm, &pit->ack);
		mutex_unlock(&kvm->irq_lock);
		/* A vcpu may have found the first device while the second failed. */
		synchronize_rcu();
		hrtimer_cancel(&pit->timer);
		pit_put(pit);
		return r;
	}
	kvm->irqchip->pit = pit;
	return 0;
}

void pit_destroy(struct kvm *kvm)
{
	struct kvm_pit *pit = kvm->irqchip->pit;

	if (!pit)
		return;
	mutex_lock(&kvm->irq_lock);
	irq_ack_remove(kvm, &pit->ack);
	mutex_unlock(&kvm->irq_lock);
	hrtimer_cancel(&pit->timer);
	kvm->irqchip->pit = NULL;
	mutex_lock(&kvm->bus_lock);
	if (pit->speaker)
		bus_remove(kvm, KVM_BUS_PIO, &pit->speaker_dev);
	bus_remove(kvm, KVM_BUS_PIO, &pit->dev);
	mutex_unlock(&kvm->bus_lock);
	pit_put(pit);
}

static void pit_get_state(struct kvm_pit *pit, struct kvm_pit_state2 *state)
{
	u64 now = ktime_get_ns();
	unsigned long irqflags;
	unsigned int n;

	memset(state, 0, sizeof(*state));
	spin_lock_irqsave(&pit->lock, irqflags);
	for (n = 0; n < 3; n++) {
		state->channels[n] = pit->channel[n];
		/* A closed gate has no field: the load moves along with the time. */
		if (!pit->channel[n].gate && !pit_is_triggered(&pit->channel[n]))
			state->channels[n].count_load_time =
				now - pit_clocks_to_ns(pit->stopped_at[n]);
	}
	state->flags = pit->flags;
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

/* Any bytes a VMM may give, made into a channel that works. */
static void pit_set_channel(struct kvm_pit *pit, unsigned int n,
			    const struct kvm_pit_channel_state *from, u64 now)
{
	struct kvm_pit_channel_state *c = &pit->channel[n];

	*c = *from;
	if (!c->count || c->count > 0x10000)
		c->count = 0x10000;
	if (c->mode != PIT_MODE_NONE) {
		c->mode &= 7;
		if (c->mode > 5)
			c->mode -= 4;
	}
	c->bcd &= 1;
	c->gate = !!c->gate;
	c->rw_mode &= 3;
	if (c->count_load_time < 0 || c->count_load_time > now)
		c->count_load_time = now;
	pit->stopped_at[n] = pit_ns_to_clocks(now - c->count_load_time);
}

/* @flags: NULL for the older ioctl, which does not have them. */
static void pit_set_state(struct kvm_pit *pit, const struct kvm_pit_channel_state *channels,
			  const u32 *flags)
{
	u64 now = ktime_get_ns();
	unsigned long irqflags;
	unsigned int n;

	spin_lock_irqsave(&pit->lock, irqflags);
	for (n = 0; n < 3; n++)
		pit_set_channel(pit, n, &channels[n], now);
	if (flags)
		pit->flags = *flags &
			(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	pit_start(pit, now);
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

static void pit_set_reinject(struct kvm_pit *pit, bool reinject)
{
	unsigned long irqflags;

	spin_lock_irqsave(&pit->lock, irqflags);
	pit->reinject = reinject;
	pit->ticks_kept = 0;
	spin_unlock_irqrestore(&pit->lock, irqflags);
}

static int pit_ioctl_get(struct kvm_pit *pit, size_t size, void __user *argp)
{
	struct kvm_pit_state2 state;

	BUILD_BUG_ON(sizeof(struct kvm_pit_state) != offsetof(struct kvm_pit_state2, flags));
	pit_get_state(pit, &state);
	return copy_to_user(argp, &state, size) ? -EFAULT : 0;
}

static int pit_ioctl_set(struct kvm_pit *pit, size_t size, const void __user *argp)
{
	struct kvm_pit_state2 state;

	if (copy_from_user(&state, argp, size))
		return -EFAULT;
	pit_set_state(pit, state.channels, size == sizeof(state) ? &state.flags : NULL);
	return 0;
}

static int pit_ioctl_reinject(struct kvm_pit *pit, const void __user *argp)
{
	struct kvm_reinject_control control;

	if (copy_from_user(&control, argp, sizeof(control)))
		return -EFAULT;
	pit_set_reinject(pit, control.pit_reinject);
	return 0;
}

static int pit_ioctl_create2(struct kvm *kvm, const void __user *argp)
{
	struct kvm_pit_config config;

	if (copy_from_user(&config, argp, sizeof(config)))
		return -EFAULT;
	return pit_create(kvm, config.flags);
}

/* Under kvm->lock, which makes a PIT that is there stay there. */
static int pit_ioctl_locked(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_pit *pit = kvm->irqchip->pit;

	switch (ioctl) {
	case KVM_CREATE_PIT:
		return pit_create(kvm, KVM_PIT_SPEAKER_DUMMY);
	case KVM_CREATE_PIT2:
		return pit_ioctl_create2(kvm, argp);
	}
	if (!pit)
		return -ENXIO;
	switch (ioctl) {
	case KVM_GET_PIT:
		return pit_ioctl_get(pit, sizeof(struct kvm_pit_state), argp);
	case KVM_SET_PIT:
		return pit_ioctl_set(pit, sizeof(struct kvm_pit_state), argp);
	case KVM_GET_PIT2:
		return pit_ioctl_get(pit, sizeof(struct kvm_pit_state2), argp);
	case KVM_SET_PIT2:
		return pit_ioctl_set(pit, sizeof(struct kvm_pit_state2), argp);
	default:
		return pit_ioctl_reinject(pit, argp);
	}
}

long pit_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	long r;

	switch (ioctl) {
	case KVM_CREATE_PIT:
	case KVM_CREATE_PIT2:
	case KVM_GET_PIT:
	case KVM_SET_PIT:
	case KVM_GET_PIT2:
	case KVM_SET_PIT2:
	case KVM_REINJECT_CONTROL:
		if (mutex_lock_killable(&kvm->lock))
			return -EINTR;
		r = pit_ioctl_locked(kvm, ioctl, argp);
		mutex_unlock(&kvm->lock);
		return r;
	default:
		return -ENOTTY;
	}
}
