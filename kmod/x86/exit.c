// SPDX-License-Identifier: GPL-2.0-only
/*
 * Act on one exit: the policy behind the facts a vendor reports.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <asm/traps.h>
#include <asm/tsc.h>
#include <compat/uapi.h>
#include <kvm/mmu.h>
#include <kvm/paravirt.h>
#include <kvm/trace.h>
#include "x86_private.h"

#define DR6_BS		BIT(14)
#define DR6_BD		BIT(13)
#define DR7_GD		BIT(13)

static int exit_gp(struct kvm_vcpu *vcpu)
{
	x86_queue_gp(vcpu, 0);
	return KVM_RESUME;
}

static int exit_exception(struct kvm_vcpu *vcpu, int vector)
{
	if (vector == X86_TRAP_GP)
		return exit_gp(vcpu);
	x86_queue_exception(vcpu, vector);
	return KVM_RESUME;
}

/* Outside 64-bit mode instructions see 32 bits of a register. */
static u64 exit_operand(struct kvm_vcpu *vcpu, u8 gpr)
{
	u64 val = vcpu_gpr(vcpu, gpr & 15);

	if (val >> 32 && x86_mode(vcpu) != KVM_MODE_PROT64)
		val = (u32)val;
	return val;
}

/* The instruction at RIP, of @len bytes, is done. */
static __always_inline void exit_advance(struct kvm_vcpu *vcpu, u8 len)
{
	u64 old = vcpu_rip(vcpu);
	u64 rip = old + len;

	/* EIP wraps at 4 GiB; only a step over that line has to ask for the mode. */
	if (unlikely((rip ^ old) >> 32) && x86_mode(vcpu) != KVM_MODE_PROT64)
		rip = (u32)rip;
	vcpu_set_rip(vcpu, rip);
}

/* What the end of an instruction brings about. */
static __always_inline void exit_stepped(struct kvm_vcpu *vcpu)
{
	u32 shadow = kvm_vendor->get_shadow(vcpu);

	if (unlikely(shadow & (KVM_SHADOW_STI | KVM_SHADOW_MOV_SS)))
		kvm_vendor->set_shadow(vcpu, shadow & KVM_SHADOW_NMI);
	if (unlikely(vcpu_rflags(vcpu) & X86_EFLAGS_TF))
		x86_queue_debug(vcpu, DR6_BS);
}

/*
 * Step over the instruction that caused @exit. False: fetching it faulted or
 * failed, so it has not been executed; *@verdict says what is next either way.
 */
static bool exit_step(struct kvm_vcpu *vcpu, const struct kvm_exit *exit,
		      int *verdict)
{
	u64 rip;

	*verdict = KVM_RESUME;
	if (likely(exit->insn_len)) {
		exit_advance(vcpu, exit->insn_len);
	} else {
		rip = vcpu_rip(vcpu);
		*verdict = emulate_insn(vcpu, exit, KVM_EMULATE_SKIP);
		if (unlikely(*verdict != KVM_RESUME || vcpu_rip(vcpu) == rip))
			return false;
	}
	exit_stepped(vcpu);
	return true;
}

/**
 * x86_skip() - step over the instruction that caused @exit
 * @vcpu: loaded
 * @exit: facts; its length is decoded where the hardware does not say it
 *
 * Ends an interrupt shadow and raises the single-step trap, as executing the
 * instruction would. Return: kvm_verdict or errno of the decoding.
 */
int x86_skip(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	int ret;

	exit_step(vcpu, exit, &ret);
	return ret;
}

static bool exit_cpuid_faults(struct kvm_vcpu *vcpu)
{
	return unlikely(vcpu->msrs.misc_features) &&
	       kvm_vendor->get_cpl(vcpu) > 0;
}

/* Where the hardware does not say how long the instruction is. */
static noinline int exit_cpuid_decoded(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	int ret;

	if (exit_step(vcpu, exit, &ret))
		x86_cpuid(vcpu);
	return ret;
}

static noinline int exit_cpuid(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	if (exit_cpuid_faults(vcpu))
		return exit_gp(vcpu);
	if (!exit->insn_len)
		return exit_cpuid_decoded(vcpu, exit);
	exit_advance(vcpu, exit->insn_len);
	exit_stepped(vcpu);
	x86_cpuid(vcpu);
	return KVM_RESUME;
}

static noinline int exit_hlt(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	int ret;

	if (!exit_step(vcpu, exit, &ret))
		return ret;
	vcpu->stat.halt_exits++;
	if (vcpu->lapic) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		/* Another vcpu's kick that came too early still counts. */
		if (unlikely(READ_ONCE(vcpu->pv.kicked)) && xchg(&vcpu->pv.kicked, false)) {
			vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
			return ret;
		}
		return KVM_HALT;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return KVM_TO_USER;
}

