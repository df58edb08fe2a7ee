// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other state ioctls of a VM without an in-kernel interrupt controller:
 * MSRs, FPU, interrupts, MP state, the dirty log.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

#define MSR_LSTAR	0xc0000082
#define MSR_STAR	0xc0000081
#define MSR_SYSENTER_EIP 0x176

GUEST(nothing, 64, "hlt\n");

static struct vmm_vcpu *boot(void)
{
	return vmm_boot(SZ_1M, VMM_LONG, nothing);
}

static struct kvm_msr_list *msr_list(int dev)
{
	struct kvm_msr_list *list;

	list = calloc(1, sizeof(*list) + 1000 * sizeof(list->indices[0]));
	CHECK(list);
	list->nmsrs = 1000;
	OK(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list));
	return list;
}

TEST(msr_index_list, "KVM_GET_MSR_INDEX_LIST: E2BIG with the count, then all")
{
	int dev = vmm_open();
	struct kvm_msr_list *list = msr_list(dev);
	uint32_t count = list->nmsrs, i;
	bool lstar = false;

	CHECK(count > 0 && count < 1000);
	for (i = 0; i < count; i++)
		lstar |= list->indices[i] == MSR_LSTAR;
	CHECKF(lstar, "LSTAR is not in the list");
	list->nmsrs = 0;
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list), E2BIG);
	CHECK_EQ(list->nmsrs, count);
	list->nmsrs = count - 1;
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list), E2BIG);
	CHECK_EQ(list->nmsrs, count);
	OK(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list));
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSR_INDEX_LIST, NULL), EFAULT);
}

static struct kvm_msrs *msrs(uint32_t count)
{
	struct kvm_msrs *m;

	m = calloc(1, sizeof(*m) + count * sizeof(m->entries[0]));
	CHECK(m);
	m->nmsrs = count;
	return m;
}

/* 5.10 lists FEATURE_CONTROL and the PMU's MSRs whatever the CPUID. */
static bool listed_without_cpuid(uint32_t msr)
{
	return msr == 0x3a || (msr >= 0xc1 && msr <= 0xd8) ||
	       (msr >= 0x186 && msr <= 0x19d) || (msr >= 0x309 && msr <= 0x3f1);
}

TEST(msrs_listed, "every listed MSR can be read and written back by the host")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_msr_list *list = msr_list(vcpu->vm->dev);
	struct kvm_msrs *m = msrs(1);
	uint32_t i;

	/* QEMU gives up when one of them fails. */
	for (i = 0; i < list->nmsrs; i++) {
		if (listed_without_cpuid(list->indices[i]))
			continue;
		m->nmsrs = 1;
		m->entries[0].index = list->indices[i];
		CHECKF(ioctl(vcpu->fd, KVM_GET_MSRS, m) == 1,
		       "MSR 0x%x cannot be read", list->indices[i]);
		/* Paravirtual MSRs depend on an in-kernel APIC and CPUID. */
		if (list->indices[i] >> 8 == 0x4b564d)
			continue;
		CHECKF(ioctl(vcpu->fd, KVM_SET_MSRS, m) == 1,
		       "MSR 0x%x refuses its own value 0x%llx",
		       list->indices[i], m->entries[0].data);
	}
}

#define MSR_SPEC_CTRL	0x48

TEST(spec_ctrl_listed, "SPEC_CTRL is listed where a guest can have it")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct kvm_msr_list *list = msr_list(vm->dev);
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vm->dev);
	struct kvm_cpuid_entry2 *seven = vmm_cpuid_find(cpuid, 7, 0);
	struct kvm_cpuid_entry2 *amd = vmm_cpuid_find(cpuid, 0x80000008, 0);
	/* Intel's IBRS and IBPB, STIBP, SSBD; AMD's IBRS, STIBP, SSBD. */
	bool wanted = (seven && (seven->edx & (1u << 26 | 1u << 27 | 1u << 31))) ||
		      (amd && (amd->ebx & (1u << 14 | 1u << 15 | 1u << 24)));
	bool listed = false;
	uint32_t i;

	if (!wanted)
		SKIP("no guest can have it on this host");
	for (i = 0; i < list->nmsrs; i++)
		listed |= list->indices[i] == MSR_SPEC_CTRL;
	/* Listed is what a VMM migrates: a guest that has it must not lose it. */
	CHECK(listed);
}

