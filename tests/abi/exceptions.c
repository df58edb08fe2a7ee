// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions and software interrupts, delivered by the guest's own tables. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

/*
 * The handlers at offset 0x200 + 0x10 * vector leave the vector in EBP and stop.
 * The stack is as the CPU made it.
 */
#define HANDLER(n) ORG(0x200 + 0x10 * n) "mov $" #n ", %ebp\nhlt\n"
#define HANDLERS \
	HANDLER(0) HANDLER(1) HANDLER(2) HANDLER(3) HANDLER(4) HANDLER(5) \
	HANDLER(6) HANDLER(7) HANDLER(8) HANDLER(9) HANDLER(10) HANDLER(11) \
	HANDLER(12) HANDLER(13) HANDLER(14) HANDLER(15) HANDLER(16) \
	HANDLER(17) HANDLER(18) HANDLER(19) HANDLER(20)

static void set_gates(struct vmm_vcpu *vcpu)
{
	unsigned int vector;

	for (vector = 0; vector <= 20; vector++)
		vmm_gate(vcpu, vector, GPA_CODE + 0x200 + 0x10 * vector);
}

static struct vmm_vcpu *boot(enum vmm_mode mode, struct vmm_blob code)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, mode, code);

	set_gates(vcpu);
	return vcpu;
}

/* Runs into a handler; returns the words the CPU pushed, last first. */
static uint64_t *fault(struct vmm_vcpu *vcpu, unsigned int vector)
{
	struct kvm_regs regs;

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	if (regs.rbp != vector)
		vmm_dump(vcpu);
	CHECK_EQ(regs.rbp, vector);
	CHECK(regs.rsp < vcpu->vm->ram_size);
	return (uint64_t *)(vcpu->vm->ram + regs.rsp);
}

GUEST(de64, 64, "nop\nxor %ecx, %ecx\ndiv %ecx\nhlt\n" HANDLERS);

TEST(divide_error, "#DE in long mode: frame of five words, RIP at the DIV")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, de64);
	uint64_t *frame = fault(vcpu, 0);

	CHECK_EQ(frame[0], GPA_CODE + 3);
	CHECK_EQ(frame[1], SEL_CODE64);
	CHECK_EQ(frame[3], GPA_STACK);
	CHECK_EQ(frame[4], SEL_DATA32);
	CHECK_EQ((uint8_t *)(frame + 5) - vcpu->vm->ram, GPA_STACK);
}

GUEST(ud64, 64, "ud2\nhlt\n" HANDLERS);
GUEST(ud32, 32, "ud2\nhlt\n" HANDLERS);
GUEST(ud16, 16, "ud2\nhlt\n" HANDLERS);

TEST(undefined_opcode, "#UD in every processor mode")
{
	enum vmm_mode mode;

	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		struct vmm_blob code = mode <= VMM_PROT16 ? ud16 : ud32;
		struct vmm_vcpu *vcpu;

		/* The handlers of 64-bit IDTs are 64-bit code. */
		if (mode >= VMM_COMPAT)
			code = ud64;
		vcpu = boot(mode, code);
		CHECK_EQ(*(uint16_t *)fault(vcpu, 6), GPA_CODE);
		vmm_destroy(vcpu->vm);
	}
}

GUEST(gp64, 64, "mov $0x1238, %eax\nmov %eax, %ds\nhlt\n" HANDLERS);

TEST(general_protection, "#GP carries the selector as error code")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, gp64);
	uint64_t *frame = fault(vcpu, 13);

	CHECK_EQ(frame[0], 0x1238);
	CHECK_EQ(frame[1], GPA_CODE + 5);
}

GUEST(canonical64, 64,
	"movabs $0x8000000000000000, %rax\n"
	"mov (%rax), %eax\n"
	"hlt\n" HANDLERS);

TEST(non_canonical, "a non-canonical address is #GP(0)")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, canonical64);
	uint64_t *frame = fault(vcpu, 13);

	CHECK_EQ(frame[0], 0);
	CHECK_EQ(frame[1], GPA_CODE + 10);
}

GUEST(np32, 32, "mov $0x50, %eax\nmov %eax, %ds\nhlt\n" HANDLERS);

