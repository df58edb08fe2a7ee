// SPDX-License-Identifier: GPL-2.0-only
#include "vmm.h"

struct access seen[64];
unsigned int accesses;
u64 answer;
void (*meddle)(void);

static void record(void)
{
	struct kvm_run *run = &m.run;
	unsigned int i = accesses++ & 63;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		seen[i].port = false;
		seen[i].write = run->mmio.is_write;
		seen[i].addr = run->mmio.phys_addr;
		seen[i].len = run->mmio.len;
		memcpy(seen[i].data, run->mmio.data, 8);
		if (!run->mmio.is_write)
			memcpy(run->mmio.data, &answer, 8);
	} else {
		seen[i].port = true;
		seen[i].write = run->io.direction == KVM_EXIT_IO_OUT;
		seen[i].addr = run->io.port;
		seen[i].len = run->io.size;
		seen[i].count = run->io.count;
		CHECK_EQ(run->io.data_offset, PAGE_SIZE);
		CHECK(run->io.size * run->io.count <= PAGE_SIZE);
		memcpy(seen[i].data, m.pio_page, 8);
	}
	if (meddle)
		meddle();
}

/* Serve device exits until the instruction lets go of the CPU; then its verdict. */
int serve(int r)
{
	while (r == KVM_TO_USER &&
	       (m.run.exit_reason == KVM_EXIT_MMIO || m.run.exit_reason == KVM_EXIT_IO)) {
		/* A write may be the last thing an instruction does. */
		if (m.run.exit_reason == KVM_EXIT_IO)
			CHECK_EQ(m.vcpu.pending_io, KVM_IO_PIO);
		else if (!m.run.mmio.is_write)
			CHECK_EQ(m.vcpu.pending_io, KVM_IO_MMIO);
		record();
		if (accesses > 10000) {
			unit_fail(__FILE__, __LINE__, "no end of exits");
			return -EINTR;
		}
		r = x86_complete_io(&m.vcpu);
	}
	return r;
}

int run(void)
{
	accesses = 0;
	return serve(machine_emulate());
}

/* Run until RIP has left @rip, as a CPU that exits again at the same instruction would. */
void run_through(u64 rip)
{
	unsigned int i;
	int r = KVM_RESUME;

	accesses = 0;
	for (i = 0; i < 1000 && r == KVM_RESUME && m.vcpu.regs.rip == rip && m.vector < 0; i++)
		r = serve(machine_emulate());
	CHECK_EQ(r, KVM_RESUME);
}

void start(enum kvm_mode mode)
{
	machine_reset(mode);
	meddle = NULL;
	answer = 0x8877665544332211;
	unit_signal_pending = false;
}

u64 ram(u64 gpa, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, m.ram + gpa, len);
	return val;
}

void check_access(unsigned int i, bool write, u64 addr, unsigned int len)
{
	CHECK(!seen[i].port);
	CHECK_EQ(seen[i].write, write);
	CHECK_EQ(seen[i].addr, addr);
	CHECK_EQ(seen[i].len, len);
}

void fill_pio(void)
{
	memset(m.pio_page, 0xaa, PAGE_SIZE);
}
