// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN and what interrupts it: immediate_exit, signals, signal masks. */
#define _GNU_SOURCE
#include "vmm.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* KVM's signal sets have the kernel's size, not that of the C library. */
#define KERNEL_SIGSET_SIZE 8

GUEST(out_hlt, 64,
	"1: mov $0x5a, %al\n"
	"out %al, $0x10\n"
	"hlt\n"
	"jmp 1b\n");

/* Counts at 0x7000 for ever. */
GUEST(count, 64,
	"1: incq 0x7000\n"
	"jmp 1b\n");

static volatile uint64_t *counter_of(struct vmm_vcpu *vcpu)
{
	return (volatile uint64_t *)(vcpu->vm->ram + GPA_DATA);
}

static void wait_for_progress(struct vmm_vcpu *vcpu)
{
	uint64_t start = *counter_of(vcpu);

	while (*counter_of(vcpu) == start)
		vmm_sleep_ms(1);
}

static void set_mask(struct vmm_vcpu *vcpu, const sigset_t *set)
{
	struct {
		struct kvm_signal_mask mask;
		uint8_t set[KERNEL_SIGSET_SIZE];
	} arg = { .mask.len = KERNEL_SIGSET_SIZE };

	memcpy(arg.set, set, KERNEL_SIGSET_SIZE);
	OK(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, &arg));
}

TEST(argument, "KVM_RUN takes no argument")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, out_hlt);

	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 1ul), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, vcpu->run), EINVAL);
	vmm_run_to_out(vcpu, 0x10, 1);
}

TEST(immediate_exit, "immediate_exit returns EINTR without running the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, out_hlt);
	int i;

	vcpu->run->immediate_exit = 1;
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmm_run(vcpu), -EINTR);
		CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE);
		/* The kernel does not clear it. */
		CHECK_EQ(vcpu->run->immediate_exit, 1);
	}
	vcpu->run->immediate_exit = 0xff;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
	vmm_run_to_out(vcpu, 0x10, 1);
}

GUEST(read_device, 64,
	"in $0x10, %al\n"
	"nop\n"
	"mov (%rsi), %rbx\n"
	"nop\n"
	"hlt\n");

TEST(immediate_exit_completes_io, "a pending IN completes before EINTR")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, read_device);

	vmm_run_to(vcpu, KVM_EXIT_IO);
	*(uint8_t *)vmm_io_data(vcpu) = 0x77;
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(vmm_regs(vcpu).rax, 0x77);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 2);
	/* Once is enough. */
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 2);
}

TEST(immediate_exit_completes_mmio, "a pending MMIO read completes before EINTR")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, read_device);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE + 3;
	regs.rsi = GPA_MMIO;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 8);
	vmm_mmio_answer(vcpu, 0x1122334455667788ull);
	vcpu->run->immediate_exit = 1;
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x1122334455667788ull);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 6);
	vcpu->run->immediate_exit = 0;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(immediate_exit_second_half, "the second half of an MMIO read is part of it")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, read_device);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE + 3;
	regs.rsi = GPA_MMIO + SZ_4K - 4;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to_mmio(vcpu, false, GPA_MMIO + SZ_4K - 4, 4);
	vmm_mmio_answer(vcpu, 0x11223344);
	vcpu->run->immediate_exit = 1;
	vmm_run_to_mmio(vcpu, false, GPA_MMIO + SZ_4K, 4);
	vmm_mmio_answer(vcpu, 0x55667788);
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x5566778811223344ull);
}

TEST(signal_kick, "a signal makes a running guest return EINTR")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
	struct vmm_thread t;
	unsigned long i, n = tap_scaled(20, 5);

	for (i = 0; i < n; i++) {
		vmm_start(&t, vcpu);
		wait_for_progress(vcpu);
		CHECK(!t.done);
		pthread_kill(t.thread, SIGUSR1);
		CHECK_EQ(vmm_join(&t), -EINTR);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	}
}

TEST(signal_pending, "a signal that is pending already interrupts at once")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
	sigset_t blocked, none;

	/* Blocked outside, allowed by KVM_SET_SIGNAL_MASK inside. */
	vmm_catch(SIGUSR1);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	set_mask(vcpu, &none);
	raise(SIGUSR1);
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	CHECK_EQ(*counter_of(vcpu), 0);
	/* It is still pending and interrupts until somebody takes it. */
	CHECK_EQ(vmm_run(vcpu), -EINTR);
	sigpending(&none);
	CHECK(sigismember(&none, SIGUSR1));
}

