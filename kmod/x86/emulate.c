// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's glue: fetch, decode, execute, commit; and going on after
 * userspace has answered.
 */
#include <linux/kernel.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include "emulator.h"

#define DR6_BS		BIT(14)
#define DR6_BD		BIT(13)
#define REP_MAX		4096	/* iterations before the run loop has a look around */

/* KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES, which older headers lack. */
#define FAILED_FLAG_BYTES	BIT_ULL(0)

static const struct exec_segment *emul_segment(struct exec *x, int seg)
{
	struct kvm_emulator *em = container_of(x, struct kvm_emulator, exec);
	struct exec_segment *cached = &em->seg[seg];
	struct kvm_segment s;

	if (em->seg_valid & BIT(seg))
		return cached;
	kvm_vendor->get_segment(em->vcpu, seg, &s);
	cached->base = s.base;
	cached->limit = s.limit;
	cached->type = s.type & 15;
	cached->usable = !s.unusable && s.present && s.s;
	cached->big = s.db;
	em->seg_valid |= BIT(seg);
	return cached;
}

static u16 emul_selector(struct exec *x, int seg)
{
	struct kvm_emulator *em = container_of(x, struct kvm_emulator, exec);
	struct kvm_segment s;

	kvm_vendor->get_segment(em->vcpu, seg, &s);
	return s.selector;
}

static void emul_get_segment(struct exec *x, int seg, struct kvm_segment *out)
{
	kvm_vendor->get_segment(container_of(x, struct kvm_emulator, exec)->vcpu, seg, out);
}

static void emul_get_table(struct exec *x, int table, struct kvm_dtable *out)
{
	kvm_vendor->get_table(container_of(x, struct kvm_emulator, exec)->vcpu, table, out);
}

static bool emul_has(struct exec *x, unsigned int feature)
{
	return x86_guest_has(container_of(x, struct kvm_emulator, exec)->vcpu, feature);
}

