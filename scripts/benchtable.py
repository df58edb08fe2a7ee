# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the bench table: what is shown, and at most how much."""

import collections

# figure: a name the programs print, or (total, floor) for a share.
# limit: None, a number ("at most this"), or Times(f): f times in-tree.
Spec = collections.namedtuple("Spec", "case label figure limit")
Times = collections.namedtuple("Times", "factor")
Growth = collections.namedtuple("Growth", "names")
Row = collections.namedtuple("Row", "label stock own limit over unit")

SIZES = ("64m", "1g", "8g", "64g")
SLOTS = ("1", "64", "500", "4096")


def series(what, kind, points):
	return tuple("scale_%s_%s_%s" % (what, kind, point) for point in points)


SPECS = [
	Spec("bench", "CPUID", "cpuid", 1150),
	Spec("bench", "hypercall (unknown number)", "hypercall", 1200),
	Spec("bench", "OUT to userspace and back", "out_user", 1900),
	Spec("bench", "MMIO read to userspace and back", "mmio_read_user", 2800),
	Spec("bench", "MMIO write to userspace and back", "mmio_write_user",
	     None),
	Spec("bench", "KVM_RUN with immediate_exit", "immediate_exit", None),
	Spec("irqchip", "IN from the in-kernel PIT", "in_pit", 800),
	Spec("irqchip", "OUT to an ioeventfd", "out_ioeventfd", 750),
	Spec("irqchip", "MMIO write to an ioeventfd", "mmio_ioeventfd", 1750),
	Spec("irqchip", "local APIC register read", "lapic_read", 1700),
	Spec("irqchip", "HLT, woken by a timer of 1 us", "hlt_timer", 8500),
	Spec("irqchip", "IPI to a halted vcpu and back", "ipi", Times(0.6)),
	Spec("touch", "first touch, 4 KiB, host page present",
	     "touch64_4k_present", 120),
	Spec("touch", "first touch, 4 KiB, host page absent: total",
	     "touch64_4k_absent_total", None),
	Spec("touch", "  the same by a plain process",
	     "touch64_4k_absent_plain", None),
	Spec("touch", "  share",
	     ("touch64_4k_absent_total", "touch64_4k_absent_plain"), Times(0.5)),
	Spec("touch_huge", "first touch, 2 MiB, host page present",
	     "touch64_2m_present", 2700),
	Spec("age", "aging one page: clear_young", "age_4k", None),
	Spec("age", "  an empty notifier list", "age_4k_floor", None),
	Spec("age", "  share", ("age_4k", "age_4k_floor"), Times(0.3)),
	Spec("age", "aging one page: clear_flush_young", "age_flush_4k", None),
	Spec("age", "  share", ("age_flush_4k", "age_flush_4k_floor"),
	     Times(0.3)),
	Spec("age", "test_young of one page: share",
	     ("age_test_4k", "age_test_4k_floor"), None),
	Spec("age", "aging 64 MiB in one call, per page", "age_range",
	     Times(0.3)),
	Spec("age_tables", "aging one page-table entry: more than without a VM",
	     ("age_tables_total", "age_tables_plain"), None),
	Spec("ipi", "IPIs to a running vcpu per 1000 aged pages",
	     "ipi_per_1000_aged", 0),
	Spec("reclaim", "vcpu kicks per 1000 pages reclaimed: written to",
	     "reclaim_dirty_kicks", Times(1 / 8)),
	Spec("reclaim", "  only read since they were swapped in",
	     "reclaim_clean_kicks", Times(1 / 8)),
	Spec("reclaim", "  written to, in no order",
	     "reclaim_scattered_dirty_kicks", Times(1 / 8)),
	Spec("reclaim", "  only read, in no order",
	     "reclaim_scattered_clean_kicks", Times(1 / 8)),
	Spec("reclaim", "  IPIs to its CPU, the host's own among them: written to",
	     "reclaim_dirty_ipis", None),
	Spec("reclaim", "  only read", "reclaim_clean_ipis", None),
	Spec("reclaim", "kicks and faults while it uses every fourth page",
	     "reclaim_beside_exits", Times(0.25)),
	Spec("unmap", "unmapping one 4 KiB page: total", "unmap_4k_total", None),
	Spec("unmap", "  the same by a plain process", "unmap_4k_plain", None),
	Spec("unmap", "  share", ("unmap_4k_total", "unmap_4k_plain"),
	     Times(0.6)),
	Spec("unmap", "    of it an empty notifier list", "unmap_4k_floor",
	     None),
	Spec("unmap", "unmapping 64 MiB in one call, share per page",
	     ("unmap_range_total", "unmap_range_plain"), None),
	Spec("flush", "TLB flush of a process without a VM, no VM about",
	     "flush_alone", None),
	Spec("flush", "  while another has a VM: more by",
	     ("flush_beside", "flush_alone"), 60),
	Spec("split", "exits to map 2 MiB again after a THP split",
	     "split_refault_exits", 2),
	Spec("swap", "fill + verify 128 MiB in 64 MiB, per page: total",
	     "swap_total", None),
	Spec("swap", "  the same by a plain process", "swap_plain", None),
	Spec("swap", "  share", ("swap_total", "swap_plain"), Times(0.4)),
	Spec("swap", "  idle, ms (is no work, so must be none)",
	     "swap_idle_ms", 20),
	Spec("scale_size", "unmapping 2 MiB, slot of 64 MiB ... 64 GiB: growth",
	     Growth(series("unmap", "size", SIZES)), 1.5),
	Spec("scale_size", "aging 2 MiB, slot of 64 MiB ... 64 GiB: growth",
	     Growth(series("age", "size", SIZES)), 1.5),
	Spec("scale_slots", "unmapping 2 MiB, 1 ... 4096 slots: growth",
	     Growth(series("unmap", "slots", SLOTS)), 1.5),
	Spec("scale_slots", "aging 2 MiB, 1 ... 4096 slots: growth",
	     Growth(series("age", "slots", SLOTS)), 1.5),
]