static noinline int exit_msr(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	bool write = exit->msr.write, bad;
	u64 val = 0;
	int ret;

	if (write) {
		val = x86_edx_eax(vcpu);
		bad = x86_set_msr(vcpu, exit->msr.index, val, false);
	} else {
		bad = x86_get_msr(vcpu, exit->msr.index, &val, false);
	}
	trace_kvm_msr(write, exit->msr.index, val, bad);
	if (bad)
		return exit_gp(vcpu);
	if (write)
		return x86_skip(vcpu, exit);
	if (exit_step(vcpu, exit, &ret))
		x86_set_edx_eax(vcpu, val);
	return ret;
}

/* The IDT, a stack or a TSS lies where no memory is: nothing can be emulated. */
static int exit_delivery_failed(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 4;
	run->internal.data[0] = exit->vectoring.vector |
				(u64)exit->vectoring.type << 8;
	run->internal.data[1] = exit->reason;
	run->internal.data[2] = exit->info1;
	run->internal.data[3] = exit->mem.gpa;
	return KVM_TO_USER;
}

static noinline int exit_memory(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	int ret = mmu_fault(vcpu, exit->mem.gpa, exit->mem.access);

	switch (ret) {
	case KVM_MMU_EMULATE:
		if (exit->events_taken)
			return exit_delivery_failed(vcpu, exit);
		return emulate_insn(vcpu, exit, 0);
	case -EHWPOISON:
		/* The thread has its SIGBUS: the run loop sees the signal. */
		return KVM_RESUME;
	default:
		return ret;
	}
}

static int exit_cr_write(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 val = exit_operand(vcpu, exit->cr.gpr);
	int fault;

	trace_kvm_cr(1, exit->cr.cr, val);
	switch (exit->cr.cr) {
	case 0:
		fault = x86_set_cr0(vcpu, val);
		break;
	case 3:
		fault = x86_set_cr3(vcpu, val);
		break;
	case 4:
		fault = x86_set_cr4(vcpu, val);
		break;
	case 8:
		fault = x86_set_cr8(vcpu, val);
		break;
	default:
		return exit_exception(vcpu, X86_TRAP_UD);
	}
	return fault ? exit_gp(vcpu) : x86_skip(vcpu, exit);
}

static int exit_cr_read(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 val;

	switch (exit->cr.cr) {
	case 0:
		val = vcpu_cr0(vcpu);
		break;
	case 2:
		val = vcpu->regs.cr2;
		break;
	case 3:
		val = vcpu_cr3(vcpu);
		break;
	case 4:
		val = vcpu_cr4(vcpu);
		break;
	case 8:
		val = vcpu->regs.cr8;
		break;
	default:
		return exit_exception(vcpu, X86_TRAP_UD);
	}
	trace_kvm_cr(0, exit->cr.cr, val);
	vcpu_set_gpr(vcpu, exit->cr.gpr & 15, val);
	return x86_skip(vcpu, exit);
}

static int exit_cr_access(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 cr0;

	if (exit->cr.decode)
		return emulate_insn(vcpu, exit, KVM_EMULATE_CR);
	switch (exit->cr.op) {
	case KVM_CR_MOV_TO:
		return exit_cr_write(vcpu, exit);
	case KVM_CR_MOV_FROM:
		return exit_cr_read(vcpu, exit);
	case KVM_CR_CLTS:
		kvm_vendor->set_cr0(vcpu, vcpu_cr0(vcpu) & ~X86_CR0_TS);
		break;
	case KVM_CR_LMSW:
		/* It loads the low four bits, and cannot clear PE. */
		cr0 = (vcpu_cr0(vcpu) & ~0xeULL) | (exit->cr.value & 0xf);
		if (x86_set_cr0(vcpu, cr0))
			return exit_gp(vcpu);
		break;
	}
	return x86_skip(vcpu, exit);
}

static noinline int exit_cr(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 old_cr8 = vcpu->regs.cr8;
	int ret = exit_cr_access(vcpu, exit);

	/* Userspace's interrupt controller may have something for the lower priority. */
	if (ret == KVM_RESUME && !vcpu->lapic && vcpu->regs.cr8 < old_cr8) {
		vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
		return KVM_TO_USER;
	}
	return ret;
}

