/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one table of counters, for debugfs (stats.c) and KVM_GET_STATS_FD (stats_fd.c).
 */
#ifndef KVM_SWAP_STATS_H
#define KVM_SWAP_STATS_H

#include <kvm/vcpu.h>
#include <kvm/vm.h>

enum stat_kind {
	STAT_VM,	/* atomic64_t in struct kvm */
	STAT_LEVEL,	/* atomic_long_t in struct kvm, goes up and down */
	STAT_VCPU,	/* u64 in struct kvm_vcpu */
	STAT_VCPU_NS,	/* the same, nanoseconds */
	STAT_GUEST,	/* what the memslots span */
};

struct stat_desc {
	const char *name;
	enum stat_kind kind;
	size_t offset;
};

extern const struct stat_desc stat_descs[];
extern const unsigned int stat_descs_count;

static inline bool stat_is_vcpu(const struct stat_desc *desc)
{
	return desc->kind == STAT_VCPU || desc->kind == STAT_VCPU_NS;
}

/* Shows how things are, so that clearing it makes no sense. */
static inline bool stat_is_level(const struct stat_desc *desc)
{
	return desc->kind == STAT_LEVEL || desc->kind == STAT_GUEST;
}

/* A counter of one vcpu. Racy by design. */
static inline u64 stat_read_vcpu(struct kvm_vcpu *vcpu, const struct stat_desc *desc)
{
	return READ_ONCE(*(u64 *)((void *)vcpu + desc->offset));
}

/* The VM's own, or the sum over its vcpus. */
u64 stat_read(struct kvm *kvm, const struct stat_desc *desc);

#endif
