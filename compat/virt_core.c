// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtualization mode where the core kernel owns it (by 7.2): it counts
 * users per CPU, executes VMXON and sets EFER.SVME, and leaves the mode in an
 * emergency. What remains ours is VMCLEAR.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <asm/virt.h>
#include <compat/virt.h>
#include "virt.h"

static void (*virt_vmclear)(void);

int kvm_virt_init(int feature, void (*vmclear)(void))
{
	virt_vmclear = vmclear;
	if (vmclear)
		x86_virt_register_emergency_callback(vmclear);
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_virt_init);

void kvm_virt_exit(int feature)
{
	if (virt_vmclear)
		x86_virt_unregister_emergency_callback(virt_vmclear);
	virt_vmclear = NULL;
}
EXPORT_SYMBOL_GPL(kvm_virt_exit);

int kvm_virt_cpu_enable(int feature)
{
	int ret;

	if (kvm_virt_rebooting())
		return -EBUSY;
	ret = x86_virt_get_ref(feature);
	return ret == -EFAULT ? -EIO : ret;
}
EXPORT_SYMBOL_GPL(kvm_virt_cpu_enable);

void kvm_virt_cpu_disable(int feature)
{
	x86_virt_put_ref(feature);
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
