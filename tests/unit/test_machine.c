// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole instructions through fetch, walk, execution: faults, control registers,
 * what cannot be emulated, and stepping over instructions.
 */
#include "vmm.h"

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
	gpr(RBP) = 0x2fffff;
	CODE(0x8a, 0x45, 0x00);				/* mov al, [ebp]: at the limit */
	run();
	CHECK_EQ(m.vector, X86_TRAP_SS);
	CODE(0x8b, 0x45, 0x00);
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
