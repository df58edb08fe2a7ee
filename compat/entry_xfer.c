// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return-to-user work on the way into the guest.
 */
#include <linux/export.h>
#include <linux/kvm.h>
#include <compat/entry.h>

DEFINE_PER_CPU(unsigned long, kvm_rcu_noted);
EXPORT_PER_CPU_SYMBOL_GPL(kvm_rcu_noted);

#ifdef KVM_HAVE_XFER_WORK_VOID

int kvm_guest_work_handle(bool masked)
{
	return xfer_to_guest_mode_handle_work();
}

#else

/*
 * Here the kernel's function also notes a pending signal in the in-tree vcpu it
 * is given: it stores through that object's kvm_run pointer and counts in the
 * object. Task work, rseq and cgroup throttling are out of a module's reach any
 * other way, so it gets a dummy: far larger than any such object, and whatever
 * word it takes for the pointer leads to a dummy kvm_run. Shared by all threads:
 * nothing reads what lands in it, and the words used as pointers are never
 * written.
 */
#define DUMMY_WORDS	(64 * 1024 / sizeof(void *))

static struct kvm_run dummy_run;
static void *dummy_vcpu[DUMMY_WORDS] = {
	[0 ... DUMMY_WORDS - 1] = &dummy_run,
};

int kvm_guest_work_handle(bool masked)
{
	return xfer_to_guest_mode_handle_work((struct kvm_vcpu *)dummy_vcpu);
}

#endif
