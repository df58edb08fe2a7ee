/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Make the n-th thing that can fail inside a system call fail.
 *
 * A kernel with fault injection counts a task's slab allocations, page
 * allocations and user copies, and makes the one fail whose number was written
 * to /proc/thread-self/fail-nth. A sweep does one step again and again, each
 * time on a scene made afresh, with n = 1, 2, 3, ..., until the step ends before
 * its n-th chance to fail.
 */
#ifndef TESTS_FAULT_INJECT_H
#define TESTS_FAULT_INJECT_H

#include "vmm.h"

#define SCENE_LOG	16

/* What a system call says, as a step says it. */
#define RESULT(expr) ((expr) < 0 ? -errno : 0)

/* What one trial works on; made by prepare, gone after finish. */
struct scene {
	struct vmm *vm;
	struct vmm_vcpu *vcpu;
	uint8_t *hva;		/* memory of slot 1 */
	uint64_t size;		/* its bytes */
	int fd;
	int stage;		/* how far a step of several calls has come */
	pid_t child;
	uint64_t value;
	/* Device accesses of the guest, in order. */
	unsigned int accesses;
	uint64_t log[SCENE_LOG];
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_fpu fpu;
		struct kvm_mp_state mp;
		uint8_t bytes[4096];
	} was, now;
};

struct sweep {
	/* Nothing fails here. */
	void (*prepare)(struct scene *s);
	/*
	 * The step under test: 0 or -errno. After an error it is called again and
	 * goes on where it stopped. It must not call what ends the case.
	 */
	int (*step)(struct scene *s);
	/* After an error and before the second try: nothing may have changed. */
	void (*refused)(struct scene *s);
	/* After success: what was asked for has happened, wholly. */
	void (*check)(struct scene *s);
	/* NULL: scene_end() */
	void (*finish)(struct scene *s);
	/* The step has places that cannot but fail: a sweep without is a fault. */
	bool fails;
	int also;	/* one more error that the step may give */
};

void sweep_run(const struct sweep *sweep);

/* The n-th chance from now on fails; 0: none. */
void inject_arm(unsigned int n);
/* Disarms; true if something was made to fail. */
bool inject_hit(void);

/* A long-mode vcpu in 1 MiB of RAM. */
void scene_boot(struct scene *s);
/* The same, when it has run once. */
void scene_boot_run(struct scene *s);
/* Memory of @size bytes as slot 1 at GPA_SLOT. */
void scene_slot(struct scene *s, uint64_t size, unsigned int flags);
/* The same with memory that is there already. */
void scene_slot_at(struct scene *s, uint8_t *hva, uint64_t size,
		   unsigned int flags);
/* Size bytes aligned to 2 MiB, as huge pages if there are any, or never so. */
uint8_t *scene_map(uint64_t size, bool huge);
void scene_end(struct scene *s);

/*
 * Registers for a guest that stores (or compares) @count values, beginning with
 * @value and each one more than the last, @stride bytes apart from @gpa on.
 */
void scene_fill(struct scene *s, uint64_t gpa, uint64_t count, uint64_t stride,
		uint64_t value);
void scene_compare(struct scene *s, uint64_t gpa, uint64_t count,
		   uint64_t stride, uint64_t value);
/*
 * KVM_RUN until HLT, answering device reads and keeping a log of them: 0, an
 * error of KVM_RUN, or -EPROTO for any other exit.
 */
int scene_drive(struct scene *s);
/* The same without faults, ending the case unless it reaches HLT. */
void scene_must(struct scene *s);

#define GPA_SLOT	(64 * SZ_1M)
#define DEVICE_ANSWER	0x8182838485868788ull

#endif
