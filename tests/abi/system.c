// SPDX-License-Identifier: GPL-2.0-only
/* /dev/kvm itself: version, extensions, creation of VMs, supported CPUID. */
#include "vmm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef KVM_CAP_IMMEDIATE_EXIT
#define KVM_CAP_IMMEDIATE_EXIT 136
#endif
#ifndef KVM_CAP_MAX_VCPU_ID
#define KVM_CAP_MAX_VCPU_ID 128
#endif

TEST(api_version, "KVM_GET_API_VERSION is 12")
{
	int dev = vmm_open();

	CHECK_EQ(ioctl(dev, KVM_GET_API_VERSION, 0), 12);
}

TEST(api_version_argument, "KVM_GET_API_VERSION takes no argument")
{
	int dev = vmm_open();

	CHECK_ERRNO(ioctl(dev, KVM_GET_API_VERSION, 1ul), EINVAL);
}

TEST(open_readonly, "ioctls work on a read-only file descriptor")
{
	int dev = open("/dev/kvm", O_RDONLY);

	OK(dev);
	CHECK_EQ(ioctl(dev, KVM_GET_API_VERSION, 0), 12);
	OK(ioctl(dev, KVM_CREATE_VM, 0));
}

TEST(read_write_refused, "/dev/kvm cannot be read, written or mapped")
{
	int dev = vmm_open();
	char byte = 0;

	CHECK_ERRNO(read(dev, &byte, 1), EINVAL);
	CHECK_ERRNO(write(dev, &byte, 1), EINVAL);
	CHECK(mmap(NULL, SZ_4K, PROT_READ, MAP_SHARED, dev, 0) == MAP_FAILED);
}

static const struct {
	unsigned int cap;
	const char *name;
} boolean_caps[] = {
	{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
	{ KVM_CAP_HLT, "HLT" },
	{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },
	{ KVM_CAP_SYNC_MMU, "SYNC_MMU" },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS" },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS_WORKS" },
	{ KVM_CAP_READONLY_MEM, "READONLY_MEM" },
	{ KVM_CAP_CHECK_EXTENSION_VM, "CHECK_EXTENSION_VM" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
	{ KVM_CAP_INTERNAL_ERROR_DATA, "INTERNAL_ERROR_DATA" },
};

TEST(caps_boolean, "the basic capabilities are exactly 1 on both fds")
{
	struct vmm *vm = vmm_create_bare();
	unsigned int i;

	/* Some VMMs compare a boolean capability with 1, not with 0. */
	for (i = 0; i < sizeof(boolean_caps) / sizeof(boolean_caps[0]); i++) {
		unsigned long cap = boolean_caps[i].cap;
		long sys = OK(ioctl(vm->dev, KVM_CHECK_EXTENSION, cap));
		long own = OK(ioctl(vm->fd, KVM_CHECK_EXTENSION, cap));

		CHECKF(sys == 1, "%s is %ld on /dev/kvm",
		       boolean_caps[i].name, sys);
		CHECKF(own == 1, "%s is %ld on the VM",
		       boolean_caps[i].name, own);
	}
}

TEST(caps_limits, "the numeric capabilities are sane and ordered")
{
	struct vmm *vm = vmm_create_bare();
	int nr_slots = vmm_cap(vm, KVM_CAP_NR_MEMSLOTS);
	int nr = vmm_cap(vm, KVM_CAP_NR_VCPUS);
	int max = vmm_cap(vm, KVM_CAP_MAX_VCPUS);
	int max_id = vmm_cap(vm, KVM_CAP_MAX_VCPU_ID);

	CHECKF(nr_slots >= 509, "only %d memory slots", nr_slots);
	CHECKF(nr >= 1 && nr <= max, "NR_VCPUS %d, MAX_VCPUS %d", nr, max);
	CHECKF(max_id >= max, "MAX_VCPU_ID %d below MAX_VCPUS %d", max_id, max);
	CHECK_EQ(ioctl(vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS),
		 nr_slots);
	CHECK_EQ(ioctl(vm->dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS), max);
}

TEST(caps_unknown, "unknown capabilities are 0 on both fds")
{
	static const unsigned long unknown[] = {
		0x7fff, 0x10000, 0x7fffffff, 0x80000000ul, 0xffffffff,
	};
	struct vmm *vm = vmm_create_bare();
	unsigned int i;

	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		CHECK_EQ(ioctl(vm->dev, KVM_CHECK_EXTENSION, unknown[i]), 0);
		CHECK_EQ(ioctl(vm->fd, KVM_CHECK_EXTENSION, unknown[i]), 0);
	}
}

