// SPDX-License-Identifier: GPL-2.0-only
/*
 * Translations a CPU caches for guests: SDM "Caching Translation Information".
 *
 * With EPT a CPU caches guest-physical mappings, tagged by the EPT root, and
 * combined ones, tagged by root, VPID and PCID; INVEPT of a root drops both for
 * every VPID. So it alone serves changes of the second level, a vcpu's move to
 * another CPU and the reuse of a freed root page; VPIDs only let the combined
 * mappings survive world switches.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <kvm/debug.h>
#include <kvm/strict.h>
#include "vmx.h"

/* [l] vpid_lock. Number 0 is the host's. */
static DEFINE_SPINLOCK(vpid_lock);
static unsigned long *vpid_used;

int vmx_tlb_init(void)
{
	vpid_used = bitmap_zalloc(VMX_NR_VPIDS, GFP_KERNEL);
	if (!vpid_used)
		return -ENOMEM;
	set_bit(0, vpid_used);
	return 0;
}

void vmx_tlb_exit(void)
{
	bitmap_free(vpid_used);
}

u16 vmx_vpid_alloc(void)
{
	unsigned long vpid;

	if (!vmx_use_vpid)
		return 0;
	spin_lock(&vpid_lock);
	vpid = find_first_zero_bit(vpid_used, VMX_NR_VPIDS);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpid_used);
	else
		vpid = 0;
	spin_unlock(&vpid_lock);
	return vpid;
}

void vmx_vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vpid, vpid_used);
	spin_unlock(&vpid_lock);
}

static void flush_root(u64 eptp)
{
	if (KVM_SEEDED_FAULT(15))
		return;
	strict_flush_tag(eptp);
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, eptp);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
}

void vmx_flush_cpu(void)
{
	strict_flush_cpu();
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT)
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (vmx_use_vpid && (vmx_caps.ept_vpid >> 32 & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT))
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0);
}

/*
 * The kvm_vendor_ops callback. A root that another guest had before is covered
 * too: no vcpu enters for the first time, or on a CPU new to it, without this.
 */
void vmx_flush_tlb(struct kvm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* Without a root nothing can have been cached through it. */
	if (vmx->eptp)
		flush_root(vmx->eptp);
}

/*
 * Preemption between the look at the VPID and the instruction is harmless: a
 * vcpu that arrives on another CPU starts there with nothing cached.
 */
void vmx_flush_linear(struct vmx_vcpu *vmx)
{
	/* Without a VPID every entry and exit does it. */
	if (!vmx->vpid)
		return;
	if (vmx_caps.ept_vpid >> 32 & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT)
		vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid);
	else
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0);
}

void vmx_set_root(struct kvm_vcpu *vcpu, hpa_t root, int levels)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->eptp = root | VMX_EPTP_MT_WB | (u64)(levels - 1) << 3;
	if (vmx_use_eptad)
		vmx->eptp |= VMX_EPTP_AD_ENABLE_BIT;
	vmcs_write(EPT_POINTER, vmx->eptp);
}
