// SPDX-License-Identifier: GPL-2.0-only
/* The VM, its vcpu threads, and the passes they make over guest memory. */
#define _GNU_SOURCE
#include "swap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

GUEST_FILE(passes);

/* See guest.S. */
#define PASS_ENTRY	512
#define GPA_BLOCK(id)	(GPA_DATA2 + (id) * PAGE)

struct block {
	uint64_t page;
	uint64_t bad;
	uint64_t bad_gpa;
	uint64_t expected;
	uint64_t got;
	uint64_t zeros;
	uint64_t offset;
	uint64_t length;
	uint64_t zero_ok;
};

void stripe_of(struct swap *s, unsigned int vcpu, unsigned int *offset,
	       unsigned int *length)
{
	*offset = vcpu * 128 / s->vcpus * 32;
	*length = (vcpu + 1) * 128 / s->vcpus * 32 - *offset;
}

static uint32_t next_seed(const struct region *r, unsigned int vcpu)
{
	uint64_t x = r->seed[vcpu] + 0x9e3779b97f4a7c15ull;

	x = (x ^ swap_options.seed ^ ((uint64_t)r->slot << 40) ^
	     ((uint64_t)vcpu << 48)) * 0xbf58476d1ce4e5b9ull;
	return (x >> 29) | 1u;
}

static uint64_t both(uint32_t half)
{
	return half | (uint64_t)half << 32;
}

static struct block *block_of(struct worker *w)
{
	return (struct block *)(w->swap->vm->ram + GPA_BLOCK(w->id));
}

static void pass_set_up(struct worker *w, const struct pass *p)
{
	const struct region *r = p->region;
	struct block *b = block_of(w);
	unsigned int offset, length;
	struct kvm_regs regs = {
		.rip = GPA_CODE + p->op * PASS_ENTRY,
		.rflags = VMM_RFLAGS,
		.rsp = GPA_BLOCK(w->id) + PAGE,
		.rsi = r->gpa + p->first * PAGE,
		.rcx = r->gpa + (p->first + p->pages) * PAGE,
		.rbx = both(p->seed),
		.rbp = both(p->next),
		.r8 = GPA_BLOCK(w->id),
		.r11 = r->mask,
		.r12 = r->bias,
		.r15 = 0x800000008ull,
	};

	if (p->want_zero) {
		/* The raw pattern is then 0 and 4 everywhere. */
		regs.r11 = 0;
		regs.r15 = 0;
		regs.rbx = 4ull << 32;
	}
	stripe_of(w->swap, w->id, &offset, &length);
	*b = (struct block){
		.offset = offset, .length = length, .zero_ok = p->zero_ok,
	};
	vmm_set_regs(w->vcpu, &regs);
}

/* While the slot is away, its memory is a device's whose registers are ->hva. */
static void pass_mmio(struct worker *w, const struct region *r, uint64_t gpa)
{
	struct kvm_run *run = w->vcpu->run;
	uint64_t at = run->mmio.phys_addr - gpa;

	if (!r->may_mmio || at >= r->size || run->mmio.len > 8) {
		vmm_dump(w->vcpu);
		FAIL("the guest met a hole where its memory should be");
	}
	w->mmios++;
	if (run->mmio.is_write)
		memcpy(r->hva + at, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, r->hva + at, run->mmio.len);
}

static void pass_run(struct worker *w, const struct pass *p)
{
	uint64_t gpa = p->region->gpa;
	int r;

	pass_set_up(w, p);
	for (;;) {
		r = vmm_run(w->vcpu);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r == -EFAULT && p->region->may_fault) {
			w->efaults++;
			usleep(300);
			continue;
		}
		if (r)
			FAIL("KVM_RUN: %s, region of backing %d, page %lld",
			     strerror(-r), p->region->backing,
			     (long long)(block_of(w)->page - gpa) / 4096);
		if (w->vcpu->run->exit_reason == KVM_EXIT_HLT)
			return;
		if (w->vcpu->run->exit_reason != KVM_EXIT_MMIO) {
			vmm_dump(w->vcpu);
			FAIL("the guest stopped for no good reason");
		}
		pass_mmio(w, p->region, gpa);
	}
}

static const char *op_name(const struct pass *p)
{
	if (p->want_zero)
		return "zeros";
	return p->op == PASS_CHURN ? "pattern while rewriting" : "pattern";
}

