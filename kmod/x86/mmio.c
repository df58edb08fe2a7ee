// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory operands of emulated instructions: split at pages, memory accessed at
 * once, the rest handed to userspace as KVM_EXIT_MMIO, up to eight bytes each.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <kvm/io.h>
#include <kvm/trace.h>
#include "emulator.h"

static struct kvm_emulator *exec_emulator(struct exec *x)
{
	return container_of(x, struct kvm_emulator, exec);
}

void mmio_reset(struct kvm_emulator *em)
{
	em->phase = EMUL_IDLE;
	em->rep = false;
	em->log_len = 0;
	em->log_pos = 0;
	em->reads.count = 0;
	em->reads.next = 0;
	em->writes.count = 0;
	em->writes.next = 0;
	em->data_len = 0;
	em->device_seen = false;
}

/*
 * Is [linear, linear + len) where the CPU faulted? Where the hardware does not say
 * which linear address that was, the offset in the page has to do: the instruction
 * has one memory operand.
 */
bool mmio_hinted(const struct kvm_emulator *em, u64 linear, u32 access)
{
	const struct emul_hint *hint = &em->hint;

	if (access & ~(KVM_ACCESS_READ | KVM_ACCESS_WRITE) & ~KVM_ACCESS_USER)
		return false;
	if ((access & KVM_ACCESS_WRITE) && hint->access != KVM_ACCESS_WRITE)
		return false;
	if (hint->gva_valid)
		return linear == hint->gva;
	return !((linear ^ hint->gpa) & ~PAGE_MASK);
}

static int mmio_translate(struct kvm_emulator *em, u64 linear, u32 access, gpa_t *gpa)
{
	if (em->hint.access && mmio_hinted(em, linear, access)) {
		*gpa = em->hint.gpa;
		return EXEC_DONE;
	}
	if (em->exec.cpl == 3 && !(access & GWALK_IMPLICIT))
		access |= KVM_ACCESS_USER;
	return emul_translate(em, linear, access, gpa);
}

/* Append [gpa, gpa + len), all of one page and one kind. */
static int mmio_append(struct emul_list *list, gpa_t gpa, unsigned int offset,
		       unsigned int len, bool device)
{
	unsigned int limit = device ? EMUL_MMIO_MAX : len, n;
	struct emul_piece *piece;

	for (; len; len -= n, gpa += n, offset += n) {
		if (list->count == EMUL_PIECES)
			return EXEC_UNHANDLED;
		n = min(len, limit);
		piece = &list->piece[list->count++];
		piece->gpa = gpa;
		piece->offset = offset;
		piece->len = n;
		piece->device = device;
		piece->locked = false;
	}
	return EXEC_DONE;
}

/* @kind: whether writes (ROM counts as a device) or reads are to be done. */
static int mmio_split(struct kvm_emulator *em, struct emul_list *list, u64 linear,
		      unsigned int offset, unsigned int len, u32 access, bool write)
{
	enum guestmem_kind need = write ? GUESTMEM_RAM : GUESTMEM_ROM;
	unsigned int n;
	gpa_t gpa;
	int r;

	for (; len; len -= n, linear += n, offset += n) {
		if (em->exec.insn.mode != DECODE_64)
			linear = (u32)linear;
		n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(linear));
		r = mmio_translate(em, linear, access, &gpa);
		if (r == EXEC_DONE)
			r = mmio_append(list, gpa, offset, n, guestmem_kind(em->vcpu, gpa) < need);
		if (r != EXEC_DONE)
			return r;
	}
	return EXEC_DONE;
}

/* Take @len bytes an earlier run of this instruction has read. */
static int mmio_replay(struct kvm_emulator *em, void *data, unsigned int len)
{
	/* Only userspace changing registers meanwhile makes the reads differ. */
	if (em->log_len - em->log_pos < len)
		return EXEC_RETRY;
	memcpy(data, em->log + em->log_pos, len);
	em->log_pos += len;
	return EXEC_DONE;
}

