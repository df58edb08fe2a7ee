// SPDX-License-Identifier: GPL-2.0-only
#include "chips.h"

#define PORT_DONE	0xe1	/* the access is done, data in EAX */
#define PORT_TAKEN	0xe2	/* a handler runs, vector in AL */
#define PORT_NONE	0xe3	/* no interrupt came */

/* Entries of the guest's code, OP_SIZE bytes each. */
enum { OP_OUT, OP_IN, OP_WRITE, OP_READ, OP_TAKE, OP_WAIT };

#define OP_SIZE		16
#define GPA_HANDLERS	0x80000
#define HANDLER_SIZE	8

GUEST(ops, 64,
	"out %al, %dx\n out %eax, $0xe1\n"
	ORG(16)
	"in %dx, %al\n out %eax, $0xe1\n"
	ORG(32)
	"mov %eax, (%rbx)\n out %eax, $0xe1\n"
	ORG(48)
	"mov (%rbx), %eax\n out %eax, $0xe1\n"
	ORG(64)
	"sti\n nop\n nop\n cli\n out %al, $0xe3\n"
	ORG(80)
	"1: sti\n hlt\n jmp 1b\n");

struct vmm_vcpu *chips_boot(void)
{
	struct vmm *vm = vmm_create(CHIPS_RAM);
	struct vmm_vcpu *vcpu;
	unsigned int vector;

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	vmm_load(vm, GPA_CODE, ops);
	vcpu = vmm_vcpu_add(vm);
	vmm_set_mode(vcpu, VMM_LONG);
	for (vector = 32; vector < 256; vector++) {
		uint64_t gpa = GPA_HANDLERS + vector * HANDLER_SIZE;
		/* mov $vector, %al; out %al, $PORT_TAKEN; jmp . */
		uint8_t code[] = { 0xb0, vector, 0xe6, PORT_TAKEN, 0xeb, 0xfe };

		memcpy(vm->ram + gpa, code, sizeof(code));
		vmm_gate(vcpu, vector, gpa);
	}
	return vcpu;
}

static void go(struct vmm_vcpu *vcpu, unsigned int op, uint64_t dx, uint64_t bx,
	       uint64_t ax)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE + op * OP_SIZE;
	regs.rsp = GPA_STACK;
	regs.rflags = 2;
	regs.rdx = dx;
	regs.rbx = bx;
	regs.rax = ax;
	vmm_set_regs(vcpu, &regs);
}

void chips_out(struct vmm_vcpu *vcpu, unsigned int port, unsigned int val)
{
	go(vcpu, OP_OUT, port, 0, val);
	vmm_run_to_out(vcpu, PORT_DONE, 4);
}

uint8_t chips_in(struct vmm_vcpu *vcpu, unsigned int port)
{
	go(vcpu, OP_IN, port, 0, 0);
	return vmm_run_to_out(vcpu, PORT_DONE, 4);
}

void chips_write(struct vmm_vcpu *vcpu, uint32_t gpa, uint32_t val)
{
	go(vcpu, OP_WRITE, 0, gpa, val);
	vmm_run_to_out(vcpu, PORT_DONE, 4);
}

uint32_t chips_read(struct vmm_vcpu *vcpu, uint32_t gpa)
{
	go(vcpu, OP_READ, 0, gpa, 0);
	return vmm_run_to_out(vcpu, PORT_DONE, 4);
}

static int taken(struct vmm_vcpu *vcpu)
{
	vmm_run_to(vcpu, KVM_EXIT_IO);
	if (vcpu->run->io.port == PORT_NONE)
		return -1;
	CHECK_EQ(vcpu->run->io.port, PORT_TAKEN);
	return *(uint8_t *)vmm_io_data(vcpu);
}

int chips_take(struct vmm_vcpu *vcpu)
{
	go(vcpu, OP_TAKE, 0, 0, 0);
	return taken(vcpu);
}

int chips_wait(struct vmm_vcpu *vcpu)
{
	go(vcpu, OP_WAIT, 0, 0, 0);
	return taken(vcpu);
}

int chips_line(struct vmm *vm, unsigned int gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line));
	return line.status;
}

struct kvm_irqchip chips_state(struct vmm *vm, unsigned int chip)
{
	struct kvm_irqchip state = { .chip_id = chip };

	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &state));
	return state;
}

void chips_set_state(struct vmm *vm, const struct kvm_irqchip *state)
{
	OK(ioctl(vm->fd, KVM_SET_IRQCHIP, state));
}
