// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, SSE and AVX state: the guest keeps its own, the host keeps its own, and
 * neither ever sees the other's.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUID1_ECX_XSAVE	(1u << 26)
#define CPUID1_ECX_AVX		(1u << 28)

/* xmm0-15 and the control words, as both sides lay them out. */
struct sse_state {
	uint8_t xmm[16][16];
	uint32_t mxcsr;
	uint16_t fcw;
	uint16_t pad;
} __attribute__((aligned(16)));

#define EACH_XMM(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) \
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_XMM(n)	"movups 16*" #n "(%%rsi), %%xmm" #n "\n"
#define STORE_XMM(n)	"movups %%xmm" #n ", 16*" #n "(%%rdi)\n"
#define G_LOAD_XMM(n)	"movups 16*" #n "(%rsi), %xmm" #n "\n"
#define G_STORE_XMM(n)	"movups %xmm" #n ", 16*" #n "(%rdi)\n"

static void number_state(struct sse_state *s, unsigned int seed)
{
	unsigned int i, j;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 16; i++)
		for (j = 0; j < 16; j++)
			s->xmm[i][j] = seed * 31 + i * 16 + j;
	/* All exceptions masked; rounding and precision tell owners apart. */
	s->mxcsr = 0x1f80 | (seed & 3) << 13;
	s->fcw = 0x037f | (seed & 3) << 10;
}

/*
 * KVM_RUN with the host's registers full of @in; what they hold afterwards goes
 * to @out. No C code runs in between that could use them.
 */
static long run_with_state(struct vmm_vcpu *vcpu, const struct sse_state *in,
			   struct sse_state *out)
{
	register long nr asm("rax") = SYS_ioctl;
	register long fd asm("rdi") = vcpu->fd;
	register long request asm("rsi") = KVM_RUN;
	register long arg asm("rdx") = 0;
	struct sse_state own = { .mxcsr = 0x1f80, .fcw = 0x037f };

	asm volatile("push %%rsi\n push %%rdi\n"
		     "mov %[in], %%rsi\n"
		     EACH_XMM(LOAD_XMM)
		     "ldmxcsr 256(%%rsi)\n"
		     "fldcw 260(%%rsi)\n"
		     "pop %%rdi\n pop %%rsi\n"
		     "syscall\n"
		     "mov %[out], %%rdi\n"
		     EACH_XMM(STORE_XMM)
		     "stmxcsr 256(%%rdi)\n"
		     "fnstcw 260(%%rdi)\n"
		     "ldmxcsr %[mxcsr]\n"
		     "fldcw %[fcw]\n"
		     : "+r"(nr), "+r"(fd), "+r"(request), "+r"(arg)
		     : [in] "r"(in), [out] "r"(out),
		       [mxcsr] "m"(own.mxcsr), [fcw] "m"(own.fcw)
		     : "rcx", "r11", "memory", "cc",
		       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
		       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
		       "xmm13", "xmm14", "xmm15");
	return nr;
}

static void check_state(const char *whose, const struct sse_state *got,
			const struct sse_state *want)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		CHECKF(!memcmp(got->xmm[i], want->xmm[i], 16),
		       "%s xmm%u is %016llx..., expected %016llx...", whose, i,
		       *(unsigned long long *)got->xmm[i],
		       *(unsigned long long *)want->xmm[i]);
	CHECKF((got->mxcsr & ~0x3fu) == want->mxcsr,
	       "%s MXCSR is 0x%x, expected 0x%x", whose, got->mxcsr,
	       want->mxcsr);
	CHECKF(got->fcw == want->fcw, "%s FCW is 0x%x, expected 0x%x", whose,
	       got->fcw, want->fcw);
}

/* Stores its state at RDI; loads the one at RSI; OUT; the same again. */
GUEST(swap_state, 64,
	"1:\n"
	EACH_XMM(G_STORE_XMM)
	"stmxcsr 256(%rdi)\n"
	"fnstcw 260(%rdi)\n"
	EACH_XMM(G_LOAD_XMM)
	"ldmxcsr 256(%rsi)\n"
	"fldcw 260(%rsi)\n"
	"out %al, $0x10\n"
	"jmp 1b\n");

