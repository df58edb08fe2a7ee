// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SET_CPUID2: what a guest's CPUID instruction returns. */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

/* CPUID of RAX/RCX; the result stays in the registers. */
GUEST(do_cpuid, 64, "cpuid\nhlt\n");

static struct kvm_regs guest_cpuid(struct vmm_vcpu *vcpu, uint32_t function,
				   uint32_t index)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
		/* The upper halves do not count and come back as 0. */
		.rax = 0xffffffff00000000ull | function,
		.rcx = 0xeeeeeeee00000000ull | index,
		.rbx = ~0ull, .rdx = ~0ull,
	};

	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	return vmm_regs(vcpu);
}

static struct vmm_vcpu *boot(struct kvm_cpuid2 **cpuid)
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);

	*cpuid = vmm_supported_cpuid(vm->dev);
	vmm_load(vm, GPA_CODE, do_cpuid);
	return vcpu;
}

static void add(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index,
		uint32_t flags, uint32_t value)
{
	struct kvm_cpuid_entry2 *e = &cpuid->entries[cpuid->nent++];

	CHECK(cpuid->nent < 256);
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = flags;
	e->eax = value;
	e->ebx = value + 1;
	e->ecx = value + 2;
	e->edx = value + 3;
}

static void check_leaf(struct vmm_vcpu *vcpu, uint32_t function, uint32_t index,
		       uint32_t value)
{
	struct kvm_regs regs = guest_cpuid(vcpu, function, index);

	CHECKF(regs.rax == value && regs.rbx == value + 1ull &&
	       regs.rcx == value + 2ull && regs.rdx == value + 3ull,
	       "leaf 0x%x.%u is %llx %llx %llx %llx, expected 0x%x and up",
	       function, index, regs.rax, regs.rbx, regs.rcx, regs.rdx, value);
}

static void check_zero(struct vmm_vcpu *vcpu, uint32_t function, uint32_t index)
{
	struct kvm_regs regs = guest_cpuid(vcpu, function, index);

	CHECKF(!regs.rax && !regs.rbx && !regs.rcx && !regs.rdx,
	       "leaf 0x%x.%u is %llx %llx %llx %llx, expected 0", function,
	       index, regs.rax, regs.rbx, regs.rcx, regs.rdx);
}

static void remove_leaf(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	unsigned int from, to = 0;

	for (from = 0; from < cpuid->nent; from++)
		if (cpuid->entries[from].function != function)
			cpuid->entries[to++] = cpuid->entries[from];
	cpuid->nent = to;
}

/* Leaves that no kernel adjusts, with values no CPU has. */
static void set_own_leaves(struct kvm_cpuid2 *cpuid)
{
	uint32_t i;

	remove_leaf(cpuid, 4);
	for (i = 0; i < 3; i++) {
		remove_leaf(cpuid, 0x80000002 + i);
		add(cpuid, 0x80000002 + i, 0, 0, 0x41420000 + i * 0x100);
		add(cpuid, 4, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		    0x43440000 + i * 0x100);
	}
	remove_leaf(cpuid, 2);
	add(cpuid, 2, 0, 0, 0x45460000);
	remove_leaf(cpuid, 0x40000010);
	add(cpuid, 0x40000010, 0, 0, 0x47480000);
}

TEST(leaves_in_guest, "the guest reads the leaves userspace set")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	struct kvm_cpuid_entry2 *e;
	struct kvm_regs regs;
	uint32_t i;

	set_own_leaves(cpuid);
	e = vmm_cpuid_find(cpuid, 0, 0);
	e->eax = 0x16;
	memcpy(&e->ebx, "Kvm ", 4);
	memcpy(&e->edx, "swap", 4);
	memcpy(&e->ecx, "test", 4);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	regs = guest_cpuid(vcpu, 0, 0);
	CHECK_EQ(regs.rax, 0x16);
	CHECK_EQ(regs.rbx, e->ebx);
	CHECK_EQ(regs.rcx, e->ecx);
	CHECK_EQ(regs.rdx, e->edx);
	for (i = 0; i < 3; i++)
		check_leaf(vcpu, 0x80000002 + i, 0, 0x41420000 + i * 0x100);
	check_leaf(vcpu, 2, 0, 0x45460000);
	check_leaf(vcpu, 0x40000010, 0, 0x47480000);
}

