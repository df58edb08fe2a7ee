// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU state that guest and host both have: debug registers, SYSCALL and
 * SYSENTER MSRs, TSC_AUX, the TSC. Each keeps its own.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_FMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103

/* RDMSR of ECX to RBX, WRMSR of RSI, an exit, RDMSR again to RDI. */
GUEST(msr_round, 64,
	"rdmsr\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"mov %rax, %rbx\n"
	"mov %rsi, %rax\n"
	"mov %rsi, %rdx\n"
	"shr $32, %rdx\n"
	"wrmsr\n"
	"out %al, $0x10\n"
	"rdmsr\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"mov %rax, %rdi\n"
	"hlt\n"
	ORG(0x80)	/* #GP */
	"mov $13, %ebp\n"
	"hlt\n");

static void start_msr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		.rcx = msr, .rsi = value,
	};

	vmm_set_regs(vcpu, &regs);
}

static struct vmm_vcpu *boot_msr(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, msr_round);

	vmm_gate(vcpu, 13, GPA_CODE + 0x80);
	return vcpu;
}

static const struct {
	uint32_t msr;
	uint64_t initial, value;
} msrs[] = {
	{ MSR_STAR, 0, 0x0023001000000000ull },
	{ MSR_LSTAR, 0, 0xffffffff81234560ull },
	{ MSR_CSTAR, 0, 0xffffffff81654320ull },
	{ MSR_FMASK, 0, 0x47700 },
	{ MSR_FS_BASE, 0, 0x00007f1234567000ull },
	{ MSR_GS_BASE, 0, 0xffff888012345000ull },
	{ MSR_KERNEL_GS_BASE, 0, 0xffff888087654000ull },
	{ MSR_SYSENTER_CS, 0, 0x10 },
	{ MSR_SYSENTER_ESP, 0, 0x12345678 },
	{ MSR_SYSENTER_EIP, 0, 0x1abcdef0 },
};

TEST(msr_round_trip, "syscall MSRs start as 0, not the host's, and keep values")
{
	struct vmm_vcpu *vcpu = boot_msr();
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		start_msr(vcpu, msrs[i].msr, msrs[i].value);
		vmm_run_to_out(vcpu, 0x10, 1);
		/* The way here were system calls: the host's still work. */
		CHECK(getpid() == syscall(SYS_getpid));
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECKF(vmm_regs(vcpu).rbx == msrs[i].initial,
		       "MSR 0x%x starts as 0x%llx", msrs[i].msr,
		       vmm_regs(vcpu).rbx);
		CHECKF(vmm_regs(vcpu).rdi == msrs[i].value,
		       "MSR 0x%x is 0x%llx after an exit, expected 0x%llx",
		       msrs[i].msr, vmm_regs(vcpu).rdi,
		       (unsigned long long)msrs[i].value);
	}
}

TEST(msr_two_vcpus, "two vcpus in one thread keep their own syscall MSRs")
{
	struct vmm_vcpu *a = boot_msr(), *b = boot_msr();
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		start_msr(a, msrs[i].msr, msrs[i].value);
		start_msr(b, msrs[i].msr, msrs[i].value ^ 0x8);
		vmm_run_to_out(a, 0x10, 1);
		vmm_run_to_out(b, 0x10, 1);
		vmm_run_to(a, KVM_EXIT_HLT);
		vmm_run_to(b, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(a).rdi, msrs[i].value);
		CHECK_EQ(vmm_regs(b).rdi, msrs[i].value ^ 0x8);
	}
}

TEST(msr_moved, "a thread that moves takes the guest's MSRs along")
{
	struct vmm_vcpu *vcpu = boot_msr();
	unsigned int i;

	if (vmm_cpus() < 2)
		SKIP("only one CPU to be on");
	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		start_msr(vcpu, msrs[i].msr, msrs[i].value);
		vmm_pin(0);
		vmm_run_to_out(vcpu, 0x10, 1);
		vmm_pin(1);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rdi, msrs[i].value);
	}
}

TEST(msr_unknown, "an unknown MSR is #GP in the guest, not an exit")
{
	/* Numbers no vendor has given out. */
	static const uint32_t unknown[] = { 0x3fff1234, 0xdeadbeef, 0x50000000 };
	struct vmm_vcpu *vcpu = boot_msr();
	unsigned int i;

	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		start_msr(vcpu, unknown[i], 0);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rbp, 13);
		CHECK_EQ(vmm_regs(vcpu).rcx, unknown[i]);
	}
}

