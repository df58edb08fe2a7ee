// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sequences of ioctls with mutated arguments, from several threads at once, while
 * vcpus run. A round is a process with VMs of its own, ended by a signal in the
 * middle of everything; after each the host must still run a guest properly.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "calls.h"
#include "random.h"
#include "vmm.h"

#define ROUND_MS	2000
#define RAM		SZ_2M
#define BUFFER		0x8000
#define KEEP		64	/* arguments that once were good */
#define CASES		3
#define THREADS		3

/* What the threads of a round share; file descriptors come and go under them. */
static struct round {
	int dev;
	volatile int vm[2], vcpu[4], other[4], event[4];
	uint8_t *ram;
	uint8_t *edge;		/* the last bytes before a page that is not there */
	uint64_t end;
	uint64_t seed;
	volatile unsigned long done;
	volatile unsigned long accepted;
} *round_;

struct kept {
	const struct call *call;
	uint8_t data[512];
};

struct worker {
	struct random r;
	uint8_t *buffer;
	struct kept kept[KEEP];
};

static int some_fd(struct random *r)
{
	switch (random_below(r, 6)) {
	case 0:
		return round_->vm[random_below(r, 2)];
	case 1:
		return round_->vcpu[random_below(r, 4)];
	case 2:
		return round_->other[random_below(r, 4)];
	case 3:
		return random_below(r, 40) - 2;
	default:
		return round_->event[random_below(r, 4)];
	}
}

/* A word as the fields of the ABI's structures have them. */
static uint64_t field(struct worker *w)
{
	static const uint64_t guest[] = {
		0, 0x1000, 0xa0000, 0x100000, 0xd0000000, 0xfee00000, 0xfec00000, 0xfffbc000,
		0xfffbd000, 0x100000000, 1ull << 40,
	};
	static const uint32_t numbers[] = {
		0x10, 0x1b, 0x3b, 0x174, 0x277, 0x1a0, 0x400, 0x6e0, 0x80b, 0x4b564d00, 0x4b564d01,
		0x4b564d02, 0x4b564d03, 0xc0000080, 0xc0000081, 0xc0000100, 0x11, 0x12, 1, 0xd,
		0x40000001, 0x80000008, 121, 54, 98, 129, 164, 188, 203, 213,
	};
	struct random *r = &w->r;

	switch (random_below(r, 9)) {
	case 0:
		return guest[random_below(r, sizeof(guest) / sizeof(guest[0]))];
	case 1:
		return numbers[random_below(r, sizeof(numbers) / sizeof(numbers[0]))];
	case 2:
		return (uintptr_t)round_->ram + random_below(r, RAM / SZ_4K) * SZ_4K;
	case 3:
		return (uintptr_t)w->buffer + random_below(r, BUFFER);
	case 4:
		return some_fd(r);
	case 5:
		return random_below(r, 32);
	default:
		return random_value(r);
	}
}

static void mutate(struct worker *w, uint8_t *data, unsigned int size)
{
	unsigned int n = 1 + random_below(&w->r, 6), at, bytes;
	uint64_t val;

	if (!size)
		return;
	while (n--) {
		bytes = 1u << random_below(&w->r, 4);
		at = random_below(&w->r, size) & ~(bytes - 1);
		if (at + bytes > size)
			continue;
		val = field(w);
		memcpy(data + at, &val, bytes);
	}
}

static void make_argument(struct worker *w, const struct call *call)
{
	struct random *r = &w->r;
	struct kept *kept = &w->kept[random_below(r, KEEP)];
	unsigned int i;
	uint64_t val;
	uint32_t count;

	switch (random_below(r, 4)) {
	case 0:
		memset(w->buffer, 0, call->size);
		break;
	case 1:
		for (i = 0; i + 8 <= call->size && i < 1024; i += 8) {
			val = field(w);
			memcpy(w->buffer + i, &val, 8);
		}
		break;
	case 2:
		/* Something the kernel gave out or took before, of this call or of another. */
		memcpy(w->buffer, kept->data, call->size < 512 ? call->size : 512);
		break;
	default:
		break;		/* what the call before left there */
	}
	mutate(w, w->buffer, call->size < 1024 ? call->size : 1024);
	if (call->count_at >= 0 && !random_once_in(r, 6)) {
		count = random_below(r, 60);
		memcpy(w->buffer + call->count_at, &count, 4);
	}
}

/* Guest memory must mostly be what it should be, or nothing else happens. */
static void make_slot(struct worker *w)
{
	struct kvm_userspace_memory_region *slot = (void *)w->buffer;

	slot->slot = random_below(&w->r, 6);
	slot->flags = random_below(&w->r, 4);
	slot->guest_phys_addr = random_below(&w->r, 32) * SZ_64K;
	slot->memory_size = random_below(&w->r, 16) * SZ_64K;
	slot->userspace_addr = (uintptr_t)round_->ram + random_below(&w->r, 16) * SZ_64K;
}

