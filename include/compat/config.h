/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one door to what configure found out about the target kernel.
 */
#ifndef KVM_COMPAT_CONFIG_H
#define KVM_COMPAT_CONFIG_H

#include "../../generated/config.h"

#endif