GUEST(read_msr, 64,
	"rdmsr\n"
	"shl $32, %rdx\n"
	"or %rdx, %rax\n"
	"hlt\n");

TEST(msrs_in_guest, "the guest reads what KVM_SET_MSRS set, and the reverse")
{
	static const struct kvm_msr_entry set[] = {
		{ .index = MSR_STAR, .data = 0x0023001000000000ull },
		{ .index = MSR_LSTAR, .data = 0xffffffff81234560ull },
		{ .index = MSR_SYSENTER_EIP, .data = 0x12345678 },
	};
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, read_msr);
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_msrs *m = msrs(3);
	int i;

	memcpy(m->entries, set, sizeof(set));
	CHECK_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, m), 3);
	for (i = 0; i < 3; i++) {
		regs.rcx = set[i].index;
		vmm_set_regs(vcpu, &regs);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		CHECK_EQ(vmm_regs(vcpu).rax, set[i].data);
		m->entries[i].data = 0;
	}
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, m), 3);
	for (i = 0; i < 3; i++)
		CHECK_EQ(m->entries[i].data, set[i].data);
}

TEST(msrs_stop_at_bad, "KVM_SET_MSRS and GET_MSRS stop at the first bad one")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_msrs *m = msrs(3);

	m->entries[0].index = MSR_STAR;
	m->entries[0].data = 0x77;
	m->entries[1].index = 0xdeadbeef;
	m->entries[2].index = MSR_LSTAR;
	m->entries[2].data = 0x88;
	CHECK_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, m), 1);
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, m), 1);
	CHECK_EQ(m->entries[0].data, 0x77);
	m->nmsrs = 1;
	m->entries[0].index = MSR_LSTAR;
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, m), 1);
	CHECK_EQ(m->entries[0].data, 0);
}

TEST(msrs_bad_input, "KVM_GET_MSRS and KVM_SET_MSRS with bad sizes and pointers")
{
	struct vmm_vcpu *vcpu = boot();
	uint8_t *pages = vmm_map_anon(2 * SZ_4K);
	struct kvm_msrs *m = (struct kvm_msrs *)(pages + SZ_4K - sizeof(*m));

	OK(munmap(pages + SZ_4K, SZ_4K));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_MSRS, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MSRS, NULL), EFAULT);
	m->nmsrs = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_MSRS, m), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MSRS, m), EFAULT);
	m->nmsrs = 0xffffffff;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_MSRS, m), E2BIG);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MSRS, m), E2BIG);
	m->nmsrs = 0;
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, m), 0);
}

GUEST(store_xmm, 64,
	"movups %xmm5, 0x7000\n"
	"fnstcw 0x7010\n"
	"movups 0x7020, %xmm6\n"
	"fldcw 0x7018\n"
	"hlt\n");

