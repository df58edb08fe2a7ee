// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control block: its pages, what the guest may do without an exit, and the
 * state of a CPU after reset.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mem_encrypt.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include "svm.h"

/* "I/O Intercepts": one bit a port, and three more for accesses that wrap. */
#define SVM_IOPM_SIZE		(3 * PAGE_SIZE)
/* "MSR Intercepts": read and write bit an MSR, three ranges of 8192 MSRs. */
#define SVM_MSRPM_SIZE		(2 * PAGE_SIZE)
#define SVM_MSRPM_RANGE		0x2000
#define SVM_PAT_RESET		0x0007040600070406ULL

/*
 * The same for every vcpu: no port, and those MSRs that VMLOAD and VMSAVE switch
 * and no feature bit guards. Constant once filled.
 */
static void *svm_iopm, *svm_msrpm;

static const u32 svm_free_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

/* Where every vcpu exits, whatever its CPUID. */
static const u8 svm_always[] = {
	SVM_ICPT_INTR, SVM_ICPT_NMI, SVM_ICPT_SMI, SVM_ICPT_INIT,
	SVM_ICPT_RDPMC, SVM_ICPT_CPUID, SVM_ICPT_INVD, SVM_ICPT_HLT,
	SVM_ICPT_INVLPGA, SVM_ICPT_IOIO, SVM_ICPT_MSR, SVM_ICPT_TASK_SWITCH,
	SVM_ICPT_SHUTDOWN, SVM_ICPT_VMRUN, SVM_ICPT_VMMCALL, SVM_ICPT_VMLOAD,
	SVM_ICPT_VMSAVE, SVM_ICPT_STGI, SVM_ICPT_CLGI, SVM_ICPT_SKINIT,
	SVM_ICPT_WBINVD, SVM_ICPT_MONITOR, SVM_ICPT_MWAIT, SVM_ICPT_MWAIT_ARMED,
	SVM_ICPT_XSETBV,
	/* Userspace's interrupt controller is told when the TPR is lowered. */
	SVM_ICPT_CR_WRITE + 8,
	/* The host's to handle. */
	SVM_ICPT_EXCEPTION + 18,
	/*
	 * Delivering these can raise them again, for ever, without one
	 * instruction boundary at which the host could get the CPU back. They
	 * are handed on to the guest one by one.
	 */
	SVM_ICPT_EXCEPTION + 1, SVM_ICPT_EXCEPTION + 17,
	/* #UD: it may be VMCALL, the other vendor's hypercall. */
	SVM_ICPT_EXCEPTION + 6,
};

static void msrpm_permit(u32 msr)
{
	u32 range, bit;

	if (msr < SVM_MSRPM_RANGE)
		range = 0;
	else if (msr >= 0xc0000000 && msr < 0xc0000000 + SVM_MSRPM_RANGE)
		range = 1;
	else
		range = 2;

	bit = (range * SVM_MSRPM_RANGE + msr % SVM_MSRPM_RANGE) * 2;
	__clear_bit(bit, svm_msrpm);
	__clear_bit(bit + 1, svm_msrpm);
}

void svm_maps_free(void)
{
	if (svm_msrpm)
		free_pages_exact(svm_msrpm, SVM_MSRPM_SIZE);
	if (svm_iopm)
		free_pages_exact(svm_iopm, SVM_IOPM_SIZE);
	svm_msrpm = NULL;
	svm_iopm = NULL;
}

int svm_maps_alloc(void)
{
	unsigned int i;

	svm_iopm = alloc_pages_exact(SVM_IOPM_SIZE, GFP_KERNEL);
	svm_msrpm = alloc_pages_exact(SVM_MSRPM_SIZE, GFP_KERNEL);
	if (!svm_iopm || !svm_msrpm) {
		svm_maps_free();
		return -ENOMEM;
	}

	memset(svm_iopm, 0xff, SVM_IOPM_SIZE);
	memset(svm_msrpm, 0xff, SVM_MSRPM_SIZE);
	for (i = 0; i < ARRAY_SIZE(svm_free_msrs); i++)
		msrpm_permit(svm_free_msrs[i]);
	return 0;
}

static void svm_hide_optional(struct svm_vcpu *svm, bool rdtscp, bool invpcid)
{
	svm_intercept(svm, SVM_ICPT_RDTSCP,
		      rdtscp && boot_cpu_has(X86_FEATURE_RDTSCP));
	svm_intercept(svm, SVM_ICPT_INVPCID,
		      invpcid && boot_cpu_has(X86_FEATURE_INVPCID));
}