static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

TEST(signal_handled_after, "the handler of an interrupting signal has run")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
	/* SA_RESTART must not restart KVM_RUN. */
	struct sigaction sa = {
		.sa_handler = on_signal, .sa_flags = SA_RESTART,
	};
	struct itimerval timer = {
		.it_value.tv_usec = 20000, .it_interval.tv_usec = 20000,
	};
	uint64_t before = 0;
	int i;

	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; i < 5; i++) {
		int was = handled;

		CHECK_EQ(vmm_run(vcpu), -EINTR);
		CHECK(handled > was);
	}
	/* Not every run makes progress on a slow machine, all together do. */
	CHECK(*counter_of(vcpu) > before);
}

TEST(mask_blocks, "a signal blocked by KVM_SET_SIGNAL_MASK does not interrupt")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
	struct sigaction sa = { .sa_handler = on_signal };
	struct vmm_thread t;
	sigset_t set;
	int i;

	OK(sigaction(SIGUSR2, &sa, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	set_mask(vcpu, &set);
	vmm_start(&t, vcpu);
	wait_for_progress(vcpu);
	for (i = 0; i < 5; i++) {
		pthread_kill(t.thread, SIGUSR2);
		vmm_sleep_ms(5);
	}
	wait_for_progress(vcpu);
	CHECK(!t.done);
	CHECK_EQ(handled, 0);
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
	/* Delivered as soon as KVM_RUN had put the thread's own mask back. */
	CHECK_EQ(handled, 1);
}

TEST(mask_restored, "KVM_RUN leaves the thread's own signal mask as it was")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, out_hlt);
	sigset_t own, now, in_guest;

	sigemptyset(&own);
	sigaddset(&own, SIGUSR2);
	sigprocmask(SIG_SETMASK, &own, NULL);
	sigfillset(&in_guest);
	set_mask(vcpu, &in_guest);
	vmm_run_to_out(vcpu, 0x10, 1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
	CHECK(!sigismember(&now, SIGUSR1));
	CHECK(!sigismember(&now, SIGHUP));
}

TEST(mask_removed, "KVM_SET_SIGNAL_MASK without a mask removes it")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
	struct vmm_thread t;
	sigset_t set;

	sigfillset(&set);
	set_mask(vcpu, &set);
	OK(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, NULL));
	vmm_start(&t, vcpu);
	wait_for_progress(vcpu);
	pthread_kill(t.thread, SIGUSR1);
	CHECK_EQ(vmm_join(&t), -EINTR);
}

TEST(mask_bad_input, "KVM_SET_SIGNAL_MASK with bad lengths and pointers")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, out_hlt);
	static const uint32_t lengths[] = { 0, 1, 4, 7, 9, 16, 128, ~0u };
	uint8_t *pages = vmm_map_anon(2 * SZ_4K);
	struct kvm_signal_mask *mask;
	unsigned int i;

	mask = (struct kvm_signal_mask *)pages;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		mask->len = lengths[i];
		CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, mask), EINVAL);
	}
	OK(munmap(pages + SZ_4K, SZ_4K));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, ~0ul - 8), EFAULT);
	mask = (struct kvm_signal_mask *)(pages + SZ_4K - 4);
	mask->len = KERNEL_SIGSET_SIZE;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, mask), EFAULT);
	vmm_run_to_out(vcpu, 0x10, 1);
}

