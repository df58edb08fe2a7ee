// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that few drivers use on a device and some guests do: stack, far
 * pointers, segment and table registers, MMX and SSE, strings, bit strings. The
 * device is memory of this program, so what the guest finds can be foretold.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DEVICE_SIZE	0x2000

static uint8_t device[DEVICE_SIZE];

/* Serve the device until the guest halts. */
static void run_device(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int exits = 0;
	uint64_t at;

	for (;;) {
		CHECK_EQ(vmm_run(vcpu), 0);
		if (run->exit_reason == KVM_EXIT_HLT)
			return;
		if (run->exit_reason != KVM_EXIT_MMIO)
			vmm_dump(vcpu);
		CHECK_EQ(run->exit_reason, KVM_EXIT_MMIO);
		at = run->mmio.phys_addr - GPA_MMIO;
		CHECK(at < DEVICE_SIZE && at + run->mmio.len <= DEVICE_SIZE);
		if (run->mmio.is_write)
			memcpy(device + at, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, device + at, run->mmio.len);
		CHECK(++exits < 1000);
	}
}

static struct vmm_vcpu *start(struct vmm_blob code)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, code);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2, .rsi = GPA_MMIO,
		.rdi = GPA_DATA2, .rax = 0x1122334455667788, .rbx = 0xa1a2a3a4a5a6a7a8,
	};
	unsigned int i;

	sregs.cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	vmm_set_sregs(vcpu, &sregs);
	vmm_set_regs(vcpu, &regs);
	for (i = 0; i < DEVICE_SIZE; i++)
		device[i] = i * 7 + 1;
	return vcpu;
}

/* start() for a guest that has AVX switched on. */
static struct vmm_vcpu *start_avx(struct vmm_blob code)
{
	struct vmm_vcpu *vcpu = start(code);
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };

	sregs.cr4 |= X86_CR4_OSXSAVE;
	vmm_set_sregs(vcpu, &sregs);
	if (ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs))
		SKIP("this host has no AVX");
	return vcpu;
}

/* The in-tree modules do not emulate these, and some never end there. */
static void need_own(void)
{
	if (access("/sys/module/kvm/version", F_OK))
		SKIP("the in-tree modules leave these out");
}

/* The in-tree modules have had AVX since Linux 7. */
static void need_avx(void)
{
	struct utsname name;

	if (!access("/sys/module/kvm/version", F_OK))
		return;
	OK(uname(&name));
	if (atoi(name.release) < 7)
		SKIP("the in-tree modules of this kernel leave AVX out");
}

static uint64_t word(unsigned int at)
{
	uint64_t val;

	memcpy(&val, device + at, sizeof(val));
	return val;
}

static void set_word(unsigned int at, uint64_t val)
{
	memcpy(device + at, &val, sizeof(val));
}

GUEST(sse, 64,
	"movups 3(%rsi), %xmm0\n"
	"movups %xmm0, 0x105(%rsi)\n"
	"movaps 0x20(%rsi), %xmm1\n"
	"movaps %xmm1, 0x120(%rsi)\n"
	"movdqu 0x31(%rsi), %xmm9\n"
	"movdqu %xmm9, 0x141(%rsi)\n"
	"movdqa 0x40(%rsi), %xmm2\n"
	"movntdq %xmm2, 0x160(%rsi)\n"
	"movups 0xff8(%rsi), %xmm3\n"
	"movups %xmm3, 0x1a0(%rsi)\n"
	"hlt\n");

TEST(sse, "SSE moves, aligned or not, across a page border")
{
	struct vmm_vcpu *vcpu = start(sse);

	run_device(vcpu);
	CHECK(!memcmp(device + 0x105, device + 3, 16));
	CHECK(!memcmp(device + 0x120, device + 0x20, 16));
	CHECK(!memcmp(device + 0x141, device + 0x31, 16));
	CHECK(!memcmp(device + 0x160, device + 0x40, 16));
	CHECK(!memcmp(device + 0x1a0, device + 0xff8, 16));
}