TEST(subleaves_in_guest, "ECX selects the subleaf where the index counts")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	uint32_t i;

	set_own_leaves(cpuid);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	for (i = 0; i < 3; i++)
		check_leaf(vcpu, 4, i, 0x43440000 + i * 0x100);
	check_zero(vcpu, 4, 3);
	check_zero(vcpu, 4, 0x80000000);
	/* Where it does not count, ECX is ignored. */
	check_leaf(vcpu, 0x80000002, 12345, 0x41420000);
}

TEST(every_mode, "CPUID works in every processor mode")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	enum vmm_mode mode;

	set_own_leaves(cpuid);
	vmm_set_cpuid(vcpu, cpuid);
	for (mode = VMM_REAL; mode < VMM_MODES; mode++) {
		struct kvm_regs regs = {
			.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = 2,
			.rax = 4, .rcx = 2,
		};

		vmm_set_mode(vcpu, mode);
		vmm_set_regs(vcpu, &regs);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, 0x43440200);
		CHECK_EQ(vmm_regs(vcpu).rdx, 0x43440203);
	}
}

static void set_vendor(struct kvm_cpuid2 *cpuid, const char *vendor,
		       uint32_t max)
{
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 0, 0);

	CHECK(e);
	e->eax = max;
	memcpy(&e->ebx, vendor, 4);
	memcpy(&e->edx, vendor + 4, 4);
	memcpy(&e->ecx, vendor + 8, 4);
}

TEST(out_of_range_amd, "AMD: leaves beyond the maximum are 0")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);

	set_own_leaves(cpuid);
	set_vendor(cpuid, "AuthenticAMD", 4);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	check_zero(vcpu, 5, 0);
	check_zero(vcpu, 0x20, 0);
	check_zero(vcpu, 0x3fffffff, 1);
	check_zero(vcpu, 0x80007fff, 0);
	check_zero(vcpu, 0xc0000000, 0);
	check_leaf(vcpu, 4, 1, 0x43440100);
}

TEST(out_of_range_intel, "Intel: beyond the maximum is the last basic leaf")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);

	set_own_leaves(cpuid);
	set_vendor(cpuid, "GenuineIntel", 4);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	/* With the subleaf that ECX asks for. */
	check_leaf(vcpu, 0x1234, 0, 0x43440000);
	check_leaf(vcpu, 0x1234, 1, 0x43440100);
	check_leaf(vcpu, 0x80007fff, 2, 0x43440200);
	check_zero(vcpu, 0x1234, 7);
}

TEST(listed_beyond_maximum, "a leaf userspace listed counts, beyond or not")
{
	static const char *const vendors[] = { "AuthenticAMD", "GenuineIntel" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct kvm_cpuid2 *cpuid;
		struct vmm_vcpu *vcpu = boot(&cpuid);

		set_own_leaves(cpuid);
		set_vendor(cpuid, vendors[i], 4);
		remove_leaf(cpuid, 0x17);
		add(cpuid, 0x17, 0, 0, 0x61620000);
		vmm_set_cpuid(vcpu, cpuid);
		vmm_set_mode(vcpu, VMM_LONG);
		check_leaf(vcpu, 0x17, 0, 0x61620000);
		vmm_destroy(vcpu->vm);
	}
}

TEST(missing_leaf, "a leaf in range that userspace left out is 0")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);

	set_own_leaves(cpuid);
	remove_leaf(cpuid, 2);
	remove_leaf(cpuid, 0x80000003);
	set_vendor(cpuid, "GenuineIntel", 0x16);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	check_zero(vcpu, 2, 0);
	check_zero(vcpu, 0x80000003, 0);
	check_leaf(vcpu, 0x80000002, 0, 0x41420000);
}

TEST(osxsave_follows_cr4, "CPUID.1:ECX.OSXSAVE mirrors CR4.OSXSAVE")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	struct kvm_sregs sregs;
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 1, 0);

	if (!(e->ecx & (1u << 26)))
		SKIP("this CPU has no XSAVE");
	e->ecx &= ~(1u << 27);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	CHECK(!(guest_cpuid(vcpu, 1, 0).rcx & (1u << 27)));
	sregs = vmm_sregs(vcpu);
	sregs.cr4 |= X86_CR4_OSXSAVE;
	vmm_set_sregs(vcpu, &sregs);
	CHECK(guest_cpuid(vcpu, 1, 0).rcx & (1u << 27));
	sregs.cr4 &= ~X86_CR4_OSXSAVE;
	vmm_set_sregs(vcpu, &sregs);
	CHECK(!(guest_cpuid(vcpu, 1, 0).rcx & (1u << 27)));
}

