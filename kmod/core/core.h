/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to kmod/core: what its files ask of each other.
 */
#ifndef KVM_SWAP_CORE_H
#define KVM_SWAP_CORE_H

#include <linux/fs.h>
#include <kvm/vendor.h>
#include <kvm/vm.h>
#include <kvm/vcpu.h>

/* main.c: every VM alive, for the statistics over all of them. */
extern struct mutex vm_list_lock;
extern struct list_head vm_list;	/* kvm->list, under vm_list_lock */

/* device.c: /dev/kvm. May sleep. */
int kvmdev_register(void);
void kvmdev_unregister(void);

/* vendor.c: pin and release the registered vendor's module. */
bool vendor_get(void);		/* false: there is none, or it is going away */
void vendor_put(void);

/* enable.c: virtualization mode of the host's CPUs. May sleep. */
int hardware_init(void);	/* kvm_vendor is set */
void hardware_exit(void);
/* Is this CPU in that mode? [P] */
bool hardware_here(void);
/* A vcpu of @kvm has come to a CPU that is not: the VM ends. Any context. */
void hardware_missing(struct kvm *kvm);
int hardware_get(void);		/* the first user turns it on: 0, -EBUSY, -EIO, ... */
void hardware_put(void);	/* the last one turns it off */

/* caps.c: what KVM_CHECK_EXTENSION answers; 0 for anything unknown. */
int caps_check(unsigned long cap);
/* KVM_ENABLE_CAP. May sleep. 0, or -EINVAL: nothing to enable here, flags, bad arguments. */
int caps_enable_vm(struct kvm *kvm, const struct kvm_enable_cap *cap);
int caps_enable_vcpu(struct kvm_vcpu *vcpu, const struct kvm_enable_cap *cap);

/* vm.c: KVM_CREATE_VM. Returns a file descriptor or a negative errno. */
int vm_create(unsigned long type);
/* May this task use @kvm now? 0, or -EIO: another process's VM, or a dead one. */
int vm_usable(const struct kvm *kvm);
/* Make every ioctl answer -EIO from now on. False: it did so already. Any context. */
bool vm_stop(struct kvm *kvm);

/* vcpu.c: KVM_CREATE_VCPU, under kvm->lock. A file descriptor or a negative errno. */
int vcpu_create(struct kvm *kvm, unsigned long id);
void vcpu_destroy(struct kvm_vcpu *vcpu);
int vcpu_cache_init(void);	/* kvm_vendor is set */
void vcpu_cache_exit(void);

/* halt.c */
void vcpu_wait(struct kvm_vcpu *vcpu);

/* run.c */
void run_init(void);		/* kvm_vendor is set */
/*
 * Between these two the vcpu's state is in reach of the vendor and follows the
 * thread from CPU to CPU; it may read the memslots. Called under vcpu->mutex.
 */
void vcpu_load(struct kvm_vcpu *vcpu);
void vcpu_put(struct kvm_vcpu *vcpu);
void vcpu_run_init(struct kvm_vcpu *vcpu);
/* KVM_RUN, under vcpu->mutex. 0 with kvm_run filled in, or a negative errno. */
int vcpu_run(struct kvm_vcpu *vcpu);

/* memslot.c: KVM_GET_DIRTY_LOG. 0, -EINVAL, -ENOENT, -ENOMEM, -EFAULT, -EINTR. */
int memslot_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log);

/* flush.c */
int flush_init(void);
void flush_exit(void);

/* stats.c: debugfs. Failures there cost only the statistics. */
void stats_init(void);
void stats_exit(void);
void stats_vm_create(struct kvm *kvm, int fd);
void stats_vm_destroy(struct kvm *kvm);
void stats_vcpu_create(struct kvm_vcpu *vcpu);

/* stats_fd.c: KVM_GET_STATS_FD; @vcpu NULL: the VM's. A file descriptor or a negative errno. */
int stats_fd(struct kvm *kvm, struct kvm_vcpu *vcpu);

#endif
