// SPDX-License-Identifier: GPL-2.0-only
/*
 * XSAVE images and XCR0: what is set reaches the guest, what the guest changes is
 * shown, and bad images are refused.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>

#define CAP_XSAVE2	208
#define GET_XSAVE2	_IOR(KVMIO, 0xcf, struct kvm_xsave)

#define X_MXCSR		24
#define X_XMM		160
#define X_XFEATURES	512
#define X_XCOMP		520
#define X_RESERVED	528

#define X_FP		1ull
#define X_SSE		2ull
#define X_YMM		4ull

/* Stores XMM5, loads XMM6, and stops. */
GUEST(exchange_xmm, 64,
	"movups %xmm5, 0x7000\n"
	"stmxcsr 0x7010\n"
	"movups 0x7020, %xmm6\n"
	"hlt\n");

static uint64_t *word(struct kvm_xsave *x, unsigned int offset)
{
	return (uint64_t *)((uint8_t *)x->region + offset);
}

static uint8_t *xmm(struct kvm_xsave *x, int n)
{
	return (uint8_t *)x->region + X_XMM + 16 * n;
}

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, exchange_xmm);

	if (!vmm_cap(vcpu->vm, KVM_CAP_XSAVE))
		SKIP("KVM_CAP_XSAVE is 0");
	return vcpu;
}

static struct kvm_xsave *get(struct vmm_vcpu *vcpu)
{
	struct kvm_xsave *x = calloc(1, 16384);

	CHECK(x);
	OK(ioctl(vcpu->fd, KVM_GET_XSAVE, x));
	return x;
}

TEST(first, "KVM_SET_XSAVE before the first entry reaches the guest")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_xsave *x = get(vcpu);

	memset(xmm(x, 5), 0x5c, 16);
	*word(x, X_XFEATURES) |= X_FP | X_SSE;
	OK(ioctl(vcpu->fd, KVM_SET_XSAVE, x));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!memcmp(vcpu->vm->ram + 0x7000, xmm(x, 5), 16));
}

TEST(round_trip, "KVM_GET_XSAVE shows the guest's registers, in both directions")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_xsave *x;

	memset(vcpu->vm->ram + 0x7020, 0x42, 16);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	x = get(vcpu);
	CHECK(*word(x, X_XFEATURES) & X_SSE);
	CHECK(!memcmp(xmm(x, 6), vcpu->vm->ram + 0x7020, 16));
	CHECK_EQ(*(uint32_t *)word(x, X_MXCSR), 0x1f80);
	memset(xmm(x, 5), 0x77, 16);
	*(uint32_t *)word(x, X_MXCSR) = 0x1fa0;
	OK(ioctl(vcpu->fd, KVM_SET_XSAVE, x));
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!memcmp(vcpu->vm->ram + 0x7000, xmm(x, 5), 16));
	CHECK_EQ(*(uint32_t *)(vcpu->vm->ram + 0x7010), 0x1fa0);
}

TEST(initial, "a component whose bit is clear is in its initial state")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_xsave *x;
	uint8_t zero[16] = { 0 };

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	x = get(vcpu);
	memset(xmm(x, 5), 0x77, 16);
	OK(ioctl(vcpu->fd, KVM_SET_XSAVE, x));
	*word(x, X_XFEATURES) = 0;
	OK(ioctl(vcpu->fd, KVM_SET_XSAVE, x));
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK(!memcmp(vcpu->vm->ram + 0x7000, zero, 16));
}