TEST(caps_never_fail, "no capability number makes CHECK_EXTENSION fail")
{
	struct vmm *vm = vmm_create_bare();
	unsigned long cap;

	for (cap = 0; cap < 400; cap++) {
		CHECKF(ioctl(vm->dev, KVM_CHECK_EXTENSION, cap) >= 0,
		       "capability %lu: %s", cap, strerror(errno));
		CHECKF(ioctl(vm->fd, KVM_CHECK_EXTENSION, cap) >= 0,
		       "capability %lu on the VM: %s", cap, strerror(errno));
	}
}

TEST(create_vm_bad_type, "machine types that no CPU has are refused")
{
	/* Low numbers are real types where KVM_CAP_VM_TYPES says so. */
	static const unsigned long bad[] = {
		0x1234, 0x80000000ul, 0xfffffffful, ~0ul,
	};
	int dev = vmm_open();
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_ERRNO(ioctl(dev, KVM_CREATE_VM, bad[i]), EINVAL);
	OK(ioctl(dev, KVM_CREATE_VM, 0ul));
}

TEST(create_vm_cloexec, "a VM's fd and a vcpu's fd close on exec")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);

	CHECK(OK(fcntl(vm->fd, F_GETFD)) & FD_CLOEXEC);
	CHECK(OK(fcntl(vcpu->fd, F_GETFD)) & FD_CLOEXEC);
}

TEST(create_vm_fd_limit, "CREATE_VM without a free fd gives EMFILE")
{
	int dev = vmm_open();
	int vm = -1, i;

	for (i = 0; i < 70000; i++) {
		if (dup(dev) < 0)
			break;
	}
	CHECK_EQ(errno, EMFILE);
	CHECK_ERRNO(vm = ioctl(dev, KVM_CREATE_VM, 0ul), EMFILE);
	OK(close(dev + 1));
	vm = OK(ioctl(dev, KVM_CREATE_VM, 0ul));
	CHECK_ERRNO(ioctl(vm, KVM_CREATE_VCPU, 0ul), EMFILE);
	OK(close(dev + 2));
	/* The failed creation must not have taken the id. */
	OK(ioctl(vm, KVM_CREATE_VCPU, 0ul));
}

TEST(mmap_size, "KVM_GET_VCPU_MMAP_SIZE is three pages")
{
	int dev = vmm_open();

	CHECK_EQ(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * SZ_4K);
	CHECK_ERRNO(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 5ul), EINVAL);
}

TEST(unknown_ioctls, "numbers that are no system ioctl fail")
{
	int dev = vmm_open();
	char buffer[4096] = "";

	CHECK_ERRNO(ioctl(dev, _IO(KVMIO, 0x3f), 0), EINVAL);
	CHECK_ERRNO(ioctl(dev, _IO(KVMIO, 0xff), 0), EINVAL);
	CHECK_ERRNO(ioctl(dev, _IOWR(0x12, 0x34, buffer), buffer), EINVAL);
	CHECK_ERRNO(ioctl(dev, 0xffffffff, buffer), EINVAL);
}

