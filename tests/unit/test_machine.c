// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole instructions through fetch, walk, execution and the exits to userspace,
 * which is played by a device that records every access it sees.
 */
#include "machine.h"
#include "unit.h"

#define CODE(...) do {							\
	static const u8 code_[] = { __VA_ARGS__ };			\
	machine_code(code_, sizeof(code_));				\
} while (0)

#define MMIO(i)		(seen[i])

/* One access as userspace saw it. */
static struct {
	bool port, write;
	u64 addr;
	unsigned int len, count;
	u8 data[8];
} seen[64];

static unsigned int accesses;
static u64 answer;			/* what reads return, by bytes from the lowest */
static void (*meddle)(void);		/* what else userspace does at an exit */

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
static int serve(int r)
{
	while (r == KVM_TO_USER &&
	       (m.run.exit_reason == KVM_EXIT_MMIO || m.run.exit_reason == KVM_EXIT_IO)) {
		CHECK_EQ(m.vcpu.pending_io,
			 m.run.exit_reason == KVM_EXIT_IO ? KVM_IO_PIO : KVM_IO_MMIO);
		record();
		if (accesses > 10000) {
			unit_fail(__FILE__, __LINE__, "no end of exits");
			return -EINTR;
		}
		r = x86_complete_io(&m.vcpu);
	}
	return r;
}

static int run(void)
{
	accesses = 0;
	return serve(machine_emulate());
}

/* Run until RIP has left @rip, as a CPU that exits again at the same instruction would. */
static void run_through(u64 rip)
{
	unsigned int i;
	int r = KVM_RESUME;

	accesses = 0;
	for (i = 0; i < 1000 && r == KVM_RESUME && m.vcpu.regs.rip == rip && m.vector < 0; i++)
		r = serve(machine_emulate());
	CHECK_EQ(r, KVM_RESUME);
}

static void start(enum kvm_mode mode)
{
	machine_reset(mode);
	meddle = NULL;
	answer = 0x8877665544332211;
	unit_signal_pending = false;
}

#define gpr(r)		(m.vcpu.regs.gpr[KVM_##r])
#define rip()		(m.vcpu.regs.rip)

static u64 ram(u64 gpa, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, m.ram + gpa, len);
	return val;
}

static void check_access(unsigned int i, bool write, u64 addr, unsigned int len)
{
	CHECK(!seen[i].port);
	CHECK_EQ(seen[i].write, write);
	CHECK_EQ(seen[i].addr, addr);
	CHECK_EQ(seen[i].len, len);
}

TEST(mmio_read_sizes)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA;
	gpr(RAX) = ~0ULL;
	CODE(0x8a, 0x03);				/* mov al, [rbx] */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(gpr(RAX), 0xffffffffffffff11);
	CHECK_EQ(accesses, 1);
	check_access(0, false, DEVICE_GPA, 1);
	CHECK_EQ(rip(), 0x1002);
	CODE(0x66, 0x8b, 0x03);				/* mov ax, [rbx] */
	run();
	CHECK_EQ(gpr(RAX), 0xffffffffffff2211);
	CODE(0x8b, 0x43, 0x10);				/* mov eax, [rbx + 16] */
	run();
	CHECK_EQ(gpr(RAX), 0x44332211);
	check_access(0, false, DEVICE_GPA + 16, 4);
	CODE(0x48, 0x8b, 0x03);				/* mov rax, [rbx] */
	run();
	CHECK_EQ(gpr(RAX), answer);
	check_access(0, false, DEVICE_GPA, 8);
	CODE(0x48, 0x0f, 0xb6, 0x03);			/* movzx rax, byte [rbx] */
	run();
	CHECK_EQ(gpr(RAX), 0x11);
	answer = 0x80;
	CODE(0x48, 0x0f, 0xbe, 0x03);			/* movsx rax, byte [rbx] */
	run();
	CHECK_EQ(gpr(RAX), 0xffffffffffffff80);
	CHECK_EQ(m.vcpu.stat.insn_emulation, 6);
	CHECK_EQ(m.vcpu.stat.mmio_exits, 6);
}

