/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small VMM: a VM with one RAM slot at guest-physical 0, vcpus in any
 * processor mode, guest code from assembly blobs.
 *
 * Every function ends the calling test case (tap_fail) when a step it needs
 * fails, unless it says otherwise.
 */
#ifndef TESTS_ABI_VMM_H
#define TESTS_ABI_VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "tap.h"

/* Guest-physical layout of the first 640 KiB; real mode reaches up to DATA2. */
#define GPA_IVT		0x0000
#define GPA_GDT		0x1000
#define GPA_IDT		0x2000
#define GPA_TSS		0x3000
#define GPA_STACK	0x7000		/* top; grows down to 0x4000 */
#define GPA_DATA	0x7000
#define GPA_CODE	0x8000		/* 16 KiB for one blob */
#define GPA_ACCESS	0xbf00		/* vmm_access()'s own code */
#define GPA_DATA2	0xc000		/* 16 KiB */
#define GPA_TABLES	0x20000		/* page tables, 512 KiB */
#define GPA_TABLES_END	0xa0000
#define VMM_MIN_RAM	0xa0000

/* Never backed by vmm_create(): identity mapped in every mode with paging. */
#define GPA_MMIO	0xd0000000ull

#define SEL_CODE32	0x08
#define SEL_DATA32	0x10
#define SEL_CODE64	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define SEL_USER32	0x33
#define SEL_USERDATA	0x3b
#define SEL_USER64	0x43
#define SEL_TSS		0x48

#define VMM_RFLAGS	0x202		/* interrupts on */

#define X86_CR0_PE	(1ul << 0)
#define X86_CR0_MP	(1ul << 1)
#define X86_CR0_TS	(1ul << 3)
#define X86_CR0_ET	(1ul << 4)
#define X86_CR0_NE	(1ul << 5)
#define X86_CR0_WP	(1ul << 16)
#define X86_CR0_NW	(1ul << 29)
#define X86_CR0_CD	(1ul << 30)
#define X86_CR0_PG	(1ul << 31)
#define X86_CR4_DE	(1ul << 3)
#define X86_CR4_PSE	(1ul << 4)
#define X86_CR4_PAE	(1ul << 5)
#define X86_CR4_OSFXSR	(1ul << 9)
#define X86_CR4_OSXMMEXCPT (1ul << 10)
#define X86_CR4_OSXSAVE	(1ul << 18)
#define X86_EFER_SCE	(1ul << 0)
#define X86_EFER_LME	(1ul << 8)
#define X86_EFER_LMA	(1ul << 10)
#define X86_EFER_NX	(1ul << 11)

#define PTE_P		(1ull << 0)
#define PTE_W		(1ull << 1)
#define PTE_U		(1ull << 2)
#define PTE_A		(1ull << 5)
#define PTE_D		(1ull << 6)
#define PTE_PS		(1ull << 7)
#define PTE_NX		(1ull << 63)

#define SZ_4K		0x1000ull
#define SZ_64K		0x10000ull
#define SZ_1M		0x100000ull
#define SZ_2M		0x200000ull
#define SZ_4M		0x400000ull
#define SZ_1G		0x40000000ull

enum vmm_mode {
	VMM_REAL,	/* 64 KiB segments with base 0 */
	VMM_BIGREAL,	/* real mode, data segments of 4 GiB */
	VMM_PROT16,	/* 16-bit code, data segments of 4 GiB, no paging */
	VMM_PROT32,	/* flat, no paging */
	VMM_PAGE32,	/* two-level tables of 4 MiB pages, identity */
	VMM_PAE,	/* PAE tables of 2 MiB pages, identity */
	VMM_COMPAT,	/* 32-bit code segment under long-mode paging */
	VMM_LONG,	/* four-level tables of 2 MiB pages, identity */
	VMM_MODES
};

#define VMM_MAX_VCPUS 8

struct vmm;

struct vmm_vcpu {
	struct vmm *vm;
	int fd;
	int id;
	enum vmm_mode mode;
	struct kvm_run *run;
	size_t run_size;
};

/* Used by the case's main thread; vcpu threads only run their vcpu. */
struct vmm {
	int dev;		/* /dev/kvm */
	int fd;
	uint8_t *ram;
	uint64_t ram_size;
	uint64_t next_table;	/* free page-table pages start here (gpa) */
	struct vmm_vcpu vcpu[VMM_MAX_VCPUS];
	int vcpus;
};

