// SPDX-License-Identifier: GPL-2.0-only
/* Allocations that fail while the modules are loaded. */
#define _GNU_SOURCE
#include "inject.h"

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int core_file, vendor_file;
static const char *vendor_name;

static int module_open(const char *name)
{
	char pattern[200] = "/lib/modules/*/updates/dkms/";
	glob_t found;
	int fd;

	strcat(strcat(pattern, name), ".ko");
	if (glob(pattern, 0, NULL, &found) || found.gl_pathc != 1)
		SKIP("these are not our modules");
	fd = (int)OK(open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC));
	globfree(&found);
	return fd;
}

static int module_load(int fd)
{
	return syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
}

static void module_unload(const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK) && errno != ENOENT)
		FAIL("%s cannot be unloaded: %s", name, strerror(errno));
}

static void find_modules(void)
{
	const char *vendor = getenv("LAB_VENDOR");

	CHECK(vendor);
	vendor_name = strcmp(vendor, "amd") ? "kvm_intel" : "kvm_amd";
	core_file = module_open("kvm");
	vendor_file = module_open(strcmp(vendor, "amd") ? "kvm-intel" : "kvm-amd");
}

static void prepare_core(struct scene *s)
{
	module_unload(vendor_name);
	module_unload("kvm");
}

static int step_core(struct scene *s)
{
	return module_load(core_file);
}

static void prepare_vendor(struct scene *s)
{
	module_unload(vendor_name);
	s->stage = access("/sys/module/kvm", F_OK) ? module_load(core_file) : 0;
	CHECK_EQ(s->stage, 0);
}

static int step_vendor(struct scene *s)
{
	return module_load(vendor_file);
}

static void check_vendor(struct scene *s)
{
	scene_boot(s);
	scene_fill(s, GPA_DATA2, 1, 8, 1);
	scene_must(s);
	scene_end(s);
}

static void finish_module(struct scene *s)
{
}

TEST(load_core, "kvm.ko is loaded")
{
	static const struct sweep sweep = {
		.prepare = prepare_core, .step = step_core,
		.finish = finish_module, .fails = true,
	};

	find_modules();
	sweep_run(&sweep);
	CHECK_EQ(module_load(vendor_file), 0);
}

TEST(load_vendor, "the vendor module is loaded")
{
	static const struct sweep sweep = {
		.prepare = prepare_vendor, .step = step_vendor,
		.check = check_vendor, .finish = finish_module, .fails = true,
	};

	find_modules();
	sweep_run(&sweep);
}
