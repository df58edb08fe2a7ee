# SPDX-License-Identifier: GPL-2.0-only
"""Talking to a running QEMU: its control socket, and interrupts it has lost.

QEMU loses an interrupt now and then (docs/lab.md): the local APIC holds it, and
nobody tells the CPU, which sleeps or runs its guest for ever.  Revival looks for
that, and announces such an interrupt anew.  The APIC has it already, so a CPU that
does not take it for a reason of its own, or of our modules, still does not.
"""

import json
import re
import socket
import time

from . import util

# Both sockets are in the run's folder, where QEMU starts: their names are short.
WORDS = ["-qmp", "unix:qmp,server=on,wait=off",
	 "-qtest", "unix:qtest,server=on,wait=off", "-qtest-log", "none"]

# Seconds without output until a look, and between looks.
PATIENCE = 1
ROW = re.compile(r"^(ISR|IRR)\s+(.*)$", re.M)
MSI = 0xfee00000
LEVEL = 0xc000		# level-triggered, asserted


def connect(path, child):
	"""A socket of QEMU's, which is there soon after it has started."""
	link = socket.socket(socket.AF_UNIX)
	deadline = time.monotonic() + 60
	while True:
		try:
			link.connect(str(path))
			return link
		except OSError:
			if child.poll() is not None or \
			   time.monotonic() > deadline:
				raise util.LabError("QEMU did not start."
						    ) from None
			time.sleep(0.01)


class Qmp:
	"""QEMU's control socket."""

	def __init__(self, path, child):
		self.socket = connect(path, child)
		self.lines = self.socket.makefile("r")
		self.lines.readline()
		self.ask("qmp_capabilities")

	def ask(self, command, **arguments):
		text = json.dumps({"execute": command, "arguments": arguments})
		self.socket.sendall(text.encode() + b"\n")
		while True:
			line = self.lines.readline()
			if not line:
				raise util.LabError("QEMU ended during %s." %
						    command)
			answer = json.loads(line)
			if "return" in answer:
				return answer["return"]
			if "error" in answer:
				raise util.LabError("QEMU refuses %s: %s" % (
					command, answer["error"]["desc"]))

	def wait(self, command, field, wanted, failed=()):
		"""Poll until a field of an answer has the wanted value."""
		while True:
			value = self.ask(command).get(field)
			if value == wanted:
				return
			if value in failed:
				raise util.LabError("QEMU's %s ended as %s." %
						    (command, value))
			time.sleep(0.01)

	def person(self, command, cpu):
		"""What the monitor for people prints, about one CPU."""
		return self.ask("human-monitor-command", **{
			"command-line": command, "cpu-index": cpu})


def pending(text):
	"""(vector, MSI data) a local APIC would deliver now, or None."""
	rows = {name: [(int(one.group(1)), one.group(2)) for one in
		       re.finditer(r"(\d+)(\(level\))?", rest)]
		for name, rest in ROW.findall(text)}
	if not rows.get("IRR"):
		return None
	vector, level = max(rows["IRR"])
	if rows.get("ISR") and max(rows["ISR"])[0] >> 4 >= vector >> 4:
		return None
	return vector, vector | (LEVEL if level else 0)


class Revival:
	"""Watches one machine; look() is called while nothing is heard of it."""

	def __init__(self, folder, child, cpus):
		self.folder = folder
		self.child = child
		self.cpus = cpus
		self.links = None
		self.before = {}
		self.told = False

	def look(self):
		"""Announce what two looks in a row have found waiting."""
		try:
			self.compare()
		except (util.LabError, OSError):
			# It is ending just now, and whoever waits for it will see; or
			# too busy to answer, and a late answer is no use.
			self.forget()

	def forget(self):
		self.before = {}
		if self.links:
			self.links[0].lines.close()
			self.links[0].socket.close()
			self.links[1].close()
		self.links = None

	def compare(self):
		if self.links is None:
			self.links = (Qmp(self.folder / "qmp", self.child),
				      connect(self.folder / "qtest", self.child))
			# The time limit of the run is watched by who calls.
			self.links[0].socket.settimeout(10)
			self.links[1].settimeout(10)
		now = {}
		for cpu in range(self.cpus):
			text = self.links[0].person("info lapic", cpu)
			now[cpu] = pending(text)
			if now[cpu] and now[cpu] == self.before.get(cpu):
				self.announce(cpu, *now[cpu])
		self.before = now

	def announce(self, cpu, vector, data):
		asleep = "HLT=1" in self.links[0].person("info registers", cpu)
		self.links[1].sendall(b"writel %#x %#x\n" %
				      (MSI | cpu << 12, data))
		self.links[1].recv(64)
		if self.told or not asleep:
			return
		self.told = True
		util.say("CPU %d slept through interrupt %d, which QEMU had lost; "
			 "it is announced anew (docs/lab.md)" % (cpu, vector))
