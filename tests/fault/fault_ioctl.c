// SPDX-License-Identifier: GPL-2.0-only
/* Allocations and user copies that fail inside ioctls. */
#define _GNU_SOURCE
#include "inject.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GPA_OTHER	(GPA_SLOT + 256 * SZ_1M)

/* --- a VM, a vcpu ------------------------------------------------------------ */

static void prepare_bare(struct scene *s)
{
	s->vm = vmm_create_bare();
	OK(close(s->vm->fd));
	s->vm->fd = -1;
}

static int step_create_vm(struct scene *s)
{
	s->vm->fd = ioctl(s->vm->dev, KVM_CREATE_VM, 0ul);
	return RESULT(s->vm->fd);
}

static void check_vm_runs(struct scene *s)
{
	static const uint8_t hlt = 0xf4;

	s->vm->ram = vmm_map_anon(SZ_1M);
	s->vm->ram_size = SZ_1M;
	vmm_slot(s->vm, 0, 0, 0, SZ_1M, s->vm->ram);
	s->vcpu = vmm_vcpu_add(s->vm);
	s->vm->ram[GPA_CODE] = hlt;
	vmm_set_mode(s->vcpu, VMM_REAL);
	scene_must(s);
}

TEST(create_vm, "KVM_CREATE_VM")
{
	static const struct sweep sweep = {
		.prepare = prepare_bare, .step = step_create_vm,
		.check = check_vm_runs, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_no_vcpu(struct scene *s)
{
	s->vm = vmm_create(SZ_1M);
}

static int step_create_vcpu(struct scene *s)
{
	struct vmm *vm = s->vm;
	struct vmm_vcpu *vcpu = &vm->vcpu[vm->vcpus];
	void *run;

	if (!s->stage) {
		vcpu->vm = vm;
		vcpu->id = vm->vcpus;
		vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU,
				 (unsigned long)vcpu->id);
		if (vcpu->fd < 0)
			return -errno;
		s->stage = 1;
	}
	vcpu->run_size = 3 * SZ_4K;
	run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vcpu->fd, 0);
	if (run == MAP_FAILED)
		return -errno;
	vcpu->run = run;
	/* The first touch is a page fault, which the kernel tries again. */
	vcpu->run->immediate_exit = 0;
	vm->vcpus++;
	return 0;
}

static void check_vcpu_runs(struct scene *s)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(s->vm->dev);

	s->vcpu = &s->vm->vcpu[s->vm->vcpus - 1];
	vmm_set_cpuid(s->vcpu, cpuid);
	free(cpuid);
	s->vm->ram[GPA_CODE] = 0xf4;
	vmm_set_mode(s->vcpu, VMM_REAL);
	scene_must(s);
}

TEST(create_vcpu, "KVM_CREATE_VCPU and mmap of the first vcpu")
{
	static const struct sweep sweep = {
		.prepare = prepare_no_vcpu, .step = step_create_vcpu,
		.check = check_vcpu_runs, .fails = true,
	};

	sweep_run(&sweep);
}

TEST(create_second_vcpu, "KVM_CREATE_VCPU beside a vcpu that has run")
{
	static const struct sweep sweep = {
		.prepare = scene_boot_run, .step = step_create_vcpu,
		.check = check_vcpu_runs, .fails = true,
	};

	sweep_run(&sweep);
}

static int step_close(struct scene *s)
{
	/* Whatever fails inside, a file is closed. */
	munmap(s->vcpu->run, s->vcpu->run_size);
	close(s->vcpu->fd);
	close(s->vm->fd);
	return 0;
}

static void finish_closed(struct scene *s)
{
	OK(close(s->vm->dev));
	OK(munmap(s->vm->ram, s->vm->ram_size));
	free(s->vm);
	OK(munmap(s->hva, s->size));
}

static void prepare_busy(struct scene *s)
{
	scene_boot(s);
	scene_slot(s, SZ_64K, KVM_MEM_LOG_DIRTY_PAGES);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, 7);
	scene_must(s);
}

TEST(close_all, "closing a VM that has run")
{
	static const struct sweep sweep = {
		.prepare = prepare_busy, .step = step_close,
		.finish = finish_closed,
	};

	sweep_run(&sweep);
}

