// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time: what the vcpu's thread waited for a CPU, and whether it has one.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <pthread.h>
#include <sched.h>

#define MSR_STEAL	0x4b564d03
#define PAGE		GPA_DATA2

struct steal {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted, pad8[3];
	uint32_t pad[11];
};

GUEST(stop, 64, "1: hlt\njmp 1b\n");
/* Spins until the word at 0x7000 is set. */
GUEST(spin, 64,
	"1: pause\n"
	"cmpl $0, 0x7000\n"
	"je 1b\n"
	"hlt\n");

static int try_msr(struct vmm_vcpu *vcpu, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = MSR_STEAL, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &m);
}

static struct vmm_vcpu *boot(struct vmm_blob blob)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, blob);
	struct kvm_cpuid_entry2 *leaf;

	leaf = vmm_cpuid_find(vmm_supported_cpuid(vcpu->vm->dev), 0x40000001, 0);
	if (!leaf || !(leaf->eax & 1 << 5))
		SKIP("CPUID does not offer steal time");
	return vcpu;
}

static volatile struct steal *page(struct vmm_vcpu *vcpu)
{
	return (volatile struct steal *)(vcpu->vm->ram + PAGE);
}

TEST(page, "the page is written before the next entry, with an even version")
{
	struct vmm_vcpu *vcpu = boot(stop);

	CHECK_EQ(try_msr(vcpu, PAGE | 1), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECKF(page(vcpu)->version && !(page(vcpu)->version & 1), "version %u",
	       page(vcpu)->version);
	CHECK_EQ(page(vcpu)->flags, 0);
}

TEST(bad_value, "reserved bits are refused; disabled, the page is left alone")
{
	struct vmm_vcpu *vcpu = boot(stop);

	CHECK_EQ(try_msr(vcpu, PAGE | 3), 0);
	CHECK_EQ(try_msr(vcpu, PAGE | 0x21), 0);
	CHECK_EQ(try_msr(vcpu, PAGE), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(page(vcpu)->version, 0);
	CHECK_EQ(try_msr(vcpu, 0xffff000000000001ull), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(try_msr(vcpu, GPA_MMIO | 1), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(try_msr(vcpu, 0), 1);
}

static volatile int busy_stop;

static void *busy(void *arg)
{
	vmm_pin(0);
	while (!busy_stop)
		;
	return NULL;
}

static void *run_pinned(void *arg)
{
	struct vmm_vcpu *vcpu = arg;

	vmm_pin(0);
	return (void *)(long)vmm_run(vcpu);
}

TEST(contended, "a thread that shares its CPU loses time, and is seen preempted")
{
	struct vmm_vcpu *vcpu = boot(spin);
	pthread_t other, runner;
	uint64_t end = vmm_now_ms() + tap_scaled(20000, 20000);
	bool preempted = false;
	void *result;
	uint64_t before;

	vmm_pin(1);
	CHECK_EQ(try_msr(vcpu, PAGE | 1), 1);
	busy_stop = 0;
	CHECK(!pthread_create(&other, NULL, busy, NULL));
	CHECK(!pthread_create(&runner, NULL, run_pinned, vcpu));
	while (vmm_now_ms() < end && (!preempted || page(vcpu)->steal < 20 * 1000000)) {
		preempted |= page(vcpu)->preempted & 1;
		sched_yield();
	}
	before = page(vcpu)->steal;
	*(volatile uint32_t *)(vcpu->vm->ram + GPA_DATA) = 1;
	CHECK(!pthread_join(runner, &result));
	busy_stop = 1;
	CHECK(!pthread_join(other, NULL));
	CHECK_EQ((long)result, 0);
	CHECKF(preempted, "never seen preempted");
	CHECKF(before >= 20 * 1000000, "only %llu ns stolen", (unsigned long long)before);
	CHECK(!(page(vcpu)->version & 1));
}

#define FLUSH_VA	0x40000000ull

/* RBX is what lies at FLUSH_VA. */
GUEST(look, 64,
	"1: mov 0x40000000, %ebx\n"
	"hlt\n"
	"jmp 1b\n");

TEST(flush, "a flush asked of a vcpu that is away is done when it is back")
{
	struct vmm_vcpu *vcpu = boot(look);
	struct vmm *vm = vcpu->vm;
	uint64_t root = vmm_sregs(vcpu).cr3;
	struct kvm_cpuid_entry2 *leaf;

	leaf = vmm_cpuid_find(vmm_supported_cpuid(vm->dev), 0x40000001, 0);
	if (!(leaf->eax & 1 << 9))
		SKIP("CPUID does not offer the paravirtual TLB flush");
	*(uint32_t *)(vm->ram + GPA_DATA2 + SZ_4K) = 0x1111;
	*(uint32_t *)(vm->ram + GPA_DATA2 + 2 * SZ_4K) = 0x2222;
	vmm_map(vm, VMM_LONG, root, FLUSH_VA, GPA_DATA2 + SZ_4K, SZ_4K, PTE_P | PTE_W);
	CHECK_EQ(try_msr(vcpu, PAGE | 1), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x1111);
	CHECK_EQ(page(vcpu)->preempted, 0);
	/* As another vcpu would: change the mapping, and ask for the flush. */
	vmm_map(vm, VMM_LONG, root, FLUSH_VA, GPA_DATA2 + 2 * SZ_4K, SZ_4K, PTE_P | PTE_W);
	page(vcpu)->preempted = 3;
	CHECK_EQ(try_msr(vcpu, PAGE | 1), 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(page(vcpu)->preempted, 0);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x2222);
}
