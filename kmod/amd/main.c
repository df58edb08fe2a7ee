// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm-amd.ko: AMD's SVM with nested paging, for kvm.ko.
 */
#define pr_fmt(fmt) "kvm_amd: " fmt

#include <linux/module.h>
#include <asm/cpu_device_id.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <compat/cpuid.h>
#include <compat/msr.h>
#include <compat/virt.h>
#include "svm.h"

#define SVM_CPUID		0x8000000a
#define SVM_CPUID_SEV		0x8000001f

/* Bits of SVM_CPUID's EDX. */
#define SVM_CPUID_NPT		BIT(0)
#define SVM_CPUID_NRIPS		BIT(3)
#define SVM_CPUID_FLUSH_BY_ASID	BIT(6)
#define SVM_CPUID_DECODE	BIT(7)

#define SVM_VM_CR_DISABLED	BIT_ULL(4)	/* VM_CR.SVMDIS */

struct svm_features svm_features;

static bool npt = true;
module_param(npt, bool, 0444);
MODULE_PARM_DESC(npt, "nested paging; always on, there is no shadow paging");

/* CR4 bits that exist on every CPU with SVM. */
#define SVM_CR4_BASE	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |	\
			 X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |	\
			 X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* And those that came with a feature: bit of CPUID 7 EBX or ECX, bit of CR4. */
static const struct {
	u8 ecx;
	u8 feature;
	u8 cr4;
} svm_cr4_features[] = {
	{ 0, 0, X86_CR4_FSGSBASE_BIT },
	{ 0, 7, X86_CR4_SMEP_BIT },
	{ 0, 20, X86_CR4_SMAP_BIT },
	{ 1, 2, X86_CR4_UMIP_BIT },
	{ 1, 3, X86_CR4_PKE_BIT },
	{ 1, 7, 23 },			/* shadow stacks: CET */
	{ 1, 16, X86_CR4_LA57_BIT },
};

static u64 cr4_present(void)
{
	u64 bits = SVM_CR4_BASE;
	u32 eax, reg[2], edx;
	unsigned int i;

	if (boot_cpu_has(X86_FEATURE_PCID))
		bits |= X86_CR4_PCIDE;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		bits |= X86_CR4_OSXSAVE;
	if (boot_cpu_data.cpuid_level < 7)
		return bits;

	cpuid_count(7, 0, &eax, &reg[0], &reg[1], &edx);
	for (i = 0; i < ARRAY_SIZE(svm_cr4_features); i++)
		if (reg[svm_cr4_features[i].ecx] & BIT(svm_cr4_features[i].feature))
			bits |= BIT(svm_cr4_features[i].cr4);
	return bits;
}

/* ASIDs up to a limit are kept for encrypted guests, where the CPU has those. */
static u32 asid_min(void)
{
	if (boot_cpu_data.extended_cpuid_level < SVM_CPUID_SEV ||
	    !(cpuid_eax(SVM_CPUID_SEV) & BIT(1)))
		return 1;
	return cpuid_ecx(SVM_CPUID_SEV) + 1;
}

/*
 * Newer kernels hide the feature flag when the firmware has disabled SVM, so ask
 * the CPU itself.
 */
