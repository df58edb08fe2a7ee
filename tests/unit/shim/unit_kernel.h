/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the kernel's headers to build the emulator's files and
 * include/kvm in userspace. The Makefile makes every kernel header those name
 * a file that includes this one.
 */
#ifndef UNIT_KERNEL_H
#define UNIT_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef s8 __s8;
typedef s16 __s16;
typedef s32 __s32;
typedef u16 __le16;
typedef u32 __le32;
typedef unsigned long long __u64;
typedef long long __s64;

#define __user
#define __force
#define __rcu
#define U16_MAX		0xffffu
#define U32_MAX		0xffffffffu
#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define GENMASK_ULL(h, l) (((~0ULL) << (l)) & (~0ULL >> (63 - (h))))
#define likely(x)	(x)
#define unlikely(x)	(x)
#define READ_ONCE(x)	(x)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define min(a, b)	((a) < (b) ? (a) : (b))
#define min_t(t, a, b)	((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

/* Containers of include/kvm that these files never look into. */
struct mutex { int unused; };
struct srcu_struct { int unused; };
struct preempt_notifier { int unused; };
struct kvm_notifier { int unused; };
struct kvm_guest_fpu { int unused; };
struct list_head { struct list_head *next, *prev; };
struct rcu_head { int unused; };
struct work_struct { int unused; };
struct lockdep_map { int unused; };
struct rcuwait { int unused; };
struct hrtimer { int unused; };
struct file;
typedef struct { int unused; } rwlock_t, spinlock_t, raw_spinlock_t, wait_queue_head_t;
typedef s64 ktime_t;
typedef struct { int value; } refcount_t;
typedef struct { int value; } atomic_t;
typedef struct { long value; } atomic_long_t, atomic64_t;
struct module;
struct dentry;
struct page;
struct pid;
struct mm_struct;

#define rcu_access_pointer(p)	(p)
#define lockdep_assert_held(l)	do { } while (0)
#define smp_wmb()		do { } while (0)
#define smp_load_acquire(p)	(*(p))

static inline void set_bit(long n, unsigned long *p)
{
	p[n / 64] |= 1UL << (n % 64);
}

/* Memory and its accesses by "user" address; machine.c says which are valid. */
#define EXPORT_SYMBOL_GPL(s)	struct mutex
#define GFP_KERNEL_ACCOUNT	0
#define kzalloc(size, flags)	calloc(1, size)
#define kfree			free
#define array_index_nospec(i, n) (i)
#define _ASM_EXTABLE_UA(from, to) ""

bool unit_user_ok(const void *uaddr, unsigned long len);

#define user_access_begin(p, len) unit_user_ok(p, len)
#define user_access_end()	do { } while (0)
#define get_user(x, p)							\
({									\
	int r_ = unit_user_ok(p, sizeof(*(p))) ? 0 : -EFAULT;		\
									\
	if (!r_)							\
		memcpy(&(x), p, sizeof(*(p)));				\
	r_;								\
})

#define unsafe_get_user(x, p, label)					\
do {									\
	if (get_user(x, p))						\
		goto label;						\
} while (0)

static inline unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	if (!unit_user_ok(from, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

static inline unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	if (!unit_user_ok(to, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

extern bool unit_signal_pending;

#define current			NULL
#define signal_pending(task)	(unit_signal_pending)

/* asm/trapnr.h, asm/msr-index.h, asm/cpufeatures.h: architectural numbers */
#define X86_TRAP_DE	0
#define X86_TRAP_DB	1
#define X86_TRAP_BR	5
#define X86_TRAP_UD	6
#define X86_TRAP_NM	7
#define X86_TRAP_NP	11
#define X86_TRAP_SS	12
#define X86_TRAP_GP	13
#define X86_TRAP_PF	14
#define X86_TRAP_MF	16
#define EFER_LMA	(1 << 10)
#define EFER_NX		(1 << 11)
#define X86_FEATURE_MMX	(0 * 32 + 23)
#define X86_FEATURE_XMM	(0 * 32 + 25)
#define X86_FEATURE_XMM2 (0 * 32 + 26)
#define X86_FEATURE_GBPAGES (1 * 32 + 26)
#define X86_FEATURE_XMM3 (4 * 32 + 0)
#define X86_FEATURE_MOVBE (4 * 32 + 22)
#define X86_FEATURE_AVX	(4 * 32 + 28)
#define XFEATURE_MASK_SSE (1 << 1)
#define XFEATURE_MASK_YMM (1 << 2)

#include <asm/processor-flags.h>
#include <linux/kvm.h>

#endif