GUEST(parts, 64,
	"movss 0x40(%rsi), %xmm2\n"
	"movups %xmm2, 0x100(%rsi)\n"
	"movups 0x40(%rsi), %xmm2\n"
	"movss %xmm2, 0x180(%rsi)\n"
	"movsd %xmm2, 0x188(%rsi)\n"
	"movq %xmm2, 0x190(%rsi)\n"
	"movhps %xmm2, 0x198(%rsi)\n"
	"movlps 0x50(%rsi), %xmm2\n"
	"movups %xmm2, 0x1a0(%rsi)\n"
	"movd 0x20(%rsi), %mm4\n"
	"movq %mm4, 0x108(%rsi)\n"
	"emms\n"
	"hlt\n");

TEST(sse_parts, "moves of a part of an SSE or MMX register")
{
	struct vmm_vcpu *vcpu;

	need_own();
	vcpu = start(parts);
	run_device(vcpu);
	CHECK_EQ(word(0x100), (uint32_t)word(0x40));
	CHECK_EQ(word(0x108), (uint32_t)word(0x20));
	CHECK(!memcmp(device + 0x180, device + 0x40, 4));
	CHECK_EQ(word(0x188), word(0x40));
	CHECK_EQ(word(0x190), word(0x40));
	CHECK_EQ(word(0x198), word(0x48));
	CHECK_EQ(word(0x1a0), word(0x50));
	CHECK_EQ(word(0x1a8), word(0x48));
}

GUEST(avx, 64,
	"vmovups 3(%rsi), %ymm0\n"
	"vmovups %ymm0, 0x205(%rsi)\n"
	"vmovdqa 0x20(%rsi), %ymm1\n"
	"vmovaps %ymm1, 0x240(%rsi)\n"
	"vmovdqu 0x31(%rsi), %ymm9\n"
	"vmovdqu %ymm9, 0x281(%rsi)\n"
	"vmovupd 0xff0(%rsi), %ymm3\n"
	"vmovntdq %ymm3, 0x2c0(%rsi)\n"
	"vmovdqu (%rdi), %ymm2\n"
	"vmovdqu 0x31(%rsi), %xmm2\n"
	"vmovdqu %xmm2, 0x301(%rsi)\n"
	"vmovdqu %ymm2, 0x20(%rdi)\n"
	"hlt\n");

TEST(avx, "AVX moves of 16 and 32 bytes, aligned or not, across a page border")
{
	struct vmm_vcpu *vcpu;
	uint8_t *ram;
	int i;

	need_avx();
	vcpu = start_avx(avx);
	ram = vcpu->vm->ram + GPA_DATA2;
	memset(ram, 0xff, 0x40);
	run_device(vcpu);
	CHECK(!memcmp(device + 0x205, device + 3, 32));
	CHECK(!memcmp(device + 0x240, device + 0x20, 32));
	CHECK(!memcmp(device + 0x281, device + 0x31, 32));
	CHECK(!memcmp(device + 0x2c0, device + 0xff0, 32));
	CHECK(!memcmp(device + 0x301, device + 0x31, 16));
	CHECK(!memcmp(ram + 0x20, device + 0x31, 16));
	/* A load of 16 bytes clears the upper half. */
	for (i = 0x30; i < 0x40; i++)
		CHECK_EQ(ram[i], 0);
}

GUEST(misaligned, 64,
	"movaps 8(%rsi), %xmm0\n"
	"hlt\n"
	ORG(0x100)
	"pop %rbp\n"		/* the error code */
	"hlt\n");

TEST(sse_alignment, "movaps of a misaligned device address is #GP")
{
	struct vmm_vcpu *vcpu = start(misaligned);

	vmm_gate(vcpu, 13, GPA_CODE + 0x100);
	CHECK_EQ(vmm_run(vcpu), 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 0x102);
	CHECK_EQ(vmm_regs(vcpu).rbp, 0);
}

GUEST(mmx, 64,
	"movq 0x10(%rsi), %mm3\n"
	"movq %mm3, 0x100(%rsi)\n"
	"emms\n"
	"hlt\n");

TEST(mmx, "MMX moves")
{
	struct vmm_vcpu *vcpu = start(mmx);

	run_device(vcpu);
	CHECK_EQ(word(0x100), word(0x10));
}

