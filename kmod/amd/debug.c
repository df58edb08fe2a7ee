// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's debug registers.
 *
 * DR6 and DR7 travel in the control block. DR0-DR3 are the CPU's: the guest gets
 * them only from its first access of any debug register, or once DR7 enables a
 * breakpoint, until the vcpu leaves the CPU with none enabled. #VMEXIT leaves
 * DR7 without breakpoints, so the guest's never fire in the host.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include "svm.h"

#define SVM_DR_ACCESSES		GENMASK(31, 0)
#define SVM_DR7_ENABLED		GENMASK(7, 0)	/* L0, G0 ... L3, G3 */

/* The guest's accesses reach the CPU from now on. */
void svm_dr_lend(struct svm_vcpu *svm)
{
	svm->slow |= SVM_SLOW_DR;
	svm->vmcb->control.intercepts[SVM_ICPT_DR_READ / 32] = 0;
}

/* Wait for the next access, unless the guest waits for a breakpoint. */
void svm_dr_reclaim(struct svm_vcpu *svm)
{
	if (svm->vcpu.regs.dr7 & SVM_DR7_ENABLED)
		return;
	svm->slow &= ~SVM_SLOW_DR;
	svm->vmcb->control.intercepts[SVM_ICPT_DR_READ / 32] = SVM_DR_ACCESSES;
}

/* The kvm_vendor_ops callback. */
void svm_set_dr7(struct kvm_vcpu *vcpu, u64 dr7)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	vcpu->regs.dr7 = dr7;
	svm->vmcb->save.dr7 = dr7;
	if (dr7 & SVM_DR7_ENABLED)
		svm_dr_lend(svm);
}

/* [I] Before an entry with SVM_SLOW_DR. */
void svm_dr_load(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;

	/* The host's DR7 must not arm addresses that a guest has chosen. */
	if (hw_breakpoint_active())
		set_debugreg(0UL, 7);
	set_debugreg(regs->dr[0], 0);
	set_debugreg(regs->dr[1], 1);
	set_debugreg(regs->dr[2], 2);
	set_debugreg(regs->dr[3], 3);
}

/* [I] After an exit with SVM_SLOW_DR; the host's come back with its DR7. */
void svm_dr_save(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;
	unsigned long val;

	get_debugreg(val, 0);
	regs->dr[0] = val;
	get_debugreg(val, 1);
	regs->dr[1] = val;
	get_debugreg(val, 2);
	regs->dr[2] = val;
	get_debugreg(val, 3);
	regs->dr[3] = val;
	regs->dr7 = svm->vmcb->save.dr7;
}
