/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 room: guest CPU state every vendor shares.
 * Unless said otherwise: called by the vcpu's thread, loaded (so that it may
 * read the memslots), preemptible, may sleep.
 */
#ifndef KVM_SWAP_X86_H
#define KVM_SWAP_X86_H

#include <linux/kvm.h>
#include <kvm/types.h>
#include <kvm/exit.h>
#include <kvm/vcpu.h>

/* --- regs.c: ioctl views of the registers. 0 or -EINVAL; a refused set changes nothing. */
void x86_get_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs);
int x86_set_regs(struct kvm_vcpu *vcpu, const struct kvm_regs *regs);
void x86_get_sregs(struct kvm_vcpu *vcpu, struct kvm_sregs *sregs);
int x86_set_sregs(struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs);
int x86_get_fpu(struct kvm_vcpu *vcpu, struct kvm_fpu *fpu);
int x86_set_fpu(struct kvm_vcpu *vcpu, const struct kvm_fpu *fpu);

int x86_vcpu_init(struct kvm_vcpu *vcpu);	/* architectural reset state; before publication */
void x86_vcpu_destroy(struct kvm_vcpu *vcpu);
int x86_module_init(void);			/* after kvm_vendor is known: feature masks */
void x86_module_exit(void);

/* --- cpuid.c. User pointers already belong to the calling task. */
int x86_get_supported_cpuid(struct kvm_cpuid2 __user *user);	/* -E2BIG, -EFAULT, -ENOMEM */
int x86_set_cpuid2(struct kvm_vcpu *vcpu, const struct kvm_cpuid2 __user *user);
int x86_get_cpuid2(struct kvm_vcpu *vcpu, struct kvm_cpuid2 __user *user);
/* The guest's view of the leaf in EAX, subleaf in ECX, into its registers as CPUID does. */
void x86_cpuid(struct kvm_vcpu *vcpu);

/* Does the guest's CPUID show X86_FEATURE_*? False for words that are not CPUID's. */
static inline bool x86_guest_has(const struct kvm_vcpu *vcpu, unsigned int x86_feature)
{
	return x86_feature / 32 < KVM_CPU_WORDS &&
	       (vcpu->guest_caps[x86_feature / 32] & BIT(x86_feature % 32));
}

bool x86_host_offers(unsigned int x86_feature);	/* in KVM_GET_SUPPORTED_CPUID */

/* --- msr.c. 0, or 1: the guest gets #GP (host_initiated: -EINVAL at the ioctl). */
int x86_get_msr(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host_initiated);
int x86_set_msr(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host_initiated);
long x86_msr_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *arg);
int x86_msr_index_list(struct kvm_msr_list __user *user);

/* --- msr_feature.c, mce.c: on /dev/kvm. 0, a count, or a negative errno. */
int x86_msr_feature_list(struct kvm_msr_list __user *user);
long x86_msr_feature_ioctl(struct kvm_msrs __user *user);
int x86_mce_supported(u64 __user *user);
int x86_device_attr(const struct kvm_device_attr __user *user, bool get);

/* --- state.c: vcpu ioctls of saved state; -ENOTTY for others'. */
long x86_state_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl, void __user *argp);

/* --- cr.c: architectural checks, then the vendor. 0, or 1: #GP. */
int x86_set_cr0(struct kvm_vcpu *vcpu, u64 cr0);
int x86_set_cr3(struct kvm_vcpu *vcpu, u64 cr3);
int x86_set_cr4(struct kvm_vcpu *vcpu, u64 cr4);
int x86_set_cr8(struct kvm_vcpu *vcpu, u64 cr8);
int x86_set_efer(struct kvm_vcpu *vcpu, u64 efer);
int x86_set_xcr0(struct kvm_vcpu *vcpu, u64 xcr0);
int x86_set_dr(struct kvm_vcpu *vcpu, int dr, u64 val);	/* 0, or the vector to raise */
int x86_get_dr(struct kvm_vcpu *vcpu, int dr, u64 *val);

enum kvm_mode { KVM_MODE_REAL, KVM_MODE_VM86, KVM_MODE_PROT16, KVM_MODE_PROT32, KVM_MODE_PROT64 };
enum kvm_mode x86_mode(struct kvm_vcpu *vcpu);	/* from CR0, EFER, RFLAGS.VM and CS */

static inline bool x86_paging(struct kvm_vcpu *vcpu)
{
	return vcpu_cr0(vcpu) & BIT(31);
}

/* --- event.c */
void x86_queue_exception(struct kvm_vcpu *vcpu, u8 vector);
void x86_queue_exception_error(struct kvm_vcpu *vcpu, u8 vector, u32 error);
void x86_queue_page_fault(struct kvm_vcpu *vcpu, gva_t gva, u32 error);
void x86_queue_gp(struct kvm_vcpu *vcpu, u32 error);
void x86_queue_debug(struct kvm_vcpu *vcpu, u64 dr6);	/* #DB with these DR6 conditions */
/* #BP or #OF by INT3 or INTO; RIP is at the instruction. */
void x86_queue_soft_exception(struct kvm_vcpu *vcpu, u8 vector, u8 insn_len);
void x86_events_interrupted(struct kvm_vcpu *vcpu, const struct kvm_exit *exit);
/*
 * After exit_facts(): what has been delivered is forgotten, what was being delivered
 * when the exit came must be delivered again.
 */
