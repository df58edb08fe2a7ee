// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers, descriptor tables and far transfers: what takes effect, what
 * is marked in the tables, and which fault comes instead.
 */
#include "vmm.h"

#define GDT		0x6000
#define CODE32		0x08
#define DATA		0x10
#define CODE64		0x18
#define USER_DATA	0x23
#define USER_CODE64	0x2b
#define ABSENT		0x30
#define TSS		0x38	/* 16 bytes in IA-32e mode */
#define LDT		0x48
#define READ_ONLY	0x58
#define CONFORMING	0x60

static void gdt(unsigned int selector, u64 desc)
{
	memcpy(m.ram + GDT + (selector & ~7), &desc, 8);
}

static void begin(enum kvm_mode mode)
{
	start(mode);
	m.table[KVM_TABLE_GDT].base = GDT;
	m.table[KVM_TABLE_GDT].limit = 0x6f;
	gdt(CODE32, 0x00cf9a000000ffff);		/* none has been accessed */
	gdt(DATA, 0x00cf92000000ffff);
	gdt(CODE64, 0x00af9a000000ffff);
	gdt(USER_DATA, 0x00cff2000000ffff);
	gdt(USER_CODE64, 0x00affa000000ffff);
	gdt(ABSENT, 0x00cf12000000ffff);
	gdt(TSS, 0x0000890050000067);
	gdt(LDT, 0x000082007000001f);
	gdt(READ_ONLY, 0x00cf90000000ffff);
	gdt(CONFORMING, 0x00cf9e000000ffff);
	m.seg[KVM_CS].selector = mode == KVM_MODE_PROT64 ? CODE64 : CODE32;
	m.seg[KVM_SS].dpl = 0;
}

static u8 rights(unsigned int selector)
{
	return m.ram[GDT + (selector & ~7) + 5];
}

static void expect_fault(int vector, u32 error)
{
	m.vector = -1;
	rip() = 0x1000;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(m.vector, vector);
	CHECK_EQ(m.error, error);
	CHECK_EQ(rip(), 0x1000);
}

static void expect_done(unsigned int len)
{
	m.vector = -1;
	rip() = 0x1000;
	CHECK_EQ(run(), KVM_RESUME);
	CHECK_EQ(m.vector, -1);
	CHECK_EQ(rip(), 0x1000 + len);
}

TEST(move_to_segment)
{
	begin(KVM_MODE_PROT32);
	CODE(0x8e, 0xd8);				/* mov ds, ax */
	gpr(RAX) = DATA;
	expect_done(2);
	CHECK_EQ(m.seg[KVM_DS].selector, DATA);
	CHECK_EQ(m.seg[KVM_DS].limit, U32_MAX);
	CHECK_EQ(rights(DATA), 0x93);			/* accessed now */
	gpr(RAX) = 3;
	expect_done(2);
	CHECK(m.seg[KVM_DS].unusable);
	gpr(RAX) = ABSENT;
	expect_fault(X86_TRAP_NP, ABSENT);
	gpr(RAX) = 0x78;
	expect_fault(X86_TRAP_GP, 0x78);
	gpr(RAX) = TSS;
	expect_fault(X86_TRAP_GP, TSS);
	gpr(RAX) = DATA | 3;				/* RPL beyond DPL */
	expect_fault(X86_TRAP_GP, DATA);
	m.seg[KVM_LDTR].unusable = 1;
	gpr(RAX) = 0x0c;				/* in the LDT there is not */
	expect_fault(X86_TRAP_GP, 0x0c);
	CODE(0x8e, 0xc8);				/* mov cs, ax */
	expect_fault(X86_TRAP_UD, 0);
}