TEST(two_vcpus, "each vcpu has a CPUID of its own")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *a = boot(&cpuid), *b = vmm_vcpu_add_raw(a->vm);

	set_own_leaves(cpuid);
	vmm_set_cpuid(a, cpuid);
	remove_leaf(cpuid, 0x80000002);
	add(cpuid, 0x80000002, 0, 0, 0x51520000);
	vmm_set_cpuid(b, cpuid);
	vmm_set_mode(a, VMM_LONG);
	vmm_set_mode(b, VMM_LONG);
	check_leaf(a, 0x80000002, 0, 0x41420000);
	check_leaf(b, 0x80000002, 0, 0x51520000);
	check_leaf(a, 0x80000002, 0, 0x41420000);
}

TEST(set_again_before_run, "before the first KVM_RUN CPUID may be set again")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);

	vmm_set_cpuid(vcpu, cpuid);
	set_own_leaves(cpuid);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	check_leaf(vcpu, 0x80000002, 0, 0x41420000);
}

TEST(same_after_run, "after KVM_RUN the same CPUID may still be set")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);

	set_own_leaves(cpuid);
	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	check_leaf(vcpu, 2, 0, 0x45460000);
	vmm_set_cpuid(vcpu, cpuid);
	check_leaf(vcpu, 2, 0, 0x45460000);
}

TEST(set_limits, "KVM_SET_CPUID2: 256 entries fit, more give E2BIG")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	struct kvm_cpuid2 *cpuid;
	unsigned int i;

	cpuid = calloc(1, sizeof(*cpuid) + 300 * sizeof(cpuid->entries[0]));
	CHECK(cpuid);
	for (i = 0; i < 300; i++)
		cpuid->entries[i].function = 0x40001000 + i;
	cpuid->nent = 257;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), E2BIG);
	cpuid->nent = 0xffffffff;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), E2BIG);
	cpuid->nent = 256;
	OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
	cpuid->nent = 0;
	OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
}

TEST(set_fault, "KVM_SET_CPUID2 with bad pointers gives EFAULT")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	uint8_t *pages = vmm_map_anon(2 * SZ_4K);
	struct kvm_cpuid2 *cpuid;

	OK(munmap(pages + SZ_4K, SZ_4K));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, NULL), EFAULT);
	cpuid = (struct kvm_cpuid2 *)(pages + SZ_4K - sizeof(*cpuid) -
				      sizeof(cpuid->entries[0]));
	cpuid->nent = 2;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), EFAULT);
	cpuid->nent = 1;
	OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
}

TEST(failed_set_keeps_old, "a refused KVM_SET_CPUID2 leaves the old one")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	unsigned int nent;

	set_own_leaves(cpuid);
	vmm_set_cpuid(vcpu, cpuid);
	nent = cpuid->nent;
	cpuid->nent = 1000;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), E2BIG);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_CPUID2, NULL), EFAULT);
	cpuid->nent = nent;
	vmm_set_mode(vcpu, VMM_LONG);
	check_leaf(vcpu, 0x80000002, 0, 0x41420000);
}

TEST(supported_is_accepted, "a guest with the supported CPUID reads it back")
{
	struct kvm_cpuid2 *cpuid;
	struct vmm_vcpu *vcpu = boot(&cpuid);
	struct kvm_cpuid_entry2 *e;
	struct kvm_regs regs;
	unsigned int i;

	vmm_set_cpuid(vcpu, cpuid);
	vmm_set_mode(vcpu, VMM_LONG);
	for (i = 0; i < cpuid->nent; i++) {
		e = &cpuid->entries[i];
		/* Parts of 1, 7 and 0xd follow the guest's CR4 and XCR0. */
		if (e->function == 1 || e->function == 7 || e->function == 0xd)
			continue;
		/* KVM may tell the guest its TSC's frequency and more here. */
		if (e->function == 0x80000001 || e->function == 0x40000001 ||
		    e->function == 0x15)
			continue;
		regs = guest_cpuid(vcpu, e->function, e->index);
		CHECKF(regs.rax == e->eax && regs.rbx == e->ebx &&
		       regs.rcx == e->ecx && regs.rdx == e->edx,
		       "leaf 0x%x.%u is %llx %llx %llx %llx, set %x %x %x %x",
		       e->function, e->index, regs.rax, regs.rbx, regs.rcx,
		       regs.rdx, e->eax, e->ebx, e->ecx, e->edx);
	}
}
