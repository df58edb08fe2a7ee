// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls, by the CPU's own instruction and the other vendor's.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <cpuid.h>
#include <signal.h>
#include <time.h>

#define KVM_ENOSYS	1000
#define KVM_EPERM	1
#define KVM_EOPNOTSUPP	95

#define HC_VAPIC_POLL_IRQ	1
#define HC_KICK_CPU		5
#define HC_CLOCK_PAIRING	9
#define HC_SEND_IPI		10
#define HC_SCHED_YIELD		11

#define MSR_POLL	0x4b564d05

/* RAX is the result; two hypercalls of each kind so that a replaced one runs again. */
GUEST(vmcall, 64,
	"1: vmcall\n"
	"hlt\n"
	"jmp 1b\n"
	ORG(0x100)	/* #UD, and #PF of the attempt to replace the instruction */
	"mov $0xdead, %eax\n"
	"hlt\n");
GUEST(vmmcall, 64,
	"1: vmmcall\n"
	"hlt\n"
	"jmp 1b\n"
	ORG(0x100)
	"mov $0xdead, %eax\n"
	"hlt\n");
GUEST(vmmcall32, 32,
	"1: vmmcall\n"
	"hlt\n"
	"jmp 1b\n");
GUEST(vmcall32, 32,
	"1: vmcall\n"
	"hlt\n"
	"jmp 1b\n");
GUEST(ud, 64,
	"ud2\n"
	"hlt\n"
	ORG(0x100)
	"mov $0xdead, %eax\n"
	"hlt\n");

static bool intel(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == 0x756e6547;
}

static struct vmm_vcpu *boot(bool native)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, native == intel() ? vmcall : vmmcall);

	vmm_gate(vcpu, 6, GPA_CODE + 0x100);
	vmm_gate(vcpu, 14, GPA_CODE + 0x100);
	return vcpu;
}

static int64_t call(struct vmm_vcpu *vcpu, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2,
		    uint64_t a3)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE;
	regs.rax = nr;
	regs.rbx = a0;
	regs.rcx = a1;
	regs.rdx = a2;
	regs.rsi = a3;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	return vmm_regs(vcpu).rax;
}

TEST(unknown, "a hypercall nobody knows answers -KVM_ENOSYS, and only RAX changes")
{
	struct vmm_vcpu *vcpu = boot(true);
	struct kvm_regs regs;

	CHECK_EQ(call(vcpu, 0x77777777, 1, 2, 3, 4), -KVM_ENOSYS);
	regs = vmm_regs(vcpu);
	CHECK_EQ(regs.rbx, 1);
	CHECK_EQ(regs.rcx, 2);
	CHECK_EQ(regs.rdx, 3);
	CHECK_EQ(regs.rsi, 4);
	CHECK_EQ(regs.rip, GPA_CODE + 4);
}

TEST(poll, "KVM_HC_VAPIC_POLL_IRQ answers 0")
{
	CHECK_EQ(call(boot(true), HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0);
}

TEST(narrow, "outside 64-bit mode numbers and results have 32 bits")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_PROT32, intel() ? vmcall32 : vmmcall32);

	CHECK_EQ(call(vcpu, 0x100000000ull | HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0);
	CHECK_EQ(call(vcpu, 0x77777777, 0, 0, 0, 0), (uint32_t)-KVM_ENOSYS);
}

TEST(other_vendor, "the other vendor's instruction is replaced, and works from then on")
{
	struct vmm_vcpu *vcpu = boot(false);
	const uint8_t *code = vcpu->vm->ram + GPA_CODE;

	CHECK_EQ(code[2], intel() ? 0xd9 : 0xc1);
	CHECK_EQ(call(vcpu, 0x77777777, 0, 0, 0, 0), -KVM_ENOSYS);
	CHECK_EQ(code[0], 0x0f);
	CHECK_EQ(code[1], 0x01);
	CHECK_EQ(code[2], intel() ? 0xc1 : 0xd9);
	CHECK_EQ(call(vcpu, HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0);
}

TEST(other_vendor_readonly, "where the guest cannot write, its code stays as it is")
{
	struct vmm_vcpu *vcpu = boot(false);
	uint8_t before = vcpu->vm->ram[GPA_CODE + 2];
	uint64_t gpa;

	for (gpa = 0; gpa < SZ_1M; gpa += SZ_4K)
		vmm_map(vcpu->vm, VMM_LONG, vmm_sregs(vcpu).cr3, gpa, gpa, SZ_4K,
			gpa == GPA_CODE ? PTE_P : PTE_P | PTE_W);
	CHECK_EQ(call(vcpu, HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0xdead);
	CHECK_EQ(vcpu->vm->ram[GPA_CODE + 2], before);
}

TEST(undefined, "an undefined instruction is #UD in the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, ud);

	vmm_gate(vcpu, 6, GPA_CODE + 0x100);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rax, 0xdead);
}

struct pairing {
	int64_t sec, nsec;
	uint64_t tsc;
	uint32_t flags, pad[9];
};

TEST(clock_pairing, "KVM_HC_CLOCK_PAIRING gives real time, or says it cannot")
{
	struct vmm_vcpu *vcpu = boot(true);
	struct pairing *p = (struct pairing *)(vcpu->vm->ram + GPA_DATA2);
	int64_t result = call(vcpu, HC_CLOCK_PAIRING, GPA_DATA2, 0, 0, 0);
	struct timespec now;

	if (result == -KVM_EOPNOTSUPP || result == -KVM_ENOSYS)
		SKIP("not on this host: %lld", (long long)result);
	CHECK_EQ(result, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	CHECKF(p->sec <= now.tv_sec && p->sec + 10 > now.tv_sec, "%lld seconds, not %lld",
	       (long long)p->sec, (long long)now.tv_sec);
	CHECK(p->nsec >= 0 && p->nsec < 1000000000);
	CHECK(p->tsc);
	CHECK_EQ(call(vcpu, HC_CLOCK_PAIRING, GPA_DATA2, 1, 0, 0), -KVM_EOPNOTSUPP);
	CHECK_EQ(call(vcpu, HC_CLOCK_PAIRING, GPA_MMIO, 0, 0, 0), -14);
}

TEST(poll_control, "MSR_KVM_POLL_CONTROL is 1 at first and takes 0 and 1")
{
	struct vmm_vcpu *vcpu = boot(true);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = MSR_POLL };

	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, &m), 1);
	CHECK_EQ(m.entry.data, 1);
	m.entry.data = 0;
	CHECK_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, &m), 1);
	m.entry.data = 77;
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, &m), 1);
	CHECK_EQ(m.entry.data, 0);
	m.entry.data = 2;
	CHECK_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, &m), 0);
}

