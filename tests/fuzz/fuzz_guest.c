// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that execute random instructions in every processor mode, with devices
 * that answer at random, interrupts out of nowhere, and a VMM that pulls memory
 * away. A stream is made of the seed, the case and its number: each can be had again.
 * What KVM_RUN answers is checked; whether the host is well is the lab's to say.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "random.h"
#include "stream.h"
#include "vmm.h"

#define RAM		SZ_1M
#define STREAM		0x3000
#define STREAM_MS	30	/* at most, each */
#define STREAM_EXITS	400
#define CASES		10

static struct kvm_run *volatile running;

static void on_tick(int sig)
{
	if (running)
		running->immediate_exit = 1;
}

/* The vcpu that @run belongs to is made to come back now and then; NULL: no more. */
static void set_ticks(struct kvm_run *run)
{
	struct itimerval every = { { 0, STREAM_MS * 1000 }, { 0, STREAM_MS * 1000 } }, none = { 0 };
	struct sigaction sa = { .sa_handler = on_tick };

	running = run;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, run ? &every : &none, NULL);
}

static uint64_t place(struct random *r)
{
	static const uint64_t places[] = {
		GPA_MMIO, GPA_MMIO + SZ_4K, 0xfee00000, 0xfec00000, 0xa0000, 0xb8000, GPA_DATA,
		GPA_STACK, GPA_GDT, GPA_IDT, GPA_TABLES, RAM, 0xc000, 0xffffffff, 0x7fffffffffff,
	};

	if (random_once_in(r, 4))
		return random_value(r);
	return places[random_below(r, sizeof(places) / sizeof(places[0]))] +
	       (int)random_below(r, 32) - 16;
}

/* Registers at interesting places, mostly with the stack where it belongs. */
static void aim(struct random *r, struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t *gpr = (uint64_t *)&regs;	/* rax to r15 come first */
	unsigned int i;

	for (i = 0; i < 16; i++)
		gpr[i] = place(r);
	regs.rcx = random_once_in(r, 2) ? random_below(r, 600) : place(r);
	regs.rsp = random_once_in(r, 4) ? place(r) : GPA_STACK;
	regs.rip = GPA_CODE + random_below(r, 256);
	regs.rflags = VMM_RFLAGS | (random_u64(r) & 0xcd5);
	if (random_once_in(r, 8))
		regs.rflags |= random_u64(r) & 0x7100;		/* TF, IOPL, NT */
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) && errno != EINVAL)
		FAIL("KVM_SET_REGS: %s", strerror(errno));
}

static void set_gates(struct random *r, struct vmm_vcpu *vcpu)
{
	unsigned int vector;

	for (vector = 0; vector < 32; vector++)
		vmm_gate(vcpu, vector, GPA_CODE + random_below(r, STREAM));
	if (random_once_in(r, 4))
		vmm_gate(vcpu, random_below(r, 256), GPA_MMIO);
}

static void check_mmio(const struct kvm_run *run)
{
	CHECK(run->mmio.len >= 1 && run->mmio.len <= 8);
	CHECK((run->mmio.phys_addr & 0xfff) + run->mmio.len <= SZ_4K);
	CHECK(run->mmio.is_write <= 1);
}

static void check_io(const struct kvm_run *run)
{
	CHECK(run->io.size == 1 || run->io.size == 2 || run->io.size == 4);
	CHECK(run->io.count >= 1 && run->io.size * run->io.count <= SZ_4K);
	CHECK_EQ(run->io.data_offset, SZ_4K);
	CHECK(run->io.direction <= 1);
}

/* False: the stream has come to its end. */
static bool serve(struct random *r, struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		check_mmio(run);
		if (!run->mmio.is_write)
			random_fill(r, run->mmio.data, 8);
		return true;
	case KVM_EXIT_IO:
		check_io(run);
		if (run->io.direction == KVM_EXIT_IO_IN)
			random_fill(r, (uint8_t *)run + run->io.data_offset,
				    run->io.size * run->io.count);
		return true;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_IOAPIC_EOI:
	case KVM_EXIT_INTR:
	case KVM_EXIT_DEBUG:
		return true;
	case KVM_EXIT_HLT:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_SYSTEM_EVENT:
	case KVM_EXIT_TPR_ACCESS:
		return false;
	default:
		FAIL("exit reason %u (%s)", run->exit_reason, vmm_exit_name(run->exit_reason));
	}
}

