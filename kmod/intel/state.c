// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers, EFER, debug control, and the lazily read registers.
 *
 * The guest owns every bit whose change needs nothing from us: it enters and
 * leaves protected mode, paging and long mode without an exit (SDM "Unrestricted
 * Guests"). Bits the CPU wants set, or must never see set, are the host's, and
 * the guest finds its own idea of them in the read shadow.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/tlbflush.h>
#include "vmx.h"

/*
 * CR4 bits a guest may own if its CPUID has them: all they change is its own mode.
 * OSXSAVE says whether the guest's XCR0 has to be in the CPU: the run loop wants to
 * know without asking, and it changes once.
 */
#define CR4_OWNABLE	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | \
			 X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_FSGSBASE | \
			 X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)

#define PDPTE_PRESENT		BIT_ULL(0)
#define PDPTE_RESERVED_LOW	(GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1))
#define CR3_PAE_TABLE		GENMASK_ULL(31, 5)

static u64 state_cr(unsigned long field, u64 owned, u64 shadow)
{
	return (vmcs_read(field) & owned) | (shadow & ~owned);
}

/* Whoever asks for one of these looks at the guest's paging and asks for the rest. */
#define LAZY_PAGING	(KVM_LAZY_CR0 | KVM_LAZY_CR3 | KVM_LAZY_CR4 | KVM_LAZY_EFER)

static void lazy_load_paging(struct vmx_vcpu *vmx)
{
	struct kvm_vcpu_regs *regs = &vmx->vcpu.regs;

	regs->cr0 = state_cr(GUEST_CR0, VMX_CR0_GUEST_OWNED, vmx->cr0_shadow);
	regs->cr3 = vmcs_read(GUEST_CR3);
	regs->cr4 = state_cr(GUEST_CR4, vmx->cr4_guest_owned, vmx->cr4_shadow);
	regs->efer = vmcs_read(GUEST_IA32_EFER);
	regs->avail |= LAZY_PAGING;
}

void vmx_lazy_load(struct kvm_vcpu *vcpu, u32 mask)
{
	struct kvm_vcpu_regs *regs = &vcpu->regs;

	if (mask & LAZY_PAGING)
		lazy_load_paging(to_vmx(vcpu));
	if (mask & KVM_LAZY_RIP)
		regs->rip = vmcs_read(GUEST_RIP);
	if (mask & KVM_LAZY_RFLAGS)
		regs->rflags = vmcs_read(GUEST_RFLAGS);
	if (mask & KVM_LAZY_RSP)
		regs->gpr[KVM_RSP] = vmcs_read(GUEST_RSP);
	regs->avail |= mask;
}

/*
 * A present entry with a reserved bit makes the entry fail (SDM "Checks on Guest
 * Page-Directory-Pointer-Table Entries"); a guest gets a page fault.
 */
static u64 state_pdpte(u64 pdpte)
{
	u64 rsvd = PDPTE_RESERVED_LOW | ~GENMASK_ULL(boot_cpu_data.x86_phys_bits - 1, 0);

	return (pdpte & PDPTE_PRESENT) && (pdpte & rsvd) ? 0 : pdpte;
}

/* The kvm_vendor_ops callbacks. */
void vmx_get_pdptrs(struct kvm_vcpu *vcpu, u64 *pdptrs)
{
	pdptrs[0] = vmcs_read(GUEST_PDPTR0);
	pdptrs[1] = vmcs_read(GUEST_PDPTR1);
	pdptrs[2] = vmcs_read(GUEST_PDPTR2);
	pdptrs[3] = vmcs_read(GUEST_PDPTR3);
}

void vmx_set_pdptrs(struct kvm_vcpu *vcpu, const u64 *pdptrs)
{
	vmcs_write(GUEST_PDPTR0, state_pdpte(pdptrs[0]));
	vmcs_write(GUEST_PDPTR1, state_pdpte(pdptrs[1]));
	vmcs_write(GUEST_PDPTR2, state_pdpte(pdptrs[2]));
	vmcs_write(GUEST_PDPTR3, state_pdpte(pdptrs[3]));
}

/* The PAE entries that a software change of CR0, CR3 or CR4 loads. May sleep. */
static void state_load_pdptrs(struct kvm_vcpu *vcpu)
{
	u64 pdpte[4];

	if (!(vcpu_cr0(vcpu) & X86_CR0_PG) || !(vcpu_cr4(vcpu) & X86_CR4_PAE) ||
	    (vcpu_efer(vcpu) & EFER_LMA))
		return;
	if (guest_read(vcpu, vcpu_cr3(vcpu) & CR3_PAE_TABLE, pdpte, sizeof(pdpte)))
		memset(pdpte, 0, sizeof(pdpte));
	vmx_set_pdptrs(vcpu, pdpte);
}

