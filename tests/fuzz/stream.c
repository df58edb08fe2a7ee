// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include "stream.h"
#include "vmm.h"

/* Opcodes whose ModRM operand is memory, most of the time. */
static const uint8_t one_byte[] = {
	0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28,
	0x29, 0x30, 0x31, 0x38, 0x39, 0x3a, 0x3b, 0x62, 0x63, 0x69, 0x6b, 0x80, 0x81, 0x83, 0x84,
	0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8e, 0x8f, 0xc0, 0xc1, 0xc4, 0xc5, 0xc6,
	0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd8, 0xd9, 0xdd, 0xf6, 0xf7, 0xfe, 0xff, 0xff, 0xff,
};

static const uint8_t two_byte[] = {
	0x00, 0x01, 0x02, 0x03, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x18, 0x1f, 0x28, 0x29,
	0x2b, 0x40, 0x4f, 0x6e, 0x6f, 0x70, 0x7e, 0x7f, 0x90, 0x9f, 0xa3, 0xa4, 0xa5, 0xab, 0xac,
	0xad, 0xae, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xba, 0xbb,
	0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0xc7, 0xc7, 0xd6, 0xe7, 0xf0, 0x0f, 0x38, 0x3a,
};

/* Without an operand in memory that ModRM names, or without ModRM. */
static const uint8_t plain[][4] = {
	{ 1, 0x6c }, { 1, 0x6d }, { 1, 0x6e }, { 1, 0x6f }, { 1, 0xa4 }, { 1, 0xa5 }, { 1, 0xa6 },
	{ 1, 0xa7 }, { 1, 0xaa }, { 1, 0xab }, { 1, 0xac }, { 1, 0xad }, { 1, 0xae }, { 1, 0xaf },
	{ 1, 0xec }, { 1, 0xed }, { 1, 0xee }, { 1, 0xef }, { 1, 0x50 }, { 1, 0x58 }, { 1, 0x60 },
	{ 1, 0x61 }, { 1, 0x9c }, { 1, 0x9d }, { 1, 0xc3 }, { 1, 0xc9 }, { 1, 0xcb }, { 1, 0xcf },
	{ 1, 0xcc }, { 1, 0xf1 }, { 1, 0xf4 }, { 1, 0xfa }, { 1, 0xfb }, { 1, 0xfc }, { 1, 0xfd },
	{ 1, 0xd7 }, { 1, 0x06 }, { 1, 0x07 }, { 1, 0x17 }, { 1, 0x1f }, { 2, 0xfb, 0xf4 },
	{ 2, 0x0f, 0xa2 }, { 2, 0x0f, 0x30 }, { 2, 0x0f, 0x32 }, { 2, 0x0f, 0x31 },
	{ 2, 0x0f, 0x33 }, { 2, 0x0f, 0x06 }, { 2, 0x0f, 0x08 }, { 2, 0x0f, 0x09 },
	{ 2, 0x0f, 0x05 }, { 2, 0x0f, 0x07 }, { 2, 0x0f, 0x34 }, { 2, 0x0f, 0x35 },
	{ 2, 0x0f, 0xaa }, { 2, 0x0f, 0x0b }, { 2, 0x0f, 0xa1 }, { 2, 0xf3, 0x90 },
	{ 3, 0x0f, 0x01, 0xc1 }, { 3, 0x0f, 0x01, 0xd9 }, { 3, 0x0f, 0x01, 0xd1 },
	{ 3, 0x0f, 0x01, 0xd0 }, { 3, 0x0f, 0x01, 0xc8 }, { 3, 0x0f, 0x01, 0xc9 },
	{ 3, 0x0f, 0x01, 0xd8 }, { 3, 0x0f, 0x01, 0xda }, { 3, 0x0f, 0x01, 0xdb },
	{ 3, 0x0f, 0x01, 0xdc }, { 3, 0x0f, 0x01, 0xdd }, { 3, 0x0f, 0x01, 0xde },
	{ 3, 0x0f, 0x01, 0xdf }, { 3, 0x0f, 0x01, 0xf8 }, { 3, 0x0f, 0x01, 0xf9 },
	{ 3, 0x0f, 0x01, 0xc2 }, { 3, 0x0f, 0x01, 0xc4 }, { 3, 0x0f, 0x01, 0xca },
	{ 3, 0x0f, 0x01, 0xcb }, { 3, 0x0f, 0x01, 0xee }, { 3, 0x0f, 0x01, 0xef },
};

