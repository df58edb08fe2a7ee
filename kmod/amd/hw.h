/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hardware's side of SVM: the control block and its bits, as the AMD64
 * Architecture Programmer's Manual, volume 2, lays them out ("VMCB Layout").
 */
#ifndef KVM_SWAP_AMD_HW_H
#define KVM_SWAP_AMD_HW_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <uapi/asm/svm.h>

/* Intercepts are one bit string over six words; these are bit numbers in it. */
enum svm_intercept {
	SVM_ICPT_CR_READ = 0,		/* + CR number */
	SVM_ICPT_CR_WRITE = 16,		/* + CR number */
	SVM_ICPT_DR_READ = 32,		/* + DR number */
	SVM_ICPT_DR_WRITE = 48,		/* + DR number */
	SVM_ICPT_EXCEPTION = 64,	/* + vector */
	SVM_ICPT_INTR = 96,
	SVM_ICPT_NMI,
	SVM_ICPT_SMI,
	SVM_ICPT_INIT,
	SVM_ICPT_VINTR,
	SVM_ICPT_RDPMC = 111,
	SVM_ICPT_CPUID = 114,
	SVM_ICPT_IRET = 116,
	SVM_ICPT_INVD = 118,
	SVM_ICPT_HLT = 120,
	SVM_ICPT_INVLPGA = 122,
	SVM_ICPT_IOIO,
	SVM_ICPT_MSR,
	SVM_ICPT_TASK_SWITCH,
	SVM_ICPT_SHUTDOWN = 127,
	SVM_ICPT_VMRUN = 128,
	SVM_ICPT_VMMCALL,
	SVM_ICPT_VMLOAD,
	SVM_ICPT_VMSAVE,
	SVM_ICPT_STGI,
	SVM_ICPT_CLGI,
	SVM_ICPT_SKINIT,
	SVM_ICPT_RDTSCP,
	SVM_ICPT_WBINVD = 137,
	SVM_ICPT_MONITOR,
	SVM_ICPT_MWAIT,
	SVM_ICPT_MWAIT_ARMED,
	SVM_ICPT_XSETBV,
	SVM_ICPT_RDPRU,
	SVM_ICPT_INVPCID = 162,
	SVM_ICPT_MCOMMIT,
	SVM_ICPT_WORDS = 6,
};

#define SVM_TLB_KEEP		0
#define SVM_TLB_FLUSH_ALL	1	/* every ASID */
#define SVM_TLB_FLUSH_ASID	3	/* needs FlushByAsid */

/* Virtual interrupt control. */
#define SVM_VINTR_TPR		GENMASK(3, 0)
#define SVM_VINTR_IRQ		BIT(8)
#define SVM_VINTR_PRIO_MAX	GENMASK(19, 16)
#define SVM_VINTR_IGNORE_TPR	BIT(20)
#define SVM_VINTR_MASKING	BIT(24)

#define SVM_INT_SHADOW		BIT(0)

#define SVM_NESTED_PAGING	BIT(0)

/* EVENTINJ and EXITINTINFO have one format. */
#define SVM_EVENT_VECTOR	GENMASK(7, 0)
#define SVM_EVENT_TYPE		GENMASK(10, 8)
#define SVM_EVENT_INTR		(0U << 8)
#define SVM_EVENT_NMI		(2U << 8)
#define SVM_EVENT_EXCEPTION	(3U << 8)
#define SVM_EVENT_SOFT_INT	(4U << 8)
#define SVM_EVENT_ERROR		BIT(11)
#define SVM_EVENT_VALID		BIT(31)

/* EXITINFO1 of an IOIO exit; the port is in bits 31:16. */
#define SVM_IO_IN		BIT(0)
#define SVM_IO_STRING		BIT(2)
#define SVM_IO_REP		BIT(3)
#define SVM_IO_SIZE_SHIFT	4	/* one-hot: 1, 2, 4 bytes */
#define SVM_IO_SIZE_MASK	7
#define SVM_IO_PORT_SHIFT	16

/* EXITINFO1 of a nested page fault, besides the page-fault error code. */
#define SVM_NPF_WALK		BIT_ULL(33)	/* while walking the guest's tables */

/* EXITINFO1 of a control-register access, with decode assists. */
#define SVM_CR_MOV		BIT_ULL(63)
#define SVM_CR_GPR		GENMASK_ULL(3, 0)

/* VMEXIT_INVALID is -1; how far it is sign-extended depends on the CPU. */
#define SVM_EXITCODE_INVALID	(~0U)

