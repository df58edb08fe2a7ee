// SPDX-License-Identifier: GPL-2.0-only
/* The guest that does one command per KVM_RUN, and its VMs. */
#define _GNU_SOURCE
#include "apic.h"

#include <stdlib.h>
#include <unistd.h>

#define STUBS		(GPA_CODE + 0x1000)	/* 16 bytes for each vector */
#define COMMAND(id)	(GPA_DATA + (id) * 0x80)
#define COUNTS(id)	(GPA_DATA2 + (id) * 0x800)
#define STACK(id)	(GPA_STACK - (id) * 0x400)
#define PORT_DONE	0x10
#define PORT_GP		0x13

enum op { OP_NONE, OP_READ, OP_WRITE, OP_RDMSR, OP_WRMSR, OP_TAKE, OP_HALT, OP_CR8,
	  OP_SET_CR8, OP_WAIT, OP_TSC, OP_VMCALL, OP_VMMCALL };

/* RBX points to it in the guest, R12 to the counts. */
struct command {
	uint32_t op;		/* 0 */
	uint32_t eoi;		/* 4 */
	uint64_t addr;		/* 8 */
	uint64_t val;		/* 16 */
	uint64_t result;	/* 24 */
	uint64_t arg[3];	/* 32, 40, 48 */
	uint64_t flag;		/* 56 */
	uint32_t flagged;	/* 64 */
	uint32_t repeated;	/* 68 */
};

struct counts {
	uint32_t count[256];	/* 0 */
	uint32_t logged;	/* 0x400 */
	uint8_t log[0x3fc];	/* 0x404 */
};

GUEST(worker, 64,
	"1: mov 0(%rbx), %eax\n"
	"mov 8(%rbx), %rsi\n"
	"mov 16(%rbx), %rdi\n"
	"dec %eax\njnz 2f\n"
	"mov (%rsi), %eax\nmov %rax, 24(%rbx)\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"mov %edi, (%rsi)\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"mov %esi, %ecx\nrdmsr\nshl $32, %rdx\nor %rdx, %rax\n"
	"mov %rax, 24(%rbx)\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"mov %esi, %ecx\nmov %edi, %eax\nmov %rdi, %rdx\nshr $32, %rdx\nwrmsr\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"sti\nnop\nnop\ncli\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"sti\n88: hlt\ncli\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"mov %cr8, %rax\nmov %rax, 24(%rbx)\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"mov %rdi, %cr8\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"sti\n3: pause\ncmp %edi, (%rsi)\njb 3b\ncli\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"rdtsc\nshl $32, %rdx\nor %rdx, %rax\nmov %rax, 24(%rbx)\njmp 9f\n"
	"2: dec %eax\njnz 2f\n"
	"call 4f\n.byte 0x0f, 0x01, 0xc1\nmov %r13, %rbx\nmov %rax, 24(%rbx)\njmp 9f\n"
	"2: dec %eax\njnz 9f\n"
	"call 4f\n.byte 0x0f, 0x01, 0xd9\nmov %r13, %rbx\nmov %rax, 24(%rbx)\n"
	"9: out %al, $0x10\n"
	"jmp 1b\n"
	"4: mov %rbx, %r13\nmov %rsi, %rax\nmov 32(%r13), %rcx\nmov 40(%r13), %rdx\n"
	"mov 48(%r13), %rsi\nmov %rdi, %rbx\nret\n"
	"5: out %al, $0x13\n"
	"jmp 5b\n"
	"6: push %rax\npush %rcx\npush %rdx\n"
	"mov 24(%rsp), %rax\n"
	/* An interrupt that comes while interrupts are off is only noted. */
	"cmp $32, %eax\njb 67f\n"
	"btl $9, 48(%rsp)\njc 67f\n"
	"incl 68(%rbx)\njmp 68f\n"
	"67: incl (%r12, %rax, 4)\n"
	"mov 0x400(%r12), %ecx\n"
	"cmp $0x3fc, %ecx\njae 7f\n"
	"mov %al, 0x404(%r12, %rcx)\n"
	"incl 0x400(%r12)\n"
	"7: mov 4(%rbx), %eax\n"
	"dec %eax\njnz 7f\n"
	"mov $0xfee000b0, %ecx\nmovl $0, (%rcx)\n"
	"7: dec %eax\njnz 7f\n"
	"mov $0x80b, %ecx\nxor %edx, %edx\nwrmsr\n"
	"7: dec %eax\njnz 7f\n"
	"mov 56(%rbx), %rcx\nbtrl $0, (%rcx)\njc 66f\n"
	"mov $0xfee000b0, %ecx\nmovl $0, (%rcx)\njmp 7f\n"
	"66: incl 64(%rbx)\n"
	/* One that came before the HLT ends it, too: emulated CPUs lose STI's shadow. */
	"7: lea 88b(%rip), %rax\n"
	"cmp %rax, 32(%rsp)\njne 7f\n"
	"incq 32(%rsp)\n"
	"7:\n"
	"68: pop %rdx\npop %rcx\npop %rax\nadd $8, %rsp\niretq\n"
	ORG(0xf00) "jmp 5b\n"
	ORG(0x1000)
	"8: .rept 256\n"
	".balign 16\n"
	"push $(. - 8b) / 16\n"
	"jmp 6b\n"
	".endr\n");

