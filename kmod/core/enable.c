// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtualization mode of the host's CPUs: on while there is a VM.
 */
#define pr_fmt(fmt) "kvm: " fmt

#include <linux/cpu.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include <compat/lifecycle.h>
#include "core.h"

/*
 * How many VMs there are. Written under hardware_lock and cpus_read_lock(); the
 * CPU hotplug callbacks read it, which the CPU hotplug lock they run under keeps
 * apart from the writers, and so does suspend, with one CPU left and IRQs off.
 */
static unsigned int hardware_users;
static DEFINE_MUTEX(hardware_lock);

static DEFINE_PER_CPU(bool, hardware_on);	/* written by its own CPU, IRQs off */
static bool hardware_ended;	/* set once: the machine is going down */

/* First error of a round over all CPUs. */
static atomic_t hardware_error;

static int hardware_enable_cpu(void)
{
	int r;

	lockdep_assert_irqs_disabled();
	if (__this_cpu_read(hardware_on))
		return 0;
	r = kvm_vendor->cpu_enable();
	if (!r)
		__this_cpu_write(hardware_on, true);
	return r;
}

static void hardware_disable_cpu(void)
{
	lockdep_assert_irqs_disabled();
	if (!__this_cpu_read(hardware_on))
		return;
	kvm_vendor->cpu_disable();
	__this_cpu_write(hardware_on, false);
}

static void hardware_enable_ipi(void *unused)
{
	int r = hardware_enable_cpu();

	if (r)
		atomic_cmpxchg(&hardware_error, 0, r);
}

static void hardware_disable_ipi(void *unused)
{
	hardware_disable_cpu();
}

int hardware_get(void)
{
	int r = 0;

	cpus_read_lock();
	mutex_lock(&hardware_lock);
	if (!hardware_users) {
		atomic_set(&hardware_error, 0);
		on_each_cpu(hardware_enable_ipi, NULL, 1);
		r = atomic_read(&hardware_error);
	}
	if (!r) {
		hardware_users++;
	} else {
		on_each_cpu(hardware_disable_ipi, NULL, 1);
		pr_err_ratelimited("a CPU refused to turn %s on (error %d); another hypervisor or the firmware holds it\n",
				   kvm_vendor->name, r);
	}
	mutex_unlock(&hardware_lock);
	cpus_read_unlock();
	return r;
}

void hardware_put(void)
{
	cpus_read_lock();
	mutex_lock(&hardware_lock);
	if (!--hardware_users)
		on_each_cpu(hardware_disable_ipi, NULL, 1);
	mutex_unlock(&hardware_lock);
	cpus_read_unlock();
}

/* A CPU that cannot do what the others do must not run a vcpu: keep it offline. */
static int hardware_cpu_up(unsigned int cpu)
{
	int r;

	if (!hardware_users)
		return 0;
	r = hardware_enable_cpu();
	if (r)
		pr_err("CPU %u refused to turn %s on (error %d); stop all virtual machines before taking it online\n",
		       cpu, kvm_vendor->name, r);
	return r;
}

static void hardware_cpu_down(unsigned int cpu)
{
	hardware_disable_cpu();
}

static int hardware_suspend(void)
{
	hardware_disable_cpu();
	return 0;
}

static void hardware_resume(void)
{
	if (hardware_users && hardware_enable_cpu())
		pr_err("%s could not be turned on again after suspend; virtual machines cannot go on, restart the host\n",
		       kvm_vendor->name);
}

static void hardware_shutdown(void)
{
	WRITE_ONCE(hardware_ended, true);
	on_each_cpu(hardware_disable_ipi, NULL, 1);
}

static const struct kvm_lifecycle_ops hardware_lifecycle = {
	.cpu_up = hardware_cpu_up,
	.cpu_down = hardware_cpu_down,
	.suspend = hardware_suspend,
	.resume = hardware_resume,
	.shutdown = hardware_shutdown,
};

int hardware_init(void)
{
	return kvm_lifecycle_register(&hardware_lifecycle);
}

void hardware_exit(void)
{
	kvm_lifecycle_unregister();
}

bool hardware_here(void)
{
	return __this_cpu_read(hardware_on);
}

void hardware_missing(struct kvm *kvm)
{
	if (READ_ONCE(hardware_ended))
		vm_stop(kvm);
	else
		vm_kill(kvm, "a vcpu met a CPU whose virtualization could not be turned on");
}
