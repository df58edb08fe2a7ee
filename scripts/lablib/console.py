# SPDX-License-Identifier: GPL-2.0-only
"""What in a kernel's console means that the host is not well."""

import re

STAMP = r"^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?"

# Anchored after the time stamp: a message that merely quotes one of these
# words (a boot-time "Spectre V2 : WARNING: ...") is not a splat.
SPLAT = re.compile(STAMP + r"(?:" + "|".join((
	r"WARNING: ",
	r"BUG[: ]",
	r"kernel BUG at",
	r"=* ?\[? ?BUG",
	r"Oops",
	r"INFO: task .* blocked for more than",
	r"INFO: possible ",
	r"INFO: trying to register non-static key",
	r"INFO: rcu_.* (?:detected|self-detected)",
	r"rcu: INFO: rcu_.*(?:detected|self-detected)",
	r"rcu: .*kthread starved",
	r"watchdog: BUG",
	r"(?:watchdog: )?Watchdog detected hard LOCKUP",
	r"Kernel panic",
	r"general protection fault",
	r"stack segment:",
	r"invalid opcode:",
	r"double fault:",
	r"divide error:",
	r"int3:",
	r"traps: PANIC",
	r"unchecked MSR access error",
	r"UBSAN:",
	r"KASAN",
	r"KFENCE",
	r"lab: kmemleak: unreferenced object",
	r"kmemleak: (?:Memory pool empty|.* disabled)",
	r"ODEBUG: (?:out of memory|Out of memory|.* disabled)",
	r"pagealloc: (?:memory corruption|single bit error)",
	r"refcount_t:",
	r"list_(?:add|del) corruption",
	r"DEBUG_LOCKS_WARN_ON",
	r"kmem_cache_destroy",
	r"irq \d+: nobody cared",
	r"Disabling IRQ",
	r"PANIC: ",
)) + r")")


# What a kernel does to itself, shown by a run without any module of KVM: 6.1
# splits a hugetlb mapping without the lock it then asserts.
KNOWN = re.compile(STAMP + r"WARNING: CPU: \d+ PID: \d+ at include/linux/fs\.h:"
		   r"\d+ hugetlb_split\+")


def clean(line):
	return line.rstrip("\r\n").replace("\0", "")


# A data race in the kernel's own code, of which there are many, is not a
# failure; one that a module of KVM takes part in is.
RACE = re.compile(STAMP + r"BUG: KCSAN")
RULE = re.compile(STAMP + r"={20}")
OURS = re.compile(r"\[kvm(?:_\w+)?\]")
ACCESS = re.compile(STAMP + r".*\b(?:read|write).* to 0x")
# KVM further up a stack only called what races.
NEAR = 4


def foreign_races(lines):
	"""Numbers of the lines that title a data race without KVM in it."""
	found = set()
	for number, line in enumerate(lines):
		if not RACE.match(line):
			continue
		depth = 0
		for other in lines[number:number + 100]:
			depth = 0 if ACCESS.match(other) else depth + 1
			if depth <= NEAR and OURS.search(other):
				break
			if RULE.match(other):
				found.add(number)
				break
	return found


def splat(text):
	"""The first line that reports a host failure, or None."""
	lines = [clean(line) for line in text.splitlines()]
	skip = foreign_races(lines)
	for number, line in enumerate(lines):
		if SPLAT.match(line) and number not in skip and \
		   not KNOWN.match(line):
			return line
	return None
