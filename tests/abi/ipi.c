// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts from one vcpu to others. */
#define _GNU_SOURCE
#include "apic.h"

#include <stdlib.h>
#include <unistd.h>

#define VCPUS		4
#define ICR_ASSERT	0x4000
#define ICR_LOGICAL	0x800
#define ICR_SELF	0x40000
#define ICR_ALL		0x80000
#define ICR_OTHERS	0xc0000
#define DM_LOWEST	0x100
#define DM_NMI		0x400
#define DM_INIT		0x500
#define DM_SIPI		0x600
#define KVM_HC_SEND_IPI	10

static void send(struct vmm_vcpu *vcpu, uint32_t dest, uint32_t icr)
{
	guest_write(vcpu, APIC_ICR2, dest << 24);
	guest_write(vcpu, APIC_ICR, ICR_ASSERT | icr);
}

static void send_wide(struct vmm_vcpu *vcpu, uint32_t dest, uint32_t icr)
{
	CHECK(guest_wrmsr(vcpu, MSR_X2APIC + 0x30, (uint64_t)dest << 32 | ICR_ASSERT | icr));
}

/* Which vcpus have @vector pending, one bit each. */
static unsigned int pending(struct vmm *vm, int vector)
{
	struct kvm_lapic_state s;
	unsigned int set = 0;
	int i;

	for (i = 0; i < vm->vcpus; i++) {
		s = apic_state(&vm->vcpu[i]);
		set |= apic_state_bit(&s, APIC_IRR, vector) << i;
	}
	return set;
}

static void all_x2apic(struct vmm *vm)
{
	uint64_t base;
	int i;

	for (i = 0; i < vm->vcpus; i++) {
		CHECK(guest_rdmsr(&vm->vcpu[i], MSR_APIC_BASE, &base));
		CHECK(guest_wrmsr(&vm->vcpu[i], MSR_APIC_BASE, base | BASE_X2APIC));
		apic_set_handler_eoi(&vm->vcpu[i], APIC_EOI_MSR);
	}
}

TEST(physical, "xAPIC: a physical destination is one APIC, 0xff all")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];

	send(vcpu, 2, 0x41);
	CHECK_EQ(pending(vm, 0x41), 4);
	send(vcpu, 0, 0x42);
	CHECK_EQ(pending(vm, 0x42), 1);
	send(vcpu, 9, 0x43);
	CHECK_EQ(pending(vm, 0x43), 0);
	send(vcpu, 0xff, 0x44);
	CHECK_EQ(pending(vm, 0x44), 15);
}

TEST(shorthands, "self, all, all but self")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[1];

	send(vcpu, 0, ICR_SELF | 0x41);
	CHECK_EQ(pending(vm, 0x41), 2);
	send(vcpu, 0, ICR_ALL | 0x42);
	CHECK_EQ(pending(vm, 0x42), 15);
	send(vcpu, 0, ICR_OTHERS | 0x43);
	CHECK_EQ(pending(vm, 0x43), 13);
}

TEST(logical_flat, "xAPIC: flat logical destinations are bits")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];
	int i;

	for (i = 0; i < VCPUS; i++)
		guest_write(&vm->vcpu[i], APIC_LDR, 0x01000000u << i);
	send(vcpu, 0x5, ICR_LOGICAL | 0x41);
	CHECK_EQ(pending(vm, 0x41), 5);
	send(vcpu, 0x80, ICR_LOGICAL | 0x42);
	CHECK_EQ(pending(vm, 0x42), 0);
	send(vcpu, 0xff, ICR_LOGICAL | 0x43);
	CHECK_EQ(pending(vm, 0x43), 15);
	/* One that changes its address is found at the new one. */
	guest_write(&vm->vcpu[3], APIC_LDR, 0x40000000);
	send(vcpu, 0x48, ICR_LOGICAL | 0x44);
	CHECK_EQ(pending(vm, 0x44), 8);
}

