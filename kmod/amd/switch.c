// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into the guest and out again: what C does around svm_world_switch().
 */
#include <linux/mem_encrypt.h>
#include <asm/asm.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <compat/entry.h>
#include <compat/mcheck.h>
#include <compat/msr.h>
#include <kvm/debug.h>
#include "svm.h"

/*
 * Keep for the way back what VMRUN does not: FS, GS, TR, LDTR with their hidden
 * parts, KernelGSBase, and the SYSCALL and SYSENTER MSRs. [P]
 */
static __always_inline void host_state_save(const struct svm_cpu *cpu)
{
	/* A fault says that SVM is off; then the next entry says so too. */
	asm volatile("1: vmsave %%rax\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : "a" (cpu->host_pa) : "memory");
}

/* The selector of this CPU's local descriptor table; 0 for nearly every process. */
static __always_inline u32 host_ldt(void)
{
	u32 selector;

	asm volatile("sldt %0" : "=r" (selector));
	return selector;
}

/* The kvm_vendor_ops callback. */
void svm_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->asid_cpu != cpu) {
		svm->asid_cpu = cpu;
		svm->asid_generation = 0;
	}
}

/* The kvm_vendor_ops callback. */
void svm_switch_to_guest(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);

	host_state_save(cpu);
	if (svm->has_tsc_aux) {
		if (svm->tsc_aux != cpu->tsc_aux)
			wrmsrq(MSR_TSC_AUX, svm->tsc_aux);
		svm->tsc_aux_loaded = true;
	}
}

/*
 * The kvm_vendor_ops callback. All but TSC_AUX has been the host's since the
 * latest exit.
 */
void svm_vcpu_put(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->tsc_aux_loaded) {
		u64 host = this_cpu_read(svm_cpu.tsc_aux);

		if (svm->tsc_aux != host)
			wrmsrq(MSR_TSC_AUX, host);
		svm->tsc_aux_loaded = false;
	}
	if (unlikely(svm->slow & SVM_SLOW_DR))
		svm_dr_reclaim(svm);
}

/* svm->tsc_aux is new: the CPU's copy follows, if there is one. loaded */
void svm_tsc_aux_changed(struct svm_vcpu *svm)
{
	preempt_disable();
	if (svm->tsc_aux_loaded)
		wrmsrq(MSR_TSC_AUX, svm->tsc_aux);
	preempt_enable();
}

/* The kvm_vendor_ops callback. Any context: it takes effect at the next entry. */
void svm_flush_tlb(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_control *control = &svm->vmcb->control;

	if (KVM_SEEDED_FAULT(15))
		return;
	if (!svm_features.flush_by_asid)
		svm->asid_generation = 0;
	else if (control->tlb_control == SVM_TLB_KEEP)
		control->tlb_control = SVM_TLB_FLUSH_ASID;
}

/* The kvm_vendor_ops callback. */
void svm_set_root(struct kvm_vcpu *vcpu, hpa_t root, int levels)
{
	to_svm(vcpu)->vmcb->control.nested_cr3 = __sme_set(root);
}

static void slow_before_entry(struct svm_vcpu *svm)
{
	if (svm->slow & SVM_SLOW_DR)
		svm_dr_load(svm);
	if (svm->slow & SVM_SLOW_NMI_STEP)
		svm_step_before_entry(svm);
}

static void slow_after_exit(struct svm_vcpu *svm)
{
	if (svm->slow & SVM_SLOW_DR)
		svm_dr_save(svm);
	if (svm->slow & (SVM_SLOW_IRET | SVM_SLOW_NMI_STEP))
		svm_step_after_exit(svm);
}

/* Nothing but the switch between the two context-tracking calls: RCU sleeps there. */
static noinstr int guest_run(struct svm_vcpu *svm, hpa_t host_pa)
{
	int err;

	kvm_guest_enter_irqoff();
	err = svm_world_switch(&svm->vcpu.regs, svm->vmcb_pa, host_pa);
	kvm_guest_exit_irqoff();
	return err;
}

static void registers_to_vmcb(struct svm_vcpu *svm)
{
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;
	struct svm_control *control = &svm->vmcb->control;
	struct svm_save *save = &svm->vmcb->save;

	save->rax = regs->gpr[KVM_RAX];
	save->rsp = regs->gpr[KVM_RSP];
	save->rip = regs->rip;
	save->rflags = regs->rflags;
	save->cr2 = regs->cr2;
	save->dr6 = regs->dr6;
	control->vintr = (control->vintr & ~SVM_VINTR_TPR) |
			 (regs->cr8 & SVM_VINTR_TPR);
}

