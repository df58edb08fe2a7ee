// SPDX-License-Identifier: GPL-2.0-only
/* By 7.2: a feature bit for "clear buffers if the guest can reach MMIO". */
#include <asm/cpufeature.h>

bool probe(void);
bool probe(void)
{
	return boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF_VM_MMIO);
}
