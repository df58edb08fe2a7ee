// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work for a guest, and a client for it outside.
 *
 *	load dirty MB ROUNDS		write a pattern over memory, verify it;
 *					another pattern each round
 *	load serve MB ROUNDS PORT	write once, verify ROUNDS times, answer
 *					requests for single dwords meanwhile
 *	load read FILE COUNT		read that many blocks of 4 KiB, each for
 *					itself and not from the page cache
 *	load ask ADDRESS PORT MB	ask until the server ends; check every
 *					answer, tell the latencies
 *
 * A request is a random 64-bit number; the answer is an index and the dword the
 * server has there, which the client can compute by itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096
#define PAGE_DWORDS	(PAGE / sizeof(uint32_t))
#define MAX_MB		(64 << 10)

struct answer {
	uint64_t index;
	uint32_t value;
	uint32_t unused;
};

struct memory {
	uint32_t *dwords;
	uint64_t count;
	/* How many are written: what the serving thread may read. */
	_Atomic uint64_t filled;
	uint64_t verified;
	uint64_t bad;
};

static uint32_t pattern(uint64_t index, uint32_t round)
{
	uint32_t x = (uint32_t)index * 0x9e3779b1u +
		     (uint32_t)(index >> 32) + round * 0x85ebca6bu;

	return x ^ x >> 15;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || !value || value > max) {
		fprintf(stderr, "load: \"%s\" is not a number from 1 to %lu\n",
			text, max);
		exit(1);
	}
	return value;
}

static void memory_init(struct memory *memory, unsigned long mb)
{
	memory->count = (uint64_t)mb * (1 << 20) / sizeof(uint32_t);
	memory->dwords = mmap(NULL, (size_t)mb << 20, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory->dwords == MAP_FAILED)
		fail("no memory to work on");
}

/* Ten lines over the whole job: a console is slow. */
static void progress(const char *what, uint64_t done, uint64_t all)
{
	uint64_t step = all / 10 / PAGE_DWORDS * PAGE_DWORDS;

	if (step && done % step == 0)
		printf("load: %s %llu of %llu MiB\n", what,
		       (unsigned long long)(done * 4 >> 20),
		       (unsigned long long)(all * 4 >> 20));
}

static void memory_fill(struct memory *memory, uint32_t round)
{
	uint64_t i, j;

	for (i = 0; i < memory->count; i += PAGE_DWORDS) {
		for (j = i; j < i + PAGE_DWORDS; j++)
			memory->dwords[j] = pattern(j, round);
		atomic_store_explicit(&memory->filled, i + PAGE_DWORDS,
				      memory_order_release);
		progress("filled", i + PAGE_DWORDS, memory->count);
	}
}

static void memory_verify(struct memory *memory, uint32_t round)
{
	uint64_t i, j;

	for (i = 0; i < memory->count; i += PAGE_DWORDS) {
		for (j = i; j < i + PAGE_DWORDS; j++) {
			uint32_t found = memory->dwords[j];

			if (found == pattern(j, round))
				continue;
			if (!memory->bad++)
				printf("load: dword %llu is %08x, not %08x\n",
				       (unsigned long long)j, found,
				       pattern(j, round));
		}
		progress("verified", i + PAGE_DWORDS, memory->count);
	}
	memory->verified += memory->count;
}

static int memory_report(const struct memory *memory)
{
	printf("load: dwords %llu verified, %llu bad\n",
	       (unsigned long long)memory->verified,
	       (unsigned long long)memory->bad);
	return memory->bad ? 1 : 0;
}

static int dirty(unsigned long mb, unsigned long rounds)
{
	struct memory memory = { 0 };
	uint32_t round;

	memory_init(&memory, mb);
	for (round = 0; round < rounds; round++) {
		memory_fill(&memory, round);
		memory_verify(&memory, round);
	}
	return memory_report(&memory);
}

static int transfer(int fd, void *data, size_t size, int send_it)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send_it ?
			send(fd, (char *)data + done, size - done,
			     MSG_NOSIGNAL) :
			recv(fd, (char *)data + done, size - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += n;
	}
	return 0;
}

struct server {
	struct memory *memory;
	int listening;
};