TEST(exit_process, "the VMM exits while the n-th allocation fails")
{
	unsigned int n;

	for (n = 1; n <= tap_scaled(200, 40); n++) {
		struct scene s = { .fd = -1 };
		int status;
		pid_t pid = (pid_t)OK(fork());

		if (!pid) {
			/* The file of the parent's thread is not ours. */
			char text[16];
			int fd = open("/proc/thread-self/fail-nth", O_RDWR);
			int size = snprintf(text, sizeof(text), "%u", n);

			if (fd < 0)
				_exit(4);
			prepare_busy(&s);
			if (write(fd, text, size) != size)
				_exit(1);
			_exit(0);
		}
		OK(waitpid(pid, &status, 0));
		if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
			SKIP("this kernel has no fault injection");
		CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	}
}

/* --- memory slots ------------------------------------------------------------ */

static uint8_t *slot_memory(uint64_t size)
{
	uint8_t *hva = scene_map(size, false);
	uint64_t at;

	for (at = 0; at < size; at += SZ_4K)
		*(uint64_t *)(hva + at) = 100 + at / SZ_4K;
	return hva;
}

static void expect_slot(struct scene *s, uint64_t gpa)
{
	scene_compare(s, gpa, s->size / SZ_4K, SZ_4K, 100);
	scene_must(s);
}

static void expect_hole(struct scene *s, uint64_t gpa)
{
	vmm_expect_hole(s->vcpu, gpa);
}

static void prepare_memory(struct scene *s)
{
	scene_boot(s);
	s->size = SZ_64K;
	s->hva = slot_memory(s->size);
	expect_hole(s, GPA_SLOT);
}

static int step_slot_create(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, s->value, GPA_SLOT, s->size,
				   s->hva));
}

static void refused_slot_create(struct scene *s)
{
	expect_hole(s, GPA_SLOT);
}

static void check_slot(struct scene *s)
{
	expect_slot(s, GPA_SLOT);
}

TEST(slot_create, "KVM_SET_USER_MEMORY_REGION creates")
{
	static const struct sweep sweep = {
		.prepare = prepare_memory, .step = step_slot_create,
		.refused = refused_slot_create, .check = check_slot,
		.fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_memory_logged(struct scene *s)
{
	prepare_memory(s);
	s->value = KVM_MEM_LOG_DIRTY_PAGES;
}

TEST(slot_create_logged, "KVM_SET_USER_MEMORY_REGION creates with a dirty log")
{
	static const struct sweep sweep = {
		.prepare = prepare_memory_logged, .step = step_slot_create,
		.refused = refused_slot_create, .check = check_slot,
		.fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_slot(struct scene *s)
{
	scene_boot(s);
	scene_slot_at(s, slot_memory(SZ_64K), SZ_64K, 0);
	expect_slot(s, GPA_SLOT);
}

static int step_slot_move(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, 0, GPA_OTHER, s->size, s->hva));
}

static void refused_slot(struct scene *s)
{
	expect_slot(s, GPA_SLOT);
	expect_hole(s, GPA_OTHER);
}

static void check_slot_moved(struct scene *s)
{
	expect_slot(s, GPA_OTHER);
	expect_hole(s, GPA_SLOT);
}

TEST(slot_move, "KVM_SET_USER_MEMORY_REGION moves")
{
	static const struct sweep sweep = {
		.prepare = prepare_slot, .step = step_slot_move,
		.refused = refused_slot, .check = check_slot_moved,
		.fails = true,
	};

	sweep_run(&sweep);
}

static int step_slot_delete(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, 0, 0, 0, NULL));
}

static void check_slot_gone(struct scene *s)
{
	expect_hole(s, GPA_SLOT);
	CHECK_EQ(*(uint64_t *)s->hva, 100);
}

TEST(slot_delete, "KVM_SET_USER_MEMORY_REGION deletes")
{
	static const struct sweep sweep = {
		.prepare = prepare_slot, .step = step_slot_delete,
		.refused = refused_slot, .check = check_slot_gone,
		.fails = true,
	};

	sweep_run(&sweep);
}

static int step_log_on(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA_SLOT,
				   s->size, s->hva));
}

