/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine object and its life.
 */
#ifndef KVM_SWAP_VM_H
#define KVM_SWAP_VM_H

#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <kvm/io.h>
#include <kvm/types.h>
#include <kvm/memslot.h>
#include <kvm/mmu.h>
#include <kvm/strict.h>
#include <kvm/vcpu.h>

/*
 * The guest's clock: .ns at host TSC .tsc, or (not .by_tsc) the host's boot time plus
 * .boot_offset. All but .wall: .lock, which nests inside everything.
 */
struct kvm_vm_clock {
	spinlock_t lock;	/* all of it but .wall */
	bool by_tsc;
	s8 shift;			/* [o] from cycles to nanoseconds */
	u32 mul;			/* [o] */
	u64 tsc, ns;
	u64 boot_offset;
	u64 wall;			/* [a] MSR_KVM_WALL_CLOCK */
};

/*
 * Lifetime: KVM_CREATE_VM makes it with one reference held by the VM file; every
 * vcpu file and kvm_get_kvm_safe() hold one more; the last kvm_put_kvm() frees.
 * [o] written once at creation
 * [s] slots_lock for writers; readers hold srcu or run in a loaded vcpu, which
 *     is as good (core/memslot.c)
 * [l] vm->lock                   [a] atomic
 * Vendor modules embed struct kvm at offset 0 of their own structure.
 */
struct kvm {
	struct mm_struct *mm;		/* [o] mmgrab()ed */
	refcount_t users;		/* [a] */
	struct mutex lock;		/* vcpu creation, VM-wide ioctls */
	struct mutex slots_lock;	/* writers of .slots */
	struct srcu_struct srcu;	/* readers of .slots other than vcpus */
	struct kvm_memslots __rcu *slots;	/* [s] */
	struct kvm_memslots *slots_retired;	/* slots_lock: readers may still hold it */
	u64 slots_gen;			/* slots_lock; counts publications, read by vcpus */
	wait_queue_head_t slots_wq;	/* a writer waiting for vcpus to let go */
	struct lockdep_map slots_map;	/* held by loaded vcpus, for lockdep */
	struct kvm_mmu mmu;		/* its own locks: include/kvm/mmu.h */
	struct strict_vm strict;	/* its own rules: include/kvm/strict.h */
	atomic64_t tlb_gen;		/* [a] bumped by every needed guest TLB flush */
	bool dead;			/* [a] set once; every ioctl answers -EIO */
	u32 created_vcpus;		/* [l] including ones being made */
	u32 online_vcpus;		/* published (release) after .vcpus[n] */
	struct kvm_vcpu *vcpus[KVM_VCPUS_MAX];	/* [l] to add; never removed before the VM dies */
	u64 tsc_base;			/* [o] host TSC when the VM was made */
	struct kvm_vm_clock clock;
	gpa_t tss_addr, identity_map_addr;	/* [l] */
	bool exception_payload, triple_fault_event;	/* [a] KVM_ENABLE_CAP */
	u64 quirks_off;			/* [a] KVM_X86_QUIRK_*, KVM_CAP_DISABLE_QUIRKS2 */
	bool hide_platform_info;	/* [a] MSR_PLATFORM_INFO is not the guest's to read */
	struct mutex bus_lock;		/* writers of .bus, ioeventfds, coalesced zones */
	struct kvm_bus_table __rcu *bus[KVM_BUSES];	/* RCU; bus_lock to write */
	int irqchip_mode;		/* [l] enum kvm_irqchip_mode; irqchip_in_kernel() */
	u32 boot_cpu_id;		/* [l] KVM_SET_BOOT_CPU_ID, until there is a vcpu */
	struct kvm_chips *irqchip;	/* [o] routing, chips: kmod/irqchip/chip.h; its own locks */
	struct mutex irq_lock;		/* routing, listeners to acknowledgments; inside .lock */
	struct kvm_eventfds *eventfds;	/* [o] core/eventfd.h: irqfds, ioeventfds; its own locks */
	struct list_head list;		/* vm_list_lock (core/main.c) */
	struct stat_dir *debugfs;	/* [o] core/stats.c; NULL: none */
	struct {
		atomic64_t remote_tlb_flush, remote_tlb_flush_requests;
	} stat;
};

/* Does the VM have @quirk, one of KVM_X86_QUIRK_*, as VMs do by default? */
static inline bool vm_has_quirk(struct kvm *kvm, u64 quirk)
{
	return !(READ_ONCE(kvm->quirks_off) & quirk);
}

static inline u32 vm_online_vcpus(struct kvm *kvm)
{
	/* The vcpus up to it are there: pairs with vcpu_publish(). */
	return smp_load_acquire(&kvm->online_vcpus);
}

#define vm_for_each_vcpu(i, vcpu, kvm)					\
	for ((i) = 0; (i) < vm_online_vcpus(kvm) &&			\
	     ((vcpu) = (kvm)->vcpus[i], true); (i)++)

/* References for in-kernel users such as vfio; opaque to them. */
bool kvm_get_kvm_safe(struct kvm *kvm);
void kvm_put_kvm(struct kvm *kvm);

/*
 * Contain a broken VM: warn once, mark it dead, make its vcpus return -EIO.
 * The host goes on. Any context.
 */
void vm_kill(struct kvm *kvm, const char *why);

#define KVM_VM_BUG_ON(kvm, cond)					\
({									\
	bool __bad = (cond);						\
									\
	if (unlikely(__bad))						\
		vm_kill(kvm, #cond);					\
	unlikely(__bad);						\
})

/* Raise @req on every vcpu and kick those in the guest. Does not wait. */
void vm_request_all(struct kvm *kvm, enum kvm_request req);

/*
 * Flush the guest translations of every vcpu: bump tlb_gen and wait until no
 * vcpu that was in the guest with an older generation still is. IRQs on; does
 * not sleep (callable under spinlocks).
 */
void vm_flush_tlb(struct kvm *kvm);
/* Would it have to interrupt anybody? An estimate: vcpus come and go. Any context. */
bool vm_flush_interrupts(struct kvm *kvm);

#endif
