// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET/SET_VCPU_EVENTS: exceptions, interrupts and NMIs on their way, shadows,
 * payloads, triple faults.
 */
#define _GNU_SOURCE
#include "vmm.h"

#define CAP_TRIPLE_FAULT	218
#define VALID_TRIPLE_FAULT	0x20
/* .triple_fault.pending, which older headers do not name. */
#define TRIPLE_FAULT(ev)	(*((uint8_t *)&(ev)->smi + sizeof((ev)->smi)))

#define CR2_BEFORE	0x1111000ull

/*
 * Handlers: RBX is the vector, RCX the top of the stack. #PF also keeps CR2 in RDX,
 * #DB its DR6.
 */
GUEST(handlers, 64,
	"hlt\n"
	"jmp .\n"
	ORG(0x100)	/* #PF */
	"mov $14, %ebx\n"
	"mov (%rsp), %rcx\n"
	"mov %cr2, %rdx\n"
	"hlt\n"
	ORG(0x140)	/* #UD */
	"mov $6, %ebx\n"
	"mov (%rsp), %rcx\n"
	"hlt\n"
	ORG(0x180)	/* NMI */
	"mov $2, %ebx\n"
	"hlt\n"
	"iretq\n"
	ORG(0x1c0)	/* interrupt 0x41 */
	"mov $0x41, %ebx\n"
	"hlt\n"
	"iretq\n"
	ORG(0x200)	/* #DB */
	"mov $1, %ebx\n"
	"mov %dr6, %rdx\n"
	"hlt\n");

static struct vmm_vcpu *boot(void)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, handlers);
	struct kvm_sregs sregs;

	if (!vmm_cap(vcpu->vm, KVM_CAP_VCPU_EVENTS))
		SKIP("KVM_CAP_VCPU_EVENTS is 0");
	vmm_gate(vcpu, 14, GPA_CODE + 0x100);
	vmm_gate(vcpu, 6, GPA_CODE + 0x140);
	vmm_gate(vcpu, 2, GPA_CODE + 0x180);
	vmm_gate(vcpu, 0x41, GPA_CODE + 0x1c0);
	vmm_gate(vcpu, 1, GPA_CODE + 0x200);
	sregs = vmm_sregs(vcpu);
	sregs.cr2 = CR2_BEFORE;
	vmm_set_sregs(vcpu, &sregs);
	return vcpu;
}

static struct kvm_vcpu_events get(struct vmm_vcpu *vcpu)
{
	struct kvm_vcpu_events ev;

	memset(&ev, 0xee, sizeof(ev));
	OK(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ev));
	return ev;
}

static void set(struct vmm_vcpu *vcpu, const struct kvm_vcpu_events *ev)
{
	OK(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, ev));
}

static void enable(struct vmm_vcpu *vcpu, uint32_t nr, const char *name)
{
	struct kvm_enable_cap cap = { .cap = nr, .args = { 1 } };

	if (!vmm_cap(vcpu->vm, nr))
		SKIP("%s is 0", name);
	OK(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap));
}

TEST(nothing, "a new vcpu has no events; what is read can be set again")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	CHECK_EQ(ev.exception.injected, 0);
	CHECK_EQ(ev.exception.pending, 0);
	CHECK_EQ(ev.interrupt.injected, 0);
	CHECK_EQ(ev.interrupt.soft, 0);
	CHECK_EQ(ev.interrupt.shadow, 0);
	CHECK_EQ(ev.nmi.injected, 0);
	CHECK_EQ(ev.nmi.pending, 0);
	CHECK_EQ(ev.nmi.masked, 0);
	CHECK_EQ(ev.sipi_vector, 0);
	CHECK(ev.flags & KVM_VCPUEVENT_VALID_NMI_PENDING);
	CHECK(ev.flags & KVM_VCPUEVENT_VALID_SHADOW);
	CHECK(!(ev.flags & KVM_VCPUEVENT_VALID_PAYLOAD));
	CHECK(!(ev.flags & VALID_TRIPLE_FAULT));
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
}

TEST(exception, "an injected exception goes through the guest's IDT")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.exception.injected = 1;
	ev.exception.nr = 14;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = 6;
	set(vcpu, &ev);
	ev = get(vcpu);
	CHECK_EQ(ev.exception.injected, 1);
	CHECK_EQ(ev.exception.nr, 14);
	CHECK_EQ(ev.exception.has_error_code, 1);
	CHECK_EQ(ev.exception.error_code, 6);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 14);
	CHECK_EQ(vmm_regs(vcpu).rcx, 6);
	CHECK_EQ(vmm_regs(vcpu).rdx, CR2_BEFORE);
	CHECK_EQ(get(vcpu).exception.injected, 0);
}

