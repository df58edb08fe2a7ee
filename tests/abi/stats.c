// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: a file that describes itself, and counters that count.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CAP_STATS	203
#define GET_STATS_FD	_IO(KVMIO, 0xce)

struct header {
	uint32_t flags, name_size, num_desc, id_offset, desc_offset, data_offset;
};

struct desc {
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset, bucket_size;
	char name[];
};

GUEST(stop, 64, "1: hlt\njmp 1b\n");

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, stop);

	if (!vmm_cap(vcpu->vm, CAP_STATS))
		SKIP("KVM_CAP_BINARY_STATS_FD is 0");
	return vcpu;
}

static void read_at(int fd, void *to, size_t len, off_t at)
{
	ssize_t n = pread(fd, to, len, at);

	CHECKF(n == (ssize_t)len, "pread(%zu at %ld) returned %zd", len, (long)at, n);
}

static struct header header(int fd)
{
	struct header h;

	read_at(fd, &h, sizeof(h), 0);
	CHECK_EQ(h.flags, 0);
	CHECK(h.name_size > 1 && h.name_size < 256);
	CHECK(h.num_desc > 0 && h.num_desc < 1000);
	CHECK_EQ(h.id_offset % 8, 0);
	CHECK_EQ(h.desc_offset % 8, 0);
	CHECK_EQ(h.data_offset % 8, 0);
	return h;
}

static struct desc *desc(int fd, const struct header *h, unsigned int i)
{
	size_t size = sizeof(struct desc) + h->name_size;
	struct desc *d = malloc(size);

	CHECK(d);
	read_at(fd, d, size, h->desc_offset + i * size);
	CHECK(memchr(d->name, 0, h->name_size) && d->name[0]);
	return d;
}

/* The value of a counter; ends the case if there is none of that name. */
static uint64_t value(int fd, const char *name)
{
	struct header h = header(fd);
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < h.num_desc; i++) {
		struct desc *d = desc(fd, &h, i);

		if (!strcmp(d->name, name)) {
			read_at(fd, &v, sizeof(v), h.data_offset + d->offset);
			free(d);
			return v;
		}
		free(d);
	}
	FAIL("no counter %s", name);
}

static void check_descs(int fd)
{
	struct header h = header(fd);
	unsigned int i;

	for (i = 0; i < h.num_desc; i++) {
		struct desc *d = desc(fd, &h, i);
		uint64_t v;

		CHECKF((d->flags & 0xf) <= 4, "%s: type %u", d->name, d->flags & 0xf);
		CHECKF((d->flags >> 4 & 0xf) <= 4, "%s: unit", d->name);
		CHECKF((d->flags >> 8 & 0xf) <= 1, "%s: base", d->name);
		CHECKF(d->size > 0, "%s: size", d->name);
		if ((d->flags & 0xf) <= 2)
			CHECKF(d->size == 1, "%s: size %u", d->name, d->size);
		if ((d->flags >> 4 & 0xf) == 2)
			CHECKF(d->exponent <= 0, "%s: exponent %d", d->name, d->exponent);
		CHECK_EQ(d->offset % 8, 0);
		read_at(fd, &v, sizeof(v), h.data_offset + d->offset);
		free(d);
	}
}

static void check_id(int fd, const char *expected)
{
	struct header h = header(fd);
	char id[256] = "";

	read_at(fd, id, h.name_size, h.id_offset);
	CHECKF(!strcmp(id, expected), "id is %s, expected %s", id, expected);
}

TEST(vm, "a VM's file: header, id, descriptors, values")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = OK(ioctl(vcpu->vm->fd, GET_STATS_FD, 0));
	char id[64];

	check_descs(fd);
	snprintf(id, sizeof(id), "kvm-%d", getpid());
	check_id(fd, id);
	value(fd, "remote_tlb_flush");
}

TEST(vcpu, "a vcpu's file: header, id, descriptors, values")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = OK(ioctl(vcpu->fd, GET_STATS_FD, 0));
	char id[64];

	check_descs(fd);
	snprintf(id, sizeof(id), "kvm-%d/vcpu-%d", getpid(), vcpu->id);
	check_id(fd, id);
	value(fd, "io_exits");
	value(fd, "halt_poll_success_ns");
}

TEST(counts, "counters of a vcpu count its exits, and only its own")
{
	struct vmm_vcpu *vcpu = boot(), *idle = vmm_vcpu_add(vcpu->vm);
	int fd = OK(ioctl(vcpu->fd, GET_STATS_FD, 0));
	int fd_idle = OK(ioctl(idle->fd, GET_STATS_FD, 0));
	uint64_t before, after, i;

	before = value(fd, "exits");
	for (i = 0; i < 5; i++)
		vmm_run_to(vcpu, KVM_EXIT_HLT);
	after = value(fd, "exits");
	CHECKF(after >= before + 5, "%llu, then %llu", (unsigned long long)before,
	       (unsigned long long)after);
	CHECK_EQ(value(fd_idle, "exits"), 0);
}

TEST(outlives, "the file stays readable when the VM's other files are closed")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = OK(ioctl(vcpu->vm->fd, GET_STATS_FD, 0));
	int fd_vcpu = OK(ioctl(vcpu->fd, GET_STATS_FD, 0));

	vmm_run_to(vcpu, KVM_EXIT_HLT);
	vmm_destroy(vcpu->vm);
	check_descs(fd);
	check_descs(fd_vcpu);
	CHECK(value(fd_vcpu, "exits") >= 1);
}

TEST(file, "it is read-only, can be read in pieces and seeked, and ends")
{
	struct vmm_vcpu *vcpu = boot();
	int fd = OK(ioctl(vcpu->vm->fd, GET_STATS_FD, 0));
	struct header h = header(fd), again;
	char byte = 0;

	CHECK(write(fd, &byte, 1) < 0);
	CHECK_EQ(read(fd, &again, 4), 4);
	CHECK_EQ(read(fd, (char *)&again + 4, sizeof(again) - 4), sizeof(again) - 4);
	CHECK(!memcmp(&h, &again, sizeof(h)));
	CHECK_EQ(pread(fd, &byte, 1, 1 << 20), 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}
