// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk of the guest's page tables: every combination of rights against the
 * manual's rules written down a second time, then formats, reserved bits, flags.
 */
#include "machine.h"
#include "unit.h"

#define P	BIT_ULL(0)
#define W	BIT_ULL(1)
#define U	BIT_ULL(2)
#define A	BIT_ULL(5)
#define D	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define NX	BIT_ULL(63)

#define ROOT	0x10000UL
#define L3	0x11000UL
#define L2	0x12000UL
#define L1	0x13000UL
#define L4	0x14000UL	/* below a fifth level */
#define PAGE	0x40000UL

static u64 *entry(u64 table, unsigned int index)
{
	return (u64 *)(m.ram + table) + index;
}

static u32 *entry32(u64 table, unsigned int index)
{
	return (u32 *)(m.ram + table) + index;
}

static struct x86_fault fault;
static gpa_t gpa;

static int walk(u64 gva, u32 access)
{
	memset(&fault, 0, sizeof(fault));
	gpa = 0;
	return gwalk_translate(&m.vcpu, gva, access, &gpa, &fault);
}

/* 4-level paging with one page at 0x4000_0020_3000, index 1 of 1 of 1 of 3 and so on. */
#define GVA	(1UL << 46 | 2UL << 30 | 1UL << 21 | 3UL << 12)

static void four_levels(u64 upper, u64 leaf)
{
	machine_reset(KVM_MODE_PROT64);
	m.vcpu.regs.cr0 |= X86_CR0_PG;
	m.vcpu.regs.cr3 = ROOT;
	*entry(ROOT, (GVA >> 39) & 511) = L3 | upper;
	*entry(L3, 2) = L2 | P | W | U;
	*entry(L2, 1) = L1 | P | W | U;
	*entry(L1, 3) = PAGE | leaf;
}

struct setup {
	bool wp, smep, smap, ac, nxe;
};

/* "Access Rights", as a list of refusals. */
static bool refused(const struct setup *s, u64 upper, u64 leaf, u32 access)
{
	bool user_page = (upper & U) && (leaf & U);
	bool writable = (upper & W) && (leaf & W);
	bool no_exec = (upper & NX) || (leaf & NX);
	bool user = access & KVM_ACCESS_USER;

	if (user && !user_page)
		return true;
	if (access & KVM_ACCESS_EXEC) {
		if (no_exec)
			return true;
		return !user && user_page && s->smep;
	}
	if (!user && user_page && s->smap && !s->ac)
		return true;
	if (access & KVM_ACCESS_WRITE)
		return !writable && (user || s->wp);
	return false;
}

static void check_rights(const struct setup *s, u64 upper, u64 leaf, u32 access)
{
	u32 error = (access & KVM_ACCESS_WRITE ? 2 : 0) | (access & KVM_ACCESS_USER ? 4 : 0);
	bool absent = !(upper & P) || !(leaf & P);
	int r;

	four_levels(upper, leaf);
	m.vcpu.regs.cr0 |= s->wp ? X86_CR0_WP : 0;
	m.vcpu.regs.cr4 |= (s->smep ? X86_CR4_SMEP : 0) | (s->smap ? X86_CR4_SMAP : 0);
	m.vcpu.regs.rflags |= s->ac ? X86_EFLAGS_AC : 0;
	if (!s->nxe)
		m.vcpu.regs.efer &= ~(u64)EFER_NX;
	if ((access & KVM_ACCESS_EXEC) && (s->nxe || s->smep))
		error |= 16;
	r = walk(GVA + 0x123, access);
	if (!absent && !s->nxe && ((upper | leaf) & NX)) {
		CHECK_EQ(r, -EFAULT);
		CHECK_EQ(fault.error, error | 9);
	} else if (absent) {
		CHECK_EQ(r, -EFAULT);
		/* What a level above has reserved comes before what one below has not. */
		if (!(upper & P) || s->nxe || !(upper & NX))
			CHECK_EQ(fault.error, error);
	} else if (refused(s, upper, leaf, access)) {
		CHECK_EQ(r, -EFAULT);
		CHECK_EQ(fault.error, error | 1);
	} else {
		CHECK_EQ(r, 0);
		CHECK_EQ(gpa, PAGE + 0x123);
		CHECK(*entry(L2, 1) & A);
		CHECK(*entry(L1, 3) & A);
		CHECK_EQ(!!(*entry(L1, 3) & D), !!(access & KVM_ACCESS_WRITE));
		CHECK(!(*entry(L2, 1) & D));
		return;
	}
	CHECK_EQ(fault.vector, 14);
	CHECK_EQ(fault.cr2, GVA + 0x123);
	CHECK(!(*entry(L1, 3) & (A | D)));
}

