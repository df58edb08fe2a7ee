// SPDX-License-Identifier: GPL-2.0-only
/* vcpu threads, kicks, CPU placement and time. */
#define _GNU_SOURCE
#include "vmm.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KICK_SIGNAL SIGUSR1

static void on_signal(int sig)
{
	(void)sig;
}

void vmm_catch(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	OK(sigaction(sig, &sa, NULL));
}

static void *thread_main(void *arg)
{
	struct vmm_thread *t = arg;

	t->tid = syscall(SYS_gettid);
	t->result = vmm_run(t->vcpu);
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

void vmm_start(struct vmm_thread *t, struct vmm_vcpu *vcpu)
{
	vmm_catch(KICK_SIGNAL);
	memset(t, 0, sizeof(*t));
	t->vcpu = vcpu;
	CHECK(!pthread_create(&t->thread, NULL, thread_main, t));
}

void vmm_kick(struct vmm_thread *t)
{
	while (!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE)) {
		t->vcpu->run->immediate_exit = 1;
		pthread_kill(t->thread, KICK_SIGNAL);
		vmm_sleep_ms(1);
	}
	t->vcpu->run->immediate_exit = 0;
}

static char thread_state(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	CHECKF(file, "%s: %s", path, strerror(errno));
	CHECK(fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
	fclose(file);
	return state;
}

void vmm_wait_asleep(struct vmm_thread *t)
{
	while (!t->tid || thread_state(t->tid) != 'S')
		vmm_sleep_ms(1);
}

int vmm_join(struct vmm_thread *t)
{
	CHECK(!pthread_join(t->thread, NULL));
	return t->result;
}

void vmm_sleep_ms(unsigned int ms)
{
	struct timespec t = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l,
	};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

uint64_t vmm_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

int vmm_cpus(void)
{
	cpu_set_t set;

	OK(sched_getaffinity(getpid(), sizeof(set), &set));
	return CPU_COUNT(&set);
}

int vmm_pin(unsigned int nth)
{
	static cpu_set_t allowed;
	static bool known;
	cpu_set_t set;
	int cpu;

	if (!known) {
		OK(sched_getaffinity(getpid(), sizeof(allowed), &allowed));
		known = true;
	}
	nth %= CPU_COUNT(&allowed);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !nth--)
			break;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
	return cpu;
}