#define GPA_SEEN	0xc000
#define GPA_LOAD	0xd000

static struct vmm_vcpu *boot_swap(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, swap_state);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rdi = GPA_SEEN;
	regs.rsi = GPA_LOAD;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

static struct sse_state *state_at(struct vmm_vcpu *vcpu, uint64_t gpa)
{
	return (struct sse_state *)(vcpu->vm->ram + gpa);
}

/* Lets the guest run to its next OUT while the host's registers hold @seed. */
static void swap_once(struct vmm_vcpu *vcpu, unsigned int host_seed,
		      unsigned int guest_seed)
{
	struct sse_state in, out;

	number_state(&in, host_seed);
	number_state(state_at(vcpu, GPA_LOAD), guest_seed);
	CHECK_EQ(run_with_state(vcpu, &in, &out), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	check_state("the host's", &out, &in);
}

TEST(initial_state, "a new vcpu starts with the reset state, not the host's")
{
	struct vmm_vcpu *vcpu = boot_swap();
	struct sse_state *seen = state_at(vcpu, GPA_SEEN), zero;

	memset(seen, 0xff, sizeof(*seen));
	swap_once(vcpu, 1, 2);
	memset(&zero, 0, sizeof(zero));
	CHECK(!memcmp(seen->xmm, zero.xmm, sizeof(zero.xmm)));
	CHECK_EQ(seen->mxcsr, 0x1f80);
	/*
	 * INIT leaves 0x37f in the control word, RESET 0x40; either is what
	 * the guest expects before FNINIT. The host has another rounding mode.
	 */
	CHECKF(seen->fcw == 0x37f || seen->fcw == 0x40, "FCW is 0x%x",
	       seen->fcw);
}

TEST(kept_over_exits, "guest and host keep their registers over exits")
{
	struct vmm_vcpu *vcpu = boot_swap();
	unsigned long i, n = tap_scaled(200, 20);
	struct sse_state want;

	swap_once(vcpu, 100, 1);
	for (i = 1; i < n; i++) {
		swap_once(vcpu, 100 + i, i + 1);
		number_state(&want, i);
		check_state("the guest's", state_at(vcpu, GPA_SEEN), &want);
	}
}

TEST(two_vcpus, "two vcpus that run in turn in one thread")
{
	struct vmm_vcpu *a = boot_swap(), *b = boot_swap();
	unsigned long i, n = tap_scaled(100, 10);
	struct sse_state want;

	swap_once(a, 50, 1);
	swap_once(b, 60, 2);
	for (i = 1; i < n; i++) {
		swap_once(a, 3 * i, i + 101);
		number_state(&want, i == 1 ? 1 : i + 100);
		check_state("vcpu a's", state_at(a, GPA_SEEN), &want);
		swap_once(b, 5 * i, i + 201);
		number_state(&want, i == 1 ? 2 : i + 200);
		check_state("vcpu b's", state_at(b, GPA_SEEN), &want);
	}
}

TEST(moved_between_cpus, "a thread that moves takes the guest's registers along")
{
	struct vmm_vcpu *vcpu = boot_swap();
	unsigned long i, n = tap_scaled(100, 10);
	struct sse_state want;

	if (vmm_cpus() < 2)
		SKIP("only one CPU to be on");
	swap_once(vcpu, 100, 1);
	for (i = 1; i < n; i++) {
		vmm_pin(i);
		swap_once(vcpu, 100 + i, i + 1);
		number_state(&want, i);
		check_state("the guest's", state_at(vcpu, GPA_SEEN), &want);
	}
}

/*
 * Loads the state at RSI, then compares xmm0-15 with it over and over; stops if
 * one differs, or when the byte at 0x7000 is set.
 */
#define G_COMPARE_XMM(n) \
	"movdqu 16*" #n "(%rsi), %xmm0\n" "pcmpeqb %xmm" #n ", %xmm0\n" \
	"pmovmskb %xmm0, %eax\n" "cmp $0xffff, %eax\n" "jne 2f\n"
GUEST(hold_state, 64,
	EACH_XMM(G_LOAD_XMM)
	"1: incq 0x7008\n"
	G_COMPARE_XMM(1) G_COMPARE_XMM(2) G_COMPARE_XMM(3) G_COMPARE_XMM(4)
	G_COMPARE_XMM(5) G_COMPARE_XMM(6) G_COMPARE_XMM(7) G_COMPARE_XMM(8)
	G_COMPARE_XMM(9) G_COMPARE_XMM(10) G_COMPARE_XMM(11) G_COMPARE_XMM(12)
	G_COMPARE_XMM(13) G_COMPARE_XMM(14) G_COMPARE_XMM(15)
	"cmpb $0, 0x7000\n"
	"je 1b\n"
	"xor %ebx, %ebx\n"
	"hlt\n"
	"2: mov $1, %ebx\n"
	"hlt\n");

/* A process of its own that does with its registers what the guest does. */
static pid_t start_rival(volatile uint64_t *rounds)
{
	struct sse_state in, out;
	pid_t pid = fork();

	OK(pid);
	if (pid)
		return pid;
	number_state(&in, 77);
	for (;;) {
		const struct sse_state *from = &in;
		struct sse_state *to = &out;
		long count = 100000;

		asm volatile("mov %[from], %%rsi\n"
			     EACH_XMM(LOAD_XMM)
			     "ldmxcsr 256(%%rsi)\n"
			     "fldcw 260(%%rsi)\n"
			     "1: dec %[count]\n"
			     "jnz 1b\n"
			     "mov %[to], %%rdi\n"
			     EACH_XMM(STORE_XMM)
			     "stmxcsr 256(%%rdi)\n"
			     "fnstcw 260(%%rdi)\n"
			     : [count] "+r"(count)
			     : [from] "r"(from), [to] "r"(to)
			     : "rsi", "rdi", "memory", "cc",
			       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
			       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
		check_state("another process's", &out, &in);
		*rounds += 1;
	}
}

TEST(preempted_guest, "a guest that shares its CPU with another process")
{
	struct vmm_vcpu *vcpu;
	volatile uint64_t *rounds, *counter;
	struct kvm_regs regs;
	struct vmm_thread t;
	uint64_t start, begin;
	int status, i;
	pid_t rival;

	rounds = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(rounds != MAP_FAILED);
	vmm_pin(0);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, hold_state);
	regs = vmm_regs(vcpu);
	number_state(state_at(vcpu, GPA_LOAD), 33);
	regs.rsi = GPA_LOAD;
	vmm_set_regs(vcpu, &regs);
	counter = (volatile uint64_t *)(vcpu->vm->ram + 0x7008);
	rival = start_rival(rounds);
	vmm_start(&t, vcpu);
	for (i = 0; i < 5; i++) {
		/* Both have to make progress, so they have taken turns. */
		start = *rounds;
		begin = *counter;
		while ((*rounds == start || *counter == begin) && !t.done)
			vmm_sleep_ms(5);
	}
	vcpu->vm->ram[0x7000] = 1;
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECKF(vmm_regs(vcpu).rbx == 0, "the guest's registers have changed");
	CHECKF(waitpid(rival, &status, WNOHANG) == 0,
	       "the other process's registers have changed");
	OK(kill(rival, SIGKILL));
}

TEST(signal_handler, "a signal handler's registers are not the guest's")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, hold_state);
	struct kvm_regs regs = vmm_regs(vcpu);
	unsigned long i, n = tap_scaled(20, 5);
	struct sse_state in, out;
	struct vmm_thread t;

	number_state(state_at(vcpu, GPA_LOAD), 44);
	regs.rsi = GPA_LOAD;
	vmm_set_regs(vcpu, &regs);
	for (i = 0; i < n; i++) {
		vmm_start(&t, vcpu);
		vmm_sleep_ms(2);
		vmm_kick(&t);
		CHECK_EQ(vmm_join(&t), -EINTR);
		number_state(&in, i);
		vcpu->run->immediate_exit = 1;
		CHECK_EQ(run_with_state(vcpu, &in, &out), -EINTR);
		check_state("the host's", &out, &in);
		vcpu->run->immediate_exit = 0;
	}
	vcpu->vm->ram[0x7000] = 1;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECKF(vmm_regs(vcpu).rbx == 0, "the guest's registers have changed");
}

