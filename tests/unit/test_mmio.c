// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory operands where no memory is: sizes, splits, strings, what userspace may
 * do in between.
 */
#include "vmm.h"

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

/* --- the short way of move.c and the general one agree */

struct outcome {
	struct kvm_vcpu_regs regs;
	struct access seen;
	unsigned int accesses;
	int vector;
};

static void run_move(const u8 *code, const struct kvm_vcpu_regs *regs, const struct kvm_exit *exit,
		     struct outcome *out)
{
	start(KVM_MODE_PROT64);
	m.vcpu.regs = *regs;
	machine_code(code, 15);
	accesses = 0;
	CHECK_EQ(serve(emulate_insn(&m.vcpu, exit, 0)), KVM_RESUME);
	out->regs = m.vcpu.regs;
	out->seen = seen[0];
	out->accesses = accesses;
	out->vector = m.vector;
}

static bool random_move(u8 *code)
{
	static const u8 one[] = { 0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0x63 };
	static const u8 two[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xc3 };
	struct decode_insn insn;
	unsigned int i, n = 0;

	for (i = 0; i < 15; i++)
		code[i] = unit_random();
	if (!unit_below(4))
		code[n++] = 0x66;
	if (unit_below(2))
		code[n++] = 0x40 | unit_below(16);
	if (unit_below(2)) {
		code[n++] = one[unit_below(sizeof(one))];
	} else {
		code[n++] = 0x0f;
		code[n++] = two[unit_below(sizeof(two))];
	}
	code[n] &= 0x3f;		/* [register], mostly */
	if (code[n - 1] == 0xc6 || code[n - 1] == 0xc7)
		code[n] &= 7;
	return decode_insn(&insn, code, 15, DECODE_64) == DECODE_OK && insn.mem &&
	       insn.base != DECODE_NO_REG && insn.index == DECODE_NO_REG;
}

TEST(move_agrees)
{
	struct kvm_vcpu_regs regs;
	struct kvm_exit exit;
	struct outcome general, quick;
	unsigned int i, j, done = 0;
	u8 code[15];

	for (i = 0; i < 20000; i++) {
		if (!random_move(code))
			continue;
		start(KVM_MODE_PROT64);
		regs = m.vcpu.regs;
		for (j = 0; j < 16; j++)
			regs.gpr[j] = DEVICE_GPA + unit_below(2 * PAGE_SIZE - 8);
		done++;
		memset(&exit, 0, sizeof(exit));
		run_move(code, &regs, &exit, &general);
		exit.kind = KVM_FACT_MEMORY;
		exit.mem.gpa = general.seen.addr;
		exit.mem.access = general.seen.write ? KVM_ACCESS_WRITE : KVM_ACCESS_READ;
		exit.mem.gva_valid = unit_below(2);
		exit.mem.gva = general.seen.addr;
		run_move(code, &regs, &exit, &quick);
		CHECK_EQ(quick.accesses, general.accesses);
		CHECK_EQ(quick.vector, general.vector);
		CHECK_EQ(quick.seen.addr, general.seen.addr);
		CHECK_EQ(quick.seen.len, general.seen.len);
		CHECK_EQ(quick.seen.write, general.seen.write);
		CHECK(!general.seen.write || !memcmp(quick.seen.data, general.seen.data, 8));
		CHECK(!memcmp(quick.regs.gpr, general.regs.gpr, sizeof(regs.gpr)));
		CHECK_EQ(quick.regs.rip, general.regs.rip);
		CHECK_EQ(quick.regs.rflags, general.regs.rflags);
	}
	CHECK(done > 1000);
}

/* What the CPU said about another access than the one at hand is not believed. */
TEST(move_elsewhere)
{
	struct kvm_exit exit = {
		.kind = KVM_FACT_MEMORY,
		.mem = { .gpa = DEVICE_GPA + 0x18, .access = KVM_ACCESS_READ },
	};

	start(KVM_MODE_PROT64);
	gpr(RSI) = DEVICE_GPA + 0x20;
	CODE(0x8b, 0x06);				/* mov eax, [rsi] */
	accesses = 0;
	CHECK_EQ(serve(emulate_insn(&m.vcpu, &exit, 0)), KVM_RESUME);
	check_access(0, false, DEVICE_GPA + 0x20, 4);
	rip() = 0x1000;
	CODE(0x89, 0x06);				/* a write, and the fault was a read */
	gpr(RSI) = ROM_GPA + 0x18;
	exit.mem.gpa = DEVICE_GPA + 0x18;
	accesses = 0;
	CHECK_EQ(serve(emulate_insn(&m.vcpu, &exit, 0)), KVM_RESUME);
	check_access(0, true, ROM_GPA + 0x18, 4);
}

