// SPDX-License-Identifier: GPL-2.0-only
/*
 * Feature MSRs on /dev/kvm, and the TSC's rate.
 */
#include "apic.h"

#include <stdio.h>
#include <stdlib.h>

GUEST(nothing, 64, "hlt\n");

static struct kvm_msr_list *list(int dev, uint32_t room)
{
	struct kvm_msr_list *l = calloc(1, sizeof(*l) + 1000 * sizeof(l->indices[0]));

	CHECK(l);
	l->nmsrs = room;
	return l;
}

static int open_dev(void)
{
	int dev = vmm_open();

	if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_GET_MSR_FEATURES) <= 0)
		SKIP("KVM_CAP_GET_MSR_FEATURES is 0");
	return dev;
}

TEST(list, "KVM_GET_MSR_FEATURE_INDEX_LIST: E2BIG with the count, then all")
{
	int dev = open_dev();
	struct kvm_msr_list *l = list(dev, 1000);
	uint32_t count;

	OK(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, l));
	count = l->nmsrs;
	CHECK(count > 0 && count < 1000);
	l->nmsrs = 0;
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, l), E2BIG);
	CHECK_EQ(l->nmsrs, count);
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, NULL), EFAULT);
}

TEST(read_all, "every listed feature MSR can be read, one by one and together")
{
	int dev = open_dev();
	struct kvm_msr_list *l = list(dev, 1000);
	struct kvm_msrs *m = calloc(1, sizeof(*m) + 1000 * sizeof(m->entries[0]));
	uint32_t i;

	CHECK(m);
	OK(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, l));
	for (i = 0; i < l->nmsrs; i++) {
		m->nmsrs = 1;
		m->entries[0].index = l->indices[i];
		CHECKF(ioctl(dev, KVM_GET_MSRS, m) == 1, "MSR 0x%x", l->indices[i]);
		tap_diag("0x%x = 0x%llx", l->indices[i], m->entries[0].data);
	}
	for (i = 0; i < l->nmsrs; i++)
		m->entries[i].index = l->indices[i];
	m->nmsrs = l->nmsrs;
	CHECK_EQ(ioctl(dev, KVM_GET_MSRS, m), l->nmsrs);
}

TEST(bad_input, "KVM_GET_MSRS on /dev/kvm stops at what is no feature MSR")
{
	int dev = open_dev();
	struct kvm_msr_list *l = list(dev, 1000);
	struct kvm_msrs *m = calloc(1, sizeof(*m) + 2 * sizeof(m->entries[0]));

	CHECK(m);
	OK(ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, l));
	m->nmsrs = 2;
	m->entries[0].index = l->indices[0];
	m->entries[1].index = 0xdeadbeef;
	CHECK_EQ(ioctl(dev, KVM_GET_MSRS, m), 1);
	m->nmsrs = 0xffffffff;
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSRS, m), E2BIG);
	CHECK_ERRNO(ioctl(dev, KVM_GET_MSRS, NULL), EFAULT);
}

TEST(tsc_khz, "KVM_GET_TSC_KHZ says a rate that KVM_SET_TSC_KHZ accepts")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, nothing);
	long khz;

	if (!vmm_cap(vcpu->vm, KVM_CAP_GET_TSC_KHZ))
		SKIP("KVM_CAP_GET_TSC_KHZ is 0");
	khz = OK(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0));
	CHECK(khz > 1000);
	OK(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	OK(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz + khz / 10000));
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz + khz / 10000);
	OK(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0));
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), khz);
	if (!vmm_cap(vcpu->vm, KVM_CAP_TSC_CONTROL))
		CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, khz / 2), EINVAL);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

/* MSR_PLATFORM_INFO, then a port access; #GP stops with EBX = 13. */
GUEST(read_platform, 64,
	"mov $0xce, %ecx\n"
	"rdmsr\n"
	"hlt\n"
	ORG(0x100)
	"mov $13, %ebx\n"
	"hlt\n");

TEST(platform_info, "KVM_CAP_MSR_PLATFORM_INFO decides whether the guest may read it")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, read_platform);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MSR_PLATFORM_INFO };
	struct kvm_regs regs = vmm_regs(vcpu);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = 0xce };

	if (!vmm_cap(vcpu->vm, KVM_CAP_MSR_PLATFORM_INFO))
		SKIP("KVM_CAP_MSR_PLATFORM_INFO is 0");
	vmm_gate(vcpu, 13, GPA_CODE + 0x100);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
	OK(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap));
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 13);
	/* Userspace goes on reading it. */
	CHECK_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, &m), 1);
	cap.args[0] = 1;
	OK(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap));
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
}