GUEST(msr_write, 64,
	"wrmsr\n"
	"hlt\n"
	ORG(0x80)
	"mov $13, %ebp\n"
	"hlt\n");

TEST(msr_bad_values, "values an MSR cannot hold are #GP in the guest")
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} bad[] = {
		{ MSR_LSTAR, 0x8000000000000000ull },
		{ MSR_KERNEL_GS_BASE, 0x0001000000000000ull },
		{ 0xc0000080, 0xffff0500 },	/* EFER: reserved bits */
		{ 0xc0000080, 0x0 },		/* LME off under paging */
	};
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, msr_write);
	struct kvm_regs regs = vmm_regs(vcpu);
	unsigned int i;

	if (vmm_on_tcg())
		SKIP("QEMU's TCG takes non-canonical addresses");
	vmm_gate(vcpu, 13, GPA_CODE + 0x80);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		regs.rcx = bad[i].msr;
		regs.rax = bad[i].value & 0xffffffff;
		regs.rdx = bad[i].value >> 32;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECKF(vmm_regs(vcpu).rbp == 13,
		       "MSR 0x%x accepted 0x%llx", bad[i].msr,
		       (unsigned long long)bad[i].value);
	}
}

/* To ring 3 by SYSRET, back by SYSCALL; RBX counts what went well. */
GUEST(syscall_round, 64,
	"mov $0xc0000080, %ecx\n rdmsr\n or $1, %eax\n wrmsr\n"
	"mov $0xc0000081, %ecx\n xor %eax, %eax\n"
	"mov $0x00300008, %edx\n wrmsr\n"	/* user 0x40|3, kernel 8 */
	"mov $0xc0000082, %ecx\n xor %edx, %edx\n"
	"mov $" AT(2f) ", %eax\n wrmsr\n"
	"mov $0xc0000084, %ecx\n xor %eax, %eax\n wrmsr\n"
	"mov $" AT(1f) ", %ecx\n"
	"mov $0x202, %r11d\n"
	"mov %rsp, %r8\n"
	"sysretq\n"
	"1: mov %cs, %ebx\n"			/* ring 3 */
	"mov $0x6000, %esp\n"
	"mov $0x55, %eax\n"
	"syscall\n"
	"3: hlt\n"
	"2: mov %cs, %edx\n"			/* ring 0 */
	"mov %rcx, %r9\n"
	"mov %r8, %rsp\n"
	"hlt\n");

TEST(syscall_instruction, "SYSRET and SYSCALL work in the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, syscall_round);
	struct kvm_regs regs;

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rbx, SEL_USER64);
	CHECK_EQ(regs.rdx, 8);
	CHECK_EQ(regs.rax, 0x55);
	CHECK_EQ(vmm_sregs(vcpu).cs.dpl, 0);
}

GUEST(sysenter_round, 32,
	"mov $0x174, %ecx\n mov $8, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0x175, %ecx\n mov $0x6800, %eax\n wrmsr\n"
	"mov $0x176, %ecx\n mov $" AT(1f) ", %eax\n wrmsr\n"
	"sysenter\n"
	"hlt\n"
	"1: mov %esp, %ebx\n"
	"mov %cs, %ecx\n"
	"mov $0x77, %esi\n"
	"hlt\n");

TEST(sysenter_instruction, "SYSENTER works in a 32-bit guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_PROT32, sysenter_round);
	struct kvm_regs regs;

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rsi, 0x77);
	CHECK_EQ(regs.rbx, 0x6800);
	CHECK_EQ(regs.rcx, 8);
}

GUEST(swapgs_guest, 64,
	"mov $0xc0000101, %ecx\n mov $0x1000, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0xc0000102, %ecx\n mov $0x2000, %eax\n wrmsr\n"
	"out %al, $0x10\n"
	"swapgs\n"
	"out %al, $0x10\n"
	"mov $0xc0000101, %ecx\n rdmsr\n mov %eax, %ebx\n"
	"mov $0xc0000102, %ecx\n rdmsr\n mov %eax, %esi\n"
	"hlt\n");