static void vmcb_control_init(struct svm_vcpu *svm)
{
	struct svm_control *control = &svm->vmcb->control;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(svm_always); i++)
		svm_intercept(svm, svm_always[i], true);
	if (boot_cpu_has(X86_FEATURE_RDPRU))
		svm_intercept(svm, SVM_ICPT_RDPRU, true);
	/* Nothing optional before svm_vcpu_update() has seen a CPUID. */
	svm_hide_optional(svm, true, true);
	svm->cr4_guarded = true;
	svm->has_tsc_aux = boot_cpu_has(X86_FEATURE_RDPID);

	control->iopm_base_pa = __sme_set(virt_to_phys(svm_iopm));
	control->msrpm_base_pa = __sme_set(virt_to_phys(svm_msrpm));
	control->vintr = SVM_VINTR_MASKING;
	control->nested_ctl = SVM_NESTED_PAGING;
	control->tsc_offset = svm->vcpu.tsc_offset;
}

static void vmcb_segment_init(struct svm_seg *seg, u16 attrib)
{
	seg->attrib = attrib;
	seg->limit = 0xffff;
}

/* "Processor Initialization": what a CPU looks like after RESET. */
static void vmcb_save_init(struct svm_vcpu *svm)
{
	struct svm_save *save = &svm->vmcb->save;
	int i;

	for (i = KVM_ES; i <= KVM_GS; i++)
		vmcb_segment_init(&save->seg[i], SVM_SEG_P | SVM_SEG_S | 3);
	save->seg[KVM_CS].selector = 0xf000;
	save->seg[KVM_CS].base = 0xffff0000;
	save->seg[KVM_CS].attrib = SVM_SEG_P | SVM_SEG_S | 0xb;
	vmcb_segment_init(&save->seg[SVM_GDTR], 0);
	vmcb_segment_init(&save->seg[SVM_IDTR], 0);
	vmcb_segment_init(&save->seg[SVM_LDTR], SVM_SEG_P | 2);
	vmcb_segment_init(&save->seg[SVM_TR], SVM_SEG_P | 3);

	save->g_pat = SVM_PAT_RESET;
	save->dr6 = 0xffff0ff0;
	save->dr7 = 0x400;
	save->rflags = X86_EFLAGS_FIXED;
	save->rip = 0xfff0;
	svm->vcpu.pat = save->g_pat;
	svm->vcpu.regs.dr6 = save->dr6;
	svm->vcpu.regs.dr7 = save->dr7;
}

/* The kvm_vendor_ops callback. */
int svm_vcpu_init(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb = (struct svm_vmcb *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;

	svm->vmcb_pa = __sme_set(virt_to_phys(svm->vmcb));
	svm->asid_cpu = -1;
	vmcb_control_init(svm);
	vmcb_save_init(svm);
	svm_set_efer(vcpu, 0);
	svm_set_cr4(vcpu, 0);
	svm_set_cr0(vcpu, X86_CR0_CD | X86_CR0_NW | X86_CR0_ET);
	svm_dr_reclaim(svm);
	svm_lazy_load(vcpu, ~0U);
	return 0;
}

/* The kvm_vendor_ops callback. Also after a svm_vcpu_init() that failed. */
void svm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	free_page((unsigned long)svm->vmcb);
	svm->vmcb = NULL;
}

static bool guest_has(const struct kvm_vcpu *vcpu, unsigned int x86_feature)
{
	return vcpu->guest_caps[x86_feature / 32] & BIT(x86_feature % 32);
}

/*
 * The kvm_vendor_ops callback: instructions and CR4 bits of features that the
 * guest's CPUID hides from it are intercepted where this CPU has them.
 */
void svm_vcpu_update(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool rdtscp = guest_has(vcpu, X86_FEATURE_RDTSCP);

	svm_hide_optional(svm, !rdtscp, !guest_has(vcpu, X86_FEATURE_INVPCID));
	/* RDPID cannot be intercepted, whether CPUID shows it or not. */
	svm->has_tsc_aux = boot_cpu_has(X86_FEATURE_RDPID) ||
			   (rdtscp && boot_cpu_has(X86_FEATURE_RDTSCP));
	svm->cr4_guarded = vcpu->cr4_guest_rsvd & svm_features.cr4_present;
	svm_cr_intercepts(svm);
}
