// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM that keeps verifying its memory while something happens to the host.
 *
 * Each vcpu fills its part of the RAM with a pattern that depends on the
 * address and the round, reads every dword back, and reports each round by OUT.
 * Runs for WORK_SECONDS (default 10); prints how many dwords were verified.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vmm.h"

#define PART	(4 * SZ_1M)
#define BASE	(2 * SZ_1M)

/* rdi: first byte, rcx: dwords, ebx: round. OUT of al to 0x10: 1 good, 0 bad. */
GUEST(verify, 64,
	"round:\n"
	"  mov %rdi, %rsi\n"
	"  mov %rcx, %rdx\n"
	"1: mov %esi, %eax\n"
	"  add %ebx, %eax\n"
	"  mov %eax, (%rsi)\n"
	"  add $4, %rsi\n"
	"  dec %rdx\n"
	"  jnz 1b\n"
	"  mov %rdi, %rsi\n"
	"  mov %rcx, %rdx\n"
	"2: mov %esi, %eax\n"
	"  add %ebx, %eax\n"
	"  cmp %eax, (%rsi)\n"
	"  jne 3f\n"
	"  add $4, %rsi\n"
	"  dec %rdx\n"
	"  jnz 2b\n"
	"  inc %ebx\n"
	"  mov $1, %al\n"
	"  out %al, $0x10\n"
	"  jmp round\n"
	"3: mov $0, %al\n"
	"  out %al, $0x10\n"
	"  hlt\n");

static uint64_t deadline;

static void *work_vcpu(void *arg)
{
	struct vmm_vcpu *vcpu = arg;
	uint64_t rounds = 0;

	while (vmm_now_ms() < deadline) {
		int r = vmm_run(vcpu);

		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r || vcpu->run->exit_reason != KVM_EXIT_IO) {
			tap_diag("vcpu %d: KVM_RUN %d, %s", vcpu->id, r,
				 vmm_exit_name(vcpu->run->exit_reason));
			return (void *)-1;
		}
		if (*(uint8_t *)vmm_io_data(vcpu) != 1) {
			tap_diag("vcpu %d: a dword is not what was written", vcpu->id);
			return (void *)-1;
		}
		rounds++;
	}
	return (void *)rounds;
}

TEST(verify, "a guest's memory stays right")
{
	const char *words = getenv("WORK_SECONDS");
	unsigned int seconds = words ? atoi(words) : 10;
	int n = vmm_cpus() > 1 ? 2 : 1, i;
	struct vmm *vm = vmm_create(BASE + n * PART);
	pthread_t thread[2];
	uint64_t total = 0;

	vmm_load(vm, GPA_CODE, verify);
	for (i = 0; i < n; i++) {
		struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);
		struct kvm_regs regs;

		vmm_set_mode(vcpu, VMM_LONG);
		regs = vmm_regs(vcpu);
		regs.rdi = BASE + i * PART;
		regs.rcx = PART / 4;
		regs.rbx = 7 * (i + 1);
		vmm_set_regs(vcpu, &regs);
	}
	deadline = vmm_now_ms() + seconds * 1000;
	for (i = 0; i < n; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, work_vcpu, &vm->vcpu[i]), 0);
	for (i = 0; i < n; i++) {
		void *rounds;

		pthread_join(thread[i], &rounds);
		CHECKF(rounds != (void *)-1, "vcpu %d failed", i);
		CHECKF(rounds, "vcpu %d finished no round", i);
		total += (uint64_t)rounds * PART / 4;
	}
	tap_diag("%llu dwords verified, 0 bad", (unsigned long long)total);
}