TEST(fpu, "KVM_SET_FPU reaches the guest, KVM_GET_FPU shows its changes")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, store_xmm);
	uint8_t *ram = vcpu->vm->ram;
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_fpu fpu, got;

	/*
	 * First the guest uses its registers: in-tree KVM gives it the initial
	 * state, whatever was set, as long as it has none of its own.
	 */
	memset(ram + 0x7020, 0x33, 16);
	*(uint16_t *)(ram + 0x7018) = 0x0f7f;
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	vmm_set_regs(vcpu, &regs);
	OK(ioctl(vcpu->fd, KVM_GET_FPU, &fpu));
	CHECK(!memcmp(fpu.xmm[6], ram + 0x7020, 16));
	CHECK_EQ(fpu.fcw, 0x0f7f);
	memset(fpu.xmm[5], 0x5a, 16);
	fpu.fcw = 0x027f;
	OK(ioctl(vcpu->fd, KVM_SET_FPU, &fpu));
	OK(ioctl(vcpu->fd, KVM_GET_FPU, &got));
	CHECK(!memcmp(got.xmm, fpu.xmm, sizeof(fpu.xmm)));
	CHECK_EQ(got.fcw, fpu.fcw);
	memset(ram + 0x7020, 0x66, 16);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!memcmp(ram + 0x7000, fpu.xmm[5], 16));
	CHECK_EQ(*(uint16_t *)(ram + 0x7010), 0x027f);
	OK(ioctl(vcpu->fd, KVM_GET_FPU, &got));
	CHECK(!memcmp(got.xmm[6], ram + 0x7020, 16));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_FPU, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_FPU, NULL), EFAULT);
}

/* Waits with interrupts on; the handler of vector 0x41 stops with EBX = 1. */
GUEST(wait_irq, 64,
	"sti\n"
	"1: jmp 1b\n"
	ORG(0x100)
	"mov $1, %ebx\n"
	"hlt\n");

TEST(interrupt, "KVM_INTERRUPT is delivered through the guest's IDT")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, wait_irq);
	struct kvm_interrupt irq = { .irq = 0x41 };

	vmm_gate(vcpu, 0x41, GPA_CODE + 0x100);
	OK(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 1);
	irq.irq = 256;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_INTERRUPT, &irq), EINVAL);
	irq.irq = 0xffffffff;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_INTERRUPT, &irq), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_INTERRUPT, NULL), EFAULT);
}

GUEST(open_window, 64,
	"mov $1, %eax\n"
	"out %al, $0x10\n"
	"sti\n"
	"nop\n"
	"2: jmp 2b\n"
	ORG(0x100)
	"mov $1, %ebx\n"
	"hlt\n");

TEST(interrupt_window, "request_interrupt_window exits when the guest can take one")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, open_window);
	struct kvm_interrupt irq = { .irq = 0x41 };
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rflags = 2;
	vmm_set_regs(vcpu, &regs);
	vmm_gate(vcpu, 0x41, GPA_CODE + 0x100);
	vcpu->run->request_interrupt_window = 1;
	vmm_run_to_out(vcpu, 0x10, 1);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 0);
	vmm_run_to(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	CHECK_EQ(vcpu->run->if_flag, 1);
	vcpu->run->request_interrupt_window = 0;
	OK(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 1);
}

GUEST(wait_nmi, 64,
	"1: jmp 1b\n"
	ORG(0x100)
	"inc %ebx\n"
	"hlt\n");

TEST(nmi, "KVM_NMI is delivered through vector 2, interrupts off or not")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);

	if (!vmm_cap(vcpu->vm, KVM_CAP_USER_NMI))
		SKIP("KVM_CAP_USER_NMI is 0");
	vmm_load(vcpu->vm, GPA_CODE, wait_nmi);
	regs.rflags = 2;
	vmm_set_regs(vcpu, &regs);
	vmm_gate(vcpu, 2, GPA_CODE + 0x100);
	OK(ioctl(vcpu->fd, KVM_NMI, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 1);
}

TEST(mp_state, "without an in-kernel APIC a vcpu is always RUNNABLE")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_mp_state state = { .mp_state = 77 };

	if (!vmm_cap(vcpu->vm, KVM_CAP_MP_STATE))
		SKIP("KVM_CAP_MP_STATE is 0");
	OK(ioctl(vcpu->fd, KVM_GET_MP_STATE, &state));
	CHECK_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	OK(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state));
	state.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state), EINVAL);
	state.mp_state = KVM_MP_STATE_INIT_RECEIVED;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state), EINVAL);
	state.mp_state = 1000;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_MP_STATE, &state), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_MP_STATE, NULL), EFAULT);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(tss_addr, "KVM_SET_TSS_ADDR takes three pages below 4 GiB")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	if (!vmm_cap(vm, KVM_CAP_SET_TSS_ADDR))
		SKIP("KVM_CAP_SET_TSS_ADDR is 0");
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffffffful), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xffffe000ul), EINVAL);
	OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul));
	vmm_set_mode(vmm_vcpu_add(vm), VMM_REAL);
}