# Bochs' ticks, in place of the limits above.
INTEL = {"cpuid": 500, "out_user": 1900, "mmio_write_user": 3000}


def value(spec, figures):
	"""A row's figure, or None if it was not measured."""
	figure = spec.figure
	if isinstance(figure, Growth):
		known = [figures[name] for name in figure.names
			 if name in figures]
		if len(known) < 2 or not min(known):
			return None
		return max(known) / min(known)
	if isinstance(figure, tuple):
		if not all(name in figures for name in figure):
			return None
		return figures[figure[0]] - figures[figure[1]]
	return figures.get(figure)


# Where hooks stand in for notifiers: against ours with notifiers.
HOOKED = {
	("unmap_4k_total", "unmap_4k_plain"): Times(1.1),
	("swap_total", "swap_plain"): Times(1.1),
	("age_tables_total", "age_tables_plain"): Times(1.1),
	# Native, with every page flushed by itself, it is 1000.
	"reclaim_dirty_kicks": 125,
	"reclaim_clean_kicks": 125,
	"reclaim_scattered_dirty_kicks": 125,
	"reclaim_scattered_clean_kicks": 125,
	("flush_beside", "flush_alone"): 60,
}


def limit_of(spec, limits, hooked):
	if limits is None or isinstance(spec.figure, Growth):
		return spec.limit if limits == "amd" and not hooked else None
	if hooked:
		return HOOKED.get(spec.figure) if limits == "amd" else None
	return spec.limit if limits == "amd" else INTEL.get(spec.figure)


def row(spec, stock, own, limit):
	left, right = value(spec, stock), value(spec, own)
	if isinstance(limit, Times):
		limit = None if left is None else limit.factor * left
		# A limit that cannot be known is not one that is kept.
		over = limit is None or right is None or right > limit
		limit = 0 if limit is None else limit
	else:
		over = limit is not None and (right is None or right > limit)
	growth = isinstance(spec.figure, Growth)
	return Row(spec.label, left, right, limit, over, "x" if growth else "")


def rows(stock, own, cases, limits, hooked=False):
	"""Rows of the cases measured; @limits: whose, None: none are set."""
	return [row(spec, stock, own, limit_of(spec, limits, hooked))
		for spec in SPECS
		if spec.case in cases]


def number(figure, unit):
	if figure is None:
		return "-"
	return "%.2f x" % figure if unit else "%d" % round(figure)


def ratio(one):
	if one.unit or not one.stock or one.own is None:
		return "-"
	return "%.2f" % (one.own / one.stock)


def text(shown, other="in-tree"):
	"""The table, one line per row."""
	width = max(len(one.label) for one in shown)
	form = "%%-%ds %%9s %%9s %%7s %%9s%%s" % width
	lines = [form % ("operation", other, "ours", "ratio", "at most", "")]
	for one in shown:
		lines.append(form % (one.label, number(one.stock, one.unit),
				     number(one.own, one.unit), ratio(one),
				     number(one.limit, one.unit),
				     "  OVER" if one.over else ""))
	return "\n".join(lines)
