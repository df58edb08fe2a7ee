// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: any code, registers and mode. Each input runs twice, once with a
 * region that is a device and once with the same region as memory. Apart from
 * the exits nothing may differ: registers, flags, faults, memory, device contents.
 */
#include <stdio.h>
#include "machine.h"

#define EXITS_MAX	48
#define FUZZ_RIP	0x1000

/* What is left of the input; zeroes once it is used up. */
struct input {
	const u8 *data;
	size_t left;
};

static u8 input_u8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static u64 input_u64(struct input *in)
{
	u64 val = 0;
	int i;

	for (i = 0; i < 8; i++)
		val |= (u64)input_u8(in) << (8 * i);
	return val;
}

/* Most registers should point somewhere interesting. */
static u64 input_register(struct input *in)
{
	static const u64 base[] = {
		0, DEVICE_GPA, DEVICE_GPA + PAGE_SIZE, DEVICE_GPA - 8, 0x2000, 0x3000,
		RAM_SIZE, ROM_GPA, 0xfffff000, 0x7ffffffff000, 0x10000,
	};
	u8 kind = input_u8(in);

	if (kind < sizeof(base) / sizeof(base[0]))
		return base[kind] + (s8)input_u8(in);
	if (kind < 128)
		return input_u8(in);
	return input_u64(in);
}

static u8 ram_pattern[RAM_SIZE], device_pattern[DEVICE_SIZE];

__attribute__((constructor)) static void make_patterns(void)
{
	unsigned int i;

	for (i = 0; i < RAM_SIZE; i++)
		ram_pattern[i] = i * 7 + (i >> 8);
	for (i = 0; i < DEVICE_SIZE; i++)
		device_pattern[i] = i * 13 + 5;
}

static void setup(struct input *in, bool device_is_memory)
{
	static const enum kvm_mode modes[] = {
		KVM_MODE_REAL, KVM_MODE_VM86, KVM_MODE_PROT16, KVM_MODE_PROT32, KVM_MODE_PROT64,
		KVM_MODE_PROT64, KVM_MODE_PROT64, KVM_MODE_PROT64,
	};
	u8 control = input_u8(in), code[16];
	unsigned int i;

	machine_reset(modes[control & 7]);
	m.device_is_memory = device_is_memory;
	if (m.mode == KVM_MODE_VM86 || ((control & 8) && m.mode != KVM_MODE_REAL))
		m.cpl = 3;
	if (m.mode == KVM_MODE_REAL || m.mode == KVM_MODE_VM86) {
		m.seg[KVM_ES].base = DEVICE_GPA;
		m.seg[KVM_SS].base = control & 16 ? DEVICE_GPA : 0;
	}
	memcpy(m.ram, ram_pattern, RAM_SIZE);
	memcpy(m.device, device_pattern, DEVICE_SIZE);
	/* Descriptors are whatever memory holds there. */
	m.table[KVM_TABLE_GDT].base = 0x2000;
	m.table[KVM_TABLE_GDT].limit = 0xffff;
	memcpy(m.ymm, ram_pattern, sizeof(m.ymm));
	memcpy(m.mmx, ram_pattern + 0x100, sizeof(m.mmx));
	for (i = 0; i < 16; i++)
		m.vcpu.regs.gpr[i] = input_register(in);
	m.vcpu.regs.rflags = 2 | (input_u64(in) & 0xcd5);
	m.vcpu.regs.rip = FUZZ_RIP;
	for (i = 0; i < sizeof(code); i++)
		code[i] = input_u8(in);
	machine_code(code, sizeof(code));
	if ((control & 32) && m.mode == KVM_MODE_PROT64) {
		memset(m.ram + TABLES, 0, RAM_SIZE - TABLES);
		machine_map(0, 0, 0x67);
		machine_map(FUZZ_RIP, FUZZ_RIP, 0x67);
		machine_map(0x2000, 0x2000, control & 64 ? 0x67 : 0x65);
		machine_map(DEVICE_GPA, DEVICE_GPA, 0x67);
		machine_map(DEVICE_GPA + PAGE_SIZE, control & 128 ? 0x3000 : DEVICE_GPA, 0x67);
	}
}