TEST(move_to_stack_segment)
{
	begin(KVM_MODE_PROT32);
	CODE(0x8e, 0xd0);				/* mov ss, ax */
	gpr(RAX) = DATA;
	expect_done(2);
	CHECK_EQ(m.shadow, KVM_SHADOW_MOV_SS);
	gpr(RAX) = 0;
	expect_fault(X86_TRAP_GP, 0);
	gpr(RAX) = READ_ONLY;
	expect_fault(X86_TRAP_GP, READ_ONLY);
	gpr(RAX) = ABSENT;
	gdt(ABSENT, 0x00cf12000000ffff);
	expect_fault(X86_TRAP_SS, ABSENT);
	gpr(RAX) = USER_DATA;
	expect_fault(X86_TRAP_GP, USER_DATA & ~3);
	begin(KVM_MODE_REAL);
	CODE(0x8e, 0xd0);
	gpr(RAX) = 0x1234;
	expect_done(2);
	CHECK_EQ(m.seg[KVM_SS].base, 0x12340);
}

/* A selector and a pointer that a device gives. */
TEST(load_from_device)
{
	begin(KVM_MODE_PROT32);
	gpr(RBX) = DEVICE_GPA;
	answer = 0x0000001000112233;
	CODE(0xc5, 0x33);				/* lds esi, [ebx] */
	expect_done(2);
	CHECK_EQ(accesses, 1);
	check_access(0, false, DEVICE_GPA, 6);
	CHECK_EQ(gpr(RSI), 0x112233);
	CHECK_EQ(m.seg[KVM_DS].selector, 0x10);
	m.seg[KVM_DS] = m.seg[KVM_ES];
	answer = 0x0000005000112233;			/* beyond: an LDT's second half */
	expect_fault(X86_TRAP_GP, 0x50);
	CHECK_EQ(gpr(RSI), 0x112233);
}

TEST(system_segments)
{
	begin(KVM_MODE_PROT64);
	CODE(0x0f, 0x00, 0xd8);				/* ltr ax */
	gpr(RAX) = TSS;
	m.seg[KVM_TR].base = 0;
	expect_done(3);
	CHECK_EQ(m.seg[KVM_TR].base, 0x5000);
	CHECK_EQ(m.seg[KVM_TR].type, 11);
	CHECK_EQ(rights(TSS), 0x8b);
	expect_fault(X86_TRAP_GP, TSS);			/* it is busy */
	gpr(RAX) = 0;
	expect_fault(X86_TRAP_GP, 0);
	CODE(0x0f, 0x00, 0xd0);				/* lldt ax */
	expect_done(3);
	CHECK(m.seg[KVM_LDTR].unusable);
	gpr(RAX) = LDT;
	expect_done(3);
	CHECK_EQ(m.seg[KVM_LDTR].base, 0x7000);
	CHECK_EQ(m.seg[KVM_LDTR].limit, 0x1f);
	gpr(RAX) = DATA;
	expect_fault(X86_TRAP_GP, DATA);
	m.cpl = 3;
	expect_fault(X86_TRAP_GP, 0);
	CODE(0x0f, 0x00, 0xc8);				/* str eax */
	expect_done(3);
	CHECK_EQ(gpr(RAX), TSS);
	m.vcpu.regs.cr4 |= X86_CR4_UMIP;
	expect_fault(X86_TRAP_GP, 0);
	begin(KVM_MODE_REAL);
	CODE(0x0f, 0x00, 0xc8);
	expect_fault(X86_TRAP_UD, 0);
}

TEST(tables)
{
	begin(KVM_MODE_PROT64);
	gpr(RBX) = DEVICE_GPA;
	answer = 0xff3322110000ffff;
	CODE(0x0f, 0x01, 0x1b);				/* lidt [rbx] */
	expect_done(3);
	CHECK_EQ(accesses, 2);				/* eight bytes and two */
	CHECK_EQ(m.table[KVM_TABLE_IDT].limit, 0xffff);
	CHECK_EQ(m.table[KVM_TABLE_IDT].base, 0xffffff3322110000);
	m.table[KVM_TABLE_GDT].limit = 0x77;
	rip() = 0x1000;
	CODE(0x0f, 0x01, 0x03);				/* sgdt [rbx] */
	expect_done(3);
	check_access(0, true, DEVICE_GPA, 8);
	CHECK_EQ(seen[0].data[0], 0x77);
	m.cpl = 3;
	rip() = 0x1000;
	CODE(0x0f, 0x01, 0x13);				/* lgdt [rbx] */
	expect_fault(X86_TRAP_GP, 0);
}

