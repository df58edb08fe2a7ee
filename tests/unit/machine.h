/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for unit tests: one vcpu, a few slots of plain memory, a vendor
 * that keeps its state in arrays. The emulator under test is the kernel's source.
 */
#ifndef UNIT_MACHINE_H
#define UNIT_MACHINE_H

#include <kvm/x86.h>
#include <kvm/vendor.h>
#include <kvm/io.h>
#include "emulator.h"

#ifndef RAM_SIZE
#define RAM_SIZE	(1UL << 20)	/* at 0 */
#endif
#define TABLES		(RAM_SIZE / 2)	/* where machine_map() makes page tables */
#define ROM_GPA		0x200000UL
#define ROM_SIZE	0x2000UL
#define DEVICE_GPA	0x300000UL	/* no slot, unless .device_is_memory */
#define DEVICE_SIZE	0x2000UL

struct machine {
	struct kvm kvm;
	struct kvm_vcpu vcpu;
	struct kvm_run run;
	u8 pio_page[PAGE_SIZE];
	u8 ram[RAM_SIZE];
	u8 rom[ROM_SIZE];
	u8 device[DEVICE_SIZE];
	bool device_is_memory;
	struct kvm_segment seg[8];
	enum kvm_mode mode;
	int cpl;
	u32 shadow;
	struct kvm_dtable table[2];
	u8 ymm[16][32], mmx[8][8];
	bool x87_pending;
	bool events;			/* x86_events_pending() */

	/* What was queued to the guest; vector -1: nothing. */
	int vector;
	bool has_error;
	u32 error;
	u64 payload;
	int queued;
};

extern struct machine m;
extern int (*kernel_device)(enum kvm_bus bus, bool write, gpa_t addr, unsigned int len, void *val);
extern struct kvm_vendor_ops machine_vendor;

/* Back to reset: empty memory, flat segments, @mode without paging, RIP 0x1000. */
void machine_reset(enum kvm_mode mode);
/* Put code at RIP. */
void machine_code(const void *bytes, unsigned int len);
/* emulate_insn() with no facts. */
int machine_emulate(void);
int machine_skip(void);
/* Map gva -> gpa (4 KiB) with @flags in 4-level tables; turns paging on. */
void machine_map(u64 gva, u64 gpa, u64 flags);

#endif
