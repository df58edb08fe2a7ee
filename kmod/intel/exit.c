// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit information as neutral facts: SDM "VM Exits", appendix "VMX Basic Exit
 * Reasons".
 */
#include <linux/kernel.h>
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>
#include <compat/irq.h>
#include <compat/mcheck.h>
#include "vmx.h"

#define EXIT_BASIC_REASON	GENMASK(15, 0)
#define INFO_TYPE_VALID		(INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK)

/* SDM "Exit Qualification for EPT Violations". */
#define EPT_QUAL_READ		BIT(0)
#define EPT_QUAL_WRITE		BIT(1)
#define EPT_QUAL_EXEC		BIT(2)
#define EPT_QUAL_ALLOWED	GENMASK(5, 3)
#define EPT_QUAL_GVA_VALID	BIT(7)
#define EPT_QUAL_FINAL		BIT(8)
#define EPT_QUAL_NMI_UNBLOCKED	BIT(12)

/* SDM "Exit Qualification for I/O Instructions". */
#define IO_QUAL_SIZE		GENMASK(2, 0)	/* bytes, less one */
#define IO_QUAL_IN		BIT(3)
#define IO_QUAL_STRING		BIT(4)
#define IO_QUAL_REP		BIT(5)
#define IO_QUAL_PORT_SHIFT	16

/* SDM "Exit Qualification for Control-Register Accesses" and "... MOV DR". */
#define CR_QUAL_NR		GENMASK(3, 0)
#define CR_QUAL_OP_SHIFT	4
#define DR_QUAL_NR		GENMASK(2, 0)
#define DR_QUAL_READ		BIT(4)
#define QUAL_GPR_SHIFT		8
#define QUAL_LMSW_SHIFT		16

/* SDM "Exit Qualification for Debug Exceptions": in DR6's places. */
#define DB_QUAL_CAUSES		(DR_TRAP_BITS | DR_STEP | BIT(13))
#define DR6_ALWAYS_SET		0xffff0ff0U

/*
 * What a reason means by itself; kinds with more to tell are in exit_details().
 * Reasons without an entry are of controls that are off. For an instruction the
 * CPU says how long it was (SDM "Information for VM Exits Due to Instruction
 * Execution"); a fault or an event has no length.
 */
#define EXIT_KIND	GENMASK(5, 0)
#define EXIT_KNOWN	BIT(6)
#define EXIT_IS_INSN	BIT(7)
#define EVENT(kind)	(EXIT_KNOWN | (kind))
#define INSN(kind)	(EXIT_KNOWN | EXIT_IS_INSN | (kind))

static_assert(KVM_FACT_UNKNOWN <= EXIT_KIND);

static const u8 exit_kinds[] = {
	[EXIT_REASON_EXCEPTION_NMI] = EVENT(KVM_FACT_EXCEPTION),
	[EXIT_REASON_EXTERNAL_INTERRUPT] = EVENT(KVM_FACT_NONE),
	[EXIT_REASON_TRIPLE_FAULT] = EVENT(KVM_FACT_SHUTDOWN),
	[EXIT_REASON_INTERRUPT_WINDOW] = EVENT(KVM_FACT_IRQ_WINDOW),
	[EXIT_REASON_NMI_WINDOW] = EVENT(KVM_FACT_NMI_WINDOW),
	[EXIT_REASON_TASK_SWITCH] = INSN(KVM_FACT_TASK_SWITCH),
	[EXIT_REASON_CPUID] = INSN(KVM_FACT_CPUID),
	[11] = INSN(KVM_FACT_UD_INSN),	/* GETSEC */
	[EXIT_REASON_HLT] = INSN(KVM_FACT_HLT),
	[EXIT_REASON_INVD] = INSN(KVM_FACT_WBINVD),
	[EXIT_REASON_RDPMC] = INSN(KVM_FACT_RDPMC),
	[EXIT_REASON_RDTSC] = INSN(KVM_FACT_RDTSC),
	[EXIT_REASON_VMCALL] = INSN(KVM_FACT_HYPERCALL),
	[EXIT_REASON_VMCLEAR] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMLAUNCH] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMPTRLD] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMPTRST] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMREAD] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMRESUME] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMWRITE] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMOFF] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_VMON] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_CR_ACCESS] = INSN(KVM_FACT_CR),
	[EXIT_REASON_DR_ACCESS] = INSN(KVM_FACT_DR),
	[EXIT_REASON_IO_INSTRUCTION] = INSN(KVM_FACT_IO),
	[EXIT_REASON_MSR_READ] = INSN(KVM_FACT_MSR),
	[EXIT_REASON_MSR_WRITE] = INSN(KVM_FACT_MSR),
	[EXIT_REASON_INVALID_STATE] = EVENT(KVM_FACT_ENTRY_FAILED),
	[EXIT_REASON_MSR_LOAD_FAIL] = EVENT(KVM_FACT_ENTRY_FAILED),
	[EXIT_REASON_MWAIT_INSTRUCTION] = INSN(KVM_FACT_MWAIT),
	[EXIT_REASON_MONITOR_INSTRUCTION] = INSN(KVM_FACT_MONITOR),
	[EXIT_REASON_PAUSE_INSTRUCTION] = INSN(KVM_FACT_PAUSE),
	[EXIT_REASON_MCE_DURING_VMENTRY] = EVENT(KVM_FACT_ENTRY_FAILED),
	[EXIT_REASON_EPT_VIOLATION] = EVENT(KVM_FACT_MEMORY),
	[EXIT_REASON_INVEPT] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_INVVPID] = INSN(KVM_FACT_UD_INSN),
	[EXIT_REASON_WBINVD] = INSN(KVM_FACT_WBINVD),
	[EXIT_REASON_XSETBV] = INSN(KVM_FACT_XSETBV),
};

