// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints' home, and the names they print.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include <kvm/trace.h>
#include <kvm/trace_irq.h>
#include "core.h"

#define EXIT_NAMES_MAX	112
#define EXIT_NAME_LEN	28

/*
 * Copies: a trace may be read after the vendor module is gone, and the trace
 * code prints only strings it finds inside the module that owns the event.
 * Written at registration; the same vendor writes the same values again.
 */
static struct {
	u32 reason;
	char name[EXIT_NAME_LEN];
} exit_names[2][EXIT_NAMES_MAX];

static int exit_names_index(u32 isa)
{
	return isa == KVM_ISA_SVM;
}

void trace_exit_names_set(u32 isa, const struct kvm_exit_name *names)
{
	int set = exit_names_index(isa), i;

	for (i = 0; names && names[i].name && i < EXIT_NAMES_MAX; i++) {
		exit_names[set][i].reason = names[i].reason;
		strscpy(exit_names[set][i].name, names[i].name, EXIT_NAME_LEN);
	}
}

const char *trace_exit_name(u32 isa, u32 reason)
{
	int set = exit_names_index(isa), i;

	for (i = 0; i < EXIT_NAMES_MAX && exit_names[set][i].name[0]; i++)
		if (exit_names[set][i].reason == reason)
			return exit_names[set][i].name;
	return "UNKNOWN";
}

const char *trace_run_name(u32 reason)
{
	static const char names[][20] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "io",
		[KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "hlt",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq-window-open",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail-entry",
		[KVM_EXIT_INTR] = "intr",
		[KVM_EXIT_INTERNAL_ERROR] = "internal-error",
	};

	if (reason < ARRAY_SIZE(names) && names[reason][0])
		return names[reason];
	return "other";
}
