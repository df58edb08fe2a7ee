/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions as functions.
 *
 * A restart or a crash may have executed VMXOFF on this CPU already, so each of
 * them can raise #UD: the exception table steps over it. Every other failure is
 * a bug of ours, reported once by vmx_insn_failed().
 */
#ifndef KVM_SWAP_INTEL_INSN_H
#define KVM_SWAP_INTEL_INSN_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* Say once which instruction failed and on what; silent while rebooting. */
void vmx_insn_failed(const char *insn, u64 operand);

/*
 * SDM "Conventions": CF is VMfailInvalid, ZF is VMfailValid. Both together are
 * the "below or equal" condition.
 */
static __always_inline u64 vmcs_read(unsigned long field)
{
	u64 value = 0;
	bool failed;

	asm volatile("1: vmread %[field], %[value]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [value] "+r" (value), "=@ccbe" (failed)
		     : [field] "r" (field));
	if (unlikely(failed))
		vmx_insn_failed("VMREAD", field);
	return value;
}

static __always_inline void vmcs_write(unsigned long field, u64 value)
{
	bool failed;

	asm volatile("1: vmwrite %[value], %[field]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [field] "r" (field), [value] "r" (value));
	if (unlikely(failed))
		vmx_insn_failed("VMWRITE", field);
}

static inline void vmx_vmptrld(u64 pa)
{
	bool failed;

	asm volatile("1: vmptrld %[pa]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed) : [pa] "m" (pa) : "memory");
	if (unlikely(failed))
		vmx_insn_failed("VMPTRLD", pa);
}

static inline void vmx_vmclear(u64 pa)
{
	bool failed;

	asm volatile("1: vmclear %[pa]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed) : [pa] "m" (pa) : "memory");
	if (unlikely(failed))
		vmx_insn_failed("VMCLEAR", pa);
}

static inline void vmx_invept(unsigned long extent, u64 eptp)
{
	struct {
		u64 eptp, reserved;
	} operand = { eptp, 0 };
	bool failed;

	asm volatile("1: invept %[operand], %[extent]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [operand] "m" (operand), [extent] "r" (extent) : "memory");
	if (unlikely(failed))
		vmx_insn_failed("INVEPT", eptp);
}

static inline void vmx_invvpid(unsigned long extent, u16 vpid)
{
	struct {
		u64 vpid, address;
	} operand = { vpid, 0 };
	bool failed;

	asm volatile("1: invvpid %[operand], %[extent]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccbe" (failed)
		     : [operand] "m" (operand), [extent] "r" (extent) : "memory");
	if (unlikely(failed))
		vmx_insn_failed("INVVPID", vpid);
}

#endif
