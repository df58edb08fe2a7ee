// SPDX-License-Identifier: GPL-2.0-only
/* Processor modes: what makes each of them different, and the ways between. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

GUEST_FILE(switch_modes);

/* Control-register bits that tell the modes apart, by the guest's number. */
static const struct {
	enum vmm_mode mode;
	bool paging, pae, lma;
	uint8_t db, l;
} reached[] = {
	[1] = { VMM_REAL, false, false, false, 0, 0 },
	[2] = { VMM_PROT16, false, false, false, 0, 0 },
	[3] = { VMM_PROT32, false, false, false, 1, 0 },
	[4] = { VMM_PAGE32, true, false, false, 1, 0 },
	[5] = { VMM_PAE, true, true, false, 1, 0 },
	[6] = { VMM_COMPAT, true, true, true, 1, 0 },
	[7] = { VMM_LONG, true, true, true, 0, 1 },
};

static void check_reached(struct vmm_vcpu *vcpu, unsigned int number)
{
	struct kvm_sregs s = vmm_sregs(vcpu);

	CHECK_EQ(s.cr0 & X86_CR0_PE, number > 1 ? X86_CR0_PE : 0);
	CHECK_EQ(!!(s.cr0 & X86_CR0_PG), reached[number].paging);
	CHECK_EQ(!!(s.cr4 & X86_CR4_PAE), reached[number].pae);
	CHECK_EQ(!!(s.efer & X86_EFER_LMA), reached[number].lma);
	CHECK_EQ(!!(s.efer & X86_EFER_LME), reached[number].lma);
	CHECK_EQ(s.cs.db, reached[number].db);
	CHECK_EQ(s.cs.l, reached[number].l);
}

/*
 * QEMU's TCG sets the accessed bit in PAE page-directory pointers, where it is
 * reserved: the next load of CR3 or CR0.PG with that table would fault.
 */
static void clean_pointers(struct vmm_vcpu *vcpu)
{
	uint64_t *pointers = (uint64_t *)(vcpu->vm->ram + vmm_regs(vcpu).rdi);
	int i;

	for (i = 0; i < 4; i++)
		pointers[i] &= ~PTE_A;
}

static void set_roots(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rsi = vmm_identity(vcpu->vm, VMM_PAGE32);
	regs.rdi = vmm_identity(vcpu->vm, VMM_PAE);
	regs.rbp = vmm_identity(vcpu->vm, VMM_LONG);
	vmm_set_regs(vcpu, &regs);
}

static const uint8_t walk[] = { 1, 2, 3, 4, 5, 6, 7, 6, 3 };

TEST(switching, "a guest walks through seven modes and back, many times")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_REAL, switch_modes);
	unsigned long round, rounds = tap_scaled(50, 5);
	unsigned int i;

	set_roots(vcpu);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < sizeof(walk); i++) {
			CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 1), walk[i]);
			check_reached(vcpu, walk[i]);
		}
		clean_pointers(vcpu);
	}
	CHECK_EQ(vmm_regs(vcpu).r15, 0x123456789abcdef0ull);
}

TEST(switching_while_moved, "the same with the thread moved between CPUs")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_REAL, switch_modes);
	unsigned long round, rounds = tap_scaled(20, 3);
	unsigned int i, cpu = 0;

	if (vmm_cpus() < 2)
		SKIP("only one CPU to be on");
	set_roots(vcpu);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < sizeof(walk); i++) {
			vmm_pin(cpu++);
			CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 1), walk[i]);
			check_reached(vcpu, walk[i]);
		}
		clean_pointers(vcpu);
	}
}

TEST(set_by_sregs, "one vcpu is put into every mode in turn, in any order")
{
	static const uint8_t order[] = { 7, 1, 4, 5, 3, 6, 2, 7, 5, 1, 6, 4 };
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	unsigned int i;

	/* OUT 0x10 and HLT are the same bytes in every mode. */
	memcpy(vm->ram + GPA_CODE, "\xe6\x10\xf4", 3);
	for (i = 0; i < sizeof(order); i++) {
		vmm_set_mode(vcpu, reached[order[i]].mode);
		vmm_run_to_out(vcpu, 0x10, 1);
		check_reached(vcpu, order[i]);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		vm->next_table = GPA_TABLES;
	}
}

