// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the cases of a test program, each in its own process, and prints their
 * verdicts as TAP.
 */
#define _GNU_SOURCE
#include "tap.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_FAILED	1
#define STATUS_SKIPPED	4

/* What a case's process tells its parent; shared memory, one case at a time. */
struct tap_shared {
	char reason[256];
};

static struct tap_case *first_case;
static struct tap_case **last_case = &first_case;
static struct tap_shared *shared;
static pid_t running_case;
static volatile sig_atomic_t timed_out;

void tap_register(struct tap_case *c)
{
	*last_case = c;
	last_case = &c->next;
}

static unsigned long tap_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	unsigned long n = text ? strtoul(text, NULL, 0) : 0;

	return n ? n : otherwise;
}

unsigned long tap_scaled(unsigned long n, unsigned long least)
{
	n /= tap_env("KVM_TEST_SCALE", 1);
	return n < least ? least : n;
}

static void tap_line(const char *fmt, va_list args)
{
	char line[1024];
	int n;

	/* One write per line, so that lines of several processes stay whole. */
	n = snprintf(line, sizeof(line), "# ");
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	fflush(stdout);
	if (write(STDOUT_FILENO, line, n) != n)
		_exit(STATUS_FAILED);
}

void tap_diag(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tap_line(fmt, args);
	va_end(args);
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	char text[800];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tap_diag("%s:%d: %s", file, line, text);
	_exit(STATUS_FAILED);
}

void tap_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shared->reason, sizeof(shared->reason), fmt, args);
	va_end(args);
	_exit(STATUS_SKIPPED);
}

static void tap_on_alarm(int sig)
{
	(void)sig;
	timed_out = 1;
	if (running_case > 0)
		kill(-running_case, SIGKILL);
}

/* Returns the wait status of the case's process. */
static int tap_run_case(struct tap_case *c, unsigned int seconds)
{
	int status;
	pid_t pid;

	shared->reason[0] = '\0';
	timed_out = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(STATUS_FAILED);
	}
	if (!pid) {
		setpgid(0, 0);
		signal(SIGALRM, SIG_DFL);
		c->run();
		_exit(0);
	}
	setpgid(pid, pid);
	running_case = pid;
	alarm(seconds);
	while (waitpid(pid, &status, 0) < 0)
		;
	alarm(0);
	running_case = 0;
	/* Children the case left behind are part of it. */
	kill(-pid, SIGKILL);
	return status;
}

static bool tap_report(unsigned int n, struct tap_case *c, int status,
		       unsigned int seconds)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %u - %s\n", n, c->name);
		return true;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) {
		printf("ok %u - %s # SKIP %s\n", n, c->name, shared->reason);
		return true;
	}
	if (timed_out)
		printf("# %s: not finished after %u s\n", c->name, seconds);
	else if (WIFSIGNALED(status))
		printf("# %s: killed by signal %d\n", c->name, WTERMSIG(status));
	printf("not ok %u - %s: %s\n", n, c->name, c->about);
	return false;
}

static unsigned long tap_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ul + t.tv_nsec / 1000000;
}

static bool tap_wanted(struct tap_case *c, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], c->name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned int limit = 60 * tap_env("KVM_TEST_SCALE", 1);
	struct sigaction sa = { .sa_handler = tap_on_alarm };
	unsigned int n = 0, failed = 0;
	struct tap_case *c;

	limit = tap_env("KVM_TEST_LIMIT", limit);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (c = first_case; c; c = c->next)
			printf("%s\t%s\n", c->name, c->about);
		return 0;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return STATUS_FAILED;
	}
	sigaction(SIGALRM, &sa, NULL);
	for (c = first_case; c; c = c->next) {
		unsigned long start = tap_now_ms();
		int status;

		if (!tap_wanted(c, argc, argv))
			continue;
		status = tap_run_case(c, limit);
		if (!tap_report(++n, c, status, limit))
			failed++;
		if (getenv("KVM_TEST_TIMES"))
			printf("# %s: %lu ms\n", c->name, tap_now_ms() - start);
	}
	printf("1..%u\n", n);
	if (!n) {
		fprintf(stderr, "%s: no such case; -l lists them\n", argv[0]);
		return 2;
	}
	return failed ? STATUS_FAILED : 0;
}
