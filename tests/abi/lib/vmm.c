// SPDX-License-Identifier: GPL-2.0-only
/* VM and vcpu objects, memory slots, register access and KVM_RUN. */
#define _GNU_SOURCE
#include "vmm.h"

#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "UNKNOWN",
	[KVM_EXIT_EXCEPTION] = "EXCEPTION",
	[KVM_EXIT_IO] = "IO",
	[KVM_EXIT_HYPERCALL] = "HYPERCALL",
	[KVM_EXIT_DEBUG] = "DEBUG",
	[KVM_EXIT_HLT] = "HLT",
	[KVM_EXIT_MMIO] = "MMIO",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
	[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
	[KVM_EXIT_INTR] = "INTR",
	[KVM_EXIT_SET_TPR] = "SET_TPR",
	[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
	[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
};

const char *vmm_exit_name(unsigned int reason)
{
	if (reason < sizeof(exit_names) / sizeof(exit_names[0]) &&
	    exit_names[reason])
		return exit_names[reason];
	return "(other)";
}

bool vmm_on_tcg(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return ebx == 0x54474354 && ecx == 0x43544743 && edx == 0x47435447;
}

int vmm_open(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	CHECKF(fd >= 0, "open /dev/kvm: %s", strerror(errno));
	return fd;
}

void *vmm_map_anon(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECKF(p != MAP_FAILED, "mmap of %llu bytes: %s",
	       (unsigned long long)size, strerror(errno));
	return p;
}

int vmm_try_slot(struct vmm *vm, unsigned int slot, unsigned int flags,
		 uint64_t gpa, uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vmm_slot(struct vmm *vm, unsigned int slot, unsigned int flags,
	      uint64_t gpa, uint64_t size, void *hva)
{
	if (vmm_try_slot(vm, slot, flags, gpa, size, hva))
		FAIL("slot %u at 0x%llx, 0x%llx bytes, flags %u: %s", slot,
		     (unsigned long long)gpa, (unsigned long long)size, flags,
		     strerror(errno));
}

int vmm_cap(struct vmm *vm, unsigned int cap)
{
	return (int)OK(ioctl(vm->fd, KVM_CHECK_EXTENSION, (unsigned long)cap));
}

struct vmm *vmm_create_bare(void)
{
	struct vmm *vm = calloc(1, sizeof(*vm));

	CHECK(vm);
	vm->dev = vmm_open();
	vm->fd = (int)OK(ioctl(vm->dev, KVM_CREATE_VM, 0ul));
	vm->next_table = GPA_TABLES;
	return vm;
}

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes)
{
	return (limit & 0xffff) | ((uint64_t)(base & 0xffffff) << 16) |
	       ((uint64_t)attributes << 40) |
	       ((uint64_t)(limit & 0xf0000) << 32) |
	       ((uint64_t)(base >> 24) << 56);
}

static void vmm_write_gdt(struct vmm *vm)
{
	uint64_t *gdt = (uint64_t *)(vm->ram + GPA_GDT);

	gdt[SEL_CODE32 >> 3] = descriptor(0, 0xfffff, 0xc09b);
	gdt[SEL_DATA32 >> 3] = descriptor(0, 0xfffff, 0xc093);
	gdt[SEL_CODE64 >> 3] = descriptor(0, 0xfffff, 0xa09b);
	gdt[SEL_CODE16 >> 3] = descriptor(0, 0xffff, 0x009b);
	gdt[SEL_DATA16 >> 3] = descriptor(0, 0xffff, 0x0093);
	gdt[SEL_USER32 >> 3] = descriptor(0, 0xfffff, 0xc0fb);
	gdt[SEL_USERDATA >> 3] = descriptor(0, 0xfffff, 0xc0f3);
	gdt[SEL_USER64 >> 3] = descriptor(0, 0xfffff, 0xa0fb);
	gdt[SEL_TSS >> 3] = descriptor(GPA_TSS, 0x67, 0x008b);
}

struct vmm *vmm_create(uint64_t ram)
{
	struct vmm *vm = vmm_create_bare();

	CHECK(ram >= VMM_MIN_RAM);
	vm->ram = vmm_map_anon(ram);
	vm->ram_size = ram;
	vmm_slot(vm, 0, 0, 0, ram, vm->ram);
	vmm_write_gdt(vm);
	return vm;
}

void vmm_destroy(struct vmm *vm)
{
	int i;

	for (i = 0; i < vm->vcpus; i++) {
		OK(munmap(vm->vcpu[i].run, vm->vcpu[i].run_size));
		OK(close(vm->vcpu[i].fd));
	}
	OK(close(vm->fd));
	OK(close(vm->dev));
	if (vm->ram)
		OK(munmap(vm->ram, vm->ram_size));
	free(vm);
}

struct kvm_cpuid2 *vmm_supported_cpuid(int dev)
{
	struct kvm_cpuid2 *cpuid;
	int nent = 256;

	cpuid = calloc(1, sizeof(*cpuid) + nent * sizeof(cpuid->entries[0]));
	CHECK(cpuid);
	cpuid->nent = nent;
	OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	return cpuid;
}

struct kvm_cpuid_entry2 *vmm_cpuid_find(struct kvm_cpuid2 *cpuid,
					uint32_t function, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function != function)
			continue;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
		    e->index == index)
			return e;
	}
	return NULL;
}

