// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: one KVM_EXIT_IO for a single access, up to a page of data per exit
 * for the string forms. Registers change when userspace has answered, and are
 * read again then, because it may have changed them.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <kvm/io.h>
#include <kvm/trace.h>
#include "alu.h"
#include "emulator.h"

#define DR6_BS		BIT(14)
#define TSS_IO_BASE	102	/* offset of the I/O map base field in a 32-bit TSS */
#define TSS_TYPE_32	9	/* available; 11 is busy */

/* KVM_X86_QUIRK_OUT_7E_INC_RIP (api.rst): firmware looks at RIP while it answers. */
#define PORT_RIP_ADVANCED	0x7e

/* "I/O Permission Bit Map": a bit per port in the TSS, two bytes read at once. */
static int pio_check_bitmap(struct kvm_vcpu *vcpu, u16 port, unsigned int size)
{
	struct exec *x = &vcpu->emul->exec;
	unsigned int need = ((1 << size) - 1) << (port & 7);
	struct kvm_segment tr;
	u16 base, bits;
	u64 offset;
	int r;

	kvm_vendor->get_segment(vcpu, KVM_TR, &tr);
	if (tr.unusable || (tr.type & ~2) != TSS_TYPE_32 || tr.limit < TSS_IO_BASE + 1)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = mmio_read_system(x, tr.base + TSS_IO_BASE, &base, sizeof(base));
	if (r != EXEC_DONE)
		return r;
	offset = base + port / 8;
	if (offset + 1 > tr.limit)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	r = mmio_read_system(x, tr.base + offset, &bits, sizeof(bits));
	if (r != EXEC_DONE)
		return r;
	return bits & need ? exec_raise_error(x, X86_TRAP_GP, 0) : EXEC_DONE;
}

/*
 * The CPU checks this before it exits, but what is decoded here may be another
 * instruction than the one that exited.
 */