static struct command *command(struct vmm_vcpu *vcpu)
{
	return (struct command *)(vcpu->vm->ram + COMMAND(vcpu->id));
}

static struct counts *counts(struct vmm_vcpu *vcpu)
{
	return (struct counts *)(vcpu->vm->ram + COUNTS(vcpu->id));
}

struct vmm *apic_vm_bare(enum apic_chips chips)
{
	struct vmm *vm = vmm_create(SZ_2M);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	if (chips == APIC_KERNEL)
		OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	else
		OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vmm_load(vm, GPA_CODE, worker);
	return vm;
}

static void set_cpuid(struct vmm_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vcpu->vm->dev);
	struct kvm_cpuid_entry2 *leaf = vmm_cpuid_find(cpuid, 1, 0);

	leaf->ecx |= 1u << 21 | 1u << 24;
	leaf->ebx = (leaf->ebx & 0xffffff) | (uint32_t)vcpu->id << 24;
	vmm_set_cpuid(vcpu, cpuid);
	free(cpuid);
}

struct vmm_vcpu *apic_vcpu_add(struct vmm *vm)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vmm_vcpu *vcpu = vmm_vcpu_add_raw(vm);
	struct kvm_regs regs;
	int i;

	set_cpuid(vcpu);
	vmm_set_mode(vcpu, VMM_LONG);
	regs = vmm_regs(vcpu);
	regs.rbx = COMMAND(vcpu->id);
	regs.r12 = COUNTS(vcpu->id);
	regs.rsp = STACK(vcpu->id);
	regs.rflags = 2;
	vmm_set_regs(vcpu, &regs);
	for (i = 0; i < 256; i++)
		vmm_gate(vcpu, i, i == 13 ? GPA_CODE + 0xf00 : STUBS + i * 16ull);
	OK(ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable));
	return vcpu;
}

struct vmm *apic_vm(enum apic_chips chips, int vcpus)
{
	struct vmm *vm = apic_vm_bare(chips);
	int i;

	for (i = 0; i < vcpus; i++) {
		apic_vcpu_add(vm);
		guest_write(&vm->vcpu[i], APIC_SVR, 0x1ff);
		apic_set_handler_eoi(&vm->vcpu[i], APIC_EOI_PAGE);
	}
	return vm;
}

void apic_set_handler_eoi(struct vmm_vcpu *vcpu, enum apic_eoi how)
{
	command(vcpu)->eoi = how;
}

void apic_set_eoi_flag(struct vmm_vcpu *vcpu, uint64_t gpa)
{
	command(vcpu)->flag = gpa;
	command(vcpu)->eoi = APIC_EOI_FLAG;
}

uint32_t apic_flagged(struct vmm_vcpu *vcpu)
{
	return command(vcpu)->flagged;
}

struct kvm_lapic_state apic_state(struct vmm_vcpu *vcpu)
{
	struct kvm_lapic_state state;

	OK(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	return state;
}

void apic_set_state(struct vmm_vcpu *vcpu, const struct kvm_lapic_state *state)
{
	OK(ioctl(vcpu->fd, KVM_SET_LAPIC, state));
}

uint32_t apic_state_get(const struct kvm_lapic_state *state, unsigned int reg)
{
	uint32_t val;

	memcpy(&val, state->regs + reg, sizeof(val));
	return val;
}

void apic_state_put(struct kvm_lapic_state *state, unsigned int reg, uint32_t val)
{
	memcpy(state->regs + reg, &val, sizeof(val));
}

bool apic_state_bit(const struct kvm_lapic_state *state, unsigned int reg, int vector)
{
	return apic_state_get(state, reg + vector / 32 * 16) >> vector % 32 & 1;
}

uint32_t apic_peek(struct vmm_vcpu *vcpu, unsigned int reg)
{
	struct kvm_lapic_state state = apic_state(vcpu);

	return apic_state_get(&state, reg);
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

bool apic_msr_get(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t *val)
{
	struct one_msr arg = { .head.nmsrs = 1, .entry.index = msr };
	bool done = OK(ioctl(vcpu->fd, KVM_GET_MSRS, &arg)) == 1;

	*val = arg.entry.data;
	return done;
}

bool apic_msr_set(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t val)
{
	struct one_msr arg = { .head.nmsrs = 1, .entry = { .index = msr, .data = val } };

	return OK(ioctl(vcpu->fd, KVM_SET_MSRS, &arg)) == 1;
}

static void command_set(struct vmm_vcpu *vcpu, enum op op, uint64_t addr, uint64_t val)
{
	struct command *c = command(vcpu);

	c->op = op;
	c->addr = addr;
	c->val = val;
	c->result = 0;
}

/* After #GP the guest starts over, its stack empty. */
static void guest_restart(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rip = GPA_CODE;
	regs.rsp = STACK(vcpu->id);
	regs.rflags = 2;
	vmm_set_regs(vcpu, &regs);
}

/* The emulator repeats interrupts where it changes CPUs (docs/lab.md); KVM may not. */
static void check_repeated(struct vmm_vcpu *vcpu)
{
	if (command(vcpu)->repeated && !(vmm_on_tcg() && vmm_cpus() > 1))
		FAIL("%u interrupts came while they were off", command(vcpu)->repeated);
}

/* False: #GP. */
static bool guest_do(struct vmm_vcpu *vcpu, enum op op, uint64_t addr, uint64_t val)
{
	command_set(vcpu, op, addr, val);
	vmm_run_to(vcpu, KVM_EXIT_IO);
	check_repeated(vcpu);
	if (vcpu->run->io.port == PORT_DONE)
		return true;
	CHECK_EQ(vcpu->run->io.port, PORT_GP);
	guest_restart(vcpu);
	return false;
}

uint32_t guest_read(struct vmm_vcpu *vcpu, unsigned int reg)
{
	CHECK(guest_do(vcpu, OP_READ, APIC_PAGE + reg, 0));
	return command(vcpu)->result;
}

void guest_write(struct vmm_vcpu *vcpu, unsigned int reg, uint32_t val)
{
	CHECK(guest_do(vcpu, OP_WRITE, APIC_PAGE + reg, val));
}

bool guest_rdmsr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t *val)
{
	bool done = guest_do(vcpu, OP_RDMSR, msr, 0);

	*val = command(vcpu)->result;
	return done;
}

bool guest_wrmsr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t val)
{
	return guest_do(vcpu, OP_WRMSR, msr, val);
}