static void keep(struct worker *w, const struct call *call)
{
	struct kept *kept = &w->kept[random_below(&w->r, KEEP)];

	kept->call = call;
	memcpy(kept->data, w->buffer, sizeof(kept->data));
	__sync_fetch_and_add(&round_->accepted, 1);
}

static int target_fd(struct random *r, unsigned int target)
{
	if (random_once_in(r, 50))
		return some_fd(r);
	if ((target & CALL_VCPU) && (target == CALL_VCPU || random_once_in(r, 2)))
		return round_->vcpu[random_below(r, 4)];
	if ((target & CALL_VM) && (!(target & CALL_DEVICE) || random_once_in(r, 2)))
		return round_->vm[random_below(r, 2)];
	return round_->dev;
}

/* A file descriptor a call has returned takes another's place, which is closed. */
static void take_fd(struct random *r, const struct call *call, int fd)
{
	volatile int *place = &round_->other[random_below(r, 4)];
	int old;

	if (call->cmd == KVM_CREATE_VM)
		place = &round_->vm[random_below(r, 2)];
	else if (call->cmd == KVM_CREATE_VCPU)
		place = &round_->vcpu[random_below(r, 4)];
	old = __sync_lock_test_and_set(place, fd);
	if (old > 2)
		close(old);
}

static bool gives_fd(const struct call *call)
{
	return call->cmd == KVM_CREATE_VM || call->cmd == KVM_CREATE_VCPU ||
	       call->cmd == KVM_GET_STATS_FD;
}

/* QEMU's TCG does not get over some accesses to a watched address. */
static bool spared(unsigned long cmd)
{
	return (cmd == KVM_SET_DEBUGREGS || cmd == KVM_SET_GUEST_DEBUG) && vmm_on_tcg();
}

/* Nor over an exit with EFER.LME and without CR0.PG and CR4.PAE, see stream.c. */
static void spare_long_mode(struct worker *w, unsigned long cmd)
{
	struct kvm_sregs *sregs = (void *)w->buffer;
	struct kvm_msrs *msrs = (void *)w->buffer;
	unsigned int i;

	if (!vmm_on_tcg())
		return;
	/* Up to there struct kvm_sregs2 is the same. */
	if ((cmd == KVM_SET_SREGS || cmd == KVM_SET_SREGS2) && (sregs->efer & X86_EFER_LME))
		sregs->cr4 |= X86_CR4_PAE;
	for (i = 0; cmd == KVM_SET_MSRS && i < 100; i++)
		if (msrs->entries[i].index == 0xc0000080)
			msrs->entries[i].index++;
}

static void one_call(struct worker *w)
{
	const struct call *call = &calls[random_below(&w->r, calls_count)];
	unsigned long cmd = call->cmd;
	void *arg = w->buffer;
	int fd, ret;

	fd = target_fd(&w->r, call->target);
	if (spared(cmd))
		return;
	if (gives_fd(call) && !random_once_in(&w->r, 20))
		return;
	if (!call->size) {
		arg = (void *)field(w);
	} else {
		make_argument(w, call);
		if (cmd == KVM_SET_USER_MEMORY_REGION && random_below(&w->r, 4))
			make_slot(w);
		spare_long_mode(w, cmd);
		if (random_once_in(&w->r, 40))
			arg = round_->edge - random_below(&w->r, 64);
		else if (random_once_in(&w->r, 100))
			arg = (void *)random_value(&w->r);
	}
	if (random_once_in(&w->r, 60))
		cmd ^= 1ul << random_below(&w->r, 32);
	ret = ioctl(fd, cmd, arg);
	__sync_fetch_and_add(&round_->done, 1);
	if (ret >= 0 && cmd == call->cmd && gives_fd(call) && ret > 2)
		take_fd(&w->r, call, ret);
	else if (ret >= 0 && call->size)
		keep(w, call);
}

/* What VMMs do besides ioctls. */
static void one_other(struct worker *w)
{
	uint64_t page = random_below(&w->r, RAM / SZ_4K) * SZ_4K, one = 1;
	int fd = some_fd(&w->r);
	size_t len;
	void *map;

	if (fd <= 2)
		return;
	switch (random_below(&w->r, 5)) {
	case 0:
		len = (1 + random_below(&w->r, 4)) * SZ_4K;
		map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, random_below(&w->r, 5) * SZ_4K);
		if (map != MAP_FAILED)
			munmap(map, len);
		break;
	case 1:
		madvise(round_->ram + page, SZ_4K, MADV_DONTNEED);
		break;
	case 2:
		if (write(round_->event[random_below(&w->r, 4)], &one, sizeof(one)) < 0)
			break;
		break;
	case 3:
		if (pread(fd, w->buffer, random_below(&w->r, 4096), random_below(&w->r, 4096)) < 0)
			break;
		break;
	default:
		lseek(fd, random_value(&w->r), SEEK_SET);
		break;
	}
}

static void *worker(void *arg)
{
	unsigned int number = (uintptr_t)arg;
	struct worker *w = calloc(1, sizeof(*w));

	random_start(&w->r, round_->seed, number);
	w->buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (vmm_now_ms() < round_->end) {
		if (random_once_in(&w->r, 12))
			one_other(w);
		else
			one_call(w);
	}
	return NULL;
}

