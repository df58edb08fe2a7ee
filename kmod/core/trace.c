// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints' home.
 */
#define CREATE_TRACE_POINTS
#include <kvm/trace.h>
#include <kvm/trace_irq.h>
