# SPDX-License-Identifier: GPL-2.0-only
"""The lab tested: that failures of every kind are noticed, and reported right."""

import tempfile

from . import build, console, control, run, tests, util

SAMPLE = util.REPO / "scripts" / "lablib" / "sample"

QUIET = (
	"[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled",
	"[    1.5] Failed to access perfctr msr (MSR c4 is 0)",
	"[    0.2] ACPI BIOS Error (bug): Could not resolve symbol",
	"[    3.1] kvm: guest panic printed a line",
	"[    2.0] [Firmware Bug]: TSC_DEADLINE disabled due to Errata",
	"[    5.0] kmemleak: 2 new suspected memory leaks (see /sys/kernel/"
	"debug/kmemleak)",
	"[    3.1][  T375] WARNING: CPU: 1 PID: 375 at include/linux/fs.h:509 "
	"hugetlb_split+0x1d7/0x270",
	# A race of the kernel with itself.
	"[    3.1] BUG: KCSAN: data-race in f / g\n"
	"[    3.1] \n[    3.1]  f+0x1/0x2\n"
	"[    3.1] ==================================================\n"
	"[    3.2] g+0x3/0x4 [kvm]",
	# The same where KVM made the host fault a page in.
	"[    3.1] BUG: KCSAN: data-race in f / g\n"
	"[    3.1] read to 0xffff888000000000 of 8 bytes by task 82 on cpu 1:\n"
	"[    3.1]  f+0x1/0x2\n[    3.1]  a+0x1/0x2\n[    3.1]  b+0x1/0x2\n"
	"[    3.1]  handle_mm_fault+0x1/0x2\n[    3.1]  h+0x1/0x2 [kvm]\n"
	"[    3.1] ==================================================",
)
LOUD = (
	"[    3.141593] WARNING: CPU: 0 PID: 1 at kernel/x.c:3 f+0x1/0x2 [kvm]",
	"[    3.141593] WARNING: mm/x.c:3 at f+0x1/0x2, CPU#0: init/1",
	"[    3.141593][   T42] WARNING: possible recursive locking detected",
	"[   43.141593] rcu: INFO: rcu_preempt self-detected stall on CPU",
	"[   43.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
	"[  243.1] INFO: task sh:12 blocked for more than 120 seconds.",
	"[   43.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]",
	"[    3.1] BUG: KASAN: use-after-free in f+0x1/0x2",
	"[    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
	"[    3.1] kernel BUG at kmod/x.c:1!",
	"[    3.1] BUG kmem (Not tainted): Objects remaining in kmem on "
	"__kmem_cache_shutdown()",
	"[    3.1] general protection fault, probably for non-canonical address",
	"[    3.1] unchecked MSR access error: WRMSR to 0x1d9",
	"[    3.1] refcount_t: underflow; use-after-free.",
	"[    3.1][   T77] BUG: KCSAN: data-race in f / g [kvm]\n"
	"[    3.1][   T77] ==================================================",
	"[    3.1] BUG: KCSAN: data-race in f / g\n[    3.1]  f+0x1/0x2\n"
	"[    3.1]  h+0x1/0x2 [kvm_amd]\n"
	"[    3.1] ==================================================",
	"[    3.1] BUG: sleeping function called from invalid context at mm/x.c",
	"[    3.1] WARNING: suspicious RCU usage",
	"[    3.1] UBSAN: array-index-out-of-bounds in kmod/x.c:1:2",
	"[    3.1] lab: kmemleak: unreferenced object 0xffff888000000000 "
	"(size 128):",
	"[    3.1] kmemleak: Memory pool empty, consider increasing",
	"[    3.1] pagealloc: memory corruption",
	"[    3.1] Kernel panic - not syncing: Fatal exception",
)

# What `info lapic` says of an APIC, and what is then waiting to be delivered.
APICS = (
	("ISR\t (none)\nIRR\t (none)\n", None),
	("ISR\t (none)\nIRR\t 236 48 \n", (236, 236)),
	("ISR\t (none)\nIRR\t 37(level) \n", (37, 37 | control.LEVEL)),
	("ISR\t 48 \nIRR\t 236 37(level) \n", (236, 236)),
	("ISR\t 236 \nIRR\t 230 \n", None),
)