TEST(exception_taken_back, "setting no exception takes one back")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.exception.injected = 1;
	ev.exception.nr = 6;
	set(vcpu, &ev);
	ev.exception.injected = 0;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
}

TEST(interrupt, "KVM_INTERRUPT shows as injected; it can be taken away and put back")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_interrupt irq = { .irq = 0x41 };
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_vcpu_events ev, none;

	none = get(vcpu);
	OK(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	ev = get(vcpu);
	CHECK_EQ(ev.interrupt.injected, 1);
	CHECK_EQ(ev.interrupt.nr, 0x41);
	CHECK_EQ(ev.interrupt.soft, 0);
	set(vcpu, &none);
	CHECK_EQ(get(vcpu).interrupt.injected, 0);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
	vmm_set_regs(vcpu, &regs);
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0x41);
}

TEST(nmi_pending, "KVM_NMI shows as pending; it can be taken away and put back")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_vcpu_events ev = get(vcpu);

	OK(ioctl(vcpu->fd, KVM_NMI, 0));
	CHECK_EQ(get(vcpu).nmi.pending, 1);
	/* Without the flag the pending one stays. */
	ev.flags = 0;
	set(vcpu, &ev);
	CHECK_EQ(get(vcpu).nmi.pending, 1);
	ev.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	set(vcpu, &ev);
	CHECK_EQ(get(vcpu).nmi.pending, 0);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
	vmm_set_regs(vcpu, &regs);
	ev.nmi.pending = 1;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 2);
}

TEST(nmi_masked, "inside an NMI handler NMIs are masked; unmasking lets the next one in")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev;
	struct kvm_regs regs;

	OK(ioctl(vcpu->fd, KVM_NMI, 0));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	ev = get(vcpu);
	CHECK_EQ(ev.nmi.masked, 1);
	CHECK_EQ(ev.nmi.pending, 0);
	OK(ioctl(vcpu->fd, KVM_NMI, 0));
	regs = vmm_regs(vcpu);
	regs.rip = GPA_CODE;
	regs.rbx = 0;
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
	ev = get(vcpu);
	CHECK_EQ(ev.nmi.masked, 1);
	CHECK_EQ(ev.nmi.pending, 1);
	ev.nmi.masked = 0;
	set(vcpu, &ev);
	vmm_set_regs(vcpu, &regs);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 2);
}

TEST(shadow, "an interrupt shadow can be set, read and cleared; an instruction ends it")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	set(vcpu, &ev);
	CHECK(get(vcpu).interrupt.shadow & KVM_X86_SHADOW_INT_STI);
	/* Without the flag it stays. */
	ev.flags &= ~KVM_VCPUEVENT_VALID_SHADOW;
	ev.interrupt.shadow = 0;
	set(vcpu, &ev);
	CHECK(get(vcpu).interrupt.shadow & KVM_X86_SHADOW_INT_STI);
	ev.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	set(vcpu, &ev);
	CHECK_EQ(get(vcpu).interrupt.shadow, 0);
	ev.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(get(vcpu).interrupt.shadow, 0);
}

TEST(payload, "with EXCEPTION_PAYLOAD a pending #PF brings its CR2, a #DB its DR6")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_regs regs = vmm_regs(vcpu);
	struct kvm_vcpu_events ev;

	enable(vcpu, KVM_CAP_EXCEPTION_PAYLOAD, "KVM_CAP_EXCEPTION_PAYLOAD");
	ev = get(vcpu);
	CHECK(ev.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	ev.exception.pending = 1;
	ev.exception.nr = 14;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = 2;
	ev.exception_has_payload = 1;
	ev.exception_payload = 0x7654321000;
	set(vcpu, &ev);
	ev = get(vcpu);
	CHECK_EQ(ev.exception.pending, 1);
	CHECK_EQ(ev.exception.injected, 0);
	CHECK_EQ(ev.exception_has_payload, 1);
	CHECK_EQ(ev.exception_payload, 0x7654321000);
	CHECK_EQ(vmm_sregs(vcpu).cr2, CR2_BEFORE);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 14);
	CHECK_EQ(vmm_regs(vcpu).rdx, 0x7654321000);
	CHECK_EQ(vmm_sregs(vcpu).cr2, 0x7654321000);

	ev = get(vcpu);
	CHECK_EQ(ev.exception.pending, 0);
	CHECK_EQ(ev.exception_has_payload, 0);
	ev.exception.pending = 1;
	ev.exception.nr = 1;
	ev.exception.has_error_code = 0;
	ev.exception_has_payload = 1;
	ev.exception_payload = 1 << 14 | 1 << 2;
	set(vcpu, &ev);
	vmm_set_regs(vcpu, &regs);
	/* KVM_SET_REGS forgets what was pending for another RIP. */
	CHECK_EQ(get(vcpu).exception.pending, 0);
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 1);
	CHECK_EQ(vmm_regs(vcpu).rdx & 0xe00f, 1 << 14 | 1 << 2);
}

