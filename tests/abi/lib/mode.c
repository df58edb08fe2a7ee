// SPDX-License-Identifier: GPL-2.0-only
/* Processor modes: segment state, page tables and gates for each of them. */
#include "vmm.h"

static const char *const mode_names[VMM_MODES] = {
	[VMM_REAL] = "real",
	[VMM_BIGREAL] = "big real",
	[VMM_PROT16] = "16-bit protected",
	[VMM_PROT32] = "32-bit protected",
	[VMM_PAGE32] = "32-bit paging",
	[VMM_PAE] = "PAE",
	[VMM_COMPAT] = "compatibility",
	[VMM_LONG] = "long",
};

const char *vmm_mode_name(enum vmm_mode mode)
{
	return mode < VMM_MODES ? mode_names[mode] : "unknown";
}

uint64_t vmm_table_new(struct vmm *vm)
{
	uint64_t gpa = vm->next_table;

	CHECKF(gpa < GPA_TABLES_END, "no room for more page tables");
	vm->next_table += SZ_4K;
	memset(vm->ram + gpa, 0, SZ_4K);
	return gpa;
}

static void vmm_map_two_level(struct vmm *vm, uint64_t root, uint64_t va,
			      uint64_t pa, uint64_t size, uint64_t flags)
{
	uint32_t *pd = (uint32_t *)(vm->ram + root);
	uint32_t *pt;

	if (size == SZ_4M) {
		pd[va >> 22] = pa | flags | PTE_PS;
		return;
	}
	CHECK(size == SZ_4K);
	if (!pd[va >> 22] || (pd[va >> 22] & PTE_PS))
		pd[va >> 22] = vmm_table_new(vm) | PTE_P | PTE_W | PTE_U;
	pt = (uint32_t *)(vm->ram + (pd[va >> 22] & ~0xfffu));
	pt[(va >> 12) & 1023] = pa | flags;
}

void vmm_map(struct vmm *vm, enum vmm_mode mode, uint64_t root, uint64_t va,
	     uint64_t pa, uint64_t size, uint64_t flags)
{
	bool is_long = mode == VMM_LONG || mode == VMM_COMPAT;
	unsigned int shift = is_long ? 39 : 30;
	uint64_t *entry;

	if (mode == VMM_PAGE32) {
		vmm_map_two_level(vm, root, va, pa, size, flags);
		return;
	}
	for (;; shift -= 9) {
		unsigned int index = (va >> shift) & 511;

		entry = (uint64_t *)(vm->ram + root) + index;
		if (size == 1ull << shift)
			break;
		/* PAE's page-directory pointers have no W and U bits. */
		if (!*entry || (*entry & PTE_PS))
			*entry = vmm_table_new(vm) | PTE_P |
				 (!is_long && shift == 30 ? 0 : PTE_W | PTE_U);
		root = *entry & 0x000ffffffffff000ull;
	}
	*entry = pa | flags | (shift > 12 ? PTE_PS : 0);
}

uint64_t vmm_identity(struct vmm *vm, enum vmm_mode mode)
{
	uint64_t size = mode == VMM_PAGE32 ? SZ_4M : SZ_2M;
	uint64_t root = vmm_table_new(vm);
	uint64_t va;

	for (va = 0; va < 4 * SZ_1G; va += size)
		vmm_map(vm, mode, root, va, va, size, PTE_P | PTE_W | PTE_U);
	return root;
}

static struct kvm_segment segment(unsigned int selector, unsigned int type,
				  uint32_t limit)
{
	return (struct kvm_segment){
		.selector = selector,
		.type = type,
		.limit = limit,
		.present = 1,
		.s = 1,
		.g = limit > 0xfffff,
	};
}

static void vmm_set_data(struct kvm_sregs *s, struct kvm_segment data)
{
	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	s->ss = data;
}

static void vmm_real_segments(struct kvm_sregs *s, bool big)
{
	struct kvm_segment data = segment(0, 3, big ? 0xffffffff : 0xffff);

	s->cs = segment(0, 0xb, 0xffff);
	vmm_set_data(s, data);
	s->idt.base = GPA_IVT;
	s->idt.limit = 0x3ff;
}