TEST(rights)
{
	static const u32 kinds[] = { KVM_ACCESS_READ, KVM_ACCESS_WRITE, KVM_ACCESS_EXEC };
	unsigned int upper, leaf, kind, user, control;
	struct setup s;

	for (upper = 0; upper < 16; upper++)
		for (leaf = 0; leaf < 16; leaf++)
			for (control = 0; control < 32; control++)
				for (kind = 0; kind < 6; kind++) {
					user = kind & 1 ? KVM_ACCESS_USER : 0;
					s = (struct setup) {
						control & 1, control & 2, control & 4, control & 8,
						control & 16,
					};
					check_rights(&s, (upper & 7) | (upper & 8 ? NX : 0),
						     (leaf & 7) | (leaf & 8 ? NX : 0),
						     kinds[kind >> 1] | user);
				}
}

TEST(no_paging)
{
	machine_reset(KVM_MODE_PROT32);
	CHECK_EQ(walk(0x112345678, KVM_ACCESS_WRITE), 0);
	CHECK_EQ(gpa, 0x12345678);
}

TEST(large_pages)
{
	four_levels(P | W | U, P | W | U);
	*entry(L2, 1) = 0x12345600000 | P | W | PS;
	CHECK_EQ(walk(GVA + 0x1234, KVM_ACCESS_WRITE), 0);
	CHECK_EQ(gpa, 0x12345600000 + ((GVA + 0x1234) & 0x1fffff));
	CHECK_EQ(*entry(L2, 1) & (A | D), A | D);
	*entry(L3, 2) = 0x7c0000000 | P | W | PS;
	CHECK_EQ(walk(GVA + 0x1234, KVM_ACCESS_READ), 0);
	CHECK_EQ(gpa, 0x7c0000000 + ((GVA + 0x1234) & 0x3fffffff));
	CHECK_EQ(*entry(L3, 2) & (A | D), A);
}

static void check_reserved(u64 table, unsigned int index, u64 bits)
{
	u64 *e = entry(table, index), good = *e;

	*e = good | bits;
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), -EFAULT);
	CHECK_EQ(fault.error, 9);
	CHECK_EQ(walk(GVA, KVM_ACCESS_WRITE | KVM_ACCESS_USER), -EFAULT);
	CHECK_EQ(fault.error, 15);
	*e = good;
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), 0);
}

TEST(reserved_bits)
{
	unsigned int bit;

	four_levels(P | W | U, P | W | U);
	for (bit = 46; bit < 52; bit++) {
		check_reserved(ROOT, (GVA >> 39) & 511, BIT_ULL(bit));
		check_reserved(L3, 2, BIT_ULL(bit));
		check_reserved(L2, 1, BIT_ULL(bit));
		check_reserved(L1, 3, BIT_ULL(bit));
	}
	check_reserved(ROOT, (GVA >> 39) & 511, PS);
	*entry(L2, 1) = 0x200000 | P | W | U | PS;
	for (bit = 13; bit < 21; bit++)
		check_reserved(L2, 1, BIT_ULL(bit));
	*entry(L3, 2) = 0x40000000 | P | W | U | PS;
	for (bit = 13; bit < 30; bit++)
		check_reserved(L3, 2, BIT_ULL(bit));
	/* Bits 52 to 62 are the software's. */
	*entry(L3, 2) |= GENMASK_ULL(58, 52);
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), 0);
}

TEST(five_levels)
{
	four_levels(P | W | U, P | W | U);
	m.vcpu.regs.cr4 |= X86_CR4_LA57;
	*entry(L4, (GVA >> 39) & 511) = L3 | P | W | U;
	memset(m.ram + ROOT, 0, PAGE_SIZE);
	*entry(ROOT, 5) = L4 | P | W | U;
	CHECK_EQ(walk(GVA | 5UL << 48, KVM_ACCESS_READ), 0);
	CHECK_EQ(gpa, PAGE);
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), -EFAULT);
}