# job text, insmod parameter, expected status, expected output
JOBS = (
	("echo out; echo err >&2; exit 7", None, 7, b"out\nerr\n"),
	("printf 'a\\036LAB b\\036'; exit 0", None, 0, b"a\x1eLAB b\x1e"),
	("cut -d' ' -f1 /proc/modules | sort | xargs; rmmod kvm-$LAB_VENDOR kvm;"
	 "modprobe kvm-$LAB_VENDOR", None, 0, None),
	("echo part; while :; do :; done", None, run.TIMEOUT, b"part\n"),
	("poweroff -f; sleep 5", None, run.NO_STATUS, None),
	("exit 0", "warn", run.SPLAT, None),
	("exit 0", "bug", run.SPLAT, None),
	("exit 0", "oops", run.SPLAT, None),
	("exit 0", "gp", run.SPLAT, None),
	("exit 0", "atomic", run.SPLAT, None),
	("exit 0", "slab", run.SPLAT, None),
	("exit 0", "panic", run.SPLAT, None),
	("exit 0", "stall", run.SPLAT, None),
	("exit 0", "leak", run.SPLAT, None),
	("exit 0", "uaf", run.SPLAT, None),
	("exit 0", "sleep", run.SPLAT, None),
	("exit 0", "order", run.SPLAT, None),
	("exit 0", "rcu", run.SPLAT, None),
	("exit 0", "bounds", run.SPLAT, None),
	("exit 0", "race", run.SPLAT, None),
)

# What a kernel must have to notice.
NEEDS = {"atomic": "PREEMPT_COUNT", "leak": "DEBUG_KMEMLEAK", "uaf": "KASAN",
	 "sleep": "DEBUG_ATOMIC_SLEEP", "order": "PROVE_LOCKING",
	 "rcu": "PROVE_RCU", "bounds": "UBSAN_BOUNDS", "race": "KCSAN"}


class Tally:
	"""Counts and prints verdicts in the words of every test here."""

	def __init__(self):
		self.passed = 0
		self.failed = 0

	def check(self, name, good, why=""):
		if good:
			self.passed += 1
			print("ok - " + name, flush=True)
		else:
			self.failed += 1
			print("not ok - %s %s" % (name, why), flush=True)


def check_parsers(tally):
	for line in QUIET:
		tally.check("no splat: " + line, not console.splat(line))
	for line in LOUD:
		tally.check("splat: " + line, console.splat(line))
	for cut in range(1, 60):
		tape = run.Tape("n0", None)
		data = b"text \x1eLAB other 3\x1e\n\x1eLAB n0 12\x1e"
		for start in range(0, len(data), cut):
			tape.feed(data[start:start + cut])
		tape.close()
		if tape.status != 12 or \
		   b"".join(tape.kept) != b"text \x1eLAB other 3\x1e\n":
			tally.check("tape in pieces of %d" % cut, False)
	tally.check("interrupts that wait", [control.pending(text) for text, _ in
					     APICS] == [what for _, what in APICS])
	found = tests.verdicts("vm: ok 1 - a\nvm: not ok 2 - b: why\n"
			       "x: ok 3 - c # SKIP no\nvm: 1..2\n")
	tally.check("TAP verdicts", found == {"vm.a": "ok", "vm.b": "not ok",
					      "x.c": "skip"}, found)


def check_job(tally, vendor, kernel, modules, case):
	text, how, status, output = case
	append = "kvm.how=" + how if how else ""
	# Two CPUs to race.
	machine = run.Machine(vendor, kernel, modules, append=append,
			      smp=2 if how == "race" else 1)
	config = (machine.kernel.folder / "config").read_text()
	if how in NEEDS and "CONFIG_%s=y" % NEEDS[how] not in config:
		return
	with tempfile.NamedTemporaryFile("w", suffix=".sh") as job:
		job.write("#!/bin/sh\n. /lab/settings\n" + text + "\n")
		job.flush()
		limit = 20 if status == run.TIMEOUT else 90
		limit *= machine.kernel.scale
		result, folder = run.run(machine, job.name, timeout=limit)
	util.remove(folder)
	name = "%s %s: %s" % (vendor, kernel, how or text)
	tally.check(name, result.status == status and
		    output in (None, result.output),
		    "status %s, output %r, splat %s" % (result.status,
							result.output,
							result.splat))


def selftest(vendors, kernels):
	"""Run everything; 0 when all passed."""
	tally = Tally()
	check_parsers(tally)
	for kernel in kernels:
		modules = build.modules(kernel, checkout=SAMPLE)
		broken = build.modules(kernel, words=["LAB_FAULT=y"],
				       checkout=SAMPLE)
		for vendor in vendors:
			for case in JOBS:
				check_job(tally, vendor, kernel, modules, case)
			check_job(tally, vendor, kernel, broken,
				  ("exit 0", None, run.LOAD_FAILED, b""))
	print("%d passed, %d failed" % (tally.passed, tally.failed))
	return 1 if tally.failed else 0