TEST(logical_cluster, "xAPIC: a cluster in the high half, its members in the low")
{
	static const uint8_t ldr[VCPUS] = { 0x11, 0x12, 0x21, 0x22 };
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];
	int i;

	for (i = 0; i < VCPUS; i++) {
		guest_write(&vm->vcpu[i], APIC_DFR, 0x0fffffff);
		guest_write(&vm->vcpu[i], APIC_LDR, (uint32_t)ldr[i] << 24);
	}
	send(vcpu, 0x13, ICR_LOGICAL | 0x41);
	CHECK_EQ(pending(vm, 0x41), 3);
	send(vcpu, 0x22, ICR_LOGICAL | 0x42);
	CHECK_EQ(pending(vm, 0x42), 8);
	send(vcpu, 0x33, ICR_LOGICAL | 0x43);
	CHECK_EQ(pending(vm, 0x43), 0);
}

TEST(x2apic_destinations, "x2APIC: IDs, clusters, all")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];

	all_x2apic(vm);
	send_wide(vcpu, 3, 0x41);
	CHECK_EQ(pending(vm, 0x41), 8);
	send_wide(vcpu, 0xffffffff, 0x42);
	CHECK_EQ(pending(vm, 0x42), 15);
	send_wide(vcpu, 0x6, ICR_LOGICAL | 0x43);
	CHECK_EQ(pending(vm, 0x43), 6);
	send_wide(vcpu, 0x10006, ICR_LOGICAL | 0x44);
	CHECK_EQ(pending(vm, 0x44), 0);
	send_wide(vcpu, 0, ICR_OTHERS | 0x45);
	CHECK_EQ(pending(vm, 0x45), 14);
	send_wide(vcpu, 0x103, 0x46);
	CHECK_EQ(pending(vm, 0x46), 0);
}

TEST(lowest_priority, "lowest priority takes exactly one of those addressed")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	struct vmm_vcpu *vcpu = &vm->vcpu[0];
	unsigned int got;
	int i;

	for (i = 0; i < VCPUS; i++)
		guest_write(&vm->vcpu[i], APIC_LDR, 0x01000000u << i);
	for (i = 0; i < 8; i++) {
		send(vcpu, 0xe, ICR_LOGICAL | DM_LOWEST | (0x41 + i));
		got = pending(vm, 0x41 + i);
		CHECKF(got == 2 || got == 4 || got == 8, "vcpus %x got it", got);
	}
}

TEST(nmi, "an NMI to another vcpu, which cannot mask it")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);
	struct vmm_thread t;

	apic_set_handler_eoi(&vm->vcpu[1], APIC_EOI_NONE);
	guest_halt_start(&t, &vm->vcpu[1]);
	/* One that came before the HLT would not end it. */
	vmm_wait_asleep(&t);
	send(&vm->vcpu[0], 1, DM_NMI);
	guest_join(&t);
	CHECK_EQ(apic_count(&vm->vcpu[1], 2), 1);
}

/* Real mode: OUT the page it runs in to port 0x20, and halt. */
GUEST(ap, 16,
	"1: mov %cs, %ax\n"
	"out %ax, $0x20\n"
	"hlt\n"
	"jmp 1b\n");

static void wait_mp_state(struct vmm_vcpu *vcpu, uint32_t want)
{
	struct kvm_mp_state mp = {};
	int i;

	for (i = 0; i < 100; i++) {
		OK(ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp));
		if (mp.mp_state == want)
			return;
		vmm_sleep_ms(10);
	}
	FAIL("the vcpu's state is %u, not %u", mp.mp_state, want);
}

/* What a VMM's thread does: EAGAIN says that the processor has not been started yet. */
static void *run_ap(void *arg)
{
	struct vmm_vcpu *vcpu = arg;
	int r;

	do
		r = vmm_run(vcpu);
	while (r == -EAGAIN);
	return (void *)(long)r;
}

static bool ap_done(pthread_t thread)
{
	void *r;

	return pthread_tryjoin_np(thread, &r) == 0;
}

static void join_ap(pthread_t thread, struct vmm_vcpu *vcpu)
{
	void *r;

	CHECK(!pthread_join(thread, &r));
	CHECK_EQ((long)r, 0);
	CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(*(uint16_t *)vmm_io_data(vcpu), 0x1200);
}

