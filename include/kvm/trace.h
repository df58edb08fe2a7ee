/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints under the names and with the fields that perf kvm, kvm_stat and
 * trace-cmd read. Each is called by the file that does what it reports.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#if !defined(KVM_SWAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVM_SWAP_TRACE_H

#include <linux/tracepoint.h>
#include <asm/pvclock-abi.h>
#include <uapi/asm/svm.h>
#include <uapi/asm/vmx.h>
#include <kvm/vendor.h>
#include <kvm/x86.h>

/*
 * Names are tables in the print formats, not functions: tools that read the raw
 * buffer print by the format alone, and no name can vanish with a vendor module.
 */
TRACE_DEFINE_ENUM(KVM_ISA_VMX);

#define trace_exit_name(isa, reason)					\
	((isa) == KVM_ISA_VMX ?						\
	 __print_symbolic((reason) & 0xffff, VMX_EXIT_REASONS) :	\
	 __print_symbolic(reason, SVM_EXIT_REASONS))

#define trace_run_name(reason)						\
	__print_symbolic(reason,					\
			 { KVM_EXIT_UNKNOWN, "unknown" },		\
			 { KVM_EXIT_EXCEPTION, "exception" },		\
			 { KVM_EXIT_IO, "io" },				\
			 { KVM_EXIT_HYPERCALL, "hypercall" },		\
			 { KVM_EXIT_DEBUG, "debug" },			\
			 { KVM_EXIT_HLT, "hlt" },			\
			 { KVM_EXIT_MMIO, "mmio" },			\
			 { KVM_EXIT_IRQ_WINDOW_OPEN, "irq-window-open" }, \
			 { KVM_EXIT_SHUTDOWN, "shutdown" },		\
			 { KVM_EXIT_FAIL_ENTRY, "fail-entry" },		\
			 { KVM_EXIT_INTR, "intr" },			\
			 { KVM_EXIT_INTERNAL_ERROR, "internal-error" })

TRACE_EVENT(kvm_entry,
	TP_PROTO(struct kvm_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, rip)
		__field(bool, immediate_exit)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu->id;
		__entry->rip = vcpu_rip(vcpu);
		__entry->immediate_exit = READ_ONCE(vcpu->mode) == KVM_EXITING;
	),
	TP_printk("vcpu %u, rip 0x%lx%s", __entry->vcpu_id, __entry->rip,
		  __entry->immediate_exit ? " [immediate exit]" : "")
);

TRACE_EVENT(kvm_exit,
	TP_PROTO(struct kvm_vcpu *vcpu, const struct kvm_exit *exit),
	TP_ARGS(vcpu, exit),
	TP_STRUCT__entry(
		__field(unsigned int, exit_reason)
		__field(unsigned long, guest_rip)
		__field(u32, isa)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, intr_info)
		__field(u32, error_code)
		__field(unsigned int, vcpu_id)
	),
	TP_fast_assign(
		__entry->exit_reason = exit->reason;
		__entry->guest_rip = vcpu_rip(vcpu);
		__entry->isa = kvm_vendor->isa;
		__entry->info1 = exit->info1;
		__entry->info2 = exit->info2;
		__entry->intr_info = exit->intr_info;
		__entry->error_code = exit->intr_error;
		__entry->vcpu_id = vcpu->id;
	),
	TP_printk("vcpu %u reason %s rip 0x%lx info1 0x%llx info2 0x%llx intr_info 0x%x error_code 0x%x",
		  __entry->vcpu_id,
		  trace_exit_name(__entry->isa, __entry->exit_reason),
		  __entry->guest_rip, __entry->info1, __entry->info2,
		  __entry->intr_info, __entry->error_code)
);

/* @errno: what KVM_RUN returns, 0 or negative. */
TRACE_EVENT(kvm_userspace_exit,
	TP_PROTO(u32 reason, int errno),
	TP_ARGS(reason, errno),
	TP_STRUCT__entry(
		__field(u32, reason)
		__field(int, errno)
	),
	TP_fast_assign(
		__entry->reason = reason;
		__entry->errno = errno;
	),
	TP_printk("reason %s (%d)",
		  __entry->errno < 0 ? "error" : trace_run_name(__entry->reason),
		  __entry->errno < 0 ? -__entry->errno : (int)__entry->reason)
);

#define KVM_TRACE_PIO_IN	0
#define KVM_TRACE_PIO_OUT	1

/* @data: the first element of @count, of @size bytes each. */
TRACE_EVENT(kvm_pio,
	TP_PROTO(unsigned int rw, unsigned int port, unsigned int size,
		 unsigned int count, const void *data),
	TP_ARGS(rw, port, size, count, data),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, port)
		__field(unsigned int, size)
		__field(unsigned int, count)
		__field(unsigned int, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->val = 0;
		memcpy(&__entry->val, data, min_t(unsigned int, size, sizeof(u32)));
	),
	TP_printk("pio_%s at 0x%x size %u count %u val 0x%x%s",
		  __entry->rw ? "write" : "read", __entry->port, __entry->size,
		  __entry->count, __entry->val, __entry->count > 1 ? " ..." : "")
);

