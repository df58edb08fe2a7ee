// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults: a guest that knows them is told that a page is not there
 * yet, and later that it is. userfaultfd says when; msr.rst says how.
 */
#define _GNU_SOURCE
#include "apic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MSR_EN		0x4b564d02
#define MSR_INT		0x4b564d06
#define MSR_ACK		0x4b564d07
#define EN_ENABLED	1
#define EN_KERNEL_TOO	2
#define EN_BY_INTERRUPT	8
#define ENABLE		(GPA_DATA2 | EN_ENABLED | EN_BY_INTERRUPT)

#define VECTOR		0x40
#define EVERYBODY	0xffffffffu	/* the token that stands for all */
#define FAR		0x40000000ull	/* where the pages are that come late */
#define FAR_PAGES	128

#define AS_USER		0x00
#define AS_KERNEL	0x80
#define AS_IDLE		0xc0
#define PORT_USER	0x2a
#define PORT_KERNEL	0x2b
#define PORT_READY	0x2c
#define PORT_FAULT	0x2e

/*
 * Reads (%rsi) into RBX, in ring 3 (offset 0) or ring 0 (0x80), or idles (0xc0). #PF and
 * the interrupt tell the VMM first; the latter then does as msr.rst asks.
 */
GUEST(reader, 64,
	"pushq $0x3b\npushq $0x6000\npushq $0x3202\npushq $0x43\n"
	"pushq $" AT(1f) "\n"
	"iretq\n"
	"1: mov (%rsi), %rbx\nout %al, $0x2a\n"
	ORG(0x80) "mov (%rsi), %rbx\nout %al, $0x2b\n"
	ORG(0xc0) "1: pause\njmp 1b\n"
	ORG(0x200) "out %al, $0x2e\nadd $8, %rsp\niretq\n"
	ORG(0x300) "push %rax\npush %rcx\npush %rdx\n"
	"out %al, $0x2c\n"
	"movl $0, 0xc004\n"
	"mov $0xfee000b0, %ecx\nmovl $0, (%rcx)\n"
	"mov $0x4b564d07, %ecx\nmov $1, %eax\nxor %edx, %edx\nwrmsr\n"
	"incl 0xc010\n"
	"pop %rdx\npop %rcx\npop %rax\niretq\n");

struct shared {
	uint32_t flags, token;
	uint32_t unused[2];
	uint32_t finished;		/* the test's own: interrupts the guest has done with */
};

struct late {
	struct vmm_vcpu *vcpu;
	struct kvm_sregs kernel;	/* how ring 0 is entered */
	uint8_t *far;
	int uffd;
};

static volatile struct shared *shared(struct vmm_vcpu *vcpu)
{
	return (volatile struct shared *)(vcpu->vm->ram + GPA_DATA2);
}

static void needs_features(int dev)
{
	struct kvm_cpuid_entry2 *leaf = vmm_cpuid_find(vmm_supported_cpuid(dev),
						       0x40000001, 0);

	if (!leaf || !(leaf->eax & 1 << 4) || !(leaf->eax & 1 << 14))
		SKIP("CPUID does not offer asynchronous page faults");
}

/* Memory whose pages come when late_page() says so. */
static void late_memory(struct late *l)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };

	l->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (l->uffd < 0)
		SKIP("this kernel has no userfaultfd");
	OK(ioctl(l->uffd, UFFDIO_API, &api));
	l->far = vmm_map_anon(FAR_PAGES * SZ_4K);
	reg.range.start = (uintptr_t)l->far;
	reg.range.len = FAR_PAGES * SZ_4K;
	OK(ioctl(l->uffd, UFFDIO_REGISTER, &reg));
	vmm_slot(l->vcpu->vm, 1, 0, FAR, FAR_PAGES * SZ_4K, l->far);
}

static uint64_t content(unsigned int page)
{
	return 0x5eed000000000000ull + page;
}

