// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_DISABLE_QUIRKS2: odd ways that a VMM can switch off. */
#define _GNU_SOURCE
#include "vmm.h"

#define CAP_QUIRKS2	213
#define LINT0		(1 << 0)
#define OUT_7E		(1 << 3)
#define FIX_HYPERCALL	(1 << 5)
#define MWAIT_NO_UD	(1 << 6)
#define GPA_HANDLER	GPA_DATA2

static int disable(struct vmm *vm, uint64_t quirks)
{
	struct kvm_enable_cap cap = { .cap = CAP_QUIRKS2, .args = { quirks } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void need(struct vmm *vm, uint64_t quirks)
{
	uint64_t have = vmm_cap(vm, CAP_QUIRKS2);

	if (!have)
		SKIP("KVM_CAP_DISABLE_QUIRKS2 is 0");
	if ((have & quirks) != quirks)
		SKIP("quirks 0x%llx only", (unsigned long long)have);
}

TEST(caps, "a subset of what is offered can be disabled, nothing else")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	uint64_t have;

	need(vm, LINT0 | OUT_7E);
	have = vmm_cap(vm, CAP_QUIRKS2);
	OK(disable(vm, 0));
	OK(disable(vm, OUT_7E));
	OK(disable(vm, have));
	CHECK_ERRNO(disable(vm, have | 1ull << 40), EINVAL);
	CHECK_ERRNO(disable(vm, 1ull << 63), EINVAL);
}

static uint32_t lint0(uint64_t disabled)
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct kvm_lapic_state lapic;
	struct vmm_vcpu *vcpu;

	need(vm, LINT0);
	OK(disable(vm, disabled));
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	vcpu = vmm_vcpu_add(vm);
	OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	vmm_destroy(vm);
	return *(uint32_t *)&lapic.regs[0x350];
}

TEST(lint0, "LVT LINT0 after a reset")
{
	CHECK_EQ(lint0(0), 0x700);
	CHECK_EQ(lint0(LINT0), 0x10000);
}

GUEST(out_7e, 16,
	"out %al, $0x7e\n"
	"hlt\n");

TEST(out_7e, "RIP at the exit of OUT 0x7e")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_7e);

	need(vcpu->vm, OUT_7E);
	OK(disable(vcpu->vm, OUT_7E));
	vmm_run_to_out(vcpu, 0x7e, 1);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 3);
}

/* One of them is not this CPU's. */
GUEST(hypercalls, 64,
	"mov $100000, %eax\n"
	"vmcall\n"
	"nop\n"
	"mov $100000, %eax\n"
	"vmmcall\n"
	"hlt\n");

GUEST(monitor, 64,
	"mov $0x7000, %eax\n"
	"xor %ecx, %ecx\n"
	"xor %edx, %edx\n"
	"monitor\n"
	"hlt\n");

GUEST(undefined, 64, "out %al, $0x66\nhlt\n");

static struct vmm_vcpu *boot(struct vmm_blob blob)
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, blob);

	vmm_load(vcpu->vm, GPA_HANDLER, undefined);
	vmm_gate(vcpu, 6, GPA_HANDLER);
	return vcpu;
}

TEST(fix_hypercall, "the other CPU's hypercall is #UD and stays what it is")
{
	struct vmm_vcpu *vcpu = boot(hypercalls);
	uint8_t code[17];

	need(vcpu->vm, FIX_HYPERCALL);
	OK(disable(vcpu->vm, FIX_HYPERCALL));
	memcpy(code, vcpu->vm->ram + GPA_CODE, sizeof(code));
	vmm_run_to_out(vcpu, 0x66, 1);
	CHECK(!memcmp(code, vcpu->vm->ram + GPA_CODE, sizeof(code)));
}

TEST(monitor, "MONITOR that the CPUID does not have is nothing, or #UD")
{
	struct vmm_vcpu *vcpu = boot(monitor);
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vcpu->vm->dev);

	need(vcpu->vm, MWAIT_NO_UD);
	vmm_cpuid_find(cpuid, 1, 0)->ecx &= ~(1u << 3);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	OK(disable(vcpu->vm, MWAIT_NO_UD));
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_run_to_out(vcpu, 0x66, 1);
}