/* All of the lazy registers: cheaper than asking for them one by one later. */
static __always_inline void registers_from_vmcb(struct svm_vcpu *svm)
{
	const struct svm_save *save = &svm->vmcb->save;
	struct kvm_vcpu_regs *regs = &svm->vcpu.regs;

	regs->gpr[KVM_RSP] = save->rsp;
	regs->rip = save->rip;
	regs->rflags = save->rflags;
	regs->cr0 = save->cr0 | svm->cr0_hidden;
	regs->cr3 = save->cr3;
	regs->cr4 = save->cr4 & ~svm->cr4_hidden;
	regs->efer = save->efer & ~EFER_SVME;
	regs->avail = ~0U;
	regs->dirty = 0;
}

/* The kvm_vendor_ops callback. Nothing but a new vcpu needs it. */
void svm_lazy_load(struct kvm_vcpu *vcpu, u32 mask)
{
	registers_from_vmcb(to_svm(vcpu));
}

/* Tell a strict build's model what VMRUN will do to the TLB. */
static void strict_enter_asid(struct svm_vcpu *svm)
{
	const struct svm_control *control = &svm->vmcb->control;

	if (control->tlb_control == SVM_TLB_FLUSH_ALL)
		strict_flush_cpu();
	else if (control->tlb_control != SVM_TLB_KEEP)
		strict_flush_tag(control->asid);
	strict_enter(&svm->vcpu, control->asid, svm->vcpu.serial);
}

/* What the TLB was told to do has been done, for this entry did happen. */
static void flush_done(struct svm_control *control, struct svm_cpu *cpu)
{
	if (control->tlb_control == SVM_TLB_FLUSH_ALL)
		cpu->flush_all = false;
	control->tlb_control = SVM_TLB_KEEP;
}

/* The kvm_vendor_ops callback. */
int svm_enter(struct kvm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	struct svm_control *control = &svm->vmcb->control;
	const struct svm_save *save = &svm->vmcb->save;

	if (unlikely(vcpu->regs.dirty & SVM_LAZY_CRS))
		svm_lazy_store(vcpu);
	registers_to_vmcb(svm);
	if (unlikely(svm->slow))
		slow_before_entry(svm);
	if (unlikely(svm->asid_generation != cpu->asid_generation))
		svm_asid_assign(svm, cpu);

	/*
	 * Another thread of the VMM can give this CPU a new LDT at any time, and
	 * free the old one; what switch_to_guest() kept must not bring that back.
	 */
	if (unlikely(host_ldt()))
		host_state_save(cpu);

	strict_enter_asid(svm);
	if (guest_run(svm, cpu->host_pa))
		control->exit_code = SVM_EXITCODE_INVALID;

	/* #VMEXIT has switched the host's breakpoints off. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	vcpu->regs.gpr[KVM_RAX] = save->rax;
	if (KVM_SEEDED_FAULT(2))
		vcpu->regs.gpr[KVM_R15] = 0;
	vcpu->regs.cr2 = save->cr2;
	vcpu->regs.dr6 = save->dr6;
	vcpu->regs.cr8 = control->vintr & SVM_VINTR_TPR;
	registers_from_vmcb(svm);
	if (unlikely(svm->slow))
		slow_after_exit(svm);
	if (unlikely(control->exit_code == SVM_EXITCODE_INVALID))
		return -EIO;

	if (unlikely(control->tlb_control))
		flush_done(control, cpu);
	if (unlikely((save->cr0 & SVM_CR0_HIDE) || (svm->cr4_watched & ~save->cr4)))
		svm_cr_fixup(svm);
	return 0;
}

/*
 * The kvm_vendor_ops callback. Interrupts, NMIs and SMIs were left pending: the
 * host has taken or takes them as soon as STGI and IF let it.
 */
void svm_host_event(struct kvm_vcpu *vcpu)
{
	if (unlikely(to_svm(vcpu)->vmcb->control.exit_code ==
		     SVM_EXIT_EXCP_BASE + 18))
		kvm_forward_machine_check();
}