static u8 exit_lookup(u32 reason)
{
	if (unlikely(reason >= ARRAY_SIZE(exit_kinds) || !exit_kinds[reason]))
		return EVENT(KVM_FACT_UNKNOWN);
	return exit_kinds[reason];
}

/* Whoever steps over the instruction needs its length and these two. */
static void exit_instruction(struct kvm_vcpu *vcpu, struct kvm_exit *exit)
{
	exit->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	vcpu->regs.rip = vmcs_read(GUEST_RIP);
	vcpu->regs.rflags = vmcs_read(GUEST_RFLAGS);
	vcpu->regs.avail |= KVM_LAZY_RIP | KVM_LAZY_RFLAGS;
}

static void exit_io(struct kvm_exit *exit)
{
	u64 qual = exit->info1;

	exit->io.port = qual >> IO_QUAL_PORT_SHIFT;
	exit->io.size = (qual & IO_QUAL_SIZE) + 1;
	exit->io.in = qual & IO_QUAL_IN;
	exit->io.string = qual & IO_QUAL_STRING;
	exit->io.rep = qual & IO_QUAL_REP;
	exit->io.next_rip = 0;
}

static void exit_memory(struct kvm_exit *exit)
{
	u64 qual = exit->info1;

	exit->mem.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	exit->mem.gva_valid = qual & EPT_QUAL_GVA_VALID;
	exit->mem.gva = exit->mem.gva_valid ? vmcs_read(GUEST_LINEAR_ADDRESS) : 0;
	exit->mem.walk = exit->mem.gva_valid && !(qual & EPT_QUAL_FINAL);
	exit->mem.present = qual & EPT_QUAL_ALLOWED;
	exit->mem.access = 0;
	if (qual & EPT_QUAL_READ)
		exit->mem.access |= KVM_ACCESS_READ;
	if (qual & EPT_QUAL_WRITE)
		exit->mem.access |= KVM_ACCESS_WRITE;
	if (qual & EPT_QUAL_EXEC)
		exit->mem.access |= KVM_ACCESS_EXEC;
	/* SDM "Guest NMI blocking": meaningless if an event was being delivered. */
	if ((qual & EPT_QUAL_NMI_UNBLOCKED) && !exit->events_taken)
		vmx_nmi_reblock();
}

static void exit_cr(struct kvm_vcpu *vcpu, struct kvm_exit *exit)
{
	static const u8 ops[] = {
		KVM_CR_MOV_TO, KVM_CR_MOV_FROM, KVM_CR_CLTS, KVM_CR_LMSW,
	};
	u64 qual = exit->info1;

	exit->cr.cr = qual & CR_QUAL_NR;
	exit->cr.op = ops[(qual >> CR_QUAL_OP_SHIFT) & 3];
	exit->cr.gpr = (qual >> QUAL_GPR_SHIFT) & 0xf;
	exit->cr.decode = false;
	if (exit->cr.op == KVM_CR_LMSW)
		exit->cr.value = (qual >> QUAL_LMSW_SHIFT) & 0xffff;
	else
		exit->cr.value = vcpu_gpr(vcpu, exit->cr.gpr);
}

static void exit_dr(struct kvm_exit *exit)
{
	u64 qual = exit->info1;

	exit->dr.dr = qual & DR_QUAL_NR;
	exit->dr.gpr = (qual >> QUAL_GPR_SHIFT) & 0xf;
	exit->dr.write = !(qual & DR_QUAL_READ);
	exit->dr.decode = false;
}

