// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU's VMX can do, and the control words made from it: SDM, appendix
 * "VMX Capability Reporting Facility".
 */
#define pr_fmt(fmt) "kvm_intel: " fmt

#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <compat/cpuid.h>
#include <compat/msr.h>
#include "vmx.h"

struct vmx_caps vmx_caps __ro_after_init;

#define VMX_BASIC_TRUE_MSRS	BIT_ULL(55)

#define PIN_MUST	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | \
			 PIN_BASED_VIRTUAL_NMIS)

/*
 * CR8 exits because there is no virtual APIC page yet; debug registers because
 * the guest's are loaded only while they are armed.
 */
#define PRIMARY_MUST	(CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING | \
			 CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | \
			 CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING | \
			 CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING | \
			 CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_USE_TSC_OFFSETTING | \
			 CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)

/* The windows are opened on demand: they must be there, but start closed. */
#define PRIMARY_WINDOWS	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)

/* Exits a guest under EPT must not need: its CR3 and its TLB are its own. */
#define PRIMARY_NEVER	(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING | \
			 CPU_BASED_INVLPG_EXITING | CPU_BASED_RDTSC_EXITING)

#define SECONDARY_MUST	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define SECONDARY_GOOD	(SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENABLE_VPID | \
			 SECONDARY_EXEC_PAUSE_LOOP_EXITING)
#define SECONDARY_GUEST	(SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID)

#define EXIT_MUST	(VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_ACK_INTR_ON_EXIT | \
			 VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_SAVE_IA32_EFER | \
			 VM_EXIT_LOAD_IA32_EFER)
#define ENTRY_MUST	(VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_EFER)

#define EPT_MUST	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_2MB_PAGE_BIT | \
			 VMX_EPT_INVEPT_BIT)
#define EPT_EXTENTS	(VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)

/*
 * A control MSR's low half names the bits that must be 1, its high half the bits
 * that may be. Returns the wanted bits it allows, with those it insists on.
 */
static u32 caps_allowed(u32 msr, u32 wanted)
{
	u64 allowed;

	rdmsrq(msr, allowed);
	return (wanted & (allowed >> 32)) | (u32)allowed;
}

static void caps_read(struct vmx_caps *caps)
{
	bool exact;

	memset(caps, 0, sizeof(*caps));
	rdmsrq(MSR_IA32_VMX_BASIC, caps->basic);
	/* The TRUE MSRs also tell which of the default-1 controls can be 0. */
	exact = caps->basic & VMX_BASIC_TRUE_MSRS;

	caps->pin = caps_allowed(exact ? MSR_IA32_VMX_TRUE_PINBASED_CTLS :
				 MSR_IA32_VMX_PINBASED_CTLS, PIN_MUST);
	caps->primary = caps_allowed(exact ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS :
				     MSR_IA32_VMX_PROCBASED_CTLS,
				     PRIMARY_MUST | PRIMARY_WINDOWS);
	if (caps->primary & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS) {
		caps->secondary = caps_allowed(MSR_IA32_VMX_PROCBASED_CTLS2,
					       SECONDARY_MUST | SECONDARY_GOOD);
		caps->secondary_may = caps_allowed(MSR_IA32_VMX_PROCBASED_CTLS2,
						   SECONDARY_GUEST) & SECONDARY_GUEST;
	}
	if (caps->secondary & SECONDARY_EXEC_ENABLE_EPT)
		rdmsrq(MSR_IA32_VMX_EPT_VPID_CAP, caps->ept_vpid);
	caps->exit = caps_allowed(exact ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS,
				  EXIT_MUST | VM_EXIT_LOAD_IA32_PAT);
	caps->entry = caps_allowed(exact ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS,
				   ENTRY_MUST | VM_ENTRY_LOAD_IA32_PAT);
	/* A guest's PAT may be loaded only if the host's comes back. */
	if (!(caps->exit & VM_EXIT_LOAD_IA32_PAT))
		caps->entry &= ~VM_ENTRY_LOAD_IA32_PAT;
	if (!(caps->entry & VM_ENTRY_LOAD_IA32_PAT))
		caps->exit &= ~VM_EXIT_LOAD_IA32_PAT;

	rdmsrq(MSR_IA32_VMX_CR0_FIXED0, caps->cr0_fixed0);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED1, caps->cr0_fixed1);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, caps->cr4_fixed0);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED1, caps->cr4_fixed1);
	/* An unrestricted guest may run without protection and paging. */
	caps->cr0_fixed0 &= ~(u64)(X86_CR0_PE | X86_CR0_PG);
}