static int cpu_check(void)
{
	u64 vm_cr;

	if (boot_cpu_data.extended_cpuid_level < SVM_CPUID ||
	    !(cpuid_ecx(0x80000001) & BIT(2))) {
		pr_err("this CPU has no SVM (AMD-V); it cannot run virtual machines with this module\n");
		return -EOPNOTSUPP;
	}
	if (!rdmsrq_safe(MSR_VM_CR, &vm_cr) && (vm_cr & SVM_VM_CR_DISABLED)) {
		pr_err("SVM (AMD-V) is disabled by the firmware; enable it in the firmware setup\n");
		return -EOPNOTSUPP;
	}
	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		pr_err("the kernel has SVM (AMD-V) switched off on this CPU; check its command line\n");
		return -EOPNOTSUPP;
	}
	if (!(cpuid_edx(SVM_CPUID) & SVM_CPUID_NPT)) {
		pr_err("this CPU has SVM but no nested paging, which this module needs\n");
		return -EOPNOTSUPP;
	}
	if (!npt) {
		pr_err("npt=0 asks for shadow paging, which this module does not have; remove the option\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int features_init(void)
{
	u32 eax, asids, ecx, edx;

	cpuid(SVM_CPUID, &eax, &asids, &ecx, &edx);
	svm_features.nrips = edx & SVM_CPUID_NRIPS;
	svm_features.decode_assists = edx & SVM_CPUID_DECODE;
	svm_features.flush_by_asid = edx & SVM_CPUID_FLUSH_BY_ASID;
	svm_features.tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) ||
			       boot_cpu_has(X86_FEATURE_RDPID);
	svm_features.cr4_present = cr4_present();
	svm_features.cr4_forced = __read_cr4() & X86_CR4_MCE;
	svm_features.asid_min = asid_min();
	svm_features.asid_max = asids - 1;

	if (svm_features.asid_min > svm_features.asid_max || asids < 2) {
		pr_err("the firmware gives every address space ID to encrypted guests; raise the minimum SEV ASID there\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Nothing of a VM is SVM's own: its page tables are kvm.ko's, the maps are shared. */
static int svm_vm_init(struct kvm *kvm)
{
	return 0;
}

static void svm_vm_destroy(struct kvm *kvm)
{
}

static struct kvm_vendor_ops svm_ops __ro_after_init = {
	.cookie = KVM_VENDOR_COOKIE,
	.ops_size = sizeof(struct kvm_vendor_ops),
	.kvm_size = sizeof(struct kvm),
	.kvm_vcpu_size = sizeof(struct kvm_vcpu),
	.vm_size = sizeof(struct kvm),
	.vcpu_size = sizeof(struct svm_vcpu),
	.owner = THIS_MODULE,
	.name = "SVM",
	.isa = KVM_ISA_SVM,
	.format = &svm_format,

	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.vm_init = svm_vm_init,
	.vm_destroy = svm_vm_destroy,
	.vcpu_init = svm_vcpu_init,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_update = svm_vcpu_update,
	.vcpu_load = svm_vcpu_load,
	.vcpu_put = svm_vcpu_put,
	.switch_to_guest = svm_switch_to_guest,
	.enter = svm_enter,
	.host_event = svm_host_event,
	.exit_facts = svm_exit_facts,
	.flush_tlb = svm_flush_tlb,
	.set_root = svm_set_root,
	.lazy_load = svm_lazy_load,
	.set_cr0 = svm_set_cr0,
	.set_cr3 = svm_set_cr3,
	.set_cr4 = svm_set_cr4,
	.set_efer = svm_set_efer,
	.set_dr7 = svm_set_dr7,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_table = svm_get_table,
	.set_table = svm_set_table,
	.get_cpl = svm_get_cpl,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.set_tsc_offset = svm_set_tsc_offset,
	.get_shadow = svm_get_shadow,
	.set_shadow = svm_set_shadow,
	.inject = svm_inject,
	.cancel_injection = svm_cancel_injection,
	.irq_window = svm_irq_window,
	.nmi_window = svm_nmi_window,
};

static void ops_init(void)
{
	svm_ops.caps.next_rip = svm_features.nrips;
	svm_ops.caps.decode_assist = svm_features.decode_assists;
	/* The nested walk has as many levels as the host's own. */
	svm_ops.caps.tdp_levels = __read_cr4() & X86_CR4_LA57 ? 5 : 4;
	svm_format_init();
}

static int __init svm_module_init(void)
{
	int err = cpu_check();

	if (!err)
		err = features_init();
	if (err)
		return err;
	ops_init();

	err = svm_cpus_alloc();
	if (err)
		return err;
	err = svm_maps_alloc();
	if (err)
		goto err_cpus;
	err = kvm_virt_init(X86_FEATURE_SVM, NULL);
	if (err)
		goto err_maps;
	err = kvmswap_vendor_register(&svm_ops);
	if (err)
		goto err_virt;
	return 0;

err_virt:
	kvm_virt_exit(X86_FEATURE_SVM);
err_maps:
	svm_maps_free();
err_cpus:
	svm_cpus_free();
	return err;
}
module_init(svm_module_init);

static void __exit svm_module_exit(void)
{
	kvmswap_vendor_unregister(&svm_ops);
	kvm_virt_exit(X86_FEATURE_SVM);
	svm_maps_free();
	svm_cpus_free();
}
module_exit(svm_module_exit);

static const struct x86_cpu_id svm_cpu_ids[] = {
	X86_MATCH_FEATURE(X86_FEATURE_SVM, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, svm_cpu_ids);

MODULE_DESCRIPTION("Virtual machines with swappable memory on AMD CPUs (SVM, nested paging)");
MODULE_VERSION(KVM_SWAP_VERSION);
MODULE_LICENSE("GPL");
