// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-intel.ko: Intel's VMX with extended page tables, for kvm.ko.
 */
#define pr_fmt(fmt) "kvm_intel: " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <asm/cpu_device_id.h>
#include <asm/cpufeature.h>
#include <compat/irq.h>
#include <compat/mitigation.h>
#include "vmx.h"

static bool ept = true;
module_param(ept, bool, 0444);
MODULE_PARM_DESC(ept, "extended page tables; always on, there is no shadow paging");

static bool unrestricted_guest = true;
module_param(unrestricted_guest, bool, 0444);
MODULE_PARM_DESC(unrestricted_guest, "real mode in hardware; always on");

bool vmx_use_vpid __ro_after_init = true;
module_param_named(vpid, vmx_use_vpid, bool, 0444);
MODULE_PARM_DESC(vpid, "tag the TLB entries of each virtual CPU, where the CPU can");

bool vmx_use_eptad __ro_after_init = true;
module_param_named(eptad, vmx_use_eptad, bool, 0444);
MODULE_PARM_DESC(eptad, "let the CPU note accesses in the EPT, where it can");

enum kvm_l1d_mode vmx_l1d_mode __ro_after_init;

/* Nothing of a VM is VMX's own: its page tables are kvm.ko's. */
static int vmx_vm_init(struct kvm *kvm)
{
	return 0;
}

static void vmx_vm_destroy(struct kvm *kvm)
{
}

static struct kvm_vendor_ops vmx_ops __ro_after_init = {
	.cookie = KVM_VENDOR_COOKIE,
	.ops_size = sizeof(struct kvm_vendor_ops),
	.kvm_size = sizeof(struct kvm),
	.kvm_vcpu_size = sizeof(struct kvm_vcpu),
	.vm_size = sizeof(struct kvm),
	.vcpu_size = sizeof(struct vmx_vcpu),
	.owner = THIS_MODULE,
	.name = "VMX",
	.isa = KVM_ISA_VMX,
	.caps = {
		.next_rip = true,
		.tdp_levels = 4,
	},

	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.vm_init = vmx_vm_init,
	.vm_destroy = vmx_vm_destroy,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_update = vmx_vcpu_update,
	.vcpu_load = vmx_vcpu_load,
	.vcpu_put = vmx_vcpu_put,
	.vcpu_leave = vmx_vcpu_leave,
	.switch_to_guest = vmx_switch_to_guest,
	.enter = vmx_enter,
	.host_event = vmx_host_event,
	.exit_facts = vmx_exit_facts,
	.flush_tlb = vmx_flush_tlb,
	.set_root = vmx_set_root,
	.lazy_load = vmx_lazy_load,
	.set_cr0 = vmx_set_cr0,
	.set_cr3 = vmx_set_cr3,
	.set_cr4 = vmx_set_cr4,
	.set_efer = vmx_set_efer,
	.set_dr7 = vmx_set_dr7,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_table = vmx_get_table,
	.set_table = vmx_set_table,
	.get_cpl = vmx_get_cpl,
	.get_pdptrs = vmx_get_pdptrs,
	.set_pdptrs = vmx_set_pdptrs,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.set_tsc_offset = vmx_set_tsc_offset,
	.get_shadow = vmx_get_shadow,
	.set_shadow = vmx_set_shadow,
	.inject = vmx_inject,
	.cancel_injection = vmx_cancel_injection,
	.irq_window = vmx_irq_window,
	.nmi_window = vmx_nmi_window,
};

static int __init vmx_check_parameters(void)
{
	if (ept && unrestricted_guest)
		return 0;
	pr_err("%s=0 asks for shadow paging or emulated real mode, which this module does not have; remove the option\n",
	       ept ? "unrestricted_guest" : "ept");
	return -EOPNOTSUPP;
}

/* CPUID bit of INVPCID in leaf 7, EBX. */
#define CPUID_7_EBX_INVPCID	BIT(10)

static void __init vmx_ops_init(void)
{
	if (!(vmx_caps.secondary_may & SECONDARY_EXEC_ENABLE_INVPCID))
		vmx_ops.caps.cpuid_hide_7_0_ebx |= CPUID_7_EBX_INVPCID;
	vmx_ops.format = vmx_format_init();
}

static int __init vmx_module_init(void)
{
	int err = vmx_check_parameters();

	if (!err)
		err = vmx_caps_init();
	if (err)
		return err;
	vmx_host_init();
	vmx_ops_init();
	vmx_l1d_mode = kvm_mitigate_l1d_mode();

	err = vmx_tlb_init();
	if (err)
		return err;
	err = vmx_vmcs_init();
	if (err)
		goto err_tlb;
	err = kvm_vmx_forward_init();
	if (err)
		goto err_vmcs;
	err = vmx_cpu_init();
	if (err)
		goto err_vmcs;
	err = kvmswap_vendor_register(&vmx_ops);
	if (err)
		goto err_cpu;
	return 0;

err_cpu:
	vmx_cpu_exit();
err_vmcs:
	vmx_vmcs_exit();
err_tlb:
	vmx_tlb_exit();
	return err;
}
module_init(vmx_module_init);

static void __exit vmx_module_exit(void)
{
	kvmswap_vendor_unregister(&vmx_ops);
	vmx_cpu_exit();
	vmx_vmcs_exit();
	vmx_tlb_exit();
}
module_exit(vmx_module_exit);

static const struct x86_cpu_id vmx_cpu_ids[] = {
	X86_MATCH_FEATURE(X86_FEATURE_VMX, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, vmx_cpu_ids);

MODULE_DESCRIPTION("Virtual machines with swappable memory on Intel CPUs (VMX, EPT)");
MODULE_VERSION(KVM_SWAP_VERSION);
MODULE_LICENSE("GPL");
