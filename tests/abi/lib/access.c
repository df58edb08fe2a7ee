// SPDX-License-Identifier: GPL-2.0-only
/* Single loads and stores by a long-mode vcpu, one KVM_RUN each. */
#include "vmm.h"

GUEST(access_load, 64, "mov (%rsi), %rax\nhlt\n");
GUEST(access_store, 64, "mov %rax, (%rsi)\nhlt\n");

int vmm_access(struct vmm_vcpu *vcpu, uint64_t gva, bool is_write,
	       uint64_t *value)
{
	struct kvm_regs regs = {
		.rip = GPA_ACCESS, .rsp = GPA_STACK, .rflags = 2,
		.rsi = gva, .rax = *value,
	};
	int r;

	CHECK(vcpu->mode == VMM_LONG);
	vmm_load(vcpu->vm, GPA_ACCESS, is_write ? access_store : access_load);
	vmm_set_regs(vcpu, &regs);
	r = vmm_run(vcpu);
	if (!r && !is_write && vcpu->run->exit_reason == KVM_EXIT_HLT)
		*value = vmm_regs(vcpu).rax;
	return r;
}

static void access_memory(const char *file, int line, struct vmm_vcpu *vcpu,
			  uint64_t gva, bool is_write, uint64_t *value)
{
	int r = vmm_access(vcpu, gva, is_write, value);

	if (r)
		tap_fail(file, line, "KVM_RUN at 0x%llx: %s",
			 (unsigned long long)gva, strerror(-r));
	if (vcpu->run->exit_reason != KVM_EXIT_HLT) {
		vmm_dump(vcpu);
		tap_fail(file, line, "0x%llx is no memory for the guest",
			 (unsigned long long)gva);
	}
}

uint64_t vmm_peek_(const char *file, int line, struct vmm_vcpu *vcpu,
		   uint64_t gva)
{
	uint64_t value = 0x5555555555555555ull;

	access_memory(file, line, vcpu, gva, false, &value);
	return value;
}

void vmm_poke_(const char *file, int line, struct vmm_vcpu *vcpu,
	       uint64_t gva, uint64_t value)
{
	access_memory(file, line, vcpu, gva, true, &value);
}

void vmm_expect_hole_(const char *file, int line, struct vmm_vcpu *vcpu,
		      uint64_t gva)
{
	uint64_t value = 0, answer = 0x0123456789abcdefull;
	int r = vmm_access(vcpu, gva, false, &value);

	if (r)
		tap_fail(file, line, "KVM_RUN at 0x%llx: %s",
			 (unsigned long long)gva, strerror(-r));
	if (vcpu->run->exit_reason != KVM_EXIT_MMIO) {
		vmm_dump(vcpu);
		tap_fail(file, line, "0x%llx does not exit as MMIO (read 0x%llx)",
			 (unsigned long long)gva, (unsigned long long)value);
	}
	vmm_mmio_answer(vcpu, answer);
	vmm_run_to_(file, line, vcpu, KVM_EXIT_HLT);
	if (vmm_regs(vcpu).rax != answer)
		tap_fail(file, line, "the MMIO answer did not reach RAX");
}