#define KVM_TRACE_MMIO_READ_UNSATISFIED	0
#define KVM_TRACE_MMIO_READ		1
#define KVM_TRACE_MMIO_WRITE		2

/* @data: NULL when the value is not known yet. */
TRACE_EVENT(kvm_mmio,
	TP_PROTO(unsigned int type, unsigned int len, u64 gpa, const void *data),
	TP_ARGS(type, len, gpa, data),
	TP_STRUCT__entry(
		__field(u32, type)
		__field(u32, len)
		__field(u64, gpa)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->type = type;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->val = 0;
		if (data)
			memcpy(&__entry->val, data, min_t(u32, len, sizeof(u64)));
	),
	TP_printk("mmio %s len %u gpa 0x%llx val 0x%llx",
		  __print_symbolic(__entry->type,
				   { KVM_TRACE_MMIO_READ_UNSATISFIED, "unsatisfied-read" },
				   { KVM_TRACE_MMIO_READ, "read" },
				   { KVM_TRACE_MMIO_WRITE, "write" }),
		  __entry->len, __entry->gpa, __entry->val)
);

/* @exception: the guest got #GP for it. */
TRACE_EVENT(kvm_msr,
	TP_PROTO(bool write, u32 ecx, u64 data, bool exception),
	TP_ARGS(write, ecx, data, exception),
	TP_STRUCT__entry(
		__field(unsigned int, write)
		__field(u32, ecx)
		__field(u64, data)
		__field(u8, exception)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->ecx = ecx;
		__entry->data = data;
		__entry->exception = exception;
	),
	TP_printk("msr_%s %x = 0x%llx%s", __entry->write ? "write" : "read",
		  __entry->ecx, __entry->data, __entry->exception ? " (#GP)" : "")
);

TRACE_EVENT(kvm_cpuid,
	TP_PROTO(u32 function, u32 index, u32 eax, u32 ebx, u32 ecx, u32 edx, bool found),
	TP_ARGS(function, index, eax, ebx, ecx, edx, found),
	TP_STRUCT__entry(
		__field(unsigned int, function)
		__field(unsigned int, index)
		__field(unsigned long, rax)
		__field(unsigned long, rbx)
		__field(unsigned long, rcx)
		__field(unsigned long, rdx)
		__field(bool, found)
	),
	TP_fast_assign(
		__entry->function = function;
		__entry->index = index;
		__entry->rax = eax;
		__entry->rbx = ebx;
		__entry->rcx = ecx;
		__entry->rdx = edx;
		__entry->found = found;
	),
	TP_printk("func 0x%x idx 0x%x rax 0x%lx rbx 0x%lx rcx 0x%lx rdx 0x%lx%s",
		  __entry->function, __entry->index, __entry->rax, __entry->rbx,
		  __entry->rcx, __entry->rdx, __entry->found ? "" : ", no entry")
);

/* @error_code: enum kvm_access of the access. */
TRACE_EVENT(kvm_page_fault,
	TP_PROTO(struct kvm_vcpu *vcpu, u64 fault_address, u64 error_code),
	TP_ARGS(vcpu, fault_address, error_code),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, guest_rip)
		__field(u64, fault_address)
		__field(u64, error_code)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu->id;
		__entry->guest_rip = vcpu_rip(vcpu);
		__entry->fault_address = fault_address;
		__entry->error_code = error_code;
	),
	TP_printk("vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx",
		  __entry->vcpu_id, __entry->guest_rip,
		  __entry->fault_address, __entry->error_code)
);

/* @soft: INT n; @reinjected: its first delivery was cut short. */
TRACE_EVENT(kvm_inj_virq,
	TP_PROTO(unsigned int vector, bool soft, bool reinjected),
	TP_ARGS(vector, soft, reinjected),
	TP_STRUCT__entry(
		__field(unsigned int, vector)
		__field(bool, soft)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->vector = vector;
		__entry->soft = soft;
		__entry->reinjected = reinjected;
	),
	TP_printk("%s 0x%x%s", __entry->soft ? "INT" : "IRQ", __entry->vector,
		  __entry->reinjected ? " [reinjected]" : "")
);

TRACE_EVENT(kvm_inj_exception,
	TP_PROTO(unsigned int exception, bool has_error, u32 error_code, bool reinjected),
	TP_ARGS(exception, has_error, error_code, reinjected),
	TP_STRUCT__entry(
		__field(u8, exception)
		__field(u8, has_error)
		__field(u32, error_code)
		__field(bool, reinjected)
	),
	TP_fast_assign(
		__entry->exception = exception;
		__entry->has_error = has_error;
		__entry->error_code = has_error ? error_code : 0;
		__entry->reinjected = reinjected;
	),
	TP_printk("vector %u%s 0x%x%s", __entry->exception,
		  __entry->has_error ? ", error" : ", no error", __entry->error_code,
		  __entry->reinjected ? " [reinjected]" : "")
);

