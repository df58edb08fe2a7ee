// SPDX-License-Identifier: GPL-2.0-only
#include "machine.h"

struct machine m;
bool unit_signal_pending;

static struct kvm_memslot ram_slot, rom_slot, device_slot;
static struct kvm_memslots slots;
static u64 next_table;

bool unit_user_ok(const void *uaddr, unsigned long len)
{
	const u8 *p = uaddr;

	return (p >= m.ram && p + len <= m.ram + RAM_SIZE) ||
	       (p >= m.rom && p + len <= m.rom + ROM_SIZE) ||
	       (p >= m.device && p + len <= m.device + DEVICE_SIZE);
}

struct kvm_memslots *memslots_get(struct kvm *kvm)
{
	return &slots;
}

struct kvm_memslot *memslot_find(const struct kvm_memslots *s, gfn_t gfn)
{
	if (gfn - ram_slot.base_gfn < ram_slot.npages)
		return &ram_slot;
	if (gfn - rom_slot.base_gfn < rom_slot.npages)
		return &rom_slot;
	if (m.device_is_memory && gfn - device_slot.base_gfn < device_slot.npages)
		return &device_slot;
	return NULL;
}

void vcpu_lazy_load(struct kvm_vcpu *vcpu, u32 mask)
{
	vcpu->regs.avail |= mask;
}

static void queue(int vector, bool has_error, u32 error, u64 payload)
{
	m.vector = vector;
	m.has_error = has_error;
	m.error = error;
	m.payload = payload;
	m.queued++;
}

void x86_queue_exception(struct kvm_vcpu *vcpu, u8 vector)
{
	queue(vector, false, 0, 0);
}

void x86_queue_exception_error(struct kvm_vcpu *vcpu, u8 vector, u32 error)
{
	queue(vector, true, error, 0);
}

void x86_queue_page_fault(struct kvm_vcpu *vcpu, gva_t gva, u32 error)
{
	queue(X86_TRAP_PF, true, error, gva);
}

void x86_queue_debug(struct kvm_vcpu *vcpu, u64 dr6)
{
	queue(X86_TRAP_DB, false, 0, dr6);
}

bool x86_events_pending(struct kvm_vcpu *vcpu)
{
	return m.events;
}

enum kvm_mode x86_mode(struct kvm_vcpu *vcpu)
{
	return m.mode;
}

int x86_set_cr0(struct kvm_vcpu *vcpu, u64 val)
{
	if (val >> 32)
		return 1;
	vcpu->regs.cr0 = val;
	return 0;
}

int x86_set_cr3(struct kvm_vcpu *vcpu, u64 val)
{
	vcpu->regs.cr3 = val;
	return 0;
}

int x86_set_cr4(struct kvm_vcpu *vcpu, u64 val)
{
	vcpu->regs.cr4 = val;
	return 0;
}

int x86_set_cr8(struct kvm_vcpu *vcpu, u64 val)
{
	if (val > 15)
		return 1;
	vcpu->regs.cr8 = val;
	return 0;
}

int x86_set_dr(struct kvm_vcpu *vcpu, int dr, u64 val)
{
	if (dr == 4 || dr == 5)
		return X86_TRAP_UD;
	if (dr < 4)
		vcpu->regs.dr[dr] = val;
	else if (dr == 6)
		vcpu->regs.dr6 = val;
	else
		vcpu->regs.dr7 = val;
	return 0;
}

int x86_get_dr(struct kvm_vcpu *vcpu, int dr, u64 *val)
{
	if (dr == 4 || dr == 5)
		return X86_TRAP_UD;
	*val = dr < 4 ? vcpu->regs.dr[dr] : dr == 6 ? vcpu->regs.dr6 : vcpu->regs.dr7;
	return 0;
}

static void get_segment(struct kvm_vcpu *vcpu, int seg, struct kvm_segment *out)
{
	*out = m.seg[seg];
}

static void set_segment(struct kvm_vcpu *vcpu, int seg, const struct kvm_segment *in)
{
	m.seg[seg] = *in;
	if (seg == KVM_SS)
		m.cpl = in->dpl;
}

static void get_table(struct kvm_vcpu *vcpu, int table, struct kvm_dtable *out)
{
	*out = m.table[table];
}

static void set_table(struct kvm_vcpu *vcpu, int table, const struct kvm_dtable *in)
{
	m.table[table] = *in;
}

void simd_xmm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	memcpy(data, m.ymm[reg], 16);
}

void simd_xmm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	memcpy(m.ymm[reg], data, 16);
}

void simd_ymm_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	memcpy(data, m.ymm[reg], 32);
}

void simd_ymm_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	memcpy(m.ymm[reg], data, 32);
}

bool simd_mmx_read(struct kvm_vcpu *vcpu, unsigned int reg, void *data)
{
	if (!m.x87_pending)
		memcpy(data, m.mmx[reg], 8);
	return !m.x87_pending;
}

bool simd_mmx_write(struct kvm_vcpu *vcpu, unsigned int reg, const void *data)
{
	if (!m.x87_pending)
		memcpy(m.mmx[reg], data, 8);
	return !m.x87_pending;
}

/* No devices in the kernel, unless a test puts one there. */
int (*kernel_device)(enum kvm_bus bus, bool write, gpa_t addr, unsigned int len, void *val);

int bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len, void *val)
{
	return kernel_device ? kernel_device(bus, false, addr, len, val) : -EOPNOTSUPP;
}

int bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned int len,
	      const void *val)
{
	u64 copy = 0;

	memcpy(&copy, val, len);
	return kernel_device ? kernel_device(bus, true, addr, len, &copy) : -EOPNOTSUPP;
}

int io_mmio_read(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, void *val)
{
	return bus_read(vcpu, KVM_BUS_MMIO, gpa, len, val);
}

int io_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned int len, const void *val)
{
	return bus_write(vcpu, KVM_BUS_MMIO, gpa, len, val);
}

static int get_cpl(struct kvm_vcpu *vcpu)
{
	return m.cpl;
}

static u32 get_shadow(struct kvm_vcpu *vcpu)
{
	return m.shadow;
}

static void set_shadow(struct kvm_vcpu *vcpu, u32 shadow)
{
	m.shadow = shadow;
}

struct kvm_vendor_ops machine_vendor = {
	.isa = KVM_ISA_VMX,
	.get_segment = get_segment,
	.set_segment = set_segment,
	.get_table = get_table,
	.set_table = set_table,
	.get_cpl = get_cpl,
	.get_shadow = get_shadow,
	.set_shadow = set_shadow,
};

const struct kvm_vendor_ops *kvm_vendor = &machine_vendor;

static void machine_segments(enum kvm_mode mode)
{
	int i;

	for (i = 0; i < 8; i++) {
		memset(&m.seg[i], 0, sizeof(m.seg[i]));
		m.seg[i].limit = mode == KVM_MODE_REAL || mode == KVM_MODE_VM86 ? 0xffff : U32_MAX;
		m.seg[i].type = i == KVM_CS ? 0xb : 3;
		m.seg[i].present = 1;
		m.seg[i].s = 1;
		m.seg[i].db = mode == KVM_MODE_PROT32;
		m.seg[i].l = mode == KVM_MODE_PROT64 && i == KVM_CS;
		m.seg[i].selector = 8 * (i + 1);
	}
	m.seg[KVM_TR].s = 0;
	m.seg[KVM_TR].type = 11;
	m.seg[KVM_TR].base = 0x5000;
	m.seg[KVM_TR].limit = 0x67;
}

void machine_reset(enum kvm_mode mode)
{
	struct kvm_vcpu *vcpu = &m.vcpu;

	free(vcpu->emul);
	memset(&m, 0, sizeof(m));
	m.mode = mode;
	m.vector = -1;
	machine_segments(mode);
	ram_slot.npages = RAM_SIZE >> PAGE_SHIFT;
	ram_slot.userspace_addr = (unsigned long)m.ram;
	rom_slot.base_gfn = ROM_GPA >> PAGE_SHIFT;
	rom_slot.npages = ROM_SIZE >> PAGE_SHIFT;
	rom_slot.userspace_addr = (unsigned long)m.rom;
	rom_slot.flags = KVM_MEM_READONLY;
	device_slot.base_gfn = DEVICE_GPA >> PAGE_SHIFT;
	device_slot.npages = DEVICE_SIZE >> PAGE_SHIFT;
	device_slot.userspace_addr = (unsigned long)m.device;
	slots.generation++;
	kernel_device = NULL;
	vcpu->kvm = &m.kvm;
	vcpu->run = &m.run;
	vcpu->pio_data = m.pio_page;
	vcpu->maxphyaddr = 46;
	memset(vcpu->guest_caps, 0xff, sizeof(vcpu->guest_caps));
	vcpu->regs.avail = ~0u;
	vcpu->regs.rflags = 2;
	vcpu->regs.rip = 0x1000;
	vcpu->regs.cr0 = mode == KVM_MODE_REAL ? 0x10 : 0x11;
	vcpu->regs.efer = mode == KVM_MODE_PROT64 ? EFER_LMA | EFER_NX | BIT(8) : 0;
	vcpu->regs.cr4 = mode == KVM_MODE_PROT64 ? X86_CR4_PAE | X86_CR4_OSFXSR : 0;
	next_table = TABLES;
	emulator_vcpu_init(vcpu);
}

void machine_code(const void *bytes, unsigned int len)
{
	guest_write(&m.vcpu, m.seg[KVM_CS].base + m.vcpu.regs.rip, bytes, len);
}

int machine_emulate(void)
{
	struct kvm_exit exit = { 0 };

	return emulate_insn(&m.vcpu, &exit, 0);
}

int machine_skip(void)
{
	struct kvm_exit exit = { 0 };

	return emulate_insn(&m.vcpu, &exit, KVM_EMULATE_SKIP);
}

static u64 *table_entry(u64 table, unsigned int index)
{
	return (u64 *)(m.ram + table) + index;
}

void machine_map(u64 gva, u64 gpa, u64 flags)
{
	u64 table = TABLES, *entry;
	int level;

	if (next_table == TABLES)
		next_table += PAGE_SIZE;
	for (level = 4; level > 1; level--) {
		entry = table_entry(table, (gva >> (12 + 9 * (level - 1))) & 511);
		if (!*entry) {
			*entry = next_table | 7;
			next_table += PAGE_SIZE;
		}
		table = *entry & ~0xfffUL;
	}
	*table_entry(table, (gva >> 12) & 511) = gpa | flags;
	m.vcpu.regs.cr3 = TABLES;
	m.vcpu.regs.cr0 |= X86_CR0_PG;
}
