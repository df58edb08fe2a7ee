# SPDX-License-Identifier: GPL-2.0-only
"""The bench table as one SVG picture."""

from html import escape

import benchtable

WIDTH = 960
LEFT = 400
BAR = 360
STEP = 30
GREY, BLUE, RED, INK = "#b8bec6", "#2f6fb0", "#c03a2b", "#222222"


def words(x, y, content, size=12, anchor="start", colour=INK):
	return ('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" '
		'fill="%s" xml:space="preserve">%s</text>' %
		(x, y, size, anchor, colour, escape(content)))


def box(x, y, width, height, colour):
	return ('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" '
		'fill="%s"/>' % (x, y, max(width, 0.5), height, colour))


def line(x1, y1, x2, y2, colour, width=1.0):
	return ('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" '
		'stroke-width="%.1f"/>' % (x1, y1, x2, y2, colour, width))


def bars(one, y):
	"""Two bars, in-tree above ours, both relative to the larger."""
	full = max(one.stock or 0, one.own or 0, one.limit or 0) or 1
	out = [words(LEFT - 10, y + 14, one.label, 12, "end",
		     RED if one.over else INK)]
	for figure, colour, top in ((one.stock, GREY, 2), (one.own, BLUE, 11)):
		if figure is None:
			continue
		length = BAR * figure / full
		out.append(box(LEFT, y + top, length, 8, colour))
		out.append(words(LEFT + length + 4, y + top + 8,
				 benchtable.number(figure, one.unit), 9))
	if one.limit is not None:
		x = LEFT + BAR * one.limit / full
		out.append(line(x, y, x, y + 21, RED, 1.5))
	return out


def curve(points, x, y, width, height, top, colour):
	"""A line through (label, figure) points, with the labels below."""
	step = width / max(len(points) - 1, 1)
	places = [(x + i * step, y + height - height * figure / top)
		  for i, (_, figure) in enumerate(points)]
	out = ['<polyline points="%s" fill="none" stroke="%s" '
	       'stroke-width="2"/>' %
	       (" ".join("%.1f,%.1f" % place for place in places), colour)]
	out += [words(x + i * step, y + height + 14, label, 10, "middle")
		for i, (label, _) in enumerate(points)]
	return out


def growth(title, names, stock, own, x, y):
	"""How the cost of a fixed 2 MiB goes with size or number of slots."""
	width, height = 340, 90
	both = [[(name.rsplit("_", 1)[1], figures[name]) for name in names
		 if name in figures] for figures in (stock, own)]
	top = max([figure for one in both for _, figure in one], default=0)
	if not top:
		return []
	out = [words(x, y - 8, title, 12),
	       line(x, y + height, x + width, y + height, INK),
	       words(x - 4, y + 8, "%dk" % (top / 1000), 9, "end")]
	for points, colour in zip(both, (GREY, BLUE)):
		if points:
			out += curve(points, x, y, width, height, top, colour)
	return out


def legend(y):
	return [box(LEFT, y, 14, 8, GREY), words(LEFT + 18, y + 8, "in-tree"),
		box(LEFT + 80, y, 14, 8, BLUE), words(LEFT + 98, y + 8, "ours"),
		line(LEFT + 150, y - 3, LEFT + 150, y + 12, RED, 1.5),
		words(LEFT + 156, y + 8, "limit; a bar beyond it has a red name")]


def chosen(rows):
	"""Rows worth a bar: of the indented ones only what a limit is for."""
	out = []
	parent = ""
	for one in rows:
		if not one.label.startswith(" "):
			parent = one.label.replace(": total", "")
		elif one.limit is None:
			continue
		else:
			one = one._replace(label="%s: %s" % (
				parent, one.label.strip().split(",")[0]))
		if not one.unit:
			out.append(one)
	return out


def draw(title, rows, stock, own):
	"""The picture's text."""
	shown = chosen(rows)
	out = [words(20, 28, title, 16)] + legend(44)
	y = 70
	for one in shown:
		out += bars(one, y)
		y += STEP
	y += 40
	panels = [("unmapping 2 MiB against slot size",
		   benchtable.series("unmap", "size", benchtable.SIZES)),
		  ("aging 2 MiB against slot size",
		   benchtable.series("age", "size", benchtable.SIZES)),
		  ("unmapping 2 MiB against number of slots",
		   benchtable.series("unmap", "slots", benchtable.SLOTS)),
		  ("aging 2 MiB against number of slots",
		   benchtable.series("age", "slots", benchtable.SLOTS))]
	for i, (name, names) in enumerate(panels):
		out += growth(name, names, stock, own, 80 + (i % 2) * 450,
			      y + (i // 2) * 150)
	y += 300
	return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
		'font-family="sans-serif">\n%s\n%s\n</svg>\n' %
		(WIDTH, y, box(0, 0, WIDTH, y, "#ffffff"), "\n".join(out)))