/* @rw: 0 read, 1 write. */
TRACE_EVENT(kvm_cr,
	TP_PROTO(unsigned int rw, unsigned int cr, u64 val),
	TP_ARGS(rw, cr, val),
	TP_STRUCT__entry(
		__field(unsigned int, rw)
		__field(unsigned int, cr)
		__field(unsigned long, val)
	),
	TP_fast_assign(
		__entry->rw = rw;
		__entry->cr = cr;
		__entry->val = val;
	),
	TP_printk("cr_%s %u = 0x%lx", __entry->rw ? "write" : "read",
		  __entry->cr, __entry->val)
);

/* Host virtual addresses, [start, end), as the host's notifier gave them. */
TRACE_EVENT(kvm_hypercall,
	TP_PROTO(u64 nr, const u64 *args),
	TP_ARGS(nr, args),
	TP_STRUCT__entry(
		__field(unsigned long, nr)
		__field(unsigned long, a0)
		__field(unsigned long, a1)
		__field(unsigned long, a2)
		__field(unsigned long, a3)
	),
	TP_fast_assign(
		__entry->nr = nr;
		__entry->a0 = args[0];
		__entry->a1 = args[1];
		__entry->a2 = args[2];
		__entry->a3 = args[3];
	),
	TP_printk("nr 0x%lx a0 0x%lx a1 0x%lx a2 0x%lx a3 0x%lx", __entry->nr,
		  __entry->a0, __entry->a1, __entry->a2, __entry->a3)
);

/* The page a guest computes its time from has been written. */
TRACE_EVENT(kvm_pvclock_update,
	TP_PROTO(unsigned int vcpu_id, const struct pvclock_vcpu_time_info *info),
	TP_ARGS(vcpu_id, info),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, tsc_timestamp)
		__field(u64, system_time)
		__field(u32, tsc_to_system_mul)
		__field(s8, tsc_shift)
		__field(u8, flags)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->tsc_timestamp = info->tsc_timestamp;
		__entry->system_time = info->system_time;
		__entry->tsc_to_system_mul = info->tsc_to_system_mul;
		__entry->tsc_shift = info->tsc_shift;
		__entry->flags = info->flags;
	),
	TP_printk("vcpu %u tsc_timestamp 0x%llx system_time %llu mul 0x%x shift %d flags 0x%x",
		  __entry->vcpu_id, __entry->tsc_timestamp, __entry->system_time,
		  __entry->tsc_to_system_mul, __entry->tsc_shift, __entry->flags)
);

/* A vcpu comes back; did others ask for a TLB flush meanwhile? */
TRACE_EVENT(kvm_async_pf_not_present,
	TP_PROTO(u32 token, u64 gfn),
	TP_ARGS(token, gfn),
	TP_STRUCT__entry(
		__field(u32, token)
		__field(u64, gfn)
	),
	TP_fast_assign(
		__entry->token = token;
		__entry->gfn = gfn;
	),
	TP_printk("token 0x%x gfn 0x%llx", __entry->token, __entry->gfn)
);

TRACE_EVENT(kvm_async_pf_ready,
	TP_PROTO(u32 token),
	TP_ARGS(token),
	TP_STRUCT__entry(
		__field(u32, token)
	),
	TP_fast_assign(
		__entry->token = token;
	),
	TP_printk("token 0x%x", __entry->token)
);

TRACE_EVENT(kvm_pv_tlb_flush,
	TP_PROTO(unsigned int vcpu_id, bool need_flush_tlb),
	TP_ARGS(vcpu_id, need_flush_tlb),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(bool, need_flush_tlb)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->need_flush_tlb = need_flush_tlb;
	),
	TP_printk("vcpu %u need_flush_tlb %d", __entry->vcpu_id, __entry->need_flush_tlb)
);

TRACE_EVENT(kvm_write_tsc_offset,
	TP_PROTO(unsigned int vcpu_id, u64 previous, u64 next),
	TP_ARGS(vcpu_id, previous, next),
	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u64, previous_tsc_offset)
		__field(u64, next_tsc_offset)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->previous_tsc_offset = previous;
		__entry->next_tsc_offset = next;
	),
	TP_printk("vcpu %u prev 0x%llx next 0x%llx", __entry->vcpu_id,
		  __entry->previous_tsc_offset, __entry->next_tsc_offset)
);

TRACE_EVENT(kvm_unmap_hva_range,
	TP_PROTO(unsigned long start, unsigned long end),
	TP_ARGS(start, end),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("hva %#016lx -- %#016lx", __entry->start, __entry->end)
);

TRACE_EVENT(kvm_age_hva,
	TP_PROTO(unsigned long start, unsigned long end),
	TP_ARGS(start, end),
	TP_STRUCT__entry(
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("hva %#016lx -- %#016lx", __entry->start, __entry->end)
);

TRACE_EVENT(kvm_test_age_hva,
	TP_PROTO(unsigned long hva),
	TP_ARGS(hva),
	TP_STRUCT__entry(
		__field(unsigned long, hva)
	),
	TP_fast_assign(
		__entry->hva = hva;
	),
	TP_printk("hva %#016lx", __entry->hva)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH kvm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
