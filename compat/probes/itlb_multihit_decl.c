// SPDX-License-Identifier: GPL-2.0-only
/* itlb_multihit_kvm_mitigation was exported but declared nowhere until 6.4. */
#include <linux/types.h>
#include <asm/spec-ctrl.h>

void probe(void);
void probe(void)
{
	itlb_multihit_kvm_mitigation = true;
}
