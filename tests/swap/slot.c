// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory slot itself changes under running vcpus. While it is away its
 * accesses arrive as MMIO and are served from the same memory, so nothing may
 * get lost, however often it comes and goes.
 */
#define _GNU_SOURCE
#include "actions.h"

#include <stdlib.h>
#include <unistd.h>

#define GPA_ELSEWHERE	0x90000000ull

static void tolerate_mmio(struct region *r, bool on)
{
	swap_pause(r->swap);
	r->may_mmio = on;
	swap_resume(r->swap);
}

static void slot_set(struct region *r, uint64_t gpa, unsigned int flags, bool there)
{
	vmm_slot(r->swap->vm, r->slot, flags, gpa, there ? r->size : 0, r->hva);
}

static unsigned int mmios(const struct region *r)
{
	unsigned int i, sum = 0;

	for (i = 0; i < r->swap->vcpus; i++)
		sum += r->swap->worker[i].mmios;
	return sum;
}

/* Vcpus write everywhere, so they notice sooner or later that it is away. */
static void wait_for_mmio(const struct region *r, unsigned int before)
{
	uint64_t until = patience();

	while (mmios(r) == before) {
		CHECKF(vmm_now_ms() < until, "no vcpu notices that the slot is away");
		usleep(200);
	}
	usleep(random_below(500));
}

static void slot_delete(struct region *r)
{
	unsigned int before;
	int i;

	tolerate_mmio(r, true);
	for (i = 0; i < 4; i++) {
		before = mmios(r);
		slot_set(r, r->gpa, 0, false);
		if (i)
			wait_for_mmio(r, before);
		slot_set(r, r->gpa, 0, true);
		jitter();
	}
	tolerate_mmio(r, false);
}

const struct action action_slot_delete = {
	.name = "slot_delete", .backings = ON_SMALL | ON_HUGE, .rounds = 4,
	.mib = 2, .apply = slot_delete,
};

/* Moves under vcpus at work; then, with them off, they look at the other place. */
static void slot_move(struct region *r)
{
	unsigned int before = mmios(r);
	uint64_t home = r->gpa;

	tolerate_mmio(r, true);
	slot_set(r, GPA_ELSEWHERE, 0, true);
	wait_for_mmio(r, before);
	slot_set(r, home, 0, true);
	tolerate_mmio(r, false);

	swap_pause(r->swap);
	slot_set(r, GPA_ELSEWHERE, 0, true);
	r->gpa = GPA_ELSEWHERE;
	r->bias = home - GPA_ELSEWHERE;
	guest_verify(r, 0, region_pages(r));
	r->gpa = home;
	r->bias = 0;
	slot_set(r, home, 0, true);
	swap_resume(r->swap);
}

const struct action action_slot_move = {
	.name = "slot_move", .backings = ON_SMALL | ON(BACK_HUGE_2M), .rounds = 4,
	.mib = 2, .apply = slot_move,
};

/* Read-only for the guest: each write is an exit, each read goes through. */
static void slot_readonly(struct region *r)
{
	unsigned int before;

	tolerate_mmio(r, true);
	slot_set(r, r->gpa, 0, false);
	slot_set(r, r->gpa, KVM_MEM_READONLY, true);
	before = mmios(r);
	wait_for_mmio(r, before);
	slot_set(r, r->gpa, 0, false);
	slot_set(r, r->gpa, 0, true);
	tolerate_mmio(r, false);
}

const struct action action_slot_readonly = {
	.name = "slot_readonly", .backings = ON_SMALL | ON(BACK_HUGE_2M),
	.rounds = 6, .mib = 2, .apply = slot_readonly,
};

static void dirty_log(struct region *r, uint64_t *bitmap)
{
	struct kvm_dirty_log log = { .slot = r->slot, .dirty_bitmap = bitmap };

	OK(ioctl(r->swap->vm->fd, KVM_GET_DIRTY_LOG, &log));
}

/* The log goes on and off under vcpus; with them off it is exact. */
static void slot_log(struct region *r)
{
	uint64_t *bitmap = calloc(region_pages(r) / 64 + 1, 8), page;
	uint64_t step = 30 + random_below(300);
	int i;

	CHECK(bitmap);
	slot_set(r, r->gpa, KVM_MEM_LOG_DIRTY_PAGES, true);
	for (i = 0; i < 3; i++) {
		jitter();
		dirty_log(r, bitmap);
	}
	swap_pause(r->swap);
	dirty_log(r, bitmap);
	for (page = 0; page < region_pages(r); page += step)
		guest_fill(r, page, 1);
	dirty_log(r, bitmap);
	for (page = 0; page < region_pages(r); page++)
		CHECKF((bitmap[page / 64] >> page % 64 & 1) == !(page % step),
		       "page %llu is %s in the log", (unsigned long long)page,
		       page % step ? "clean, but dirty" : "dirty, but clean");
	swap_resume(r->swap);
	jitter();
	slot_set(r, r->gpa, 0, true);
	free(bitmap);
}

const struct action action_slot_log = {
	.name = "slot_log", .backings = ON_SMALL, .rounds = 4, .mib = 2,
	.apply = slot_log,
};

ACTION_CASE(slot_delete, action_slot_delete, BACK_ANON,
	    "the slot is deleted and made again under running vcpus")
ACTION_CASE(slot_delete_thp, action_slot_delete, BACK_THP, "the same with huge pages")
ACTION_CASE(slot_delete_huge, action_slot_delete, BACK_HUGE_2M,
	    "the same with hugetlbfs")
ACTION_CASE(slot_delete_1g, action_slot_delete, BACK_HUGE_1G,
	    "the same with 1 GiB pages")
ACTION_CASE(slot_move, action_slot_move, BACK_ANON,
	    "the slot moves away and back under running vcpus")
ACTION_CASE(slot_move_thp, action_slot_move, BACK_THP, "the same with huge pages")
ACTION_CASE(slot_readonly, action_slot_readonly, BACK_ANON,
	    "the slot becomes read-only and writable under running vcpus")
ACTION_CASE(slot_log, action_slot_log, BACK_ANON,
	    "the dirty log goes on and off under running vcpus")
ACTION_CASE(slot_log_thp, action_slot_log, BACK_THP, "the same with huge pages")