static int __init caps_no_vmx(void)
{
	u64 ctl;

	if (!(cpuid_ecx(1) & BIT(5)))
		pr_err("this CPU has no VMX, or the hypervisor below hides it: nothing to run guests with\n");
	else if (rdmsrq_safe(MSR_IA32_FEAT_CTL, &ctl) ||
		 (ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		pr_err("the kernel has cleared this CPU's VMX feature: look for 'vmx' in the boot log\n");
	else
		pr_err("VMX is locked off (IA32_FEATURE_CONTROL = 0x%llx): enable virtualization in the firmware setup, and boot a kernel built with KVM_INTEL\n",
		       ctl);
	return -EOPNOTSUPP;
}

static const char * __init caps_missing(const struct vmx_caps *caps)
{
	if (~caps->primary & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
		return "secondary execution controls";
	if (~caps->secondary & SECONDARY_EXEC_ENABLE_EPT)
		return "extended page tables (EPT)";
	if (~caps->secondary & SECONDARY_EXEC_UNRESTRICTED_GUEST)
		return "unrestricted guest mode";
	if ((~caps->ept_vpid & EPT_MUST) || !(caps->ept_vpid & EPT_EXTENTS))
		return "EPT with 4 levels, 2 MiB pages, write-back tables and INVEPT";
	if (~caps->pin & PIN_MUST)
		return "exits on interrupts and NMIs, with virtual NMIs";
	if (~caps->primary & (PRIMARY_MUST | PRIMARY_WINDOWS))
		return "an execution control every guest needs";
	if (caps->primary & PRIMARY_NEVER)
		return "a way to let guests use CR3, INVLPG and RDTSC without exits";
	if ((~caps->exit & EXIT_MUST) || (~caps->entry & ENTRY_MUST))
		return "loading of IA32_EFER by VM entries and exits";
	/* "VMCS region": at most one page, and our pages are write-back. */
	if (((caps->basic >> 32) & 0x1fff) > PAGE_SIZE || ((caps->basic >> 50) & 0xf) != 6)
		return "a VMCS of one write-back page";
	return NULL;
}

static bool __init caps_have_vpid(const struct vmx_caps *caps)
{
	u32 vpid = caps->ept_vpid >> 32;

	return (caps->secondary & SECONDARY_EXEC_ENABLE_VPID) &&
	       (vpid & VMX_VPID_INVVPID_BIT) &&
	       (vpid & (VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |
			VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT));
}

int __init vmx_caps_init(void)
{
	const char *missing;

	if (!boot_cpu_has(X86_FEATURE_VMX))
		return caps_no_vmx();
	caps_read(&vmx_caps);
	missing = caps_missing(&vmx_caps);
	if (missing) {
		pr_err("this CPU's VMX lacks %s, which this module cannot do without\n", missing);
		return -EOPNOTSUPP;
	}
	vmx_use_vpid &= caps_have_vpid(&vmx_caps);
	vmx_use_eptad &= !!(vmx_caps.ept_vpid & VMX_EPT_AD_BIT);
	return 0;
}

bool vmx_caps_same(void)
{
	struct vmx_caps here;

	caps_read(&here);
	return !memcmp(&here, &vmx_caps, sizeof(here));
}
