// SPDX-License-Identifier: GPL-2.0-only
/* Allocations and user copies that fail while vcpu state is read and set. */
#define _GNU_SOURCE
#include "inject.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

/* --- what the kernel has to say ---------------------------------------------- */

struct table {
	unsigned long ioctl;
	size_t head, entry;
};

static const struct table *table;

static void prepare_table(struct scene *s)
{
	s->vm = vmm_create_bare();
	memset(&s->was, 0, sizeof(s->was));
	*(uint32_t *)&s->was = (sizeof(s->was) - table->head) / table->entry;
	memcpy(&s->now, &s->was, sizeof(s->now));
	OK(ioctl(s->vm->dev, table->ioctl, &s->was));
}

static int step_table(struct scene *s)
{
	return RESULT(ioctl(s->vm->dev, table->ioctl, &s->now));
}

static void check_table(struct scene *s)
{
	CHECK(!memcmp(&s->was, &s->now, sizeof(s->was)));
}

static void sweep_table(unsigned long number, size_t head, size_t entry)
{
	struct table one = { number, head, entry };
	static const struct sweep sweep = {
		.prepare = prepare_table, .step = step_table,
		.check = check_table,
	};

	table = &one;
	sweep_run(&sweep);
}

TEST(supported_cpuid, "KVM_GET_SUPPORTED_CPUID")
{
	sweep_table(KVM_GET_SUPPORTED_CPUID, sizeof(struct kvm_cpuid2),
		    sizeof(struct kvm_cpuid_entry2));
}

TEST(msr_index_list, "KVM_GET_MSR_INDEX_LIST")
{
	sweep_table(KVM_GET_MSR_INDEX_LIST, sizeof(struct kvm_msr_list), 4);
}

/* --- vcpu state -------------------------------------------------------------- */

/* A pair of ioctls, and a change to make with them. */
struct state {
	unsigned long get, set;
	size_t size;
	void (*change)(void *data);
};

static const struct state *state;

static void prepare_state(struct scene *s)
{
	scene_boot_run(s);
	OK(ioctl(s->vcpu->fd, state->get, &s->was));
	memcpy(&s->now, &s->was, sizeof(s->now));
	if (state->change)
		state->change(&s->now);
}

static int step_state_set(struct scene *s)
{
	return RESULT(ioctl(s->vcpu->fd, state->set, &s->now));
}

static void expect_state(struct scene *s, const void *wanted)
{
	uint8_t bytes[sizeof(s->was)];

	/* Tables are asked for by the count in front. */
	memcpy(bytes, &s->was, sizeof(bytes));
	OK(ioctl(s->vcpu->fd, state->get, bytes));
	CHECK(!memcmp(bytes, wanted, state->size));
}

static void refused_state(struct scene *s)
{
	expect_state(s, &s->was);
}

static void check_state_set(struct scene *s)
{
	expect_state(s, &s->now);
}

static void prepare_state_get(struct scene *s)
{
	prepare_state(s);
	/* Only what the kernel reads of it stays. */
	memset((uint8_t *)&s->now + 8, 0, sizeof(s->now) - 8);
}

static int step_state_get(struct scene *s)
{
	memcpy(&s->now, &s->was, sizeof(s->now));
	return RESULT(ioctl(s->vcpu->fd, state->get, &s->now));
}

static void check_state_get(struct scene *s)
{
	CHECK(!memcmp(&s->now, &s->was, state->size));
}

static void sweep_state(unsigned long get, unsigned long set, size_t size,
			void (*change)(void *data))
{
	struct state one = { get, set, size, change };
	static const struct sweep setting = {
		.prepare = prepare_state, .step = step_state_set,
		.refused = refused_state, .check = check_state_set,
		.fails = true,
	};
	static const struct sweep getting = {
		.prepare = prepare_state_get, .step = step_state_get,
		.check = check_state_get, .fails = true,
	};

	state = &one;
	sweep_run(&setting);
	sweep_run(&getting);
}