static void pass_judge(struct worker *w, const struct pass *p)
{
	struct region *r = p->region;
	struct block *b = block_of(w);
	uint64_t bad = b->bad;

	if (p->op != PASS_WRITE)
		atomic_fetch_add(&w->swap->verified, p->pages * (b->length / 4));
	if (!bad)
		return;
	if (!atomic_fetch_add(&w->swap->bad, bad))
		tap_diag("vcpu %u, %s, slot %u (backing %d, 0x%llx at 0x%llx): %llu dwords bad, first 0x%llx holds 0x%llx, not 0x%llx",
			 w->id, op_name(p), r->slot, r->backing,
			 (unsigned long long)r->size, (unsigned long long)r->gpa,
			 (unsigned long long)bad, (unsigned long long)b->bad_gpa,
			 (unsigned long long)b->got, (unsigned long long)b->expected);
}

static void pass_do(struct worker *w, const struct pass *p)
{
	pass_run(w, p);
	pass_judge(w, p);
	if (p->op != PASS_VERIFY)
		p->region->seed[w->id] = p->next;
}

/* The next region that wants a pass of this vcpu; lock held. */
static struct region *worker_pick(struct worker *w)
{
	struct swap *s = w->swap;
	unsigned int i;

	if (s->paused)
		return NULL;
	for (i = 0; i < s->regions; i++) {
		struct region *r = &s->region[w->next_region++ % s->regions];

		if (r->policy != POLICY_REST)
			return r;
	}
	return NULL;
}

static struct pass policy_pass(struct worker *w, struct region *r)
{
	struct pass p = {
		.region = r, .pages = region_pages(r), .seed = r->seed[w->id],
		.next = r->seed[w->id], .op = PASS_VERIFY,
	};

	if (r->policy == POLICY_CHURN) {
		p.op = PASS_CHURN;
		p.next = next_seed(r, w->id);
	} else if (r->policy == POLICY_WRITE) {
		p.op = PASS_WRITE;
	}
	p.zero_ok = r->policy == POLICY_LOOSE;
	return p;
}

static void worker_policy_pass(struct worker *w, struct region *r)
{
	struct swap *s = w->swap;
	struct pass p = policy_pass(w, r);

	r->users++;
	pthread_mutex_unlock(&s->lock);
	pass_do(w, &p);
	pthread_mutex_lock(&s->lock);
	r->users--;
	r->passes[w->id]++;
	pthread_cond_broadcast(&s->changed);
}

static void worker_order(struct worker *w)
{
	struct swap *s = w->swap;
	struct pass p = *w->order;

	p.seed = p.region->seed[w->id];
	if (!p.next)
		p.next = p.seed;
	else
		p.next = next_seed(p.region, w->id);
	pthread_mutex_unlock(&s->lock);
	pass_do(w, &p);
	pthread_mutex_lock(&s->lock);
	w->order = NULL;
	pthread_cond_broadcast(&s->changed);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct swap *s = w->swap;
	struct region *r;

	w->tid = syscall(SYS_gettid);
	pthread_mutex_lock(&s->lock);
	while (!s->stop || w->order) {
		if (w->order) {
			worker_order(w);
			continue;
		}
		r = s->storm ? worker_pick(w) : NULL;
		if (r)
			worker_policy_pass(w, r);
		else
			pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct swap *swap_create(void)
{
	struct swap *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;
	unsigned int i;

	CHECK(s);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	s->vm = vmm_create(SZ_1M);
	s->vcpus = swap_options.vcpus;
	s->next_gpa = 16 * SZ_1M;
	vmm_load(s->vm, GPA_CODE, passes);
	for (i = 0; i < s->vcpus; i++) {
		struct worker *w = &s->worker[i];

		w->swap = s;
		w->id = i;
		w->vcpu = vmm_vcpu_add(s->vm);
		w->next_region = i;
		vmm_set_mode(w->vcpu, VMM_LONG);
	}
	snprintf(s->debugfs, sizeof(s->debugfs), "/sys/kernel/debug/kvm/%d-%d",
		 getpid(), s->vm->fd);
	if (!host_has(s->debugfs))
		s->debugfs[0] = '\0';
	return s;
}

void swap_start(struct swap *s)
{
	unsigned int i;

	for (i = 0; i < s->vcpus; i++)
		CHECK(!pthread_create(&s->worker[i].thread, NULL, worker_main,
				      &s->worker[i]));
	for (i = 0; i < s->regions; i++)
		guest_fill_new(&s->region[i]);
}

/* Where each vcpu is, and whether it still faults. */
static void swap_dump(struct swap *s)
{
	uint64_t before = 0, after = 0;
	unsigned int i;

	vm_stat(s, "pf_taken", &before);
	usleep(100000);
	vm_stat(s, "pf_taken", &after);
	for (i = 0; i < s->vcpus; i++)
		tap_diag("vcpu %u: %s, page 0x%llx, %u EFAULT, %u MMIO", i,
			 s->worker[i].order ? "has an order" : "has none",
			 (unsigned long long)block_of(&s->worker[i])->page,
			 s->worker[i].efaults, s->worker[i].mmios);
	tap_diag("%llu guest page faults, %llu of them in the last 100 ms",
		 (unsigned long long)after, (unsigned long long)(after - before));
}

/* Lock held. Fails the case when nothing has changed for too long. */
static void swap_wait(struct swap *s, const char *what)
{
	struct timespec until = { .tv_sec = patience() / 1000 };

	if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT)
		return;
	swap_dump(s);
	FAIL("waited in vain for %s", what);
}

static bool swap_busy(struct swap *s)
{
	unsigned int i;

	for (i = 0; i < s->regions; i++)
		if (s->region[i].users)
			return true;
	return false;
}

void swap_storm(struct swap *s, bool on)
{
	pthread_mutex_lock(&s->lock);
	s->storm = on;
	pthread_cond_broadcast(&s->changed);
	while (!on && swap_busy(s))
		swap_wait(s, "vcpus to end their passes");
	pthread_mutex_unlock(&s->lock);
}

void swap_stop(struct swap *s)
{
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < s->vcpus; i++)
		CHECK(!pthread_join(s->worker[i].thread, NULL));
}

