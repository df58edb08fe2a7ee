// SPDX-License-Identifier: GPL-2.0-only
/* The task priority's copy in guest memory, and exits that report accesses to the register. */
#define _GNU_SOURCE
#include "apic.h"

#include <sys/mman.h>
#include <unistd.h>

#define GPA_COPY	0x100010
#define GPA_SHARED	0x400000

static struct vmm_vcpu *one(void)
{
	struct vmm_vcpu *vcpu = &apic_vm(APIC_SPLIT, 1)->vcpu[0];

	if (!vmm_cap(vcpu->vm, KVM_CAP_VAPIC))
		SKIP("KVM_CAP_VAPIC is 0");
	return vcpu;
}

static int report(struct vmm_vcpu *vcpu, uint32_t enabled, uint32_t flags)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled, .flags = flags };

	return ioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, &ctl);
}

static int set_copy(struct vmm_vcpu *vcpu, uint64_t gpa)
{
	struct kvm_vapic_addr va = { .vapic_addr = gpa };

	return ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &va);
}

/* The next KVM_RUN must report an access by the instruction at offset @at of the code. */
static void run_to_access(struct vmm_vcpu *vcpu, unsigned int at, bool write)
{
	vmm_run_to(vcpu, KVM_EXIT_TPR_ACCESS);
	CHECK_EQ(vcpu->run->tpr_access.rip, GPA_CODE + at);
	CHECK_EQ(vcpu->run->tpr_access.is_write, write);
}

TEST(report_ioctl, "KVM_TPR_ACCESS_REPORTING takes no flags, and is no error without an APIC")
{
	struct vmm_vcpu *vcpu = one();

	OK(report(vcpu, 1, 0));
	OK(report(vcpu, 0, 0));
	CHECK_ERRNO(report(vcpu, 1, 1), EINVAL);
	CHECK_ERRNO(report(vcpu, 1, 0x80000000), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, NULL), EFAULT);
	OK(report(vmm_vcpu_add(vmm_create(SZ_2M)), 1, 0));
}

TEST(report_write, "an access is done, then reported once, with the address of its instruction")
{
	struct vmm_vcpu *vcpu = one();

	OK(report(vcpu, 1, 0));
	guest_write_start(vcpu, APIC_TPR, 0x30);
	run_to_access(vcpu, 0x1d, true);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 0x1f);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x30);
	CHECK_EQ(vcpu->run->cr8, 3);
	guest_write_end(vcpu);
	guest_write(vcpu, APIC_LDR, 0x30000000);
	CHECK_EQ(guest_read(vcpu, APIC_PPR), 0x30);
	OK(report(vcpu, 0, 0));
	guest_write(vcpu, APIC_TPR, 0x40);
	CHECK_EQ(guest_read(vcpu, APIC_TPR), 0x40);
}

TEST(report_immediate, "immediate_exit takes a report away neither before nor after the access")
{
	struct vmm_vcpu *vcpu = one();

	OK(report(vcpu, 1, 0));
	guest_write_start(vcpu, APIC_TPR, 0x30);
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0);
	vcpu->run->immediate_exit = 0;
	run_to_access(vcpu, 0x1d, true);
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
	guest_write_end(vcpu);
}

GUEST(shapes, 64,
	"mov $0xfee00080, %esi\n"	/* 00 */
	"mov (%rsi), %eax\n"		/* 05 */
	"mov %cr8, %rax\n"		/* 07: nobody needs to be told of CR8 */
	"mov $3, %eax\n"		/* 0b */
	"mov %rax, %cr8\n"		/* 10 */
	"movzbl (%rsi), %eax\n"		/* 14 */
	"addl $0x10, (%rsi)\n"		/* 17 */
	"mov $0x1b, %ecx\n"		/* 1a */
	"rdmsr\n"			/* 1f */
	"or $0x400, %eax\n"		/* 21 */
	"wrmsr\n"			/* 26 */
	"mov $0x808, %ecx\n"		/* 28 */
	"rdmsr\n"			/* 2d */
	"mov $0x20, %eax\n"		/* 2f */
	"wrmsr\n"			/* 34 */
	"hlt\n");