/* Runs one vcpu all the time; what the others do to it decides what happens. */
static void *runner(void *arg)
{
	volatile int *fd = arg;

	while (vmm_now_ms() < round_->end) {
		if (ioctl(*fd, KVM_RUN, 0ul) < 0)
			sched_yield();
	}
	return NULL;
}

static void on_kick(int sig)
{
}

static void round_setup(struct random *r)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = SZ_1M, .userspace_addr = (uintptr_t)round_->ram,
	};
	struct kvm_pit_config pit = { 0 };
	int i;

	for (i = 0; i < 2; i++) {
		round_->vm[i] = OK(ioctl(round_->dev, KVM_CREATE_VM, 0ul));
		OK(ioctl(round_->vm[i], KVM_SET_USER_MEMORY_REGION, &slot));
		if (random_once_in(r, 2) && !ioctl(round_->vm[i], KVM_CREATE_IRQCHIP) &&
		    random_once_in(r, 2))
			ioctl(round_->vm[i], KVM_CREATE_PIT2, &pit);
	}
	for (i = 0; i < 4; i++) {
		round_->vcpu[i] = OK(ioctl(round_->vm[i / 2], KVM_CREATE_VCPU, (long)(i & 1)));
		round_->event[i] = OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
		round_->other[i] = -1;
	}
}

/* In a process of its own, which may die of anything but must not stay. */
static void round_run(uint64_t seed, unsigned int threads)
{
	struct sigaction sa = { .sa_handler = on_kick };
	pthread_t thread[THREADS], run[2];
	struct random r;
	unsigned int i;
	uint8_t *edge;

	random_start(&r, seed, 0);
	sigaction(SIGUSR1, &sa, NULL);
	round_->seed = seed;
	round_->dev = vmm_open();
	round_->ram = vmm_map_anon(RAM);
	random_fill(&r, round_->ram, SZ_64K);
	edge = vmm_map_anon(2 * SZ_4K);
	mprotect(edge + SZ_4K, SZ_4K, PROT_NONE);
	round_->edge = edge + SZ_4K;
	round_setup(&r);
	round_->end = vmm_now_ms() + ROUND_MS;
	for (i = 0; i < 2; i++)
		OK(-pthread_create(&run[i], NULL, runner, (void *)&round_->vcpu[2 * i]));
	for (i = 0; i < threads; i++)
		OK(-pthread_create(&thread[i], NULL, worker, (void *)(uintptr_t)(i + 1)));
	while (vmm_now_ms() < round_->end) {
		vmm_sleep_ms(5);
		for (i = 0; i < 2; i++)
			pthread_kill(run[i], SIGUSR1);
	}
	/* The threads are in the middle of something: that is how it ends. */
	kill(getpid(), SIGKILL);
}

/* A guest that computes: the host and the modules are well. */
GUEST(sum, 64,
	"xor %eax, %eax\n"
	"mov $1000, %ecx\n"
	"1: add %ecx, %eax\n"
	"loop 1b\n"
	"out %eax, $0x10\n"
	"hlt\n");

static void check_host(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, sum);

	CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 4), 500500);
	vmm_destroy(vcpu->vm);
}

static void wait_for(pid_t pid, uint64_t seed)
{
	uint64_t limit = vmm_now_ms() + ROUND_MS + tap_scaled(30000, 30000);
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		CHECKF(vmm_now_ms() < limit, "round %llu does not end", (unsigned long long)seed);
		vmm_sleep_ms(10);
	}
	CHECKF(!WIFEXITED(status), "round %llu could not begin", (unsigned long long)seed);
	/* SIGKILL is its end; a fault in a process whose memory was taken away is its own. */
	if (WTERMSIG(status) != SIGKILL)
		tap_diag("round %llu: signal %d", (unsigned long long)seed, WTERMSIG(status));
}

static void fuzz(unsigned int threads)
{
	uint64_t end = vmm_now_ms() + fuzz_ms(CASES), seed;
	unsigned long n;
	pid_t pid;

	round_ = mmap(NULL, sizeof(*round_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	for (n = 0; vmm_now_ms() < end; n++) {
		seed = fuzz_seed() + n * CASES + threads - 1;
		tap_diag("round %llu: %lu calls so far", (unsigned long long)seed, round_->done);
		pid = OK(fork());
		if (!pid)
			round_run(seed, threads);
		wait_for(pid, seed);
		check_host();
	}
	tap_diag("%lu rounds, %lu calls, %lu accepted", n, round_->done, round_->accepted);
	/* Mutation that only makes errors tests little. */
	CHECK(round_->accepted > round_->done / 50);
}

TEST(one, "one thread makes calls while two vcpus run")
{
	fuzz(1);
}

TEST(two, "two threads make calls while two vcpus run")
{
	fuzz(2);
}

TEST(three, "three threads make calls while two vcpus run")
{
	fuzz(3);
}