/* A device in the kernel has answered? Later parts wait for earlier ones. */
static bool mmio_read_kernel(struct kvm_emulator *em, struct emul_piece *piece)
{
	u8 *data = em->log + piece->offset;

	if (io_mmio_read(em->vcpu, piece->gpa, piece->len, data))
		return false;
	trace_kvm_mmio(KVM_TRACE_MMIO_READ, piece->len, piece->gpa, data);
	em->device_seen = true;
	piece->device = false;
	return true;
}

/*
 * Read the pieces that are memory or a device's of the kernel; are there others? Memory
 * first: the host may not have it now, and a device must not be asked again for that.
 */
static int mmio_read_memory(struct kvm_emulator *em)
{
	struct emul_piece *piece;
	int r = EXEC_DONE;
	unsigned int i;

	for (i = 0; i < em->reads.count; i++) {
		piece = &em->reads.piece[i];
		if (!piece->device &&
		    guest_read(em->vcpu, piece->gpa, em->log + piece->offset, piece->len))
			return -EFAULT;
	}
	for (i = 0; i < em->reads.count; i++) {
		piece = &em->reads.piece[i];
		if (piece->device && (r != EXEC_DONE || !mmio_read_kernel(em, piece)))
			r = EXEC_IO;
	}
	return r;
}

int mmio_read(struct exec *x, u64 linear, void *data, unsigned int len, u32 access)
{
	struct kvm_emulator *em = exec_emulator(x);
	int r;

	if (em->log_pos < em->log_len)
		return mmio_replay(em, data, len);
	if (em->log_len + len > EMUL_LOG_BYTES)
		return EXEC_UNHANDLED;
	em->reads.count = 0;
	em->reads.next = 0;
	r = mmio_split(em, &em->reads, linear, em->log_len, len, access, false);
	if (r == EXEC_DONE)
		r = mmio_read_memory(em);
	if (r == EXEC_IO)
		em->read_len = len;
	if (r != EXEC_DONE)
		return r;
	em->log_len += len;
	return mmio_replay(em, data, len);
}

static int mmio_stage(struct kvm_emulator *em, u64 linear, const void *data, unsigned int len,
		      u32 access)
{
	int r;

	if (em->data_len + len > EMUL_LOG_BYTES)
		return EXEC_UNHANDLED;
	r = mmio_split(em, &em->writes, linear, em->data_len, len, access, true);
	if (r != EXEC_DONE)
		return r;
	memcpy(em->data + em->data_len, data, len);
	em->data_len += len;
	return EXEC_DONE;
}

int mmio_write(struct exec *x, u64 linear, const void *data, unsigned int len)
{
	return mmio_stage(exec_emulator(x), linear, data, len, KVM_ACCESS_WRITE);
}

/*
 * A locked access that lies in one piece of memory is done with a locked host
 * instruction. Split ones and a device's cannot be: the bus lock such an access
 * would take has no counterpart here.
 */
static int mmio_stage_locked(struct kvm_emulator *em, u64 linear, const void *old,
			     const void *data, unsigned int len, u32 access)
{
	struct emul_piece *piece = &em->writes.piece[em->writes.count];
	unsigned int before = em->writes.count;
	int r = mmio_stage(em, linear, data, len, access);

	if (r != EXEC_DONE || em->writes.count != before + 1 || piece->device)
		return r;
	if ((len == 4 || len == 8) && !(piece->gpa & (len - 1))) {
		piece->locked = true;
		piece->old = 0;
		memcpy(&piece->old, old, len);
	}
	return EXEC_DONE;
}

int mmio_exchange(struct exec *x, u64 linear, const void *old, const void *data,
		  unsigned int len)
{
	return mmio_stage_locked(exec_emulator(x), linear, old, data, len, KVM_ACCESS_WRITE);
}