uint64_t guest_cr8(struct vmm_vcpu *vcpu)
{
	CHECK(guest_do(vcpu, OP_CR8, 0, 0));
	return command(vcpu)->result;
}

void guest_set_cr8(struct vmm_vcpu *vcpu, uint64_t val)
{
	CHECK(guest_do(vcpu, OP_SET_CR8, 0, val));
}

uint64_t guest_tsc(struct vmm_vcpu *vcpu)
{
	CHECK(guest_do(vcpu, OP_TSC, 0, 0));
	return command(vcpu)->result;
}

void guest_take(struct vmm_vcpu *vcpu)
{
	CHECK(guest_do(vcpu, OP_TAKE, 0, 0));
}

void guest_halt(struct vmm_vcpu *vcpu)
{
	CHECK(guest_do(vcpu, OP_HALT, 0, 0));
}

void guest_wait(struct vmm_vcpu *vcpu, int vector, uint32_t n)
{
	CHECK(guest_do(vcpu, OP_WAIT, COUNTS(vcpu->id) + vector * 4, n));
}

/* VMCALL on Intel, VMMCALL on AMD: what the vendor's string says. */
static bool host_is_intel(struct vmm_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = vmm_supported_cpuid(vcpu->vm->dev);
	bool intel = vmm_cpuid_find(cpuid, 0, 0)->ebx == 0x756e6547;

	free(cpuid);
	return intel;
}

uint64_t guest_hypercall(struct vmm_vcpu *vcpu, uint64_t nr, uint64_t a0, uint64_t a1,
			 uint64_t a2, uint64_t a3)
{
	struct command *c = command(vcpu);

	c->arg[0] = a1;
	c->arg[1] = a2;
	c->arg[2] = a3;
	CHECK(guest_do(vcpu, host_is_intel(vcpu) ? OP_VMCALL : OP_VMMCALL, nr, a0));
	return c->result;
}

void guest_write_start(struct vmm_vcpu *vcpu, unsigned int reg, uint32_t val)
{
	command_set(vcpu, OP_WRITE, APIC_PAGE + reg, val);
}

void guest_write_end(struct vmm_vcpu *vcpu)
{
	vmm_run_to(vcpu, KVM_EXIT_IO);
	CHECK_EQ(vcpu->run->io.port, PORT_DONE);
}

void guest_wait_start(struct vmm_thread *t, struct vmm_vcpu *vcpu, int vector, uint32_t n)
{
	command_set(vcpu, OP_WAIT, COUNTS(vcpu->id) + vector * 4, n);
	vmm_start(t, vcpu);
}

void guest_halt_start(struct vmm_thread *t, struct vmm_vcpu *vcpu)
{
	command_set(vcpu, OP_HALT, 0, 0);
	vmm_start(t, vcpu);
}

void guest_join(struct vmm_thread *t)
{
	CHECK_EQ(vmm_join(t), 0);
	check_repeated(t->vcpu);
	CHECK_EQ(t->vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(t->vcpu->run->io.port, PORT_DONE);
}

uint32_t apic_count(struct vmm_vcpu *vcpu, int vector)
{
	return __atomic_load_n(&counts(vcpu)->count[vector], __ATOMIC_RELAXED);
}

uint32_t apic_logged(struct vmm_vcpu *vcpu)
{
	return __atomic_load_n(&counts(vcpu)->logged, __ATOMIC_RELAXED);
}

int apic_log(struct vmm_vcpu *vcpu, uint32_t i)
{
	return counts(vcpu)->log[i];
}

void apic_log_clear(struct vmm_vcpu *vcpu)
{
	counts(vcpu)->logged = 0;
}