TEST(bad_image, "reserved bits, unknown components and bad pointers are refused")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_xsave *x;

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	x = get(vcpu);
	*word(x, X_XFEATURES) |= 1ull << 62;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XSAVE, x), EINVAL);
	*word(x, X_XFEATURES) &= ~(1ull << 62);
	*word(x, X_XCOMP) = 1ull << 63;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XSAVE, x), EINVAL);
	*word(x, X_XCOMP) = 0;
	*word(x, X_RESERVED) = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XSAVE, x), EINVAL);
	*word(x, X_RESERVED) = 0;
	/* Only what is in use is looked at. */
	*word(x, X_XFEATURES) |= X_FP | X_SSE;
	*(uint32_t *)word(x, X_MXCSR) = 0x10000;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XSAVE, x), EINVAL);
	*(uint32_t *)word(x, X_MXCSR) = 0x1f80;
	OK(ioctl(vcpu->fd, KVM_SET_XSAVE, x));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XSAVE, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_XSAVE, NULL), EFAULT);
}

TEST(xsave2, "KVM_GET_XSAVE2 writes as much as its capability says")
{
	struct vmm_vcpu *vcpu = boot();
	int size = vmm_cap(vcpu->vm, CAP_XSAVE2);
	struct kvm_xsave *x;
	struct kvm_cpuid_entry2 *leaf;
	uint8_t *area;

	if (!size)
		SKIP("KVM_CAP_XSAVE2 is 0");
	CHECK(size >= 4096);
	leaf = vmm_cpuid_find(vmm_supported_cpuid(vcpu->vm->dev), 0xd, 0);
	if (leaf)
		CHECKF((int)leaf->ecx <= size, "leaf 0xd says %u bytes", leaf->ecx);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	x = get(vcpu);
	area = malloc(size + 16);
	CHECK(area);
	memset(area, 0xaa, size + 16);
	OK(ioctl(vcpu->fd, GET_XSAVE2, area));
	CHECK(!memcmp(area, x, 4096));
	CHECKF(area[size] == 0xaa && area[size + 15] == 0xaa, "it wrote too much");
	CHECK_ERRNO(ioctl(vcpu->fd, GET_XSAVE2, NULL), EFAULT);
}

GUEST(read_xcr0, 64,
	"mov %cr4, %rax\n"
	"or $0x40000, %rax\n"
	"mov %rax, %cr4\n"
	"xor %ecx, %ecx\n"
	"xgetbv\n"
	"hlt\n");

TEST(xcrs, "KVM_SET_XCRS reaches the guest, KVM_GET_XCRS shows XCR0")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, read_xcr0);
	struct kvm_xcrs xcrs;
	struct kvm_cpuid_entry2 *leaf;
	uint64_t all;

	if (!vmm_cap(vcpu->vm, KVM_CAP_XCRS))
		SKIP("KVM_CAP_XCRS is 0");
	leaf = vmm_cpuid_find(vmm_supported_cpuid(vcpu->vm->dev), 0xd, 0);
	CHECK(leaf);
	all = leaf->eax | (uint64_t)leaf->edx << 32;
	OK(ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.nr_xcrs, 1);
	CHECK_EQ(xcrs.flags, 0);
	CHECK_EQ(xcrs.xcrs[0].xcr, 0);
	CHECK_EQ(xcrs.xcrs[0].value, X_FP);
	xcrs.xcrs[0].value = all;
	OK(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ((uint32_t)vmm_regs(vcpu).rax | vmm_regs(vcpu).rdx << 32, all);
	memset(&xcrs, 0, sizeof(xcrs));
	OK(ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs));
	CHECK_EQ(xcrs.xcrs[0].value, all);
}

TEST(xcrs_bad, "KVM_SET_XCRS refuses what XSETBV would")
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, read_xcr0);
	struct kvm_xcrs xcrs;

	if (!vmm_cap(vcpu->vm, KVM_CAP_XCRS))
		SKIP("KVM_CAP_XCRS is 0");
	OK(ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs));
	xcrs.xcrs[0].value = 0;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = X_FP | X_YMM;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = X_FP | 1ull << 62;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = X_FP;
	xcrs.flags = 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.flags = 0;
	xcrs.nr_xcrs = KVM_MAX_XCRS + 1;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.nr_xcrs = 1;
	OK(ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs));
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_XCRS, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_XCRS, NULL), EFAULT);
}
