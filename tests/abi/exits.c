// SPDX-License-Identifier: GPL-2.0-only
/* HLT, SHUTDOWN, FAIL_ENTRY, INTERNAL_ERROR and unknown hypercalls. */
#define _GNU_SOURCE
#include "vmm.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

GUEST(hlts16, 16, "nop\nhlt\nnop\nnop\nhlt\n");

TEST(hlt, "HLT exits with RIP behind it, and the guest goes on from there")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, hlts16);
	enum vmm_mode mode;

	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		vmm_set_mode(vcpu, mode);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 2);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 5);
	}
}

GUEST(hlt_at_64k, 16, "hlt\n");

TEST(hlt_last_byte, "HLT as the last byte of a 64 KiB code segment")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, hlt_at_64k);
	struct kvm_regs regs = vmm_regs(vcpu);

	vmm_load(vcpu->vm, 0xffff, hlt_at_64k);
	regs.rip = 0xffff;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rip & 0xffff, 0);
}

GUEST(ud2_16, 16, "ud2\n");

TEST(triple_fault, "a fault without a usable IDT is KVM_EXIT_SHUTDOWN")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, ud2_16);
	enum vmm_mode mode;

	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		struct kvm_sregs sregs;

		vmm_set_mode(vcpu, mode);
		sregs = vmm_sregs(vcpu);
		sregs.idt.limit = 0;
		vmm_set_sregs(vcpu, &sregs);
		vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
	}
	/* After new registers the same vcpu runs again. */
	vmm_load(vcpu->vm, GPA_CODE, hlts16);
	vmm_set_mode(vcpu, VMM_REAL);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

/* Code segments that are 16- or 32-bit and 64-bit at once do not exist. */
TEST(fail_entry, "guest state that the CPU refuses is KVM_EXIT_FAIL_ENTRY")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, hlts16);
	struct kvm_sregs sregs = vmm_sregs(vcpu), good = sregs;
	struct kvm_regs regs = vmm_regs(vcpu);
	int i;

	sregs.cs.db = 1;
	for (i = 0; i < 2; i++) {
		vmm_pin(i);
		vmm_set_sregs(vcpu, &sregs);
		vmm_run_to(vcpu, KVM_EXIT_FAIL_ENTRY);
		CHECK(vcpu->run->fail_entry.hardware_entry_failure_reason);
		if (vmm_cap(vcpu->vm, KVM_CAP_LAST_CPU))
			CHECK_EQ(vcpu->run->fail_entry.cpu, sched_getcpu());
		vmm_set_sregs(vcpu, &good);
		vmm_set_regs(vcpu, &regs);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		vmm_set_regs(vcpu, &regs);
	}
}

static void expect_emulation_failure(struct vmm_vcpu *vcpu)
{
	vmm_run_to(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK(vcpu->run->internal.ndata <= 16);
}

TEST(fetch_from_hole, "executing where no memory is cannot be emulated")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, hlts16);
	struct kvm_regs regs = vmm_regs(vcpu), there = regs;

	there.rip = GPA_MMIO;
	vmm_set_regs(vcpu, &there);
	expect_emulation_failure(vcpu);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_MMIO);
	/* The VM has not died of it. */
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

GUEST(jump_to_hole, 32, "mov $0xd0000000, %eax\njmp *%eax\n");

TEST(jump_to_hole, "a guest that jumps out of its memory is stopped")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_PROT32,
					 jump_to_hole);

	expect_emulation_failure(vcpu);
}

GUEST(mmx_on_mmio, 64,
	"paddd (%rsi), %mm0\n"
	"hlt\n");

TEST(not_emulatable, "an instruction no emulator knows, on MMIO")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, mmx_on_mmio);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rsi = GPA_MMIO;
	vmm_set_regs(vcpu, &regs);
	expect_emulation_failure(vcpu);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE);
	CHECK_EQ(vmm_regs(vcpu).rsi, GPA_MMIO);
	vmm_load(vcpu->vm, GPA_CODE, hlts16);
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(code_runs_into_hole, "code that runs off the end of its memory")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, hlts16);
	struct kvm_regs regs = vmm_regs(vcpu);

	memset(vcpu->vm->ram + SZ_1M - 16, 0x90, 16);
	regs.rip = SZ_1M - 16;
	vmm_set_regs(vcpu, &regs);
	expect_emulation_failure(vcpu);
	CHECK_EQ(vmm_regs(vcpu).rip, SZ_1M);
}

static bool cpu_is_amd(void)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 0, 0);
	uint32_t ebx = e ? e->ebx : 0;

	free(cpuid);
	/* "Auth" of AuthenticAMD, "Hygo" of HygonGenuine */
	return ebx == 0x68747541 || ebx == 0x6f677948;
}

GUEST(vmmcall64, 64, "vmmcall\nmov %rax, %rbx\nhlt\n");
GUEST(vmcall64, 64, "vmcall\nmov %rax, %rbx\nhlt\n");

TEST(unknown_hypercall, "an unknown hypercall returns -KVM_ENOSYS to the guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG,
					 cpu_is_amd() ? vmmcall64 : vmcall64);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rax = 0x7654321;
	regs.rbx = 1;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, -1000ll);
	CHECK_EQ(vmm_regs(vcpu).rip, GPA_CODE + 3 + 3 + 1);
}

/* Instructions of a nested hypervisor, which the guest's CPUID lacks. */
GUEST(vmrun64, 64, "mov $0x7000, %eax\nvmrun\nhlt\n" ORG(0x80) "mov $6, %ebx\nhlt\n");
GUEST(vmxon64, 64, "vmxon 0x7000\nhlt\n" ORG(0x80) "mov $6, %ebx\nhlt\n");

TEST(nested_instructions, "VMRUN and VMXON are #UD without CPUID bits")
{
	const struct vmm_blob *codes[] = { &vmrun64, &vmxon64 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vmm *vm = vmm_create(VMM_MIN_RAM);
		struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
		struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vm->dev);
		struct kvm_cpuid_entry2 *e;

		e = vmm_cpuid_find(cpuid, 1, 0);
		e->ecx &= ~(1u << 5);
		e = vmm_cpuid_find(cpuid, 0x80000001, 0);
		e->ecx &= ~(1u << 2);
		vmm_set_cpuid(vcpu, cpuid);
		vmm_load(vm, GPA_CODE, *codes[i]);
		vmm_set_mode(vcpu, VMM_LONG);
		vmm_gate(vcpu, 6, GPA_CODE + 0x80);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rbx, 6);
	}
}

GUEST(wbinvd_loop, 64,
	"mov $100, %ecx\n"
	"1: wbinvd\n"
	"invd\n"
	"clflush 0x7000\n"
	"invlpg 0x7000\n"
	"pause\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"hlt\n");

TEST(cache_instructions, "WBINVD, INVD, CLFLUSH, INVLPG and PAUSE do no harm")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, wbinvd_loop);

	vcpu->vm->ram[0x7000] = 0x42;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rcx, 0);
	CHECK_EQ(vcpu->vm->ram[0x7000], 0x42);
}