/* x87 stack: pushes three constants, exits, adds them up, stores at 0x7000. */
GUEST(x87, 64,
	"fninit\n"
	"fld1\n"
	"fldpi\n"
	"fldl2e\n"
	"out %al, $0x10\n"
	"faddp\n"
	"faddp\n"
	"fstpl 0x7000\n"
	"fnstsw %ax\n"
	"hlt\n");

TEST(x87_stack, "the x87 stack survives exits and the host's use of it")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, x87);
	volatile long double x = 3.0L;
	double got;

	vmm_run_to_out(vcpu, 0x10, 1);
	x = x * 1.5L + 2.25L;
	CHECK(x == 6.75L);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	memcpy(&got, vcpu->vm->ram + 0x7000, 8);
	CHECKF(got > 5.584287 && got < 5.584288, "1 + pi + log2(e) is %f", got);
	CHECK_EQ(vmm_regs(vcpu).rax & 0x3800, 0);
}

/* With CR4.OSXSAVE and XCR0 = 7: checks ymm0 and ymm15 over an exit. */
GUEST(avx, 64,
	"xor %ecx, %ecx\n"
	"xgetbv\n"
	"mov %eax, %ebp\n"
	"xor %edx, %edx\n"
	"mov $7, %eax\n"
	"xsetbv\n"
	"vmovups %ymm0, 0xc000\n"
	"vmovups %ymm15, 0xc020\n"
	"vmovups (%rsi), %ymm0\n"
	"vmovups 32(%rsi), %ymm15\n"
	"out %al, $0x10\n"
	"vmovups %ymm0, 0xc040\n"
	"vmovups %ymm15, 0xc060\n"
	"xor %ecx, %ecx\n"
	"xgetbv\n"
	"hlt\n");