/* 0x40 is INC eAX in 16- and 32-bit code and a REX prefix in 64-bit code. */
TEST(operand_size, "the same bytes mean what they mean in each mode")
{
	/* inc %ax or rex; mov $imm16/imm32, ...; hlt, hlt, hlt */
	static const uint8_t code[] = {
		0x40, 0xb8, 0x11, 0x22, 0xf4, 0xf4, 0xf4,
	};
	enum vmm_mode mode;

	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		struct vmm *vm = vmm_create(SZ_1M);
		struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
		bool is16 = mode <= VMM_PROT16;

		memcpy(vm->ram + GPA_CODE, code, sizeof(code));
		vmm_set_mode(vcpu, mode);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + (is16 ? 5 : 7));
		CHECK_EQ(vmm_regs(vcpu).rax, is16 ? 0x2211 : 0xf4f42211);
		vmm_destroy(vm);
	}
}

GUEST(real_segments, 16,
	"mov $0x1000, %ax\n"
	"mov %ax, %ds\n"
	"mov $0xffff, %ax\n"
	"mov %ax, %es\n"
	"movl $0x11111111, 0x20\n"
	"movl $0x22222222, %es:0x30\n"
	"mov %ss:0xc000, %ebx\n"
	"ljmp $0x900, $2f - 9990b - 0x1000\n"
	ORG(0x1000)
	"2: mov %cs, %cx\n"
	"push $0x1234\n"
	"hlt\n");

TEST(real_segmentation, "real-mode addresses are selector * 16 + offset")
{
	struct vmm_vcpu *vcpu = vmm_boot(2 * SZ_1M, VMM_REAL, real_segments);
	uint8_t *ram = vcpu->vm->ram;

	*(uint32_t *)(ram + 0xc000) = 0x33333333;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(*(uint32_t *)(ram + 0x10020), 0x11111111);
	/* No A20 gate: 0xffff0 + 0x30 is above 1 MiB. */
	CHECK_EQ(*(uint32_t *)(ram + 0x100020), 0x22222222);
	CHECK_EQ(*(uint32_t *)(ram + 0x20), 0);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x33333333);
	CHECK_EQ(vmm_regs(vcpu).rcx, 0x900);
	CHECK_EQ(vmm_regs(vcpu).rsp, GPA_STACK - 2);
	CHECK_EQ(*(uint16_t *)(ram + GPA_STACK - 2), 0x1234);
	CHECK_EQ(vmm_sregs(vcpu).cs.base, 0x9000);
	CHECK_EQ(vmm_sregs(vcpu).ds.base, 0x10000);
}

TEST(real_odd_base, "real mode with a base that is not selector * 16")
{
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	/* out %al, $0x10; hlt */
	memcpy(vm->ram + 0x54321 + 0x100, "\xe6\x10\xf4", 3);
	vmm_set_mode(vcpu, VMM_REAL);
	sregs = vmm_sregs(vcpu);
	sregs.cs.selector = 0x1234;
	sregs.cs.base = 0x54321;
	vmm_set_sregs(vcpu, &sregs);
	regs = vmm_regs(vcpu);
	regs.rip = 0x100;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to_out(vcpu, 0x10, 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_sregs(vcpu).cs.base, 0x54321);
}

/* Reads beyond the limit of DS; the handler of #GP stops with RBX = 13. */
GUEST(beyond_limit, 32,
	"mov 0x1ffc, %eax\n"
	"mov 0x2000, %eax\n"
	"hlt\n"
	ORG(0x100)
	"pop %ecx\n"
	"mov $13, %ebx\n"
	"hlt\n");

TEST(segment_limit, "a protected-mode segment ends at its limit")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_PROT32, beyond_limit);
	struct kvm_sregs sregs = vmm_sregs(vcpu);

	if (vmm_on_tcg())
		SKIP("QEMU's TCG checks no segment limits");
	*(uint32_t *)(vcpu->vm->ram + 0x61ffc) = 0x12345678;
	sregs.ds.base = 0x60000;
	sregs.ds.limit = 0x1fff;
	sregs.ds.g = 0;
	vmm_set_sregs(vcpu, &sregs);
	vmm_gate(vcpu, 13, GPA_CODE + 0x100);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 13);
	CHECK_EQ(vmm_regs(vcpu).rcx, 0);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x12345678);
}

