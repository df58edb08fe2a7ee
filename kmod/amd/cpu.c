// SPDX-License-Identifier: GPL-2.0-only
/*
 * One CPU's SVM: the pages it needs, on and off, and its address space IDs.
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <compat/mitigation.h>
#include <compat/msr.h>
#include <compat/virt.h>
#include <kvm/debug.h>
#include "svm.h"

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

void svm_cpus_free(void)
{
	int i;

	for_each_possible_cpu(i) {
		struct svm_cpu *cpu = per_cpu_ptr(&svm_cpu, i);

		if (cpu->pages)
			__free_pages(cpu->pages, 1);
		cpu->pages = NULL;
	}
}

/* For every CPU that may ever come up, so that bringing one up cannot fail here. */
int svm_cpus_alloc(void)
{
	int i;

	for_each_possible_cpu(i) {
		struct svm_cpu *cpu = per_cpu_ptr(&svm_cpu, i);

		cpu->pages = alloc_pages_node(cpu_to_node(i),
					      GFP_KERNEL | __GFP_ZERO, 1);
		if (!cpu->pages) {
			svm_cpus_free();
			return -ENOMEM;
		}
		cpu->host_pa = __sme_set(page_to_phys(cpu->pages) + PAGE_SIZE);
	}
	return 0;
}

/* The kvm_vendor_ops callback. */
int svm_cpu_enable(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	int err = kvm_virt_cpu_enable(X86_FEATURE_SVM);

	if (err)
		return err;

	kvm_mitigate_svm_cpu(true);
	wrmsrq(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(cpu->pages)));
	if (svm_features.tsc_aux)
		rdmsrq(MSR_TSC_AUX, cpu->tsc_aux);

	/*
	 * Whatever ran here before left translations behind: disown every ASID
	 * given so far, and have the first new one flush.
	 */
	cpu->asid_generation++;
	cpu->asid_next = svm_features.asid_min;
	cpu->flush_all = true;
	return 0;
}

/* The kvm_vendor_ops callback. */
void svm_cpu_disable(void)
{
	kvm_mitigate_svm_cpu(false);
	kvm_virt_cpu_disable(X86_FEATURE_SVM);
}

/*
 * svm_asid_assign() - give @svm an ASID nobody uses on this CPU
 *
 * When they run out, all start anew under a new generation, and every vcpu that
 * gets one flushes the whole TLB until an entry has really done so: an entry
 * the hardware refused may not have. Context: [I]
 */
void svm_asid_assign(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	struct svm_control *control = &svm->vmcb->control;

	if (cpu->asid_next > svm_features.asid_max) {
		cpu->asid_generation++;
		cpu->asid_next = svm_features.asid_min;
		cpu->flush_all = true;
	}
	if (cpu->flush_all && !KVM_SEEDED_FAULT(16))
		control->tlb_control = SVM_TLB_FLUSH_ALL;

	control->asid = cpu->asid_next++;
	svm->asid_generation = cpu->asid_generation;
}
