// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of the guest that the hardware holds, and which of them exit.
 */
#include <linux/preempt.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <compat/msr.h>
#include "vmx.h"

/*
 * MSRs the guest reads and writes without an exit: VMCS fields, which entries
 * load and exits save, and the one SWAPGS changes without an exit anyway.
 */
static const u32 msr_direct[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/*
 * SDM "MSR-Bitmap Address": four bitmaps of 1 KiB, reads of low and high MSRs,
 * then writes of low and high ones.
 */
static void bitmap_pass(u8 *bitmap, u32 index)
{
	if (index >= 0xc0000000)
		bitmap += 1024;
	index &= 0x1fff;
	bitmap[index / 8] &= ~BIT(index % 8);
}

void vmx_msr_bitmap_fill(u8 *bitmap)
{
	int i;

	memset(bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(msr_direct); i++) {
		bitmap_pass(bitmap, msr_direct[i]);
		bitmap_pass(bitmap + 2048, msr_direct[i]);
	}
	/* Read with the offset applied; writing it is another matter. */
	bitmap_pass(bitmap, MSR_IA32_TSC);
}

static u64 msr_get_kernel_gs_base(struct vmx_vcpu *vmx)
{
	u64 val;

	preempt_disable();
	if (vmx->guest_loaded)
		rdmsrq(MSR_KERNEL_GS_BASE, val);
	else
		val = vmx->msrs.kernel_gs_base;
	preempt_enable();
	return val;
}

/* Keep our copy and, while the guest is loaded, the CPU's the same. */
static void msr_set_loaded(struct vmx_vcpu *vmx, u32 index, u64 *copy, u64 val)
{
	preempt_disable();
	*copy = val;
	if (index == MSR_TSC_AUX ? vmx->tsc_aux_loaded : vmx->guest_loaded)
		wrmsrq(index, val);
	preempt_enable();
}

/* A non-canonical address would make WRMSR or the next entry fault. */
static bool msr_canonical(u64 val)
{
	unsigned int shift = 64 - boot_cpu_data.x86_virt_bits;

	return (u64)(((s64)val << shift) >> shift) == val;
}

int vmx_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	switch (index) {
	case MSR_FS_BASE:
		*val = vmcs_read(GUEST_FS_BASE);
		return 0;
	case MSR_GS_BASE:
		*val = vmcs_read(GUEST_GS_BASE);
		return 0;
	case MSR_KERNEL_GS_BASE:
		*val = msr_get_kernel_gs_base(vmx);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		*val = vmcs_read(GUEST_SYSENTER_CS);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		*val = vmcs_read(GUEST_SYSENTER_ESP);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		*val = vmcs_read(GUEST_SYSENTER_EIP);
		return 0;
	case MSR_STAR:
		*val = vmx->msrs.star;
		return 0;
	case MSR_LSTAR:
		*val = vmx->msrs.lstar;
		return 0;
	case MSR_CSTAR:
		*val = vmx->msrs.cstar;
		return 0;
	case MSR_SYSCALL_MASK:
		*val = vmx->msrs.fmask;
		return 0;
	case MSR_TSC_AUX:
		*val = vmx->msrs.tsc_aux;
		return 0;
	case MSR_IA32_CR_PAT:
		*val = vcpu->pat;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
			return -ENOENT;
		*val = vmx->spec_ctrl;
		return 0;
	}
	return -ENOENT;
}

static int msr_set_spec_ctrl(struct vmx_vcpu *vmx, u64 val)
{
	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return -ENOENT;
	/* Bits the entry could not load would fault there, in the host. */
	if (val & ~(u64)(SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD))
		return -EINVAL;
	if ((val & SPEC_CTRL_SSBD) && !boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD))
		return -EINVAL;
	vmx->spec_ctrl = val;
	vmx->spec_ctrl_own = true;
	return 0;
}

static int msr_set_address(struct vmx_vcpu *vmx, u32 index, u64 val)
{
	if (!msr_canonical(val))
		return -EINVAL;
	switch (index) {
	case MSR_FS_BASE:
		vmcs_write(GUEST_FS_BASE, val);
		return 0;
	case MSR_GS_BASE:
		vmcs_write(GUEST_GS_BASE, val);
		return 0;
	case MSR_KERNEL_GS_BASE:
		msr_set_loaded(vmx, index, &vmx->msrs.kernel_gs_base, val);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_write(GUEST_SYSENTER_ESP, val);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_write(GUEST_SYSENTER_EIP, val);
		return 0;
	case MSR_LSTAR:
		vmx->msrs.lstar = val;
		vmx_syscall_changed(vmx);
		return 0;
	case MSR_CSTAR:
		vmx->msrs.cstar = val;
		return 0;
	}
	return -ENOENT;
}

static bool pat_valid(u64 pat)
{
	int i;

	/* Types 2, 3 and above 7 are reserved. */
	for (i = 0; i < 64; i += 8) {
		u8 type = pat >> i;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

int vmx_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	switch (index) {
	case MSR_IA32_SYSENTER_CS:
		vmcs_write(GUEST_SYSENTER_CS, (u32)val);
		return 0;
	case MSR_STAR:
		vmx->msrs.star = val;
		vmx_syscall_changed(vmx);
		return 0;
	case MSR_SYSCALL_MASK:
		/* Bits 63:32 are reserved. */
		vmx->msrs.fmask = (u32)val;
		vmx_syscall_changed(vmx);
		return 0;
	case MSR_TSC_AUX:
		if (val >> 32)
			return -EINVAL;
		msr_set_loaded(vmx, index, &vmx->msrs.tsc_aux, val);
		return 0;
	case MSR_IA32_CR_PAT:
		if (!pat_valid(val))
			return -EINVAL;
		vcpu->pat = val;
		if (vmx_caps.entry & VM_ENTRY_LOAD_IA32_PAT)
			vmcs_write(GUEST_IA32_PAT, val);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		return msr_set_spec_ctrl(vmx, val);
	}
	return msr_set_address(vmx, index, val);
}

void vmx_set_tsc_offset(struct kvm_vcpu *vcpu, u64 offset)
{
	vmcs_write(TSC_OFFSET, offset);
}
