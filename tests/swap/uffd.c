// SPDX-License-Identifier: GPL-2.0-only
/* userfaultfd: pages that somebody supplies, and writes that somebody allows. */
#define _GNU_SOURCE
#include "actions.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Its own thread answers faults; the rest is set before that begins. */
struct server {
	struct region *region;
	int fd;
	int end[2];			/* a pipe whose closing ends the thread */
	pthread_t thread;
	uint64_t first, pages;
	uint8_t *copy;			/* what the pages held */
	uint8_t *done;			/* a byte per page */
	uint32_t seed[SWAP_VCPUS];
	unsigned int served;
	bool write_protect;
};

static int uffd_open(uint64_t features)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

static const char *without_uffd(void)
{
	int fd = uffd_open(0);

	if (fd < 0)
		return "this kernel has no userfaultfd";
	close(fd);
	return NULL;
}

static const char *without_uffd_wp(void)
{
	int fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);

	if (fd < 0)
		return "this kernel's userfaultfd has no write protection";
	close(fd);
	return NULL;
}

static struct uffdio_range page_range(const struct server *v, uint64_t page)
{
	return (struct uffdio_range){
		.start = (uintptr_t)v->region->hva + page * PAGE, .len = PAGE,
	};
}

static void serve_missing(struct server *v, uint64_t page)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)v->region->hva + page * PAGE,
		.src = (uintptr_t)v->copy + (page - v->first) * PAGE,
		.len = PAGE,
	};

	if (ioctl(v->fd, UFFDIO_COPY, &copy))
		CHECKF(errno == EEXIST, "UFFDIO_COPY: %s", strerror(errno));
}

/* Nobody has written to the page since it was protected, or there is no point. */
static void serve_write(struct server *v, uint64_t page)
{
	struct region *r = v->region;
	struct uffdio_writeprotect open = { .range = page_range(v, page) };
	uint64_t bad = 0;

	if (!v->done[page - v->first])
		bad = host_page_bad(r, r->hva + page * PAGE, page, v->seed);
	v->done[page - v->first] = 1;
	CHECKF(!bad, "page %llu changed while it was write-protected",
	       (unsigned long long)page);
	OK(ioctl(v->fd, UFFDIO_WRITEPROTECT, &open));
}

static void serve(struct server *v, const struct uffd_msg *msg)
{
	struct uffdio_range range;
	uint64_t page;

	CHECK_EQ(msg->event, UFFD_EVENT_PAGEFAULT);
	page = (msg->arg.pagefault.address - (uintptr_t)v->region->hva) / PAGE;
	CHECK(page >= v->first && page < v->first + v->pages);
	v->served++;
	if (v->write_protect)
		serve_write(v, page);
	else
		serve_missing(v, page);
	range = page_range(v, page);
	OK(ioctl(v->fd, UFFDIO_WAKE, &range));
}

static void *server_main(void *arg)
{
	struct server *v = arg;
	struct pollfd wait[2] = {
		{ .fd = v->fd, .events = POLLIN },
		{ .fd = v->end[0], .events = POLLIN },
	};
	struct uffd_msg msg;

	for (;;) {
		OK(poll(wait, 2, -1));
		while (read(v->fd, &msg, sizeof(msg)) == sizeof(msg))
			serve(v, &msg);
		if (wait[1].revents)
			return NULL;
	}
}

static void server_begin(struct server *v, struct region *r, uint64_t features,
			 uint64_t mode)
{
	struct uffdio_register reg = { .mode = mode };

	memset(v, 0, sizeof(*v));
	v->region = r;
	random_range(r, 1, &v->first, &v->pages);
	reg.range.start = (uintptr_t)r->hva + v->first * PAGE;
	reg.range.len = v->pages * PAGE;
	memcpy(v->seed, r->seed, sizeof(v->seed));
	v->copy = vmm_map_anon(v->pages * PAGE);
	v->done = calloc(1, v->pages);
	CHECK(v->done);
	memcpy(v->copy, r->hva + v->first * PAGE, v->pages * PAGE);
	v->fd = uffd_open(features);
	OK(v->fd);
	OK(ioctl(v->fd, UFFDIO_REGISTER, &reg));
	OK(pipe(v->end));
	CHECK(!pthread_create(&v->thread, NULL, server_main, v));
}

static void server_end(struct server *v)
{
	struct uffdio_range range = {
		.start = (uintptr_t)v->region->hva + v->first * PAGE,
		.len = v->pages * PAGE,
	};

	close(v->end[1]);
	CHECK(!pthread_join(v->thread, NULL));
	OK(ioctl(v->fd, UFFDIO_UNREGISTER, &range));
	close(v->end[0]);
	close(v->fd);
	free(v->done);
	OK(munmap(v->copy, v->pages * PAGE));
	CHECKF(v->served, "no fault was ever served");
}

static void missing(struct region *r)
{
	uint8_t *at;
	struct server v;

	swap_pause(r->swap);
	server_begin(&v, r, 0, UFFDIO_REGISTER_MODE_MISSING);
	at = r->hva + v.first * PAGE;
	OK(madvise(at, v.pages * PAGE,
		   r->backing == BACK_SHMEM ? MADV_REMOVE : MADV_DONTNEED));
	swap_resume(r->swap);
	swap_progress(r, 1);
	swap_pause(r->swap);
	server_end(&v);
	swap_resume(r->swap);
}

const struct action action_uffd = {
	.name = "uffd", .backings = ON_ANON | ON(BACK_SHMEM), .rounds = 3, .mib = 2,
	.apply = missing, .missing = without_uffd,
};

static void write_protect(struct region *r)
{
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct server v;

	swap_pause(r->swap);
	server_begin(&v, r, UFFD_FEATURE_PAGEFAULT_FLAG_WP, UFFDIO_REGISTER_MODE_WP);
	v.write_protect = true;
	wp.range.start = (uintptr_t)r->hva + v.first * PAGE;
	wp.range.len = v.pages * PAGE;
	OK(ioctl(v.fd, UFFDIO_WRITEPROTECT, &wp));
	swap_resume(r->swap);
	swap_progress(r, 1);
	swap_pause(r->swap);
	server_end(&v);
	swap_resume(r->swap);
}

const struct action action_uffd_wp = {
	.name = "uffd_wp", .backings = ON_ANON, .rounds = 3, .mib = 2,
	.apply = write_protect, .missing = without_uffd_wp,
};

ACTION_CASE(uffd, action_uffd, BACK_ANON,
	    "userfaultfd supplies missing pages to running vcpus")
ACTION_CASE(uffd_shmem, action_uffd, BACK_SHMEM, "the same with shmem")
ACTION_CASE(uffd_thp, action_uffd, BACK_THP, "the same with huge pages")
ACTION_CASE(uffd_wp, action_uffd_wp, BACK_ANON,
	    "userfaultfd sees each page before its first write")
ACTION_CASE(uffd_wp_thp, action_uffd_wp, BACK_THP, "the same with huge pages")