static void late_page(struct late *l, unsigned int page)
{
	static uint64_t data[SZ_4K / 8];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)l->far + page * SZ_4K,
		.src = (uintptr_t)data,
		.len = SZ_4K,
	};

	data[0] = content(page);
	OK(ioctl(l->uffd, UFFDIO_COPY, &copy));
}

static void late_boot(struct late *l)
{
	struct kvm_lapic_state apic;
	struct vmm *vm = apic_vm_bare(APIC_KERNEL);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);

	needs_features(vm->dev);
	l->vcpu = vcpu;
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_load(vm, GPA_CODE, reader);
	vmm_gate(vcpu, 14, GPA_CODE + 0x200);
	vmm_gate(vcpu, VECTOR, GPA_CODE + 0x300);
	*(uint64_t *)(vm->ram + GPA_TSS + 4) = 0x6800;	/* RSP0 */
	apic = apic_state(vcpu);
	apic_state_put(&apic, APIC_SVR, 0x1ff);
	apic_set_state(vcpu, &apic);
	l->kernel = vmm_sregs(vcpu);
	late_memory(l);
}

/* The next KVM_RUN starts at @place and reads @page. */
static void begin(struct late *l, unsigned int place, unsigned int page, bool interrupts)
{
	struct kvm_regs regs = {
		.rip = GPA_CODE + place,
		.rsp = GPA_STACK,
		.rflags = interrupts ? 0x202 : 2,
		.rsi = FAR + page * SZ_4K,
	};

	vmm_set_sregs(l->vcpu, &l->kernel);
	vmm_set_regs(l->vcpu, &regs);
}

/* The token of the next "page ready"; its handler has just begun. */
static uint32_t ready(struct late *l)
{
	vmm_run_to_out(l->vcpu, PORT_READY, 1);
	return shared(l->vcpu)->token;
}

/* Its handler goes on to its end. */
static void finish_interrupt(struct late *l)
{
	uint32_t finished = shared(l->vcpu)->finished;
	struct vmm_thread t;

	vmm_start(&t, l->vcpu);
	while (shared(l->vcpu)->finished == finished)
		vmm_sleep_ms(1);
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
	CHECK_EQ(shared(l->vcpu)->token, 0);
}

static void enable(struct late *l, uint64_t flags)
{
	CHECK(apic_msr_set(l->vcpu, MSR_INT, VECTOR));
	CHECK(apic_msr_set(l->vcpu, MSR_EN, ENABLE | flags));
	begin(l, AS_IDLE, 0, true);
	CHECK_EQ(ready(l), EVERYBODY);
}

/* "Page not present", for the page begin() named; the token. */
static uint32_t not_present(struct late *l)
{
	struct kvm_regs regs;
	uint64_t cr2, *frame;

	vmm_run_to_out(l->vcpu, PORT_FAULT, 1);
	CHECK_EQ(shared(l->vcpu)->flags, 1);
	regs = vmm_regs(l->vcpu);
	frame = (uint64_t *)(l->vcpu->vm->ram + regs.rsp);
	CHECK_EQ(frame[0], 0);
	cr2 = vmm_sregs(l->vcpu).cr2;
	CHECKF(cr2 && cr2 < EVERYBODY, "token 0x%llx", (unsigned long long)cr2);
	shared(l->vcpu)->flags = 0;
	return cr2;
}

/* Nothing comes although the guest would take it. */
static void nothing_comes(struct late *l)
{
	struct vmm_thread t;

	begin(l, AS_IDLE, 0, true);
	vmm_start(&t, l->vcpu);
	vmm_sleep_ms(50);
	vmm_kick(&t);
	CHECK_EQ(vmm_join(&t), -EINTR);
	CHECK_EQ(shared(l->vcpu)->token, 0);
}

