// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware's exit information as neutral facts ("VMEXIT Intercept Codes").
 */
#include <linux/kernel.h>
#include <asm/trap_pf.h>
#include "svm.h"

/* Exit codes below 0xa0, by what they mean; 0 is KVM_FACT_NONE. */
static const u8 svm_facts[] = {
	[SVM_EXIT_READ_CR0] = KVM_FACT_CR,
	[SVM_EXIT_READ_CR4] = KVM_FACT_CR,
	[SVM_EXIT_WRITE_CR0] = KVM_FACT_CR,
	[SVM_EXIT_WRITE_CR4] = KVM_FACT_CR,
	[SVM_EXIT_WRITE_CR8] = KVM_FACT_CR,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = KVM_FACT_DR,
	[SVM_EXIT_EXCP_BASE + 1] = KVM_FACT_EXCEPTION,
	[SVM_EXIT_EXCP_BASE + 6] = KVM_FACT_EXCEPTION,
	[SVM_EXIT_EXCP_BASE + 17] = KVM_FACT_EXCEPTION,
	[SVM_EXIT_VINTR] = KVM_FACT_IRQ_WINDOW,
	[SVM_EXIT_RDPMC] = KVM_FACT_RDPMC,
	[SVM_EXIT_CPUID] = KVM_FACT_CPUID,
	[SVM_EXIT_IRET] = KVM_FACT_NMI_WINDOW,
	[SVM_EXIT_INVD] = KVM_FACT_WBINVD,
	[SVM_EXIT_HLT] = KVM_FACT_HLT,
	[SVM_EXIT_INVLPGA] = KVM_FACT_UD_INSN,
	[SVM_EXIT_IOIO] = KVM_FACT_IO,
	[SVM_EXIT_MSR] = KVM_FACT_MSR,
	[SVM_EXIT_TASK_SWITCH] = KVM_FACT_TASK_SWITCH,
	[SVM_EXIT_SHUTDOWN] = KVM_FACT_SHUTDOWN,
	[SVM_EXIT_VMRUN] = KVM_FACT_UD_INSN,
	[SVM_EXIT_VMMCALL] = KVM_FACT_HYPERCALL,
	[SVM_EXIT_VMLOAD] = KVM_FACT_UD_INSN,
	[SVM_EXIT_VMSAVE] = KVM_FACT_UD_INSN,
	[SVM_EXIT_STGI] = KVM_FACT_UD_INSN,
	[SVM_EXIT_CLGI] = KVM_FACT_UD_INSN,
	[SVM_EXIT_SKINIT] = KVM_FACT_UD_INSN,
	[SVM_EXIT_RDTSCP] = KVM_FACT_UD_INSN,
	[SVM_EXIT_WBINVD] = KVM_FACT_WBINVD,
	[SVM_EXIT_MONITOR] = KVM_FACT_MONITOR,
	[SVM_EXIT_MWAIT] = KVM_FACT_MWAIT,
	[SVM_EXIT_MWAIT_COND] = KVM_FACT_MWAIT,
	[SVM_EXIT_XSETBV] = KVM_FACT_XSETBV,
	[SVM_EXIT_RDPRU] = KVM_FACT_UD_INSN,
	[SVM_EXIT_INVPCID] = KVM_FACT_UD_INSN,
};

static u32 exit_fact(u32 code)
{
	if (likely(code < ARRAY_SIZE(svm_facts)))
		return svm_facts[code];
	switch (code) {
	case SVM_EXIT_INVPCID:
		return KVM_FACT_UD_INSN;
	case SVM_EXIT_NPF:
		return KVM_FACT_MEMORY;
	case SVM_EXITCODE_INVALID:
		return KVM_FACT_ENTRY_FAILED;
	default:
		return KVM_FACT_UNKNOWN;
	}
}

/* 0 where the hardware does not say, as after a fault. */
static u8 exit_insn_len(const struct svm_vcpu *svm)
{
	u64 next = svm->vmcb->control.next_rip;
	u64 len = next - svm->vcpu.regs.rip;

	if (!svm_features.nrips || !next || len > 15)
		return 0;
	return len;
}