static inline void x86_events_complete(struct kvm_vcpu *vcpu, const struct kvm_exit *exit)
{
	if (unlikely(exit->events_taken || exit->kind == KVM_FACT_ENTRY_FAILED))
		x86_events_interrupted(vcpu, exit);
	else
		vcpu->injected.type = KVM_EVENT_NONE;
}

/*
 * Before an entry, [P]/[I]: hand the most urgent deliverable event to the vendor
 * and open windows for what has to wait.
 */
void x86_events_inject(struct kvm_vcpu *vcpu);
/* False: it would find nothing to do, as nearly always. */
static inline bool x86_events_to_inject(const struct kvm_vcpu *vcpu)
{
	return (vcpu->injected.type | vcpu->pending.type | vcpu->nmi_pending |
		vcpu->irq_window | vcpu->nmi_window | vcpu->irq_check |
		READ_ONCE(vcpu->run->request_interrupt_window)) || vcpu->user_irq >= 0;
}

/* The entry did not happen: what was handed over is pending again. */
void x86_events_cancel(struct kvm_vcpu *vcpu);
bool x86_events_pending(struct kvm_vcpu *vcpu);
void x86_take_nmis(struct kvm_vcpu *vcpu);	/* KVM_REQ_NMI: .nmi_posted become pending */
/* vcpu.c. KVM_REQ_APIC: act on INIT and SIPI; .mp_state follows. Loaded, may sleep. */
void x86_apic_events(struct kvm_vcpu *vcpu);
bool x86_irq_allowed(struct kvm_vcpu *vcpu);	/* IF set and no shadow */
int x86_interrupt_ioctl(struct kvm_vcpu *vcpu, const struct kvm_interrupt *irq);

/* --- exit.c: act on one exit. kvm_verdict or errno. */
int x86_handle_exit(struct kvm_vcpu *vcpu, struct kvm_exit *exit);
/* RIP of the instruction that makes the access a device is asked for. */
u64 x86_emulated_rip(const struct kvm_vcpu *vcpu);
/*
 * Step over the instruction that caused @exit (decoding it if the hardware does not
 * say how long it is), with its single-step trap. kvm_verdict (a fault of the fetch is queued).
 */
int x86_skip(struct kvm_vcpu *vcpu, const struct kvm_exit *exit);
/* KVM_RUN was called again after an exit that left work: finish it. kvm_verdict or errno. */
int x86_complete_io(struct kvm_vcpu *vcpu);
/* Fill kvm_run's outputs common to every exit (cr8, apic_base, if_flag, ready...). */
void x86_run_publish(struct kvm_vcpu *vcpu);

/*
 * --- guestmem.c: guest physical memory through the VM's mm, page by page.
 * 0 or -EFAULT (no slot there, READONLY for writes, or the host mapping fails).
 */
int guest_read(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, unsigned int len);
int guest_write(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data, unsigned int len);
/* Atomic compare-exchange of an aligned 4- or 8-byte guest word; 0, -EAGAIN (changed), -EFAULT. */
int guest_cmpxchg(struct kvm_vcpu *vcpu, gpa_t gpa, u64 old, u64 new, unsigned int len);

/* --- gwalk.c: the guest's own page tables. */
struct x86_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
};

/*
 * Translate @gva for @access (enum kvm_access) with the guest's current paging
 * mode, setting A/D bits as the CPU would. 0, -EFAULT with @fault filled (to be
 * queued), -EIO when the host could not give a table's page (KVM_RUN fails and may be
 * tried again), or 1 when the walk met memory that is not there (emulation fails).
 */
int gwalk_translate(struct kvm_vcpu *vcpu, gva_t gva, u32 access, gpa_t *gpa,
		    struct x86_fault *fault);

/* --- emulate.c: execute the instruction at RIP in software. */
enum kvm_emulate_flags {
	KVM_EMULATE_SKIP = BIT(0),	/* only find its length and step over it */
	KVM_EMULATE_CR = BIT(1),	/* a control/debug register move is expected */
};

int emulate_insn(struct kvm_vcpu *vcpu, const struct kvm_exit *exit, u32 flags);
/* Continue a string or MMIO instruction after userspace answered. */
int emulate_resume(struct kvm_vcpu *vcpu);
/* Start a port access found by the hardware (non-string) or the emulator. */
int pio_access(struct kvm_vcpu *vcpu, const struct kvm_exit *exit);
int emulator_vcpu_init(struct kvm_vcpu *vcpu);
void emulator_vcpu_destroy(struct kvm_vcpu *vcpu);
/* KVM_EXIT_INTERNAL_ERROR, suberror EMULATION, with the instruction bytes. Returns KVM_TO_USER. */
int emulate_failed(struct kvm_vcpu *vcpu, const u8 *insn, unsigned int len);

#endif