/* XCR0 of a guest without using what it allows; RBP and RAX: before, after. */
GUEST(xcr0_only, 64,
	"xor %ecx, %ecx\n"
	"xgetbv\n"
	"mov %eax, %ebp\n"
	"xor %edx, %edx\n"
	"mov $3, %eax\n"
	"xsetbv\n"
	"out %al, $0x10\n"
	"xgetbv\n"
	"hlt\n");

static struct vmm_vcpu *boot_avx(void)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 1, 0);
	struct vmm_vcpu *vcpu;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (!(e->ecx & CPUID1_ECX_XSAVE) || !(e->ecx & CPUID1_ECX_AVX))
		SKIP("this CPU has no AVX");
	vcpu = vmm_boot(SZ_1M, VMM_LONG, avx);
	sregs = vmm_sregs(vcpu);
	sregs.cr4 |= X86_CR4_OSXSAVE;
	vmm_set_sregs(vcpu, &sregs);
	regs = vmm_regs(vcpu);
	regs.rsi = GPA_LOAD;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

/* KVM_RUN with ymm0 and ymm15 loaded from @in and stored to @out. */
__attribute__((target("avx")))
static long run_with_ymm(struct vmm_vcpu *vcpu, const uint8_t in[64],
			 uint8_t out[64])
{
	register long nr asm("rax") = SYS_ioctl;
	register long fd asm("rdi") = vcpu->fd;
	register long request asm("rsi") = KVM_RUN;
	register long arg asm("rdx") = 0;

	asm volatile("vmovups (%[in]), %%ymm0\n"
		     "vmovups 32(%[in]), %%ymm15\n"
		     "syscall\n"
		     "vmovups %%ymm0, (%[out])\n"
		     "vmovups %%ymm15, 32(%[out])\n"
		     "vzeroupper\n"
		     : "+r"(nr), "+r"(fd), "+r"(request), "+r"(arg)
		     : [in] "r"(in), [out] "r"(out)
		     : "rcx", "r11", "memory", "cc", "xmm0", "xmm15");
	return nr;
}