void swap_progress(struct region *r, unsigned int n)
{
	struct swap *s = r->swap;
	uint64_t until[SWAP_VCPUS];
	unsigned int i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->vcpus; i++)
		until[i] = r->passes[i] + n;
	for (i = 0; i < s->vcpus; i++)
		while (r->passes[i] < until[i])
			swap_wait(s, "a pass of every vcpu");
	pthread_mutex_unlock(&s->lock);
}

/* Lock held. */
static void swap_pause_locked(struct swap *s)
{
	s->paused++;
	while (swap_busy(s))
		swap_wait(s, "vcpus to end their passes");
}

static void swap_resume_locked(struct swap *s)
{
	s->paused--;
	pthread_cond_broadcast(&s->changed);
}

void region_policy(struct region *r, enum policy policy)
{
	pthread_mutex_lock(&r->swap->lock);
	/* Passes begun under the old policy are over when this returns. */
	swap_pause_locked(r->swap);
	r->policy = policy;
	swap_resume_locked(r->swap);
	pthread_mutex_unlock(&r->swap->lock);
}

void swap_pause(struct swap *s)
{
	pthread_mutex_lock(&s->lock);
	swap_pause_locked(s);
	pthread_mutex_unlock(&s->lock);
}

void swap_resume(struct swap *s)
{
	pthread_mutex_lock(&s->lock);
	swap_resume_locked(s);
	pthread_mutex_unlock(&s->lock);
}

static void guest_order(const struct pass *p)
{
	struct swap *s = p->region->swap;
	unsigned int i;

	if (!p->pages)
		return;
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->vcpus; i++)
		s->worker[i].order = p;
	pthread_cond_broadcast(&s->changed);
	for (i = 0; i < s->vcpus; i++)
		while (s->worker[i].order)
			swap_wait(s, "an order to be carried out");
	pthread_mutex_unlock(&s->lock);
}

void guest_verify(struct region *r, uint64_t first, uint64_t pages)
{
	struct pass p = {
		.region = r, .op = PASS_VERIFY, .first = first, .pages = pages,
	};

	guest_order(&p);
}

void guest_verify_zero(struct region *r, uint64_t first, uint64_t pages)
{
	struct pass p = {
		.region = r, .op = PASS_VERIFY, .first = first, .pages = pages,
		.want_zero = true,
	};

	guest_order(&p);
}

void guest_fill(struct region *r, uint64_t first, uint64_t pages)
{
	struct pass p = {
		.region = r, .op = PASS_WRITE, .first = first, .pages = pages,
	};

	guest_order(&p);
}

void guest_fill_new(struct region *r)
{
	struct pass p = {
		.region = r, .op = PASS_WRITE, .pages = region_pages(r),
		.next = 1,
	};

	guest_order(&p);
}