TEST(page_sizes, "long mode with pages of 4 KiB, 2 MiB and 1 GiB")
{
	static const uint8_t code[] = { 0xf4 };
	static const struct vmm_blob hlt = { code, code + 1 };
	struct vmm_vcpu *vcpu = vmm_boot(8 * SZ_1M, VMM_LONG, hlt);
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vcpu->vm->dev);
	uint64_t cr3 = vmm_sregs(vcpu).cr3;
	uint64_t *word = (uint64_t *)(vcpu->vm->ram + 0x345678);

	*word = 0x1122334455667788ull;
	vmm_map(vcpu->vm, VMM_LONG, cr3, 0x7f0000000000ull, 0x345000, SZ_4K,
		PTE_P | PTE_W);
	CHECK_EQ(vmm_peek(vcpu, 0x7f0000000678ull), *word);
	vmm_map(vcpu->vm, VMM_LONG, cr3, 0x7f0040000000ull, 0x200000, SZ_2M,
		PTE_P | PTE_W);
	CHECK_EQ(vmm_peek(vcpu, 0x7f0040145678ull), *word);
	if (!(vmm_cpuid_find(cpuid, 0x80000001, 0)->edx & (1u << 26))) {
		tap_diag("this CPU has no 1 GiB pages");
		return;
	}
	vmm_map(vcpu->vm, VMM_LONG, cr3, 0xffff800000000000ull, 0, SZ_1G,
		PTE_P | PTE_W);
	CHECK_EQ(vmm_peek(vcpu, 0xffff800000345678ull), *word);
	vmm_poke(vcpu, 0xffff800000345678ull, 42);
	CHECK_EQ(*word, 42);
	CHECK_EQ(vmm_peek(vcpu, 0x7f0000000678ull), 42);
}

TEST(accessed_dirty, "the CPU sets A and D in the guest's page tables")
{
	static const uint8_t code[] = { 0xf4 };
	static const struct vmm_blob hlt = { code, code + 1 };
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, hlt);
	uint64_t cr3 = vmm_sregs(vcpu).cr3, *pte;

	vmm_map(vcpu->vm, VMM_LONG, cr3, 0x7f0000000000ull, 0xb0000, SZ_4K,
		PTE_P | PTE_W);
	/* The table that was made last is the one with the entry. */
	pte = (uint64_t *)(vcpu->vm->ram + vcpu->vm->next_table - SZ_4K);
	CHECK_EQ(*pte, 0xb0000 | PTE_P | PTE_W);
	vmm_peek(vcpu, 0x7f0000000000ull);
	CHECK_EQ(*pte, 0xb0000 | PTE_P | PTE_W | PTE_A);
	vmm_poke(vcpu, 0x7f0000000000ull, 1);
	CHECK_EQ(*pte, 0xb0000 | PTE_P | PTE_W | PTE_A | PTE_D);
}

/* Changes a page-table entry, INVLPGs, reads; then the same by CR3. */
GUEST(remap, 64,
	"mov (%rsi), %r8\n"
	"mov %rax, (%rdi)\n"
	"invlpg (%rsi)\n"
	"mov (%rsi), %r9\n"
	"mov %rbx, (%rdi)\n"
	"mov %cr3, %rcx\n"
	"mov %rcx, %cr3\n"
	"mov (%rsi), %r10\n"
	"hlt\n");

TEST(guest_remaps, "a guest that changes its page tables sees the change")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, remap);
	uint64_t cr3 = vmm_sregs(vcpu).cr3;
	uint8_t *ram = vcpu->vm->ram;
	struct kvm_regs regs = vmm_regs(vcpu);

	*(uint64_t *)(ram + 0xb0000) = 1;
	*(uint64_t *)(ram + 0xb1000) = 2;
	*(uint64_t *)(ram + 0xb2000) = 3;
	vmm_map(vcpu->vm, VMM_LONG, cr3, 0x7f0000000000ull, 0xb0000, SZ_4K,
		PTE_P | PTE_W);
	regs.rsi = 0x7f0000000000ull;
	regs.rdi = vcpu->vm->next_table - SZ_4K;
	regs.rax = 0xb1000 | PTE_P | PTE_W;
	regs.rbx = 0xb2000 | PTE_P | PTE_W;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.r8, 1);
	CHECK_EQ(regs.r9, 2);
	CHECK_EQ(regs.r10, 3);
}

TEST(host_changes_cr3, "KVM_SET_SREGS with another CR3 changes the memory seen")
{
	static const uint8_t code[] = { 0xf4 };
	static const struct vmm_blob hlt = { code, code + 1 };
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, hlt);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	uint64_t roots[2], va = 0x7f0000000000ull;
	uint8_t *ram = vcpu->vm->ram;
	int i;

	roots[0] = sregs.cr3;
	roots[1] = vmm_identity(vcpu->vm, VMM_LONG);
	for (i = 0; i < 2; i++) {
		*(uint64_t *)(ram + 0xb0000 + i * SZ_4K) = 100 + i;
		vmm_map(vcpu->vm, VMM_LONG, roots[i], va, 0xb0000 + i * SZ_4K,
			SZ_4K, PTE_P | PTE_W);
	}
	for (i = 0; i < 6; i++) {
		sregs.cr3 = roots[i % 2];
		vmm_set_sregs(vcpu, &sregs);
		CHECK_EQ(vmm_peek(vcpu, va), 100 + i % 2);
	}
}