TEST(swapgs, "SWAPGS exchanges the guest's bases, not the host's")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, swapgs_guest);

	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vmm_sregs(vcpu).gs.base, 0x1000);
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vmm_sregs(vcpu).gs.base, 0x2000);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x2000);
	CHECK_EQ(vmm_regs(vcpu).rsi, 0x1000);
}

GUEST(rdtscp_guest, 64,
	"mov $0xc0000103, %ecx\n mov $0xabcd, %eax\n xor %edx, %edx\n wrmsr\n"
	"out %al, $0x10\n"
	"rdtscp\n"
	"mov %ecx, %ebx\n"
	"hlt\n");

TEST(tsc_aux, "RDTSCP shows each side its own TSC_AUX")
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct vmm_vcpu *vcpu;
	uint32_t before, after;

	if (!(vmm_cpuid_find(cpuid, 0x80000001, 0)->edx & (1u << 27)))
		SKIP("this CPU has no RDTSCP");
	vcpu = vmm_boot(SZ_1M, VMM_LONG, rdtscp_guest);
	vmm_pin(0);
	asm volatile("rdtscp" : "=c"(before) : : "eax", "edx");
	vmm_run_to_out(vcpu, 0x10, 1);
	asm volatile("rdtscp" : "=c"(after) : : "eax", "edx");
	CHECK_EQ(after, before);
	CHECK_EQ(after & 0xfff, sched_getcpu());
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0xabcd);
	asm volatile("rdtscp" : "=c"(after) : : "eax", "edx");
	CHECK_EQ(after, before);
}

GUEST(tsc_guest, 64,
	"rdtsc\n"
	"shl $32, %rdx\n"
	"or %rax, %rdx\n"
	"mov %rdx, %rbx\n"		/* the latest */
	"1: mov $50, %ecx\n"
	"2: rdtsc\n"
	"shl $32, %rdx\n"
	"or %rax, %rdx\n"
	"cmp %rbx, %rdx\n"
	"jb 3f\n"
	"mov %rdx, %rbx\n"
	"dec %ecx\n"
	"jnz 2b\n"
	"out %al, $0x10\n"
	"jmp 1b\n"
	"3: hlt\n");

TEST(tsc_monotonic, "the guest's TSC never goes back, and goes on over exits")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, tsc_guest);
	unsigned long i, n = tap_scaled(100, 20);
	uint64_t last = 0, now;

	for (i = 0; i < n; i++) {
		vmm_pin(i);
		vmm_run_to_out(vcpu, 0x10, 1);
		now = vmm_regs(vcpu).rbx;
		CHECK(now > last);
		last = now;
	}
	vmm_sleep_ms(20);
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECKF(vmm_regs(vcpu).rbx - last > 100000,
	       "20 ms are only %llu ticks of the guest",
	       vmm_regs(vcpu).rbx - last);
}

/*
 * Debug registers: sets DR0-3 and DR7 (ESI), exits, reads them back. QEMU's TCG
 * loses track of enabled breakpoints at VMRUN and crashes later; there the
 * enable bits stay off.
 */
#define DR7_IN_USE (vmm_on_tcg() ? 0x33330400 : 0x33330455)

GUEST(debug_registers, 64,
	"mov $0x11110000, %eax\n mov %rax, %dr0\n"
	"mov $0x22220000, %eax\n mov %rax, %dr1\n"
	"mov $0x33330000, %eax\n mov %rax, %dr2\n"
	"mov $0x44440000, %eax\n mov %rax, %dr3\n"
	"mov %rsi, %dr7\n"
	"out %al, $0x10\n"
	"mov %dr0, %r8\n mov %dr1, %r9\n mov %dr2, %r10\n mov %dr3, %r11\n"
	"mov %dr7, %r12\n mov %dr6, %r13\n"
	"hlt\n");

static struct vmm_vcpu *boot_debug_registers(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, debug_registers);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rsi = DR7_IN_USE;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

TEST(debug_registers, "the guest's debug registers survive exits")
{
	struct vmm_vcpu *vcpu = boot_debug_registers();
	struct kvm_regs regs;

	vmm_run_to_out(vcpu, 0x10, 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.r8, 0x11110000);
	CHECK_EQ(regs.r9, 0x22220000);
	CHECK_EQ(regs.r10, 0x33330000);
	CHECK_EQ(regs.r11, 0x44440000);
	CHECK_EQ(regs.r12, DR7_IN_USE);
	CHECK_EQ(regs.r13, 0xffff0ff0);
}