TEST(far_jump)
{
	begin(KVM_MODE_PROT32);
	gpr(RBX) = 0x9000;
	memcpy(m.ram + 0x9000, "\x00\x20\x00\x00\x08\x00", 6);
	CODE(0xff, 0x2b);				/* ljmp [ebx] */
	m.vector = -1;
	run();
	CHECK_EQ(m.vector, -1);
	CHECK_EQ(rip(), 0x2000);
	CHECK_EQ(m.seg[KVM_CS].selector, CODE32);
	CHECK_EQ(rights(CODE32), 0x9b);
	m.ram[0x9004] = DATA;
	expect_fault(X86_TRAP_GP, DATA);
	m.ram[0x9004] = 0;
	expect_fault(X86_TRAP_GP, 0);
	m.ram[0x9004] = TSS;				/* a task switch */
	rip() = 0x1000;
	CHECK_EQ(run(), KVM_TO_USER);
	CHECK_EQ(m.run.exit_reason, KVM_EXIT_INTERNAL_ERROR);
	gpr(RSP) = 0x8000;
	m.ram[0x9004] = CONFORMING;
	CODE(0xff, 0x1b);				/* lcall [ebx] */
	rip() = 0x1000;
	run();
	CHECK_EQ(rip(), 0x2000);
	CHECK_EQ(gpr(RSP), 0x7ff8);
	CHECK_EQ(ram(0x7ff8, 4), 0x1002);
	CHECK_EQ(ram(0x7ffc, 4), CODE32);
	rip() = 0x1000;
	CODE(0xcb);					/* lret */
	run();
	CHECK_EQ(rip(), 0x1002);
	CHECK_EQ(gpr(RSP), 0x8000);
	CHECK_EQ(m.seg[KVM_CS].selector, CODE32);
	begin(KVM_MODE_REAL);
	CODE(0xea, 0x34, 0x12, 0x00, 0x20);		/* ljmp $0x2000, $0x1234 */
	run();
	CHECK_EQ(rip(), 0x1234);
	CHECK_EQ(m.seg[KVM_CS].base, 0x20000);
}

static void frame(u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss)
{
	u64 words[5] = { rip, cs, flags, rsp, ss };

	memcpy(m.ram + 0x8000, words, sizeof(words));
	gpr(RSP) = 0x8000;
	rip() = 0x1000;
	m.vector = -1;
}

TEST(interrupt_return)
{
	begin(KVM_MODE_PROT64);
	m.shadow = KVM_SHADOW_NMI;
	CODE(0x48, 0xcf);				/* iretq */
	frame(0x400000, USER_CODE64, 0x10202, 0x123450, USER_DATA);
	run();
	CHECK_EQ(m.vector, -1);
	CHECK_EQ(rip(), 0x400000);
	CHECK_EQ(gpr(RSP), 0x123450);
	CHECK_EQ(m.seg[KVM_CS].selector, USER_CODE64);
	CHECK_EQ(m.seg[KVM_SS].selector, USER_DATA);
	CHECK_EQ(m.cpl, 3);
	CHECK_EQ(m.shadow, 0);				/* NMIs are let in again */
	CHECK_EQ(m.vcpu.regs.rflags, 0x10202);		/* RF as the frame says */
	CHECK(m.seg[KVM_DS].unusable);			/* it was privilege level 0's */
	/* From there nothing more privileged can be reached. */
	frame(0x400000, CODE64, 0x202, 0x123450, DATA);
	expect_fault(X86_TRAP_GP, CODE64);
	begin(KVM_MODE_PROT64);
	CODE(0x48, 0xcf);
	frame(0x800000000000, CODE64, 0x202, 0x123450, DATA);
	expect_fault(X86_TRAP_GP, 0);
	frame(0x400000, CODE64, 0x202, 0x123450, 0);	/* a null SS is for 64-bit code */
	run();
	CHECK_EQ(rip(), 0x400000);
	CHECK(m.seg[KVM_SS].unusable);
	frame(0x400000, CODE64, 0x202, 0x123450, DATA);
	m.vcpu.regs.rflags |= X86_EFLAGS_NT;
	expect_fault(X86_TRAP_GP, 0);
}