static void emul_xmm_read(struct exec *x, unsigned int reg, void *data)
{
	simd_xmm_read(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static void emul_xmm_write(struct exec *x, unsigned int reg, const void *data)
{
	simd_xmm_write(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static void emul_ymm_read(struct exec *x, unsigned int reg, void *data)
{
	simd_ymm_read(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static void emul_ymm_write(struct exec *x, unsigned int reg, const void *data)
{
	simd_ymm_write(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static bool emul_avx_on(struct exec *x)
{
	u64 xcr0 = container_of(x, struct kvm_emulator, exec)->vcpu->regs.xcr0;

	return (xcr0 & XFEATURE_MASK_SSE) && (xcr0 & XFEATURE_MASK_YMM);
}

static bool emul_mmx_read(struct exec *x, unsigned int reg, void *data)
{
	return simd_mmx_read(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static bool emul_mmx_write(struct exec *x, unsigned int reg, const void *data)
{
	return simd_mmx_write(container_of(x, struct kvm_emulator, exec)->vcpu, reg, data);
}

static u64 emul_get_cr(struct exec *x, int cr)
{
	struct kvm_vcpu *vcpu = container_of(x, struct kvm_emulator, exec)->vcpu;

	switch (cr) {
	case 0:
		return x->cr0;
	case 2:
		return vcpu->regs.cr2;
	case 3:
		return vcpu_cr3(vcpu);
	case 4:
		return x->cr4;
	default:
		return vcpu->regs.cr8;
	}
}

static int emul_set_cr(struct exec *x, int cr, u64 val)
{
	struct kvm_vcpu *vcpu = container_of(x, struct kvm_emulator, exec)->vcpu;
	int bad;

	switch (cr) {
	case 0:
		bad = x86_set_cr0(vcpu, val);
		break;
	case 2:
		vcpu->regs.cr2 = val;
		return 0;
	case 3:
		bad = x86_set_cr3(vcpu, val);
		break;
	case 4:
		bad = x86_set_cr4(vcpu, val);
		break;
	default:
		bad = x86_set_cr8(vcpu, val);
		break;
	}
	return bad ? X86_TRAP_GP : 0;
}

static int emul_get_dr(struct exec *x, int dr, u64 *val)
{
	return x86_get_dr(container_of(x, struct kvm_emulator, exec)->vcpu, dr, val);
}

static int emul_set_dr(struct exec *x, int dr, u64 val)
{
	return x86_set_dr(container_of(x, struct kvm_emulator, exec)->vcpu, dr, val);
}

static const struct exec_ops emul_ops = {
	.read = mmio_read,
	.write = mmio_write,
	.exchange = mmio_exchange,
	.mark = mmio_mark,
	.segment = emul_segment,
	.get_segment = emul_get_segment,
	.get_table = emul_get_table,
	.selector = emul_selector,
	.get_cr = emul_get_cr,
	.set_cr = emul_set_cr,
	.get_dr = emul_get_dr,
	.set_dr = emul_set_dr,
	.has = emul_has,
	.xmm_read = emul_xmm_read,
	.xmm_write = emul_xmm_write,
	.ymm_read = emul_ymm_read,
	.ymm_write = emul_ymm_write,
	.avx_on = emul_avx_on,
	.mmx_read = emul_mmx_read,
	.mmx_write = emul_mmx_write,
};

static unsigned int emul_decode_mode(enum kvm_mode mode)
{
	switch (mode) {
	case KVM_MODE_PROT64:
		return DECODE_64;
	case KVM_MODE_PROT32:
		return DECODE_32;
	default:
		return DECODE_16;
	}
}

static void emul_set_next_rip(struct exec *x)
{
	x->next_rip = x->rip + x->insn.len;
	if (x->insn.mode != DECODE_64)
		x->next_rip = (u32)x->next_rip;
}

void emul_load(struct kvm_vcpu *vcpu)
{
	struct exec *x = &vcpu->emul->exec;

	vcpu_gpr(vcpu, KVM_RSP);
	memcpy(x->gpr, vcpu->regs.gpr, sizeof(x->gpr));
	x->rip = vcpu_rip(vcpu);
	x->rflags = vcpu_rflags(vcpu);
	emul_set_next_rip(x);
}

void emul_commit(struct kvm_vcpu *vcpu)
{
	struct exec *x = &vcpu->emul->exec;
	u64 rsp = vcpu->regs.gpr[KVM_RSP];

	memcpy(vcpu->regs.gpr, x->gpr, sizeof(x->gpr));
	if (rsp != x->gpr[KVM_RSP])
		vcpu_set_gpr(vcpu, KVM_RSP, x->gpr[KVM_RSP]);
}

/* Forget the previous instruction; take up the machine state the next one depends on. */
static void emul_begin(struct kvm_vcpu *vcpu)
{
	enum kvm_mode mode = x86_mode(vcpu);
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;

	mmio_reset(em);
	em->seg_valid = 0;
	if (x->insn.mode != emul_decode_mode(mode)) {
		x->insn.mode = emul_decode_mode(mode);
		em->decoded_bits = 0;
	}
	x->real = mode == KVM_MODE_REAL;
	x->vm86 = mode == KVM_MODE_VM86;
	x->cpl = x->real ? 0 : kvm_vendor->get_cpl(vcpu);
	x->lma = vcpu_efer(vcpu) & EFER_LMA;
	x->cr0 = vcpu_cr0(vcpu);
	x->cr4 = vcpu_cr4(vcpu);
	x->rip = vcpu_rip(vcpu);
	x->rflags = vcpu_rflags(vcpu);
}

int emul_fault(struct kvm_vcpu *vcpu)
{
	const struct x86_fault *fault = &vcpu->emul->exec.fault;

	mmio_reset(vcpu->emul);
	if (fault->vector == X86_TRAP_PF)
		x86_queue_page_fault(vcpu, fault->cr2, fault->error);
	else if (fault->vector == X86_TRAP_DB)
		x86_queue_debug(vcpu, DR6_BD);
	else if (fault->has_error)
		x86_queue_exception_error(vcpu, fault->vector, fault->error);
	else
		x86_queue_exception(vcpu, fault->vector);
	return KVM_RESUME;
}

void x86_insn_done(struct kvm_vcpu *vcpu, u64 next_rip, u64 rflags)
{
	u64 before = vcpu_rflags(vcpu);
	u32 shadow = kvm_vendor->get_shadow(vcpu);

	vcpu_set_rip(vcpu, next_rip);
	rflags &= ~(u64)X86_EFLAGS_RF;
	if (rflags != before)
		vcpu_set_rflags(vcpu, rflags);
	if (unlikely(shadow & (KVM_SHADOW_STI | KVM_SHADOW_MOV_SS)))
		kvm_vendor->set_shadow(vcpu, shadow & KVM_SHADOW_NMI);
	/* "Single-Step Exception Condition": TF as it was when the instruction began. */
	if (unlikely(before & X86_EFLAGS_TF))
		x86_queue_debug(vcpu, DR6_BS);
}

/**
 * emulate_failed() - tell userspace that an instruction cannot be emulated
 * @vcpu: its own thread
 * @insn: the instruction's bytes, as far as known
 * @len: how many there are
 *
 * Return: KVM_TO_USER.
 */
int emulate_failed(struct kvm_vcpu *vcpu, const u8 *insn, unsigned int len)
{
	struct kvm_run *run = vcpu->run;
	u8 bytes[16] = { 0 };

	vcpu->stat.insn_emulation_fail++;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	/* Words of data: flags; then, if the flag says so, a length byte and 15 bytes. */
	run->internal.ndata = 1;
	run->internal.data[0] = 0;
	if (!len)
		return KVM_TO_USER;
	bytes[0] = min_t(unsigned int, len, DECODE_LEN_MAX);
	memcpy(bytes + 1, insn, bytes[0]);
	run->internal.ndata = 3;
	run->internal.data[0] = FAILED_FLAG_BYTES;
	memcpy(&run->internal.data[1], bytes, sizeof(bytes));
	return KVM_TO_USER;
}

/*
 * The instruction at RIP is beyond this code. A guest's user program may not take
 * its whole VM down: it gets #UD, as on a CPU that lacks the instruction.
 */
static int emul_give_up(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;

	mmio_reset(em);
	if (em->exec.cpl == 3) {
		vcpu->stat.insn_emulation_fail++;
		x86_queue_exception(vcpu, X86_TRAP_UD);
		return KVM_RESUME;
	}
	return emulate_failed(vcpu, em->bytes, em->bytes_len);
}

/*
 * The host failed after a device had answered, and a device is never asked twice:
 * the next KVM_RUN runs the instruction again with the answers there are.
 */
static void emul_keep_answers(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;

	em->phase = EMUL_READ;
	em->reads.count = 0;
	em->reads.next = 0;
	em->read_len = 0;
	vcpu->pending_io = KVM_IO_MMIO;
}

int emul_result(struct kvm_vcpu *vcpu, int result)
{
	switch (result) {
	case EXEC_FAULT:
		return emul_fault(vcpu);
	case EXEC_RETRY:
		mmio_reset(vcpu->emul);
		return KVM_RESUME;
	case EXEC_IO:
		vcpu->emul->phase = EMUL_READ;
		return mmio_next(vcpu);
	case EXEC_UNHANDLED:
		return emul_give_up(vcpu);
	default:
		if (result < 0 && vcpu->emul->log_len)
			emul_keep_answers(vcpu);
		else
			mmio_reset(vcpu->emul);
		return result < 0 ? result : KVM_RESUME;
	}
}

/**
 * emul_translate() - gwalk_translate() for the instruction in hand
 * @em: its exec.fault is what the guest gets on EXEC_FAULT
 * @linear: linear address
 * @access: enum kvm_access, GWALK_IMPLICIT
 * @gpa: the translation
 *
 * Context: may sleep.
 * Return: enum exec_result, or -EFAULT: the host cannot give a page now. KVM_RUN
 * says so; nothing has changed, and another KVM_RUN tries again.
 */
int emul_translate(struct kvm_emulator *em, u64 linear, u32 access, gpa_t *gpa)
{
	switch (gwalk_translate(em->vcpu, linear, access, gpa, &em->exec.fault)) {
	case 0:
		return EXEC_DONE;
	case -EFAULT:
		return EXEC_FAULT;
	case -EIO:
		return -EFAULT;
	default:
		return EXEC_UNHANDLED;
	}
}

/* Append code bytes at RIP + bytes_len, at most to the end of their page. enum exec_result */
static int emul_fetch(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	u64 offset = x->rip + em->bytes_len, linear = offset;
	unsigned int len = DECODE_LEN_MAX - em->bytes_len;
	u32 access = KVM_ACCESS_EXEC | (x->cpl == 3 ? KVM_ACCESS_USER : 0);
	const struct exec_segment *cs;
	gpa_t gpa;
	int r;

	if (x->insn.mode != DECODE_64) {
		cs = emul_segment(x, KVM_CS);
		if (offset > cs->limit)
			return exec_raise_error(x, X86_TRAP_GP, 0);
		len = min_t(u64, len, cs->limit - offset + 1);
		linear = (u32)(cs->base + offset);
	}
	len = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(linear));
	r = emul_translate(em, linear, access, &gpa);
	if (r != EXEC_DONE)
		return r;
	if (guest_read(vcpu, gpa, em->bytes + em->bytes_len, len))
		return guestmem_kind(vcpu, gpa) == GUESTMEM_NONE ? EXEC_UNHANDLED : -EFAULT;
	em->bytes_len += len;
	return EXEC_DONE;
}

/* Has the CPU itself just fetched the instruction at RIP? */
static bool emul_cpu_fetched(const struct kvm_exit *exit)
{
	if (exit->kind == KVM_FACT_MEMORY)
		return exit->mem.access != KVM_ACCESS_EXEC && !exit->mem.walk;
	return exit->kind == KVM_FACT_IO;
}

/* The quick way to the whole instruction, for most that are emulated. */
static bool emul_fetch_quickly(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	struct kvm_emulator *em = vcpu->emul;

	return em->exec.insn.mode == DECODE_64 && emul_cpu_fetched(exit) &&
	       offset_in_page(em->exec.rip) <= PAGE_SIZE - EMUL_BYTES &&
	       fetch_code(vcpu, em->exec.rip, em->bytes);
}

/* One memory operand, accessed at one place only. */
static bool emul_has_one_operand(const struct decode_insn *insn)
{
	return (insn->op >= OP_ADD && insn->op <= OP_XLAT) || insn->op == OP_SIMD;
}

/* Remember what the CPU has found out about the access that made it exit. */
static void emul_take_hint(struct kvm_emulator *em, const struct kvm_exit *exit)
{
	em->hint.access = 0;
	if (exit->kind != KVM_FACT_MEMORY || exit->mem.walk ||
	    exit->mem.access == KVM_ACCESS_EXEC || !emul_has_one_operand(&em->exec.insn))
		return;
	em->hint.access = exit->mem.access;
	em->hint.gpa = exit->mem.gpa;
	em->hint.gva = exit->mem.gva;
	em->hint.gva_valid = exit->mem.gva_valid;
}

/* Do the bytes just fetched begin with the instruction decoded last, in the same mode? */
static bool emul_decoded(const struct kvm_emulator *em)
{
	u64 bytes;

	if (!em->decoded_bits)
		return false;
	memcpy(&bytes, em->bytes, sizeof(bytes));
	return !((bytes ^ em->decoded) << (64 - em->decoded_bits));
}

static int emul_decode_bytes(struct kvm_emulator *em, unsigned int mode)
{
	struct decode_insn *insn = &em->exec.insn;
	int r = decode_insn(insn, em->bytes, em->bytes_len, mode);

	em->decoded_bits = 0;
	if (r == DECODE_OK && insn->len <= sizeof(em->decoded)) {
		em->decoded_bits = 8 * insn->len;
		memcpy(&em->decoded, em->bytes, sizeof(em->decoded));
	}
	return r;
}

/* Fetch and decode the instruction at RIP into exec.insn. enum exec_result */
static int emul_decode(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	struct kvm_emulator *em = vcpu->emul;
	struct exec *x = &em->exec;
	unsigned int mode = x->insn.mode;
	int r = DECODE_SHORT;

	em->bytes_len = 0;
	if (exit->insn_bytes) {
		em->bytes_len = min_t(unsigned int, exit->insn_bytes, DECODE_LEN_MAX);
		memcpy(em->bytes, exit->insn, em->bytes_len);
		r = emul_decode_bytes(em, mode);
	} else if (emul_fetch_quickly(vcpu, exit)) {
		em->bytes_len = DECODE_LEN_MAX;
		r = likely(emul_decoded(em)) ? DECODE_OK : emul_decode_bytes(em, mode);
	}
	while (r == DECODE_SHORT) {
		x->insn.mode = mode;
		r = emul_fetch(vcpu);
		if (r != EXEC_DONE)
			return r;
		r = emul_decode_bytes(em, mode);
	}
	if (r == DECODE_TOO_LONG)
		return exec_raise_error(x, X86_TRAP_GP, 0);
	if (r == DECODE_UD)
		return exec_raise(x, X86_TRAP_UD);
	em->bytes_len = x->insn.len;
	emul_set_next_rip(x);
	emul_take_hint(em, exit);
	return EXEC_DONE;
}

/*
 * Between two iterations of a repeated instruction: does anything ask for the
 * guest or userspace? RIP is still at the instruction, so it can simply be run again.
 */
static bool emul_rep_must_stop(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->immediate_exit) || signal_pending(current) ||
	       x86_events_pending(vcpu);
}

/* Segment and table registers the instruction has loaded. */
static void emul_commit_segments(struct kvm_vcpu *vcpu)
{
	const struct exec *x = &vcpu->emul->exec;
	int i;

	for (i = 0; i < 8; i++)
		if (x->new_segs & BIT(i))
			kvm_vendor->set_segment(vcpu, i, &x->new_seg[i]);
	for (i = 0; i < 2; i++)
		if (x->new_tables & BIT(i))
			kvm_vendor->set_table(vcpu, i, &x->new_table[i]);
	vcpu->emul->seg_valid = 0;
}

/* What an instruction does besides general registers and memory. */
static void emul_commit_effects(struct kvm_vcpu *vcpu)
{
	const struct exec *x = &vcpu->emul->exec;
	u32 shadow = kvm_vendor->get_shadow(vcpu);

	if (x->effects & EXEC_MOV_SS)
		kvm_vendor->set_shadow(vcpu, shadow | KVM_SHADOW_MOV_SS);
	if (!(x->effects & EXEC_IRET))
		return;
	if (shadow & KVM_SHADOW_NMI)
		kvm_vendor->set_shadow(vcpu, 0);
	if (x->rflags & X86_EFLAGS_RF)
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
}

/* The registers of one finished iteration or instruction take effect. */
static void emul_retire(struct kvm_vcpu *vcpu, int result)
{
	struct exec *x = &vcpu->emul->exec;
	u64 before = vcpu_rflags(vcpu);

	emul_commit(vcpu);
	if (unlikely(x->new_segs | x->new_tables))
		emul_commit_segments(vcpu);
	if (result == EXEC_DONE) {
		x86_insn_done(vcpu, x->next_rip, x->rflags);
		if (unlikely(x->effects))
			emul_commit_effects(vcpu);
		return;
	}
	if (x->rflags != before)
		vcpu_set_rflags(vcpu, x->rflags);
	if (before & X86_EFLAGS_TF)
		x86_queue_debug(vcpu, DR6_BS);
}

/* Run exec.insn, from its beginning or from where its log ends. kvm_verdict or errno */
static int emul_execute(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	unsigned int i;
	int r, committed;

	for (i = 0; i < REP_MAX; i++) {
		emul_load(vcpu);
		em->log_pos = 0;
		em->writes.count = 0;
		em->data_len = 0;
		r = exec_insn(&em->exec);
		if (r != EXEC_DONE && r != EXEC_REP)
			return emul_result(vcpu, r);
		committed = mmio_commit(vcpu);
		if (committed != EXEC_DONE)
			return emul_result(vcpu, committed);
		emul_retire(vcpu, r);

		em->rep = r == EXEC_REP;
		em->phase = EMUL_WRITE;
		if (mmio_next(vcpu) == KVM_TO_USER)
			return KVM_TO_USER;
		/* An iteration without a device needs no emulation: leave it to the CPU. */
		if (!em->rep || !em->device_seen || emul_rep_must_stop(vcpu))
			break;
		em->log_len = 0;
		em->device_seen = false;
	}
	mmio_reset(em);
	return KVM_RESUME;
}

static int emul_start(struct kvm_vcpu *vcpu)
{
	switch (vcpu->emul->exec.insn.op) {
	case OP_IN:
	case OP_OUT:
	case OP_INS:
	case OP_OUTS:
		return pio_emulate(vcpu);
	default:
		return emul_execute(vcpu);
	}
}

static int emul_skip(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 rip = vcpu_rip(vcpu);
	unsigned int len;
	bool wide;
	int r;

	len = fetch_insn_length(vcpu, rip, &wide);
	if (unlikely(!len)) {
		emul_begin(vcpu);
		r = emul_decode(vcpu, exit);
		if (r != EXEC_DONE)
			return emul_result(vcpu, r);
		len = vcpu->emul->exec.insn.len;
	}
	rip += len;
	vcpu_set_rip(vcpu, wide ? rip : (u32)rip);
	return KVM_RESUME;
}

/**
 * emulate_insn() - execute the instruction at RIP in software
 * @vcpu: loaded, its own thread
 * @exit: why; its instruction bytes are used if it has any
 * @flags: enum kvm_emulate_flags. KVM_EMULATE_SKIP only advances RIP: the
 *	interrupt shadow and the single-step trap are the caller's
 *
 * Faults are queued to the guest. Context: may sleep.
 * Return: KVM_RESUME; KVM_TO_USER with an I/O, MMIO or internal-error exit;
 * -EFAULT: the VM's memory has lost its host mapping.
 */
int emulate_insn(struct kvm_vcpu *vcpu, const struct kvm_exit *exit, u32 flags)
{
	int r;

	if (flags & KVM_EMULATE_SKIP)
		return emul_skip(vcpu, exit);
	vcpu->stat.insn_emulation++;
	emul_begin(vcpu);
	r = emul_decode(vcpu, exit);
	if (r != EXEC_DONE)
		return emul_result(vcpu, r);
	if (move_possible(vcpu->emul) && move_emulate(vcpu, &r))
		return r;
	emul_load(vcpu);
	return emul_start(vcpu);
}

/**
 * emulate_resume() - go on with an instruction after userspace answered an MMIO exit
 * @vcpu: loaded, its own thread
 *
 * Return: as emulate_insn().
 */
int emulate_resume(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;

	if (em->phase == EMUL_MOVE) {
		move_complete(vcpu);
		return KVM_RESUME;
	}
	mmio_answer(vcpu);
	if (mmio_next(vcpu) == KVM_TO_USER)
		return KVM_TO_USER;
	/* Userspace moved the guest elsewhere: the rest of the instruction is void. */
	if (vcpu_rip(vcpu) != em->exec.rip)
		goto out_idle;
	if (em->phase == EMUL_READ) {
		em->log_len += em->read_len;
		em->seg_valid = 0;
		emul_load(vcpu);
		return emul_start(vcpu);
	}
	if (em->rep && !emul_rep_must_stop(vcpu)) {
		em->log_len = 0;
		em->device_seen = false;
		em->seg_valid = 0;
		return emul_start(vcpu);
	}
out_idle:
	mmio_reset(em);
	return KVM_RESUME;
}

/**
 * x86_complete_io() - KVM_RUN was called again: finish what the last exit left open
 * @vcpu: loaded, its own thread
 *
 * Return: KVM_RESUME, KVM_TO_USER (the access has further parts) or an errno.
 */
int x86_complete_io(struct kvm_vcpu *vcpu)
{
	int pending = vcpu->pending_io;

	vcpu->pending_io = KVM_IO_NONE;
	switch (pending) {
	case KVM_IO_PIO:
		return pio_complete(vcpu);
	case KVM_IO_MMIO:
		return emulate_resume(vcpu);
	default:
		return KVM_RESUME;
	}
}

u64 x86_emulated_rip(const struct kvm_vcpu *vcpu)
{
	return vcpu->emul->exec.rip;
}

/* Context: may sleep. Return: 0 or -ENOMEM. */
int emulator_vcpu_init(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = kzalloc(sizeof(*em), GFP_KERNEL_ACCOUNT);

	if (!em)
		return -ENOMEM;
	em->vcpu = vcpu;
	em->exec.ops = &emul_ops;
	em->exec.intel = kvm_vendor->isa == KVM_ISA_VMX;
	vcpu->emul = em;
	return 0;
}

/* Also after a failed emulator_vcpu_init(). */
void emulator_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	kfree(vcpu->emul);
	vcpu->emul = NULL;
}
