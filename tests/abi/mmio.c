// SPDX-License-Identifier: GPL-2.0-only
/* KVM_EXIT_MMIO: the mov forms, in every mode, at every kind of address. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BEFORE	0x1122334455667788ull	/* in RAX before the access */
#define ANSWER	0x8182838485868788ull	/* what the device says */

/* One instruction that accesses GPA_MMIO by RSI; the result is in RAX. */
struct form {
	const struct vmm_blob *code;
	const char *text;
	unsigned int len;
	uint64_t expected;	/* RAX after a read; the data of a write */
};

#define FORM(name, insn) GUEST(name, 64, insn "\nhlt\n")

static struct vmm_vcpu *boot(void)
{
	static const struct vmm_blob none = { NULL, NULL };

	return vmm_boot(SZ_1M, VMM_LONG, none);
}

static void start_form(struct vmm_vcpu *vcpu, struct vmm_blob code,
		       uint64_t gva)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rsi = gva, .rax = BEFORE, .rbx = BEFORE, .rcx = 2,
		.r14 = gva, .r9 = BEFORE,
	};

	vmm_load(vcpu->vm, GPA_CODE, code);
	vmm_set_regs(vcpu, &regs);
}

static void read_forms(const struct form *form, unsigned int n)
{
	struct vmm_vcpu *vcpu = boot();

	for (; n; n--, form++) {
		uint64_t rax;

		start_form(vcpu, *form->code, GPA_MMIO);
		vmm_run_to_mmio(vcpu, false, GPA_MMIO, form->len);
		vmm_mmio_answer(vcpu, ANSWER);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		rax = vmm_regs(vcpu).rax;
		CHECKF(rax == form->expected, "%s: RAX 0x%llx, expected 0x%llx",
		       form->text, (unsigned long long)rax,
		       (unsigned long long)form->expected);
		CHECK_EQ(vmm_regs(vcpu).rip,
			 GPA_CODE + (form->code->end - form->code->start));
	}
}

static void write_forms(const struct form *form, unsigned int n)
{
	struct vmm_vcpu *vcpu = boot();

	for (; n; n--, form++) {
		uint64_t data;

		start_form(vcpu, *form->code, GPA_MMIO);
		data = vmm_run_to_mmio(vcpu, true, GPA_MMIO, form->len);
		CHECKF(data == form->expected,
		       "%s: wrote 0x%llx, expected 0x%llx", form->text,
		       (unsigned long long)data,
		       (unsigned long long)form->expected);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, BEFORE);
		CHECK_EQ(vmm_regs(vcpu).rip,
			 GPA_CODE + (form->code->end - form->code->start));
	}
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

FORM(load8, "mov (%rsi), %al");
FORM(load8_high, "mov (%rsi), %ah");
FORM(load16, "mov (%rsi), %ax");
FORM(load32, "mov (%rsi), %eax");
FORM(load64, "mov (%rsi), %rax");

TEST(read_sizes, "mov reads of 1, 2, 4 and 8 bytes")
{
	static const struct form forms[] = {
		{ &load8, "mov al", 1, 0x1122334455667788ull },
		{ &load8_high, "mov ah", 1, 0x1122334455668888ull },
		{ &load16, "mov ax", 2, 0x1122334455668788ull },
		{ &load32, "mov eax", 4, 0x85868788ull },
		{ &load64, "mov rax", 8, ANSWER },
	};

	read_forms(forms, N(forms));
}

FORM(movzx8_16, "movzbw (%rsi), %ax");
FORM(movzx8_32, "movzbl (%rsi), %eax");
FORM(movzx8_64, "movzbq (%rsi), %rax");
FORM(movzx16_32, "movzwl (%rsi), %eax");
FORM(movzx16_64, "movzwq (%rsi), %rax");
FORM(movsx8_16, "movsbw (%rsi), %ax");
FORM(movsx8_32, "movsbl (%rsi), %eax");
FORM(movsx8_64, "movsbq (%rsi), %rax");
FORM(movsx16_32, "movswl (%rsi), %eax");
FORM(movsx16_64, "movswq (%rsi), %rax");
FORM(movsx32_64, "movslq (%rsi), %rax");

TEST(read_extended, "movzx, movsx and movsxd")
{
	static const struct form forms[] = {
		{ &movzx8_16, "movzbw", 1, 0x1122334455660088ull },
		{ &movzx8_32, "movzbl", 1, 0x88 },
		{ &movzx8_64, "movzbq", 1, 0x88 },
		{ &movzx16_32, "movzwl", 2, 0x8788 },
		{ &movzx16_64, "movzwq", 2, 0x8788 },
		{ &movsx8_16, "movsbw", 1, 0x112233445566ff88ull },
		{ &movsx8_32, "movsbl", 1, 0xffffff88 },
		{ &movsx8_64, "movsbq", 1, 0xffffffffffffff88ull },
		{ &movsx16_32, "movswl", 2, 0xffff8788 },
		{ &movsx16_64, "movswq", 2, 0xffffffffffff8788ull },
		{ &movsx32_64, "movslq", 4, 0xffffffff85868788ull },
	};

	read_forms(forms, N(forms));
}