static void change_regs(void *data)
{
	((struct kvm_regs *)data)->r15 ^= 0x1234567890ull;
}

TEST(regs, "KVM_SET_REGS and KVM_GET_REGS")
{
	sweep_state(KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs),
		    change_regs);
}

static void change_sregs(void *data)
{
	((struct kvm_sregs *)data)->cr2 ^= 0x1234567890ull;
}

TEST(sregs, "KVM_SET_SREGS and KVM_GET_SREGS")
{
	sweep_state(KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs),
		    change_sregs);
}

static void change_fpu(void *data)
{
	((struct kvm_fpu *)data)->xmm[3][2] ^= 0x5a;
}

TEST(fpu, "KVM_SET_FPU and KVM_GET_FPU")
{
	sweep_state(KVM_GET_FPU, KVM_SET_FPU, offsetof(struct kvm_fpu, mxcsr),
		    change_fpu);
}

TEST(mp_state, "KVM_SET_MP_STATE and KVM_GET_MP_STATE")
{
	sweep_state(KVM_GET_MP_STATE, KVM_SET_MP_STATE,
		    sizeof(struct kvm_mp_state), NULL);
}

static void change_xsave(void *data)
{
	struct kvm_xsave *xsave = data;

	xsave->region[(160 + 16) / 4] ^= 0x5a;	/* XMM1 */
	xsave->region[128] |= 3;			/* x87 and SSE are in the image */
}

TEST(xsave, "KVM_SET_XSAVE and KVM_GET_XSAVE")
{
	sweep_state(KVM_GET_XSAVE, KVM_SET_XSAVE, 512, change_xsave);
}

static void change_debugregs(void *data)
{
	((struct kvm_debugregs *)data)->db[1] = 0x123450;
}

TEST(debugregs, "KVM_SET_DEBUGREGS and KVM_GET_DEBUGREGS")
{
	sweep_state(KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, 48, change_debugregs);
}

TEST(vcpu_events, "KVM_SET_VCPU_EVENTS and KVM_GET_VCPU_EVENTS")
{
	sweep_state(KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events),
		    NULL);
}

#define CPUID_ROOM 60

static void prepare_cpuid(struct scene *s)
{
	struct kvm_cpuid2 *was = (void *)&s->was, *now = (void *)&s->now;

	/* It may be changed as long as the vcpu has not run. */
	scene_boot(s);
	was->nent = CPUID_ROOM;
	OK(ioctl(s->vcpu->fd, KVM_GET_CPUID2, was));
	memcpy(now, was, sizeof(s->now));
	CHECK(now->nent > 2);
	now->nent--;
}

static int step_cpuid_set(struct scene *s)
{
	return RESULT(ioctl(s->vcpu->fd, KVM_SET_CPUID2, &s->now));
}

static void expect_cpuid(struct scene *s, const void *wanted)
{
	union {
		struct kvm_cpuid2 cpuid;
		uint8_t bytes[sizeof(s->was)];
	} have = { .cpuid.nent = CPUID_ROOM };
	const struct kvm_cpuid2 *want = wanted;

	OK(ioctl(s->vcpu->fd, KVM_GET_CPUID2, &have));
	CHECK_EQ(have.cpuid.nent, want->nent);
	CHECK(!memcmp(have.cpuid.entries, want->entries,
		      want->nent * sizeof(want->entries[0])));
}

static void refused_cpuid(struct scene *s)
{
	expect_cpuid(s, &s->was);
}

static void check_cpuid(struct scene *s)
{
	expect_cpuid(s, &s->now);
}