int mmio_mark(struct exec *x, u64 linear, u32 old, u32 new)
{
	return mmio_stage_locked(exec_emulator(x), linear, &old, &new, sizeof(new),
				 KVM_ACCESS_WRITE | GWALK_IMPLICIT);
}

int mmio_read_system(struct exec *x, u64 linear, void *data, unsigned int len)
{
	struct kvm_emulator *em = exec_emulator(x);
	unsigned int n;
	gpa_t gpa;
	int r;

	for (; len; len -= n, linear += n, data += n) {
		n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(linear));
		r = mmio_translate(em, linear, KVM_ACCESS_READ | GWALK_IMPLICIT, &gpa);
		if (r != EXEC_DONE)
			return r;
		if (guest_read(em->vcpu, gpa, data, n))
			return EXEC_UNHANDLED;
	}
	return EXEC_DONE;
}

static int mmio_commit_piece(struct kvm_emulator *em, const struct emul_piece *piece)
{
	const u8 *data = em->data + piece->offset;
	u64 new = 0;
	int r;

	if (!piece->locked)
		return guest_write(em->vcpu, piece->gpa, data, piece->len);
	memcpy(&new, data, piece->len);
	r = guest_cmpxchg(em->vcpu, piece->gpa, piece->old, new, piece->len);
	return r == -EAGAIN ? EXEC_RETRY : r;
}

int mmio_commit(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	unsigned int i;
	int r;

	em->writes.next = 0;
	for (i = 0; i < em->writes.count; i++) {
		if (em->writes.piece[i].device)
			continue;
		r = mmio_commit_piece(em, &em->writes.piece[i]);
		if (r)
			return r;
	}
	return EXEC_DONE;
}

static bool mmio_write_kernel(struct kvm_emulator *em, const struct emul_piece *piece)
{
	const u8 *data = em->data + piece->offset;

	em->device_seen = true;
	if (io_mmio_write(em->vcpu, piece->gpa, piece->len, data))
		return false;
	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, piece->len, piece->gpa, data);
	return true;
}

static struct emul_list *mmio_current(struct kvm_emulator *em)
{
	return em->phase == EMUL_READ ? &em->reads : &em->writes;
}

int mmio_exit(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *data)
{
	struct kvm_run *run = vcpu->run;
	u64 val = 0;

	if (data) {
		memcpy(&val, data, len);
		trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, gpa, &val);
	} else {
		trace_kvm_mmio(KVM_TRACE_MMIO_READ_UNSATISFIED, len, gpa, NULL);
	}
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	memcpy(run->mmio.data, &val, sizeof(val));
	vcpu->stat.mmio_exits++;
	return KVM_TO_USER;
}

int mmio_next(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	struct emul_list *list = mmio_current(em);
	const struct emul_piece *piece;

	for (; list->next < list->count; list->next++) {
		piece = &list->piece[list->next];
		if (piece->device &&
		    (em->phase == EMUL_READ || !mmio_write_kernel(em, piece)))
			break;
	}
	if (list->next >= list->count)
		return KVM_RESUME;
	piece = &list->piece[list->next];
	em->device_seen = true;
	vcpu->pending_io = KVM_IO_MMIO;
	return mmio_exit(vcpu, piece->gpa, piece->len,
			 em->phase == EMUL_WRITE ? em->data + piece->offset : NULL);
}

void mmio_answer(struct kvm_vcpu *vcpu)
{
	struct kvm_emulator *em = vcpu->emul;
	struct emul_list *list = mmio_current(em);
	const struct emul_piece *piece;

	if (list->next >= list->count)
		return;
	piece = &list->piece[list->next++];
	if (em->phase != EMUL_READ)
		return;
	memcpy(em->log + piece->offset, vcpu->run->mmio.data, piece->len);
	trace_kvm_mmio(KVM_TRACE_MMIO_READ, piece->len, piece->gpa, em->log + piece->offset);
}
