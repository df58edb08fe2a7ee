// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU hotplug, suspend and shutdown.
 */
#include <linux/cpuhotplug.h>
#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/syscore_ops.h>
#include <compat/lifecycle.h>
#include "virt.h"

/* The one client; set before registration, cleared after it ended. */
static const struct kvm_lifecycle_ops *lifecycle_ops;

/*
 * Where vcpus stop running on a CPU that goes down. The online state runs after
 * every user thread has left the CPU and can refuse one that comes up; where
 * there is none, the starting state runs in the stopped machine and cannot.
 */
#ifdef KVM_HAVE_CPUHP_KVM_ONLINE
#define LIFECYCLE_STATE		CPUHP_AP_KVM_ONLINE
#define LIFECYCLE_MAY_REFUSE	true
#else
#define LIFECYCLE_STATE		CPUHP_AP_KVM_STARTING
#define LIFECYCLE_MAY_REFUSE	false
#endif

static int lifecycle_cpu_up(unsigned int cpu)
{
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = lifecycle_ops->cpu_up(cpu);
	local_irq_restore(flags);

	return LIFECYCLE_MAY_REFUSE ? ret : 0;
}

static int lifecycle_cpu_down(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	lifecycle_ops->cpu_down(cpu);
	local_irq_restore(flags);
	return 0;
}

static void lifecycle_do_shutdown(void)
{
	kvm_virt_set_rebooting();
	lifecycle_ops->shutdown();
}

/*
 * Where the kernel has the online state, kexec runs the syscore shutdown too, which
 * is as late as can be. Before, only reboot notifiers see every way down.
 */
#ifdef KVM_HAVE_CPUHP_KVM_ONLINE

#define lifecycle_reboot_add()	do { } while (0)
#define lifecycle_reboot_del()	do { } while (0)
#define lifecycle_late_shutdown	lifecycle_do_shutdown

#else

static int lifecycle_reboot(struct notifier_block *nb, unsigned long how, void *data)
{
	lifecycle_do_shutdown();
	return NOTIFY_OK;
}

static struct notifier_block lifecycle_reboot_nb = {
	.notifier_call = lifecycle_reboot,
};

#define lifecycle_reboot_add()	register_reboot_notifier(&lifecycle_reboot_nb)
#define lifecycle_reboot_del()	unregister_reboot_notifier(&lifecycle_reboot_nb)

static void lifecycle_late_shutdown(void)
{
}

#endif

#ifdef KVM_HAVE_SYSCORE_DATA

static int lifecycle_suspend(void *data)
{
	return lifecycle_ops->suspend();
}

static void lifecycle_resume(void *data)
{
	lifecycle_ops->resume();
}

static void lifecycle_shutdown(void *data)
{
	lifecycle_late_shutdown();
}

static const struct syscore_ops lifecycle_syscore_ops = {
	.suspend = lifecycle_suspend,
	.resume = lifecycle_resume,
	.shutdown = lifecycle_shutdown,
};

static struct syscore lifecycle_syscore = {
	.ops = &lifecycle_syscore_ops,
};

#define lifecycle_syscore_add()	register_syscore(&lifecycle_syscore)
#define lifecycle_syscore_del()	unregister_syscore(&lifecycle_syscore)

#else

static int lifecycle_suspend(void)
{
	return lifecycle_ops->suspend();
}

static void lifecycle_resume(void)
{
	lifecycle_ops->resume();
}

static struct syscore_ops lifecycle_syscore_ops = {
	.suspend = lifecycle_suspend,
	.resume = lifecycle_resume,
	.shutdown = lifecycle_late_shutdown,
};

#define lifecycle_syscore_add()	register_syscore_ops(&lifecycle_syscore_ops)
#define lifecycle_syscore_del()	unregister_syscore_ops(&lifecycle_syscore_ops)

#endif

int kvm_lifecycle_register(const struct kvm_lifecycle_ops *ops)
{
	int ret;

	if (lifecycle_ops)
		return -EBUSY;
	lifecycle_ops = ops;
	ret = cpuhp_setup_state_nocalls(LIFECYCLE_STATE, "kvm-swap/cpu:online",
					lifecycle_cpu_up, lifecycle_cpu_down);
	if (ret < 0) {
		lifecycle_ops = NULL;
		return ret;
	}
	lifecycle_syscore_add();
	lifecycle_reboot_add();
	return 0;
}

void kvm_lifecycle_unregister(void)
{
	lifecycle_reboot_del();
	lifecycle_syscore_del();
	cpuhp_remove_state_nocalls(LIFECYCLE_STATE);
	lifecycle_ops = NULL;
}