/* MSRs with something behind them; random ones are near these. */
static const uint32_t msrs[] = {
	0x0, 0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xc1, 0xce, 0xfe, 0x10a, 0x10b,
	0x122, 0x140, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x17b, 0x186, 0x198, 0x19c, 0x1a0, 0x1d9,
	0x200, 0x20f, 0x250, 0x268, 0x277, 0x2ff, 0x345, 0x38f, 0x400, 0x401, 0x480, 0x6e0, 0x800,
	0x802, 0x808, 0x80b, 0x80f, 0x828, 0x830, 0x832, 0x838, 0x83e, 0x83f, 0xd90, 0xda0,
	0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05,
	0x4b564d06, 0x4b564d07, 0x40000000, 0x40000001, 0x400000f0, 0xc0000080, 0xc0000081,
	0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0000104,
	0xc0010000, 0xc0010015, 0xc001001f, 0xc0010055, 0xc0010058, 0xc0010062, 0xc0010114,
	0xc0010117, 0xc001011f, 0xc0010140, 0xc0011020, 0xc0011022, 0xc0011029, 0xc001102a,
};

/*
 * At an exit with EFER.LME but neither CR0.PG nor CR4.PAE, QEMU's TCG forgets to give
 * the host its CR0 back: guests are kept from getting there, by EFER or by CR4.
 */
#define MSR_EFER	0xc0000080
#define CR4_PAE_BIT	5

struct writer {
	struct random *r;
	uint8_t *at, *end;
	bool wide;		/* 64-bit code */
	unsigned int mode;
};

static void put(struct writer *w, uint8_t byte)
{
	if (w->at < w->end)
		*w->at++ = byte;
}

static void put_bytes(struct writer *w, const void *data, unsigned int len)
{
	const uint8_t *p = data;

	while (len--)
		put(w, *p++);
}

static void put_random(struct writer *w, unsigned int len)
{
	while (len--)
		put(w, random_u64(w->r));
}

static void put_prefixes(struct writer *w)
{
	static const uint8_t rare[] = { 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67 };

	if (random_once_in(w->r, 4))
		put(w, 0x66);
	if (random_once_in(w->r, 4))
		put(w, 0xf2 + random_below(w->r, 2));
	if (random_once_in(w->r, 6))
		put(w, rare[random_below(w->r, sizeof(rare))]);
	if (w->wide && random_once_in(w->r, 2))
		put(w, 0x40 + random_below(w->r, 16));
}

static void put_modrm(struct writer *w)
{
	uint8_t modrm = random_u64(w->r);

	/* Registers point at interesting places: no or short displacements. */
	if (!random_once_in(w->r, 6))
		modrm &= 0x7f;
	put(w, modrm);
	if ((modrm & 0xc7) == 0x04 || (modrm & 0xc7) == 0x44)
		put(w, random_u64(w->r));
	if ((modrm & 0xc0) == 0x40)
		put(w, random_below(w->r, 32) - 16);
	put_random(w, random_below(w->r, 5));
}

static void put_memory(struct writer *w)
{
	put_prefixes(w);
	if (random_once_in(w->r, 3)) {
		put(w, 0x0f);
		put(w, two_byte[random_below(w->r, sizeof(two_byte))]);
	} else {
		put(w, one_byte[random_below(w->r, sizeof(one_byte))]);
	}
	put_modrm(w);
}

static void put_plain(struct writer *w)
{
	const uint8_t *insn = plain[random_below(w->r, sizeof(plain) / sizeof(plain[0]))];

	put_prefixes(w);
	put_bytes(w, insn + 1, insn[0]);
}

/* mov $imm32, %reg, with a value that means something somewhere. */
static void put_load(struct writer *w, unsigned int reg, uint32_t val)
{
	if (w->mode == VMM_REAL || w->mode == VMM_BIGREAL || w->mode == VMM_PROT16)
		put(w, 0x66);
	put(w, 0xb8 + reg);
	put_bytes(w, &val, 4);
}

