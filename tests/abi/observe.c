// SPDX-License-Identifier: GPL-2.0-only
/*
 * What tools see: debugfs counters and tracepoints, by the names, modes and
 * fields that kvm_stat, perf kvm and trace-cmd read, and with true values.
 * Stock modules of older kernels lack some; ours have to have all of them.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS	"/sys/kernel/debug/kvm"
#define TRACING	"/sys/kernel/tracing"
#define BUFFER	TRACING "/instances/kvm-observe"
#define GROUP	"/sys/fs/cgroup/kvm-observe"
#define GPA	(16 * SZ_1M)

GUEST(halt, 64, "hlt\n");
/* Says that it runs, and never stops. */
GUEST(spin, 64, "movl $1, 0x7000\n1: pause\njmp 1b\n");
/* RCX times OUT of AL to port DX. */
GUEST(outs, 64, "1: out %al, %dx\nloop 1b\nhlt\n");
/* One of each: CPUID of leaf EDI, RDMSR of ESI. */
GUEST(cpuid_msr, 64,
	"mov %edi, %eax\n"
	"xor %ecx, %ecx\n"
	"cpuid\n"
	"mov %esi, %ecx\n"
	"rdmsr\n"
	"hlt\n");

static bool own_modules(void)
{
	return !access(STATS "/mmu_unmapped", F_OK);
}

static void need_stats(void)
{
	if (access(STATS, F_OK))
		SKIP("there is no debugfs at " STATS);
}

struct counter {
	const char *name;
	bool instant;
};

static const struct counter counters[] = {
	{ "remote_tlb_flush", false },
	{ "remote_tlb_flush_requests", false },
	{ "pages_4k", true },
	{ "pages_2m", true },
	{ "pages_1g", true },
	{ "exits", false },
	{ "io_exits", false },
	{ "mmio_exits", false },
	{ "signal_exits", false },
	{ "irq_exits", false },
	{ "irq_window_exits", false },
	{ "request_irq_exits", false },
	{ "halt_exits", false },
	{ "pf_taken", false },
	{ "pf_fixed", false },
	{ "pf_spurious", false },
	{ "pf_emulate", false },
	{ "tlb_flush", false },
	{ "insn_emulation", false },
	{ "insn_emulation_fail", false },
	{ "hypercalls", false },
	{ "host_state_reload", false },
	{ "irq_injections", false },
	{ "nmi_injections", false },
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static void folder_of(struct vmm *vm, char *folder)
{
	snprintf(folder, PATH_MAX, STATS "/%d-%d", getpid(), vm->fd);
}

static uint64_t read_number(const char *path)
{
	char text[64], *end;
	uint64_t value;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	CHECKF(n > 1, "%s cannot be read", path);
	text[n] = '\0';
	value = strtoull(text, &end, 10);
	CHECKF(end > text && *end == '\n' && !end[1],
	       "%s is not one integer: %s", path, text);
	return value;
}

static uint64_t stat_of(struct vmm *vm, const char *name)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];

	folder_of(vm, folder);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_number(path);
}

static bool stat_known(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), STATS "/%s", name);
	if (!access(path, F_OK))
		return true;
	CHECKF(!own_modules(), "there is no %s", path);
	return false;
}

/* 0 or -errno. */
static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		r = -errno;
	close(fd);
	return r;
}