TEST(mask_sigkill, "SIGKILL cannot be masked")
{
	int status, ready[2];
	char byte;
	pid_t pid;

	OK(pipe(ready));
	pid = fork();
	OK(pid);
	if (!pid) {
		struct vmm_vcpu *vcpu;
		sigset_t set;

		vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
		sigfillset(&set);
		set_mask(vcpu, &set);
		OK(write(ready[1], "r", 1));
		vmm_run(vcpu);
		_exit(0);
	}
	OK(close(ready[1]));
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	vmm_sleep_ms(20);
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(stop_and_continue, "SIGSTOP stops a running guest, SIGCONT resumes it")
{
	volatile uint64_t *shared;
	uint64_t before, i;
	int status;
	pid_t pid;

	shared = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	OK(pid);
	if (!pid) {
		struct vmm_vcpu *vcpu;

		vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, count);
		/* The guest counts where the parent can see it. */
		CHECK(mremap((void *)shared, SZ_4K, SZ_4K,
			     MREMAP_MAYMOVE | MREMAP_FIXED,
			     vcpu->vm->ram + GPA_DATA) != MAP_FAILED);
		for (;;)
			vmm_run(vcpu);
	}
	for (i = 0; i < 3; i++) {
		before = *shared;
		while (*shared == before)
			vmm_sleep_ms(1);
		OK(kill(pid, SIGSTOP));
		OK(waitpid(pid, &status, WUNTRACED));
		CHECK(WIFSTOPPED(status));
		before = *shared;
		vmm_sleep_ms(10);
		CHECK_EQ(*shared, before);
		OK(kill(pid, SIGCONT));
	}
	before = *shared;
	while (*shared == before)
		vmm_sleep_ms(1);
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, &status, 0));
}

/* Adds 1 to RAX, RBX, ... in step; they differ only in the middle of a round. */
GUEST(in_step, 64,
	"1: inc %rax\n inc %rbx\n inc %r8\n inc %r15\n"
	"cmp %rax, %r15\n"
	"jne 2f\n"
	"cmp %rbx, %r8\n"
	"je 1b\n"
	"2: hlt\n");

TEST(kicked_often, "a guest that is interrupted all the time computes correctly")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, in_step);
	struct itimerval timer = {
		.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000,
	};
	unsigned long i, n = tap_scaled(300, 30);
	struct kvm_regs regs;

	vmm_catch(SIGALRM);
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; i < n; i++)
		CHECK_EQ(vmm_run(vcpu), -EINTR);
	regs = vmm_regs(vcpu);
	CHECK(regs.rax - regs.r15 <= 1);
	CHECK(regs.r15 > 0);
}

GUEST(interrupt_flag, 64,
	"sti\n"
	"nop\n"
	"out %al, $0x10\n"
	"cli\n"
	"out %al, $0x10\n"
	"hlt\n");

TEST(if_flag, "kvm_run.if_flag shows the guest's interrupt flag")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, interrupt_flag);

	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vcpu->run->if_flag, 1);
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vcpu->run->if_flag, 0);
}

GUEST(task_priority, 64,
	"mov %cr8, %rax\n"
	"mov $5, %ebx\n"
	"mov %rbx, %cr8\n"
	"mov %cr8, %rcx\n"
	"hlt\n");

TEST(cr8, "kvm_run.cr8 goes in and out")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, task_priority);

	vcpu->run->cr8 = 3;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 3);
	CHECK_EQ(vmm_regs(vcpu).rcx, 5);
	CHECK_EQ(vcpu->run->cr8, 5);
	CHECK_EQ(vmm_sregs(vcpu).cr8, 5);
}

GUEST(lower_priority, 64,
	"mov $2, %ebx\n"
	"mov %rbx, %cr8\n"
	"mov %cr8, %rcx\n"
	"hlt\n");

TEST(set_tpr, "lowering CR8 without an in-kernel APIC exits as SET_TPR")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, lower_priority);

	vcpu->run->cr8 = 7;
	vmm_run_to(vcpu, KVM_EXIT_SET_TPR);
	CHECK_EQ(vcpu->run->cr8, 2);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rcx, 2);
}

TEST(scribbled_run_page, "a VMM that scribbles over kvm_run hurts only itself")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, out_hlt);
	uint8_t *page = (uint8_t *)vcpu->run;
	unsigned int seed, i;

	for (seed = 1; seed < 50; seed++) {
		for (i = 8; i < 3 * SZ_4K; i++)
			page[i] = rand_r(&seed);
		vcpu->run->request_interrupt_window = seed & 1;
		vcpu->run->immediate_exit = 0;
		/* Whatever this gives: no crash, no hang, no leak. */
		vmm_run(vcpu);
	}
	memset(page, 0, 3 * SZ_4K);
	vcpu->run->apic_base = vmm_sregs(vcpu).apic_base;
	vmm_set_mode(vcpu, VMM_LONG);
	while (!vmm_run(vcpu) && vcpu->run->exit_reason != KVM_EXIT_HLT)
		;
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
}