/* Ends the OUT that @vcpu is in; it goes on at GPA_CODE, with @rsi. */
static void restart(struct vmm_vcpu *vcpu, uint64_t rsi)
{
	struct kvm_regs regs;

	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
	regs = vmm_regs(vcpu);
	regs.rip = GPA_CODE;
	regs.rsi = rsi;
	vmm_set_regs(vcpu, &regs);
}

TEST(report_shapes, "byte and 32-bit, read-modify-write and MSR accesses are reported, CR8 is not")
{
	struct vmm_vcpu *vcpu = one();

	vmm_load(vcpu->vm, GPA_CODE, shapes);
	restart(vcpu, vmm_regs(vcpu).rsi);
	OK(report(vcpu, 1, 0));
	run_to_access(vcpu, 0x05, false);
	run_to_access(vcpu, 0x14, false);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x30);
	run_to_access(vcpu, 0x17, true);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x40);
	run_to_access(vcpu, 0x2d, false);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x40);
	run_to_access(vcpu, 0x34, true);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x20);
}

/* Writes AL, from the command's value, to the copy; interrupts as RFLAGS says. */
GUEST(poker_code, 64,
	"1: mov 16(%rbx), %rax\n"
	"mov %al, (%rsi)\n"
	"nop\n"
	"out %al, $0x10\n"
	"jmp 1b\n");

static struct vmm_vcpu *poker(uint64_t gpa)
{
	struct vmm_vcpu *vcpu = one();

	vmm_load(vcpu->vm, GPA_CODE, poker_code);
	restart(vcpu, gpa);
	return vcpu;
}

static void guest_poke(struct vmm_vcpu *vcpu, uint8_t tpr)
{
	*(uint64_t *)(vcpu->vm->ram + vmm_regs(vcpu).rbx + 16) = tpr;
	vmm_run_to_out(vcpu, 0x10, 1);
}

static uint32_t copy(struct vmm_vcpu *vcpu)
{
	return *(volatile uint32_t *)(vcpu->vm->ram + GPA_COPY);
}

static void request(struct vmm_vcpu *vcpu, unsigned int reg, int vector)
{
	struct kvm_lapic_state state = apic_state(vcpu);
	unsigned int word = reg + vector / 32 * 16;

	apic_state_put(&state, word, apic_state_get(&state, word) | 1u << vector % 32);
	apic_set_state(vcpu, &state);
}

TEST(copy_addr, "the copy's four bytes must lie in one memory slot")
{
	struct vmm_vcpu *vcpu = one();

	OK(set_copy(vcpu, SZ_2M - 4));
	CHECK_ERRNO(set_copy(vcpu, SZ_2M - 3), EINVAL);
	CHECK_ERRNO(set_copy(vcpu, SZ_2M), EINVAL);
	CHECK_ERRNO(set_copy(vcpu, ~0ull), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, NULL), EFAULT);
	OK(set_copy(vcpu, GPA_COPY + 0xfee));
	OK(set_copy(vcpu, 0));
}

TEST(copy_guest, "what the guest writes to the copy is its task priority")
{
	struct vmm_vcpu *vcpu = poker(GPA_COPY);

	OK(set_copy(vcpu, GPA_COPY));
	guest_poke(vcpu, 0x70);
	CHECK_EQ(copy(vcpu), 0x70);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x70);
	CHECK_EQ(apic_peek(vcpu, APIC_PPR), 0x70);
	CHECK_EQ(vcpu->run->cr8, 7);
	guest_poke(vcpu, 0x93);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x93);
	CHECK_EQ(vcpu->run->cr8, 9);
	OK(set_copy(vcpu, 0));
	guest_poke(vcpu, 0x20);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR) & 0xf0, 0x90);
	CHECK_EQ(vcpu->vm->ram[GPA_COPY + 4], 0);
}