TEST(mmio_write_sizes)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA;
	gpr(RCX) = 0x1122334455667788;
	CODE(0x88, 0x2b);				/* mov [rbx], ch */
	CHECK_EQ(run(), KVM_RESUME);
	check_access(0, true, DEVICE_GPA, 1);
	CHECK_EQ(seen[0].data[0], 0x77);
	CODE(0x89, 0x0b);				/* mov [rbx], ecx */
	run();
	check_access(0, true, DEVICE_GPA, 4);
	CHECK_EQ(*(u32 *)seen[0].data, 0x55667788);
	CODE(0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff);	/* mov qword [rbx], -2 */
	run();
	check_access(0, true, DEVICE_GPA, 8);
	CHECK_EQ(*(u64 *)seen[0].data, -2ULL);
	CHECK_EQ(accesses, 1);
	CHECK_EQ(rip(), 0x100b);
}

TEST(mmio_moffs)
{
	start(KVM_MODE_PROT32);
	CODE(0xa1, 0x04, 0x00, 0x30, 0x00);		/* mov eax, [0x300004] */
	run();
	CHECK_EQ(gpr(RAX), 0x44332211);
	check_access(0, false, DEVICE_GPA + 4, 4);
	CODE(0xa2, 0x08, 0x00, 0x30, 0x00);		/* mov [0x300008], al */
	run();
	check_access(0, true, DEVICE_GPA + 8, 1);
	CHECK_EQ(rip(), 0x100a);
}

/* The last bytes of memory and the first ones of no memory. */
TEST(split_memory_device)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = RAM_SIZE - 3;
	gpr(RCX) = 0x1122334455667788;
	memcpy(m.ram + RAM_SIZE - 3, "\xaa\xbb\xcc", 3);
	CODE(0x48, 0x8b, 0x03);				/* mov rax, [rbx] */
	run();
	CHECK_EQ(accesses, 1);
	check_access(0, false, RAM_SIZE, 5);
	CHECK_EQ(gpr(RAX), 0x5544332211ccbbaa);
	CODE(0x48, 0x89, 0x0b);				/* mov [rbx], rcx */
	run();
	CHECK_EQ(accesses, 1);
	check_access(0, true, RAM_SIZE, 5);
	CHECK_EQ(*(u32 *)seen[0].data, 0x22334455);
	CHECK_EQ(seen[0].data[4], 0x11);
	CHECK_EQ(ram(RAM_SIZE - 3, 3), 0x667788);
}

TEST(split_device_pages)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA + PAGE_SIZE - 2;
	CODE(0x48, 0x8b, 0x03);
	run();
	CHECK_EQ(accesses, 2);
	check_access(0, false, DEVICE_GPA + PAGE_SIZE - 2, 2);
	check_access(1, false, DEVICE_GPA + PAGE_SIZE, 6);
	CHECK_EQ(gpr(RAX), 0x6655443322112211);
	CHECK_EQ(rip(), 0x1003);
}

TEST(read_modify_write)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA;
	CODE(0x81, 0x0b, 0x00, 0x00, 0x00, 0x80);	/* or dword [rbx], 0x80000000 */
	run();
	CHECK_EQ(accesses, 2);
	check_access(0, false, DEVICE_GPA, 4);
	check_access(1, true, DEVICE_GPA, 4);
	CHECK_EQ(*(u32 *)seen[1].data, 0xc4332211);
	CHECK(m.vcpu.regs.rflags & X86_EFLAGS_SF);
	CHECK_EQ(rip(), 0x1006);
	gpr(RAX) = 5;
	CODE(0x87, 0x03);				/* xchg [rbx], eax */
	run();
	CHECK_EQ(accesses, 2);
	CHECK_EQ(gpr(RAX), 0x44332211);
	CHECK_EQ(*(u32 *)seen[1].data, 5);
	CODE(0xf0, 0x0f, 0xc7, 0x0b);			/* lock cmpxchg8b [rbx] */
	gpr(RAX) = 0x44332211;
	gpr(RDX) = 0x88776655;
	gpr(RCX) = 1;
	run();
	CHECK_EQ(accesses, 2);
	check_access(1, true, DEVICE_GPA, 8);
	CHECK_EQ(*(u64 *)seen[1].data, (1UL << 32) | DEVICE_GPA);
	CHECK(m.vcpu.regs.rflags & X86_EFLAGS_ZF);
}

TEST(rom)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = ROM_GPA + 8;
	m.rom[8] = 0x42;
	CODE(0xfe, 0x03);				/* inc byte [rbx] */
	run();
	CHECK_EQ(accesses, 1);
	check_access(0, true, ROM_GPA + 8, 1);
	CHECK_EQ(seen[0].data[0], 0x43);
	CHECK_EQ(m.rom[8], 0x42);
}