static int exit_dr(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	u64 val;
	int vector;

	if (exit->dr.decode)
		return emulate_insn(vcpu, exit, KVM_EMULATE_CR);
	if (kvm_vendor->get_cpl(vcpu) > 0)
		return exit_gp(vcpu);
	if (vcpu->regs.dr7 & DR7_GD) {
		x86_queue_debug(vcpu, DR6_BD);
		return KVM_RESUME;
	}
	if (exit->dr.write) {
		val = exit_operand(vcpu, exit->dr.gpr);
		vector = x86_set_dr(vcpu, exit->dr.dr & 7, val);
	} else {
		vector = x86_get_dr(vcpu, exit->dr.dr & 7, &val);
		if (!vector)
			vcpu_set_gpr(vcpu, exit->dr.gpr & 15, val);
	}
	if (vector)
		return exit_exception(vcpu, vector);
	return x86_skip(vcpu, exit);
}

static int exit_xsetbv(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	if (!(vcpu_cr4(vcpu) & X86_CR4_OSXSAVE))
		return exit_exception(vcpu, X86_TRAP_UD);
	if (kvm_vendor->get_cpl(vcpu) > 0 || (u32)vcpu->regs.gpr[KVM_RCX] ||
	    x86_set_xcr0(vcpu, x86_edx_eax(vcpu)))
		return exit_gp(vcpu);
	return x86_skip(vcpu, exit);
}

/* Documentation/virt/kvm/x86/hypercalls.rst: number in RAX, result in RAX. */
static noinline int exit_hypercall(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	bool wide = x86_mode(vcpu) == KVM_MODE_PROT64;
	const u64 *gpr = vcpu->regs.gpr;
	u64 nr = gpr[KVM_RAX], args[4] = {
		gpr[KVM_RBX], gpr[KVM_RCX], gpr[KVM_RDX], gpr[KVM_RSI],
	};
	long result = -KVM_EPERM;
	int ret, i;

	vcpu->stat.hypercalls++;
	if (!wide) {
		nr = (u32)nr;
		for (i = 0; i < ARRAY_SIZE(args); i++)
			args[i] = (u32)args[i];
	}
	if (kvm_vendor->get_cpl(vcpu) == 0)
		result = hypercall(vcpu, nr, args, wide);
	if (exit_step(vcpu, exit, &ret))
		vcpu->regs.gpr[KVM_RAX] = wide ? (u64)result : (u32)result;
	return ret;
}

/*
 * VMCALL is Intel's and VMMCALL AMD's: a guest that has the other CPU's instruction
 * gets it replaced (KVM_X86_QUIRK_FIX_HYPERCALL_INSN). They differ in their last byte.
 */
static bool exit_fix_hypercall(struct kvm_vcpu *vcpu)
{
	static const u8 last[] = { [KVM_ISA_VMX] = 0xc1, [KVM_ISA_SVM] = 0xd9 };
	u8 native = last[kvm_vendor->isa], insn[3];
	struct x86_fault fault;
	struct kvm_segment cs;
	gpa_t gpa;
	u64 linear;
	int i;

	if (kvm_vendor->get_cpl(vcpu) > 0)
		return false;
	kvm_vendor->get_segment(vcpu, KVM_CS, &cs);
	linear = vcpu_rip(vcpu);
	if (x86_mode(vcpu) != KVM_MODE_PROT64)
		linear = (u32)(linear + cs.base);
	for (i = 0; i < sizeof(insn); i++) {
		if (gwalk_translate(vcpu, linear + i, KVM_ACCESS_EXEC, &gpa, &fault) ||
		    guest_read(vcpu, gpa, &insn[i], 1))
			return false;
	}
	if (insn[0] != 0x0f || insn[1] != 0x01 || insn[2] == native ||
	    (insn[2] != last[KVM_ISA_VMX] && insn[2] != last[KVM_ISA_SVM]))
		return false;
	if (gwalk_translate(vcpu, linear + 2, KVM_ACCESS_WRITE, &gpa, &fault))
		return false;
	return !guest_write(vcpu, gpa, &native, 1);
}

/* No instruction of this CPU. */
static int exit_undefined(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	if (!exit->events_taken &&
	    vm_has_quirk(vcpu->kvm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN) && exit_fix_hypercall(vcpu))
		return KVM_RESUME;
	return exit_exception(vcpu, X86_TRAP_UD);
}

