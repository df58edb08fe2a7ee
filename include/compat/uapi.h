/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The newest parts of the userspace ABI, which older kernels' <linux/kvm.h> lacks.
 * Userspace brings its own header, so all of it is served on every kernel.
 */
#ifndef KVM_COMPAT_UAPI_H
#define KVM_COMPAT_UAPI_H

#include <linux/build_bug.h>
#include <linux/kvm.h>

#ifndef KVM_CAP_SREGS2
#define KVM_CAP_SREGS2			200
#endif
#ifndef KVM_CAP_BINARY_STATS_FD
#define KVM_CAP_BINARY_STATS_FD		203
#endif
#ifndef KVM_CAP_XSAVE2
#define KVM_CAP_XSAVE2			208
#endif
#ifndef KVM_CAP_SYS_ATTRIBUTES
#define KVM_CAP_SYS_ATTRIBUTES		209
#endif
#ifndef KVM_CAP_DISABLE_QUIRKS2
#define KVM_CAP_DISABLE_QUIRKS2		213
#endif
#ifndef KVM_X86_QUIRK_FIX_HYPERCALL_INSN
#define KVM_X86_QUIRK_FIX_HYPERCALL_INSN	0x20
#endif
#ifndef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#define KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS	0x40
#endif
#ifndef KVM_CAP_X86_TRIPLE_FAULT_EVENT
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT	218
#endif

#ifndef KVM_GET_XSAVE2
#define KVM_GET_XSAVE2			_IOR(KVMIO, 0xcf, struct kvm_xsave)
#endif

#ifndef KVM_GET_SREGS2
struct kvm_sregs2 {
	struct kvm_segment cs, ds, es, fs, gs, ss;
	struct kvm_segment tr, ldt;
	struct kvm_dtable gdt, idt;
	__u64 cr0, cr2, cr3, cr4, cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 flags;
	__u64 pdptrs[4];
};

#define KVM_SREGS2_FLAGS_PDPTRS_VALID	1
#define KVM_GET_SREGS2			_IOR(KVMIO, 0xcc, struct kvm_sregs2)
#define KVM_SET_SREGS2			_IOW(KVMIO, 0xcd, struct kvm_sregs2)
#endif
static_assert(sizeof(struct kvm_sregs2) == 320);

#ifndef KVM_X86_XCOMP_GUEST_SUPP
#define KVM_X86_XCOMP_GUEST_SUPP	0
#endif

#ifndef KVM_PIT_FLAGS_SPEAKER_DATA_ON
#define KVM_PIT_FLAGS_SPEAKER_DATA_ON	0x00000002
#endif

#ifndef KVM_CLOCK_REALTIME
#define KVM_CLOCK_REALTIME		0x4
#define KVM_CLOCK_HOST_TSC		0x8
#endif

#ifndef KVM_GET_STATS_FD
struct kvm_stats_header {
	__u32 flags;
	__u32 name_size;
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

struct kvm_stats_desc {
	__u32 flags;
	__s16 exponent;
	__u16 size;
	__u32 offset;
	__u32 bucket_size;
	char name[];
};

#define KVM_STATS_TYPE_CUMULATIVE	0x000
#define KVM_STATS_TYPE_INSTANT		0x001
#define KVM_STATS_UNIT_SECONDS		0x020
#define KVM_STATS_BASE_POW10		0x000
#define KVM_GET_STATS_FD		_IO(KVMIO, 0xce)
#endif

/* struct kvm_vcpu_events: .triple_fault.pending is the byte behind .smi. */
#ifndef KVM_VCPUEVENT_VALID_TRIPLE_FAULT
#define KVM_VCPUEVENT_VALID_TRIPLE_FAULT	0x20
#endif
static_assert(sizeof(struct kvm_vcpu_events) == 64);

#endif
