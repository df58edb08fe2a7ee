// SPDX-License-Identifier: GPL-2.0-only
/*
 * The administrator's choice about L1TF; exported with CONFIG_KVM_INTEL only.
 * Exports: l1tf_mitigation
 */
#include <asm/processor.h>

bool probe(void);
bool probe(void)
{
	return l1tf_mitigation == L1TF_MITIGATION_OFF;
}
