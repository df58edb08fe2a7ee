// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest, and what holds them back.
 */
#include <linux/kernel.h>
#include <asm/trapnr.h>
#include "vmx.h"

/* The instruction that raises #DB of its own, INT1, has an event type of its own. */
#define EVENT_IS_INT1(ev)	((ev)->type == KVM_EVENT_SOFT_EXC && (ev)->vector == X86_TRAP_DB)

/* Exceptions that push an error code in protected mode. */
#define PUSHES_ERROR	(BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | \
			 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) | \
			 BIT(X86_TRAP_AC))

#define PENDING_DEBUG_BS	BIT_ULL(14)

u32 vmx_get_shadow(struct kvm_vcpu *vcpu)
{
	u64 info = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	u32 shadow = 0;

	if (likely(!info))
		return 0;
	if (info & GUEST_INTR_STATE_STI)
		shadow |= KVM_SHADOW_STI;
	if (info & GUEST_INTR_STATE_MOV_SS)
		shadow |= KVM_SHADOW_MOV_SS;
	if (info & GUEST_INTR_STATE_NMI)
		shadow |= KVM_SHADOW_NMI;
	return shadow;
}

void vmx_set_shadow(struct kvm_vcpu *vcpu, u32 shadow)
{
	u64 old = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	u64 info = old & ~(u64)(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS |
				GUEST_INTR_STATE_NMI);

	/* Both at once make the entry fail; the stronger one stays. */
	if (shadow & KVM_SHADOW_MOV_SS)
		info |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_SHADOW_STI)
		info |= GUEST_INTR_STATE_STI;
	if (shadow & KVM_SHADOW_NMI)
		info |= GUEST_INTR_STATE_NMI;
	if (info == old)
		return;
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, info);
	to_vmx(vcpu)->check_debug = true;
}

/*
 * SDM "Checks on Guest Non-Register State": single-stepping out of a shadow, the
 * trap must be pending, or the entry fails. The hardware leaves it so; software
 * that changed TF or the shadow may not have.
 */
void vmx_fix_pending_debug(struct vmx_vcpu *vmx)
{
	u64 pending, wanted;
	u64 info = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	vmx->check_debug = false;
	if (!(info & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		return;
	pending = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
	wanted = pending & ~PENDING_DEBUG_BS;
	if ((vcpu_rflags(&vmx->vcpu) & X86_EFLAGS_TF) &&
	    !(vmcs_read(GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF))
		wanted |= PENDING_DEBUG_BS;
	if (wanted != pending)
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, wanted);
}

/* In real mode no exception has an error code, in protected mode some always do. */
static bool inject_has_error(struct kvm_vcpu *vcpu, const struct kvm_event *ev)
{
	if (ev->type != KVM_EVENT_EXCEPTION || ev->vector > 31 ||
	    !(PUSHES_ERROR & BIT(ev->vector)))
		return false;
	return vcpu_cr0(vcpu) & X86_CR0_PE;
}

static u32 inject_type(const struct kvm_event *ev)
{
	switch (ev->type) {
	case KVM_EVENT_INTR:
		return INTR_TYPE_EXT_INTR;
	case KVM_EVENT_NMI:
		return INTR_TYPE_NMI_INTR;
	case KVM_EVENT_SOFT_INT:
		return INTR_TYPE_SOFT_INTR;
	case KVM_EVENT_SOFT_EXC:
		return EVENT_IS_INT1(ev) ? INTR_TYPE_PRIV_SW_EXCEPTION :
					   INTR_TYPE_SOFT_EXCEPTION;
	default:
		return INTR_TYPE_HARD_EXCEPTION;
	}
}

void vmx_inject(struct kvm_vcpu *vcpu, const struct kvm_event *ev)
{
	u32 info = INTR_INFO_VALID_MASK | inject_type(ev) | ev->vector;

	if (ev->type == KVM_EVENT_NONE)
		return;
	if (inject_has_error(vcpu, ev)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		/* Bits 31:15 set would make the entry fail. */
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE,
			   ev->has_error ? ev->error_code & 0x7fff : 0);
	}
	if (ev->type == KVM_EVENT_SOFT_INT || ev->type == KVM_EVENT_SOFT_EXC)
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, ev->insn_len);
	/* Some CPUs refuse an NMI in STI's shadow, which need not hold back NMIs. */
	if (ev->type == KVM_EVENT_NMI)
		vmx_set_shadow(vcpu, vmx_get_shadow(vcpu) & ~KVM_SHADOW_STI);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
}

void vmx_cancel_injection(struct kvm_vcpu *vcpu)
{
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
}

static void event_window(struct vmx_vcpu *vmx, u32 control, bool on)
{
	u32 primary = on ? vmx->primary | control : vmx->primary & ~control;

	if (primary == vmx->primary)
		return;
	vmx->primary = primary;
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, primary);
}

void vmx_irq_window(struct kvm_vcpu *vcpu, bool on)
{
	event_window(to_vmx(vcpu), CPU_BASED_INTR_WINDOW_EXITING, on);
}

void vmx_nmi_window(struct kvm_vcpu *vcpu, bool on)
{
	event_window(to_vmx(vcpu), CPU_BASED_NMI_WINDOW_EXITING, on);
}

static u8 vectoring_type(u32 info)
{
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR:
		return KVM_EVENT_INTR;
	case INTR_TYPE_NMI_INTR:
		return KVM_EVENT_NMI;
	case INTR_TYPE_SOFT_INTR:
		return KVM_EVENT_SOFT_INT;
	case INTR_TYPE_PRIV_SW_EXCEPTION:
	case INTR_TYPE_SOFT_EXCEPTION:
		return KVM_EVENT_SOFT_EXC;
	default:
		return KVM_EVENT_EXCEPTION;
	}
}

void vmx_vectoring_facts(struct vmx_vcpu *vmx, struct kvm_exit *exit)
{
	struct kvm_event *ev = &exit->vectoring;
	u32 info = exit->info2;
	u32 shadow;

	exit->events_taken = true;
	ev->type = vectoring_type(info);
	ev->vector = info & VECTORING_INFO_VECTOR_MASK;
	if (info & VECTORING_INFO_DELIVER_CODE_MASK) {
		ev->has_error = true;
		ev->error_code = vmcs_read(IDT_VECTORING_ERROR_CODE);
	}
	if (ev->type == KVM_EVENT_SOFT_INT || ev->type == KVM_EVENT_SOFT_EXC)
		ev->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	/*
	 * The delivery had begun, so no shadow is left; and the NMI, to be
	 * injected again, must not find itself blocked by its first attempt.
	 */
	shadow = vmx_get_shadow(&vmx->vcpu) & ~(KVM_SHADOW_STI | KVM_SHADOW_MOV_SS);
	if (ev->type == KVM_EVENT_NMI)
		shadow &= ~KVM_SHADOW_NMI;
	vmx_set_shadow(&vmx->vcpu, shadow);
}

void vmx_nmi_reblock(void)
{
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO,
		   vmcs_read(GUEST_INTERRUPTIBILITY_INFO) | GUEST_INTR_STATE_NMI);
}