static void vmm_flat_segments(struct kvm_sregs *s, enum vmm_mode mode)
{
	struct kvm_segment data = segment(SEL_DATA32, 3, 0xffffffff);

	data.db = 1;
	vmm_set_data(s, data);
	if (mode == VMM_PROT16) {
		s->cs = segment(SEL_CODE16, 0xb, 0xffff);
		s->ss = segment(SEL_DATA16, 3, 0xffff);
	} else if (mode == VMM_LONG) {
		s->cs = segment(SEL_CODE64, 0xb, 0xffffffff);
		s->cs.l = 1;
	} else {
		s->cs = segment(SEL_CODE32, 0xb, 0xffffffff);
		s->cs.db = 1;
	}
	s->idt.base = GPA_IDT;
	s->idt.limit = 0xfff;
}

void vmm_mode_sregs(struct vmm_vcpu *vcpu, enum vmm_mode mode,
		    struct kvm_sregs *sregs)
{
	*sregs = vmm_sregs(vcpu);
	sregs->cr0 = X86_CR0_ET | X86_CR0_NE;
	sregs->cr3 = 0;
	sregs->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	sregs->efer = 0;
	sregs->gdt.base = GPA_GDT;
	sregs->gdt.limit = 0xfff;
	sregs->tr = (struct kvm_segment){
		.selector = SEL_TSS, .base = GPA_TSS, .limit = 0x67,
		.type = 0xb, .present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .type = 2, .unusable = 1 };
	if (mode == VMM_REAL || mode == VMM_BIGREAL) {
		vmm_real_segments(sregs, mode == VMM_BIGREAL);
		return;
	}
	sregs->cr0 |= X86_CR0_PE;
	vmm_flat_segments(sregs, mode);
	if (mode == VMM_PROT16 || mode == VMM_PROT32)
		return;
	sregs->cr0 |= X86_CR0_PG | X86_CR0_WP;
	sregs->cr4 |= mode == VMM_PAGE32 ? X86_CR4_PSE : X86_CR4_PAE;
	if (mode == VMM_LONG || mode == VMM_COMPAT)
		sregs->efer = X86_EFER_LME | X86_EFER_LMA;
}

void vmm_set_mode(struct vmm_vcpu *vcpu, enum vmm_mode mode)
{
	/*
	 * Interrupts on: nothing injects any, and under Bochs a VMX guest that
	 * spins with interrupts off is never interrupted by the host's timer.
	 */
	struct kvm_regs regs = {
		.rip = GPA_CODE, .rsp = GPA_STACK, .rflags = VMM_RFLAGS,
	};
	struct kvm_sregs sregs;

	vcpu->mode = mode;
	vmm_mode_sregs(vcpu, mode, &sregs);
	if (sregs.cr0 & X86_CR0_PG)
		sregs.cr3 = vmm_identity(vcpu->vm, mode);
	vmm_set_sregs(vcpu, &sregs);
	vmm_set_regs(vcpu, &regs);
}

void vmm_gate(struct vmm_vcpu *vcpu, unsigned int vector, uint64_t gpa)
{
	uint8_t *ram = vcpu->vm->ram;
	uint32_t *entry;

	switch (vcpu->mode) {
	case VMM_REAL:
	case VMM_BIGREAL:
		entry = (uint32_t *)(ram + GPA_IVT) + vector;
		*entry = gpa;
		return;
	case VMM_LONG:
	case VMM_COMPAT:
		entry = (uint32_t *)(ram + GPA_IDT) + vector * 4;
		entry[0] = (SEL_CODE64 << 16) | (gpa & 0xffff);
		entry[1] = (gpa & 0xffff0000) | 0x8e00;
		entry[2] = gpa >> 32;
		entry[3] = 0;
		return;
	case VMM_PROT16:
		entry = (uint32_t *)(ram + GPA_IDT) + vector * 2;
		entry[0] = (SEL_CODE16 << 16) | (gpa & 0xffff);
		entry[1] = 0x8600;
		return;
	default:
		entry = (uint32_t *)(ram + GPA_IDT) + vector * 2;
		entry[0] = (SEL_CODE32 << 16) | (gpa & 0xffff);
		entry[1] = (gpa & 0xffff0000) | 0x8e00;
	}
}
