// SPDX-License-Identifier: GPL-2.0-only
/* By 7.2 VMXON and EFER.SVME belonged to the core kernel, which counts users. */
#include <linux/types.h>
#include <asm/cpufeatures.h>
#include <asm/virt.h>

int probe(void);
int probe(void)
{
	return virt_rebooting ? 0 : x86_virt_get_ref(X86_FEATURE_VMX);
}