static uint64_t dirty_word(struct scene *s)
{
	uint64_t words[8] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = words };

	OK(ioctl(s->vm->fd, KVM_GET_DIRTY_LOG, &log));
	return words[0];
}

static void check_log_on(struct scene *s)
{
	expect_slot(s, GPA_SLOT);
	dirty_word(s);
	scene_fill(s, GPA_SLOT, 2, 3 * SZ_4K, 100);
	scene_must(s);
	CHECK_EQ(dirty_word(s), 0x9);
}

TEST(log_on, "the dirty log of a touched slot is switched on")
{
	static const struct sweep sweep = {
		.prepare = prepare_slot, .step = step_log_on,
		.refused = refused_slot, .check = check_log_on, .fails = true,
	};

	sweep_run(&sweep);
}

static void prepare_log(struct scene *s)
{
	prepare_slot(s);
	CHECK_EQ(step_log_on(s), 0);
	dirty_word(s);
	scene_fill(s, GPA_SLOT + SZ_4K, 3, 2 * SZ_4K, 100);
	scene_must(s);
}

static int step_log_off(struct scene *s)
{
	return RESULT(vmm_try_slot(s->vm, 1, 0, GPA_SLOT, s->size, s->hva));
}

static void refused_log_off(struct scene *s)
{
	CHECK_EQ(dirty_word(s), 0x2a);
}

static void check_log_off(struct scene *s)
{
	uint64_t words[8];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = words };

	CHECK_ERRNO(ioctl(s->vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	scene_fill(s, GPA_SLOT, 16, SZ_4K, 100);
	scene_must(s);
	expect_slot(s, GPA_SLOT);
}

TEST(log_off, "the dirty log is switched off")
{
	static const struct sweep sweep = {
		.prepare = prepare_log, .step = step_log_off,
		.refused = refused_log_off, .check = check_log_off,
	};

	sweep_run(&sweep);
}

static int step_get_log(struct scene *s)
{
	struct kvm_dirty_log log = {
		.slot = 1, .dirty_bitmap = &s->value,
	};

	s->value = 0;
	return RESULT(ioctl(s->vm->fd, KVM_GET_DIRTY_LOG, &log));
}

static void check_log(struct scene *s)
{
	CHECK_EQ(s->value, 0x2a);
	CHECK_EQ(dirty_word(s), 0);
	scene_fill(s, GPA_SLOT, 1, 8, 100);
	scene_must(s);
	CHECK_EQ(dirty_word(s), 1);
}

TEST(get_dirty_log, "KVM_GET_DIRTY_LOG loses no page when it fails")
{
	static const struct sweep sweep = {
		.prepare = prepare_log, .step = step_get_log,
		.check = check_log, .fails = true,
	};

	sweep_run(&sweep);
}

/* --- counters ---------------------------------------------------------------- */

static int read_file(const char *name)
{
	char text[4096];
	int fd = open(name, O_RDONLY), r = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static char stat_names[64][300];
static int stat_count;

static void stat_find(const char *folder, int depth)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char name[300];

		if (e->d_name[0] == '.' ||
		    snprintf(name, sizeof(name), "%s/%s", folder, e->d_name) >=
		    (int)sizeof(name))
			continue;
		if (e->d_type == DT_DIR && depth)
			stat_find(name, depth - 1);
		else if (e->d_type == DT_REG && stat_count < 64)
			strcpy(stat_names[stat_count++], name);
	}
	if (dir)
		closedir(dir);
}

/* Reading changes nothing: one VM serves all trials. */
static void prepare_stats(struct scene *s)
{
	static struct scene kept;

	if (!kept.vm)
		scene_boot_run(&kept);
	stat_count = 0;
	stat_find("/sys/kernel/debug/kvm", 2);
	CHECK(stat_count);
}

static int step_stats(struct scene *s)
{
	for (; s->stage < stat_count; s->stage++) {
		int r = read_file(stat_names[s->stage]);

		if (r)
			return r;
	}
	return 0;
}

static void finish_stats(struct scene *s)
{
}

TEST(stats, "reading the counters in debugfs")
{
	static const struct sweep sweep = {
		.prepare = prepare_stats, .step = step_stats,
		.finish = finish_stats, .fails = true,
	};

	sweep_run(&sweep);
}
