// SPDX-License-Identifier: GPL-2.0-only
/* The mark that an interrupt leaves for COND flushes can be read with KVM for Intel only. */
#include <linux/types.h>
#include <asm/hardirq.h>

bool probe(void);
bool probe(void)
{
	kvm_clear_cpu_l1tf_flush_l1d();
	return kvm_get_cpu_l1tf_flush_l1d();
}