/* "IOIO Intercept Information" */
static void exit_io(struct kvm_exit *exit)
{
	u64 info = exit->info1;

	exit->io.port = info >> SVM_IO_PORT_SHIFT;
	exit->io.size = (info >> SVM_IO_SIZE_SHIFT) & SVM_IO_SIZE_MASK;
	exit->io.in = info & SVM_IO_IN;
	exit->io.string = info & SVM_IO_STRING;
	exit->io.rep = info & SVM_IO_REP;
	exit->io.next_rip = exit->info2;
}

/* "Nested versus Guest Page Faults, Fault Ordering" */
static void exit_memory(struct svm_vcpu *svm, struct kvm_exit *exit)
{
	const struct svm_control *control = &svm->vmcb->control;
	u64 error = exit->info1;

	exit->mem.gpa = exit->info2;
	exit->mem.gva_valid = false;
	exit->mem.walk = error & SVM_NPF_WALK;
	exit->mem.present = error & X86_PF_PROT;
	exit->mem.access = KVM_ACCESS_READ;
	if (error & X86_PF_WRITE)
		exit->mem.access = KVM_ACCESS_WRITE;
	else if (error & X86_PF_INSTR)
		exit->mem.access = KVM_ACCESS_EXEC;

	if (svm_features.decode_assists && control->insn_count) {
		exit->insn_bytes = min_t(u8, control->insn_count, sizeof(exit->insn));
		memcpy(exit->insn, control->insn_bytes, sizeof(exit->insn));
	}
}

/*
 * CR0, CR4 and CR8. Decode assists name the register of a MOV; CLTS, LMSW and SMSW
 * come with the same codes and have to be decoded.
 */
static void exit_cr(struct kvm_exit *exit)
{
	exit->cr.cr = exit->reason & 0xf;
	exit->cr.decode = !svm_features.decode_assists || !(exit->info1 & SVM_CR_MOV);
	exit->cr.gpr = exit->info1 & SVM_CR_GPR;
	exit->cr.op = exit->reason >= SVM_EXIT_WRITE_CR0 ? KVM_CR_MOV_TO :
							    KVM_CR_MOV_FROM;
}

/* #DB, #UD and #AC: the guest is to have them. */
static void exit_exception(struct svm_vcpu *svm, struct kvm_exit *exit)
{
	exit->exc.vector = exit->reason - SVM_EXIT_EXCP_BASE;
	exit->exc.has_error = exit->exc.vector == 17;
	exit->exc.error_code = exit->info1;
	exit->exc.payload = svm->vcpu.regs.dr6;
	if (exit->exc.vector == 1 && svm_step_done(svm))
		exit->kind = KVM_FACT_NMI_WINDOW;
}

/* Out of line: the quickest exits come without it. */
static noinline void exit_details(struct svm_vcpu *svm, struct kvm_exit *exit)
{
	switch (exit->kind) {
	case KVM_FACT_MSR:
		exit->msr.index = svm->vcpu.regs.gpr[KVM_RCX];
		exit->msr.write = exit->info1;
		break;
	case KVM_FACT_MEMORY:
		exit_memory(svm, exit);
		break;
	case KVM_FACT_CR:
		exit_cr(exit);
		break;
	case KVM_FACT_DR:
		/* It accesses them again, its own this time. */
		svm_dr_lend(svm);
		exit->kind = KVM_FACT_NONE;
		break;
	case KVM_FACT_EXCEPTION:
		exit_exception(svm, exit);
		break;
	case KVM_FACT_NMI_WINDOW:
		svm_iret_intercepted(svm);
		break;
	}
}

/* The kvm_vendor_ops callback. */
void svm_exit_facts(struct kvm_vcpu *vcpu, struct kvm_exit *exit)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct svm_control *control = &svm->vmcb->control;

	exit->kind = exit_fact(control->exit_code);
	exit->reason = control->exit_code;
	exit->info1 = control->exit_info_1;
	exit->info2 = control->exit_info_2;
	exit->intr_info = control->exit_int_info;
	exit->intr_error = control->exit_int_error;
	exit->insn_len = exit_insn_len(svm);
	exit->insn_bytes = 0;
	exit->events_taken = false;
	exit->vectoring.type = KVM_EVENT_NONE;
	if (unlikely((svm->slow & SVM_SLOW_SOFT) ||
		     (exit->intr_info & SVM_EVENT_VALID)))
		svm_event_taken(svm, exit);
	if (exit->kind == KVM_FACT_IO)
		exit_io(exit);
	else if (exit->kind != KVM_FACT_CPUID)
		exit_details(svm, exit);
}
