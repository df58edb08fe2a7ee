// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kprobe and a kretprobe on functions that compat/notifier_hooked.c hooks, for
 * tests/backport. The parameters tell how often each was entered and left.
 */
#define pr_fmt(fmt) "hookprobe: " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>

/* In the order of spots[]; probes of several CPUs may lose a count. */
static unsigned int entered[7], left[7];
module_param_array(entered, uint, NULL, 0444);
MODULE_PARM_DESC(entered, "how often each function was entered");
module_param_array(left, uint, NULL, 0444);
MODULE_PARM_DESC(left, "how often each function was left");

/* A handler does not learn which function it is for in the same way on all kernels. */
#define SPOT_HANDLERS(n)							\
	static int spot_enter_##n(struct kprobe *p, struct pt_regs *regs)	\
	{									\
		entered[n]++;							\
		return 0;							\
	}									\
	static int spot_leave_##n(struct kretprobe_instance *i, struct pt_regs *regs) \
	{									\
		left[n]++;							\
		return 0;							\
	}

#define SPOT(n, function) {							\
	.entry = { .symbol_name = function, .pre_handler = spot_enter_##n },	\
	.exit = { .kp.symbol_name = function, .handler = spot_leave_##n },	\
}

SPOT_HANDLERS(0)
SPOT_HANDLERS(1)
SPOT_HANDLERS(2)
SPOT_HANDLERS(3)
SPOT_HANDLERS(4)
SPOT_HANDLERS(5)
SPOT_HANDLERS(6)

static struct {
	struct kprobe entry;
	struct kretprobe exit;
} spots[] = {
	SPOT(0, "flush_tlb_mm_range"),
	SPOT(1, "arch_tlbbatch_flush"),
	SPOT(2, "try_to_unmap_one"),
	SPOT(3, "try_to_unmap_flush"),
	SPOT(4, "exit_mmap"),
	SPOT(5, "ptep_clear_flush_young"),
	SPOT(6, "ptep_test_and_clear_young"),
};

static void spots_remove(unsigned int n)
{
	while (n--) {
		unregister_kretprobe(&spots[n].exit);
		unregister_kprobe(&spots[n].entry);
	}
}

static int __init hookprobe_init(void)
{
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(spots); i++) {
		r = register_kprobe(&spots[i].entry);
		if (r)
			goto err;
		r = register_kretprobe(&spots[i].exit);
		if (r) {
			unregister_kprobe(&spots[i].entry);
			goto err;
		}
	}
	return 0;

err:
	pr_err("%s cannot be probed (%d)\n", spots[i].entry.symbol_name, r);
	spots_remove(i);
	return r;
}

static void __exit hookprobe_exit(void)
{
	spots_remove(ARRAY_SIZE(spots));
}

module_init(hookprobe_init);
module_exit(hookprobe_exit);
MODULE_DESCRIPTION("Probes what kvm hooks, for tests");
MODULE_LICENSE("GPL");