/*
 * Long mode is active if enabled and paging. The entry control says so once more,
 * and an exit keeps it right while the guest switches (SDM "Saving Control
 * Registers, Debug Registers, and MSRs").
 */
static void state_write_efer(struct kvm_vcpu *vcpu, u64 efer)
{
	u64 entry = vmcs_read(VM_ENTRY_CONTROLS);

	efer &= ~(u64)EFER_LMA;
	entry &= ~(u64)VM_ENTRY_IA32E_MODE;
	if ((efer & EFER_LME) && (vcpu_cr0(vcpu) & X86_CR0_PG)) {
		efer |= EFER_LMA;
		entry |= VM_ENTRY_IA32E_MODE;
	}
	vmcs_write(VM_ENTRY_CONTROLS, entry);
	vmcs_write(GUEST_IA32_EFER, efer);
	vcpu->regs.efer = efer;
	vcpu->regs.avail |= KVM_LAZY_EFER;
}

void vmx_set_cr0(struct kvm_vcpu *vcpu, u64 cr0)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 efer = vcpu_efer(vcpu);
	u64 hw;

	/*
	 * Entries do not load CD and NW: the caches stay the host's, and a guest
	 * that turns its caching off only believes so.
	 */
	hw = cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW);
	hw = (hw | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1;
	vmcs_write(GUEST_CR0, hw);
	vmcs_write(CR0_READ_SHADOW, cr0);
	vmx->cr0_shadow = cr0;
	vcpu->regs.cr0 = cr0;
	vcpu->regs.avail |= KVM_LAZY_CR0;

	state_write_efer(vcpu, efer);
	state_load_pdptrs(vcpu);
	vmx_flush_linear(vmx);
}

void vmx_set_cr3(struct kvm_vcpu *vcpu, u64 cr3)
{
	vmcs_write(GUEST_CR3, cr3);
	vcpu->regs.cr3 = cr3;
	vcpu->regs.avail |= KVM_LAZY_CR3;
	state_load_pdptrs(vcpu);
	vmx_flush_linear(to_vmx(vcpu));
}

static void state_write_cr4(struct kvm_vcpu *vcpu, u64 cr4)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 hw;

	/* A machine check must find the host able to take it, whatever the guest wants. */
	hw = cr4 | vmx_caps.cr4_fixed0 | (cr4_read_shadow() & X86_CR4_MCE);
	vmcs_write(GUEST_CR4, hw);
	vmcs_write(CR4_READ_SHADOW, cr4);
	vmx->cr4_shadow = cr4;
	vcpu->regs.cr4 = cr4;
	vcpu->regs.avail |= KVM_LAZY_CR4;
}

void vmx_set_cr4(struct kvm_vcpu *vcpu, u64 cr4)
{
	state_write_cr4(vcpu, cr4);
	state_load_pdptrs(vcpu);
	vmx_flush_linear(to_vmx(vcpu));
}

void vmx_update_cr4_owner(struct vmx_vcpu *vmx)
{
	u64 cr4 = vcpu_cr4(&vmx->vcpu);

	vmx->cr4_guest_owned = CR4_OWNABLE & ~vmx->vcpu.cr4_guest_rsvd & vmx_caps.cr4_fixed1;
	vmcs_write(CR4_GUEST_HOST_MASK, ~vmx->cr4_guest_owned);
	state_write_cr4(&vmx->vcpu, cr4);
}

void vmx_set_efer(struct kvm_vcpu *vcpu, u64 efer)
{
	state_write_efer(vcpu, efer);
	vmx_syscall_changed(to_vmx(vcpu));
	state_load_pdptrs(vcpu);
}

void vmx_set_dr7(struct kvm_vcpu *vcpu, u64 dr7)
{
	vcpu->regs.dr7 = dr7;
	/* Bits 63:32 must be 0, bit 10 is always 1. */
	vmcs_write(GUEST_DR7, (u32)dr7 | BIT(10));
}

/*
 * The registers the x86 room has reset, into the hardware; and the rest of what
 * SDM volume 3A, "Processor State After Reset", lists.
 */
void vmx_reset_state(struct vmx_vcpu *vmx)
{
	struct kvm_vcpu *vcpu = &vmx->vcpu;

	/* Nothing may be read back from fields that were never written. */
	vcpu->regs.avail = ~0U;
	vmx_update_cr4_owner(vmx);
	vmx_set_cr0(vcpu, vcpu->regs.cr0);
	vmx_set_cr3(vcpu, vcpu->regs.cr3);
	vmx_set_dr7(vcpu, vcpu->regs.dr7);
	vmx_reset_segments(vcpu);

	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write(GUEST_SYSENTER_CS, 0);
	vmcs_write(GUEST_SYSENTER_ESP, 0);
	vmcs_write(GUEST_SYSENTER_EIP, 0);
	vmx_set_msr(vcpu, MSR_IA32_CR_PAT, vcpu->pat);
}