TEST(locked_memory)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = 0x8000;
	gpr(RAX) = 7;
	CODE(0xf0, 0x0f, 0xc1, 0x03);			/* lock xadd [rbx], eax */
	m.ram[0x8000] = 3;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 0);
	CHECK_EQ(ram(0x8000, 4), 10);
	CHECK_EQ(gpr(RAX), 3);
	CODE(0xf0, 0x8b, 0x03);				/* lock mov: #UD */
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
}

TEST(push_pop)
{
	start(KVM_MODE_PROT64);
	gpr(RSP) = 0x8000;
	gpr(RBX) = DEVICE_GPA;
	CODE(0xff, 0x33);				/* push qword [rbx] */
	run();
	CHECK_EQ(accesses, 1);
	CHECK_EQ(gpr(RSP), 0x7ff8);
	CHECK_EQ(ram(0x7ff8, 8), answer);
	CODE(0x8f, 0x43, 0x08);				/* pop qword [rbx + 8] */
	run();
	CHECK_EQ(accesses, 1);
	check_access(0, true, DEVICE_GPA + 8, 8);
	CHECK_EQ(*(u64 *)seen[0].data, answer);
	CHECK_EQ(gpr(RSP), 0x8000);
	CODE(0xff, 0x13);				/* call [rbx] */
	answer = 0x4000;
	run();
	CHECK_EQ(rip(), 0x4000);
	CHECK_EQ(ram(0x7ff8, 8), 0x1007);
}

/* rep movs from device to device, upwards: every item read once and written once. */
TEST(string_device_to_device)
{
	unsigned int i;

	start(KVM_MODE_PROT64);
	gpr(RSI) = DEVICE_GPA;
	gpr(RDI) = DEVICE_GPA + 0x100;
	gpr(RCX) = 5;
	CODE(0xf3, 0x66, 0xa5);				/* rep movsw */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 10);
	for (i = 0; i < 5; i++) {
		check_access(2 * i, false, DEVICE_GPA + 2 * i, 2);
		check_access(2 * i + 1, true, DEVICE_GPA + 0x100 + 2 * i, 2);
	}
	CHECK_EQ(gpr(RCX), 0);
	CHECK_EQ(gpr(RSI), DEVICE_GPA + 10);
	CHECK_EQ(rip(), 0x1003);
}

TEST(string_backwards_16bit)
{
	start(KVM_MODE_REAL);
	m.seg[KVM_ES].base = DEVICE_GPA;
	m.seg[KVM_DS].base = 0x8000;
	memcpy(m.ram + 0x8000, "abcd", 4);
	gpr(RSI) = 0xabc00002;
	gpr(RDI) = 0x12;
	gpr(RCX) = 0xffff0003;
	m.vcpu.regs.rflags |= X86_EFLAGS_DF;
	CODE(0xf3, 0xa4);				/* rep movsb */
	run();
	CHECK_EQ(accesses, 3);
	check_access(0, true, DEVICE_GPA + 0x12, 1);
	check_access(2, true, DEVICE_GPA + 0x10, 1);
	CHECK_EQ(seen[0].data[0], 'c');
	CHECK_EQ(seen[2].data[0], 'a');
	CHECK_EQ(gpr(RCX), 0xffff0000);
	CHECK_EQ(gpr(RSI), 0xabc0ffff);
	CHECK_EQ(gpr(RDI), 0xf);
}

TEST(string_compare)
{
	start(KVM_MODE_PROT64);
	gpr(RDI) = DEVICE_GPA;
	gpr(RAX) = 0x11;
	gpr(RCX) = 10;
	meddle = NULL;
	answer = 0x11;
	CODE(0xf2, 0xae);				/* repne scasb: equal at once */
	run();
	CHECK_EQ(accesses, 1);
	CHECK_EQ(gpr(RCX), 9);
	CHECK(m.vcpu.regs.rflags & X86_EFLAGS_ZF);
	CHECK_EQ(rip(), 0x1002);
	CODE(0xf3, 0xae);				/* repe scasb: equal to the end */
	run();
	CHECK_EQ(accesses, 9);
	CHECK_EQ(gpr(RCX), 0);
}