static uint64_t feature(int dev, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = index };

	if (OK(ioctl(dev, KVM_GET_MSRS, &m)) != 1)
		SKIP("MSR 0x%x is no feature here", index);
	return m.entry.data;
}

static bool listed(int dev, uint32_t index)
{
	struct kvm_msr_list *l = list(dev, 1000);
	uint32_t i;

	OK(ioctl(dev, KVM_GET_MSR_INDEX_LIST, l));
	for (i = 0; i < l->nmsrs; i++)
		if (l->indices[i] == index)
			return true;
	return false;
}

/* A guest that has the CPUID bit ARCH_CAPABILITIES, or not. */
static struct vmm_vcpu *arch_caps_guest(bool bit)
{
	struct vmm_vcpu *vcpu = apic_vcpu_add(apic_vm_bare(APIC_SPLIT));
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vcpu->vm->dev);
	struct kvm_cpuid_entry2 *leaf = vmm_cpuid_find(cpuid, 7, 0);

	if (!leaf)
		SKIP("no CPUID leaf 7");
	leaf->edx = bit ? leaf->edx | 1u << 29 : leaf->edx & ~(1u << 29);
	vmm_set_cpuid(vcpu, cpuid);
	return vcpu;
}

#define MSR_ARCH_CAPS	0x10a
#define MSR_PERF_CAPS	0x345
#define MSR_DE_CFG	0xc0011029

TEST(arch_caps, "a guest reads ARCH_CAPABILITIES as userspace gives it, if its CPUID has it")
{
	struct vmm_vcpu *vcpu = arch_caps_guest(true);
	uint64_t offered = feature(open_dev(), MSR_ARCH_CAPS), val;

	CHECK(listed(vcpu->vm->dev, MSR_ARCH_CAPS));
	CHECK(apic_msr_get(vcpu, MSR_ARCH_CAPS, &val));
	CHECK_EQ(val, offered);
	CHECK(guest_rdmsr(vcpu, MSR_ARCH_CAPS, &val));
	CHECK_EQ(val, offered);
	/* A CPU model of the VMM's asks for more than this host has. */
	CHECK(apic_msr_set(vcpu, MSR_ARCH_CAPS, offered | 0x2b));
	CHECK(guest_rdmsr(vcpu, MSR_ARCH_CAPS, &val));
	CHECK_EQ(val, offered | 0x2b);
	CHECK(apic_msr_set(vcpu, MSR_ARCH_CAPS, 0));
	CHECK(guest_rdmsr(vcpu, MSR_ARCH_CAPS, &val));
	CHECK_EQ(val, 0);
	CHECK(!guest_wrmsr(vcpu, MSR_ARCH_CAPS, 0));
}

TEST(arch_caps_hidden, "without the CPUID bit the guest gets #GP, userspace the value")
{
	struct vmm_vcpu *vcpu = arch_caps_guest(false);
	uint64_t offered = feature(open_dev(), MSR_ARCH_CAPS), val;

	CHECK(!guest_rdmsr(vcpu, MSR_ARCH_CAPS, &val));
	CHECK(apic_msr_get(vcpu, MSR_ARCH_CAPS, &val));
	CHECK_EQ(val, offered);
	CHECK(apic_msr_set(vcpu, MSR_ARCH_CAPS, 0));
}

/* Linux says what it found: a guest must not be told that it is safe where the host is not. */
static bool host_affected(const char *bug)
{
	char path[128], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s", bug);
	f = fopen(path, "r");
	if (!f)
		SKIP("no %s", path);
	CHECK(fgets(text, sizeof(text), f));
	fclose(f);
	return strncmp(text, "Not affected", 12) != 0;
}

