/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoints the emulator's files use, going nowhere.
 */
#ifndef UNIT_KVM_TRACE_H
#define UNIT_KVM_TRACE_H

#define KVM_TRACE_PIO_IN		0
#define KVM_TRACE_PIO_OUT		1
#define KVM_TRACE_MMIO_READ_UNSATISFIED	0
#define KVM_TRACE_MMIO_READ		1
#define KVM_TRACE_MMIO_WRITE		2

static inline void trace_kvm_pio(unsigned int rw, unsigned int port, unsigned int size,
				 unsigned int count, const void *data)
{
}

static inline void trace_kvm_mmio(unsigned int type, unsigned int len, u64 gpa, const void *data)
{
}

#endif