TEST(segment_not_present, "#NP for a segment that is not present")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_PROT32, np32);
	uint32_t *frame;

	set_gates(vcpu);
	*(uint64_t *)(vcpu->vm->ram + GPA_GDT + 0x50) = 0x00cf13000000ffffull;
	frame = (uint32_t *)fault(vcpu, 11);
	CHECK_EQ(frame[0], 0x50);
	CHECK_EQ(frame[1], GPA_CODE + 5);
	CHECK_EQ(frame[2], SEL_CODE32);
}

GUEST(read64, 64, "mov (%rsi), %rax\nhlt\n" HANDLERS);
GUEST(write64, 64, "mov %rax, (%rsi)\nhlt\n" HANDLERS);
GUEST(jump64, 64, "jmp *%rsi\nhlt\n" HANDLERS);

#define VA 0x7f0000123000ull

/* #PF with this error code, and CR2 at @address. */
static void page_fault(struct vmm_vcpu *vcpu, struct vmm_blob code,
		       uint64_t address, uint64_t error)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2, .rsi = address,
	};
	uint64_t *frame;

	vmm_load(vcpu->vm, GPA_CODE, code);
	vmm_set_regs(vcpu, &regs);
	frame = fault(vcpu, 14);
	CHECKF(frame[0] == error, "error code 0x%llx, expected 0x%llx",
	       (unsigned long long)frame[0], (unsigned long long)error);
	CHECK_EQ(vmm_sregs(vcpu).cr2, address);
}

TEST(page_faults, "#PF: not present, write-protected, no-execute, reserved")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, read64);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	uint64_t cr3 = sregs.cr3;

	sregs.efer |= X86_EFER_NX;
	vmm_set_sregs(vcpu, &sregs);
	page_fault(vcpu, read64, VA + 8, 0);
	page_fault(vcpu, write64, VA + 0x10, 2);
	page_fault(vcpu, jump64, VA, 0x10);
	vmm_map(vcpu->vm, VMM_LONG, cr3, VA, 0xb0000, SZ_4K, PTE_P);
	page_fault(vcpu, write64, VA + 0x18, 3);
	vmm_map(vcpu->vm, VMM_LONG, cr3, VA + SZ_4K, 0xb0000, SZ_4K,
		PTE_P | PTE_W | PTE_NX);
	page_fault(vcpu, jump64, VA + SZ_4K + 4, 0x11);
	/* Above the physical address width. */
	vmm_map(vcpu->vm, VMM_LONG, cr3, VA + 2 * SZ_4K, 1ull << 51, SZ_4K,
		PTE_P | PTE_W);
	/* TCG forgets the P bit here. */
	page_fault(vcpu, read64, VA + 2 * SZ_4K, vmm_on_tcg() ? 8 : 9);
	CHECK_EQ(*(uint64_t *)(vcpu->vm->ram + 0xb0000 + 0x18), 0);
}

GUEST(pf32, 32, "mov (%esi), %eax\nhlt\n" HANDLERS);

TEST(page_fault_32, "#PF in 32-bit paging and PAE")
{
	static const enum vmm_mode modes[] = { VMM_PAGE32, VMM_PAE };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vmm_vcpu *vcpu = boot(modes[i], pf32);
		struct kvm_regs regs = vmm_regs(vcpu);
		uint32_t *frame;

		/* One page with nothing in it. */
		vmm_map(vcpu->vm, modes[i], vmm_sregs(vcpu).cr3, 0x40000000, 0,
			SZ_4K, 0);
		regs.rsi = 0x40000abc;
		vmm_set_regs(vcpu, &regs);
		frame = (uint32_t *)fault(vcpu, 14);
		CHECK_EQ(frame[0], 0);
		CHECK_EQ(frame[1], GPA_CODE);
		CHECK_EQ(vmm_sregs(vcpu).cr2, 0x40000abc);
		vmm_destroy(vcpu->vm);
	}
}

/* INT n handled and returned from, in a loop; the handler counts in EBX. */
GUEST(int64, 64,
	"mov $1000, %ecx\n"
	"1: int $0x40\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n"
	ORG(0x100)
	"inc %ebx\n"
	"iretq\n");
GUEST(int32, 32,
	"mov $1000, %ecx\n"
	"1: int $0x40\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n"
	ORG(0x100)
	"inc %ebx\n"
	"iret\n");
GUEST(int16, 16,
	"mov $1000, %cx\n"
	"1: int $0x40\n"
	"dec %cx\n"
	"jnz 1b\n"
	"hlt\n"
	ORG(0x100)
	"inc %bx\n"
	"iretw\n");