/* #DB, #UD or #AC, which the guest is to have: EXCEPTIONS in vmcs.c. */
static void exit_exception(struct vmx_vcpu *vmx, struct kvm_exit *exit)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;
	u32 info = vmx->intr_info;

	/* An NMI or a machine check: vmx_host_event() has given it to the host. */
	if ((info & INFO_TYPE_VALID) == (INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR) ||
	    (info & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC) {
		exit->kind = KVM_FACT_NONE;
		return;
	}
	exit->exc.vector = info & INTR_INFO_VECTOR_MASK;
	exit->exc.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	exit->exc.error_code = 0;
	exit->exc.payload = 0;
	if (exit->exc.has_error)
		exit->exc.error_code = vmcs_read(VM_EXIT_INTR_ERROR_CODE);
	exit->intr_error = exit->exc.error_code;
	if ((info & INTR_INFO_UNBLOCK_NMI) && !exit->events_taken &&
	    exit->exc.vector != X86_TRAP_DF)
		vmx_nmi_reblock();
	if (exit->exc.vector != X86_TRAP_DB)
		return;

	exit->exc.payload = (vcpu->regs.dr6 & ~(u64)DR_TRAP_BITS) | DR6_ALWAYS_SET |
			    (exit->info1 & DB_QUAL_CAUSES);
	/* INT1 traps: the guest's handler is to return behind it. */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		vcpu_set_rip(vcpu, vcpu_rip(vcpu) + vmcs_read(VM_EXIT_INSTRUCTION_LEN));
	vmx->check_debug = true;
}

/* Out of line: the quickest exits come without it. */
static noinline void exit_details(struct vmx_vcpu *vmx, struct kvm_exit *exit)
{
	switch (exit->kind) {
	case KVM_FACT_IO:
		exit_io(exit);
		break;
	case KVM_FACT_MEMORY:
		exit_memory(exit);
		break;
	case KVM_FACT_MSR:
		exit->msr.index = vmx->vcpu.regs.gpr[KVM_RCX];
		exit->msr.write = exit->reason == EXIT_REASON_MSR_WRITE;
		break;
	case KVM_FACT_CR:
		exit_cr(&vmx->vcpu, exit);
		break;
	case KVM_FACT_DR:
		exit_dr(exit);
		break;
	case KVM_FACT_EXCEPTION:
		exit_exception(vmx, exit);
		break;
	}
}

static void exit_failed_facts(struct vmx_vcpu *vmx, struct kvm_exit *exit)
{
	exit->kind = KVM_FACT_ENTRY_FAILED;
	exit->reason = vmx->exit_reason;
	exit->info1 = vmx->entry_flags ? 0 : vmcs_read(EXIT_QUALIFICATION);
	exit->info2 = 0;
}

/* The kvm_vendor_ops callback. */
void vmx_exit_facts(struct kvm_vcpu *vcpu, struct kvm_exit *exit)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u8 code;

	exit->insn_len = 0;
	exit->insn_bytes = 0;
	exit->events_taken = false;
	exit->intr_info = vmx->intr_info;
	exit->intr_error = 0;
	if (unlikely(vmx->entry_failed)) {
		exit_failed_facts(vmx, exit);
		return;
	}

	exit->reason = vmx->exit_reason & EXIT_BASIC_REASON;
	exit->info2 = vmcs_read(IDT_VECTORING_INFO_FIELD);
	if (unlikely(exit->info2 & VECTORING_INFO_VALID_MASK))
		vmx_vectoring_facts(vmx, exit);

	code = exit_lookup(exit->reason);
	exit->kind = code & EXIT_KIND;
	if (code & EXIT_IS_INSN)
		exit_instruction(vcpu, exit);
	/* The quickest exit has nothing to add, and ran nothing worth hiding. */
	exit->info1 = 0;
	if (exit->kind == KVM_FACT_CPUID)
		return;
	vmx->l1d_flush = true;
	exit->info1 = vmcs_read(EXIT_QUALIFICATION);
	exit_details(vmx, exit);
}

/*
 * The kvm_vendor_ops callback. NMIs are not here: they could not wait, see
 * exit_note_reason().
 */
void vmx_host_event(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 info = vmx->intr_info;

	/* Every other reason is a higher number, and the guest's own affair. */
	if (vmx->exit_reason > EXIT_REASON_EXTERNAL_INTERRUPT &&
	    (vmx->exit_reason & EXIT_BASIC_REASON) != EXIT_REASON_MCE_DURING_VMENTRY)
		return;
	if (unlikely(vmx->entry_flags))
		return;
	if (vmx->exit_reason == EXIT_REASON_EXTERNAL_INTERRUPT) {
		vcpu->stat.irq_exits++;
		if (info & INTR_INFO_VALID_MASK)
			kvm_vmx_forward_irq(info & INTR_INFO_VECTOR_MASK);
		return;
	}
	if ((vmx->exit_reason & EXIT_BASIC_REASON) == EXIT_REASON_MCE_DURING_VMENTRY ||
	    (info & (INFO_TYPE_VALID | INTR_INFO_VECTOR_MASK)) ==
	    (INTR_INFO_VALID_MASK | INTR_TYPE_HARD_EXCEPTION | X86_TRAP_MC))
		kvm_forward_machine_check();
}