/* What a VMM may do at any exit. */
static void disturb(struct random *r, struct vmm_vcpu *vcpu)
{
	struct kvm_interrupt irq = { .irq = random_below(r, 300) };
	struct vmm *vm = vcpu->vm;
	uint64_t page = random_below(r, RAM / SZ_4K) * SZ_4K;
	struct kvm_irq_level level = { .irq = random_below(r, 26), .level = random_below(r, 2) };
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | random_below(r, 4) << 12, .data = random_below(r, 0x10000),
	};

	switch (random_below(r, 8)) {
	case 0:
		ioctl(vcpu->fd, KVM_INTERRUPT, &irq);
		break;
	case 1:
		ioctl(vcpu->fd, KVM_NMI);
		break;
	case 2:
		madvise(vm->ram + page, SZ_4K, MADV_DONTNEED);
		break;
	case 3:
		mprotect(vm->ram + page, SZ_4K, PROT_READ);
		mprotect(vm->ram + page, SZ_4K, PROT_READ | PROT_WRITE);
		break;
	case 4:
		vcpu->run->request_interrupt_window = random_below(r, 2);
		break;
	case 5:
		ioctl(vm->fd, KVM_IRQ_LINE, &level);
		break;
	case 6:
		ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
		break;
	default:
		aim(r, vcpu);
		break;
	}
}

/* KVM_FUZZ_VERBOSE: where the stream was last, for what ends the machine. */
static void say_exit(struct vmm_vcpu *vcpu, int ret)
{
	struct kvm_regs regs = vmm_regs(vcpu);
	const uint8_t *code = vcpu->vm->ram + (regs.rip & (RAM - 1));

	tap_diag("%d %s rip %llx: %02x %02x %02x %02x %02x %02x %02x %02x rsp %llx", ret,
		 vmm_exit_name(vcpu->run->exit_reason), (unsigned long long)regs.rip, code[0],
		 code[1], code[2], code[3], code[4], code[5], code[6], code[7],
		 (unsigned long long)regs.rsp);
}

static unsigned long run_stream(struct random *r, struct vmm_vcpu *vcpu)
{
	uint64_t begin = vmm_now_ms();
	unsigned int exits;
	bool verbose = getenv("KVM_FUZZ_VERBOSE");
	int ret;

	vcpu->run->immediate_exit = 0;
	set_ticks(vcpu->run);
	for (exits = 0; exits < STREAM_EXITS; exits++) {
		if (verbose)
			say_exit(vcpu, exits);
		ret = vmm_run(vcpu);
		if (ret == -EINTR) {
			vcpu->run->immediate_exit = 0;
			if (vmm_now_ms() - begin >= STREAM_MS)
				break;
			continue;
		}
		if (ret == -EFAULT)	/* memory that is not there, for a moment */
			break;
		CHECKF(!ret, "KVM_RUN: %s", strerror(-ret));
		if (!serve(r, vcpu))
			break;
		if (random_once_in(r, 16))
			disturb(r, vcpu);
	}
	set_ticks(NULL);
	return exits;
}

/* A VM with or without interrupt controllers in the kernel; some calls may not be there yet. */
static struct vmm_vcpu *make_vm(struct random *r)
{
	struct kvm_pit_config pit = { 0 };
	struct vmm *vm = vmm_create(RAM);

	if (random_once_in(r, 2) && !ioctl(vm->fd, KVM_CREATE_IRQCHIP))
		ioctl(vm->fd, KVM_CREATE_PIT2, &pit);
	/* A hole in which only reads are memory. */
	vmm_try_slot(vm, 1, KVM_MEM_READONLY, 0xc0000, SZ_64K, vm->ram);
	return vmm_vcpu_add(vm);
}