TEST(vm_ioctls_on_dev, "VM and vcpu ioctls on /dev/kvm fail")
{
	struct kvm_userspace_memory_region region = { 0 };
	struct kvm_regs regs = { 0 };
	int dev = vmm_open();

	CHECK_ERRNO(ioctl(dev, KVM_CREATE_VCPU, 0), EINVAL);
	CHECK_ERRNO(ioctl(dev, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
	CHECK_ERRNO(ioctl(dev, KVM_RUN, 0), EINVAL);
	CHECK_ERRNO(ioctl(dev, KVM_GET_REGS, &regs), EINVAL);
}

TEST(cpuid_sane, "KVM_GET_SUPPORTED_CPUID describes a 64-bit CPU")
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct kvm_cpuid_entry2 *e;

	/* Several VMMs have fixed arrays of 80 or 100 entries. */
	CHECKF(cpuid->nent >= 5 && cpuid->nent <= 80, "%u entries",
	       cpuid->nent);
	e = vmm_cpuid_find(cpuid, 0, 0);
	CHECK(e && e->eax >= 1 && e->ebx);
	e = vmm_cpuid_find(cpuid, 1, 0);
	CHECK(e);
	CHECKF((e->edx & 0x07808b79) == 0x07808b79,
	       "leaf 1 EDX 0x%x lacks a basic feature", e->edx);
	e = vmm_cpuid_find(cpuid, 0x80000000, 0);
	CHECK(e && e->eax >= 0x80000008);
	e = vmm_cpuid_find(cpuid, 0x80000001, 0);
	CHECK(e);
	CHECKF(e->edx & (1u << 29), "long mode is not reported");
	e = vmm_cpuid_find(cpuid, 0x80000008, 0);
	CHECK(e && (e->eax & 0xff) >= 36 && (e->eax >> 8 & 0xff) >= 48);
}

TEST(cpuid_signature, "leaf 0x40000000 is the KVM signature")
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vmm_open());
	struct kvm_cpuid_entry2 *e = vmm_cpuid_find(cpuid, 0x40000000, 0);
	char text[13] = "";

	CHECK(e);
	memcpy(text, &e->ebx, 4);
	memcpy(text + 4, &e->ecx, 4);
	memcpy(text + 8, &e->edx, 4);
	CHECKF(!memcmp(text, "KVMKVMKVM\0\0\0", 12), "signature '%s'", text);
	CHECK(e->eax >= 0x40000001);
	CHECK(vmm_cpuid_find(cpuid, 0x40000001, 0));
}

TEST(cpuid_too_small, "a too small list gives E2BIG, an exact one fits")
{
	int dev = vmm_open();
	struct kvm_cpuid2 *full = vmm_supported_cpuid(dev);
	struct kvm_cpuid2 *list;
	unsigned int nent;

	list = calloc(1, sizeof(*list) + 300 * sizeof(list->entries[0]));
	CHECK(list);
	for (nent = 0; nent < full->nent; nent += nent < 3 ? 1 : 5) {
		list->nent = nent;
		CHECK_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, list), E2BIG);
	}
	list->nent = full->nent;
	OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, list));
	CHECK_EQ(list->nent, full->nent);
	CHECK(!memcmp(list->entries, full->entries,
		      full->nent * sizeof(list->entries[0])));
}

TEST(cpuid_huge_nent, "a huge nent is no reason to write beyond the list")
{
	int dev = vmm_open();
	struct kvm_cpuid2 *full = vmm_supported_cpuid(dev);
	struct kvm_cpuid2 *list;

	list = calloc(1, sizeof(*list) + 300 * sizeof(list->entries[0]));
	CHECK(list);
	list->nent = 0xffffffff;
	OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, list));
	CHECK_EQ(list->nent, full->nent);
}

TEST(cpuid_fault, "KVM_GET_SUPPORTED_CPUID with bad pointers gives EFAULT")
{
	int dev = vmm_open();
	uint8_t *pages = vmm_map_anon(2 * SZ_4K);
	struct kvm_cpuid2 *list;

	OK(munmap(pages + SZ_4K, SZ_4K));
	CHECK_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, NULL), EFAULT);
	CHECK_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, ~0ul - 4095), EFAULT);
	/* The header is readable, the entries are not there. */
	list = (struct kvm_cpuid2 *)(pages + SZ_4K - sizeof(*list));
	list->nent = 100;
	CHECK_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, list), EFAULT);
}