GUEST(stack, 64,
	"lea 0x100(%rsi), %rsp\n"
	"push %rax\n"
	"pushw %bx\n"
	"popw %cx\n"
	"pop %rdx\n"
	"push $-2\n"
	"pop 0x200(%rsi)\n"
	"push 0x200(%rsi)\n"
	"pop %r8\n"
	"call *0x300(%rsi)\n"
	"hlt\n"
	ORG(0x100)
	"mov %rsp, %r9\n"
	"jmp *0x308(%rsi)\n"
	ORG(0x200)
	"ret\n");

TEST(stack, "push, pop, call, jmp and ret through a device")
{
	struct vmm_vcpu *vcpu = start(stack);
	struct kvm_regs regs;

	set_word(0x300, GPA_CODE + 0x100);
	set_word(0x308, GPA_CODE + 0x200);
	run_device(vcpu);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rcx, 0xa7a8);
	CHECK_EQ(regs.rdx, 0x1122334455667788);
	CHECK_EQ(regs.r8, (uint64_t)-2);
	CHECK_EQ(regs.r9, GPA_MMIO + 0xf8);
	CHECK_EQ(regs.rsp, GPA_MMIO + 0x100);
	CHECK_EQ(word(0xf8), regs.rip - 1);	/* the return address: the HLT's */
}

GUEST(exchanges, 64,
	"xchg %ebx, (%rsi)\n"
	"xadd %rax, 8(%rsi)\n"
	"mov $0x5555, %eax\n"
	"mov $0x6666, %ecx\n"
	"cmpxchg %ecx, 0x10(%rsi)\n"
	"lock cmpxchg %ecx, 0x18(%rsi)\n"
	"mov $131, %edx\n"
	"bts %rdx, 0x20(%rsi)\n"
	"setc %dl\n"
	"shld $8, %rbx, 0x40(%rsi)\n"
	"negl 0x48(%rsi)\n"
	"bsf 0x50(%rsi), %r8\n"
	"cmovz 0x58(%rsi), %r9\n"
	"hlt\n");

TEST(exchanges, "xchg, xadd, cmpxchg, bit strings, double shifts")
{
	struct vmm_vcpu *vcpu = start(exchanges);
	struct kvm_regs regs;

	set_word(0, 0x99999999);
	set_word(8, 5);
	set_word(0x10, 0x5555);
	set_word(0x18, 0x1234);
	set_word(0x30, 0);
	set_word(0x40, 0x1122334455667788);
	set_word(0x48, 1);
	set_word(0x50, 0x100);
	run_device(vcpu);
	regs = vmm_regs(vcpu);
	CHECK_EQ(word(0), 0xa5a6a7a8);
	CHECK_EQ(regs.rbx, 0x99999999);
	CHECK_EQ(word(8), 0x112233445566778d);
	CHECK_EQ(word(0x10), 0x6666);
	CHECK_EQ(word(0x18), 0x1234);
	CHECK_EQ(regs.rax, 0x1234);
	CHECK_EQ(word(0x30), 8);		/* bit 131 from 0x20 */
	CHECK_EQ(regs.rdx & 0xff, 0);
	CHECK_EQ(word(0x40), 0x2233445566778800);
	CHECK_EQ(word(0x48) & 0xffffffff, 0xffffffff);
	CHECK_EQ(regs.r8, 8);
	CHECK_EQ(regs.r9, 0);
}

GUEST(strings, 64,
	"cld\n"
	"mov $9, %ecx\n"
	"lea 0x80(%rsi), %rdi\n"
	"rep movsb\n"			/* device to device */
	"mov $0xd0000000, %esi\n"
	"lea 0x80(%rsi), %rdi\n"
	"mov $20, %ecx\n"
	"repe cmpsb\n"			/* differs behind the copy */
	"mov %rcx, %r8\n"
	"mov $0xd0000000, %edi\n"
	"mov $16, %ecx\n"
	"mov 5(%rdi), %al\n"
	"repne scasb\n"
	"mov %rcx, %r9\n"
	"std\n"
	"mov $0xd0001004, %edi\n"
	"mov $3, %ecx\n"
	"mov $0x77777777, %eax\n"
	"rep stosl\n"			/* backwards over the page border */
	"cld\n"
	"hlt\n");

