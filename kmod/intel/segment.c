// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment and descriptor-table registers.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include "vmx.h"

/* Field encodings of one register: SDM, appendix "Field Encoding in VMCS". */
struct seg_fields {
	u16 selector, limit, rights, base;
};

#define SEG_FIELDS(name)	{ GUEST_##name##_SELECTOR, GUEST_##name##_LIMIT, \
				  GUEST_##name##_AR_BYTES, GUEST_##name##_BASE }

static const struct seg_fields seg_fields[] = {
	[KVM_ES] = SEG_FIELDS(ES),
	[KVM_CS] = SEG_FIELDS(CS),
	[KVM_SS] = SEG_FIELDS(SS),
	[KVM_DS] = SEG_FIELDS(DS),
	[KVM_FS] = SEG_FIELDS(FS),
	[KVM_GS] = SEG_FIELDS(GS),
	[KVM_TR] = SEG_FIELDS(TR),
	[KVM_LDTR] = SEG_FIELDS(LDTR),
};

/* SDM "Guest Register State", the one right <asm/vmx.h> has no name for. */
#define VMX_AR_AVL_MASK		BIT(12)

void vmx_get_segment(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out)
{
	const struct seg_fields *f = &seg_fields[seg];
	u32 ar = vmcs_read(f->rights);

	out->selector = vmcs_read(f->selector);
	out->limit = vmcs_read(f->limit);
	out->base = vmcs_read(f->base);
	out->type = ar & VMX_AR_TYPE_MASK;
	out->s = !!(ar & VMX_AR_S_MASK);
	out->dpl = (ar >> VMX_AR_DPL_SHIFT) & 3;
	out->avl = !!(ar & VMX_AR_AVL_MASK);
	out->l = !!(ar & VMX_AR_L_MASK);
	out->db = !!(ar & VMX_AR_DB_MASK);
	out->g = !!(ar & VMX_AR_G_MASK);
	out->unusable = !!(ar & VMX_AR_UNUSABLE_MASK);
	/* Usable means present here, and the P bit of an unusable one is left over. */
	out->present = !out->unusable;
	out->padding = 0;
}

static u32 seg_rights(int seg, const struct kvm_segment *in)
{
	u32 ar;

	/* SS's DPL is the privilege level, also of 64-bit code with a null SS. */
	if (in->unusable || !in->present)
		return VMX_AR_UNUSABLE_MASK |
		       (seg == KVM_SS ? (in->dpl & 3) << VMX_AR_DPL_SHIFT : 0);
	ar = in->type & VMX_AR_TYPE_MASK;
	/*
	 * The register's copy of a loaded descriptor has been accessed, or is a
	 * busy TSS; an entry insists, while other hardware lets VMMs say otherwise.
	 */
	if (seg != KVM_LDTR)
		ar |= BIT(0);
	if (in->s)
		ar |= VMX_AR_S_MASK;
	ar |= (in->dpl & 3) << VMX_AR_DPL_SHIFT;
	ar |= VMX_AR_P_MASK;
	if (in->avl)
		ar |= VMX_AR_AVL_MASK;
	if (in->l)
		ar |= VMX_AR_L_MASK;
	if (in->db)
		ar |= VMX_AR_DB_MASK;
	if (in->g)
		ar |= VMX_AR_G_MASK;
	return ar;
}

void vmx_set_segment(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in)
{
	const struct seg_fields *f = &seg_fields[seg];

	vmcs_write(f->selector, in->selector);
	vmcs_write(f->limit, in->limit);
	vmcs_write(f->base, in->base);
	vmcs_write(f->rights, seg_rights(seg, in));
}

void vmx_get_table(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out)
{
	memset(out, 0, sizeof(*out));
	if (table == KVM_TABLE_GDT) {
		out->base = vmcs_read(GUEST_GDTR_BASE);
		out->limit = vmcs_read(GUEST_GDTR_LIMIT);
	} else {
		out->base = vmcs_read(GUEST_IDTR_BASE);
		out->limit = vmcs_read(GUEST_IDTR_LIMIT);
	}
}

void vmx_set_table(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in)
{
	if (table == KVM_TABLE_GDT) {
		vmcs_write(GUEST_GDTR_BASE, in->base);
		vmcs_write(GUEST_GDTR_LIMIT, in->limit);
	} else {
		vmcs_write(GUEST_IDTR_BASE, in->base);
		vmcs_write(GUEST_IDTR_LIMIT, in->limit);
	}
}

/* SS's DPL is the CPL in every mode of an unrestricted guest, virtual-8086 too. */
int vmx_get_cpl(struct kvm_vcpu *vcpu)
{
	return (vmcs_read(GUEST_SS_AR_BYTES) >> VMX_AR_DPL_SHIFT) & 3;
}

void vmx_reset_segments(struct kvm_vcpu *vcpu)
{
	struct kvm_segment seg = {
		.limit = 0xffff, .type = 3, .s = 1, .present = 1,
	};
	struct kvm_dtable table = { .limit = 0xffff };
	int i;

	for (i = KVM_ES; i <= KVM_GS; i++)
		vmx_set_segment(vcpu, i, &seg);
	seg.type = 11;
	seg.selector = 0xf000;
	seg.base = 0xffff0000;
	vmx_set_segment(vcpu, KVM_CS, &seg);
	seg.s = 0;
	seg.selector = 0;
	seg.base = 0;
	vmx_set_segment(vcpu, KVM_TR, &seg);
	seg.type = 2;
	vmx_set_segment(vcpu, KVM_LDTR, &seg);
	vmx_set_table(vcpu, KVM_TABLE_GDT, &table);
	vmx_set_table(vcpu, KVM_TABLE_IDT, &table);
}
