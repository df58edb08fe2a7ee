// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O, single and string.
 */
#include "vmm.h"

TEST(port_single)
{
	start(KVM_MODE_PROT32);
	gpr(RAX) = 0xffffffff11223344;
	gpr(RDX) = 0x1234;
	memset(m.pio_page, 0x5a, 8);
	CODE(0xee);					/* out dx, al */
	run();
	CHECK_EQ(accesses, 1);
	CHECK(seen[0].port && seen[0].write);
	CHECK_EQ(seen[0].addr, 0x1234);
	CHECK_EQ(seen[0].len, 1);
	CHECK_EQ(seen[0].count, 1);
	CHECK_EQ(seen[0].data[0], 0x44);
	CHECK_EQ(rip(), 0x1001);
	CODE(0xe5, 0x92);				/* in eax, 0x92 */
	memset(m.pio_page, 0xa5, 8);
	run();
	CHECK_EQ(seen[0].addr, 0x92);
	CHECK_EQ(seen[0].len, 4);
	CHECK_EQ(gpr(RAX), 0xa5a5a5a5);
	CODE(0x66, 0xed);				/* in ax, dx */
	memset(m.pio_page, 0x11, 8);
	run();
	CHECK_EQ(gpr(RAX), 0xa5a51111);
}

/* RIP while userspace looks: at the instruction, but past it for port 0x7e. */
TEST(port_rip)
{
	struct kvm_exit exit = { .kind = KVM_FACT_IO };

	start(KVM_MODE_PROT64);
	exit.io.port = 0x80;
	exit.io.size = 1;
	exit.io.next_rip = 0x1002;
	CHECK_EQ(pio_access(&m.vcpu, &exit), KVM_TO_USER);
	CHECK_EQ(rip(), 0x1000);
	CHECK_EQ(x86_complete_io(&m.vcpu), KVM_RESUME);
	CHECK_EQ(rip(), 0x1002);
	exit.io.port = 0x7e;
	exit.io.next_rip = 0x1004;
	CHECK_EQ(pio_access(&m.vcpu, &exit), KVM_TO_USER);
	CHECK_EQ(rip(), 0x1004);
	CHECK_EQ(x86_complete_io(&m.vcpu), KVM_RESUME);
	CHECK_EQ(rip(), 0x1004);
	exit.io.next_rip = 0;
	exit.insn_len = 2;
	exit.io.in = true;
	m.pio_page[0] = 9;
	CHECK_EQ(pio_access(&m.vcpu, &exit), KVM_TO_USER);
	CHECK_EQ(x86_complete_io(&m.vcpu), KVM_RESUME);
	CHECK_EQ(rip(), 0x1006);
	CHECK_EQ(gpr(RAX), 9);
}

TEST(port_string_out)
{
	unsigned int i;

	start(KVM_MODE_PROT64);
	for (i = 0; i < 3 * PAGE_SIZE; i++)
		m.ram[0x20000 + i] = i >> 4;
	gpr(RSI) = 0x20800;
	gpr(RCX) = 5000;
	gpr(RDX) = 0x510;
	CODE(0xf3, 0x66, 0x6f);				/* rep outsw */
	CHECK_EQ(machine_emulate(), KVM_TO_USER);
	CHECK_EQ(m.run.io.count, 2048);
	CHECK_EQ(m.run.io.size, 2);
	CHECK(!memcmp(m.pio_page, m.ram + 0x20800, PAGE_SIZE));
	CHECK_EQ(gpr(RCX), 5000);
	CHECK_EQ(x86_complete_io(&m.vcpu), KVM_RESUME);
	CHECK_EQ(gpr(RCX), 5000 - 2048);
	CHECK_EQ(gpr(RSI), 0x21800);
	CHECK_EQ(rip(), 0x1000);
	run_through(0x1000);
	CHECK_EQ(accesses, 2);
	CHECK_EQ(seen[1].count, 5000 - 4096);
	CHECK_EQ(gpr(RCX), 0);
	CHECK_EQ(gpr(RSI), 0x20800 + 10000);
	CHECK_EQ(rip(), 0x1003);
}

TEST(port_string_backwards)
{
	start(KVM_MODE_PROT32);
	memcpy(m.ram + 0x20ffe, "abcdef", 6);
	gpr(RSI) = 0x21002;
	gpr(RCX) = 3;
	m.vcpu.regs.rflags |= X86_EFLAGS_DF;
	CODE(0xf3, 0x66, 0x6f);
	run();
	CHECK_EQ(accesses, 1);
	CHECK(!memcmp(seen[0].data, "efcdab", 6));
	CHECK_EQ(gpr(RSI), 0x20ffc);
}

TEST(port_string_in)
{
	start(KVM_MODE_REAL);
	m.seg[KVM_ES].base = 0x20000;
	gpr(RDI) = 0x0ffc;
	gpr(RCX) = 4;
	meddle = fill_pio;
	CODE(0xf3, 0x6d);				/* rep insw, across a page */
	run_through(0x1000);
	CHECK_EQ(accesses, 1);
	CHECK_EQ(seen[0].count, 4);
	CHECK_EQ(ram(0x20ffb, 8), 0xaaaaaaaaaaaaaa00);
	CHECK_EQ(ram(0x21004, 8), 0);
	CHECK_EQ(gpr(RDI), 0x1004);
	gpr(RCX) = 0;
	CODE(0xf3, 0x6c);
	run_through(0x1002);
	CHECK_EQ(accesses, 0);
	CHECK_EQ(rip(), 0x1004);
}