TEST(start_ap, "INIT and SIPI start a processor, which waits for them in KVM_RUN")
{
	struct vmm *vm = apic_vm_bare(APIC_SPLIT);
	struct vmm_vcpu *bsp = apic_vcpu_add(vm), *vcpu = vmm_vcpu_add(vm);
	struct kvm_sregs sregs;
	pthread_t thread;

	guest_write(bsp, APIC_SVR, 0x1ff);
	vmm_load(vm, 0x12000, ap);
	wait_mp_state(vcpu, KVM_MP_STATE_UNINITIALIZED);
	CHECK(!pthread_create(&thread, NULL, run_ap, vcpu));
	vmm_sleep_ms(30);
	CHECK(!ap_done(thread));
	send(bsp, 1, DM_INIT);
	vmm_sleep_ms(30);
	CHECK(!ap_done(thread));
	send(bsp, 1, DM_SIPI | 0x12);
	join_ap(thread, vcpu);
	sregs = vmm_sregs(vcpu);
	CHECK_EQ(sregs.cs.base, 0x12000);
	CHECK_EQ(sregs.cr0 & 1, 0);
	/* And once more, out of its halt; a level de-assert does nothing. */
	CHECK(!pthread_create(&thread, NULL, run_ap, vcpu));
	vmm_sleep_ms(20);
	send(bsp, 1, DM_INIT);
	guest_write(bsp, APIC_ICR, DM_INIT | 0x8000);
	vmm_sleep_ms(20);
	send(bsp, 1, DM_SIPI | 0x12);
	join_ap(thread, vcpu);
}

TEST(sipi_ignored, "a running processor ignores a SIPI")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);

	send(&vm->vcpu[0], 1, DM_SIPI | 0x12);
	guest_take(&vm->vcpu[1]);
	CHECK_EQ(guest_read(&vm->vcpu[1], APIC_ID), 1u << 24);
}

TEST(running, "an interrupt reaches a vcpu that is in the guest")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);
	struct vmm_thread t;
	int i, n = tap_scaled(100, 10);

	for (i = 0; i < n; i++) {
		guest_wait_start(&t, &vm->vcpu[1], 0x41, i + 1);
		if (i % 10 == 0)
			vmm_sleep_ms(5);
		send(&vm->vcpu[0], 1, 0x41);
		guest_join(&t);
	}
}

/*
 * The emulator delivers an injected interrupt a second time where it changes to
 * another of its CPUs between VMRUN and the next exit (docs/lab.md): with several,
 * a few of thousands come twice, on stock modules too. None may be missing.
 */
TEST(no_interrupt_lost, "interrupts to a vcpu that halts between them: none is lost")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, 2);
	int i, twice = 0, n = tap_scaled(2000, 50);
	uint32_t before = 0, now;
	struct vmm_thread t;

	for (i = 0; i < n; i++) {
		guest_halt_start(&t, &vm->vcpu[1]);
		send(&vm->vcpu[0], 1, 0x41);
		guest_join(&t);
		now = apic_count(&vm->vcpu[1], 0x41);
		CHECK(now > before);
		twice += now - before - 1;
		before = now;
	}
	if (twice)
		tap_diag("%d of %d came twice", twice, n);
	CHECK(twice <= (vmm_cpus() > 1 ? n / 100 : 0));
}

TEST(hypercall, "KVM_HC_SEND_IPI reaches those in the bitmap")
{
	struct vmm *vm = apic_vm(APIC_SPLIT, VCPUS);
	uint64_t r;

	r = guest_hypercall(&vm->vcpu[0], KVM_HC_SEND_IPI, 0xb, 0, 0, 0x41);
	CHECK_EQ(pending(vm, 0x41), 0xb);
	CHECK_EQ(r, 3);
	/* The bitmap starts at an ID; IDs beyond the last vcpu are nobody's. */
	guest_hypercall(&vm->vcpu[0], KVM_HC_SEND_IPI, ~0ul, ~0ul, 2, 0x42);
	CHECK_EQ(pending(vm, 0x42), 0xc);
	guest_hypercall(&vm->vcpu[0], KVM_HC_SEND_IPI, ~0ul, ~0ul, 0xffffffff, 0x43);
	CHECK_EQ(pending(vm, 0x43), 0);
}