TEST(payload_bad, "payloads need EXCEPTION_PAYLOAD; pending goes before injected")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	enable(vcpu, KVM_CAP_EXCEPTION_PAYLOAD, "KVM_CAP_EXCEPTION_PAYLOAD");
	set(vcpu, &ev);
	ev.exception.pending = 1;
	ev.exception.injected = 1;
	ev.exception.nr = 6;
	set(vcpu, &ev);
	CHECK_EQ(get(vcpu).exception.pending, 1);
	CHECK_EQ(get(vcpu).exception.injected, 0);
	/* Without the flag .pending means nothing. */
	ev.flags &= ~KVM_VCPUEVENT_VALID_PAYLOAD;
	ev.exception.injected = 0;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 0);
}

TEST(machine_check, "a queued exception is shown as injected, pending or both")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_x86_mce mce = {
		.status = 0xb000000000000009, .mcg_status = 4, .bank = 3,
	};
	struct kvm_sregs sregs = vmm_sregs(vcpu);
	uint64_t cap = 10 | 1 << 8;
	struct kvm_vcpu_events ev;

	if (vmm_cap(vcpu->vm, KVM_CAP_MCE) < 10)
		SKIP("KVM_CAP_MCE is below 10");
	sregs.cr4 |= 1 << 6;
	vmm_set_sregs(vcpu, &sregs);
	OK(ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap));
	OK(ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce));
	ev = get(vcpu);
	tap_diag("injected %d pending %d", ev.exception.injected, ev.exception.pending);
	CHECK_EQ(ev.exception.injected, 1);
	CHECK_EQ(ev.exception.nr, 18);
	CHECK_EQ(ev.exception.has_error_code, 0);
	/* What is read can be set: the exception happens once. */
	set(vcpu, &ev);
	vmm_gate(vcpu, 18, GPA_CODE + 0x140);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(vmm_regs(vcpu).rbx, 6);
	CHECK_EQ(vmm_regs(vcpu).rcx, GPA_CODE);
	CHECK_EQ(get(vcpu).exception.injected, 0);
}

TEST(triple_fault, "with X86_TRIPLE_FAULT_EVENT a triple fault can be set and taken back")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.flags |= VALID_TRIPLE_FAULT;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	enable(vcpu, CAP_TRIPLE_FAULT, "KVM_CAP_X86_TRIPLE_FAULT_EVENT");
	CHECK(get(vcpu).flags & VALID_TRIPLE_FAULT);
	TRIPLE_FAULT(&ev) = 1;
	set(vcpu, &ev);
	ev = get(vcpu);
	CHECK_EQ(TRIPLE_FAULT(&ev), 1);
	TRIPLE_FAULT(&ev) = 0;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	TRIPLE_FAULT(&ev) = 1;
	set(vcpu, &ev);
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
	ev = get(vcpu);
	CHECK_EQ(TRIPLE_FAULT(&ev), 0);
}

TEST(bad_input, "unknown flags, vectors that are no exceptions, bad pointers")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_vcpu_events ev = get(vcpu);

	ev.flags |= 1u << 31;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev.flags &= ~(1u << 31);
	ev.exception.injected = 1;
	ev.exception.nr = 32;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev.exception.nr = 2;
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL);
	ev.exception.injected = 0;
	set(vcpu, &ev);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, NULL), EFAULT);
}

TEST(enable_cap_bad, "KVM_ENABLE_CAP refuses flags, unknown capabilities, bad pointers")
{
	struct vmm_vcpu *vcpu = boot();
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .flags = 1 };

	if (!vmm_cap(vcpu->vm, KVM_CAP_ENABLE_CAP_VM))
		SKIP("KVM_CAP_ENABLE_CAP_VM is 0");
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.flags = 0;
	cap.cap = 0xffffff;
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	CHECK_ERRNO(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, NULL), EFAULT);
	CHECK_ERRNO(ioctl(vcpu->fd, KVM_ENABLE_CAP, NULL), EFAULT);
}
