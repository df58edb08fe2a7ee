/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the x86 room share among themselves.
 */
#ifndef KVM_SWAP_X86_PRIVATE_H
#define KVM_SWAP_X86_PRIVATE_H

#include <asm/processor-flags.h>
#include <kvm/x86.h>
#include <kvm/vendor.h>

/* The most this host and this implementation can give any guest. */
struct x86_caps {
	u32 words[KVM_CPU_WORDS];	/* X86_FEATURE_* a guest may be offered */
	u64 cr4;			/* CR4 bits a guest may have at most */
	u64 efer;			/* EFER bits a guest may have at most */
	u64 xcr0;			/* XCR0 bits a guest may have at most */
};

/* Constant after x86_module_init(). */
extern struct x86_caps x86_caps;

/* Where CPUID shows a word of X86_FEATURE_* bits, and how much of it guests get. */
enum cpuid_reg { CPUID_REG_A, CPUID_REG_B, CPUID_REG_C, CPUID_REG_D };

struct cpuid_word {
	u8 word;		/* index into x86_caps.words and guest_caps */
	u8 reg;			/* enum cpuid_reg */
	u32 function, index;
	u32 allow;		/* bits handed on if the host has them */
	u32 software;		/* bits offered whatever the host has */
};

extern const struct cpuid_word cpuid_words[];
extern const unsigned int cpuid_words_count;

/* cpuid_host.c: XSAVE area size for @xcr0, as CPUID leaf 0xD reports it. */
u32 cpuid_xsave_size(u64 xcr0, bool compacted);
void cpuid_host_init(void);

/* cpuid.c */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid_set *set, u32 function,
				    u32 index);
struct kvm_cpuid_set *cpuid_set_alloc(unsigned int nent);
/* XCR0 or APIC_BASE changed: the CPUID bits that mirror them (and CR4) follow. */
void cpuid_follow_state(struct kvm_vcpu *vcpu);
/* Feature words, reserved bits and widths that come from the guest's CPUID. */
void cpuid_derive(struct kvm_vcpu *vcpu);

static inline u32 *cpuid_entry_reg(struct kvm_cpuid_entry2 *entry, int reg)
{
	switch (reg) {
	case CPUID_REG_A:
		return &entry->eax;
	case CPUID_REG_B:
		return &entry->ebx;
	case CPUID_REG_C:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

/* cr.c: what KVM_SET_SREGS checks before it changes anything. */
bool cr0_valid(u64 cr0);
bool cr3_valid(struct kvm_vcpu *vcpu, u64 cr3);

/* event.c */
int x86_event_window(struct kvm_vcpu *vcpu);

/* CR2 and DR6 change now for an exception that waits, unless userspace knows better. */
void x86_event_settle(struct kvm_vcpu *vcpu);

/* event_state.c, xsave.c, tsc.c: vcpu ioctls, for state.c. */
int events_get_ioctl(struct kvm_vcpu *vcpu, void __user *argp);
int events_set_ioctl(struct kvm_vcpu *vcpu, const void __user *argp);
#define KVM_XSAVE_BYTES		4096	/* KVM_CAP_XSAVE2: no component is dynamic */
int xsave_get(struct kvm_vcpu *vcpu, void __user *argp);
int xsave_set(struct kvm_vcpu *vcpu, const void __user *argp);
int xcrs_get(struct kvm_vcpu *vcpu, void __user *argp);
int xcrs_set(struct kvm_vcpu *vcpu, const void __user *argp);
long tsc_get_khz(struct kvm_vcpu *vcpu);
int tsc_set_khz(struct kvm_vcpu *vcpu, unsigned long khz);

/* cr.c */
void x86_restore_debugregs(struct kvm_vcpu *vcpu, const u64 *db, u64 dr6, u64 dr7);

/* msr.c */
#define MSR_ENTRIES_MAX		255	/* of one KVM_GET_MSRS or KVM_SET_MSRS */
#define MSR_PLATFORM_INFO_DEFAULT	BIT_ULL(31)	/* CPUID can be made to fault */
u64 msr_host_ucode_rev(void);	/* the host's microcode, as MSR 0x8b says it */

/* msr_feature.c */
u64 msr_de_cfg_offered(void);
int msr_get_de_cfg(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host);
int msr_set_de_cfg(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host);
int msr_get_arch_caps(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host);
int msr_set_arch_caps(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host);

/* msr.c */
int x86_set_apic_base(struct kvm_vcpu *vcpu, u64 val, bool host_initiated);
bool x86_apic_base_valid(struct kvm_vcpu *vcpu, u64 val);
void msr_reset(struct kvm_vcpu *vcpu);

/* mtrr.c, mce.c: 0, or 1 for #GP. */
/* Intel SDM, "Memory Type Range Registers": MSR numbers. */
#define MTRR_CAP		0x0fe
#define MTRR_VARIABLE		0x200
#define MTRR_FIXED_64K		0x250
#define MTRR_FIXED_16K		0x258
#define MTRR_FIXED_4K		0x268
#define MTRR_DEF_TYPE		0x2ff

#define MTRR_CAP_VALUE	(KVM_MTRR_VARIABLE | BIT(8) | BIT(10))	/* fixed ranges, WC */

int mtrr_get(struct kvm_vcpu *vcpu, u32 index, u64 *val);
int mtrr_set(struct kvm_vcpu *vcpu, u32 index, u64 val);
bool pat_valid(u64 pat);
int mce_get(struct kvm_vcpu *vcpu, u32 index, u64 *val, bool host_initiated);
int mce_set(struct kvm_vcpu *vcpu, u32 index, u64 val, bool host_initiated);
int x86_mce_setup(struct kvm_vcpu *vcpu, const u64 __user *user);
int x86_mce_inject(struct kvm_vcpu *vcpu, const struct kvm_x86_mce __user *user);

/* Bits from @from to 63, none if @from is 64 or more. */
static inline u64 x86_bits_above(u32 from)
{
	return from < 64 ? ~0ULL << from : 0;
}

static inline bool x86_long_mode(struct kvm_vcpu *vcpu)
{
	return vcpu_efer(vcpu) & BIT(10);
}

static inline u64 x86_edx_eax(struct kvm_vcpu *vcpu)
{
	return (u32)vcpu->regs.gpr[KVM_RAX] |
	       (u64)(u32)vcpu->regs.gpr[KVM_RDX] << 32;
}

static inline void x86_set_edx_eax(struct kvm_vcpu *vcpu, u64 val)
{
	vcpu->regs.gpr[KVM_RAX] = (u32)val;
	vcpu->regs.gpr[KVM_RDX] = val >> 32;
}

/* The linear address with the sign extension the guest's paging depth asks for. */
u64 x86_canonical(struct kvm_vcpu *vcpu, u64 addr);

static inline bool x86_is_canonical(struct kvm_vcpu *vcpu, u64 addr)
{
	return x86_canonical(vcpu, addr) == addr;
}

#endif
