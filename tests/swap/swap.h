/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The proof that guest RAM is ordinary memory: vcpus that never stop verifying
 * and rewriting it while the host does something to it.
 *
 * A VM has a few regions, each a memory slot with a backing of its own. Every
 * vcpu owns one stripe of every page. A region's contents are known: a seed
 * per stripe (guest.S says how a seed makes contents). Vcpus go over the
 * regions in passes, each of which verifies, writes or both, as the region's
 * policy says, and each dword that was verified counts.
 *
 * Every function ends the calling case (tap.h) when something it needs fails.
 */
#ifndef TESTS_SWAP_SWAP_H
#define TESTS_SWAP_SWAP_H

#include <stdatomic.h>

#include "vmm.h"

#define SWAP_VCPUS	4
#define SWAP_REGIONS	12
#define PAGE		4096ull

enum backing {
	BACK_ANON,	/* 4 KiB pages only */
	BACK_THP,
	BACK_SHMEM,	/* memfd */
	BACK_FILE,	/* shared mapping of a file on a disk */
	BACK_PRIVATE,	/* private mapping of a file on a disk */
	BACK_HUGE_2M,
	BACK_HUGE_1G,
};

#define ON(backing)	(1u << (backing))
#define ON_ANON		(ON(BACK_ANON) | ON(BACK_THP))
#define ON_HUGE		(ON(BACK_HUGE_2M) | ON(BACK_HUGE_1G))
#define ON_SHARED	(ON(BACK_SHMEM) | ON(BACK_FILE))
#define ON_SMALL	(ON_ANON | ON_SHARED | ON(BACK_PRIVATE))

/* What vcpus do with a region of their own accord. */
enum policy {
	POLICY_REST,	/* nothing: it is idle */
	POLICY_VERIFY,
	POLICY_CHURN,	/* verify, and write the next pattern */
	POLICY_LOOSE,	/* verify, but a zero is as good */
	POLICY_WRITE,	/* write the same pattern again and again */
};

enum pass_op { PASS_VERIFY, PASS_WRITE, PASS_CHURN };

struct swap;

/*
 * (m) swap->lock; (o) set before vcpus see it or while they are kept off;
 * (v) one element per vcpu, its own while it has a pass on the region, anybody's
 * while vcpus are kept off.
 */
struct region {
	struct swap *swap;
	enum backing backing;	/* (o) */
	unsigned int slot;	/* (o) */
	uint32_t slot_flags;	/* (o) */
	uint64_t gpa;		/* (o) */
	uint64_t size;		/* (o) of the slot, a multiple of 2 MiB */
	uint64_t used;		/* (o) its first bytes, which are worked on */
	uint8_t *hva;		/* (o) */
	int fd;			/* (o) or -1 */
	uint32_t mask;		/* (o) address bits that enter the pattern */
	uint64_t bias;		/* (o) added to an address first */
	uint32_t seed[SWAP_VCPUS];	/* (v) */
	uint64_t passes[SWAP_VCPUS];	/* (m) */
	enum policy policy;	/* (m) */
	unsigned int users;	/* (m) vcpus with a pass on it */
	atomic_bool may_fault;	/* KVM_RUN may say EFAULT: retry */
	atomic_bool may_mmio;	/* the slot comes and goes: serve accesses from ->hva */
	/* Pages that have lost their contents since vcpus are off; else NULL. */
	uint8_t *zeroed;
};

/* One pass of one vcpu: pages first..first+pages-1. */
struct pass {
	struct region *region;
	enum pass_op op;
	uint64_t first, pages;
	uint32_t seed, next;
	bool zero_ok;
	bool want_zero;		/* verify zeros instead of the pattern */
};

struct worker {
	struct swap *swap;
	struct vmm_vcpu *vcpu;
	pthread_t thread;
	unsigned int id;
	volatile int tid;
	unsigned int next_region;
	const struct pass *order;	/* (m) do this before anything else */
	unsigned int efaults, mmios;	/* its own */
};

struct swap {
	struct vmm *vm;
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* anything marked (m) */
	struct worker worker[SWAP_VCPUS];
	unsigned int vcpus;
	struct region region[SWAP_REGIONS];
	unsigned int regions;
	uint64_t next_gpa;
	bool storm;			/* (m) vcpus follow the policies */
	unsigned int paused;		/* (m) but not while this is not 0 */
	bool stop;			/* (m) */
	char debugfs[96];		/* this VM's directory; "" if there is none */
	char cgroup[96];		/* our cgroup; "" before swap_cgroup() */
	atomic_ullong verified, bad;	/* dwords */
	uint64_t host_verified;
};

/* How much at once and for how long; from the environment, see run. */
struct swap_options {
	uint64_t seed;
	unsigned int vcpus;
	unsigned int seconds;	/* of the mixed case; 0: a fixed number of actions */
	unsigned int numa_nodes;
};

extern struct swap_options swap_options;

