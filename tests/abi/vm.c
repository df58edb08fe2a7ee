// SPDX-License-Identifier: GPL-2.0-only
/* Life of VMs and vcpus: creation, file descriptors, other processes. */
#define _GNU_SOURCE
#include "vmm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef KVM_CAP_MAX_VCPU_ID
#define KVM_CAP_MAX_VCPU_ID 128
#endif

/* OUT 0x5a to port 0x10, then HLT; over and over. */
GUEST(out_hlt, 16,
	"1: mov $0x5a, %al\n"
	"out %al, $0x10\n"
	"hlt\n"
	"jmp 1b\n");

GUEST(spin, 16, "1: jmp 1b\n");

static void run_out_hlt(struct vmm_vcpu *vcpu)
{
	CHECK_EQ(vmm_run_to_out(vcpu, 0x10, 1), 0x5a);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
}

TEST(first_guest, "a real-mode guest runs OUT and HLT")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);

	run_out_hlt(vcpu);
	run_out_hlt(vcpu);
	vmm_destroy(vcpu->vm);
}

TEST(vcpu_duplicate, "a second vcpu with the same id gives EEXIST")
{
	struct vmm *vm = vmm_create_bare();

	OK(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul));
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul), EEXIST);
}

TEST(vcpu_id_limits, "vcpu ids from MAX_VCPU_ID on give EINVAL")
{
	struct vmm *vm = vmm_create_bare();
	unsigned long max_id = vmm_cap(vm, KVM_CAP_MAX_VCPU_ID);

	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max_id), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max_id + 1), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0x7ffffffful), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0xfffffffful), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, ~0ul), EINVAL);
}

TEST(vcpu_max_number, "MAX_VCPUS vcpus can be created, not one more")
{
	struct vmm *vm = vmm_create_bare();
	unsigned long max = vmm_cap(vm, KVM_CAP_MAX_VCPUS);
	unsigned long max_id = vmm_cap(vm, KVM_CAP_MAX_VCPU_ID);
	unsigned long id;

	/* Creating a thousand takes seconds in an emulator. */
	if (max > 64)
		max = 64;
	for (id = 0; id < max; id++) {
		int fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);

		CHECKF(fd >= 0, "vcpu %lu of %lu: %s", id, max,
		       strerror(errno));
	}
	if (max < (unsigned long)vmm_cap(vm, KVM_CAP_MAX_VCPUS))
		return;
	if (max < max_id)
		CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max), EINVAL);
}

TEST(vcpu_mmap, "the vcpu mapping has three pages, not more")
{
	struct vmm *vm = vmm_create_bare();
	int fd = OK(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul));
	volatile struct kvm_run *run, *again;
	volatile uint8_t *p;

	p = mmap(NULL, 3 * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	run = (volatile struct kvm_run *)p;
	CHECK_EQ(run->exit_reason, 0);
	p[SZ_4K] = 1;
	/* Two mappings show the same page. */
	again = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(again != MAP_FAILED);
	run->request_interrupt_window = 1;
	CHECK_EQ(again->request_interrupt_window, 1);
}

static void touch_expecting_sigbus(volatile uint8_t *p)
{
	int status;
	pid_t pid = fork();

	OK(pid);
	if (!pid) {
		(void)*p;
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	       "status 0x%x instead of SIGBUS", status);
}

TEST(vcpu_mmap_beyond, "pages behind the vcpu area give SIGBUS or no mapping")
{
	struct vmm *vm = vmm_create_bare();
	int fd = OK(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul));
	uint8_t *p;

	p = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 3 * SZ_4K);
	if (p != MAP_FAILED)
		touch_expecting_sigbus(p);
	p = mmap(NULL, 8 * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		touch_expecting_sigbus(p + 7 * SZ_4K);
	p = mmap(NULL, SZ_4K, PROT_READ, MAP_SHARED, fd, 1ull << 40);
	if (p != MAP_FAILED)
		touch_expecting_sigbus(p);
}

TEST(vcpu_mmap_outlives_fd, "the mapped kvm_run outlives both fds")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	volatile struct kvm_run *run = vcpu->run;

	OK(close(vcpu->fd));
	OK(close(vm->fd));
	OK(close(vm->dev));
	run->immediate_exit = 1;
	CHECK_EQ(run->immediate_exit, 1);
	CHECK_EQ(run->exit_reason, 0);
	OK(munmap(vcpu->run, vcpu->run_size));
}

TEST(vcpu_runs_after_vm_close, "a vcpu runs on when the VM's fd is closed")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);

	OK(close(vcpu->vm->fd));
	OK(close(vcpu->vm->dev));
	run_out_hlt(vcpu);
	run_out_hlt(vcpu);
}