/* A guest code blob, made by GUEST(). */
struct vmm_blob {
	const uint8_t *start;
	const uint8_t *end;
};

/*
 * GUEST(name, bits, "assembly"): a blob for vmm_load(), written next to the
 * case that uses it. AT(label) is the guest address of a local label; ORG(n)
 * goes on at offset n of the blob.
 */
#define GUEST(name, bits, text)						\
	asm(".pushsection .rodata.guest, \"a\"\n"			\
	    ".balign 16\n.code" #bits "\n"				\
	    "guest_" #name ":\n9990:\n" text				\
	    "\n.code64\nguest_" #name "_end: .byte 0\n.popsection");	\
	extern const uint8_t guest_##name[], guest_##name##_end[];	\
	static const struct vmm_blob name = {				\
		guest_##name, guest_##name##_end			\
	}

#define AT(label) "(" #label " - 9990b + 0x8000)"
#define ORG(n) ".skip " #n " - (. - 9990b)\n"

/* A blob from a .S file of tests/guests, by its symbols NAME and NAME_end. */
#define GUEST_FILE(name)						\
	extern const uint8_t guest_##name[], guest_##name##_end[];	\
	static const struct vmm_blob name = {				\
		guest_##name, guest_##name##_end			\
	}

const char *vmm_mode_name(enum vmm_mode mode);
const char *vmm_exit_name(unsigned int reason);

int vmm_open(void);

/*
 * vmm_create - a VM with @ram bytes of private anonymous memory in slot 0
 *
 * @ram is at least VMM_MIN_RAM. Descriptor tables are in place.
 */
struct vmm *vmm_create(uint64_t ram);
/* The same without any memory slot: ->ram is NULL. */
struct vmm *vmm_create_bare(void);
void vmm_destroy(struct vmm *vm);

/* Returns the ioctl's result; errno is set on failure. */
int vmm_try_slot(struct vmm *vm, unsigned int slot, unsigned int flags,
		 uint64_t gpa, uint64_t size, void *hva);
void vmm_slot(struct vmm *vm, unsigned int slot, unsigned int flags,
	      uint64_t gpa, uint64_t size, void *hva);
void *vmm_map_anon(uint64_t size);
int vmm_cap(struct vmm *vm, unsigned int cap);

/* A new vcpu; it has the CPUID of KVM_GET_SUPPORTED_CPUID. */
struct vmm_vcpu *vmm_vcpu_add(struct vmm *vm);
/* The same without KVM_SET_CPUID2. */
struct vmm_vcpu *vmm_vcpu_add_raw(struct vmm *vm);
/* @nent entries at most; ends the case if the kernel wants more than 256. */
struct kvm_cpuid2 *vmm_supported_cpuid(int dev);
/* NULL if there is no such leaf. */
struct kvm_cpuid_entry2 *vmm_cpuid_find(struct kvm_cpuid2 *cpuid,
					uint32_t function, uint32_t index);
void vmm_set_cpuid(struct vmm_vcpu *vcpu, struct kvm_cpuid2 *cpuid);

/*
 * Page tables in guest memory; root is the future CR3. A larger page that is in
 * the way of a new one disappears as a whole.
 */
uint64_t vmm_table_new(struct vmm *vm);
void vmm_map(struct vmm *vm, enum vmm_mode mode, uint64_t root, uint64_t va,
	     uint64_t pa, uint64_t size, uint64_t flags);
uint64_t vmm_identity(struct vmm *vm, enum vmm_mode mode);

/*
 * vmm_set_mode - put a vcpu into @mode, ready to run at GPA_CODE
 *
 * Stack at GPA_STACK, RFLAGS are VMM_RFLAGS, all other registers 0. Modes with
 * paging get identity tables.
 */
void vmm_set_mode(struct vmm_vcpu *vcpu, enum vmm_mode mode);
/* Fills @sregs for @mode without touching the vcpu; reads it as a base. */
void vmm_mode_sregs(struct vmm_vcpu *vcpu, enum vmm_mode mode,
		    struct kvm_sregs *sregs);
/* An interrupt or exception gate of the vcpu's mode, to ring-0 code at @gpa. */
void vmm_gate(struct vmm_vcpu *vcpu, unsigned int vector, uint64_t gpa);

void vmm_load(struct vmm *vm, uint64_t gpa, struct vmm_blob blob);
/* vmm_create + one vcpu in @mode with @blob loaded at GPA_CODE. */
struct vmm_vcpu *vmm_boot(uint64_t ram, enum vmm_mode mode,
			  struct vmm_blob blob);

struct kvm_regs vmm_regs(struct vmm_vcpu *vcpu);
void vmm_set_regs(struct vmm_vcpu *vcpu, const struct kvm_regs *regs);
struct kvm_sregs vmm_sregs(struct vmm_vcpu *vcpu);
void vmm_set_sregs(struct vmm_vcpu *vcpu, const struct kvm_sregs *sregs);

/* One KVM_RUN: 0 or -errno. Ends no case. */
int vmm_run(struct vmm_vcpu *vcpu);
/* One KVM_RUN that must end in @reason. */
void vmm_run_to_(const char *file, int line, struct vmm_vcpu *vcpu,
		 unsigned int reason);
#define vmm_run_to(vcpu, reason) \
	vmm_run_to_(__FILE__, __LINE__, vcpu, reason)
/* One KVM_RUN that must end in a single OUT of @size bytes to @port. */
uint32_t vmm_run_to_out_(const char *file, int line, struct vmm_vcpu *vcpu,
			 unsigned int port, unsigned int size);
#define vmm_run_to_out(vcpu, port, size) \
	vmm_run_to_out_(__FILE__, __LINE__, vcpu, port, size)
/* One KVM_RUN that must end in an MMIO access of this shape. */
uint64_t vmm_run_to_mmio_(const char *file, int line, struct vmm_vcpu *vcpu,
			  bool is_write, uint64_t gpa, unsigned int len);
#define vmm_run_to_mmio(vcpu, is_write, gpa, len) \
	vmm_run_to_mmio_(__FILE__, __LINE__, vcpu, is_write, gpa, len)
/* What the next KVM_RUN gives the guest for a pending MMIO read. */
void vmm_mmio_answer(struct vmm_vcpu *vcpu, uint64_t value);
/* Where the data of a pending KVM_EXIT_IO is. */
void *vmm_io_data(struct vmm_vcpu *vcpu);
/* Shows exit reason and registers as diagnostics. */
void vmm_dump(struct vmm_vcpu *vcpu);

/*
 * One 8-byte load or store by a long-mode vcpu. Returns vmm_run()'s error or 0
 * with the exit in vcpu->run: KVM_EXIT_HLT if the access went through, and
 * then *@value is what was read. An MMIO access must be completed with
 * vmm_run_to(vcpu, KVM_EXIT_HLT) before the next one.
 */
int vmm_access(struct vmm_vcpu *vcpu, uint64_t gva, bool is_write,
	       uint64_t *value);
/* The same, when the address must be plain memory. */
uint64_t vmm_peek_(const char *file, int line, struct vmm_vcpu *vcpu,
		   uint64_t gva);
void vmm_poke_(const char *file, int line, struct vmm_vcpu *vcpu,
	       uint64_t gva, uint64_t value);
#define vmm_peek(vcpu, gva) vmm_peek_(__FILE__, __LINE__, vcpu, gva)
#define vmm_poke(vcpu, gva, value) \
	vmm_poke_(__FILE__, __LINE__, vcpu, gva, value)
/* The address must exit as MMIO; completes the access. */
void vmm_expect_hole_(const char *file, int line, struct vmm_vcpu *vcpu,
		      uint64_t gva);
#define vmm_expect_hole(vcpu, gva) \
	vmm_expect_hole_(__FILE__, __LINE__, vcpu, gva)

/* A thread that calls KVM_RUN once; vmm_join() returns its result. */
struct vmm_thread {
	pthread_t thread;
	struct vmm_vcpu *vcpu;
	int result;
	volatile int tid;
	volatile int done;
};

void vmm_start(struct vmm_thread *t, struct vmm_vcpu *vcpu);
/* Makes the vcpu leave KVM_RUN with EINTR, however often it takes. */
void vmm_kick(struct vmm_thread *t);
/* Waits until the thread sleeps as it does where its vcpu has halted. */
void vmm_wait_asleep(struct vmm_thread *t);
int vmm_join(struct vmm_thread *t);
/* A signal handler that does nothing, so that the signal only interrupts. */
void vmm_catch(int sig);

void vmm_sleep_ms(unsigned int ms);
uint64_t vmm_now_ms(void);
/* Pins the calling thread to the @nth allowed CPU (modulo their number). */
int vmm_pin(unsigned int nth);
int vmm_cpus(void);
/* The machine is QEMU's TCG, which does not emulate all that a CPU does. */
bool vmm_on_tcg(void);

#endif