TEST(copy_host, "what KVM_SET_LAPIC gives, classes in service and vectors requested, is shown")
{
	struct vmm_vcpu *vcpu = one();
	struct kvm_lapic_state state;

	OK(set_copy(vcpu, GPA_COPY));
	vcpu->vm->ram[GPA_COPY + 4] = 0x77;
	state = apic_state(vcpu);
	apic_state_put(&state, APIC_TPR, 0x61);
	apic_set_state(vcpu, &state);
	request(vcpu, APIC_ISR, 0x35);
	request(vcpu, APIC_IRR, 0x41);
	guest_read(vcpu, APIC_LDR);
	CHECK_EQ(copy(vcpu), 0x41003061);
	request(vcpu, APIC_IRR, 0xe1);
	guest_read(vcpu, APIC_LDR);
	CHECK_EQ(copy(vcpu), 0xe1003061);
	/* The handler ends 0xe1. */
	guest_take(vcpu);
	CHECK_EQ(apic_count(vcpu, 0xe1), 1);
	CHECK_EQ(copy(vcpu), 0x41003061);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x61);
	CHECK_EQ(vcpu->vm->ram[GPA_COPY + 4], 0x77);
}

TEST(copy_delivery, "an interrupt waits while the copy's priority is above it, and comes with the exit after")
{
	struct vmm_vcpu *vcpu = poker(GPA_COPY);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rflags = VMM_RFLAGS;
	vmm_set_regs(vcpu, &regs);
	OK(set_copy(vcpu, GPA_COPY));
	guest_poke(vcpu, 0x93);
	request(vcpu, APIC_IRR, 0x85);
	guest_poke(vcpu, 0x93);
	CHECK_EQ(copy(vcpu), 0x85000093);
	CHECK_EQ(apic_count(vcpu, 0x85), 0);
	/* Lowered, but nobody has been told; the OUT tells. */
	guest_poke(vcpu, 0x10);
	CHECK_EQ(copy(vcpu), 0x85000010);
	CHECK_EQ(apic_count(vcpu, 0x85), 0);
	guest_poke(vcpu, 0x10);
	CHECK_EQ(copy(vcpu), 0x10);
	CHECK_EQ(apic_count(vcpu, 0x85), 1);
}

TEST(copy_absent, "a page that the host has taken away meanwhile comes back with the copy in it")
{
	struct vmm_vcpu *vcpu = poker(GPA_SHARED);
	int fd = OK(memfd_create("copy", 0));
	uint8_t *page;
	int i;

	OK(ftruncate(fd, SZ_4K));
	page = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(page != MAP_FAILED);
	vmm_slot(vcpu->vm, 1, 0, GPA_SHARED, SZ_4K, page);
	OK(set_copy(vcpu, GPA_SHARED));
	for (i = 1; i < 8; i++) {
		/* The file keeps it, the page tables lose it. */
		OK(madvise(page, SZ_4K, MADV_DONTNEED));
		guest_poke(vcpu, i << 4);
		OK(madvise(page, SZ_4K, MADV_DONTNEED));
		CHECK_EQ(apic_peek(vcpu, APIC_TPR), i << 4);
	}
	request(vcpu, APIC_IRR, 0x31);
	OK(madvise(page, SZ_4K, MADV_DONTNEED));
	guest_poke(vcpu, 0x80);
	CHECK_EQ(*(uint32_t *)page, 0x31000080);
}

TEST(copy_gone, "without the memory slot the guest goes on, and with it again the copying")
{
	struct vmm_vcpu *vcpu = poker(GPA_SHARED);
	void *page = vmm_map_anon(SZ_4K);
	struct kvm_regs regs;

	vmm_slot(vcpu->vm, 1, 0, GPA_SHARED, SZ_4K, page);
	OK(set_copy(vcpu, GPA_SHARED));
	guest_poke(vcpu, 0x50);
	vmm_slot(vcpu->vm, 1, 0, GPA_SHARED, 0, NULL);
	vmm_run_to_mmio(vcpu, true, GPA_SHARED, 1);
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x50);
	vmm_slot(vcpu->vm, 1, 0, GPA_SHARED, SZ_4K, page);
	OK(set_copy(vcpu, GPA_SHARED));
	regs = vmm_regs(vcpu);
	guest_poke(vcpu, 0x60);
	CHECK_EQ(vmm_regs(vcpu).rbx, regs.rbx);
	CHECK_EQ(apic_peek(vcpu, APIC_TPR), 0x60);
}