TEST(vcpu_close_frees_nothing_else, "closing one vcpu leaves the others")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *a = vmm_vcpu_add(vm), *b = vmm_vcpu_add(vm);

	vmm_load(vm, GPA_CODE, out_hlt);
	vmm_set_mode(a, VMM_REAL);
	vmm_set_mode(b, VMM_REAL);
	run_out_hlt(a);
	OK(close(a->fd));
	run_out_hlt(b);
	/* The id stays taken for the life of the VM. */
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0ul), EEXIST);
	run_out_hlt(b);
}

TEST(dup_fds, "dup'd fds are the same VM and vcpu")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	int vm2 = OK(dup(vcpu->vm->fd)), vcpu2 = OK(dup(vcpu->fd));

	OK(close(vcpu->vm->fd));
	OK(close(vcpu->fd));
	vcpu->vm->fd = vm2;
	vcpu->fd = vcpu2;
	CHECK_ERRNO(ioctl(vm2, KVM_CREATE_VCPU, 0ul), EEXIST);
	run_out_hlt(vcpu);
}

TEST(other_process, "VM and vcpu ioctls from another process give EIO")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	int status;
	pid_t pid = fork();

	OK(pid);
	if (!pid) {
		struct kvm_regs regs;
		struct kvm_sregs sregs;

		CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0ul), EIO);
		CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_REGS, &regs), EIO);
		CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), EIO);
		CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, 1ul), EIO);
		CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_CHECK_EXTENSION, 3ul), EIO);
		CHECK_ERRNO(vmm_try_slot(vcpu->vm, 0, 0, 0, 0, NULL), EIO);
		/* /dev/kvm belongs to nobody. */
		CHECK_EQ(ioctl(vcpu->vm->dev, KVM_GET_API_VERSION, 0), 12);
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	/* And the owner has not noticed. */
	run_out_hlt(vcpu);
}

TEST(fork_while_running, "a fork does not disturb the parent's guest")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	int i, status;

	for (i = 0; i < 5; i++) {
		pid_t pid;

		run_out_hlt(vcpu);
		pid = fork();
		OK(pid);
		if (!pid) {
			memset(vcpu->vm->ram, 0xcc, VMM_MIN_RAM);
			_exit(0);
		}
		OK(waitpid(pid, &status, 0));
		CHECK_EQ(status, 0);
		/* The child wrote to its own copy. */
		run_out_hlt(vcpu);
	}
}

TEST(child_keeps_fd, "a VM whose creator is gone is only a closed door")
{
	int status, to_child[2], to_parent[2];
	char byte = 'x';
	pid_t pid;

	/* The grandchild holds the fds of the child, which exits. */
	OK(pipe(to_child));
	OK(pipe(to_parent));
	pid = fork();
	OK(pid);
	if (!pid) {
		struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL,
						 out_hlt);

		run_out_hlt(vcpu);
		if (fork())
			_exit(0);
		OK(read(to_child[0], &byte, 1));
		CHECK_ERRNO(ioctl(vcpu->fd, KVM_RUN, 0ul), EIO);
		CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, 1ul), EIO);
		OK(close(vcpu->vm->fd));
		OK(close(vcpu->fd));
		OK(write(to_parent[1], "y", 1));
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	OK(write(to_child[1], &byte, 1));
	OK(close(to_parent[1]));
	CHECK_EQ(read(to_parent[0], &byte, 1), 1);
	CHECK_EQ(byte, 'y');
}

TEST(two_vms, "two VMs with the same addresses see only their own memory")
{
	struct vmm_vcpu *a = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	struct vmm_vcpu *b = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	int i;

	b->vm->ram[GPA_CODE + 1] = 0xa5;
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmm_run_to_out(a, 0x10, 1), 0x5a);
		CHECK_EQ(vmm_run_to_out(b, 0x10, 1), 0xa5);
		vmm_run_to(b, KVM_EXIT_HLT);
		vmm_run_to(a, KVM_EXIT_HLT);
	}
	vmm_destroy(a->vm);
	CHECK_EQ(vmm_run_to_out(b, 0x10, 1), 0xa5);
}

TEST(many_vms, "fifty VMs come and go")
{
	unsigned long i, n = tap_scaled(50, 10);

	for (i = 0; i < n; i++) {
		struct vmm_vcpu *vcpu;

		vcpu = vmm_boot(VMM_MIN_RAM, i % 2 ? VMM_REAL : VMM_PROT16,
				out_hlt);
		run_out_hlt(vcpu);
		vmm_destroy(vcpu->vm);
	}
}