static void check_files(const char *folder)
{
	char path[PATH_MAX + 64];
	struct stat st;
	unsigned int i;

	for (i = 0; i < COUNTERS; i++) {
		if (!stat_known(counters[i].name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, counters[i].name);
		CHECKF(!stat(path, &st), "%s: %s", path, strerror(errno));
		CHECKF((st.st_mode & 0777) == (counters[i].instant ? 0444 : 0644),
		       "%s has mode %o", path, st.st_mode & 0777);
		read_number(path);
	}
}

TEST(files, "one file per counter, for all VMs and for each")
{
	char folder[PATH_MAX];
	struct vmm_vcpu *vcpu;

	need_stats();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	check_files(STATS);
	folder_of(vcpu->vm, folder);
	check_files(folder);
}

TEST(folders, "a folder per VM, as long as it lives")
{
	char one[PATH_MAX], two[PATH_MAX], path[PATH_MAX + 64];
	struct vmm *first, *second;
	struct vmm_vcpu *vcpu;

	need_stats();
	first = vmm_create(SZ_1M);
	second = vmm_create(SZ_1M);
	folder_of(first, one);
	folder_of(second, two);
	CHECK(!access(one, F_OK) && !access(two, F_OK));
	vcpu = vmm_vcpu_add(second);
	vmm_load(second, GPA_CODE, halt);
	vmm_set_mode(vcpu, VMM_LONG);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	snprintf(path, sizeof(path), "%s/vcpu0", two);
	CHECKF(!access(path, F_OK), "there is no %s", path);
	snprintf(path, sizeof(path), "%s/vcpu0/pid", two);
	if (own_modules() || !access(path, F_OK))
		CHECK_EQ(read_number(path), getpid());
	vmm_destroy(second);
	CHECK(!access(one, F_OK));
	CHECKF(access(two, F_OK), "%s outlives its VM", two);
	vmm_destroy(first);
	CHECKF(access(one, F_OK), "%s outlives its VM", one);
}

/* @path counts: 0 clears it, nothing else can be written. */
static void check_clear(const char *path)
{
	CHECKF(read_number(path), "%s did not count", path);
	CHECKF(write_text(path, "1\n") == -EINVAL, "%s takes a 1", path);
	CHECKF(write_text(path, "none\n") == -EINVAL, "%s takes a word", path);
	CHECKF(read_number(path), "%s was changed by a refused write", path);
	CHECKF(!write_text(path, "0\n"), "%s does not take a 0", path);
	CHECKF(!read_number(path), "%s is not cleared by a 0", path);
}

TEST(clear, "writing 0 clears a counter, all else is EINVAL")
{
	static const char *const names[] = { "exits", "halt_exits" };
	char folder[PATH_MAX], path[PATH_MAX + 64];
	struct vmm_vcpu *vcpu;
	unsigned int i;
	int r;

	need_stats();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	folder_of(vcpu->vm, folder);
	for (i = 0; i < 2; i++) {
		vmm_set_mode(vcpu, VMM_LONG);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		snprintf(path, sizeof(path), STATS "/%s", names[i]);
		check_clear(path);
		vmm_set_mode(vcpu, VMM_LONG);
		vmm_run_to(vcpu, KVM_EXIT_HLT);
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		check_clear(path);
	}
	if (!stat_known("pages_4k"))
		return;
	snprintf(path, sizeof(path), "%s/pages_4k", folder);
	r = write_text(path, "0\n");
	CHECKF(r == -EACCES || r == -EPERM || r == -EINVAL,
	       "what is, cannot be cleared: %d", r);
}

TEST(exits, "exits are counted as what they are")
{
	struct vmm_vcpu *vcpu;
	struct kvm_regs regs;
	uint64_t before;
	int i;

	need_stats();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, outs);
	regs = vmm_regs(vcpu);
	regs.rcx = 20;
	regs.rdx = 0x80;
	vmm_set_regs(vcpu, &regs);
	for (i = 0; i < 20; i++)
		vmm_run_to_out(vcpu, 0x80, 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(stat_of(vcpu->vm, "io_exits"), 20);
	CHECK_EQ(stat_of(vcpu->vm, "halt_exits"), 1);
	CHECKF(stat_of(vcpu->vm, "exits") >= 21, "not all exits are counted");
	CHECK_EQ(stat_of(vcpu->vm, "mmio_exits"), 0);
	before = read_number(STATS "/mmio_exits");
	vmm_expect_hole(vcpu, GPA_MMIO);
	CHECK_EQ(stat_of(vcpu->vm, "mmio_exits"), 1);
	CHECK_EQ(read_number(STATS "/mmio_exits"), before + 1);
}

TEST(signals, "a signal ends KVM_RUN and is counted")
{
	struct vmm_thread runner;
	struct vmm_vcpu *vcpu;

	need_stats();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, spin);
	vmm_start(&runner, vcpu);
	while (!*(volatile uint32_t *)(vcpu->vm->ram + GPA_DATA))
		vmm_sleep_ms(1);
	vmm_kick(&runner);
	CHECK_EQ(vmm_join(&runner), -EINTR);
	CHECKF(stat_of(vcpu->vm, "signal_exits") >= 1,
	       "the signal is not counted");
}

static uint8_t *region(uint64_t size, int advice)
{
	uint8_t *p = vmm_map_anon(size + SZ_2M);

	p = (uint8_t *)(((uintptr_t)p + SZ_2M - 1) & ~(SZ_2M - 1));
	/* A kernel without huge pages (PREEMPT_RT) refuses both advices. */
	if (!madvise(p, size, advice))
		return p;
	CHECK_EQ(errno, EINVAL);
	if (advice == MADV_HUGEPAGE)
		SKIP("this kernel has no transparent huge pages");
	return p;
}