TEST(pae)
{
	u64 gva = 3UL << 30 | 5UL << 21 | 7UL << 12;

	machine_reset(KVM_MODE_PROT32);
	m.vcpu.regs.cr0 |= X86_CR0_PG;
	m.vcpu.regs.cr4 |= X86_CR4_PAE;
	m.vcpu.regs.cr3 = ROOT + 0x20;
	*entry(ROOT + 0x20, 3) = L2 | P;
	*entry(L2, 5) = L1 | P | W | U;
	*entry(L1, 7) = 0x123456000 | P | W | U;
	CHECK_EQ(walk(gva + 0x45, KVM_ACCESS_WRITE | KVM_ACCESS_USER), 0);
	CHECK_EQ(gpa, 0x123456045);
	CHECK_EQ(*entry(ROOT + 0x20, 3), L2 | P);	/* no accessed flag there */
	CHECK_EQ(walk(gva | 1UL << 32, KVM_ACCESS_READ), 0);
	*entry(L2, 5) = 0x123400000 | P | W | U | PS;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), 0);
	CHECK_EQ(gpa, 0x123407000);
	*entry(L2, 5) |= BIT_ULL(55);
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), -EFAULT);
	CHECK_EQ(fault.error, 9);
	*entry(L2, 5) &= ~BIT_ULL(55);
	*entry(ROOT + 0x20, 3) |= A;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), -EFAULT);
	machine_vendor.isa = KVM_ISA_SVM;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), 0);
	*entry(ROOT + 0x20, 3) |= W;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), -EFAULT);
	machine_vendor.isa = KVM_ISA_VMX;
	*entry(ROOT + 0x20, 3) = 0;
	CHECK_EQ(walk(gva, KVM_ACCESS_EXEC), -EFAULT);
	CHECK_EQ(fault.error, 0);	/* NXE and SMEP are off: no fetch bit */
}

TEST(two_levels)
{
	u64 gva = 0x301UL << 22 | 0x155UL << 12;

	machine_reset(KVM_MODE_PROT32);
	m.vcpu.regs.cr0 |= X86_CR0_PG;
	m.vcpu.regs.cr3 = ROOT | 0x18;
	*entry32(ROOT, 0x301) = L1 | 7;
	*entry32(L1, 0x155) = 0xabcde000 | 7;
	CHECK_EQ(walk(gva + 4, KVM_ACCESS_WRITE), 0);
	CHECK_EQ(gpa, 0xabcde004);
	CHECK_EQ(*entry32(L1, 0x155), 0xabcde067);
	CHECK_EQ(*entry32(ROOT, 0x301), L1 | 0x27);
	/* Bit 7 means nothing without CR4.PSE; with it, bits 20:13 are address bits 39:32. */
	*entry32(ROOT, 0x301) = L1 | 0x87;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), 0);
	CHECK_EQ(gpa, 0xabcde000);
	m.vcpu.regs.cr4 |= X86_CR4_PSE;
	*entry32(ROOT, 0x301) = 0x77c00087 | 0x12 << 13;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), 0);
	CHECK_EQ(gpa, 0x1277c00000 + (0x155 << 12));
	*entry32(ROOT, 0x301) |= BIT(21);
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), -EFAULT);
	CHECK_EQ(fault.error, 9);
	m.vcpu.maxphyaddr = 36;
	*entry32(ROOT, 0x301) = 0x77c00087 | 0x12 << 13;
	CHECK_EQ(walk(gva, KVM_ACCESS_READ), -EFAULT);
	CHECK_EQ(fault.error, 9);
}

TEST(implicit_supervisor)
{
	four_levels(P | W | U, P | W | U);
	m.vcpu.regs.cr4 |= X86_CR4_SMAP;
	m.vcpu.regs.rflags |= X86_EFLAGS_AC;
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), 0);
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ | GWALK_IMPLICIT), -EFAULT);
	CHECK_EQ(fault.error, 1);
}

TEST(translate_only)
{
	four_levels(P, P | NX);
	m.vcpu.regs.cr4 |= X86_CR4_SMAP | X86_CR4_SMEP;
	CHECK_EQ(walk(GVA, 0), 0);
	CHECK_EQ(gpa, PAGE);
	CHECK(!(*entry(L1, 3) & A));
}

TEST(tables_in_rom)
{
	four_levels(P | W | U, P | W | U);
	*entry(L2, 1) = ROM_GPA | P | W | U;
	*(u64 *)(m.rom + 3 * 8) = PAGE | P | W | U;
	CHECK_EQ(walk(GVA, KVM_ACCESS_WRITE), 0);
	CHECK_EQ(gpa, PAGE);
	CHECK_EQ(*(u64 *)(m.rom + 3 * 8), PAGE | P | W | U);
	CHECK(*entry(L2, 1) & A);
}

TEST(tables_nowhere)
{
	four_levels(P | W | U, P | W | U);
	*entry(L2, 1) = DEVICE_GPA | P | W | U;
	CHECK_EQ(walk(GVA, KVM_ACCESS_READ), 1);
}
