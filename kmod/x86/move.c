// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV, MOVZX and MOVSX between a register and a device, which is how nearly all
 * drivers talk to theirs. One access at a place the CPU has just translated: there
 * is nothing to split, to log or to run a second time.
 */
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
	if (insn->src == OPD_S)
		return false;
	return insn->mem || insn->dst == OPD_MOFFS || insn->src == OPD_MOFFS;
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
	/* AH to BH are parts of the first four. */
	whole = x->insn.opsize == 1 && !x->insn.rex ? reg & 3 : reg;
	/* Userspace may have changed the register meanwhile. */
	x->gpr[whole] = vcpu_gpr(vcpu, whole);
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
	u64 val = 0;

	exec_operand_value(x, x->insn.src, &val);	/* a register or an immediate */
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
	u32 access = write ? KVM_ACCESS_WRITE : KVM_ACCESS_READ;
	struct exec_operand o;

	/* With equal accesses the fault has told that no memory is there. */
	if (em->hint.access != access ||
	    exec_operand_locate(x, &o, write ? x->insn.dst : x->insn.src, write) != EXEC_DONE ||
	    offset_in_page(o.linear) > PAGE_SIZE - o.size || !mmio_hinted(em, o.linear, access))
		return false;
	*verdict = write ? move_to_device(vcpu, em->hint.gpa, o.size) :
			   move_from_device(vcpu, em->hint.gpa, o.size);
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
