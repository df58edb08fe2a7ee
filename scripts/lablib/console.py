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
	r"refcount_t:",
	r"list_(?:add|del) corruption",
	r"DEBUG_LOCKS_WARN_ON",
	r"kmem_cache_destroy",
	r"irq \d+: nobody cared",
	r"Disabling IRQ",
	r"PANIC: ",
)) + r")")


def clean(line):
	return line.rstrip("\r\n").replace("\0", "")


def splat(text):
	"""The first line that reports a host failure, or None."""
	for line in text.splitlines():
		if SPLAT.match(clean(line)):
			return clean(line)
	return None