TEST(arch_caps_true, "ARCH_CAPABILITIES offers what the host's kernel has found")
{
	static const struct { const char *bug; uint64_t no; } bits[] = {
		{ "meltdown", 1 << 0 }, { "spec_store_bypass", 1 << 4 }, { "mds", 1 << 5 },
	};
	uint64_t offered = feature(open_dev(), MSR_ARCH_CAPS);
	unsigned int i;

	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		tap_diag("%s: %s", bits[i].bug, host_affected(bits[i].bug) ? "affected" : "not");
		CHECK_EQ(!(offered & bits[i].no), host_affected(bits[i].bug));
	}
	/* TSX_CTRL and IBRS_ALL come with registers that have to be there. */
	if (offered & (1 << 7 | 1 << 1))
		CHECK(listed(vmm_open(), 0x122) || listed(vmm_open(), 0x48));
}

TEST(perf_caps, "without counters PERF_CAPABILITIES is 0, for userspace only")
{
	struct vmm_vcpu *vcpu = apic_vcpu_add(apic_vm_bare(APIC_SPLIT));
	uint64_t offered = feature(open_dev(), MSR_PERF_CAPS), val;

	if (offered)
		SKIP("there are counters");
	CHECK(listed(vcpu->vm->dev, MSR_PERF_CAPS));
	CHECK(apic_msr_set(vcpu, MSR_PERF_CAPS, 0));
	CHECK(!apic_msr_set(vcpu, MSR_PERF_CAPS, 1));
	CHECK(apic_msr_get(vcpu, MSR_PERF_CAPS, &val));
	CHECK_EQ(val, 0);
	CHECK(!guest_rdmsr(vcpu, MSR_PERF_CAPS, &val));
	CHECK(!guest_wrmsr(vcpu, MSR_PERF_CAPS, 0));
}

TEST(de_cfg, "userspace sets DE_CFG's LFENCE bit both ways, the guest only on")
{
	struct vmm_vcpu *vcpu = apic_vcpu_add(apic_vm_bare(APIC_SPLIT));
	uint64_t offered = feature(open_dev(), MSR_DE_CFG), val;

	if (offered != 2)
		SKIP("LFENCE is not said to serialize");
	CHECK(apic_msr_set(vcpu, MSR_DE_CFG, 0));
	CHECK(guest_rdmsr(vcpu, MSR_DE_CFG, &val));
	CHECK_EQ(val, 0);
	CHECK(!apic_msr_set(vcpu, MSR_DE_CFG, 6));
	CHECK(!guest_wrmsr(vcpu, MSR_DE_CFG, 6));
	CHECK(guest_wrmsr(vcpu, MSR_DE_CFG, 2));
	CHECK(guest_rdmsr(vcpu, MSR_DE_CFG, &val));
	CHECK_EQ(val, 2);
	CHECK(!guest_wrmsr(vcpu, MSR_DE_CFG, 0));
	CHECK(apic_msr_get(vcpu, MSR_DE_CFG, &val));
	CHECK_EQ(val, 2);
}

#define CAP_SYS_ATTRIBUTES	209

TEST(xcomp_guest, "KVM_GET_DEVICE_ATTR on /dev/kvm says which XCR0 guests can have")
{
	int dev = vmm_open();
	struct kvm_cpuid_entry2 *leaf;
	uint64_t xcr0 = 0;
	struct kvm_device_attr attr = { .addr = (uint64_t)&xcr0 };

	if (ioctl(dev, KVM_CHECK_EXTENSION, CAP_SYS_ATTRIBUTES) <= 0)
		SKIP("KVM_CAP_SYS_ATTRIBUTES is 0");
	OK(ioctl(dev, KVM_HAS_DEVICE_ATTR, &attr));
	OK(ioctl(dev, KVM_GET_DEVICE_ATTR, &attr));
	leaf = vmm_cpuid_find(vmm_supported_cpuid(dev), 0xd, 0);
	if (leaf)
		CHECK_EQ(xcr0, leaf->eax | (uint64_t)leaf->edx << 32);
	attr.addr = 0;
	CHECK_ERRNO(ioctl(dev, KVM_GET_DEVICE_ATTR, &attr), EFAULT);
	attr.attr = 77;
	CHECK_ERRNO(ioctl(dev, KVM_HAS_DEVICE_ATTR, &attr), ENXIO);
	CHECK_ERRNO(ioctl(dev, KVM_GET_DEVICE_ATTR, &attr), ENXIO);
	attr.attr = 0;
	attr.group = 77;
	CHECK_ERRNO(ioctl(dev, KVM_HAS_DEVICE_ATTR, &attr), ENXIO);
	CHECK_ERRNO(ioctl(dev, KVM_GET_DEVICE_ATTR, NULL), EFAULT);
}