TEST(many_vms_at_once, "thirty VMs live at the same time")
{
	struct vmm_vcpu *vcpu[30];
	int i, n = tap_scaled(30, 8);

	for (i = 0; i < n; i++) {
		vcpu[i] = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
		vcpu[i]->vm->ram[GPA_CODE + 1] = i;
	}
	for (i = 0; i < n; i++)
		CHECK_EQ(vmm_run_to_out(vcpu[i], 0x10, 1), i);
	for (i = n - 1; i >= 0; i--)
		vmm_run_to(vcpu[i], KVM_EXIT_HLT);
	for (i = 0; i < n; i += 2)
		vmm_destroy(vcpu[i]->vm);
	for (i = 1; i < n; i += 2)
		CHECK_EQ(vmm_run_to_out(vcpu[i], 0x10, 1), i);
}

TEST(killed_while_running, "SIGKILL ends a process whose vcpus are running")
{
	unsigned long round, rounds = tap_scaled(10, 3);

	for (round = 0; round < rounds; round++) {
		int status, ready[2];
		char byte;
		pid_t pid;

		OK(pipe(ready));
		pid = fork();
		OK(pid);
		if (!pid) {
			struct vmm_vcpu *vcpu;
			struct vmm_thread t;

			vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, spin);
			vmm_start(&t, vcpu);
			vmm_vcpu_add(vcpu->vm);
			vmm_set_mode(&vcpu->vm->vcpu[1], VMM_REAL);
			OK(write(ready[1], "r", 1));
			vmm_run(&vcpu->vm->vcpu[1]);
			_exit(1);
		}
		OK(close(ready[1]));
		CHECK_EQ(read(ready[0], &byte, 1), 1);
		vmm_sleep_ms(round);
		OK(kill(pid, SIGKILL));
		OK(waitpid(pid, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		OK(close(ready[0]));
	}
}

TEST(exit_while_running, "a process may exit while its vcpu thread runs")
{
	int status;
	pid_t pid = fork();

	OK(pid);
	if (!pid) {
		struct vmm_thread t;

		vmm_start(&t, vmm_boot(VMM_MIN_RAM, VMM_REAL, spin));
		vmm_sleep_ms(20);
		_exit(7);
	}
	OK(waitpid(pid, &status, 0));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(vm_unknown_ioctls, "numbers that are no VM or vcpu ioctl fail")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	char buffer[4096] = "";

	CHECK_ERRNO(ioctl(vm->fd, _IO(KVMIO, 0x3f), 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, _IOWR(0x12, 0x34, buffer), buffer), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu->fd, _IO(KVMIO, 0x3f), 0), EINVAL);
	/* Another ioctl type is refused before anything else is looked at. */
	CHECK_ERRNO(ioctl(vcpu->fd, _IOWR(0x12, 0x34, buffer), buffer), EINVAL);
}

TEST(ioctls_on_wrong_fd, "ioctls of one kind of fd fail on another")
{
	struct vmm *vm = vmm_create_bare();
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	struct kvm_userspace_memory_region region = { 0 };
	struct kvm_regs regs = { 0 };

	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_API_VERSION, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VM, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_VCPU_MMAP_SIZE, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, KVM_RUN, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_REGS, &regs), ENOTTY);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_CREATE_VCPU, 1), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_API_VERSION, 0), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_CHECK_EXTENSION, 3), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_USER_MEMORY_REGION, &region),
		    EINVAL);
}

TEST(vcpu_other_thread, "a vcpu may run in any thread of the process")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, out_hlt);
	struct vmm_thread t;
	int i;

	for (i = 0; i < 10; i++) {
		vmm_start(&t, vcpu);
		CHECK_EQ(vmm_join(&t), 0);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
	}
}

TEST(vcpu_used_twice, "two threads that run one vcpu take turns")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_REAL, spin);
	struct vmm_thread first, second;

	vmm_start(&first, vcpu);
	vmm_start(&second, vcpu);
	vmm_sleep_ms(20);
	CHECK(!first.done && !second.done);
	/* One of them waits for the other where no signal wakes it. */
	while (!first.done || !second.done) {
		vcpu->run->immediate_exit = 1;
		if (!first.done)
			pthread_kill(first.thread, SIGUSR1);
		if (!second.done)
			pthread_kill(second.thread, SIGUSR1);
		vmm_sleep_ms(1);
	}
	CHECK_EQ(vmm_join(&first), -EINTR);
	CHECK_EQ(vmm_join(&second), -EINTR);
}