/* Userspace or an event wants the vcpu between two iterations. */
TEST(string_interrupted)
{
	start(KVM_MODE_PROT64);
	gpr(RDI) = DEVICE_GPA;
	gpr(RCX) = 100;
	m.run.immediate_exit = 1;
	CODE(0xf3, 0xaa);				/* rep stosb */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 1);
	CHECK_EQ(gpr(RCX), 99);
	CHECK_EQ(rip(), 0x1000);
	m.run.immediate_exit = 0;
	m.events = true;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(gpr(RCX), 98);
	m.events = false;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 98);
	CHECK_EQ(rip(), 0x1002);
}

/* Plain memory in the middle is the CPU's own business. */
TEST(string_leaves_memory_alone)
{
	start(KVM_MODE_PROT64);
	gpr(RDI) = 0x8000;
	gpr(RCX) = 100;
	CODE(0xf3, 0xaa);
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(gpr(RCX), 99);
	CHECK_EQ(rip(), 0x1000);
}

static void move_away(void)
{
	m.vcpu.regs.rip = 0x2000;
}

TEST(userspace_moves_rip)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA;
	gpr(RAX) = 1;
	meddle = move_away;
	CODE(0x8b, 0x03);
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(gpr(RAX), 1);
	CHECK_EQ(rip(), 0x2000);
	rip() = 0x1000;
	CODE(0xec);					/* in al, dx */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(gpr(RAX), 1);
	CHECK_EQ(rip(), 0x2000);
}

/* --- ports */

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

static void fill_pio(void)
{
	memset(m.pio_page, 0xaa, PAGE_SIZE);
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

/* --- faults */

#define RIGHTS	7

static void paged(void)
{
	start(KVM_MODE_PROT64);
	machine_map(0x1000, 0x1000, RIGHTS);
	machine_map(0x700000, 0x20000, RIGHTS);
	machine_map(0x702000, DEVICE_GPA, RIGHTS);
}

TEST(operand_page_fault)
{
	paged();
	gpr(RBX) = 0x700ffe;
	CODE(0x89, 0x03);				/* mov [rbx], eax, into the next page */
	gpr(RAX) = ~0ULL;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(m.payload, 0x701000);
	CHECK_EQ(m.error, 2);
	CHECK_EQ(ram(0x20ff8, 8), 0);			/* nothing was written */
	CHECK_EQ(rip(), 0x1000);
	m.cpl = 3;
	CODE(0x8b, 0x03);
	run();
	CHECK_EQ(m.error, 4);
	CHECK_EQ(gpr(RAX), ~0ULL);
}

TEST(read_modify_write_page_fault)
{
	paged();
	machine_map(0x703000, DEVICE_GPA, 5);		/* read-only, user */
	m.vcpu.regs.cr0 |= X86_CR0_WP;
	gpr(RBX) = 0x703000;
	CODE(0xff, 0x03);				/* inc dword [rbx] */
	run();
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(m.error, 3);
	CHECK_EQ(accesses, 0);				/* the device was not read for nothing */
}

TEST(fetch_page_fault)
{
	paged();
	rip() = 0x1fff;
	m.ram[0x1fff] = 0x8b;
	CHECK_EQ(machine_emulate(), KVM_RESUME);
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(m.payload, 0x2000);
	CHECK_EQ(m.error, 16);
	m.vector = -1;
	machine_map(0x2000, 0x30000, RIGHTS);
	m.ram[0x30000] = 0x03;
	gpr(RBX) = 0x702000;
	run();
	CHECK_EQ(m.vector, -1);
	CHECK_EQ(rip(), 0x2001);
	CHECK_EQ(gpr(RAX), 0x44332211);
}

TEST(string_page_fault)
{
	paged();
	gpr(RSI) = 0x700000;
	gpr(RDI) = 0x702ffe;				/* two items, then nothing is mapped */
	gpr(RCX) = 10;
	CODE(0xf3, 0xa4);
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 2);
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(m.payload, 0x703000);
	CHECK_EQ(gpr(RCX), 8);
	CHECK_EQ(gpr(RDI), 0x703000);
	CHECK_EQ(rip(), 0x1000);
}

TEST(port_string_page_fault)
{
	paged();
	gpr(RDI) = 0x700ff0;
	gpr(RCX) = 32;
	meddle = fill_pio;
	CODE(0xf3, 0x6c);
	run_through(0x1000);
	CHECK_EQ(accesses, 1);
	CHECK_EQ(seen[0].count, 16);			/* no more than there is room for */
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(m.payload, 0x701000);
	CHECK_EQ(m.error, 2);
	CHECK_EQ(gpr(RCX), 16);
	CHECK_EQ(ram(0x20ff8, 8), 0xaaaaaaaaaaaaaaaa);
}