TEST(strings, "repeated string instructions on a device, both ways")
{
	struct vmm_vcpu *vcpu = start(strings);
	struct kvm_regs regs;

	device[0x89] = device[9] + 1;
	run_device(vcpu);
	regs = vmm_regs(vcpu);
	CHECK(!memcmp(device, device + 0x80, 9));
	CHECK_EQ(regs.r8, 20 - 10);
	CHECK_EQ(regs.r9, 16 - 6);
	CHECK_EQ(word(0x1000), 0x7777777777777777);
	CHECK_EQ(word(0xffc) & 0xffffffff, 0x77777777);
	CHECK_EQ(regs.rdi, GPA_MMIO + 0xff8);
}

GUEST(segments, 64,
	"mov (%rsi), %ds\n"
	"mov %ds, 0x10(%rsi)\n"
	"mov (%rsi), %ss\n"
	"mov %ss, %r8d\n"
	"lgs 0x20(%rsi), %ebx\n"
	"mov %gs, %r9d\n"
	"lea 0x100(%rsi), %rsp\n"
	"push %fs\n"
	"pop %gs\n"
	"mov %gs, %r10d\n"
	"hlt\n");

TEST(segments, "segment registers loaded from a device and stored there")
{
	struct vmm_vcpu *vcpu = start(segments);
	struct kvm_regs regs;

	set_word(0, SEL_DATA32);
	set_word(0x10, ~0ull);
	set_word(0x20, (uint64_t)SEL_USERDATA << 32 | 0x12345678);
	run_device(vcpu);
	regs = vmm_regs(vcpu);
	CHECK_EQ(word(0x10), 0xffffffffffff0000 | SEL_DATA32);
	CHECK_EQ(regs.r8, SEL_DATA32);
	CHECK_EQ(regs.rbx, 0x12345678);
	CHECK_EQ(regs.r9, SEL_USERDATA);
	CHECK_EQ(vmm_sregs(vcpu).ds.selector, SEL_DATA32);
	CHECK_EQ(regs.r10, vmm_sregs(vcpu).fs.selector);
}

GUEST(tables, 64,
	"sgdt 0x10(%rsi)\n"
	"lgdt 0x20(%rsi)\n"
	"lidt 0x30(%rsi)\n"
	"sidt 0x40(%rsi)\n"
	"hlt\n");

TEST(tables, "descriptor-table registers loaded from a device and stored there")
{
	struct kvm_sregs before, after;
	uint16_t limit = 0x1ff;
	uint64_t base = GPA_GDT;
	struct vmm_vcpu *vcpu;

	need_own();
	vcpu = start(tables);
	before = vmm_sregs(vcpu);
	memcpy(device + 0x20, &limit, 2);
	memcpy(device + 0x22, &base, 8);
	limit = 0x7f;
	base = 0xffff800000001000;
	memcpy(device + 0x30, &limit, 2);
	memcpy(device + 0x32, &base, 8);
	run_device(vcpu);
	after = vmm_sregs(vcpu);
	CHECK(!memcmp(device + 0x10, &before.gdt.limit, 2));
	CHECK(!memcmp(device + 0x12, &before.gdt.base, 8));
	CHECK_EQ(after.gdt.limit, 0x1ff);
	CHECK_EQ(after.gdt.base, GPA_GDT);
	CHECK_EQ(after.idt.limit, 0x7f);
	CHECK_EQ(after.idt.base, base);
	CHECK(!memcmp(device + 0x40, device + 0x30, 10));
}

GUEST(far, 64,
	"ljmpl *(%rsi)\n"
	"hlt\n"
	ORG(0x100)
	"mov %cs, %r8d\n"
	"hlt\n");

TEST(far_jump, "a far jump through a pointer in a device")
{
	struct vmm_vcpu *vcpu = start(far);

	set_word(0, (uint64_t)SEL_CODE64 << 32 | (GPA_CODE + 0x100));
	run_device(vcpu);
	CHECK_EQ(vmm_regs(vcpu).r8, SEL_CODE64);
}