TEST(features, "the capabilities and the CPUID bits go together")
{
	struct vmm *vm = vmm_create(SZ_1M);
	struct kvm_cpuid_entry2 *leaf = vmm_cpuid_find(vmm_supported_cpuid(vm->dev),
						       0x40000001, 0);

	CHECK(leaf);
	CHECK_EQ(!!(leaf->eax & 1 << 4), vmm_cap(vm, KVM_CAP_ASYNC_PF));
	CHECK_EQ(!!(leaf->eax & 1 << 14), vmm_cap(vm, KVM_CAP_ASYNC_PF_INT));
	CHECK_EQ(vmm_cap(vm, KVM_CAP_ASYNC_PF), 1);
	CHECK_EQ(vmm_cap(vm, KVM_CAP_ASYNC_PF_INT), 1);
}

TEST(msrs, "what the MSRs take and give back")
{
	uint64_t value = 1;
	struct late l;

	late_boot(&l);
	CHECK(!apic_msr_set(l.vcpu, MSR_EN, ENABLE | 0x10));
	CHECK(!apic_msr_set(l.vcpu, MSR_EN, ENABLE | 0x20));
	CHECK(!apic_msr_set(l.vcpu, MSR_EN, GPA_MMIO | EN_ENABLED | EN_BY_INTERRUPT));
	CHECK(!apic_msr_set(l.vcpu, MSR_INT, 0x100));
	CHECK(apic_msr_set(l.vcpu, MSR_INT, 0xff));
	CHECK(apic_msr_get(l.vcpu, MSR_INT, &value));
	CHECK_EQ(value, 0xff);
	CHECK(apic_msr_set(l.vcpu, MSR_EN, ENABLE | EN_KERNEL_TOO));
	CHECK(apic_msr_get(l.vcpu, MSR_EN, &value));
	CHECK_EQ(value, ENABLE | EN_KERNEL_TOO);
	CHECK(apic_msr_set(l.vcpu, MSR_EN, GPA_MMIO | EN_BY_INTERRUPT));
	CHECK(apic_msr_set(l.vcpu, MSR_EN, 0));
	CHECK(apic_msr_set(l.vcpu, MSR_ACK, 1));
	CHECK(apic_msr_get(l.vcpu, MSR_ACK, &value));
	CHECK_EQ(value, 0);
}

TEST(msrs_no_apic, "without an APIC in the kernel there is nothing to enable")
{
	struct vmm *vm = vmm_create(SZ_1M);
	struct vmm_vcpu *vcpu = vmm_vcpu_add(vm);

	needs_features(vm->dev);
	CHECK(apic_msr_set(vcpu, MSR_EN, 0));
	CHECK(!apic_msr_set(vcpu, MSR_EN, ENABLE));
}

TEST(enabling, "who enables is told that all pages are there")
{
	uint64_t value;
	struct late l;

	late_boot(&l);
	enable(&l, 0);
	CHECK(apic_msr_get(l.vcpu, MSR_EN, &value));
	CHECK_EQ(value, ENABLE);
	finish_interrupt(&l);
	/* Once. */
	nothing_comes(&l);
	CHECK_EQ(shared(l.vcpu)->flags, 0);
}

static void late_start(struct late *l, uint64_t flags)
{
	late_boot(l);
	enable(l, flags);
	finish_interrupt(l);
}

TEST(user, "ring 3 meets a page that is late: #PF with a token, then an interrupt with it")
{
	struct kvm_regs regs;
	uint64_t *frame;
	uint32_t token;
	struct late l;

	late_start(&l, 0);
	begin(&l, AS_USER, 3, false);
	token = not_present(&l);
	regs = vmm_regs(l.vcpu);
	frame = (uint64_t *)(l.vcpu->vm->ram + regs.rsp);
	CHECK_EQ(frame[2], SEL_USER64);
	CHECK_EQ(regs.rsp, 0x6800 - 6 * 8);
	nothing_comes(&l);
	late_page(&l, 3);
	begin(&l, AS_IDLE, 0, true);
	CHECK_EQ(ready(&l), token);
	finish_interrupt(&l);
	begin(&l, AS_USER, 3, false);
	vmm_run_to_out(l.vcpu, PORT_USER, 1);
	CHECK_EQ(vmm_regs(l.vcpu).rbx, content(3));
	CHECK_EQ(shared(l.vcpu)->flags, 0);
}

