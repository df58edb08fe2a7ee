/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of compat/ only.
 */
#ifndef KVM_COMPAT_PRIVATE_MITIGATION_H
#define KVM_COMPAT_PRIVATE_MITIGATION_H

#include <linux/types.h>
#include <asm/spec-ctrl.h>
#include <compat/config.h>

#ifndef KVM_HAVE_ITLB_MULTIHIT_DECL
/* Exported, but in no header. */
extern bool itlb_multihit_kvm_mitigation;
#endif

#endif