void vmm_set_cpuid(struct vmm_vcpu *vcpu, struct kvm_cpuid2 *cpuid)
{
	OK(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
}

struct vmm_vcpu *vmm_vcpu_add_raw(struct vmm *vm)
{
	struct vmm_vcpu *vcpu = &vm->vcpu[vm->vcpus];

	CHECK(vm->vcpus < VMM_MAX_VCPUS);
	vcpu->vm = vm;
	vcpu->id = vm->vcpus++;
	vcpu->fd = (int)OK(ioctl(vm->fd, KVM_CREATE_VCPU,
				 (unsigned long)vcpu->id));
	vcpu->run_size = OK(ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	CHECKF(vcpu->run != MAP_FAILED, "mmap of the vcpu: %s",
	       strerror(errno));
	return vcpu;
}

struct vmm_vcpu *vmm_vcpu_add(struct vmm *vm)
{
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vm->dev);

	vmm_set_cpuid(vcpu, cpuid);
	free(cpuid);
	return vcpu;
}

void vmm_load(struct vmm *vm, uint64_t gpa, struct vmm_blob blob)
{
	size_t size = blob.end - blob.start;

	CHECK(gpa + size <= vm->ram_size);
	memcpy(vm->ram + gpa, blob.start, size);
}

struct vmm_vcpu *vmm_boot(uint64_t ram, enum vmm_mode mode,
			  struct vmm_blob blob)
{
	struct vmm *vm = vmm_create(ram);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);

	vmm_load(vm, GPA_CODE, blob);
	vmm_set_mode(vcpu, mode);
	return vcpu;
}

struct kvm_regs vmm_regs(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs;

	OK(ioctl(vcpu->fd, KVM_GET_REGS, &regs));
	return regs;
}

void vmm_set_regs(struct vmm_vcpu *vcpu, const struct kvm_regs *regs)
{
	OK(ioctl(vcpu->fd, KVM_SET_REGS, regs));
}

struct kvm_sregs vmm_sregs(struct vmm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	OK(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	return sregs;
}

void vmm_set_sregs(struct vmm_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	OK(ioctl(vcpu->fd, KVM_SET_SREGS, sregs));
}

int vmm_run(struct vmm_vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_RUN, 0ul) ? -errno : 0;
}

void vmm_dump(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_sregs s;
	struct kvm_regs r;

	tap_diag("vcpu %d in %s mode: exit %s (%u)", vcpu->id,
		 vmm_mode_name(vcpu->mode), vmm_exit_name(run->exit_reason),
		 run->exit_reason);
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		tap_diag("  io %s port 0x%x size %u count %u",
			 run->io.direction ? "out" : "in", run->io.port,
			 run->io.size, run->io.count);
		break;
	case KVM_EXIT_MMIO:
		tap_diag("  mmio %s 0x%llx len %u",
			 run->mmio.is_write ? "write" : "read",
			 (unsigned long long)run->mmio.phys_addr,
			 run->mmio.len);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		tap_diag("  suberror %u", run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		tap_diag("  hardware reason 0x%llx", (unsigned long long)
			 run->fail_entry.hardware_entry_failure_reason);
		break;
	}
	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		return;
	tap_diag("  rip %llx rflags %llx rsp %llx cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx",
		 r.rip, r.rflags, r.rsp, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
	tap_diag("  rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rbp %llx cs %x:%llx",
		 r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp,
		 s.cs.selector, s.cs.base);
}

void vmm_run_to_(const char *file, int line, struct vmm_vcpu *vcpu,
		 unsigned int reason)
{
	int r = vmm_run(vcpu);

	if (r)
		tap_fail(file, line, "KVM_RUN: %s", strerror(-r));
	if (vcpu->run->exit_reason == reason)
		return;
	vmm_dump(vcpu);
	tap_fail(file, line, "exit %s, expected %s",
		 vmm_exit_name(vcpu->run->exit_reason), vmm_exit_name(reason));
}

void *vmm_io_data(struct vmm_vcpu *vcpu)
{
	CHECK(vcpu->run->io.data_offset < vcpu->run_size);
	return (uint8_t *)vcpu->run + vcpu->run->io.data_offset;
}

uint32_t vmm_run_to_out_(const char *file, int line, struct vmm_vcpu *vcpu,
			 unsigned int port, unsigned int size)
{
	struct kvm_run *run = vcpu->run;
	uint32_t value = 0;

	vmm_run_to_(file, line, vcpu, KVM_EXIT_IO);
	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.port != port ||
	    run->io.size != size || run->io.count != 1) {
		vmm_dump(vcpu);
		tap_fail(file, line, "expected one OUT of %u bytes to port 0x%x",
			 size, port);
	}
	memcpy(&value, vmm_io_data(vcpu), size);
	return value;
}

uint64_t vmm_run_to_mmio_(const char *file, int line, struct vmm_vcpu *vcpu,
			  bool is_write, uint64_t gpa, unsigned int len)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;

	vmm_run_to_(file, line, vcpu, KVM_EXIT_MMIO);
	if (!!run->mmio.is_write != is_write || run->mmio.phys_addr != gpa ||
	    run->mmio.len != len) {
		vmm_dump(vcpu);
		tap_fail(file, line, "expected a %s of %u bytes at 0x%llx",
			 is_write ? "write" : "read", len,
			 (unsigned long long)gpa);
	}
	if (is_write)
		memcpy(&value, run->mmio.data, len);
	return value;
}

void vmm_mmio_answer(struct vmm_vcpu *vcpu, uint64_t value)
{
	CHECK(vcpu->run->exit_reason == KVM_EXIT_MMIO);
	CHECK(!vcpu->run->mmio.is_write && vcpu->run->mmio.len <= 8);
	memcpy(vcpu->run->mmio.data, &value, vcpu->run->mmio.len);
}