TEST(software_interrupts, "INT n and IRET, a thousand times in every mode")
{
	static const struct {
		enum vmm_mode mode;
		const struct vmm_blob *code;
	} runs[] = {
		{ VMM_REAL, &int16 }, { VMM_BIGREAL, &int16 },
		{ VMM_PROT16, &int16 }, { VMM_PROT32, &int32 },
		{ VMM_PAGE32, &int32 }, { VMM_PAE, &int32 },
		{ VMM_LONG, &int64 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct vmm_vcpu *vcpu;

		vcpu = vmm_boot(SZ_1M, runs[i].mode, *runs[i].code);
		vmm_gate(vcpu, 0x40, GPA_CODE + 0x100);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rbx, 1000);
		CHECK_EQ(vmm_regs(vcpu).rsp, GPA_STACK);
		vmm_destroy(vcpu->vm);
	}
}

GUEST(bp64, 64, "int3\nhlt\n" HANDLERS);
GUEST(into32, 32, "mov $0x7fffffff, %eax\ninc %eax\ninto\nhlt\n" HANDLERS);
GUEST(bound32, 32, "mov $9, %eax\nbound %eax, 0x7000\nhlt\n" HANDLERS);

TEST(traps, "INT3, INTO and BOUND")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, bp64);

	CHECK_EQ(fault(vcpu, 3)[0], GPA_CODE + 1);
	vcpu = boot(VMM_PROT32, into32);
	CHECK_EQ(*(uint32_t *)fault(vcpu, 4), GPA_CODE + 7);
	vcpu = boot(VMM_PROT32, bound32);
	CHECK_EQ(*(uint32_t *)fault(vcpu, 5), GPA_CODE + 5);
}

/* #XM: an unmasked division by zero. */
GUEST(xm64, 64,
	"ldmxcsr 0x7000\n"
	"xorps %xmm0, %xmm0\n"
	"movss 0x7004, %xmm1\n"
	"divss %xmm0, %xmm1\n"
	"hlt\n" HANDLERS);

TEST(simd_exception, "#XM for an unmasked SSE exception")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, xm64);

	if (vmm_on_tcg())
		SKIP("QEMU's TCG raises no #XM");
	*(uint32_t *)(vcpu->vm->ram + 0x7000) = 0x1d80;
	*(float *)(vcpu->vm->ram + 0x7004) = 1.0f;
	fault(vcpu, 19);
}

/* #MF: x87 exceptions are reported at the next waiting instruction. */
GUEST(mf64, 64,
	"fninit\n"
	"fldcw 0x7000\n"
	"fldz\n"
	"fld1\n"
	"fdivp\n"
	"fwait\n"
	"hlt\n" HANDLERS);

TEST(x87_exception, "#MF for an unmasked x87 exception")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, mf64);

	*(uint16_t *)(vcpu->vm->ram + 0x7000) = 0x037b;
	fault(vcpu, 16);
}

/* Single step: TF set by POPF; the trap comes after the next instruction. */
GUEST(step64, 64,
	"pushq $0x102\n"
	"popf\n"
	"nop\n"
	"1: nop\n"
	"hlt\n" HANDLERS);

TEST(single_step, "#DB after one instruction under RFLAGS.TF")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, step64);

	CHECK_EQ(fault(vcpu, 1)[0], GPA_CODE + 7);
}

/* A fault while delivering #UD (no gate for it) becomes #DF. */
TEST(double_fault, "a fault in the delivery of a fault is #DF")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, ud64);
	uint64_t *frame;

	memset(vcpu->vm->ram + GPA_IDT + 13 * 16, 0, 16);
	memset(vcpu->vm->ram + GPA_IDT + 14 * 16, 0, 16);
	vmm_load(vcpu->vm, GPA_CODE, gp64);
	frame = fault(vcpu, 8);
	CHECK_EQ(frame[0], 0);
}