FORM(moffs_load8, "movabs 0xd0000000, %al");
FORM(moffs_load16, "movabs 0xd0000000, %ax");
FORM(moffs_load32, "movabs 0xd0000000, %eax");
FORM(moffs_load64, "movabs 0xd0000000, %rax");

TEST(read_moffs, "mov from a 64-bit absolute address")
{
	static const struct form forms[] = {
		{ &moffs_load8, "al", 1, 0x1122334455667788ull },
		{ &moffs_load16, "ax", 2, 0x1122334455668788ull },
		{ &moffs_load32, "eax", 4, 0x85868788ull },
		{ &moffs_load64, "rax", 8, ANSWER },
	};

	read_forms(forms, N(forms));
}

FORM(load_rex, "mov (%r14), %r9d\nmov %r9, %rax");
FORM(load_sib, "mov -8(%rsi,%rcx,4), %eax");
FORM(load_disp8, "add $0x40, %rsi\nmov -0x40(%rsi), %eax");
FORM(load_disp32, "sub $0x12345, %rsi\nmov 0x12345(%rsi), %eax");
FORM(load_addr32, "mov $0xffffffff, %ecx\nshl $32, %rcx\n"
	"add %rcx, %rsi\nmov (%esi), %eax");
FORM(load_rip, "mov 0x10000000 - 0x8000 - 7(%rip), %rax");
FORM(load_cs, "mov %cs:(%rsi), %eax");
FORM(load_nobase, "mov -8(,%r14,1), %eax\nnop\nmov %r9, %r9");

TEST(read_addressing, "SIB, displacement, RIP-relative, REX and prefixes")
{
	static const struct form forms[] = {
		{ &load_rex, "(r14) to r9d", 4, 0x85868788ull },
		{ &load_sib, "-8(rsi,rcx,4)", 4, 0x85868788ull },
		{ &load_disp8, "-0x40(rsi)", 4, 0x85868788ull },
		{ &load_disp32, "0x12345(rsi)", 4, 0x85868788ull },
		{ &load_addr32, "(esi)", 4, 0x85868788ull },
		{ &load_cs, "cs:(rsi)", 4, 0x85868788ull },
	};
	struct vmm_vcpu *vcpu = boot();

	read_forms(forms, N(forms));
	start_form(vcpu, load_nobase, GPA_MMIO + 8);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
	vmm_mmio_answer(vcpu, ANSWER);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x85868788);
	start_form(vcpu, load_rip, 0);
	vmm_run_to_mmio(vcpu, false, 0x10000000, 8);
	vmm_mmio_answer(vcpu, ANSWER);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, ANSWER);
}

FORM(store8, "mov %al, (%rsi)");
FORM(store8_high, "mov %ah, (%rsi)");
FORM(store16, "mov %ax, (%rsi)");
FORM(store32, "mov %eax, (%rsi)");
FORM(store64, "mov %rax, (%rsi)");
FORM(store_r9b, "mov %r9b, (%r14)");
FORM(store_sib, "mov %r9, -8(%r14,%rcx,4)");

TEST(write_sizes, "mov writes of 1, 2, 4 and 8 bytes")
{
	static const struct form forms[] = {
		{ &store8, "mov al", 1, 0x88 },
		{ &store8_high, "mov ah", 1, 0x77 },
		{ &store16, "mov ax", 2, 0x7788 },
		{ &store32, "mov eax", 4, 0x55667788 },
		{ &store64, "mov rax", 8, BEFORE },
		{ &store_r9b, "mov r9b", 1, 0x88 },
		{ &store_sib, "mov r9, -8(r14,rcx,4)", 8, BEFORE },
	};

	write_forms(forms, N(forms));
}

FORM(imm8, "movb $0xa5, (%rsi)");
FORM(imm16, "movw $0xa5b6, (%rsi)");
FORM(imm32, "movl $0xa5b6c7d8, (%rsi)");
FORM(imm64, "movq $-0x12345678, (%rsi)");
FORM(moffs_store8, "movabs %al, 0xd0000000");
FORM(moffs_store32, "movabs %eax, 0xd0000000");
FORM(moffs_store64, "movabs %rax, 0xd0000000");