static uint32_t interesting(struct writer *w)
{
	static const uint32_t places[] = {
		0xd0000000, 0xfee00000, 0xfec00000, 0xb8000, GPA_DATA, GPA_GDT, GPA_IDT, GPA_TABLES,
		GPA_CODE, 0xfed00000, 0xffff0000, 0x100000, 0xfffff000,
	};
	uint32_t place = places[random_below(w->r, sizeof(places) / sizeof(places[0]))];

	switch (random_below(w->r, 4)) {
	case 0:
		return random_value(w->r);
	case 1:
		return place + (random_below(w->r, 64) - 32);
	default:
		return place + random_below(w->r, 256) * 16;
	}
}

static void put_msr(struct writer *w)
{
	uint32_t index = msrs[random_below(w->r, sizeof(msrs) / sizeof(msrs[0]))];

	if (random_once_in(w->r, 4))
		index += random_below(w->r, 64);
	if (index == MSR_EFER && vmm_on_tcg())
		index++;
	put_load(w, 1, index);
	if (random_once_in(w->r, 2))
		put_load(w, 0, random_value(w->r));
	if (random_once_in(w->r, 2))
		put_load(w, 2, random_below(w->r, 4) ? 0 : random_value(w->r));
	put(w, 0x0f);
	put(w, random_once_in(w->r, 2) ? 0x30 : 0x32);
}

/* Control and debug registers; sometimes with a value made by flipping one bit. */
static void put_control(struct writer *w)
{
	unsigned int reg = random_below(w->r, 9), bit = random_below(w->r, 32);

	if (reg == 4 && bit == CR4_PAE_BIT && vmm_on_tcg())
		bit++;
	if (reg == 8 && w->wide)
		put(w, 0x44);
	put(w, 0x0f);
	put(w, 0x20 + random_below(w->r, 2));
	put(w, 0xc0 | (reg & 7) << 3);
	put(w, 0x0f);			/* btc $bit, %eax */
	put(w, 0xba);
	put(w, 0xf8);
	put(w, bit);
	if (reg == 8 && w->wide)
		put(w, 0x44);
	put(w, 0x0f);
	put(w, 0x22 + random_below(w->r, 2));
	put(w, 0xc0 | (reg & 7) << 3);
}

static void put_port(struct writer *w)
{
	static const uint16_t ports[] = {
		0x20, 0x21, 0x40, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x7e, 0x80, 0x92, 0xa0,
		0xa1, 0x4d0, 0x4d1, 0x3f8, 0xcf8, 0xcfc, 0x510, 0xffff, 0xfffe,
	};

	put_load(w, 2, ports[random_below(w->r, sizeof(ports) / sizeof(ports[0]))]);
	if (random_once_in(w->r, 3))
		put_load(w, 1, random_below(w->r, 5000));
	put_prefixes(w);
	put(w, random_once_in(w->r, 2) ? 0xec + random_below(w->r, 4) : 0x6c + random_below(w->r, 4));
}

/* Point a register somewhere, a jump or a software interrupt. */
static void put_other(struct writer *w)
{
	switch (random_below(w->r, 6)) {
	case 0:
		put(w, 0xeb);
		put(w, random_u64(w->r));
		break;
	case 1:
		put(w, 0xcd);
		put(w, random_u64(w->r));
		break;
	case 2:
		put(w, random_once_in(w->r, 2) ? 0xea : 0x9a);
		put_random(w, 6);
		break;
	default:
		put_load(w, random_below(w->r, 8), interesting(w));
		break;
	}
}

/* QEMU's TCG asserts on some accesses to a watched address: no writes of debug registers. */
static void spare_debug_registers(uint8_t *code, unsigned int len)
{
	unsigned int i;

	for (i = 0; i + 1 < len; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x23)
			code[i + 1] = 0x21;
}

void stream_make(struct random *r, uint8_t *code, unsigned int len, unsigned int mode)
{
	struct writer w = {
		.r = r, .at = code, .end = code + len, .wide = mode == VMM_LONG, .mode = mode,
	};

	while (w.at < w.end) {
		switch (random_below(r, 16)) {
		case 0:
			put_random(&w, random_below(r, 16));
			break;
		case 1:
			put_msr(&w);
			break;
		case 2:
			put_control(&w);
			break;
		case 3:
		case 4:
			put_port(&w);
			break;
		case 5:
		case 6:
			put_plain(&w);
			break;
		case 7:
		case 8:
			put_other(&w);
			break;
		default:
			put_memory(&w);
			break;
		}
	}
	if (vmm_on_tcg())
		spare_debug_registers(code, len);
}
