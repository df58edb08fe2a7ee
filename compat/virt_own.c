// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtualization mode where the hypervisor owns it (up to 6.12 at least).
 *
 * VMX: SDM "Enabling and Entering VMX Operation". SVM: APM "Enabling SVM".
 */
#include <compat/config.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#ifdef KVM_HAVE_CRASH_VMCLEAR
#include <linux/kexec.h>
#endif
#include <asm/msr-index.h>
#include <asm/perf_event.h>
#include <asm/processor-flags.h>
#include <asm/reboot.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <compat/msr.h>
#include <compat/virt.h>
#include "virt.h"

/* Written by module init and exit of the one vendor module; NMIs read it. */
static void (*virt_vmclear)(void);
static int virt_feature;
static bool virt_rebooting;

/* A page per possible CPU, from kvm_virt_init() to kvm_virt_exit(). */
static DEFINE_PER_CPU(u32 *, vmxon_region);

static void vmxon_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_region, cpu));
		per_cpu(vmxon_region, cpu) = NULL;
	}
}

static int vmxon_alloc(void)
{
	u64 basic;
	int cpu;

	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	for_each_possible_cpu(cpu) {
		u32 *region = (u32 *)get_zeroed_page(GFP_KERNEL);

		if (!region) {
			vmxon_free();
			return -ENOMEM;
		}
		/* SDM "VMXON Region": bits 30:0 are the VMCS revision, bit 31 is 0. */
		region[0] = basic & GENMASK(30, 0);
		per_cpu(vmxon_region, cpu) = region;
	}
	return 0;
}

/* 0, or -EIO if it faulted or answered VMfailInvalid. */
static int virt_vmxon(phys_addr_t region)
{
	asm goto("1: vmxon %[region]\n\t"
		 "jbe %l[fail]\n\t"
		 _ASM_EXTABLE(1b, %l[fail])
		 : : [region] "m" (region) : "cc", "memory" : fail);
	return 0;
fail:
	return -EIO;
}

/* Faults mean that the mode is off already, and are ignored. */
static void virt_vmxoff(void)
{
	asm goto("1: vmxoff\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : : "cc", "memory" : off);
off:
	return;
}

static int vmx_cpu_enable(void)
{
	int ret;

	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;

	/* Processor Trace must not run across VMXON on CPUs that say so. */
	intel_pt_handle_vmx(1);
	cr4_set_bits_irqsoff(X86_CR4_VMXE);
	ret = virt_vmxon(__pa(this_cpu_read(vmxon_region)));
	if (ret) {
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
	}
	return ret;
}

static void vmx_cpu_disable(void)
{
	virt_vmxoff();
	cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

static int svm_cpu_enable(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (wrmsrq_safe(MSR_EFER, efer | EFER_SVME))
		return -EIO;
	return 0;
}

static void svm_cpu_disable(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer & ~EFER_SVME);
}

/* Does the kernel leave the mode by itself in an emergency, without being asked? */
#if !defined(KVM_HAVE_EMERGENCY_VIRT_CALLBACK) && \
	(defined(KVM_HAVE_CRASH_VMCLEAR) || defined(KVM_HAVE_EMERGENCY_VMXOFF))
#define VIRT_KERNEL_LEAVES
#endif

#ifndef VIRT_KERNEL_LEAVES

static void virt_stgi(void)
{
	asm goto("1: stgi\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : : "memory" : off);
off:
	return;
}

/* On every CPU of a dying machine, IRQs off or in an NMI, in the middle of anything. */
static void virt_emergency(void)
{
	u64 efer;

	kvm_virt_set_rebooting();
	if (virt_feature == X86_FEATURE_VMX) {
		if (!(__read_cr4() & X86_CR4_VMXE))
			return;
		if (virt_vmclear)
			virt_vmclear();
		vmx_cpu_disable();
		return;
	}

	rdmsrq(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/* With the global interrupt flag clear INIT would be lost: APM "STGI". */
	virt_stgi();
	svm_cpu_disable();
}

#endif

#if defined(KVM_HAVE_EMERGENCY_VIRT_CALLBACK)

static int emergency_register(void)
{
	cpu_emergency_register_virt_callback(virt_emergency);
	return 0;
}

static void emergency_unregister(void)
{
	cpu_emergency_unregister_virt_callback(virt_emergency);
}

#elif defined(KVM_HAVE_CRASH_VMCLEAR)

/*
 * This kernel leaves VMX operation and clears EFER.SVME itself; before that, in a
 * crash with kexec, it asks for VMCLEAR through a pointer.
 */
static void crash_vmclear(void)
{
	kvm_virt_set_rebooting();
	if (__read_cr4() & X86_CR4_VMXE)
		virt_vmclear();
}

static int emergency_register(void)
{
	if (!virt_vmclear)
		return 0;
	if (rcu_access_pointer(crash_vmclear_loaded_vmcss))
		return -EBUSY;
	rcu_assign_pointer(crash_vmclear_loaded_vmcss, crash_vmclear);
	return 0;
}

static void emergency_unregister(void)
{
	if (!virt_vmclear)
		return;
	RCU_INIT_POINTER(crash_vmclear_loaded_vmcss, NULL);
	synchronize_rcu();
}

#elif defined(VIRT_KERNEL_LEAVES)

/* No crash kernel can be started, so nobody has a use for what VMCLEAR writes back. */
static int emergency_register(void)
{
	return 0;
}

static void emergency_unregister(void)
{
}

#else

static int emergency_register(void)
{
	return emergency_hook_add(virt_emergency);
}

static void emergency_unregister(void)
{
	emergency_hook_del();
}

#endif

int kvm_virt_init(int feature, void (*vmclear)(void))
{
	int ret;

	if (virt_feature)
		return -EBUSY;
	if (feature == X86_FEATURE_VMX) {
		ret = vmxon_alloc();
		if (ret)
			return ret;
	}
	virt_vmclear = vmclear;
	virt_feature = feature;
	ret = emergency_register();
	if (ret) {
		virt_feature = 0;
		virt_vmclear = NULL;
		vmxon_free();
	}
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_virt_init);

void kvm_virt_exit(int feature)
{
	emergency_unregister();
	virt_feature = 0;
	virt_vmclear = NULL;
	vmxon_free();
}
EXPORT_SYMBOL_GPL(kvm_virt_exit);

int kvm_virt_cpu_enable(int feature)
{
	lockdep_assert_irqs_disabled();

	if (!boot_cpu_has(feature))
		return -EOPNOTSUPP;
	if (kvm_virt_rebooting())
		return -EBUSY;
	return feature == X86_FEATURE_VMX ? vmx_cpu_enable() : svm_cpu_enable();
}
EXPORT_SYMBOL_GPL(kvm_virt_cpu_enable);

void kvm_virt_cpu_disable(int feature)
{
	lockdep_assert_irqs_disabled();

	if (feature == X86_FEATURE_VMX)
		vmx_cpu_disable();
	else
		svm_cpu_disable();
}
EXPORT_SYMBOL_GPL(kvm_virt_cpu_disable);

bool kvm_virt_rebooting(void)
{
	return READ_ONCE(virt_rebooting);
}
EXPORT_SYMBOL_GPL(kvm_virt_rebooting);

void kvm_virt_set_rebooting(void)
{
	WRITE_ONCE(virt_rebooting, true);
}
