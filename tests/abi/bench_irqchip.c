// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the in-kernel devices cost, as bench_exits.c: ticks per operation, the
 * least of several rounds.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <x86intrin.h>

#define PORT_DONE	0xf4
#define PORT_EVENT	0x1000
#define GPA_LAPIC	0xfee00000ull
#define ROUNDS		8

/* RCX operations each, then an OUT that ends the run. */
GUEST(pit_in, 64,
	"1: in $0x40, %al\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"out %al, $0xf4\n");
GUEST(port_out, 64,
	"1: out %eax, %dx\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"out %al, $0xf4\n");
GUEST(mmio_store, 64,
	"1: mov %eax, (%rsi)\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"out %al, $0xf4\n");
GUEST(mmio_load, 64,
	"1: mov (%rsi), %eax\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"out %al, $0xf4\n");

/* RSI: the APIC's page. Vector 0x40 is handled at offset 0x100. */
GUEST(hlt_timer, 64,
	"movl $0x1ff, 0xf0(%rsi)\n"
	"movl $0xb, 0x3e0(%rsi)\n"
	"movl $0x40, 0x320(%rsi)\n"
	"1: cli\n"
	"movl $1000, 0x380(%rsi)\n"
	"sti\n"
	"hlt\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"out %al, $0xf4\n"
	ORG(0x100)
	"movl $0, 0xb0(%rsi)\n"
	"iretq\n");

/*
 * Both in x2APIC mode. The first sends vector 0x41 to the second, which answers
 * with 0x42, which sets RBX. The second starts at offset 0x80.
 */
GUEST(ping, 64,
	"mov %ecx, %r8d\n"
	"call 8f\n"
	"1: xor %ebx, %ebx\n"
	"mov $1, %edx\n"
	"mov $0x41, %eax\n"
	"mov $0x830, %ecx\n"
	"wrmsr\n"
	"2: cli\n"
	"test %ebx, %ebx\n"
	"jnz 3f\n"
	"sti\n"
	"hlt\n"
	"jmp 2b\n"
	"3: dec %r8d\n"
	"jnz 1b\n"
	"out %al, $0xf4\n"
	ORG(0x80)
	"call 8f\n"
	"4: sti\n"
	"hlt\n"
	"jmp 4b\n"
	"8: mov $0x1b, %ecx\n"
	"rdmsr\n"
	"or $0xc00, %eax\n"
	"wrmsr\n"
	"mov $0x80f, %ecx\n"
	"xor %edx, %edx\n"
	"mov $0x1ff, %eax\n"
	"wrmsr\n"
	"ret\n"
	ORG(0x100)		/* 0x41, on the second */
	"xor %eax, %eax\n"
	"xor %edx, %edx\n"
	"mov $0x80b, %ecx\n"
	"wrmsr\n"
	"mov $0x42, %eax\n"
	"mov $0x830, %ecx\n"
	"wrmsr\n"
	"iretq\n"
	ORG(0x140)		/* 0x42, on the first */
	"xor %eax, %eax\n"
	"xor %edx, %edx\n"
	"mov $0x80b, %ecx\n"
	"wrmsr\n"
	"mov $1, %ebx\n"
	"iretq\n");

static void report(const char *name, uint64_t ticks, uint64_t operations)
{
	printf("%s %llu\n", name,
	       (unsigned long long)((ticks + operations / 2) / operations));
	fflush(stdout);
}

static struct vmm_vcpu *boot(struct vmm_blob code)
{
	struct kvm_pit_config pit = {};
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu;

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	vcpu = vmm_vcpu_add(vm);
	vmm_load(vm, GPA_CODE, code);
	vmm_set_mode(vcpu, VMM_LONG);
	return vcpu;
}

static uint64_t timed(struct vmm_vcpu *vcpu, uint64_t count, uint64_t rdx, uint64_t rsi)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
		.rcx = count, .rdx = rdx, .rsi = rsi,
	};
	uint64_t begin;

	vmm_set_regs(vcpu, &regs);
	begin = __rdtsc();
	vmm_run_to_out(vcpu, PORT_DONE, 1);
	return __rdtsc() - begin;
}

static void bench_loop(const char *name, struct vmm_vcpu *vcpu, uint64_t count, uint64_t rdx,
		       uint64_t rsi)
{
	uint64_t best = ~0ull, ticks;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		ticks = timed(vcpu, count, rdx, rsi);
		if (ticks < best)
			best = ticks;
	}
	report(name, best, count);
}

static void bench_ioeventfd(const char *name, struct vmm_blob code, uint32_t flags,
			    uint64_t addr, uint64_t count)
{
	struct vmm_vcpu *vcpu = boot(code);
	struct kvm_ioeventfd args = {
		.addr = addr, .len = 4, .flags = flags,
	};
	uint64_t events;

	args.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	OK(args.fd);
	OK(ioctl(vcpu->vm->fd, KVM_IOEVENTFD, &args));
	bench_loop(name, vcpu, count, addr, addr);
	CHECK_EQ(read(args.fd, &events, sizeof(events)), (ssize_t)sizeof(events));
	CHECK_EQ(events, count * ROUNDS);
	close(args.fd);
	vmm_destroy(vcpu->vm);
}

static void bench_ipi(uint64_t count)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vmm_vcpu *vcpu = boot(ping), *other;
	struct kvm_regs regs = {
		.rip = GPA_CODE + 0x80, .rsp = GPA_STACK - 0x1000, .rflags = VMM_RFLAGS,
	};
	struct vmm_thread thread;

	vmm_gate(vcpu, 0x41, GPA_CODE + 0x100);
	vmm_gate(vcpu, 0x42, GPA_CODE + 0x140);
	other = vmm_vcpu_add(vcpu->vm);
	vmm_set_mode(other, VMM_LONG);
	vmm_set_regs(other, &regs);
	OK(ioctl(other->fd, KVM_SET_MP_STATE, &runnable));
	vmm_start(&thread, other);
	vmm_sleep_ms(20);
	bench_loop("ipi", vcpu, count, 0, 0);
	vmm_kick(&thread);
	CHECK_EQ(vmm_join(&thread), -EINTR);
	vmm_destroy(vcpu->vm);
}

TEST(bench, "cost of the in-kernel devices in ticks")
{
	uint64_t count = tap_scaled(2000, 200);
	struct vmm_vcpu *vcpu;

	vcpu = boot(pit_in);
	bench_loop("in_pit", vcpu, count, 0, 0);
	vmm_destroy(vcpu->vm);
	bench_ioeventfd("out_ioeventfd", port_out, KVM_IOEVENTFD_FLAG_PIO, PORT_EVENT, count);
	bench_ioeventfd("mmio_ioeventfd", mmio_store, 0, GPA_MMIO, count);
	vcpu = boot(mmio_load);
	bench_loop("lapic_read", vcpu, count, 0, GPA_LAPIC + 0x20);
	vmm_destroy(vcpu->vm);
	vcpu = boot(hlt_timer);
	vmm_gate(vcpu, 0x40, GPA_CODE + 0x100);
	bench_loop("hlt_timer", vcpu, count, 0, GPA_LAPIC);
	vmm_destroy(vcpu->vm);
	bench_ipi(count);
}
