// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV, MOVZX and MOVSX between a register and a device, which is how nearly all
 * drivers talk to theirs. One access at a place the CPU has just translated: there
 * is nothing to split, to log or to run a second time.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <kvm/io.h>
#include <kvm/trace.h>
#include "emulator.h"

/**
 * move_possible() - can move_emulate() do the instruction in hand?
 * @em: decoded, with the hint taken
 */
bool move_possible(const struct kvm_emulator *em)
{
	const struct decode_insn *insn = &em->exec.insn;

	if (!em->hint.access || insn->lock)
		return false;
	if (insn->op != OP_MOV && insn->op != OP_MOVZX && insn->op != OP_MOVSX)
		return false;
	if (insn->src == OPD_S || insn->mode != DECODE_64 || insn->seg >= KVM_FS)
		return false;
	return insn->mem || insn->dst == OPD_MOFFS || insn->src == OPD_MOFFS;
}

/* The operand's linear address: 64-bit mode, a segment without a base. */
static u64 move_address(struct kvm_vcpu *vcpu)
{
	const struct exec *x = &vcpu->emul->exec;
	const struct decode_insn *insn = &x->insn;
	u64 addr = (s64)insn->disp;

	if (unlikely(!insn->mem))
		return insn->imm;
	if (insn->base != DECODE_NO_REG)
		addr += vcpu_gpr(vcpu, insn->base);
	if (insn->index != DECODE_NO_REG)
		addr += vcpu_gpr(vcpu, insn->index) << insn->scale;
	if (insn->rip_relative)
		addr += x->next_rip;
	return insn->addrsize == 8 ? addr : (u32)addr;
}

static unsigned int move_bytes(const struct decode_insn *insn)
{
	switch (insn->src) {
	case OPD_E8:
		return 1;
	case OPD_E16:
		return 2;
	case OPD_E32:
		return min_t(unsigned int, insn->opsize, 4);
	default:
		return insn->opsize;
	}
}

/* Take the register that holds @reg into the emulator's copy; its number. */
static unsigned int move_take_register(struct kvm_vcpu *vcpu, unsigned int reg)
{
	struct exec *x = &vcpu->emul->exec;
	/* AH to BH are parts of the first four. */
	unsigned int whole = x->insn.opsize == 1 && !x->insn.rex ? reg & 3 : reg;

	x->gpr[whole] = vcpu_gpr(vcpu, whole);
	return whole;
}

/* The register's low bytes take what the device has answered, extended as the instruction says. */
static void move_load(struct kvm_vcpu *vcpu, u64 val)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	unsigned int shift = 64 - 8 * em->move_size, reg = x->insn.reg, whole;

	val <<= shift;
	val = x->insn.op == OP_MOVSX ? (u64)((s64)val >> shift) : val >> shift;
	if (x->insn.dst == OPD_ACC)
		reg = KVM_RAX;
	whole = move_take_register(vcpu, reg);
	exec_reg_write(x, reg, x->insn.opsize, val);
	vcpu_set_gpr(vcpu, whole, x->gpr[whole]);
	x86_insn_done(vcpu, x->next_rip, vcpu_rflags(vcpu));
}

static int move_from_device(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size)
{
	struct kvm_emulator *em = vcpu->emul;
	u64 val = 0;

	em->move_size = size;
	if (io_mmio_read(vcpu, gpa, size, &val)) {
		em->phase = EMUL_MOVE;
		vcpu->pending_io = KVM_IO_MMIO;
		return mmio_exit(vcpu, gpa, size, NULL);
	}
	trace_kvm_mmio(KVM_TRACE_MMIO_READ, size, gpa, &val);
	move_load(vcpu, val);
	return KVM_RESUME;
}

static int move_to_device(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int size)
{
	struct exec *x = &vcpu->emul->exec;
	u64 val = x->insn.imm;
	unsigned int reg;

	if (x->insn.src != OPD_IMM) {
		reg = x->insn.src == OPD_ACC ? KVM_RAX : x->insn.reg;
		move_take_register(vcpu, reg);
		val = exec_reg_read(x, reg, size);
	}
	if (!io_mmio_write(vcpu, gpa, size, &val)) {
		trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, size, gpa, &val);
		x86_insn_done(vcpu, x->next_rip, x->rflags);
		return KVM_RESUME;
	}
	x86_insn_done(vcpu, x->next_rip, x->rflags);
	return mmio_exit(vcpu, gpa, size, &val);
}

/**
 * move_emulate() - the instruction in hand, if it is one access to one device
 * @vcpu: loaded, its own thread; move_possible() is true
 * @verdict: kvm_verdict
 *
 * Context: may sleep. Return: false: nothing was done, go the general way.
 */
bool move_emulate(struct kvm_vcpu *vcpu, int *verdict)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	bool write = x->insn.dst == OPD_MOFFS || (x->insn.dst == OPD_E && x->insn.mem);
	unsigned int size = move_bytes(&x->insn);
	u64 linear = move_address(vcpu);

	/* With equal accesses the fault has told that no memory is there. */
	if (em->hint.access != (write ? KVM_ACCESS_WRITE : KVM_ACCESS_READ) ||
	    offset_in_page(linear) > PAGE_SIZE - size ||
	    !mmio_hinted(em, linear, em->hint.access) || !exec_canonical(x, linear))
		return false;
	*verdict = write ? move_to_device(vcpu, em->hint.gpa, size) :
			   move_from_device(vcpu, em->hint.gpa, size);
	return true;
}

/* Userspace has answered what move_emulate() asked. */
void move_complete(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	u64 val = 0;

	em->phase = EMUL_IDLE;
	/* Userspace moved the guest elsewhere: there is no instruction to finish. */
	if (vcpu_rip(vcpu) != em->exec.rip)
		return;
	memcpy(&val, vcpu->run->mmio.data, sizeof(val));
	trace_kvm_mmio(KVM_TRACE_MMIO_READ, em->move_size, em->hint.gpa, &val);
	move_load(vcpu, val);
}