/* Into ring 3 by IRETQ; what it does there comes back through the TSS. */
GUEST(to_user, 64,
	"mov $0x48, %eax\n"
	"ltr %ax\n"
	"pushq $0x3b\n"
	"pushq $0x6000\n"
	"push %rdi\n"
	"pushq $0x43\n"
	"pushq $" AT(1f) "\n"
	"iretq\n"
	"1: jmp *%rsi\n"
	ORG(0x80) "out %al, $0x10\n hlt\n"
	ORG(0x90) "hlt\n"
	ORG(0xa0) "mov %cr0, %rax\n"
	ORG(0xb0) "mov (%rdx), %eax\n"
	ORG(0xc0) "int3\n"
	ORG(0xd0) "rdmsr\n"
	ORG(0xe0) "in $0x60, %al\n"
	ORG(0xf0) "cli\n"
	ORG(0x100) "int $0x50\n"
	ORG(0x110) "wbinvd\n"
	HANDLERS);

#define USER_READS 0x400b0000ull	/* by the code at 0xb0 */

static uint64_t *in_user_mode(struct vmm_vcpu *vcpu, unsigned int where,
			      unsigned int vector)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rsi = GPA_CODE + where, .rdi = 0x202, .rdx = USER_READS,
	};
	uint64_t *frame;

	/* LTR wants the TSS free again. */
	*(uint8_t *)(vcpu->vm->ram + GPA_GDT + SEL_TSS + 5) = 0x89;
	vmm_set_regs(vcpu, &regs);
	frame = fault(vcpu, vector);
	CHECK_EQ(vmm_sregs(vcpu).cs.dpl, 0);
	return frame;
}

static struct vmm_vcpu *boot_user(void)
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, to_user);

	*(uint64_t *)(vcpu->vm->ram + GPA_TSS + 4) = 0x6800;	/* RSP0 */
	*(uint16_t *)(vcpu->vm->ram + GPA_TSS + 102) = 0x68;	/* no ports */
	return vcpu;
}

TEST(user_mode_privileged, "what ring 3 may not do is #GP, never an exit")
{
	static const unsigned int places[] = {
		0x80, 0x90, 0xa0, 0xd0, 0xe0, 0xf0, 0x110,
	};
	struct vmm_vcpu *vcpu = boot_user();
	uint64_t *frame;
	unsigned int i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		frame = in_user_mode(vcpu, places[i], 13);
		CHECK_EQ(frame[0], 0);
		CHECK_EQ(frame[1], GPA_CODE + places[i]);
		CHECK_EQ(frame[2], SEL_USER64);
		CHECK_EQ(frame[4], 0x6000);
		CHECK_EQ(frame[5], SEL_USERDATA);
		CHECK_EQ((uint8_t *)(frame + 6) - vcpu->vm->ram, 0x6800);
	}
}

TEST(user_mode_gates, "INT through a ring-0 gate is #GP with its number")
{
	struct vmm_vcpu *vcpu = boot_user();
	uint64_t *frame;

	vmm_gate(vcpu, 0x50, GPA_CODE + 0x90);
	frame = in_user_mode(vcpu, 0x100, 13);
	/* TCG takes the size of the gate into the error code. */
	CHECK_EQ(frame[0], 0x50 * (vmm_on_tcg() ? 16 : 8) + 2);
	/* A gate of ring 3 lets it through. */
	vcpu->vm->ram[GPA_IDT + 3 * 16 + 5] |= 0x60;
	frame = in_user_mode(vcpu, 0xc0, 3);
	CHECK_EQ(frame[0], GPA_CODE + 0xc1);
	CHECK_EQ(frame[1], SEL_USER64);
}

TEST(user_mode_page_fault, "ring 3 and a supervisor page: #PF with U and P")
{
	struct vmm_vcpu *vcpu = boot_user();
	uint64_t *frame;

	vmm_map(vcpu->vm, VMM_LONG, vmm_sregs(vcpu).cr3, 0x40000000, 0, SZ_2M,
		PTE_P | PTE_W);
	/* The address of MOV (%rdx), a supervisor alias of low memory. */
	frame = in_user_mode(vcpu, 0xb0, 14);
	CHECK_EQ(frame[0], 5);
	CHECK_EQ(vmm_sregs(vcpu).cr2, USER_READS);
}