/* Items that lie in two pages, first, in the middle and last. */
TEST(port_string_crosses_pages)
{
	unsigned int off;

	for (off = 0; off < 16; off++) {
		start(KVM_MODE_PROT64);
		gpr(RDI) = 0x21000 - off;
		gpr(RCX) = 4;
		meddle = fill_pio;
		CODE(0xf3, 0x6d);			/* rep insd */
		run_through(0x1000);
		CHECK_EQ(rip(), 0x1002);
		CHECK_EQ(gpr(RDI), 0x21010 - off);
		CHECK_EQ(ram(0x21000 - off, 8), 0xaaaaaaaaaaaaaaaa);
		CHECK_EQ(ram(0x21008 - off, 8), 0xaaaaaaaaaaaaaaaa);
		CHECK_EQ(ram(0x21010 - off, 8), 0);
		memcpy(m.ram + 0x22000 - off, "0123456789abcdef", 16);
		gpr(RSI) = 0x22000 - off;
		gpr(RCX) = 4;
		meddle = NULL;
		CODE(0xf3, 0x6f);			/* rep outsd */
		run_through(0x1002);
		CHECK_EQ(rip(), 0x1004);
		CHECK_EQ(gpr(RSI), 0x22010 - off);
		CHECK(!memcmp(m.pio_page + 4 * (seen[accesses - 1].count - 1), "cdef", 4));
	}
}

static u64 rcx_at_first_exit;

static void change_rcx(void)
{
	fill_pio();
	if (rcx_at_first_exit)
		gpr(RCX) = rcx_at_first_exit;
	rcx_at_first_exit = 0;
}

/* What Linux's userspace_io_test does: the count changes while the access is out. */
TEST(port_string_count_changes)
{
	start(KVM_MODE_PROT64);
	meddle = change_rcx;
	rcx_at_first_exit = 1;
	gpr(RDI) = 0x20000;
	gpr(RCX) = 2;
	CODE(0xf3, 0x6c);				/* rep insb */
	run_through(0x1000);
	CHECK_EQ(gpr(RCX), 0);
	CHECK_EQ(gpr(RDI), 0x20001);
	CHECK_EQ(ram(0x20000, 2), 0xaa);
	rcx_at_first_exit = 8192;
	gpr(RDI) = 0x20000;
	gpr(RCX) = 3;
	rip() = 0x1000;
	run_through(0x1000);
	CHECK_EQ(gpr(RCX), 0);
	CHECK_EQ(gpr(RDI), 0x22000);
	CHECK_EQ(ram(0x21ffc, 8), 0xaaaaaaaa);
}

/* Both ends are devices: one item at a time, each touched once. */
TEST(port_string_device)
{
	start(KVM_MODE_PROT64);
	gpr(RSI) = DEVICE_GPA;
	gpr(RDX) = 0x80;
	gpr(RCX) = 2;
	CODE(0xf3, 0x6e);				/* rep outsb */
	run_through(0x1000);
	CHECK_EQ(accesses, 4);
	check_access(0, false, DEVICE_GPA, 1);
	CHECK(seen[1].port && seen[1].count == 1 && seen[1].data[0] == 0x11);
	check_access(2, false, DEVICE_GPA + 1, 1);
	CHECK_EQ(rip(), 0x1002);
	gpr(RDI) = DEVICE_GPA;
	gpr(RCX) = 2;
	meddle = fill_pio;
	CODE(0xf3, 0x6c);				/* rep insb */
	run_through(0x1002);
	CHECK_EQ(accesses, 4);
	CHECK(seen[0].port && !seen[0].write && seen[0].count == 1);
	check_access(1, true, DEVICE_GPA, 1);
	CHECK_EQ(seen[1].data[0], 0xaa);
	CHECK_EQ(rip(), 0x1004);
}

TEST(port_rights)
{
	start(KVM_MODE_PROT32);
	m.cpl = 3;
	gpr(RDX) = 0x3f9;
	CODE(0xec);
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);		/* the TSS has no bitmap */
	CHECK_EQ(accesses, 0);
	m.seg[KVM_TR].limit = 0x1fff;
	m.ram[0x5000 + 102] = 0x68;
	m.ram[0x5000 + 0x68 + 0x3f9 / 8] = 0xfd;	/* only 0x3f9 is open */
	run();
	CHECK_EQ(accesses, 1);
	CHECK_EQ(rip(), 0x1001);
	m.vector = -1;
	CODE(0x66, 0xed);				/* in ax, dx takes 0x3fa as well */
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	CHECK_EQ(accesses, 0);
	m.vector = -1;
	m.vcpu.regs.rflags |= X86_EFLAGS_IOPL;
	run();
	CHECK_EQ(accesses, 1);
	CHECK_EQ(m.vector, -1);
}