static noinline int exit_intercepted(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	switch (exit->exc.vector) {
	case X86_TRAP_MC:
		/* The host's own handler has had it. */
		break;
	case X86_TRAP_DB:
		x86_queue_debug(vcpu, exit->exc.payload);
		break;
	case X86_TRAP_PF:
		x86_queue_page_fault(vcpu, exit->exc.payload, exit->exc.error_code);
		break;
	case X86_TRAP_UD:
		return exit_undefined(vcpu, exit);
	case X86_TRAP_BP:
	case X86_TRAP_OF:
		x86_queue_soft_exception(vcpu, exit->exc.vector, exit->insn_len);
		break;
	default:
		if (exit->exc.has_error)
			x86_queue_exception_error(vcpu, exit->exc.vector,
						  exit->exc.error_code);
		else
			x86_queue_exception(vcpu, exit->exc.vector);
	}
	return KVM_RESUME;
}

static int exit_rdtsc(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	int ret;

	if (exit_step(vcpu, exit, &ret))
		x86_set_edx_eax(vcpu, rdtsc() + vcpu->tsc_offset);
	return ret;
}

static int exit_entry_failed(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = exit->reason;
	run->fail_entry.cpu = vcpu->last_cpu;
	return KVM_TO_USER;
}

static int exit_to_user(struct kvm_vcpu *vcpu, u32 reason)
{
	vcpu->run->exit_reason = reason;
	return KVM_TO_USER;
}

static int exit_unknown(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	vcpu->run->hw.hardware_exit_reason = exit->reason;
	return exit_to_user(vcpu, KVM_EXIT_UNKNOWN);
}

/* What no guest of today's first stage meets often. */
static noinline int exit_rare(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	switch (exit->kind) {
	case KVM_FACT_ENTRY_FAILED:
		return exit_entry_failed(vcpu, exit);
	case KVM_FACT_SHUTDOWN:
		return exit_to_user(vcpu, KVM_EXIT_SHUTDOWN);
	case KVM_FACT_DR:
		return exit_dr(vcpu, exit);
	case KVM_FACT_XSETBV:
		return exit_xsetbv(vcpu, exit);
	case KVM_FACT_MONITOR:
	case KVM_FACT_MWAIT:
		if (!vm_has_quirk(vcpu->kvm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
		    !x86_guest_has(vcpu, X86_FEATURE_MWAIT))
			return exit_exception(vcpu, X86_TRAP_UD);
		return x86_skip(vcpu, exit);
	case KVM_FACT_WBINVD:
		return x86_skip(vcpu, exit);
	case KVM_FACT_RDPMC:
		return exit_gp(vcpu);	/* no counters are offered */
	case KVM_FACT_RDTSC:
		return exit_rdtsc(vcpu, exit);
	case KVM_FACT_UD_INSN:
		return exit_exception(vcpu, X86_TRAP_UD);
	case KVM_FACT_INVALID_STATE:
		return emulate_insn(vcpu, exit, 0);
	case KVM_FACT_TASK_SWITCH:
		return emulate_failed(vcpu, exit->insn, exit->insn_bytes);
	default:
		return exit_unknown(vcpu, exit);
	}
}

/**
 * x86_handle_exit() - act on one exit
 * @vcpu: loaded, x86_events_complete() done
 * @exit: the facts
 *
 * Context: the vcpu's thread, preemptible, kvm->srcu held, may sleep.
 * Return: KVM_RESUME, KVM_TO_USER with kvm_run filled in, or an errno.
 */
int x86_handle_exit(struct kvm_vcpu *vcpu, struct kvm_exit *exit)
{
	switch (exit->kind) {
	case KVM_FACT_NONE:
		return KVM_RESUME;
	case KVM_FACT_CPUID:
		return exit_cpuid(vcpu, exit);
	case KVM_FACT_IO:
		return exit->io.string ? emulate_insn(vcpu, exit, 0) :
					 pio_access(vcpu, exit);
	case KVM_FACT_MEMORY:
		return exit_memory(vcpu, exit);
	case KVM_FACT_MSR:
		return exit_msr(vcpu, exit);
	case KVM_FACT_HLT:
		return exit_hlt(vcpu, exit);
	case KVM_FACT_CR:
		return exit_cr(vcpu, exit);
	case KVM_FACT_IRQ_WINDOW:
		return x86_event_window(vcpu);
	case KVM_FACT_NMI_WINDOW:
		vcpu->nmi_window = false;
		kvm_vendor->nmi_window(vcpu, false);
		return KVM_RESUME;
	case KVM_FACT_HYPERCALL:
		return exit_hypercall(vcpu, exit);
	case KVM_FACT_EXCEPTION:
		return exit_intercepted(vcpu, exit);
	case KVM_FACT_PAUSE:
		cond_resched();
		return x86_skip(vcpu, exit);
	default:
		return exit_rare(vcpu, exit);
	}
}
