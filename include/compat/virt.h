/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPU's virtualization mode: on, off, and off in an emergency.
 *
 * Newer kernels own VMXON and EFER.SVME themselves; on older ones compat/virt.c
 * does. @feature is X86_FEATURE_VMX or X86_FEATURE_SVM everywhere.
 */
#ifndef KVM_COMPAT_VIRT_H
#define KVM_COMPAT_VIRT_H

#include <linux/types.h>
#include <asm/cpufeatures.h>
#include "config.h"

/**
 * kvm_virt_init() - get ready to enable @feature on any CPU
 * @vmclear: VMX: make the current CPU's loaded VMCSs safe to leave behind; runs
 *	in NMI context of a crashing machine. NULL for SVM.
 *
 * Allocates what each CPU needs and registers for crash and emergency restart:
 * from here on a dying kernel leaves @feature's mode on every CPU, calling
 * @vmclear first where it is on. Context: module init, may sleep.
 * Return: 0, -ENOMEM, -EBUSY (somebody else serves emergencies).
 */
int kvm_virt_init(int feature, void (*vmclear)(void));

/* After kvm_virt_cpu_disable() on every CPU; no callback runs after it. May sleep. */
void kvm_virt_exit(int feature);

/*
 * [I] Turn @feature's mode on or off on this CPU. enable: 0, -EBUSY (another
 * hypervisor has it, or the machine is going down), -EOPNOTSUPP (the kernel has
 * cleared the feature), -EIO (the CPU refused). disable: only after a successful
 * enable.
 */
int kvm_virt_cpu_enable(int feature);
void kvm_virt_cpu_disable(int feature);

/*
 * The machine is going down and the mode may be off already: VMX and SVM
 * instructions may fault, their failures mean nothing. Any context.
 */
bool kvm_virt_rebooting(void);

#endif
