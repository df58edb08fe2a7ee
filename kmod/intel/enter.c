// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into the guest and out again: what C does around vmx_world_switch().
 */
#include <linux/irqflags.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/mmu_context.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <compat/entry.h>
#include <compat/irq.h>
#include <compat/mitigation.h>
#include <compat/msr.h>
#include "vmx.h"

/* switch.S */
u32 vmx_world_switch(u64 *gpr, u64 *host_rsp, u32 launched, u32 guest_spec_ctrl,
		     u32 host_spec_ctrl);

/* switch.S takes the registers by their place. */
static_assert(offsetof(struct kvm_vcpu_regs, gpr) == 0);
static_assert(KVM_RAX == 0 && KVM_RCX == 1 && KVM_RDX == 2 && KVM_RBX == 3);
static_assert(KVM_RBP == 5 && KVM_RSI == 6 && KVM_RDI == 7 && KVM_R15 == 15);

#define DR7_ENABLED	GENMASK(7, 0)	/* L0, G0 ... L3, G3 */
#define DR7_DISARMED	0x400UL

static void enter_write_back(struct vmx_vcpu *vmx)
{
	struct kvm_vcpu_regs *regs = &vmx->vcpu.regs;

	if (regs->dirty & KVM_LAZY_RIP)
		vmcs_write(GUEST_RIP, regs->rip);
	if (regs->dirty & KVM_LAZY_RSP)
		vmcs_write(GUEST_RSP, regs->gpr[KVM_RSP]);
	if (regs->dirty & KVM_LAZY_RFLAGS) {
		vmcs_write(GUEST_RFLAGS, regs->rflags);
		if (regs->rflags & X86_EFLAGS_TF)
			vmx->check_debug = true;
	}
	regs->dirty = 0;
}

/* Host fields that can differ from one entry to the next. */
static void enter_host_fields(struct vmx_vcpu *vmx)
{
	/* The PCID in it changes with every CPU, and when PCIDs run out. */
	unsigned long cr3 = __get_current_cr3_fast();
	unsigned long cr4 = cr4_read_shadow();
	u32 ldt;

	if (unlikely(cr3 != vmx->host_cr3)) {
		vmcs_write(HOST_CR3, cr3);
		vmx->host_cr3 = cr3;
	}
	if (unlikely(cr4 != vmx->host_cr4)) {
		vmcs_write(HOST_CR4, cr4);
		vmx->host_cr4 = cr4;
	}
	/* Another thread of the VMM may have given this CPU an LDT meanwhile. */
	asm volatile("sldt %0" : "=r" (ldt));
	if (unlikely(ldt))
		vmx->host.ldt = ldt;
}

/*
 * Guest accesses of debug registers exit, so only breakpoints that can fire have
 * to be in the CPU. The host's DR7 must not arm the guest's addresses meanwhile.
 */
static void enter_load_debug(const struct kvm_vcpu_regs *regs)
{
	if (unlikely(hw_breakpoint_active()))
		set_debugreg(DR7_DISARMED, 7);
	set_debugreg(regs->dr[0], 0);
	set_debugreg(regs->dr[1], 1);
	set_debugreg(regs->dr[2], 2);
	set_debugreg(regs->dr[3], 3);
}

static void enter_clear_buffers(struct vmx_vcpu *vmx)
{
	if (vmx_l1d_mode != KVM_L1D_NEVER &&
	    (vmx_l1d_mode == KVM_L1D_ALWAYS || vmx->l1d_flush || kvm_l1d_irq_ran())) {
		vmx->l1d_flush = false;
		kvm_l1d_flush();
	}
	if (kvm_mitigate_verw())
		kvm_verw();
}

/* Nothing but the switch between the two context-tracking calls: RCU sleeps there. */
static noinstr u32 guest_run(struct vmx_vcpu *vmx)
{
	struct kvm_vcpu_regs *regs = &vmx->vcpu.regs;
	u64 host_spec_ctrl = kvm_host_spec_ctrl();
	u64 spec_ctrl = vmx->spec_ctrl_own ? vmx->spec_ctrl : host_spec_ctrl;
	u32 failed;

	kvm_guest_enter_irqoff();
	if (native_read_cr2() != regs->cr2)
		native_write_cr2(regs->cr2);
	kvm_spec_ctrl_enter(spec_ctrl);
	failed = vmx_world_switch(regs->gpr, &vmx->host_rsp, vmx->launched,
				  spec_ctrl, host_spec_ctrl);
	regs->cr2 = native_read_cr2();
	kvm_guest_exit_irqoff();
	return failed;
}

/* NMIs are blocked from such an exit until the host's handler returns: hurry. */
static void exit_note_reason(struct vmx_vcpu *vmx)
{
	vmx->exit_reason = vmcs_read(VM_EXIT_REASON);
	vmx->intr_info = 0;
	if (vmx->exit_reason > EXIT_REASON_EXTERNAL_INTERRUPT)
		return;
	vmx->intr_info = vmcs_read(VM_EXIT_INTR_INFO);
	if ((vmx->intr_info & (INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK)) ==
	    (INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR))
		kvm_vmx_forward_nmi();
}

/* SDM "VM-Instruction Error Numbers", or "VM-Entry Failures During or After Loading". */
static int exit_entry_failed(struct vmx_vcpu *vmx)
{
	if (vmx->entry_flags) {
		vmx->exit_reason = vmcs_read(VM_INSTRUCTION_ERROR);
		vmx->intr_info = 0;
	}
	vmx->entry_failed = true;
	/* Only an exit would have taken it back. */
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	return -EIO;
}

/* The kvm_vendor_ops callback. */
int vmx_enter(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 debugctl;
	u32 failed;

	if (vcpu->regs.dirty)
		enter_write_back(vmx);
	enter_host_fields(vmx);
	if (unlikely(vmx->check_debug))
		vmx_fix_pending_debug(vmx);
	if (unlikely(vcpu->regs.dr7 & DR7_ENABLED))
		enter_load_debug(&vcpu->regs);
	/* An exit clears it, and no VMCS field holds the host's. */
	debugctl = native_read_msr(MSR_IA32_DEBUGCTLMSR);
	enter_clear_buffers(vmx);

	strict_enter(vcpu, vmx->eptp, strict_vm_id(&vcpu->kvm->strict));
	failed = guest_run(vmx);

	vmx->entry_flags = failed;
	vcpu->regs.avail = 0;
	if (likely(!failed))
		exit_note_reason(vmx);
	if (unlikely(debugctl))
		native_wrmsrq(MSR_IA32_DEBUGCTLMSR, debugctl);
	/* The exit has cleared DR7. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	if (unlikely(failed | (vmx->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)))
		return exit_entry_failed(vmx);
	vmx->entry_failed = false;
	vmx->launched = true;
	return 0;
}