TEST(user_mode_ports, "ring 3 with the port in the TSS's bitmap: an exit")
{
	struct vmm_vcpu *vcpu = boot_user();
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rsi = GPA_CODE + 0x80, .rdi = 0x202, .rax = 0x5a,
	};
	uint8_t *gdt = vcpu->vm->ram + GPA_GDT + SEL_TSS;

	/* A limit that has room for ports 0 to 0x3f; all allowed. */
	gdt[0] = 0x68 + 9;
	gdt[5] = 0x89;
	memset(vcpu->vm->ram + GPA_TSS + 0x68, 0, 8);
	vcpu->vm->ram[GPA_TSS + 0x68 + 8] = 0xff;
	vmm_set_regs(vcpu, &regs);
	/* RAX is the selector of LTR by then. */
	CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 1), SEL_TSS);
	/* HLT is still not allowed. */
	CHECK_EQ(fault(vcpu, 13)[1], GPA_CODE + 0x82);
}

TEST(delivery_faults, "delivery through pages the host has to bring back first")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, int64);
	uint8_t *ram = vcpu->vm->ram;
	int i;

	/*
	 * The pages of IDT, GDT and stack are dropped from the second TLB (the
	 * protection changes and changes back) so that the delivery of INT n
	 * itself runs into them.
	 */
	vmm_gate(vcpu, 0x40, GPA_CODE + 0x100);
	for (i = 0; i < 20; i++) {
		struct kvm_regs regs = {
			.rip = GPA_CODE + 5, .rsp = GPA_STACK, .rflags = 2,
			.rcx = 1, .rbx = i,
		};

		vmm_set_regs(vcpu, &regs);
		OK(mprotect(ram + GPA_GDT, 6 * SZ_4K, PROT_NONE));
		OK(mprotect(ram + GPA_GDT, 6 * SZ_4K, PROT_READ | PROT_WRITE));
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rbx, i + 1);
		CHECK_EQ(vmm_regs(vcpu).rsp, GPA_STACK);
	}
}

TEST(fault_delivery_faults, "the same for a #UD and a #PF with error code")
{
	struct vmm_vcpu *vcpu = boot(VMM_LONG, ud64);
	uint8_t *ram = vcpu->vm->ram;
	int i;

	for (i = 0; i < 10; i++) {
		struct kvm_regs regs = {
			.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
			.rsi = VA,
		};

		vmm_load(vcpu->vm, GPA_CODE, i % 2 ? read64 : ud64);
		vmm_set_regs(vcpu, &regs);
		OK(mprotect(ram + GPA_GDT, 6 * SZ_4K, PROT_NONE));
		OK(mprotect(ram + GPA_GDT, 6 * SZ_4K, PROT_READ | PROT_WRITE));
		if (i % 2) {
			CHECK_EQ(fault(vcpu, 14)[0], 0);
			CHECK_EQ(vmm_sregs(vcpu).cr2, VA);
		} else {
			CHECK_EQ(fault(vcpu, 6)[0], GPA_CODE);
		}
	}
}

/* IRET to virtual-8086 mode, INT back out of it. */
GUEST(to_vm86, 32,
	"mov $0x48, %eax\n"
	"ltr %ax\n"
	"pushl $0\n pushl $0\n pushl $0\n pushl $0\n"	/* gs fs ds es */
	"pushl $0\n pushl $0x6000\n"			/* ss sp */
	"pushl $0x20002\n"				/* VM */
	"pushl $0x800\n pushl $0x180\n"			/* cs ip */
	"iret\n"
	ORG(0x180)
	".code16\n"
	"mov $0x1234, %ax\n"
	"mov %cs, %bx\n"
	"hlt\n"
	".code32\n"
	HANDLERS);

TEST(virtual_8086, "a virtual-8086 task runs and faults into its monitor")
{
	struct vmm_vcpu *vcpu = boot(VMM_PROT32, to_vm86);
	uint32_t *frame;

	*(uint8_t *)(vcpu->vm->ram + GPA_GDT + SEL_TSS + 5) = 0x89;
	*(uint32_t *)(vcpu->vm->ram + GPA_TSS + 4) = 0x6800;	/* ESP0 */
	*(uint32_t *)(vcpu->vm->ram + GPA_TSS + 8) = SEL_DATA32;
	frame = (uint32_t *)fault(vcpu, 13);
	CHECK_EQ(frame[0], 0);
	CHECK_EQ(frame[1], 0x185);
	CHECK_EQ(frame[2], 0x800);
	CHECK_EQ(frame[3] & 0x20000, 0x20000);
	CHECK_EQ(vmm_regs(vcpu).rax & 0xffff, 0x1234);
	CHECK_EQ(vmm_regs(vcpu).rbx & 0xffff, 0x800);
}