TEST(pages, "mapped pages are counted by their size, faults and flushes too")
{
	struct vmm_vcpu *vcpu;
	uint64_t small, flushes, i;
	uint8_t *hva;

	need_stats();
	if (!stat_known("pages_4k"))
		SKIP("this kernel's modules do not count pages by size");
	hva = region(SZ_2M, MADV_NOHUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, SZ_2M, hva);
	vmm_poke(vcpu, GPA, 1);
	small = stat_of(vcpu->vm, "pages_4k");
	/* Absent in the host, so that nothing is mapped along with them. */
	for (i = 1; i <= 8; i++)
		vmm_poke(vcpu, GPA + i * 32 * SZ_4K, i);
	CHECK_EQ(stat_of(vcpu->vm, "pages_4k"), small + 8);
	CHECK_EQ(stat_of(vcpu->vm, "pages_2m"), 0);
	if (stat_known("pf_taken"))
		CHECKF(stat_of(vcpu->vm, "pf_taken") >= 9, "faults are missing");
	CHECKF(stat_of(vcpu->vm, "pf_fixed") >= 9, "mapped faults are missing");
	flushes = stat_of(vcpu->vm, "remote_tlb_flush_requests");
	OK(madvise(hva, SZ_2M, MADV_DONTNEED));
	CHECK_EQ(stat_of(vcpu->vm, "pages_4k"), small - 1);
	CHECKF(stat_of(vcpu->vm, "remote_tlb_flush_requests") > flushes,
	       "no flush was asked for");
	vmm_destroy(vcpu->vm);
}

TEST(huge_pages, "a huge page counts as one")
{
	struct vmm_vcpu *vcpu;
	uint8_t *hva;

	need_stats();
	if (!stat_known("pages_2m"))
		SKIP("this kernel's modules do not count pages by size");
	hva = region(SZ_2M, MADV_HUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, SZ_2M, hva);
	hva[0] = 1;
	vmm_poke(vcpu, GPA, 1);
	if (!stat_of(vcpu->vm, "pages_2m"))
		SKIP("the host has no huge page to give");
	CHECK_EQ(stat_of(vcpu->vm, "pages_2m"), 1);
	CHECKF(read_number(STATS "/pages_2m") >= 1, "not in the sum");
	OK(madvise(hva, SZ_2M, MADV_DONTNEED));
	CHECK_EQ(stat_of(vcpu->vm, "pages_2m"), 0);
}

/* What perf, kvm_stat and trace-cmd look up by name. */
static const struct {
	const char *event, *fields;	/* "name:size " each */
} formats[] = {
	{ "kvm_entry", "vcpu_id:4 rip:8 " },
	{ "kvm_exit", "exit_reason:4 guest_rip:8 isa:4 info1:8 info2:8 "
		      "intr_info:4 error_code:4 vcpu_id:4 " },
	{ "kvm_userspace_exit", "reason:4 errno:4 " },
	{ "kvm_mmio", "type:4 len:4 gpa:8 val:8 " },
	{ "kvm_pio", "rw:4 port:4 size:4 count:4 val:4 " },
	{ "kvm_msr", "write:4 ecx:4 data:8 exception:1 " },
	{ "kvm_cr", "rw:4 cr:4 val:8 " },
	{ "kvm_cpuid", "function:4 index:4 rax:8 rbx:8 rcx:8 rdx:8 found:1 " },
	{ "kvm_inj_virq", "vector:4 " },
	{ "kvm_inj_exception", "exception:1 has_error:1 error_code:4 " },
	{ "kvm_page_fault", "fault_address:8 " },
	{ "kvm_unmap_hva_range", "start:8 end:8 " },
	{ "kvm_age_hva", "start:8 end:8 " },
	{ "kvm_test_age_hva", "hva:8 " },
};

static void need_tracing(void)
{
	if (access(TRACING "/events/kvm", F_OK))
		SKIP("there are no tracepoints at " TRACING "/events/kvm");
}

static bool event_known(const char *event)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), TRACING "/events/kvm/%s", event);
	if (!access(path, F_OK))
		return true;
	CHECKF(!own_modules(), "there is no %s", path);
	return false;
}

static void need_event(const char *event)
{
	need_tracing();
	if (!event_known(event))
		SKIP("this kernel's modules have no %s", event);
}

