// SPDX-License-Identifier: GPL-2.0-only
/* Coalesced MMIO and ports: writes that wait in a ring. */
#define _GNU_SOURCE
#include "vmm.h"

#define PORT	0x3f8
#define RING_MAX ((4096 - sizeof(struct kvm_coalesced_mmio_ring)) / \
		  sizeof(struct kvm_coalesced_mmio))

static struct kvm_coalesced_mmio_ring *ring_of(struct vmm_vcpu *vcpu)
{
	CHECK(vcpu->run_size >= 3 * SZ_4K);
	return (void *)((char *)vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * SZ_4K);
}

static int zone(struct vmm *vm, bool add, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = addr, .size = size, .pio = pio,
	};

	return ioctl(vm->fd, add ? KVM_REGISTER_COALESCED_MMIO :
		     KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static void check_entry(struct kvm_coalesced_mmio_ring *ring, unsigned int i,
			uint64_t addr, uint32_t len, uint32_t pio, uint64_t data)
{
	struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[i];
	uint64_t got = 0;

	CHECK_EQ(e->phys_addr, addr);
	CHECK_EQ(e->len, len);
	CHECK_EQ(e->pio, pio);
	memcpy(&got, e->data, len);
	CHECK_EQ(got, data);
}

static void again(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE;
	vmm_set_regs(vcpu, &regs);
}

GUEST(writes, 64,
	"mov $0xd0000000, %ebx\n"
	"mov $0x1122334455667788, %rax\n"
	"movb %al, 1(%rbx)\n"
	"movw %ax, 2(%rbx)\n"
	"movl %eax, 4(%rbx)\n"
	"movq %rax, 8(%rbx)\n"
	"mov $0x3f8, %edx\n"
	"out %al, %dx\n"
	"out %ax, %dx\n"
	"out %eax, %dx\n"
	"hlt\n");

TEST(caps, "the capabilities tell where the ring is")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_EQ(vmm_cap(vm, KVM_CAP_COALESCED_MMIO), KVM_COALESCED_MMIO_PAGE_OFFSET);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_COALESCED_PIO), 1);
}

TEST(mmio, "writes of every length to a zone wait in the ring")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, writes);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);

	OK(zone(vcpu->vm, true, GPA_MMIO, 16, 0));
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x88);
	CHECK_EQ(ring->first, 0);
	CHECK_EQ(ring->last, 4);
	check_entry(ring, 0, GPA_MMIO + 1, 1, 0, 0x88);
	check_entry(ring, 1, GPA_MMIO + 2, 2, 0, 0x7788);
	check_entry(ring, 2, GPA_MMIO + 4, 4, 0, 0x55667788);
	check_entry(ring, 3, GPA_MMIO + 8, 8, 0, 0x1122334455667788);
}

TEST(pio, "writes to ports wait in the same ring")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, writes);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);

	OK(zone(vcpu->vm, true, GPA_MMIO, 0x1000, 0));
	OK(zone(vcpu->vm, true, PORT, 4, 1));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(ring->last, 7);
	check_entry(ring, 4, PORT, 1, 1, 0x88);
	check_entry(ring, 5, PORT, 2, 1, 0x7788);
	check_entry(ring, 6, PORT, 4, 1, 0x55667788);
}

TEST(bounds, "a write that leaves the zone exits")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, writes);

	OK(zone(vcpu->vm, true, GPA_MMIO + 2, 13, 0));
	OK(zone(vcpu->vm, true, PORT, 2, 1));
	vmm_run_to_mmio(vcpu, true, GPA_MMIO + 1, 1);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO + 8, 8);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 4), 0x55667788);
	CHECK_EQ(ring_of(vcpu)->last, 4);
}

GUEST(read_zone, 64,
	"mov $0xd0000000, %ebx\n"
	"movl (%rbx), %eax\n"
	"mov $0x3f8, %edx\n"
	"in %dx, %al\n"
	"hlt\n");

TEST(reads, "reads exit")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, read_zone);

	OK(zone(vcpu->vm, true, GPA_MMIO, 4, 0));
	OK(zone(vcpu->vm, true, PORT, 4, 1));
	vmm_run_to_mmio(vcpu, false, GPA_MMIO, 4);
	vmm_run_to(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
	CHECK_EQ(ring_of(vcpu)->last, 0);
}