/* A segment's attributes are bits 40-47 and 52-55 of its descriptor. */
#define SVM_SEG_TYPE		GENMASK(3, 0)
#define SVM_SEG_S		BIT(4)
#define SVM_SEG_DPL_SHIFT	5
#define SVM_SEG_P		BIT(7)
#define SVM_SEG_AVL		BIT(8)
#define SVM_SEG_L		BIT(9)
#define SVM_SEG_DB		BIT(10)
#define SVM_SEG_G		BIT(11)

struct svm_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

/* Places in svm_save.seg[]; the first six are numbered as enum kvm_seg. */
enum svm_seg_index { SVM_GDTR = 6, SVM_LDTR, SVM_IDTR, SVM_TR, SVM_SEGS };

/* "VMCB Layout, Control Area" */
struct svm_control {
	u32 intercepts[SVM_ICPT_WORDS];
	u8 reserved_018[0x3c - 0x18];
	u16 pause_filter_thresh;
	u16 pause_filter_count;
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 vintr;
	u32 vintr_vector;
	u32 int_state;
	u32 reserved_06c;
	u32 exit_code;			/* no code needs the upper half */
	u32 exit_code_hi;
	u64 exit_info_1;
	u64 exit_info_2;
	u32 exit_int_info;
	u32 exit_int_error;
	u64 nested_ctl;
	u8 reserved_098[0xa8 - 0x98];
	u32 event_inj;
	u32 event_inj_error;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean;
	u32 reserved_0c4;
	u64 next_rip;
	u8 insn_count;
	u8 insn_bytes[15];
	u8 reserved_0e0[0x400 - 0xe0];
};

/* "VMCB Layout, State Save Area"; offsets in the manual's table. */
struct svm_save {
	struct svm_seg seg[SVM_SEGS];
	u8 reserved_0a0[0xcb - 0xa0];
	u8 cpl;
	u8 reserved_0cc[4];
	u64 efer;
	u8 reserved_0d8[0x148 - 0xd8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_180[0x1d8 - 0x180];
	u64 rsp;
	u64 s_cet;
	u64 ssp;
	u64 isst_addr;
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_248[0x268 - 0x248];
	u64 g_pat;
	u64 dbgctl;
	u8 reserved_278[0xc00 - 0x278];
};

struct svm_vmcb {
	struct svm_control control;
	struct svm_save save;
};

#define SVM_OFFSET(type, field, offset)	\
	static_assert(offsetof(struct type, field) == (offset), #type "." #field)

SVM_OFFSET(svm_control, pause_filter_thresh, 0x3c);
SVM_OFFSET(svm_control, iopm_base_pa, 0x40);
SVM_OFFSET(svm_control, tsc_offset, 0x50);
SVM_OFFSET(svm_control, asid, 0x58);
SVM_OFFSET(svm_control, tlb_control, 0x5c);
SVM_OFFSET(svm_control, vintr, 0x60);
SVM_OFFSET(svm_control, int_state, 0x68);
SVM_OFFSET(svm_control, exit_code, 0x70);
SVM_OFFSET(svm_control, exit_info_1, 0x78);
SVM_OFFSET(svm_control, exit_info_2, 0x80);
SVM_OFFSET(svm_control, exit_int_info, 0x88);
SVM_OFFSET(svm_control, nested_ctl, 0x90);
SVM_OFFSET(svm_control, event_inj, 0xa8);
SVM_OFFSET(svm_control, nested_cr3, 0xb0);
SVM_OFFSET(svm_control, clean, 0xc0);
SVM_OFFSET(svm_control, next_rip, 0xc8);
SVM_OFFSET(svm_control, insn_count, 0xd0);
SVM_OFFSET(svm_save, cpl, 0xcb);
SVM_OFFSET(svm_save, efer, 0xd0);
SVM_OFFSET(svm_save, cr4, 0x148);
SVM_OFFSET(svm_save, rip, 0x178);
SVM_OFFSET(svm_save, rsp, 0x1d8);
SVM_OFFSET(svm_save, rax, 0x1f8);
SVM_OFFSET(svm_save, star, 0x200);
SVM_OFFSET(svm_save, cr2, 0x240);
SVM_OFFSET(svm_save, g_pat, 0x268);
SVM_OFFSET(svm_vmcb, save, 0x400);
static_assert(sizeof(struct svm_vmcb) == 0x1000, "a VMCB is one page");

#endif
