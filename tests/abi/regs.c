// SPDX-License-Identifier: GPL-2.0-only
/* General and special registers: through the ioctls and as the guest sees them. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

GUEST(stop, 64, "nop\nhlt\n");

/* Fills with a value that differs for every register and every @seed. */
static struct kvm_regs numbered(uint64_t seed)
{
	struct kvm_regs regs;
	uint64_t *r = (uint64_t *)&regs;
	unsigned int i;

	for (i = 0; i < 16; i++)
		r[i] = seed * 0x0101010101010101ull + i * 0x1111;
	regs.rip = GPA_CODE;
	regs.rflags = 2;
	return regs;
}

static void check_equal(const struct kvm_regs *got, const struct kvm_regs *want)
{
	static const char *const names[] = {
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8",
		"r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags",
	};
	const uint64_t *g = (const uint64_t *)got, *w = (const uint64_t *)want;
	unsigned int i;

	for (i = 0; i < 18; i++)
		CHECKF(g[i] == w[i], "%s is 0x%llx, expected 0x%llx", names[i],
		       (unsigned long long)g[i], (unsigned long long)w[i]);
}

TEST(regs_round_trip, "KVM_GET_REGS returns what KVM_SET_REGS set")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, stop);
	struct kvm_regs want, got;
	uint64_t seed;

	for (seed = 1; seed < 250; seed += 50) {
		want = numbered(seed);
		vmm_set_regs(vcpu, &want);
		got = vmm_regs(vcpu);
		check_equal(&got, &want);
	}
}

TEST(regs_survive_run, "registers the guest does not touch come back unchanged")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, stop);
	struct kvm_regs want = numbered(0x80), got;

	vmm_set_regs(vcpu, &want);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	got = vmm_regs(vcpu);
	want.rip += 2;
	check_equal(&got, &want);
}

/* Stores all registers at 0x7000, then counts every one of them up by one. */
GUEST(all_registers, 64,
	"mov %rax, 0x7000\n" "mov %rbx, 0x7008\n" "mov %rcx, 0x7010\n"
	"mov %rdx, 0x7018\n" "mov %rsi, 0x7020\n" "mov %rdi, 0x7028\n"
	"mov %rsp, 0x7030\n" "mov %rbp, 0x7038\n" "mov %r8, 0x7040\n"
	"mov %r9, 0x7048\n" "mov %r10, 0x7050\n" "mov %r11, 0x7058\n"
	"mov %r12, 0x7060\n" "mov %r13, 0x7068\n" "mov %r14, 0x7070\n"
	"mov %r15, 0x7078\n"
	"inc %rax\n" "inc %rbx\n" "inc %rcx\n" "inc %rdx\n" "inc %rsi\n"
	"inc %rdi\n" "inc %rsp\n" "inc %rbp\n" "inc %r8\n" "inc %r9\n"
	"inc %r10\n" "inc %r11\n" "inc %r12\n" "inc %r13\n" "inc %r14\n"
	"inc %r15\n"
	"hlt\n");

TEST(regs_in_guest, "the guest sees every register, the host every change")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, all_registers);
	uint64_t *seen = (uint64_t *)(vcpu->vm->ram + GPA_DATA);
	uint64_t seed;
	int i;

	for (seed = 3; seed < 250; seed += 60) {
		struct kvm_regs want = numbered(seed), got;
		uint64_t *w = (uint64_t *)&want, *g = (uint64_t *)&got;

		vmm_set_regs(vcpu, &want);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		got = vmm_regs(vcpu);
		for (i = 0; i < 16; i++) {
			CHECKF(seen[i] == w[i], "register %d in the guest", i);
			CHECKF(g[i] == w[i] + 1, "register %d afterwards", i);
		}
	}
}

/*
 * Loads every register with a value of its own, exits in six different ways,
 * and leaves in RAX how many registers had changed.
 */
#define CHANGED(reg, value) \
	"cmp $" #value ", %" #reg "\n setne %al\n movzbl %al, %eax\n" \
	"add %rax, 0x7000\n"
#define ALL_CHANGED \
	CHANGED(rsi, 0x1106) CHANGED(rdi, 0x1107) CHANGED(rbp, 0x1108) \
	CHANGED(r8, 0x1109) CHANGED(r9, 0x110a) CHANGED(r10, 0x110b) \
	CHANGED(r11, 0x110c) CHANGED(r12, 0x110d) CHANGED(r13, 0x110e) \
	CHANGED(r14, 0x110f) CHANGED(r15, 0x1110) CHANGED(rsp, 0x7000)