/* The size of a field in a format file; 0 if it is not there. */
static unsigned int field_size(const char *event, const char *field)
{
	char path[PATH_MAX], line[256], name[64];
	unsigned int size, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), TRACING "/events/kvm/%s/format", event);
	file = fopen(path, "r");
	CHECKF(file, "%s: %s", path, strerror(errno));
	snprintf(name, sizeof(name), " %s;", field);
	while (fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "size:");

		if (strstr(line, "field:") && strstr(line, name) && at &&
		    sscanf(at, "size:%u", &size) == 1)
			found = size;
	}
	fclose(file);
	return found;
}

TEST(formats, "tracepoints have the fields that tools read")
{
	unsigned int i, size, n;
	const char *at;
	char field[32];

	need_tracing();
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!event_known(formats[i].event))
			continue;
		for (at = formats[i].fields;
		     sscanf(at, "%31[a-z0-9_]:%u %n", field, &size, &n) == 2;
		     at += n) {
			unsigned int got = field_size(formats[i].event, field);

			if (!got && !own_modules()) {
				tap_diag("%s has no field %s here",
					 formats[i].event, field);
				continue;
			}
			CHECKF(got == size, "%s.%s has %u bytes, expected %u",
			       formats[i].event, field, got, size);
		}
	}
}

/*
 * The first function in a print format that a reader of raw buffers cannot know,
 * copied to @name; what is in quotes is text.
 */
static bool format_call(const char *at, char *name, size_t size)
{
	static const char known[] = " sizeof __print_symbolic __print_flags __print_hex "
				    "__print_hex_str __print_array __get_str "
				    "__get_dynamic_array __get_dynamic_array_len ";
	const char *word = NULL;
	bool quoted = false;
	char wanted[64];

	for (; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		if (isalnum(*at) || *at == '_') {
			if (!word)
				word = at;
			continue;
		}
		if (word && *at == '(') {
			snprintf(name, size, "%.*s", (int)(at - word), word);
			snprintf(wanted, sizeof(wanted), " %s ", name);
			if (!strstr(known, wanted))
				return true;
		}
		word = NULL;
	}
	return false;
}