static int pio_check_rights(struct kvm_vcpu *vcpu, u16 port, unsigned int size)
{
	struct exec *x = &vcpu->emul->exec;
	unsigned int iopl = (x->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;

	if (x->real || (!x->vm86 && x->cpl <= iopl))
		return EXEC_DONE;
	return pio_check_bitmap(vcpu, port, size);
}

/* Hand vcpu->emul->pio to userspace. */
static int pio_exit(struct kvm_vcpu *vcpu)
{
	const struct emul_pio *pio = &vcpu->emul->pio;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = pio->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = pio->size;
	run->io.port = pio->port;
	run->io.count = pio->count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	vcpu->pending_io = KVM_IO_PIO;
	vcpu->stat.io_exits++;
	if (!pio->in)
		trace_kvm_pio(KVM_TRACE_PIO_OUT, pio->port, pio->size, pio->count, vcpu->pio_data);
	return KVM_TO_USER;
}

/* RAX after an IN of @size bytes: 1, 2 or 4. */
static void pio_load_rax(struct kvm_vcpu *vcpu, const void *data, unsigned int size)
{
	u64 *rax = &vcpu->regs.gpr[KVM_RAX];

	if (size == 1)
		memcpy(rax, data, 1);
	else if (size == 2)
		memcpy(rax, data, 2);
	else
		*rax = *(const u32 *)data;
}

/* A device in the kernel has served it; the instruction is complete. */
static bool pio_single_kernel(struct kvm_vcpu *vcpu, u16 port, unsigned int size, bool in,
			      u64 next_rip)
{
	u32 *data = &vcpu->emul->pio.data;

	if (in) {
		if (bus_read(vcpu, KVM_BUS_PIO, port, size, data))
			return false;
		pio_load_rax(vcpu, data, size);
	} else {
		*data = vcpu->regs.gpr[KVM_RAX];
		if (bus_write(vcpu, KVM_BUS_PIO, port, size, data))
			return false;
	}
	trace_kvm_pio(in ? KVM_TRACE_PIO_IN : KVM_TRACE_PIO_OUT, port, size, 1, data);
	x86_insn_done(vcpu, next_rip, vcpu_rflags(vcpu));
	return true;
}

static int pio_single(struct kvm_vcpu *vcpu, u16 port, unsigned int size, bool in, u64 next_rip)
{
	struct emul_pio *pio = &vcpu->emul->pio;

	if (rcu_access_pointer(vcpu->kvm->bus[KVM_BUS_PIO]) &&
	    pio_single_kernel(vcpu, port, size, in, next_rip))
		return KVM_RESUME;
	pio->rip = vcpu_rip(vcpu);
	pio->next_rip = next_rip;
	pio->count = 1;
	pio->port = port;
	pio->size = size;
	pio->in = in;
	pio->string = false;
	pio->finished = false;
	if (!in) {
		memcpy(vcpu->pio_data, &vcpu->regs.gpr[KVM_RAX], size);
		if (port == PORT_RIP_ADVANCED &&
		    vm_has_quirk(vcpu->kvm, KVM_X86_QUIRK_OUT_7E_INC_RIP)) {
			x86_insn_done(vcpu, next_rip, vcpu_rflags(vcpu));
			pio->finished = true;
		}
	}
	return pio_exit(vcpu);
}

/**
 * pio_access() - start a port access the hardware has reported
 * @vcpu: loaded, its own thread
 * @exit: KVM_FACT_IO
 *
 * Context: may sleep. Return: kvm_verdict or errno, as emulate_insn().
 */
int pio_access(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 next_rip = exit->io.next_rip;

	if (!next_rip && exit->insn_len)
		next_rip = vcpu_rip(vcpu) + exit->insn_len;
	if (exit->io.string || !next_rip)
		return emulate_insn(vcpu, exit, 0);
	return pio_single(vcpu, exit->io.port, exit->io.size, exit->io.in, next_rip);
}

static void pio_complete_single(struct kvm_vcpu *vcpu)
{
	const struct emul_pio *pio = &vcpu->emul->pio;

	/* Userspace moved the guest elsewhere: there is no instruction to finish. */
	if (pio->finished || vcpu_rip(vcpu) != pio->rip)
		return;
	if (pio->in)
		pio_load_rax(vcpu, vcpu->pio_data, pio->size);
	x86_insn_done(vcpu, pio->next_rip, vcpu_rflags(vcpu));
}

/* The memory side of INS and OUTS: items at rSI or rDI, upwards or downwards. */
struct pio_stream {
	struct exec *x;
	unsigned int seg;
	unsigned int reg;
	unsigned int size;
	bool in;
	u64 offset;		/* of the next item */
	u64 mask;		/* of the address size */
	u64 step;
};

static void pio_stream_init(struct pio_stream *s, struct exec *x)
{
	s->x = x;
	s->in = x->insn.op == OP_INS;
	s->seg = s->in ? KVM_ES : x->insn.seg;
	s->reg = s->in ? KVM_RDI : KVM_RSI;
	s->size = min_t(unsigned int, x->insn.opsize, 4);
	s->mask = alu_mask(x->insn.addrsize);
	s->offset = x->gpr[s->reg] & s->mask;
	s->step = x->rflags & X86_EFLAGS_DF ? -(u64)s->size : s->size;
}

static void pio_stream_advance(struct pio_stream *s, unsigned int items)
{
	s->offset = (s->offset + items * s->step) & s->mask;
}

/*
 * How many of @max items from the stream's position on lie in one page of memory,
 * and where. EXEC_DONE with *items 0: the next one crosses pages or is a device's.
 */
static int pio_stream_span(struct pio_stream *s, unsigned int max, gpa_t *gpa,
			   unsigned int *items)
{
	struct kvm_emulator *em = container_of(s->x, struct kvm_emulator, exec);
	enum guestmem_kind need = s->in ? GUESTMEM_RAM : GUESTMEM_ROM;
	u32 access = s->in ? KVM_ACCESS_WRITE : KVM_ACCESS_READ;
	unsigned int room;
	u64 linear;
	int r;

	*items = 0;
	r = exec_linear(s->x, s->seg, s->offset, s->size, s->in, &linear);
	if (r != EXEC_DONE)
		return r;
	room = (PAGE_SIZE - offset_in_page(linear)) / s->size;
	if (!room)
		return EXEC_DONE;
	if (s->step != s->size)
		room = 1;
	room = min(room, max);
	/* Near the end of the segment or of the address size: one by one. */
	if (s->offset + (u64)room * s->size - 1 > s->mask ||
	    exec_linear(s->x, s->seg, s->offset, room * s->size, s->in, &linear) != EXEC_DONE)
		room = 1;
	if (s->x->cpl == 3)
		access |= KVM_ACCESS_USER;
	r = emul_translate(em, linear, access, gpa);
	if (r != EXEC_DONE)
		return r;
	if (guestmem_kind(em->vcpu, *gpa) >= need)
		*items = room;
	return EXEC_DONE;
}

/* One item where pio_stream_span() cannot serve: through the general operand code. */
static int pio_stream_item(struct pio_stream *s, void *data)
{
	u64 linear;
	int r;

	r = exec_linear(s->x, s->seg, s->offset, s->size, s->in, &linear);
	if (r != EXEC_DONE)
		return r;
	if (s->in)
		return mmio_write(s->x, linear, data, s->size);
	return mmio_read(s->x, linear, data, s->size, KVM_ACCESS_READ);
}

/*
 * OUTS: collect up to *count items into the PIO page. INS: make sure that up to
 * *count items can be stored, before a device gives them away. *count becomes the
 * number that could; not EXEC_DONE: not even one.
 */
static int pio_stream_prepare(struct kvm_vcpu *vcpu, struct pio_stream *s, unsigned int *count)
{
	unsigned int done = 0, items;
	void *data = vcpu->pio_data;
	int r = EXEC_DONE;
	gpa_t gpa;

	while (done < *count) {
		r = pio_stream_span(s, *count - done, &gpa, &items);
		if (r != EXEC_DONE)
			break;
		if (items) {
			if (!s->in && guest_read(vcpu, gpa, data, items * s->size)) {
				r = -EFAULT;
				break;
			}
		} else {
			/* At most one such item, alone: it may involve a device. */
			if (done)
				break;
			r = pio_stream_item(s, data);
			if (r != EXEC_DONE)
				break;
			*count = 1;
			items = 1;
		}
		done += items;
		data += items * s->size;
		pio_stream_advance(s, items);
	}
	vcpu->emul->writes.count = 0;
	vcpu->emul->data_len = 0;
	if (!done)
		return r;
	*count = done;
	return EXEC_DONE;
}

/*
 * A device in the kernel has served the first items: pio->count is how many, the
 * rest of the string starts afresh. False: none, they are userspace's.
 */
static bool pio_string_kernel(struct kvm_vcpu *vcpu)
{
	struct emul_pio *pio = &vcpu->emul->pio;
	void *data = vcpu->pio_data;
	unsigned int i;

	for (i = 0; i < pio->count; i++, data += pio->size) {
		if (pio->in ? bus_read(vcpu, KVM_BUS_PIO, pio->port, pio->size, data) :
			      bus_write(vcpu, KVM_BUS_PIO, pio->port, pio->size, data))
			break;
	}
	if (!i)
		return false;
	pio->count = i;
	trace_kvm_pio(pio->in ? KVM_TRACE_PIO_IN : KVM_TRACE_PIO_OUT, pio->port, pio->size,
		      i, vcpu->pio_data);
	return true;
}

static int pio_complete_string(struct kvm_vcpu *vcpu);

static u64 pio_string_count(const struct exec *x)
{
	return x->insn.rep ? x->gpr[KVM_RCX] & alu_mask(x->insn.addrsize) : 1;
}

static int pio_string(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	struct emul_pio *pio = &em->pio;
	u64 left = pio_string_count(x);
	struct pio_stream s;
	unsigned int count;
	int r;

	if (!left) {
		x86_insn_done(vcpu, x->next_rip, x->rflags);
		return KVM_RESUME;
	}
	pio_stream_init(&s, x);
	r = pio_check_rights(vcpu, x->gpr[KVM_RDX], s.size);
	if (r != EXEC_DONE)
		return emul_result(vcpu, r);
	count = min_t(u64, left, PAGE_SIZE / s.size);
	if (x->rflags & X86_EFLAGS_TF)
		count = 1;	/* a trap after every iteration */
	em->log_pos = 0;
	r = pio_stream_prepare(vcpu, &s, &count);
	if (r != EXEC_DONE)
		return emul_result(vcpu, r);
	pio->rip = x->rip;
	pio->next_rip = x->next_rip;
	pio->count = count;
	pio->port = x->gpr[KVM_RDX];
	pio->size = s.size;
	pio->in = s.in;
	pio->string = true;
	pio->finished = false;
	if (!rcu_access_pointer(vcpu->kvm->bus[KVM_BUS_PIO]))
		return pio_exit(vcpu);
	return pio_string_kernel(vcpu) ? pio_complete_string(vcpu) : pio_exit(vcpu);
}

/*
 * Store up to @count items userspace has provided; how many could be. What cannot
 * be stored any more, although pio_stream_prepare() could, is lost, unless it is the
 * host that failed: *result is an errno then.
 */
static unsigned int pio_stream_store(struct kvm_vcpu *vcpu, struct pio_stream *s,
				     unsigned int count, int *result)
{
	unsigned int done = 0, items;
	void *data = vcpu->pio_data;
	gpa_t gpa;

	*result = EXEC_DONE;
	while (done < count && *result == EXEC_DONE) {
		*result = pio_stream_span(s, count - done, &gpa, &items);
		if (*result != EXEC_DONE)
			break;
		if (items) {
			*result = guest_write(vcpu, gpa, data, items * s->size);
		} else {
			*result = pio_stream_item(s, data);
			if (*result == EXEC_DONE)
				*result = mmio_commit(vcpu);
			items = 1;
			count = done + 1;
		}
		if (*result != EXEC_DONE)
			break;
		done += items;
		data += items * s->size;
		pio_stream_advance(s, items);
	}
	return done;
}

static void pio_string_retire(struct kvm_vcpu *vcpu, struct pio_stream *s, unsigned int done,
			      u64 left)
{
	struct exec *x = s->x;

	exec_reg_write(x, s->reg, x->insn.addrsize, x->gpr[s->reg] + done * s->step);
	if (x->insn.rep)
		exec_reg_write(x, KVM_RCX, x->insn.addrsize, left - done);
	emul_commit(vcpu);
	if (done == left)
		x86_insn_done(vcpu, vcpu->emul->pio.next_rip, x->rflags);
	else if (done && (x->rflags & X86_EFLAGS_TF))
		x86_queue_debug(vcpu, DR6_BS);
}

static int pio_complete_string(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	unsigned int count, done;
	struct pio_stream s;
	int r = EXEC_DONE;
	u64 left;

	if (vcpu_rip(vcpu) != em->pio.rip)
		return KVM_RESUME;
	em->seg_valid = 0;
	emul_load(vcpu);
	mmio_reset(em);
	left = pio_string_count(x);
	count = min_t(u64, em->pio.count, left);
	pio_stream_init(&s, x);
	done = count;
	if (s.in)
		done = pio_stream_store(vcpu, &s, count, &r);
	pio_string_retire(vcpu, &s, done, left);
	if (r < 0) {
		/* The host failed: the device's other items wait for the next KVM_RUN. */
		em->pio.count = count - done;
		memmove(vcpu->pio_data, vcpu->pio_data + done * em->pio.size,
			em->pio.count * em->pio.size);
		vcpu->pending_io = KVM_IO_PIO;
		return r;
	}
	if (r != EXEC_DONE)
		return emul_result(vcpu, r);
	/* An item for a device leaves its write behind. */
	em->phase = EMUL_WRITE;
	if (mmio_next(vcpu) == KVM_TO_USER)
		return KVM_TO_USER;
	mmio_reset(em);
	return KVM_RESUME;
}

/* Userspace has answered KVM_EXIT_IO. kvm_verdict or errno. */
int pio_complete(struct kvm_vcpu *vcpu)
{
	const struct emul_pio *pio = &vcpu->emul->pio;

	if (pio->in)
		trace_kvm_pio(KVM_TRACE_PIO_IN, pio->port, pio->size, pio->count, vcpu->pio_data);
	if (pio->string)
		return pio_complete_string(vcpu);
	pio_complete_single(vcpu);
	return KVM_RESUME;
}

int pio_emulate(struct kvm_vcpu *vcpu)
{
	struct exec *x = &vcpu->emul->exec;
	unsigned int size = min_t(unsigned int, x->insn.opsize, 4);
	bool in = x->insn.op == OP_IN;
	u16 port;
	int r;

	if (x->insn.lock)
		return emul_result(vcpu, exec_raise(x, X86_TRAP_UD));
	if (x->insn.op == OP_INS || x->insn.op == OP_OUTS)
		return pio_string(vcpu);
	if ((in ? x->insn.src : x->insn.dst) == OPD_DX)
		port = x->gpr[KVM_RDX];
	else
		port = (u8)x->insn.imm;
	r = pio_check_rights(vcpu, port, size);
	if (r != EXEC_DONE)
		return emul_result(vcpu, r);
	return pio_single(vcpu, port, size, in, x->next_rip);
}