TEST(unregister, "an unregistered zone exits again")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, writes);

	OK(zone(vcpu->vm, true, GPA_MMIO, 16, 0));
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x88);
	OK(zone(vcpu->vm, false, GPA_MMIO, 16, 0));
	again(vcpu);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO + 1, 1);
	/* A part of it is enough. */
	OK(zone(vcpu->vm, true, GPA_MMIO, 16, 0));
	OK(zone(vcpu->vm, false, GPA_MMIO + 4, 4, 0));
	again(vcpu);
	vmm_run_to_mmio(vcpu, true, GPA_MMIO + 1, 1);
	/* More than it is not, and neither is the other space. */
	OK(zone(vcpu->vm, true, GPA_MMIO, 16, 0));
	OK(zone(vcpu->vm, false, GPA_MMIO, 17, 0));
	OK(zone(vcpu->vm, false, GPA_MMIO, 16, 1));
	again(vcpu);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x88);
}

TEST(refused, "bad arguments are refused, no zone is no error")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);

	CHECK_ERRNO(zone(vm, true, GPA_MMIO, 16, 2), EINVAL);
	CHECK_ERRNO(zone(vm, false, GPA_MMIO, 16, 2), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, 8), EFAULT);
	OK(zone(vm, false, GPA_MMIO, 16, 0));
	OK(zone(vm, true, GPA_MMIO, 16, 0));
	OK(zone(vm, true, GPA_MMIO, 16, 0));
	OK(zone(vm, true, ~0ull - 2, 16, 0));
	OK(zone(vm, true, 0, 0, 0));
}

GUEST(hammer, 64,
	"mov $0xd0000000, %ebx\n"
	"xor %eax, %eax\n"
	"1: movl %eax, (%rbx)\n"
	"inc %eax\n"
	"jmp 1b\n");

TEST(full, "a full ring makes the write exit; emptied, it takes more")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, hammer);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	unsigned int i, n, last;

	OK(zone(vcpu->vm, true, GPA_MMIO, 4, 0));
	n = vmm_run_to_mmio(vcpu, true, GPA_MMIO, 4);
	/* Some kernels want to be emptied at the half. */
	CHECK(n >= RING_MAX / 2 && n < RING_MAX);
	CHECK_EQ(ring->first, 0);
	CHECK_EQ(ring->last, n);
	for (i = 0; i < n; i++)
		check_entry(ring, i, GPA_MMIO, 4, 0, i);

	/* Empty again, and near the end, where it goes round. */
	ring->first = RING_MAX - 2;
	ring->last = RING_MAX - 2;
	last = vmm_run_to_mmio(vcpu, true, GPA_MMIO, 4);
	CHECK(last > n + 3);
	CHECK_EQ(ring->last, last - (n + 1) - 2);
	for (i = 0; n + 1 + i < last; i++)
		check_entry(ring, (RING_MAX - 2 + i) % RING_MAX, GPA_MMIO, 4, 0,
			    n + 1 + i);
}

TEST(hostile, "a ring with nonsense in it costs exits at most")
{
	static const uint32_t bad[] = {
		RING_MAX, RING_MAX + 1, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, hammer);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	unsigned int i;

	OK(zone(vcpu->vm, true, GPA_MMIO, 4, 0));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ring->first = 0;
		ring->last = bad[i];
		vmm_run_to_mmio(vcpu, true, GPA_MMIO, 4);
		CHECK_EQ(ring->last, bad[i]);
	}
	ring->last = 0;
	ring->first = 1;
	vmm_run_to_mmio(vcpu, true, GPA_MMIO, 4);
	CHECK_EQ(ring->last, 0);
}

TEST(shared, "all vcpus of a VM have the same ring")
{
	struct vmm_vcpu *vcpu = vmm_boot(VMM_MIN_RAM, VMM_LONG, writes);
	struct vmm_vcpu *other = vmm_vcpu_add(vcpu->vm);

	OK(zone(vcpu->vm, true, GPA_MMIO, 16, 0));
	vmm_set_mode(other, VMM_LONG);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x88);
	CHECK_EQ(ring_of(other)->last, 4);
	check_entry(ring_of(other), 3, GPA_MMIO + 8, 8, 0, 0x1122334455667788);
	CHECK_EQ(vmm_run_to_out(other, PORT, 1), 0x88);
	CHECK_EQ(ring_of(vcpu)->last, 8);
}

TEST(no_vcpu, "zones may come before the first vcpu")
{
	struct vmm *vm = vmm_create(VMM_MIN_RAM);
	struct vmm_vcpu *vcpu;

	OK(zone(vm, true, GPA_MMIO, 16, 0));
	vmm_load(vm, GPA_CODE, writes);
	vcpu = vmm_vcpu_add(vm);
	vmm_set_mode(vcpu, VMM_LONG);
	CHECK_EQ(vmm_run_to_out(vcpu, PORT, 1), 0x88);
	CHECK_EQ(ring_of(vcpu)->last, 4);
}