TEST(print_formats, "tools can print tracepoints by their formats alone")
{
	char path[PATH_MAX], name[40], *line = NULL;
	struct dirent *event;
	size_t space = 0;
	unsigned int n = 0;
	FILE *file;
	DIR *dir;

	need_tracing();
	dir = opendir(TRACING "/events/kvm");
	CHECK(dir);
	while ((event = readdir(dir))) {
		snprintf(path, sizeof(path), TRACING "/events/kvm/%s/format",
			 event->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		while (getline(&line, &space, file) > 0) {
			if (strncmp(line, "print fmt: ", 11))
				continue;
			n++;
			if (!format_call(line, name, sizeof(name)))
				continue;
			CHECKF(!own_modules(), "%s calls %s()", event->d_name,
			       name);
			tap_diag("%s calls %s() here", event->d_name, name);
		}
		fclose(file);
	}
	free(line);
	closedir(dir);
	CHECKF(n >= 12, "only %u formats", n);
}

/* Records @event where @filter holds, in a buffer of this test's own. */
static void trace_begin(const char *event, const char *filter, ...)
	__attribute__((format(printf, 2, 3)));

static void trace_begin(const char *event, const char *filter, ...)
{
	char path[PATH_MAX], text[256];
	va_list args;
	int r;

	va_start(args, filter);
	vsnprintf(text, sizeof(text), filter, args);
	va_end(args);
	if (mkdir(BUFFER, 0755) && errno != EEXIST)
		FAIL(BUFFER ": %s", strerror(errno));
	snprintf(path, sizeof(path), BUFFER "/events/kvm/%s/filter", event);
	r = write_text(path, text);
	CHECKF(!r, "%s does not take the filter %s: %s", event, text,
	       strerror(-r));
	snprintf(path, sizeof(path), BUFFER "/events/kvm/%s/enable", event);
	CHECK(!write_text(path, "1"));
}

/* How many were recorded; the buffer is gone afterwards. */
static unsigned int trace_count(const char *event)
{
	char line[512], name[64];
	unsigned int n = 0;
	FILE *file = fopen(BUFFER "/trace", "r");

	CHECK(file);
	snprintf(name, sizeof(name), " %s: ", event);
	while (fgets(line, sizeof(line), file))
		if (line[0] != '#' && strstr(line, name))
			n++;
	fclose(file);
	return n;
}

static unsigned int trace_end(const char *event)
{
	unsigned int n = trace_count(event);

	OK(rmdir(BUFFER));
	return n;
}

TEST(trace_unmap, "what the host unmaps is traced")
{
	struct vmm_vcpu *vcpu;
	uint8_t *hva;

	need_event("kvm_unmap_hva_range");
	hva = region(SZ_2M, MADV_NOHUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, SZ_2M, hva);
	vmm_poke(vcpu, GPA + SZ_4K, 1);
	trace_begin("kvm_unmap_hva_range", "start == %p && end == %p",
		    hva + SZ_4K, hva + 2 * SZ_4K);
	OK(madvise(hva + SZ_4K, SZ_4K, MADV_DONTNEED));
	CHECK_EQ(trace_end("kvm_unmap_hva_range"), 1);
}

/* A swap device, and a cgroup of this process's own. */
static void pressure_begin(void)
{
	char pid[16];

	if (system("{ modprobe zram && echo 64M >/sys/block/zram0/disksize && "
		   "mkswap /dev/zram0 && swapon /dev/zram0; } >/dev/null 2>&1"))
		SKIP("no swap space on zram");
	if (write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		SKIP("no memory controller of cgroup v2");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		FAIL(GROUP ": %s", strerror(errno));
	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(!write_text(GROUP "/cgroup.procs", pid));
}

static void pressure_end(void)
{
	char pid[16];

	CHECK(!write_text(GROUP "/memory.high", "max"));
	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(!write_text("/sys/fs/cgroup/cgroup.procs", pid));
	CHECK(!system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset"));
	OK(rmdir(GROUP));
}

TEST(trace_age, "what the host ages is traced")
{
	struct vmm_vcpu *vcpu;
	unsigned int n;
	uint8_t *hva;
	uint64_t i;

	need_event("kvm_age_hva");
	pressure_begin();
	hva = region(8 * SZ_1M, MADV_NOHUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, 8 * SZ_1M, hva);
	memset(hva, 1, 8 * SZ_1M);
	for (i = 0; i < 8 * SZ_1M; i += SZ_64K)
		vmm_poke(vcpu, GPA + i, 1);
	trace_begin("kvm_age_hva", "start >= %p && start < %p",
		    hva, hva + 8 * SZ_1M);
	/* Reclaims without killing anybody for what cannot be had. */
	CHECK(!write_text(GROUP "/memory.high", "6M"));
	n = trace_end("kvm_age_hva");
	/* A thread of some modules is in the cgroup with its VM. */
	vmm_destroy(vcpu->vm);
	pressure_end();
	CHECKF(n >= 1, "aging left no trace");
}

/* Makes khugepaged look at everything at once, and soon. */
static bool hurry_khugepaged(void)
{
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"
	return !write_text(KHUGEPAGED "scan_sleep_millisecs", "20") &&
	       !write_text(KHUGEPAGED "pages_to_scan", "65536");
}

/* Without MMU notifiers khugepaged looks at the host's table and asks nobody. */
static bool khugepaged_asks(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[512];

	if (!symbols)
		return true;
	while (!found && fgets(line, sizeof(line), symbols))
		found = strstr(line, " __mmu_notifier_test_young");
	fclose(symbols);
	return found;
}

TEST(trace_test_age, "a look at whether memory is in use is traced")
{
	struct vmm_vcpu *vcpu;
	unsigned int n = 0;
	uint8_t *hva;
	uint64_t end;

	need_event("kvm_test_age_hva");
	if (!hurry_khugepaged())
		SKIP("no khugepaged");
	if (!khugepaged_asks())
		SKIP("this kernel's khugepaged asks nobody");
	hva = region(SZ_2M, MADV_NOHUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, SZ_2M, hva);
	memset(hva, 1, SZ_2M);
	vmm_poke(vcpu, GPA + SZ_4K, 1);
	trace_begin("kvm_test_age_hva", "hva >= %p && hva < %p", hva,
		    hva + SZ_2M);
	/* Old in the host's table, so that khugepaged asks the notifier. */
	CHECK(!write_text("/proc/self/clear_refs", "1"));
	OK(madvise(hva, SZ_2M, MADV_HUGEPAGE));
	end = vmm_now_ms() + 20000;
	while (!n && vmm_now_ms() < end) {
		vmm_sleep_ms(50);
		n = trace_count("kvm_test_age_hva");
	}
	CHECKF(trace_end("kvm_test_age_hva") >= 1,
	       "khugepaged's look left no trace");
}

TEST(trace_fault, "a second-level fault is traced with its address")
{
	struct vmm_vcpu *vcpu;
	uint8_t *hva;

	need_tracing();
	hva = region(SZ_2M, MADV_NOHUGEPAGE);
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	vmm_slot(vcpu->vm, 1, 0, GPA, SZ_2M, hva);
	trace_begin("kvm_page_fault", "fault_address == 0x%llx",
		    GPA + SZ_4K + 0x128);
	vmm_poke(vcpu, GPA + SZ_4K + 0x128, 1);
	vmm_poke(vcpu, GPA + SZ_4K + 0x128, 2);
	CHECKF(trace_end("kvm_page_fault") == 1,
	       "not one fault for a page touched twice");
}

TEST(trace_pio, "port accesses are traced with their values")
{
	struct vmm_vcpu *vcpu;
	struct kvm_regs regs;
	int i;

	need_tracing();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, outs);
	regs = vmm_regs(vcpu);
	regs.rax = 0x5a;
	regs.rcx = 5;
	regs.rdx = 0x80;
	vmm_set_regs(vcpu, &regs);
	trace_begin("kvm_pio", "rw == 1 && port == 0x80 && size == 1 && count == 1 && val == 0x5a");
	trace_begin("kvm_userspace_exit", "reason == %d", KVM_EXIT_IO);
	trace_begin("kvm_exit", "vcpu_id == 0 && (exit_reason == 0x7b && isa == 2 || exit_reason == 30 && isa == 1)");
	trace_begin("kvm_entry", "vcpu_id == 0");
	for (i = 0; i < 5; i++)
		vmm_run_to_out(vcpu, 0x80, 1);
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(trace_count("kvm_pio"), 5);
	CHECK_EQ(trace_count("kvm_userspace_exit"), 5);
	CHECK_EQ(trace_count("kvm_exit"), 5);
	CHECKF(trace_end("kvm_entry") >= 6, "entries are missing");
}

TEST(trace_mmio, "memory-mapped accesses are traced")
{
	struct vmm_vcpu *vcpu;
	uint64_t value = 0x1122334455667788;

	need_tracing();
	vcpu = vmm_boot(SZ_1M, VMM_LONG, halt);
	trace_begin("kvm_mmio", "gpa == 0x%llx && len == 8 && (type == 2 && val == 0x%llx || type == 0)",
		    GPA_MMIO, (unsigned long long)value);
	CHECK(!vmm_access(vcpu, GPA_MMIO, true, &value));
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	vmm_expect_hole(vcpu, GPA_MMIO);
	CHECK_EQ(trace_end("kvm_mmio"), 2);
}

static struct vmm_vcpu *boot_cpuid_msr(uint32_t leaf, uint32_t msr)
{
	struct vmm_vcpu *vcpu = vmm_boot(SZ_1M, VMM_LONG, cpuid_msr);
	struct kvm_regs regs = vmm_regs(vcpu);

	regs.rdi = leaf;
	regs.rsi = msr;
	vmm_set_regs(vcpu, &regs);
	return vcpu;
}

TEST(trace_cpuid, "CPUID is traced with its answer")
{
	struct vmm_vcpu *vcpu;

	need_tracing();
	vcpu = boot_cpuid_msr(0x80000000, 0x1b);
	trace_begin("kvm_cpuid", "function == 0x80000000 && rax > 0x80000000");
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(trace_end("kvm_cpuid"), 1);
}

TEST(trace_msr, "RDMSR is traced, and whether it faulted")
{
	struct vmm_vcpu *vcpu;

	need_tracing();
	vcpu = boot_cpuid_msr(0, 0x1b);
	trace_begin("kvm_msr", "write == 0 && ecx == 0x1b && exception == 0");
	vmm_run_to(vcpu, KVM_EXIT_HLT);
	CHECK_EQ(trace_end("kvm_msr"), 1);
	/* There is no such MSR. */
	vcpu = boot_cpuid_msr(0, 0x4fff1234);
	trace_begin("kvm_msr", "ecx == 0x4fff1234 && exception == 1");
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(trace_end("kvm_msr"), 1);
}

TEST(trace_exception, "an exception put into the guest is traced")
{
	struct vmm_vcpu *vcpu;

	need_tracing();
	vcpu = boot_cpuid_msr(0, 0x4fff1234);
	trace_begin("kvm_inj_exception", "exception == 13 && has_error == 1");
	vmm_run_to(vcpu, KVM_EXIT_SHUTDOWN);
	CHECKF(trace_end("kvm_inj_exception") >= 1, "the fault left no trace");
}