/* Reads @page in ring 0; it comes only after the vcpu has waited for it. */
static void waits(struct late *l, unsigned int page, bool interrupts)
{
	struct vmm_thread t;

	begin(l, AS_KERNEL, page, interrupts);
	vmm_start(&t, l->vcpu);
	vmm_sleep_ms(50);
	CHECKF(!t.done, "it did not wait: exit %s", vmm_exit_name(l->vcpu->run->exit_reason));
	CHECK_EQ(shared(l->vcpu)->flags, 0);
	late_page(l, page);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(l->vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(l->vcpu->run->io.port, PORT_KERNEL);
}

TEST(kernel_waits, "ring 0 waits, unless it has asked for it and takes interrupts")
{
	uint32_t token;
	struct late l;

	late_start(&l, 0);
	waits(&l, 1, true);
	CHECK(apic_msr_set(l.vcpu, MSR_EN, ENABLE | EN_KERNEL_TOO));
	begin(&l, AS_IDLE, 0, true);
	CHECK_EQ(ready(&l), EVERYBODY);
	finish_interrupt(&l);
	waits(&l, 2, false);
	begin(&l, AS_KERNEL, 4, true);
	token = not_present(&l);
	late_page(&l, 4);
	begin(&l, AS_IDLE, 0, true);
	CHECK_EQ(ready(&l), token);
}

TEST(several, "one interrupt at a time, each token once")
{
	uint32_t token[3], got[3];
	struct late l;
	int i, j, found;

	late_start(&l, 0);
	for (i = 0; i < 3; i++) {
		begin(&l, AS_USER, i, false);
		token[i] = not_present(&l);
		for (j = 0; j < i; j++)
			CHECK(token[j] != token[i]);
	}
	for (i = 0; i < 3; i++)
		late_page(&l, i);
	vmm_sleep_ms(50);
	begin(&l, AS_IDLE, 0, true);
	for (i = 0; i < 3; i++)
		got[i] = ready(&l);
	for (i = 0; i < 3; i++) {
		for (j = 0, found = 0; j < 3; j++)
			found += got[j] == token[i];
		CHECKF(found == 1, "token 0x%x came %d times", token[i], found);
	}
	finish_interrupt(&l);
}

TEST(unacknowledged, "no interrupt before the guest has finished with the last")
{
	uint32_t first, second;
	struct late l;

	late_start(&l, 0);
	begin(&l, AS_USER, 0, false);
	first = not_present(&l);
	begin(&l, AS_USER, 1, false);
	second = not_present(&l);
	late_page(&l, 0);
	begin(&l, AS_IDLE, 0, true);
	CHECK_EQ(ready(&l), first);
	late_page(&l, 1);
	/* Its handler is left in the middle. */
	vmm_sleep_ms(50);
	CHECK_EQ(shared(l.vcpu)->token, first);
	CHECK_EQ(ready(&l), second);
}

/* Newer stock modules end what was begun before they disable. */
static void *bring_later(void *late)
{
	vmm_sleep_ms(50);
	late_page(late, 0);
	return NULL;
}

TEST(disabled, "what was late when it was disabled is not told")
{
	pthread_t bringer;
	struct late l;

	late_start(&l, 0);
	begin(&l, AS_USER, 0, false);
	not_present(&l);
	CHECK(!pthread_create(&bringer, NULL, bring_later, &l));
	CHECK(apic_msr_set(l.vcpu, MSR_EN, 0));
	CHECK(!pthread_join(bringer, NULL));
	nothing_comes(&l);
	/* Disabled, ring 3 waits as well. */
	begin(&l, AS_USER, 0, false);
	vmm_run_to_out(l.vcpu, PORT_USER, 1);
	CHECK_EQ(vmm_regs(l.vcpu).rbx, content(0));
}

TEST(old_way, "without delivery by interrupt there are no events")
{
	struct vmm_thread t;
	struct late l;

	late_boot(&l);
	CHECK(apic_msr_set(l.vcpu, MSR_EN, GPA_DATA2 | EN_ENABLED));
	begin(&l, AS_USER, 0, false);
	vmm_start(&t, l.vcpu);
	vmm_sleep_ms(50);
	CHECK(!t.done);
	late_page(&l, 0);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(l.vcpu->run->io.port, PORT_USER);
	CHECK_EQ(shared(l.vcpu)->flags, 0);
}

TEST(halted, "a halted vcpu is woken by the page")
{
	struct vmm_thread t;
	uint32_t token;
	struct late l;

	late_start(&l, 0);
	begin(&l, AS_USER, 5, false);
	token = not_present(&l);
	*(volatile uint8_t *)(l.vcpu->vm->ram + GPA_CODE + AS_IDLE) = 0xf4;	/* HLT */
	begin(&l, AS_IDLE, 0, true);
	vmm_start(&t, l.vcpu);
	vmm_sleep_ms(50);
	CHECK(!t.done);
	late_page(&l, 5);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(l.vcpu->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(l.vcpu->run->io.port, PORT_READY);
	CHECK_EQ(shared(l.vcpu)->token, token);
}

/* Holds @l's pages back, in a process of its own, until the other end of @pipe closes. */
static void hold_back(const struct late *l, int pipe)
{
	int fd;
	char c;

	if (fork())
		return;
	for (fd = 0; fd < 1024; fd++)
		if (fd != l->uffd && fd != pipe)
			close(fd);
	while (read(pipe, &c, 1) > 0)
		;
	_exit(0);
}

TEST(abandoned, "a VM goes although nobody brings its pages; so does its process")
{
	int end[2], status, i;
	struct late l;
	pid_t pid;

	/* Those of 5.10 and 6.1 pass; disabling with such a page late hangs those of 6.12. */
	if (access("/sys/module/kvm/version", F_OK))
		SKIP("newer stock modules may wait for the pages for ever");
	OK(pipe(end));
	pid = fork();
	OK(pid);
	if (!pid) {
		close(end[1]);
		late_start(&l, 0);
		for (i = 0; i < 2; i++) {
			begin(&l, AS_USER, i, false);
			not_present(&l);
		}
		hold_back(&l, end[0]);
		vmm_destroy(l.vcpu->vm);
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
}

TEST(bounded, "pages that never come do not pile up in the host")
{
	struct kvm_regs regs;
	struct vmm_thread t;
	unsigned int told, ms;
	struct late l;

	late_start(&l, 0);
	for (told = 0; told < FAR_PAGES; told++) {
		begin(&l, AS_USER, told, false);
		vmm_start(&t, l.vcpu);
		for (ms = 0; ms < 1000 && !t.done; ms++)
			vmm_sleep_ms(1);
		if (!t.done)
			break;
		CHECK_EQ(vmm_join(&t), 0);
		CHECK_EQ(l.vcpu->run->io.port, PORT_FAULT);
		shared(l.vcpu)->flags = 0;
	}
	tap_diag("%u told", told);
	CHECKF(told < FAR_PAGES, "all %u pages are waited for at once", told);
	/* It waits for this one itself. */
	late_page(&l, told);
	CHECK_EQ(vmm_join(&t), 0);
	CHECK_EQ(l.vcpu->run->io.port, PORT_USER);
	regs = vmm_regs(l.vcpu);
	CHECK_EQ(regs.rbx, content(told));
}
