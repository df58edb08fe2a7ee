// SPDX-License-Identifier: GPL-2.0-only
/* One action after the other, alone in a case of its own or all of them mixed. */
#define _GNU_SOURCE
#include "actions.h"

#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

struct swap_options swap_options;

static unsigned int option(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static void options_read(void)
{
	swap_options.seed = option("KVM_SWAP_SEED", 1);
	swap_options.vcpus = option("KVM_SWAP_VCPUS", 2);
	swap_options.seconds = option("KVM_SWAP_SECONDS", 0);
	CHECK(swap_options.vcpus >= 1 && swap_options.vcpus <= SWAP_VCPUS);
	prng_seed(swap_options.seed);
}

struct swap *run_begin(void)
{
	struct swap *s;

	options_read();
	vmstat_begin();
	s = swap_create();
	if (host_has("/sys/fs/cgroup/cgroup.controllers"))
		swap_cgroup(s);
	region_add(s, BACK_ANON, SZ_2M);
	return s;
}

/* Idle regions leave memory while vcpus run elsewhere. */
static void drive_out_running(struct swap *s, struct region *r)
{
	region_policy(r, POLICY_REST);
	swap_storm(s, true);
	swap_progress(&s->region[0], 1);
	region_drive_out(r);
	swap_progress(&s->region[0], 1);
	swap_storm(s, false);
	region_policy(r, POLICY_CHURN);
}

void swap_finish(struct swap *s)
{
	swap_storm(s, false);
	swap_check_all(s);
	swap_stop(s);
	tap_diag("dwords %llu verified, %llu bad; the host verified %llu",
		 (unsigned long long)s->verified, (unsigned long long)s->bad,
		 (unsigned long long)s->host_verified);
	CHECKF(!s->bad, "%llu dwords were bad", (unsigned long long)s->bad);
	CHECKF(s->verified && s->host_verified, "nothing was verified");
}

static void check_unmapped(struct swap *s)
{
	uint64_t calls, unmapped;

	/* Stock modules have no such counters. */
	if (!vm_stat(s, "mmu_unmap_hva", &calls) ||
	    !vm_stat(s, "mmu_unmapped", &unmapped))
		return;
	CHECKF(calls && unmapped, "%llu invalidations unmapped %llu pages",
	       (unsigned long long)calls, (unsigned long long)unmapped);
}

/* Two huge pages, or as many small ones as are worth the time. */
static uint64_t alone_size(const struct action *a, enum backing backing)
{
	bool huge = ON(backing) & (ON(BACK_THP) | ON_HUGE);

	return scaled_mib(huge ? 4 : a->mib);
}

/* Emulators that are slow enough to have a scale get half of it. */
static unsigned int alone_rounds(const struct action *a)
{
	return slowness() > 1 ? (a->rounds + 1) / 2 : a->rounds;
}

void run_alone(const struct action *a, enum backing backing)
{
	const char *why = a->missing ? a->missing() : NULL;
	struct region *r;
	struct swap *s;
	unsigned int i;

	if (why)
		SKIP("%s", why);
	s = run_begin();
	r = region_add(s, backing, alone_size(a, backing));
	swap_start(s);
	swap_storm(s, true);
	for (i = 0; i < alone_rounds(a) && !s->bad; i++) {
		uint64_t begin = vmm_now_ms();

		a->apply(r);
		if (getenv("KVM_SWAP_TRACE"))
			tap_diag("%s took %llu ms", a->name, (unsigned long long)
				 (vmm_now_ms() - begin));
		canary();
		jitter();
		if (i % 2)
			swap_progress(r, 1);
	}
	region_check(r);
	if (a->proof)
		a->proof(r);
	swap_storm(s, false);
	swap_check_counters(s);
	region_drive_out(r);
	swap_check_counters(s);
	region_check(r);
	drive_out_running(s, r);
	check_unmapped(s);
	swap_finish(s);
}

static bool action_possible(const struct action *a, const struct region *r)
{
	return (a->backings & ON(r->backing)) && !(a->missing && a->missing());
}

/* One action on one region, both by chance. */
static void mixed_step(struct swap *s)
{
	unsigned int count = 0, n;
	const struct action *a;
	struct region *r;

	while (actions[count])
		count++;
	do {
		n = random_below(count);
		a = actions[n];
		r = &s->region[1 + random_below(s->regions - 1)];
	} while (!action_possible(a, r));
	if (getenv("KVM_SWAP_TRACE"))
		tap_diag("%s on slot %u (backing %d)", a->name, r->slot, r->backing);
	a->apply(r);
	canary();
	jitter();
}

static void mixed_regions(struct swap *s, unsigned int mib)
{
	enum backing b;

	for (b = BACK_ANON; b <= BACK_HUGE_1G; b++)
		if (backing_exists(b))
			region_add(s, b, scaled_mib(mib));
}

static void run_mixed(unsigned int steps, unsigned int mib, bool pressed)
{
	struct swap *s = run_begin();
	uint64_t until = vmm_now_ms() + swap_options.seconds * 1000ull, total = 0;
	unsigned int i;

	mixed_regions(s, mib);
	for (i = 0; i < s->regions; i++)
		if (!(ON(s->region[i].backing) & ON_HUGE))
			total += s->region[i].size;
	swap_start(s);
	swap_storm(s, true);
	for (i = 0; !s->bad; i++) {
		if (swap_options.seconds ? vmm_now_ms() >= until : i >= steps)
			break;
		if (pressed && s->cgroup[0] && i % 4 == 0)
			cgroup_limit(s, "memory.max", i % 8 ? ~0ull : total / 2 + 8 * SZ_1M);
		mixed_step(s);
		if (i % 8 == 7)
			swap_check_all(s);
	}
	tap_diag("seed %llu, %u actions", (unsigned long long)swap_options.seed, i);
	if (pressed && s->cgroup[0])
		cgroup_limit(s, "memory.max", ~0ull);
	swap_storm(s, false);
	swap_check_all(s);
	swap_check_counters(s);
	for (i = 1; i < s->regions; i++)
		region_drive_out(&s->region[i]);
	swap_check_counters(s);
	swap_finish(s);
}

TEST(mixed, "all actions on all kinds of memory, one after the other by chance")
{
	run_mixed(40, 4, false);
}

TEST(mixed_pressed, "the same with half the memory the guest has")
{
	run_mixed(40, 4, true);
}

const struct action *const actions[] = {
	&action_pageout, &action_cold, &action_cgroup, &action_reclaim,
	&action_dontneed, &action_free, &action_remove, &action_zap,
	&action_protect, &action_move, &action_remap, &action_fork, &action_soft_dirty,
	&action_share, &action_writeback, &action_underwrite,
	&action_uffd, &action_uffd_wp,
	&action_collapse, &action_split, &action_merge,
	&action_compact, &action_move_pages, &action_migrate_pages, &action_balance,
	&action_idle,
	&action_slot_delete, &action_slot_move, &action_slot_readonly, &action_slot_log,
	NULL
};