GUEST(exits_keep, 64,
	"movq $0, 0x7000\n"
	"mov $0x1106, %esi\n" "mov $0x1107, %edi\n" "mov $0x1108, %ebp\n"
	"mov $0x1109, %r8d\n" "mov $0x110a, %r9d\n" "mov $0x110b, %r10d\n"
	"mov $0x110c, %r11d\n" "mov $0x110d, %r12d\n" "mov $0x110e, %r13d\n"
	"mov $0x110f, %r14d\n" "mov $0x1110, %r15d\n"
	"out %al, $0x10\n" ALL_CHANGED
	"in $0x10, %al\n" ALL_CHANGED
	"xor %eax, %eax\n xor %ecx, %ecx\n cpuid\n" ALL_CHANGED
	"mov $0xd0000000, %edx\n mov %eax, (%rdx)\n" ALL_CHANGED
	"mov (%rdx), %ebx\n" ALL_CHANGED
	"mov $0x90000, %edx\n mov (%rdx), %ebx\n" ALL_CHANGED
	"hlt\n");

TEST(gprs_survive_exit, "no kind of exit changes a register of the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, exits_keep);
	unsigned int exits = 0;

	while (!vmm_run(vcpu) && vcpu->run->exit_reason != KVM_EXIT_HLT)
		exits++;
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(exits, 4);
	CHECK_EQ(*(uint64_t *)(vcpu->vm->ram + GPA_DATA), 0);
}

TEST(regs_of_two_vcpus, "the registers of two vcpus do not mix")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *a = vmm_vcpu_add(vm), *b = vmm_vcpu_add(vm);
	struct kvm_regs ra = numbered(0x21), rb = numbered(0x84), got;
	int i;

	vmm_load(vm, GPA_CODE, stop);
	vmm_set_mode(a, VMM_LONG);
	vmm_set_mode(b, VMM_LONG);
	for (i = 0; i < 3; i++) {
		ra.rip = GPA_CODE;
		rb.rip = GPA_CODE;
		vmm_set_regs(a, &ra);
		vmm_set_regs(b, &rb);
		vmm_run_to(a, KVM_EXIT_HLT);
		vmm_run_to(b, KVM_EXIT_HLT);
		ra.rip += 2;
		rb.rip += 2;
		got = vmm_regs(a);
		check_equal(&got, &ra);
		got = vmm_regs(b);
		check_equal(&got, &rb);
	}
}

TEST(rflags_fixed_bit, "bit 1 of RFLAGS is always set")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, stop);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rflags = 0;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rflags, 2);
}

GUEST(flags, 64,
	"pushf\n"
	"pop %rbx\n"
	"pushq $0xcd7\n"	/* CF PF AF ZF SF DF OF and bit 1 */
	"popf\n"
	"hlt\n");

TEST(rflags_in_guest, "RFLAGS reach the guest and come back")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, flags);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rflags = 0x8c7;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x8c7);
	CHECK_EQ(vmm_regs(vcpu).rflags, 0xcd7);
}

TEST(regs_fault, "GET_REGS, SET_REGS and the SREGS pair with bad pointers")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, stop);
	static const unsigned long requests[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS,
	};
	struct kvm_regs want = numbered(0x11), got;
	uint8_t *pages = vmm_map_anon(2 * SZ_4K);
	unsigned int i;

	OK(munmap(pages + SZ_4K, SZ_4K));
	vmm_set_regs(vcpu, &want);
	for (i = 0; i < 4; i++) {
		CHECK_ERRNO(ioctl(vcpu->fd, requests[i], NULL), EFAULT);
		CHECK_ERRNO(ioctl(vcpu->fd, requests[i], pages + SZ_4K - 64),
			    EFAULT);
		CHECK_ERRNO(ioctl(vcpu->fd, requests[i], ~0ul - 8), EFAULT);
	}
	got = vmm_regs(vcpu);
	check_equal(&got, &want);
}

static void check_segment(const char *name, const struct kvm_segment *got,
			  const struct kvm_segment *want)
{
	CHECKF(got->base == want->base && got->limit == want->limit &&
	       got->selector == want->selector,
	       "%s is %x base %llx limit %x, expected %x %llx %x", name,
	       got->selector, got->base, got->limit, want->selector,
	       want->base, want->limit);
	CHECKF(got->type == want->type && got->present == want->present &&
	       got->dpl == want->dpl && got->db == want->db &&
	       got->s == want->s && got->l == want->l && got->g == want->g &&
	       got->avl == want->avl,
	       "%s: type %x s %d dpl %d p %d avl %d l %d db %d g %d, expected %x %d %d %d %d %d %d %d",
	       name, got->type, got->s, got->dpl, got->present, got->avl,
	       got->l, got->db, got->g, want->type, want->s, want->dpl,
	       want->present, want->avl, want->l, want->db, want->g);
}