TEST(segment_faults)
{
	start(KVM_MODE_PROT32);
	m.seg[KVM_DS].limit = 0x30000f;
	gpr(RBX) = 0x30000d;
	CODE(0x8b, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	CHECK(m.has_error);
	gpr(RBX) = 0x30000c;
	m.vector = -1;
	run();
	CHECK_EQ(m.vector, -1);
	CHECK_EQ(accesses, 1);
	m.seg[KVM_SS].type = 7;				/* expand down: above the limit */
	m.seg[KVM_SS].limit = 0x2fffff;
	gpr(RBP) = 0x2ffffe;
	CODE(0x8b, 0x45, 0x00);				/* mov eax, [ebp] */
	run();
	CHECK_EQ(m.vector, X86_TRAP_SS);
	m.vector = -1;
	gpr(RBP) = 0x300000;
	run();
	CHECK_EQ(m.vector, -1);
	m.seg[KVM_DS].type = 1;				/* read-only data */
	CODE(0x89, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	m.seg[KVM_ES].unusable = 1;
	m.vector = -1;
	CODE(0x26, 0x8b, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
}

TEST(real_mode_fault)
{
	start(KVM_MODE_REAL);
	gpr(RBX) = 0xffff;
	CODE(0x8b, 0x07);				/* mov ax, [bx]: past 64 KiB */
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	CHECK(!m.has_error);
}

TEST(non_canonical)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = 0x800000000000;
	CODE(0x8b, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	gpr(RBP) = 0x7fffffffffff;
	CODE(0x8b, 0x45, 0x00);				/* the last byte is beyond */
	run();
	CHECK_EQ(m.vector, X86_TRAP_SS);
	m.vector = -1;
	m.vcpu.regs.cr4 |= X86_CR4_LA57;
	CODE(0x8b, 0x03);
	run();
	CHECK_EQ(m.vector, -1);
}

/* --- what comes after */

TEST(single_step_and_shadow)
{
	start(KVM_MODE_PROT64);
	m.shadow = KVM_SHADOW_STI | KVM_SHADOW_NMI;
	m.vcpu.regs.rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
	gpr(RBX) = DEVICE_GPA;
	CODE(0x8b, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_DB);
	CHECK_EQ(m.payload, 1 << 14);
	CHECK_EQ(m.shadow, KVM_SHADOW_NMI);
	CHECK(!(m.vcpu.regs.rflags & X86_EFLAGS_RF));
	CHECK_EQ(m.queued, 1);
	m.queued = 0;
	gpr(RDI) = 0x8000;
	gpr(RCX) = 100;
	CODE(0xf3, 0x6c);
	run();
	CHECK_EQ(seen[0].count, 1);			/* a trap after every item */
	CHECK_EQ(m.queued, 1);
	CHECK_EQ(gpr(RCX), 99);
}

TEST(control_registers)
{
	start(KVM_MODE_PROT64);
	gpr(RAX) = 0x80050033;
	CODE(0x0f, 0x22, 0xc0);				/* mov cr0, rax */
	m.mode = KVM_MODE_PROT64;
	run();
	CHECK_EQ(m.vcpu.regs.cr0, 0x80050033);
	start(KVM_MODE_PROT32);
	m.vcpu.regs.cr0 = 0x3b;
	CODE(0x0f, 0x06);				/* clts */
	run();
	CHECK_EQ(m.vcpu.regs.cr0, 0x33);
	gpr(RAX) = 0xfff8;
	CODE(0x0f, 0x01, 0xf0);				/* lmsw ax: PE stays */
	run();
	CHECK_EQ(m.vcpu.regs.cr0, 0x39);
	CODE(0x0f, 0x01, 0xe3);				/* smsw ebx */
	run();
	CHECK_EQ(gpr(RBX), 0x39);
	gpr(RAX) = 0xffffffff12345000;
	CODE(0x0f, 0x22, 0xd0);				/* mov cr2, eax */
	run();
	CHECK_EQ(m.vcpu.regs.cr2, 0x12345000);
	CODE(0x0f, 0x23, 0xd8);				/* mov dr3, eax */
	run();
	CHECK_EQ(m.vcpu.regs.dr[3], 0x12345000);
	m.cpl = 3;
	run();
	m.vector = -1;
	rip() = 0x1000;
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	m.cpl = 0;
	CODE(0x0f, 0x22, 0xc8);				/* mov cr1: no such */
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
}

TEST(cannot_emulate)
{
	start(KVM_MODE_PROT64);
	CODE(0x0f, 0xae, 0x03);				/* fxsave [rbx] */
	CHECK_EQ(run(), KVM_TO_USER);
	CHECK_EQ(m.run.exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(m.run.emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK_EQ(m.run.emulation_failure.ndata, 3);
	CHECK_EQ(m.run.emulation_failure.flags,
		 KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK_EQ(m.run.emulation_failure.insn_size, 3);
	CHECK(!memcmp(m.run.emulation_failure.insn_bytes, "\x0f\xae\x03", 3));
	CHECK_EQ(rip(), 0x1000);
	m.cpl = 3;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(m.vector, X86_TRAP_UD);
	m.cpl = 0;
	rip() = DEVICE_GPA;
	CHECK_EQ(run(), KVM_TO_USER);
	CHECK_EQ(m.run.exit_reason, KVM_EXIT_INTERNAL_ERROR);
}

/* --- stepping over */

static void check_skip(const u8 *bytes, unsigned int len, unsigned int given)
{
	struct kvm_exit exit = { .insn_bytes = given };
	u64 before = rip();

	memcpy(exit.insn, bytes, given);
	machine_code(bytes, len);
	CHECK_EQ(emulate_insn(&m.vcpu, &exit, KVM_EMULATE_SKIP), KVM_RESUME);
	CHECK_EQ(rip(), before + len);
	CHECK_EQ(m.vector, -1);
}

TEST(skip)
{
	static const struct {
		u8 len;
		u8 bytes[15];
	} insn[] = {
		{ 2, { 0x0f, 0xa2 } }, { 1, { 0xf4 } }, { 2, { 0x0f, 0x30 } },
		{ 2, { 0x0f, 0x32 } }, { 3, { 0x0f, 0x01, 0xd9 } }, { 3, { 0x0f, 0x01, 0xc1 } },
		{ 3, { 0x0f, 0x01, 0xd1 } }, { 2, { 0xf3, 0x90 } }, { 2, { 0x0f, 0x09 } },
		{ 3, { 0x0f, 0x22, 0xc0 } }, { 3, { 0x66, 0x0f, 0xa2 } },
		{ 3, { 0x0f, 0x01, 0x3b } }, { 7, { 0x0f, 0x01, 0xb8, 0, 0, 0, 0 } },
		{ 4, { 0xf2, 0x66, 0x0f, 0xa2 } },
	};
	unsigned int i, page;

	for (page = 0; page < 2; page++) {
		for (i = 0; i < sizeof(insn) / sizeof(insn[0]); i++) {
			start(KVM_MODE_PROT64);
			/* The second time, the instruction's last byte is in another page. */
			machine_map(0x1000, 0x1000, RIGHTS);
			machine_map(0x2000, 0x2000, RIGHTS);
			rip() = page ? 0x2001 - insn[i].len : 0x1000;
			check_skip(insn[i].bytes, insn[i].len, 0);
			rip() = 0x1800;
			check_skip(insn[i].bytes, insn[i].len, insn[i].len);
			start(KVM_MODE_REAL);
			m.seg[KVM_CS].base = 0x20000;
			if (insn[i].len < 7)	/* another ModRM format */
				check_skip(insn[i].bytes, insn[i].len, 0);
		}
	}
}

TEST(skip_wraps)
{
	start(KVM_MODE_PROT32);
	rip() = 0xffffffff;
	m.seg[KVM_CS].base = 0x2001;
	m.ram[0x2000] = 0xf4;
	CHECK_EQ(machine_skip(), KVM_RESUME);
	CHECK_EQ(rip(), 0);
}

TEST(skip_needs_no_rights)
{
	paged();
	machine_map(0x1000, 0x1000, BIT_ULL(63) | 1);
	CODE(0x0f, 0xa2);
	CHECK_EQ(machine_skip(), KVM_RESUME);
	CHECK_EQ(rip(), 0x1002);
	machine_map(0x1000, 0x1000, 0);
	CHECK_EQ(machine_skip(), KVM_RESUME);
	CHECK_EQ(m.vector, X86_TRAP_PF);
	CHECK_EQ(rip(), 0x1002);
}