GUEST(read_debug_registers, 64,
	"mov %dr0, %r8\n mov %dr1, %r9\n mov %dr2, %r10\n mov %dr3, %r11\n"
	"mov %dr7, %r12\n"
	"movq $1, 0x7000\n"
	"hlt\n");

TEST(debug_registers_two_vcpus, "another vcpu has its own, which start as 0")
{
	struct vmm_vcpu *a = boot_debug_registers();
	struct vmm_vcpu *b = vmm_boot(SZ_1M, VMM_LONG, read_debug_registers);
	struct kvm_regs regs;

	vmm_run_to_out(a, 0x10, 1);
	vmm_run_to(b, KVM_EXIT_HLT);
	regs = vmm_regs(b);
	CHECK_EQ(regs.r8 | regs.r9 | regs.r10 | regs.r11, 0);
	CHECK_EQ(regs.r12, 0x400);
	vmm_run_to(a, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(a).r8, 0x11110000);
	CHECK_EQ(vmm_regs(a).r12, DR7_IN_USE);
}

/* A write to 0x7000 under a watchpoint of the guest's own. */
GUEST(guest_watchpoint, 64,
	"mov $0x7000, %eax\n mov %rax, %dr0\n"
	"mov $0xd0402, %eax\n mov %rax, %dr7\n"
	"movl $5, 0x7100\n"
	"movl $6, 0x7000\n"
	"1: hlt\n"
	ORG(0x80)
	"pop %rcx\n"
	"mov %dr6, %rbx\n"
	"hlt\n");

TEST(guest_watchpoint, "a watchpoint of the guest gives the guest its #DB")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, guest_watchpoint);

	if (vmm_on_tcg())
		SKIP("QEMU's TCG crashes of breakpoints in a nested guest");
	vmm_gate(vcpu, 1, GPA_CODE + 0x80);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx & 0xf, 1);
	CHECK(vmm_regs(vcpu).rip > GPA_CODE + 0x80);
	CHECK_EQ(vcpu->vm->ram[0x7000], 6);
}

static volatile uint64_t watched;

/* The traced child: runs a guest that uses debug registers, then writes. */
static void watched_child(void)
{
	struct vmm_vcpu *vcpu = boot_debug_registers();
	struct vmm_vcpu *reader = vmm_boot(SZ_1M, VMM_LONG,
					   read_debug_registers);
	struct kvm_regs regs;

	OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
	raise(SIGSTOP);
	vmm_run_to_out(vcpu, 0x10, 1);
	watched = 1;			/* stops here */
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).r8, 0x11110000);
	watched = 2;			/* and here */
	/* The guest sees nothing of it, not even at the same address. */
	vmm_run_to(reader, KVM_EXIT_HLT);
	regs = vmm_regs(reader);
	CHECK_EQ(regs.r8 | regs.r9 | regs.r10 | regs.r11, 0);
	CHECK_EQ(regs.r12, 0x400);
	CHECK_EQ(*(uint64_t *)(reader->vm->ram + GPA_DATA), 1);
	_exit(0);
}

static void expect_watchpoint(pid_t pid)
{
	int status;
	long dr6;

	OK(waitpid(pid, &status, 0));
	CHECKF(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP,
	       "the host's watchpoint did not stop the VMM (status 0x%x)",
	       status);
	dr6 = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]),
		     0);
	CHECKF(dr6 & 1, "DR6 is 0x%lx", dr6);
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
}

TEST(host_watchpoint, "hardware watchpoints of the host work around a guest")
{
	int status;
	pid_t pid;

	if (vmm_on_tcg())
		SKIP("QEMU's TCG shuts down at VMRUN under host watchpoints");
	pid = fork();
	OK(pid);
	if (!pid)
		watched_child();
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFSTOPPED(status), "status 0x%x", status);
	/* Slot 0: writes to the variable; slot 1: to the guest's address. */
	OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]),
		  &watched));
	OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[1]),
		  GPA_DATA));
	OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]),
		  0x00dd0005ul));
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
	expect_watchpoint(pid);
	expect_watchpoint(pid);
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFEXITED(status) && !WEXITSTATUS(status), "status 0x%x",
	       status);
}