static void check_sregs(const struct kvm_sregs *got,
			const struct kvm_sregs *want)
{
	struct kvm_segment cs = want->cs;

	/* In real mode the CPU may give CS back as what it is: data, too. */
	if (!(want->cr0 & X86_CR0_PE) && got->cs.type == 3)
		cs.type = 3;
	check_segment("cs", &got->cs, &cs);
	check_segment("ds", &got->ds, &want->ds);
	check_segment("es", &got->es, &want->es);
	check_segment("fs", &got->fs, &want->fs);
	check_segment("gs", &got->gs, &want->gs);
	check_segment("ss", &got->ss, &want->ss);
	check_segment("tr", &got->tr, &want->tr);
	CHECK_EQ(got->ldt.unusable, want->ldt.unusable);
	if (!want->ldt.unusable)
		check_segment("ldt", &got->ldt, &want->ldt);
	CHECK_EQ(got->gdt.base, want->gdt.base);
	CHECK_EQ(got->gdt.limit, want->gdt.limit);
	CHECK_EQ(got->idt.base, want->idt.base);
	CHECK_EQ(got->idt.limit, want->idt.limit);
	CHECK_EQ(got->cr0, want->cr0);
	CHECK_EQ(got->cr2, want->cr2);
	CHECK_EQ(got->cr3, want->cr3);
	CHECK_EQ(got->cr4, want->cr4);
	CHECK_EQ(got->efer, want->efer);
	CHECK_EQ(got->cr8, want->cr8);
	CHECK_EQ(got->apic_base, want->apic_base);
}

TEST(sregs_round_trip, "KVM_GET_SREGS returns what KVM_SET_SREGS set")
{
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	struct kvm_sregs want, got;
	enum vmm_mode mode;

	vmm_load(vm, GPA_CODE, stop);
	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		vmm_set_mode(vcpu, mode);
		want = vmm_sregs(vcpu);
		want.cr2 = 0xdeadb000;
		want.ds.base = 0x12340;
		want.es.base = 0x22340;
		want.fs.base = 0x32340;
		want.gs.base = 0x42340;
		want.ds.avl = 1;
		want.ldt = (struct kvm_segment){
			.selector = 0x58, .base = 0x5000, .limit = 0xff,
			.type = 2, .present = 1,
		};
		want.gdt.limit = 0x7f;
		vmm_set_sregs(vcpu, &want);
		got = vmm_sregs(vcpu);
		check_sregs(&got, &want);
		/* The same after the guest has run. */
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		got = vmm_sregs(vcpu);
		check_sregs(&got, &want);
	}
}

GUEST(special, 64,
	"mov %cr0, %rax\n"
	"mov %cr2, %rbx\n"
	"mov %cr3, %rcx\n"
	"mov %cr4, %rdx\n"
	"sgdt 0x7000\n"
	"sidt 0x7010\n"
	"str %esi\n"
	"sldt %edi\n"
	"mov $0xc0000101, %ecx\n"
	"mov %fs:0, %r8\n"
	"mov %gs:0, %r9\n"
	"mov %ss, %r10d\n"
	"mov %cs, %r11d\n"
	"hlt\n");

TEST(sregs_in_guest, "the guest sees the special registers")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, special);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	uint8_t *ram = vcpu->vm->ram;
	struct kvm_regs regs;

	sregs.cr2 = 0x123456789abcd000ull;
	sregs.fs.base = 0xb0000;
	sregs.gs.base = 0xb1000;
	*(uint64_t *)(ram + 0xb0000) = 0xf5f5;
	*(uint64_t *)(ram + 0xb1000) = 0x6565;
	vmm_set_sregs(vcpu, &sregs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rax, sregs.cr0);
	CHECK_EQ(regs.rbx, sregs.cr2);
	CHECK_EQ(regs.rdx, sregs.cr4);
	CHECK_EQ(regs.rsi, SEL_TSS);
	CHECK_EQ(regs.rdi, 0);
	CHECK_EQ(regs.r8, 0xf5f5);
	CHECK_EQ(regs.r9, 0x6565);
	CHECK_EQ(regs.r10, SEL_DATA32);
	CHECK_EQ(regs.r11, SEL_CODE64);
	CHECK_EQ(*(uint16_t *)(ram + 0x7000), 0xfff);
	CHECK_EQ(*(uint64_t *)(ram + 0x7002), GPA_GDT);
	CHECK_EQ(*(uint16_t *)(ram + 0x7010), 0xfff);
	CHECK_EQ(*(uint64_t *)(ram + 0x7012), GPA_IDT);
}