TEST(set_cpuid, "KVM_SET_CPUID2")
{
	static const struct sweep sweep = {
		.prepare = prepare_cpuid, .step = step_cpuid_set,
		.refused = refused_cpuid, .check = check_cpuid, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_cpuid_get(struct scene *s)
{
	((struct kvm_cpuid2 *)&s->now)->nent = CPUID_ROOM;
	return RESULT(ioctl(s->vcpu->fd, KVM_GET_CPUID2, &s->now));
}

static void check_cpuid_get(struct scene *s)
{
	expect_cpuid(s, &s->now);
	expect_cpuid(s, &s->was);
}

TEST(get_cpuid, "KVM_GET_CPUID2")
{
	static const struct sweep sweep = {
		.prepare = prepare_cpuid, .step = step_cpuid_get,
		.check = check_cpuid_get, .fails = true,
	};

	sweep_run(&sweep);
}

#define MSR_LSTAR	0xc0000082
#define MSR_STAR	0xc0000081

static void prepare_msrs(struct scene *s)
{
	struct kvm_msrs *msrs = (void *)&s->now;

	scene_boot_run(s);
	msrs->nmsrs = 2;
	msrs->entries[0].index = MSR_STAR;
	msrs->entries[0].data = 0x1122334455667788;
	msrs->entries[1].index = MSR_LSTAR;
	msrs->entries[1].data = 0x123456789a;
}

static int step_msrs_set(struct scene *s)
{
	int r = ioctl(s->vcpu->fd, KVM_SET_MSRS, &s->now);

	return r < 0 ? -errno : r == 2 ? 0 : -EPROTO;
}

static int step_msrs_get(struct scene *s)
{
	int r = ioctl(s->vcpu->fd, KVM_GET_MSRS, &s->was);

	return r < 0 ? -errno : r == 2 ? 0 : -EPROTO;
}

static void check_msrs(struct scene *s)
{
	memcpy(&s->was, &s->now, sizeof(s->was));
	((struct kvm_msrs *)&s->was)->entries[0].data = 0;
	((struct kvm_msrs *)&s->was)->entries[1].data = 0;
	CHECK_EQ(step_msrs_get(s), 0);
	CHECK(!memcmp(&s->was, &s->now, 8 + 2 * sizeof(struct kvm_msr_entry)));
}

TEST(set_msrs, "KVM_SET_MSRS")
{
	static const struct sweep sweep = {
		.prepare = prepare_msrs, .step = step_msrs_set,
		.check = check_msrs, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_msrs_get(struct scene *s)
{
	prepare_msrs(s);
	CHECK_EQ(step_msrs_set(s), 0);
	memcpy(&s->was, &s->now, sizeof(s->was));
	((struct kvm_msrs *)&s->was)->entries[0].data = 0;
}

static void check_msrs_get(struct scene *s)
{
	CHECK(!memcmp(&s->was, &s->now, 8 + 2 * sizeof(struct kvm_msr_entry)));
}

TEST(get_msrs, "KVM_GET_MSRS")
{
	static const struct sweep sweep = {
		.prepare = prepare_msrs_get, .step = step_msrs_get,
		.check = check_msrs_get, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_signal_mask(struct scene *s)
{
	struct {
		struct kvm_signal_mask mask;
		uint8_t set[8];
	} arg = { .mask.len = 8, .set = { 0 } };

	/* All but SIGKILL and SIGSTOP wait until KVM_RUN is over. */
	memset(arg.set, 0xff, 8);
	return RESULT(ioctl(s->vcpu->fd, KVM_SET_SIGNAL_MASK, &arg));
}

static void check_still_runs(struct scene *s)
{
	scene_fill(s, GPA_DATA2, 4, 8, 50);
	scene_must(s);
	scene_compare(s, GPA_DATA2, 4, 8, 50);
	scene_must(s);
}

TEST(signal_mask, "KVM_SET_SIGNAL_MASK")
{
	static const struct sweep sweep = {
		.prepare = scene_boot_run, .step = step_signal_mask,
		.check = check_still_runs, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_interrupt(struct scene *s)
{
	struct kvm_interrupt irq = { .irq = 0x40 };

	return RESULT(ioctl(s->vcpu->fd, KVM_INTERRUPT, &irq));
}

TEST(interrupt, "KVM_INTERRUPT")
{
	static const struct sweep sweep = {
		.prepare = scene_boot_run, .step = step_interrupt,
		.fails = true,
	};

	sweep_run(&sweep);
}