/* --- MMX and SSE */

TEST(simd)
{
	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA + 8;
	CODE(0x0f, 0x10, 0x03);				/* movups xmm0, [rbx] */
	memset(m.ymm[0], 0xcc, 16);
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 2);
	check_access(0, false, DEVICE_GPA + 8, 8);
	check_access(1, false, DEVICE_GPA + 16, 8);
	CHECK(!memcmp(m.ymm[0], &answer, 8) && !memcmp(m.ymm[0] + 8, &answer, 8));
	rip() = 0x1000;
	CODE(0x0f, 0x29, 0x0b);				/* movaps [rbx], xmm1: not aligned */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(m.vector, X86_TRAP_GP);
	CHECK_EQ(accesses, 0);
	m.vector = -1;
	gpr(RBX) = DEVICE_GPA;
	memset(m.ymm[1], 0x5b, 16);
	run();
	CHECK_EQ(accesses, 2);
	check_access(1, true, DEVICE_GPA + 8, 8);
	CHECK_EQ(seen[1].data[7], 0x5b);
	rip() = 0x1000;
	m.x87_pending = true;
	CODE(0x0f, 0x7f, 0x13);				/* movq [rbx], mm2 */
	run();
	CHECK_EQ(m.vector, X86_TRAP_MF);
	m.x87_pending = false;
	m.vcpu.regs.cr0 |= X86_CR0_TS;
	run();
	CHECK_EQ(m.vector, X86_TRAP_NM);
	m.vcpu.regs.cr0 |= X86_CR0_EM;
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
	m.vcpu.regs.cr0 &= ~(u64)(X86_CR0_TS | X86_CR0_EM);
	m.vcpu.regs.cr4 &= ~(u64)X86_CR4_OSFXSR;
	m.vector = -1;
	run();						/* MMX does not mind */
	CHECK_EQ(m.vector, -1);
	rip() = 0x1000;
	CODE(0x0f, 0x10, 0x03);
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
}

TEST(avx)
{
	unsigned int i;

	start(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA + 8;
	m.vcpu.regs.cr4 |= X86_CR4_OSXSAVE;
	m.vcpu.regs.xcr0 = 7;
	memset(m.ymm, 0xcc, sizeof(m.ymm));
	CODE(0xc5, 0xfc, 0x10, 0x03);			/* vmovups ymm0, [rbx] */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(accesses, 4);
	for (i = 0; i < 4; i++) {
		check_access(i, false, DEVICE_GPA + 8 + 8 * i, 8);
		CHECK(!memcmp(m.ymm[0] + 8 * i, &answer, 8));
	}
	rip() = 0x1000;
	CODE(0xc5, 0x7a, 0x6f, 0x0b);			/* vmovdqu xmm9, [rbx] */
	CHECK_EQ(run(), KVM_RESUME);
	CHECK(!memcmp(m.ymm[9] + 8, &answer, 8));
	CHECK_EQ(m.ymm[9][16] | m.ymm[9][31], 0);
	rip() = 0x1000;
	gpr(RBX) = DEVICE_GPA + 16;
	CODE(0xc5, 0xfd, 0x7f, 0x03);			/* vmovdqa [rbx], ymm0: not aligned */
	run();
	CHECK_EQ(m.vector, X86_TRAP_GP);
	m.vector = -1;
	gpr(RBX) = DEVICE_GPA + 32;
	CHECK_EQ(run(), KVM_RESUME);
	check_access(3, true, DEVICE_GPA + 56, 8);
	rip() = 0x1000;
	m.vcpu.regs.cr0 |= X86_CR0_TS;
	run();
	CHECK_EQ(m.vector, X86_TRAP_NM);
	m.vcpu.regs.xcr0 = 3;
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
	m.vector = -1;
	m.vcpu.regs.xcr0 = 7;
	m.vcpu.regs.cr4 &= ~(u64)X86_CR4_OSXSAVE;
	run();
	CHECK_EQ(m.vector, X86_TRAP_UD);
}