/* guest.c: vcpus */
struct swap *swap_create(void);
void swap_start(struct swap *s);	/* vcpu threads; regions are filled already */
void swap_storm(struct swap *s, bool on);
/* Ends vcpu threads; what they had in hand is finished. */
void swap_stop(struct swap *s);
/* Waits until each vcpu has done @n more passes over @r. */
void swap_progress(struct region *r, unsigned int n);
void region_policy(struct region *r, enum policy policy);
/* Until swap_resume() vcpus only follow orders; nests. */
void swap_pause(struct swap *s);
void swap_resume(struct swap *s);
/* Orders for all vcpus, waited for; the VM is paused or the storm is off. */
void guest_verify(struct region *r, uint64_t first, uint64_t pages);
void guest_verify_zero(struct region *r, uint64_t first, uint64_t pages);
/* Writes a new pattern, or the current one again. */
void guest_fill(struct region *r, uint64_t first, uint64_t pages);
void guest_fill_new(struct region *r);
void stripe_of(struct swap *s, unsigned int vcpu, unsigned int *offset,
	       unsigned int *length);

/* region.c: backings, slots, the host's view */
bool backing_exists(enum backing backing);
struct region *region_add(struct swap *s, enum backing backing, uint64_t size);
/* How many pages of it are worked on. */
uint64_t region_pages(const struct region *r);
/* The memory behind a region again, as mmap() would make it the first time. */
void region_map_part(struct region *r, uint64_t first, uint64_t pages);
void host_verify(struct region *r, uint64_t first, uint64_t pages);
/* @hva holds what @seed of the region (per vcpu) says for that page. */
uint64_t host_page_bad(const struct region *r, const uint8_t *hva, uint64_t page,
		       const uint32_t *seed);
void host_page_fill(const struct region *r, uint8_t *hva, uint64_t page,
		    const uint32_t *seed);
bool host_page_zero(const uint8_t *hva);
uint64_t host_resident(const void *hva, uint64_t size);
bool page_has(const void *hva, unsigned int pagemap_bit);
/* Guest and host verify all of it, pages marked in ->zeroed as zeros; refills those. */
void region_check(struct region *r);
void region_zeroed(struct region *r, uint64_t first, uint64_t pages);
/* Pages that wait in a CPU's batch for the LRU cannot be taken by anybody: no more do. */
void lru_drain(struct swap *s);
/* All of the region out of memory, while vcpus are off it; false: cannot be. */
void region_drive_out(struct region *r);
void swap_check_all(struct swap *s);
void swap_check_counters(struct swap *s);

/* host.c: the rest of the host */
uint64_t prng(void);
void prng_seed(uint64_t seed);
uint64_t random_below(uint64_t n);
/* A random part of a region, in pages, aligned to @align pages. */
void random_range(const struct region *r, uint64_t align, uint64_t *first,
		  uint64_t *pages);
void jitter(void);
bool host_has(const char *path);
/* Pages that only go together: 1, or a huge page. */
uint64_t region_unit(const struct region *r);
/* The size of @pages and of what goes with them. */
uint64_t region_bytes(const struct region *r, uint64_t pages);
/* 0 or -errno. */
int host_try_write(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void host_write(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The number after @key at a line's start; the file's only number if @key is NULL. */
bool host_number(const char *path, const char *key, uint64_t *value);
uint64_t vmstat(const char *key);
/* How much a counter of /proc/vmstat has grown since the case began. */
void vmstat_begin(void);
uint64_t vmstat_since(const char *key);
bool vm_stat(struct swap *s, const char *name, uint64_t *value);
void swap_cgroup(struct swap *s);
void cgroup_limit(struct swap *s, const char *file, uint64_t bytes);
/* Fresh pages get a pattern and must keep it: nobody else may write to them. */
void canary(void);
uint64_t scaled_mib(unsigned int mib);
unsigned int slowness(void);
/* When what has to happen has not happened, on a busy machine either. */
uint64_t patience(void);
/* Has the host's kernel its checks on? It is slow then, and keeps what is freed a while. */
bool host_checked(void);

/* action.c */
struct action {
	const char *name;
	unsigned int backings;		/* the mixed case uses it on these */
	unsigned int rounds;		/* how often it is applied when alone */
	unsigned int mib;		/* size of its region when alone */
	/*
	 * Does it once while vcpus churn. Afterwards they churn again and the
	 * region's contents are what its seeds say.
	 */
	void (*apply)(struct region *r);
	/* NULL, or a function that says why this machine cannot (NULL: it can). */
	const char *(*missing)(void);
	/* After the rounds of the case of its own: has it really happened? */
	void (*proof)(struct region *r);
};

extern const struct action *const actions[];
void run_alone(const struct action *a, enum backing backing);
/* A VM with a small busy region, not started yet. */
struct swap *run_begin(void);

#define ACTION_CASE(id, action, backing, text)				\
	TEST(id, text)							\
	{								\
		run_alone(&(action), backing);				\
	}

void swap_finish(struct swap *s);

#endif
