// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots over memory of the host that is not plain RAM: device registers, pages
 * of 1 GiB, bad memory.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30 << 26)
#endif

#define GPA_A	(256 * SZ_1M)

GUEST(nothing, 64, "hlt\n");

static struct vmm_vcpu *boot_with(void *hva, uint64_t size)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, nothing);

	vmm_slot(vcpu->vm, 1, 0, GPA_A, size, hva);
	return vcpu;
}

/* @from and @size of a mapped file of a PCI device, or false: cannot be had. */
static bool map_resource(const char *path, volatile uint64_t **from)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_SYNC);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) || st.st_size < (off_t)SZ_4K) {
		close(fd);
		return false;
	}
	*from = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return *from != MAP_FAILED;
}

static void enable_device(const char *device)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", device);
	fd = open(path, O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			tap_diag("%s cannot be enabled", device);
		close(fd);
	}
}

/*
 * The first memory BAR whose first words are neither all ones nor all zeros nor
 * changing; .name tells which.
 */
static volatile uint64_t *find_device(char *name, size_t size, const char *suffix)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	volatile uint64_t *regs;
	struct dirent *entry;
	int bar;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		enable_device(entry->d_name);
		for (bar = 0; bar < 6; bar++) {
			snprintf(name, size, "/sys/bus/pci/devices/%.40s/resource%d%s",
				 entry->d_name, bar, suffix);
			if (!map_resource(name, &regs))
				continue;
			if (regs[0] == regs[0] && regs[0] && ~regs[0]) {
				closedir(dir);
				return regs;
			}
			munmap((void *)regs, SZ_4K);
		}
	}
	if (dir)
		closedir(dir);
	SKIP("this machine has no PCI device with readable memory (resource*%s)", suffix);
}

static void check_device(const char *suffix)
{
	char name[400];
	volatile uint64_t *regs = find_device(name, sizeof(name), suffix);
	struct vmm_vcpu *vcpu = boot_with((void *)regs, SZ_4K);
	uint64_t value;
	int i;

	tap_diag("%s", name);
	for (i = 0; i < 4; i++)
		CHECK_EQ(vmm_peek(vcpu, GPA_A), regs[0]);
	/* The host takes the mapping away: gone for the guest as well. */
	OK(munmap((void *)regs, SZ_4K));
	CHECK_EQ(vmm_access(vcpu, GPA_A, false, &value), -EFAULT);
}

TEST(device_registers, "a slot over a PCI device's uncached registers")
{
	check_device("");
}

TEST(device_memory, "a slot over a PCI device's write-combining memory")
{
	check_device("_wc");
}

TEST(hugetlb_1g, "a slot over a page of 1 GiB; a hole in it and back")
{
	uint8_t *hva = mmap(NULL, SZ_1G, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB,
			    -1, 0);
	struct vmm_vcpu *vcpu;
	uint64_t off;

	if (hva == MAP_FAILED)
		SKIP("this machine has no free page of 1 GiB");
	vcpu = vmm_boot(SZ_1M, VMM_LONG, nothing);
	vmm_slot(vcpu->vm, 1, 0, SZ_1G, SZ_1G, hva);
	for (off = 0; off < SZ_1G; off += SZ_1G / 16) {
		vmm_poke(vcpu, SZ_1G + off, off + 1);
		CHECK_EQ(*(uint64_t *)(hva + off), off + 1);
	}
	OK(mprotect(hva, SZ_1G, PROT_READ));
	OK(mprotect(hva, SZ_1G, PROT_READ | PROT_WRITE));
	for (off = 0; off < SZ_1G; off += SZ_1G / 16)
		CHECK_EQ(vmm_peek(vcpu, SZ_1G + off), off + 1);
	OK(munmap(hva, SZ_1G));
	CHECK_EQ(vmm_access(vcpu, SZ_1G, false, &off), -EFAULT);
}

static volatile void *bus_addr;
static volatile int bus_code, bus_count;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	bus_addr = info->si_addr;
	bus_code = info->si_code;
	bus_count++;
}

TEST(bad_memory, "bad memory is SIGBUS with its address for the VMM")
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	uint64_t *hva = vmm_map_anon(SZ_64K), value = 0;
	struct vmm_vcpu *vcpu = boot_with(hva, SZ_64K);
	int before, i;

	OK(sigaction(SIGBUS, &action, NULL));
	for (i = 0; i < 16; i++)
		vmm_poke(vcpu, GPA_A + i * SZ_4K, 100 + i);
	if (madvise(hva + 512, SZ_4K, MADV_HWPOISON))
		SKIP("MADV_HWPOISON: %s", strerror(errno));
	/* Newer kernels say so once when the page goes bad. */
	for (i = 1; i < 4; i++) {
		before = bus_count;
		CHECK_EQ(vmm_access(vcpu, GPA_A + SZ_4K + 8 * i, i & 1, &value), -EINTR);
		CHECK_EQ(bus_count, before + 1);
		CHECK_EQ(bus_code, BUS_MCEERR_AR);
		CHECK_EQ((uintptr_t)bus_addr & ~(SZ_4K - 1), (uintptr_t)(hva + 512));
	}
	/* The neighbours are sound, and so is a new page in its place. */
	CHECK_EQ(vmm_peek(vcpu, GPA_A), 100);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + 2 * SZ_4K), 102);
	CHECK(mmap(hva + 512, SZ_4K, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hva + 512);
	CHECK_EQ(vmm_peek(vcpu, GPA_A + SZ_4K), 0);
	vmm_poke(vcpu, GPA_A + SZ_4K, 7);
	CHECK_EQ(hva[512], 7);
}