static u8 *device_byte(u64 gpa)
{
	return gpa - DEVICE_GPA < DEVICE_SIZE ? &m.device[gpa - DEVICE_GPA] : NULL;
}

static void serve_mmio(void)
{
	struct kvm_run *run = &m.run;
	unsigned int i;
	u8 *byte;

	if (run->mmio.len < 1 || run->mmio.len > 8)
		abort();
	if (offset_in_page(run->mmio.phys_addr) + run->mmio.len > PAGE_SIZE)
		abort();
	for (i = 0; i < run->mmio.len; i++) {
		byte = device_byte(run->mmio.phys_addr + i);
		if (run->mmio.is_write && byte)
			*byte = run->mmio.data[i];
		else if (!run->mmio.is_write)
			run->mmio.data[i] = byte ? *byte : 0x5a;
	}
}

static void serve_io(void)
{
	struct kvm_run *run = &m.run;
	unsigned int i, len = run->io.size * run->io.count;

	if (!len || len > PAGE_SIZE || run->io.data_offset != PAGE_SIZE)
		abort();
	/* The same for every item: a device as the destination takes them one by one. */
	if (run->io.direction == KVM_EXIT_IO_IN)
		for (i = 0; i < len; i++)
			m.pio_page[i] = run->io.port + i % run->io.size;
}

/* Run until RIP moves or a fault is queued; false: it takes too long or fails. */
static bool execute(void)
{
	unsigned int i, exits = 0;
	int r;

	for (i = 0; i < EXITS_MAX; i++) {
		r = machine_emulate();
		while (r == KVM_TO_USER) {
			if (m.run.exit_reason == KVM_EXIT_MMIO)
				serve_mmio();
			else if (m.run.exit_reason == KVM_EXIT_IO)
				serve_io();
			else
				return false;
			if (++exits > EXITS_MAX)
				return false;
			r = x86_complete_io(&m.vcpu);
		}
		if (r != KVM_RESUME)
			return false;
		if (m.vector >= 0 || m.vcpu.regs.rip != FUZZ_RIP)
			return true;
	}
	return false;
}

struct outcome {
	bool complete;
	struct kvm_vcpu_regs regs;
	int vector;
	u32 error;
	u64 payload;
	struct kvm_segment seg[8];
	struct kvm_dtable table[2];
	u8 ymm[16][32], mmx[8][8];
	u8 ram[RAM_SIZE];
	u8 device[DEVICE_SIZE];
};

static void run(const u8 *data, size_t size, bool device_is_memory, struct outcome *out)
{
	struct input in = { data, size };

	setup(&in, device_is_memory);
	out->complete = execute();
	out->regs = m.vcpu.regs;
	out->vector = m.vector;
	out->error = m.error;
	out->payload = m.payload;
	memcpy(out->seg, m.seg, sizeof(m.seg));
	memcpy(out->table, m.table, sizeof(m.table));
	memcpy(out->ymm, m.ymm, sizeof(m.ymm));
	memcpy(out->mmx, m.mmx, sizeof(m.mmx));
	memcpy(out->ram, m.ram, RAM_SIZE);
	memcpy(out->device, m.device, DEVICE_SIZE);
}

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "a device and memory in its place differ in %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct outcome device, memory;

	run(data, size, false, &device);
	run(data, size, true, &memory);
	if (!device.complete || !memory.complete)
		return 0;
	require(device.vector == memory.vector && device.error == memory.error &&
		device.payload == memory.payload, "the fault");
	require(!memcmp(device.regs.gpr, memory.regs.gpr, sizeof(device.regs.gpr)), "registers");
	require(device.regs.rip == memory.regs.rip, "RIP");
	require(device.regs.rflags == memory.regs.rflags, "RFLAGS");
	require(!memcmp(device.seg, memory.seg, sizeof(device.seg)), "segments");
	require(!memcmp(device.table, memory.table, sizeof(device.table)), "tables");
	require(!memcmp(device.ymm, memory.ymm, sizeof(device.ymm)), "YMM registers");
	require(!memcmp(device.mmx, memory.mmx, sizeof(device.mmx)), "MMX registers");
	require(!memcmp(device.ram, memory.ram, RAM_SIZE), "memory");
	require(!memcmp(device.device, memory.device, DEVICE_SIZE), "the device");
	return 0;
}