TEST(write_immediate, "mov writes of immediates and to absolute addresses")
{
	static const struct form forms[] = {
		{ &imm8, "imm8", 1, 0xa5 },
		{ &imm16, "imm16", 2, 0xa5b6 },
		{ &imm32, "imm32", 4, 0xa5b6c7d8 },
		{ &imm64, "imm32 to 64", 8, 0xffffffffedcba988ull },
		{ &moffs_store8, "moffs al", 1, 0x88 },
		{ &moffs_store32, "moffs eax", 4, 0x55667788 },
		{ &moffs_store64, "moffs rax", 8, BEFORE },
	};

	write_forms(forms, N(forms));
}

TEST(flags_kept, "mov changes no flag, whatever the device answers")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		/* All six arithmetic flags, then none. */
		uint64_t flags = i ? 2 : 0x8d7;

		start_form(vcpu, i ? store32 : load32, GPA_MMIO);
		regs = vmm_regs(vcpu);
		regs.rflags = flags;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to_mmio(vcpu, i, GPA_MMIO, 4);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rflags & ~(1ull << 16), flags);
	}
}

TEST(unaligned, "an unaligned access within a page is one exit")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int offset;

	for (offset = 1; offset < 16; offset += 2) {
		start_form(vcpu, load64, GPA_MMIO + offset);
		vmm_run_to_mmio(vcpu, false, GPA_MMIO + offset, 8);
		vmm_mmio_answer(vcpu, ANSWER + offset);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, ANSWER + offset);
		start_form(vcpu, store32, GPA_MMIO + offset);
		CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + offset, 4),
			 BEFORE & 0xffffffff);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
	}
}

TEST(crossing_pages, "an access across a page boundary exits once per page")
{
	struct vmm_vcpu *vcpu = boot();
	unsigned int part;

	for (part = 1; part < 8; part++) {
		uint64_t gpa = GPA_MMIO + SZ_4K - part;
		uint64_t low = (1ull << part * 8) - 1;

		start_form(vcpu, load64, gpa);
		vmm_run_to_mmio(vcpu, false, gpa, part);
		vmm_mmio_answer(vcpu, ANSWER & low);
		vmm_run_to_mmio(vcpu, false, GPA_MMIO + SZ_4K, 8 - part);
		vmm_mmio_answer(vcpu, ANSWER >> part * 8);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, ANSWER);

		start_form(vcpu, store64, gpa);
		CHECK_EQ(vmm_run_to_mmio(vcpu, true, gpa, part), BEFORE & low);
		CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + SZ_4K,
					 8 - part), BEFORE >> part * 8);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
	}
}

TEST(crossing_from_memory, "an access that starts in memory and ends outside")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = vmm_map_anon(SZ_4K);
	uint64_t end = GPA_MMIO + SZ_4K;

	vmm_slot(vcpu->vm, 1, 0, GPA_MMIO, SZ_4K, hva);
	hva[511] = 0xaabbccdd00000000ull;
	start_form(vcpu, load64, end - 4);
	vmm_run_to_mmio(vcpu, false, end, 4);
	vmm_mmio_answer(vcpu, 0x11223344);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x11223344aabbccddull);

	start_form(vcpu, store64, end - 4);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, end, 4), BEFORE >> 32);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(hva[511], 0x5566778800000000ull);
}

TEST(crossing_to_memory, "an access that starts outside and ends in memory")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t *hva = vmm_map_anon(SZ_4K);

	vmm_slot(vcpu->vm, 1, 0, GPA_MMIO, SZ_4K, hva);
	hva[0] = 0xaabbccdd;
	start_form(vcpu, load64, GPA_MMIO - 4);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO - 4, 4);
	vmm_mmio_answer(vcpu, 0x11223344);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 0xaabbccdd11223344ull);

	start_form(vcpu, store64, GPA_MMIO - 4);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO - 4, 4),
		 BEFORE & 0xffffffff);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(hva[0], BEFORE >> 32);
}

TEST(through_page_tables, "the exit names the guest-physical address")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t cr3 = vmm_sregs(vcpu).cr3, va = 0xffff900000000000ull;

	vmm_map(vcpu->vm, VMM_LONG, cr3, va, GPA_MMIO + 5 * SZ_4K, SZ_4K,
		PTE_P | PTE_W);
	vmm_map(vcpu->vm, VMM_LONG, cr3, va + SZ_4K, GPA_MMIO + 9 * SZ_4K,
		SZ_4K, PTE_P | PTE_W);
	start_form(vcpu, load32, va + 0x123);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO + 5 * SZ_4K + 0x123, 4);
	vmm_mmio_answer(vcpu, ANSWER);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	/* Neighbours in virtual, not in physical memory. */
	start_form(vcpu, store64, va + SZ_4K - 2);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + 6 * SZ_4K - 2, 2),
		 0x7788);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + 9 * SZ_4K, 6),
		 0x112233445566ull);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

