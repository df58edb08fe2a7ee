// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control block: its page, the fields that stay as they are, the controls.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/trapnr.h>
#include "vmx.h"

/* One for every vcpu: which MSRs exit does not depend on the guest. */
static u8 *msr_bitmap __ro_after_init;

/*
 * Machine checks are the host's. #DB and #AC exit because a guest can make their
 * delivery raise them again without end, and neither interrupts nor NMIs get a
 * turn in between (the CPU stays in microcode). #UD may be a hypercall of the other
 * vendor's.
 */
#define EXCEPTIONS	(BIT(X86_TRAP_DB) | BIT(X86_TRAP_UD) | BIT(X86_TRAP_AC) | \
			 BIT(X86_TRAP_MC))

/*
 * SDM "Pause-Loop Exiting": PAUSEs closer than the gap are one loop, a loop
 * longer than the window exits. TSC ticks.
 */
#define PLE_GAP_TICKS		128
#define PLE_WINDOW_TICKS	4096

static void vmcs_write_controls(struct vmx_vcpu *vmx)
{
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, vmx->pin);
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, vmx->primary);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, vmx->secondary);
	vmcs_write(VM_EXIT_CONTROLS, vmx_caps.exit);
	vmcs_write(VM_ENTRY_CONTROLS, vmx_caps.entry);

	vmcs_write(EXCEPTION_BITMAP, EXCEPTIONS);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(MSR_BITMAP, __pa(msr_bitmap));
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write(VMCS_LINK_POINTER, ~0ULL);
	vmcs_write(TSC_OFFSET, vmx->vcpu.tsc_offset);
	if (vmx->vpid)
		vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (vmx->secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write(PLE_GAP, PLE_GAP_TICKS);
		vmcs_write(PLE_WINDOW, PLE_WINDOW_TICKS);
	}
	vmcs_write(CR0_GUEST_HOST_MASK, ~(u64)VMX_CR0_GUEST_OWNED);
}

static void vmcs_choose_controls(struct vmx_vcpu *vmx)
{
	vmx->pin = vmx_caps.pin;
	/* The windows open on demand. */
	vmx->primary = vmx_caps.primary & ~(u32)(CPU_BASED_INTR_WINDOW_EXITING |
						 CPU_BASED_NMI_WINDOW_EXITING);
	vmx->secondary = vmx_caps.secondary;
	if (!vmx->vpid)
		vmx->secondary &= ~(u32)SECONDARY_EXEC_ENABLE_VPID;
	/* Legacy IBRS is for the kernel; a guest that knows nothing of it runs without. */
	vmx->spec_ctrl_own = boot_cpu_has(X86_FEATURE_KERNEL_IBRS);
}

int vmx_vcpu_init(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct page *page;

	page = alloc_pages_node(numa_node_id(), GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	if (!page)
		return -ENOMEM;
	vmx->vmcs = page_address(page);
	vmx->vmcs_pa = page_to_phys(page);
	vmx->vmcs_cpu = -1;
	vmx->vpid = vmx_vpid_alloc();
	/* SDM "VMCS Region": bit 31 of the revision is 0 for an ordinary VMCS. */
	*(u32 *)vmx->vmcs = (u32)vmx_caps.basic & 0x7fffffff;
	vmcs_choose_controls(vmx);

	preempt_disable();
	/* Puts the region into its initial state, whatever the page held. */
	vmx_vmclear(vmx->vmcs_pa);
	vmx_vmcs_load(vmx, smp_processor_id());
	vmcs_write_controls(vmx);
	vmx_host_fields();
	vmx_reset_state(vmx);
	preempt_enable();
	/* So that the first load finds itself on a new CPU and writes its fields. */
	vmx_vmcs_release(vmx);
	return 0;
}

void vmx_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->vmcs)
		return;
	vmx_vmcs_release(vmx);
	vmx_vpid_free(vmx->vpid);
	free_page((unsigned long)vmx->vmcs);
	vmx->vmcs = NULL;
}

/* Instructions a guest has only if its CPUID says so: #UD without the control. */
void vmx_vcpu_update(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 may = vmx_caps.secondary_may;
	u32 secondary = vmx->secondary & ~may;

	if (x86_guest_has(vcpu, X86_FEATURE_RDTSCP))
		secondary |= may & SECONDARY_EXEC_ENABLE_RDTSCP;
	if (x86_guest_has(vcpu, X86_FEATURE_INVPCID))
		secondary |= may & SECONDARY_EXEC_ENABLE_INVPCID;
	if (secondary != vmx->secondary) {
		vmx->secondary = secondary;
		vmcs_write(SECONDARY_VM_EXEC_CONTROL, secondary);
	}
	vmx_update_cr4_owner(vmx);
}

int vmx_vmcs_init(void)
{
	msr_bitmap = (u8 *)__get_free_page(GFP_KERNEL);
	if (!msr_bitmap)
		return -ENOMEM;
	vmx_msr_bitmap_fill(msr_bitmap);
	return 0;
}

void vmx_vmcs_exit(void)
{
	free_page((unsigned long)msr_bitmap);
}