static uint64_t host_xcr0(void)
{
	uint32_t low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

TEST(avx_state, "the upper halves of ymm registers are kept apart, too")
{
	struct vmm_vcpu *vcpu = boot_avx();
	uint8_t in[64], out[64], *ram = vcpu->vm->ram;
	int i;

	if (vmm_on_tcg())
		SKIP("QEMU's TCG does not intercept XSETBV, XCR0 is lost");
	for (i = 0; i < 64; i++) {
		in[i] = 200 - i;
		ram[GPA_LOAD + i] = 3 * i + 1;
	}
	memset(ram + 0xc000, 0xff, 128);
	CHECK_EQ(run_with_ymm(vcpu, in, out), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECKF(!memcmp(in, out, 64), "the host's ymm registers have changed");
	for (i = 0; i < 64; i++)
		CHECKF(!ram[0xc000 + i], "the guest starts with %x in ymm",
		       ram[0xc000 + i]);
	CHECK_EQ(run_with_ymm(vcpu, in, out), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECKF(!memcmp(in, out, 64), "the host's ymm registers have changed");
	CHECKF(!memcmp(ram + 0xc040, ram + GPA_LOAD, 64),
	       "the guest's ymm registers have changed");
}

TEST(xcr0, "XCR0 starts as 1, is the guest's own, and the host keeps its own")
{
	struct vmm_vcpu *vcpu = boot_avx();
	uint64_t own = host_xcr0();

	vmm_load(vcpu->vm, GPA_CODE, xcr0_only);
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(host_xcr0(), own);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(host_xcr0(), own);
	CHECK_EQ(vmm_regs(vcpu).rbp, 1);
	/* QEMU's TCG does not intercept XSETBV: KVM never learns of it. */
	if (!vmm_on_tcg())
		CHECK_EQ(vmm_regs(vcpu).rax, 3);
}

/* XSETBV of RAX; the handler of #GP counts in RBX. */
GUEST(bad_xsetbv, 64,
	"xor %ecx, %ecx\n"
	"xsetbv\n"
	"hlt\n"
	ORG(0x80)
	"mov $13, %ebx\n"
	"hlt\n");

TEST(xsetbv_rejects, "XSETBV of impossible values is #GP in the guest")
{
	static const uint64_t bad[] = { 0, 2, 4, 5, 1ull << 62 | 1, 0x100001 };
	struct vmm_vcpu *vcpu = boot_avx();
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t own = host_xcr0();
	unsigned int i;

	vmm_load(vcpu->vm, GPA_CODE, bad_xsetbv);
	vmm_gate(vcpu, 13, GPA_CODE + 0x80);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		regs.rip = GPA_CODE;
		regs.rbx = 0;
		regs.rax = bad[i] & 0xffffffff;
		regs.rdx = bad[i] >> 32;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECKF(vmm_regs(vcpu).rbx == 13, "XCR0 = 0x%llx was accepted",
		       (unsigned long long)bad[i]);
		CHECK_EQ(host_xcr0(), own);
	}
}

/* An SSE instruction with CR0.TS set; #NM clears TS and returns. */
GUEST(task_switched, 64,
	"movups (%rsi), %xmm3\n"
	"movups %xmm3, 0xc000\n"
	"hlt\n"
	ORG(0x80)
	"clts\n"
	"inc %ebx\n"
	"iretq\n");

TEST(task_switched, "CR0.TS of the guest gives the guest its #NM")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, task_switched);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	struct kvm_regs regs = vmm_regs(vcpu);

	memset(vcpu->vm->ram + GPA_LOAD, 0x5c, 16);
	sregs.cr0 |= X86_CR0_TS;
	vmm_set_sregs(vcpu, &sregs);
	regs.rsi = GPA_LOAD;
	vmm_set_regs(vcpu, &regs);
	vmm_gate(vcpu, 7, GPA_CODE + 0x80);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 1);
	CHECK(!memcmp(vcpu->vm->ram + 0xc000, vcpu->vm->ram + GPA_LOAD, 16));
	CHECK(!(vmm_sregs(vcpu).cr0 & X86_CR0_TS));
}