GUEST(change_special, 64,
	"mov $0x12340, %eax\n"
	"mov %rax, %cr2\n"
	"mov %cr0, %rax\n"
	"or $8, %eax\n"			/* TS */
	"mov %rax, %cr0\n"
	"mov %cr4, %rax\n"
	"or $8, %eax\n"			/* DE */
	"mov %rax, %cr4\n"
	"mov $0x28, %eax\n"
	"mov %eax, %es\n"
	"lgdt 0x7000\n"
	"lidt 0x7010\n"
	"mov $0xc0000080, %ecx\n"
	"rdmsr\n"
	"or $1, %eax\n"			/* SCE */
	"wrmsr\n"
	"hlt\n");

TEST(sregs_changed_by_guest, "what the guest changes, KVM_GET_SREGS shows")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, change_special);
	struct kvm_sregs before = vmm_sregs(vcpu), after;
	uint8_t *ram = vcpu->vm->ram;

	*(uint16_t *)(ram + 0x7000) = 0x7ff;
	*(uint64_t *)(ram + 0x7002) = GPA_GDT;
	*(uint16_t *)(ram + 0x7010) = 0x3ff;
	*(uint64_t *)(ram + 0x7012) = 0x3000;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	after = vmm_sregs(vcpu);
	CHECK_EQ(after.cr2, 0x12340);
	CHECK_EQ(after.cr0, before.cr0 | X86_CR0_TS);
	CHECK_EQ(after.cr4, before.cr4 | X86_CR4_DE);
	CHECK_EQ(after.es.selector, SEL_DATA16);
	CHECK_EQ(after.es.limit, 0xffff);
	CHECK_EQ(after.gdt.limit, 0x7ff);
	CHECK_EQ(after.idt.limit, 0x3ff);
	CHECK_EQ(after.idt.base, 0x3000);
	CHECK_EQ(after.efer, before.efer | X86_EFER_SCE);
}

TEST(sregs_rejects, "combinations of control registers that cannot be")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, stop);
	struct kvm_sregs good = vmm_sregs(vcpu), bad, now;

	bad = good;
	bad.cr4 &= ~X86_CR4_PAE;	/* long mode without PAE */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.efer &= ~X86_EFER_LMA;	/* LME and paging, but not active */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr0 &= ~X86_CR0_PG;		/* active without paging */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.efer = 0;			/* 64-bit code without long mode */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr4 |= 1ull << 31;		/* reserved */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr4 |= 1ull << 63;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr3 |= 1ull << 62;		/* above MAXPHYADDR */
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	/* None of it has left a trace. */
	now = vmm_sregs(vcpu);
	check_sregs(&now, &good);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(sregs_rejects_apic_base, "an APIC base beyond the address width")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_REAL, stop);
	struct kvm_sregs good = vmm_sregs(vcpu), bad = good, now;

	bad.apic_base |= 1ull << 62;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	now = vmm_sregs(vcpu);
	check_sregs(&now, &good);
}

TEST(reset_state, "a new vcpu is in the architecture's reset state")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	struct kvm_sregs s = vmm_sregs(vcpu);
	struct kvm_regs r = vmm_regs(vcpu);

	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, 2);
	CHECK_EQ(r.rax, 0);
	CHECK_EQ(r.rsp, 0);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(s.cs.limit, 0xffff);
	CHECK_EQ(s.ds.base, 0);
	CHECK_EQ(s.ds.limit, 0xffff);
	CHECK_EQ(s.cr0, X86_CR0_CD | X86_CR0_NW | X86_CR0_ET);
	CHECK_EQ(s.cr3, 0);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.idt.limit, 0xffff);
	CHECK_EQ(s.gdt.limit, 0xffff);
	CHECK_EQ(s.apic_base & 0xfffff000, 0xfee00000);
	/* Only the first vcpu is the boot processor. */
	CHECK(s.apic_base & (1 << 8));
	CHECK(!(vmm_sregs(vmm_vcpu_add_raw(vm)).apic_base & (1 << 8)));
}

GUEST(reset_vector, 16, "mov $0x99, %al\nout %al, $0x80\nhlt\n");

TEST(reset_vector, "a new vcpu starts at 0xfffffff0")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	uint8_t *rom = vmm_map_anon(SZ_64K);

	memcpy(rom + 0xfff0, reset_vector.start,
	       reset_vector.end - reset_vector.start);
	vmm_slot(vm, 0, 0, 0xffff0000ull, SZ_64K, rom);
	CHECK_EQ(vmm_run_to_out(vcpu, 0x80, 1), 0x99);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip, 0xfff5);
}