GUEST(real_access, 16,
	"mov $0xa000, %ax\n"
	"mov %ax, %es\n"
	"mov $0x1234, %ax\n"
	"movb %al, %es:0x10\n"
	"movw %ax, %es:(%si)\n"
	"movl $0xdeadbeef, %es:4(%bx,%si)\n"
	"mov %es:0x20, %ax\n"
	"mov %es:0x22, %cl\n"
	"movzbl %es:0x23, %edx\n"
	"hlt\n");

TEST(real_mode, "real mode through a segment register")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, real_access);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rsi = 0x100;
	regs.rbx = 0x200;
	vmm_set_regs(vcpu, &regs);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, 0xa0010, 1), 0x34);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, 0xa0100, 2), 0x1234);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, 0xa0304, 4), 0xdeadbeef);
	vmm_run_to_mmio(vcpu, false, 0xa0020, 2);
	vmm_mmio_answer(vcpu, 0xcafe);
	vmm_run_to_mmio(vcpu, false, 0xa0022, 1);
	vmm_mmio_answer(vcpu, 0x99);
	vmm_run_to_mmio(vcpu, false, 0xa0023, 1);
	vmm_mmio_answer(vcpu, 0x80);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rax, 0xcafe);
	CHECK_EQ(regs.rcx, 0x99);
	CHECK_EQ(regs.rdx, 0x80);
}

GUEST(access16, 16,
	"mov (%esi), %eax\n"
	"mov %ax, 4(%esi)\n"
	"movb $0x42, 0x10(%esi,%ebx)\n"
	"hlt\n");
GUEST(access32, 32,
	"mov (%esi), %eax\n"
	"mov %ax, 4(%esi)\n"
	"movb $0x42, 0x10(%esi,%ebx)\n"
	"hlt\n");
GUEST(access64, 64,
	"mov (%esi), %eax\n"
	"mov %ax, 4(%esi)\n"
	"movb $0x42, 0x10(%esi,%ebx)\n"
	"hlt\n");

TEST(every_mode, "a read and two writes in every processor mode")
{
	enum vmm_mode mode;

	for (mode = VMM_BIGREAL; mode < VMM_MODES; mode++) {
		struct vmm_blob code = access32;
		struct vmm_vcpu *vcpu;
		struct kvm_regs regs;

		if (mode == VMM_BIGREAL || mode == VMM_PROT16)
			code = access16;
		if (mode == VMM_LONG)
			code = access64;
		vcpu = vmm_boot(SZ_1M, mode, code);
		regs = vmm_regs(vcpu);
		regs.rsi = GPA_MMIO;
		regs.rbx = 3;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
		vmm_mmio_answer(vcpu, ANSWER);
		CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + 4, 2), 0x8788);
		CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + 0x13, 1), 0x42);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, 0x85868788);
		vmm_destroy(vcpu->vm);
	}
}

GUEST(moffs32, 32,
	"mov 0xd0000000, %eax\n"
	"mov %al, 0xd0000001\n"
	"hlt\n");

TEST(moffs_32bit, "mov with a 32-bit absolute address")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_PROT32, moffs32);

	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
	vmm_mmio_answer(vcpu, 0x12345678);
	CHECK_EQ(vmm_run_to_mmio(vcpu, true, GPA_MMIO + 1, 1), 0x78);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

/* Writes a counter, reads it back, RCX times; RDX counts the mismatches. */
GUEST(echo, 64,
	"1: mov %rcx, (%rsi)\n"
	"mov (%rsi), %rax\n"
	"cmp %rcx, %rax\n"
	"je 2f\n"
	"inc %rdx\n"
	"2: dec %rcx\n"
	"jnz 1b\n"
	"hlt\n");

TEST(many_accesses, "ten thousand accesses keep their order and their data")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, echo);
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t i, device;

	regs.rsi = GPA_MMIO;
	regs.rcx = tap_scaled(5000, 500);
	vmm_set_regs(vcpu, &regs);
	for (i = regs.rcx; i; i--) {
		device = vmm_run_to_mmio(vcpu, true, GPA_MMIO, 8);
		CHECK_EQ(device, i);
		vmm_run_to_mmio(vcpu, false, GPA_MMIO, 8);
		vmm_mmio_answer(vcpu, device);
	}
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rdx, 0);
}

TEST(page_fault_first, "an access the guest's page tables forbid is no MMIO")
{
	struct vmm_vcpu *vcpu = boot();
	uint64_t cr3 = vmm_sregs(vcpu).cr3, va = 0x7f0000000000ull;

	/* Mapped read-only: reads exit, writes fault in the guest (no IDT). */
	vmm_map(vcpu->vm, VMM_LONG, cr3, va, GPA_MMIO, SZ_4K, PTE_P);
	start_form(vcpu, load32, va);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	start_form(vcpu, store32, va);
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
}
