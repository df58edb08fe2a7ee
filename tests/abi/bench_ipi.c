// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPIs that reach a CPU in the guest while the host ages the guest's memory.
 * Needs two CPUs. The notifier is called as reclaim calls it, and directly: how
 * MADV_PAGEOUT and the LRU lists age differs from kernel to kernel.
 */
#define _GNU_SOURCE
#include "bench_mmu.h"

#include <stdio.h>
#include <sys/mman.h>

#define REGION		(64 * SZ_1M)
#define REGION_PAGES	(REGION / SZ_4K)

struct ipis {
	uint64_t call, reschedule, shootdown;
};

static struct ipis ipis_now(void)
{
	struct ipis now = {
		.call = bench_interrupts("CAL"), .reschedule = bench_interrupts("RES"),
		.shootdown = bench_interrupts("TLB"),
	};

	return now;
}

/* Pages that were young and are not any more; what reclaim does, page by page. */
TEST(ipi, "IPIs to a running vcpu while 64 MiB are aged")
{
	uint8_t *hva = bench_region(REGION, MADV_NOHUGEPAGE);
	struct vmm_vcpu *vcpu = bench_boot();
	struct vmm_thread spinner;
	struct ipis before, after;
	uint64_t flushes, sent;

	if (vmm_cpus() < 2)
		SKIP("one CPU only");
	if (!bench_can_age())
		SKIP("the module that calls the notifiers is not loaded");
	vmm_slot(vcpu->vm, 1, 0, BENCH_GPA, REGION, hva);
	bench_touch_host(hva, REGION);
	vmm_pin(1);
	vmm_start(&spinner, bench_spinner(vcpu->vm, vcpu));
	vmm_pin(0);
	vmm_sleep_ms(50);
	bench_touch_guest(vcpu, BENCH_GPA, REGION_PAGES, SZ_4K);
	flushes = bench_stat(vcpu->vm, "remote_tlb_flush");
	before = ipis_now();
	bench_age(hva, REGION, SZ_4K, BENCH_CLEAR_FLUSH_YOUNG);
	after = ipis_now();
	flushes = bench_stat(vcpu->vm, "remote_tlb_flush") - flushes;
	CHECK(!spinner.done);
	vmm_kick(&spinner);
	vmm_join(&spinner);
	sent = after.call - before.call + after.reschedule - before.reschedule -
	       (after.shootdown - before.shootdown);
	bench_row("ipi_per_1000_aged", sent * 1000, REGION_PAGES);
	bench_row("ipi_flushes", flushes, 1);
	bench_row("ipi_calls", after.call - before.call, 1);
	bench_row("ipi_reschedules", after.reschedule - before.reschedule, 1);
	bench_row("ipi_shootdowns", after.shootdown - before.shootdown, 1);
}
