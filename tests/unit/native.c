// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "native.h"

#define EFLAGS_TF	0x100
#define CS_32		0x23	/* the kernel's 32-bit user code segment */
#define CS_LDT		0x07	/* entry 0 of the LDT */
#define DS_USER		0x2b

/* Far enough from everything that a random 32-bit displacement meets nothing. */
static const uint64_t code_at[] = {
	[NATIVE_16] = 0x10000000, [NATIVE_32] = 0x18000000, [NATIVE_64] = 0x20000000,
};

static uint8_t *code[3];

static struct {
	volatile sig_atomic_t entered;
	struct native_state *state;
	enum native_mode mode;
	gregset_t saved;
	unsigned long fs_base;
} step;

static const int greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* Without libc: the instruction under test may have taken the thread pointer away. */
static void set_fs_base(unsigned long base)
{
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (SYS_arch_prctl), "D" (ARCH_SET_FS), "S" (base)
		     : "rcx", "r11", "memory");
}

/* The FPU state of a signal frame: FXSAVE's image, then the XSAVE header. */
static uint64_t *fpu_components(fpregset_t fp)
{
	return (uint64_t *)((uint8_t *)fp + 512);
}

bool native_has_avx(void)
{
	return __builtin_cpu_supports("avx");
}

/* The upper half of a YMM register: CPUID 0xd.2 says the same offset on every CPU. */
static uint8_t *fpu_upper(fpregset_t fp, int reg)
{
	return (uint8_t *)fp + 576 + 16 * reg;
}

static void fpu_enter(fpregset_t fp)
{
	const struct native_state *s = step.state;
	int i;

	for (i = 0; i < 16; i++)
		memcpy(&fp->_xmm[i], s->ymm[i], 16);
	memset(fp->_st, 0, sizeof(fp->_st));
	for (i = 0; i < 8; i++)
		memcpy(&fp->_st[i], s->mmx[i], 8);
	fp->cwd = 0x37f;
	fp->swd = 0;
	fp->ftw = 0xff;		/* no register is empty */
	*fpu_components(fp) |= 3;
	if (!native_has_avx())
		return;
	for (i = 0; i < 16; i++)
		memcpy(fpu_upper(fp, i), s->ymm[i] + 16, 16);
	*fpu_components(fp) |= 4;
}

static void fpu_leave(fpregset_t fp)
{
	struct native_state *s = step.state;
	int i;

	memset(s->ymm, 0, sizeof(s->ymm));
	memset(s->mmx, 0, sizeof(s->mmx));
	if (*fpu_components(fp) & 2)
		for (i = 0; i < 16; i++)
			memcpy(s->ymm[i], &fp->_xmm[i], 16);
	if (native_has_avx() && (*fpu_components(fp) & 4))
		for (i = 0; i < 16; i++)
			memcpy(s->ymm[i] + 16, fpu_upper(fp, i), 16);
	if (*fpu_components(fp) & 1)
		for (i = 0; i < 8; i++)
			memcpy(s->mmx[i], &fp->_st[i], 8);
}

static void segments_leave(const greg_t *g)
{
	uint16_t *seg = step.state->seg;

	asm volatile("mov %%es, %0" : "=m" (seg[0]));
	asm volatile("mov %%ds, %0" : "=m" (seg[3]));
	asm volatile("mov %%fs, %0" : "=m" (seg[4]));
	asm volatile("mov %%gs, %0" : "=m" (seg[5]));
	seg[1] = g[REG_CSGSFS];
	seg[2] = (uint64_t)g[REG_CSGSFS] >> 48;
}

static void step_enter(greg_t *g)
{
	const struct native_state *s = step.state;
	uint64_t cs = (uint64_t)g[REG_CSGSFS] & ~0xffffULL;
	int i;

	memcpy(step.saved, g, sizeof(step.saved));
	step.saved[REG_RIP] += 2;	/* over the UD2 that brought us here */
	for (i = 0; i < 16; i++)
		g[greg[i]] = s->gpr[i];
	g[REG_RIP] = s->rip;
	g[REG_EFL] = s->rflags | EFLAGS_TF;
	if (step.mode == NATIVE_32)
		g[REG_CSGSFS] = cs | CS_32;
	else if (step.mode == NATIVE_16)
		g[REG_CSGSFS] = cs | CS_LDT;
	set_fs_base(0);
}

static void step_leave(greg_t *g)
{
	struct native_state *s = step.state;
	int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = g[greg[i]];
	s->rip = g[REG_RIP];
	s->rflags = g[REG_EFL];
	s->trap = g[REG_TRAPNO];
	s->error = g[REG_ERR];
	s->cr2 = g[REG_CR2];
	memcpy(g, step.saved, sizeof(step.saved));
	set_fs_base(step.fs_base);
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	/* The instruction may have set AC and NT, which would follow us here. */
	asm volatile("pushfq; andq $~0x44000, (%%rsp); popfq" : : : "memory", "cc");
	if (!step.state) {	/* a real crash */
		signal(sig, SIG_DFL);
		return;
	}
	if (!step.entered) {
		step.entered = 1;
		fpu_enter(uc->uc_mcontext.fpregs);
		step_enter(g);
	} else {
		fpu_leave(uc->uc_mcontext.fpregs);
		segments_leave(g);
		step_leave(g);
	}
}

__attribute__((noinline)) void native_step(struct native_state *s, enum native_mode mode)
{
	step.state = s;
	step.mode = mode;
	step.entered = 0;
	asm volatile("ud2" : : : "memory", "cc",
		     "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	step.state = NULL;
	/* What memory operands and the kernel's own 32-bit code expect. */
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%gs; cld; fninit"
		     : : "r" (DS_USER), "r" (0));
}

static bool install_handlers(void)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction sa = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	stack_t stack = { .ss_size = 1 << 16 };
	unsigned int i;

	if (step.fs_base)
		return true;
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r" (DS_USER));
	stack.ss_sp = malloc(stack.ss_size);
	if (sigaltstack(&stack, NULL))
		return false;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], &sa, NULL))
			return false;
	return syscall(SYS_arch_prctl, ARCH_GET_FS, &step.fs_base) == 0;
}

static bool install_ldt(void)
{
	struct user_desc desc = {
		.base_addr = code_at[NATIVE_16],
		.limit = 0xffff,
		.contents = 2,		/* code */
	};

	return syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)) == 0;
}

uint8_t *native_memory(uint64_t addr, unsigned int pages)
{
	void *p = mmap((void *)addr, pages * NATIVE_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

bool native_init(enum native_mode mode)
{
	if (!install_handlers() || (mode == NATIVE_16 && !install_ldt()))
		return false;
	if (!code[mode]) {
		code[mode] = native_memory(code_at[mode], 1);
		if (!code[mode])
			return false;
		mprotect(code[mode], NATIVE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	}
	return true;
}

uint8_t *native_code(enum native_mode mode)
{
	return code[mode];
}

uint64_t native_code_rip(enum native_mode mode, unsigned int offset)
{
	return mode == NATIVE_16 ? offset : code_at[mode] + offset;
}