static void *server_thread(void *argument)
{
	struct server *server = argument;
	struct memory *memory = server->memory;
	uint64_t request;
	int fd;

	for (;;) {
		fd = accept(server->listening, NULL, NULL);
		if (fd < 0)
			continue;
		while (!transfer(fd, &request, sizeof(request), 0)) {
			struct answer answer = { 0 };

			answer.index = request %
				atomic_load_explicit(&memory->filled,
						     memory_order_acquire);
			answer.value = memory->dwords[answer.index];
			if (transfer(fd, &answer, sizeof(answer), 1))
				break;
		}
		close(fd);
	}
	return NULL;
}

static int serve(unsigned long mb, unsigned long rounds, unsigned long port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	struct memory memory = { 0 };
	struct server server = { .memory = &memory };
	int one = 1;
	pthread_t thread;

	memory_init(&memory, mb);
	memory.dwords[0] = pattern(0, 0);
	memory.filled = 1;
	server.listening = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server.listening, SOL_SOCKET, SO_REUSEADDR, &one,
		   sizeof(one));
	if (server.listening < 0 ||
	    bind(server.listening, (void *)&address, sizeof(address)) ||
	    listen(server.listening, 8))
		fail("cannot serve");
	if (pthread_create(&thread, NULL, server_thread, &server))
		fail("no thread");
	printf("load: serving\n");
	memory_fill(&memory, 0);
	while (rounds--)
		memory_verify(&memory, 0);
	return memory_report(&memory);
}

static int read_blocks(const char *path, unsigned long count)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	uint64_t sum = 0;
	uint32_t *block;
	unsigned long i;

	if (fd < 0 || posix_memalign((void **)&block, PAGE, PAGE))
		fail("cannot read");
	/* Who counts does so while the guest rests. */
	printf("load: about to read\n");
	fflush(stdout);
	sleep(1);
	for (i = 0; i < count; i++) {
		if (pread(fd, block, PAGE, i * PAGE) != PAGE)
			fail("cannot read");
		sum += block[0] ^ block[PAGE_DWORDS - 1];
	}
	printf("load: blocks %lu read, sum %llu\n", count,
	       (unsigned long long)sum);
	fflush(stdout);
	sleep(1);
	close(fd);
	return 0;
}

static int by_value(const void *left, const void *right)
{
	float a = *(const float *)left, b = *(const float *)right;

	return (a > b) - (a < b);
}

#define SAMPLES		(1 << 20)

static int ask_report(float *seconds, uint64_t count, uint64_t bad)
{
	uint64_t kept = count < SAMPLES ? count : SAMPLES;

	printf("ask: requests %llu answered, %llu wrong\n",
	       (unsigned long long)count, (unsigned long long)bad);
	if (!kept)
		return 1;
	qsort(seconds, kept, sizeof(*seconds), by_value);
	printf("ask: latency ms 50%% %.1f 90%% %.1f 99%% %.1f max %.1f\n",
	       seconds[kept / 2] * 1e3, seconds[kept * 9 / 10] * 1e3,
	       seconds[kept * 99 / 100] * 1e3, seconds[kept - 1] * 1e3);
	return bad ? 1 : 0;
}

static int ask(const char *host, unsigned long port, unsigned long mb)
{
	static float seconds[SAMPLES];
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	uint64_t limit = (uint64_t)mb * (1 << 20) / sizeof(uint32_t);
	uint64_t count = 0, bad = 0, random = 88172645463325252ull;
	struct answer answer;
	int fd, one = 1;

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("no such address");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, (void *)&address, sizeof(address)))
		fail("cannot connect");
	for (;;) {
		double start = now();

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if (transfer(fd, &random, sizeof(random), 1) ||
		    transfer(fd, &answer, sizeof(answer), 0))
			break;
		if (answer.index >= limit ||
		    answer.value != pattern(answer.index, 0))
			bad++;
		seconds[count % SAMPLES] = now() - start;
		count++;
		/* The guest has other work to do. */
		usleep(20000);
	}
	return ask_report(seconds, count, bad);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "dirty"))
		return dirty(number(argv[2], MAX_MB), number(argv[3], 1000));
	if (argc == 4 && !strcmp(argv[1], "read"))
		return read_blocks(argv[2], number(argv[3], 1 << 20));
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(number(argv[2], MAX_MB), number(argv[3], 1000),
			     number(argv[4], 65535));
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv[2], number(argv[3], 65535),
			   number(argv[4], MAX_MB));
	fprintf(stderr, "load: see the head of load.c for its arguments\n");
	return 2;
}