TEST(identity_map_addr, "KVM_SET_IDENTITY_MAP_ADDR comes before the vcpus")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	uint64_t address = 0xfeffc000;

	if (!vmm_cap(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR))
		SKIP("KVM_CAP_SET_IDENTITY_MAP_ADDR is 0");
	OK(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &address));
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, NULL), EFAULT);
	vmm_vcpu_add(vm);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &address), EINVAL);
}

static uint64_t dirty_pages(struct vmm *vm, unsigned int slot)
{
	uint64_t bitmap = 0;
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = &bitmap };

	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	return bitmap;
}

TEST(dirty_log, "KVM_GET_DIRTY_LOG: what was written since the last time")
{
	struct vmm_vcpu *vcpu = boot();
	uint8_t *hva = vmm_map_anon(64 * SZ_4K);
	uint64_t gpa = 256 * SZ_1M;

	vmm_slot(vcpu->vm, 1, 0, gpa, 64 * SZ_4K, hva);
	/* Written before logging starts, and mapped by then. */
	vmm_poke(vcpu, gpa + 3 * SZ_4K, 1);
	vmm_poke(vcpu, gpa + 5 * SZ_4K, 1);
	vmm_slot(vcpu->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, gpa, 64 * SZ_4K, hva);
	CHECK_EQ(dirty_pages(vcpu->vm, 1), 0);
	vmm_poke(vcpu, gpa + 5 * SZ_4K, 2);
	vmm_poke(vcpu, gpa + 63 * SZ_4K, 2);
	vmm_peek(vcpu, gpa + 7 * SZ_4K);
	CHECK_EQ(dirty_pages(vcpu->vm, 1), 1ull << 63 | 1ull << 5);
	CHECK_EQ(dirty_pages(vcpu->vm, 1), 0);
	vmm_poke(vcpu, gpa + 5 * SZ_4K, 3);
	CHECK_EQ(dirty_pages(vcpu->vm, 1), 1ull << 5);
}

TEST(dirty_log_bad_input, "KVM_GET_DIRTY_LOG without log, slot or room")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_dirty_log log = { .slot = 0 };
	uint64_t bitmap[4];

	log.dirty_bitmap = bitmap;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	log.slot = 7;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	log.slot = 0x7fff;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, &log), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, NULL), EFAULT);
	vmm_slot(vcpu->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 256 * SZ_1M, SZ_64K,
		 vmm_map_anon(SZ_64K));
	log.slot = 1;
	log.dirty_bitmap = (void *)8;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_GET_DIRTY_LOG, &log), EFAULT);
}

TEST(cpuid2_read_back, "KVM_GET_CPUID2 returns what was set")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_cpuid2 *set = vmm_supported_cpuid(vcpu->vm->dev), *got;
	unsigned int i;

	got = calloc(1, sizeof(*got) + 256 * sizeof(got->entries[0]));
	CHECK(got);
	got->nent = 256;
	OK(ioctl(vcpu->fd, KVM_GET_CPUID2, got));
	/* Kernels before 6.16 leave nent as it was. */
	CHECK(got->nent == set->nent || got->nent == 256);
	for (i = 0; i < set->nent; i++) {
		CHECK_EQ(got->entries[i].function, set->entries[i].function);
		CHECK_EQ(got->entries[i].index, set->entries[i].index);
	}
	got->nent = set->nent - 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_CPUID2, got), E2BIG);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_CPUID2, NULL), EFAULT);
}