static struct vmm *irqchip_vm(void)
{
	struct vmm *vm = vmm_create(SZ_1M);

	if (!vmm_cap(vm, KVM_CAP_IRQCHIP))
		SKIP("KVM_CAP_IRQCHIP is 0");
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	return vm;
}

/* Halts with interrupts off until it is kicked, then tells by a port access. */
GUEST(halted, 64,
	"cli\n"
	"hlt\n"
	"out %al, $0x10\n");
/* The hypercall RAX says, then a port access. */
GUEST(caller, 64,
	"vmcall\n"
	"out %al, $0x11\n");

static struct vmm_vcpu *runnable(struct vmm *vm, uint64_t gpa, struct vmm_blob blob)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
	struct kvm_regs regs;

	vmm_load(vm, gpa, blob);
	vmm_set_mode(vcpu, VMM_LONG);
	regs = vmm_regs(vcpu);
	regs.rip = gpa;
	vmm_set_regs(vcpu, &regs);
	OK(ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp));
	return vcpu;
}

static void kick_other(uint64_t nr, bool expect_wake, bool early)
{
	struct vmm *vm = irqchip_vm();
	struct vmm_vcpu *halt = runnable(vm, GPA_CODE, halted);
	struct vmm_vcpu *kick = runnable(vm, GPA_CODE + 0x800, caller);
	struct kvm_regs regs = vmm_regs(kick);
	struct vmm_thread thread;

	vmm_catch(SIGUSR1);
	regs.rax = nr;
	regs.rcx = halt->id;
	vmm_set_regs(kick, &regs);
	if (!early) {
		vmm_start(&thread, halt);
		vmm_sleep_ms(100);
		CHECK(!thread.done);
	}
	vmm_run_to_out(kick, 0x11, 1);
	CHECK_EQ(vmm_regs(kick).rax, expect_wake ? 0 : (uint64_t)-KVM_ENOSYS);
	if (early)
		vmm_start(&thread, halt);
	if (expect_wake) {
		CHECK_EQ(vmm_join(&thread), 0);
		CHECK_EQ(halt->run->exit_reason, KVM_EXIT_IO);
	} else {
		vmm_sleep_ms(200);
		CHECK(!thread.done);
		vmm_kick(&thread);
		CHECK_EQ(vmm_join(&thread), -EINTR);
	}
}

TEST(kick, "KVM_HC_KICK_CPU ends another vcpu's halt")
{
	kick_other(HC_KICK_CPU, true, false);
}

TEST(kick_early, "a kick that comes before the halt counts too")
{
	kick_other(HC_KICK_CPU, true, true);
}

TEST(no_kick, "another hypercall does not")
{
	kick_other(0x77777777, false, false);
}

TEST(yield, "KVM_HC_SCHED_YIELD answers 0, whoever is named")
{
	struct vmm *vm = irqchip_vm();
	struct vmm_vcpu *vcpu = runnable(vm, GPA_CODE, caller);
	struct kvm_regs regs = vmm_regs(vcpu);
	uint64_t ids[] = { 0, 1, 1000000, ~0ull };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		regs.rax = HC_SCHED_YIELD;
		regs.rbx = ids[i];
		vmm_set_regs(vcpu, &regs);
		vmm_run_to_out(vcpu, 0x11, 1);
		CHECK_EQ(vmm_regs(vcpu).rax, 0);
	}
}