static void fuzz_mode(enum vmm_mode mode)
{
	uint64_t end = vmm_now_ms() + fuzz_ms(CASES), said = 0;
	unsigned long n, exits = 0;
	struct vmm_vcpu *vcpu = NULL;
	enum vmm_mode now;
	struct random r;

	for (n = 0; vmm_now_ms() < end; n++) {
		random_start(&r, fuzz_seed(), n * VMM_MODES + mode);
		/* A machine check, a shutdown: some VMs are beyond use. */
		if (!(n % 32)) {
			if (vcpu)
				vmm_destroy(vcpu->vm);
			vcpu = make_vm(&r);
		}
		now = mode < VMM_MODES ? mode : random_below(&r, VMM_MODES);
		vcpu->vm->next_table = GPA_TABLES;
		memset(vcpu->vm->ram + GPA_TABLES, 0, GPA_TABLES_END - GPA_TABLES);
		vmm_set_mode(vcpu, now);
		stream_make(&r, vcpu->vm->ram + GPA_CODE, STREAM, now);
		if (random_once_in(&r, 2))
			set_gates(&r, vcpu);
		aim(&r, vcpu);
		exits += run_stream(&r, vcpu);
		if (vmm_now_ms() - said > 5000) {
			said = vmm_now_ms();
			tap_diag("seed %llu: stream %lu, %lu exits",
				 (unsigned long long)fuzz_seed(), n, exits);
		}
	}
	tap_diag("%lu streams, %lu exits", n, exits);
	CHECK(exits > n / 4);	/* or the streams do nothing */
	vmm_destroy(vcpu->vm);
}

TEST(real, "random code in real mode")
{
	fuzz_mode(VMM_REAL);
}

TEST(bigreal, "random code in real mode with large segments")
{
	fuzz_mode(VMM_BIGREAL);
}

TEST(prot16, "random 16-bit code in protected mode")
{
	fuzz_mode(VMM_PROT16);
}

TEST(prot32, "random 32-bit code without paging")
{
	fuzz_mode(VMM_PROT32);
}

TEST(page32, "random 32-bit code with two-level paging")
{
	fuzz_mode(VMM_PAGE32);
}

TEST(pae, "random 32-bit code with PAE paging")
{
	fuzz_mode(VMM_PAE);
}

TEST(compat, "random 32-bit code in compatibility mode")
{
	fuzz_mode(VMM_COMPAT);
}

TEST(long64, "random 64-bit code")
{
	fuzz_mode(VMM_LONG);
}

TEST(any, "one VM, modes in turn")
{
	fuzz_mode(VMM_MODES);
}

/* Two vcpus of one VM change each other's code and tables. */
struct pair {
	struct vmm_vcpu *vcpu;
	pthread_t thread;
	volatile int done;
};

static void *pair_run(void *arg)
{
	struct pair *pair = arg;
	uint64_t end = vmm_now_ms() + fuzz_ms(CASES);
	struct random r;
	int ret;

	random_start(&r, fuzz_seed(), 1000 + pair->vcpu->id);
	while (vmm_now_ms() < end) {
		pair->vcpu->run->immediate_exit = 0;
		aim(&r, pair->vcpu);
		do
			ret = vmm_run(pair->vcpu);
		while (!ret && serve(&r, pair->vcpu) && vmm_now_ms() < end);
	}
	pair->done = 1;
	return NULL;
}

static void on_kick(int sig)
{
}

TEST(pair, "two vcpus execute random code of one memory")
{
	struct sigaction sa = { .sa_handler = on_kick };
	struct vmm *vm = vmm_create(RAM);
	struct pair pair[2] = { 0 };
	struct random r;
	int i;

	sigaction(SIGUSR1, &sa, NULL);
	random_start(&r, fuzz_seed(), 999);
	stream_make(&r, vm->ram + GPA_CODE, STREAM, VMM_LONG);
	for (i = 0; i < 2; i++) {
		pair[i].vcpu = vmm_vcpu_add(vm);
		vmm_set_mode(pair[i].vcpu, VMM_LONG);
		OK(-pthread_create(&pair[i].thread, NULL, pair_run, &pair[i]));
	}
	while (!pair[0].done || !pair[1].done) {
		vmm_sleep_ms(STREAM_MS);
		for (i = 0; i < 2; i++) {
			pair[i].vcpu->run->immediate_exit = 1;
			if (!pair[i].done)
				pthread_kill(pair[i].thread, SIGUSR1);
		}
	}
	for (i = 0; i < 2; i++)
		pthread_join(pair[i].thread, NULL);
	vmm_destroy(vm);
}
