# SPDX-License-Identifier: GPL-2.0-only
"""Boot a machine, run one job in it, tell its output, status and health."""

import collections
import os
import secrets
import selectors
import shutil
import subprocess
import sys
import time

from . import amd, console, control, initramfs, intel, kernels, snapshot, util

TIMEOUT = 124
NO_STATUS = 97
LOAD_FAILED = 98
SPLAT = 99

Result = collections.namedtuple("Result", "status splat console output seconds")


# Intel's first disk is the one it boots from.
DISK_MODULES = {"amd": ["virtio_pci", "virtio_blk"],
		"intel": ["ata_piix", "sd_mod"]}
DISK_NAMES = {"amd": ["vd" + letter for letter in "abcdefghijklmnop"],
	      "intel": ["sdb", "sdc", "sdd"]}


class Machine:
	"""Everything that describes one run; see scripts/lab run --help."""

	def __init__(self, vendor, kernel, modules=None, stock=False,
		     flavour="amd64", smp=1, mem=None, icount=False, append="",
		     disks=(), cpu_model=None, extra_modules=(), load=True,
		     shell=False, cold=False, numa=1, parallel=False):
		if modules is None and not stock:
			raise util.LabError("A machine needs a folder with "
					    "modules or stock=True.")
		if modules and not os.path.exists(os.path.join(modules,
							       "kvm.ko")):
			raise util.LabError("%s holds no kvm.ko: name a folder "
					    "that scripts/lab build printed."
					    % modules)
		self.vendor = vendor
		self.kernel = kernels.resolve(kernel, flavour)
		self.modules = modules
		self.smp = smp
		self.mem = mem or self.kernel.mem
		self.icount = icount
		self.append = append
		self.disks = list(disks)
		self.cpu_model = cpu_model
		self.extra_modules = list(extra_modules)
		self.load = load
		self.shell = shell
		self.cold = cold
		self.numa = numa
		self.parallel = parallel
		if not 1 <= numa <= 8 or self.mem < 128 * numa:
			raise util.LabError("--numa takes 1 to 8 nodes of at "
					    "least 128 MB each.")

	def settings(self, nonce):
		wanted = list(self.extra_modules)
		if self.disks:
			wanted += DISK_MODULES[self.vendor]
		tree = initramfs.ModuleTree(self.kernel)
		wanted = [name for name in wanted
			  if initramfs.canonical(name) in tree.paths]
		vendor = "kvm-" + self.vendor
		return {"LAB_NONCE": nonce,
			"LAB_MODULES": " ".join(wanted + ([vendor] if self.load
							  else [])),
			"LAB_UNLOAD": vendor.replace("-", "_") + " kvm",
			"LAB_DISKS": " ".join(DISK_NAMES[self.vendor]
					      [:len(self.disks)]),
			"LAB_SHELL": "1" if self.shell else "",
			"LAB_SCALE": str(self.kernel.scale),
			"LAB_VENDOR": self.vendor}


class Tape:
	"""Job output as it comes, with init's closing mark taken out of it."""

	def __init__(self, nonce, sink):
		self.mark = b"\x1eLAB " + nonce.encode() + b" "
		self.pending = b""
		self.sink = sink
		self.kept = []
		self.status = None
		self.news = False

	def heard(self):
		"""Has anything come since the last time this was asked?"""
		news, self.news = self.news, False
		return news

	def put(self, data):
		if data:
			self.kept.append(data)
			if self.sink:
				self.sink(data)

	def feed(self, data):
		self.news = self.news or bool(data)
		self.pending += data
		found = self.pending.find(self.mark)
		if found >= 0:
			end = self.pending.find(b"\x1e", found + len(self.mark))
			if end < 0:
				return
			self.put(self.pending[:found])
			self.status = int(self.pending[found + len(self.mark):
						       end])
			self.pending = b""
			return
		safe = len(self.pending)
		for size in range(min(len(self.mark) - 1, safe), 0, -1):
			if self.pending.endswith(self.mark[:size]):
				safe -= size
				break
		self.put(self.pending[:safe])
		self.pending = self.pending[safe:]

	def close(self):
		self.put(self.pending)
		self.pending = b""


class Follow:
	"""Reads a file as it grows."""

	def __init__(self, path):
		self.path = path
		self.file = None

	def more(self):
		if self.file is None:
			if not self.path.exists():
				return b""
			self.file = open(self.path, "rb")
		return self.file.read()


def run_folder():
	"""A folder for one run; only the newest failures are kept."""
	parent = util.cache() / "run"
	parent.mkdir(exist_ok=True)
	for changed, one in util.by_age(parent)[:-30]:
		if time.time() - changed > 3600:
			util.remove(one)
	folder = parent / ("%d-%s" % (os.getpid(), secrets.token_hex(3)))
	folder.mkdir()
	return folder


def stop(child):
	if child.poll() is None:
		child.kill()
	child.wait()


def watch(child, tape, log, nonce, timeout, verbose, output=None, revival=None):
	"""Follow a machine until it ends; True when the time ran out."""
	deadline = time.monotonic() + timeout
	quiet = time.monotonic() + control.PATIENCE
	end = b"lab: end " + nonce.encode()
	tail = b""
	selector = selectors.DefaultSelector()
	if output is None:
		os.set_blocking(child.stdout.fileno(), False)
		selector.register(child.stdout, selectors.EVENT_READ)
	while True:
		if output is None:
			if selector.select(0.05):
				data = child.stdout.read()
				if data:
					tape.feed(data)
				elif data == b"":
					time.sleep(0.02)
		else:
			time.sleep(0.05)
			tape.feed(output.more())
		text = log.more()
		if text or tape.heard():
			quiet = time.monotonic() + control.PATIENCE
		elif revival and time.monotonic() > quiet:
			revival.look()
			quiet = time.monotonic() + control.PATIENCE
		if text and verbose:
			sys.stderr.write(text.decode("utf-8", "replace"))
			sys.stderr.flush()
		tail = (tail + text)[-4096:]
		if tape.status is not None and end in tail:
			return False
		if child.poll() is not None:
			if output is None:
				tape.feed(child.stdout.read() or b"")
			else:
				tape.feed(output.more())
			return False
		if time.monotonic() > deadline:
			return True


def prepare(machine, script, files, nonce):
	"""The pieces of this run's initramfs: shared base, the job's own."""
	return [initramfs.base(machine.kernel),
		initramfs.job(machine.kernel, machine.settings(nonce), script,
			      files, machine.modules, machine.extra_modules)]


def start_amd(machine, pieces, folder):
	saved = snapshot.ready(machine, folder)
	child = saved and snapshot.resume(machine, saved, pieces[1], folder)
	if child:
		return child, None, (saved / "console.log").read_text(
			errors="replace")
	initrd = folder / "initrd.cpio"
	with open(initrd, "wb") as out:
		with open(pieces[0], "rb") as source:
			shutil.copyfileobj(source, out, 1 << 20)
		out.write(pieces[1])
	child = subprocess.Popen(util.with_parent(
		amd.command(machine, initrd, folder / "console.log") +
		control.WORDS), cwd=folder, stdin=subprocess.DEVNULL,
				 stdout=subprocess.PIPE,
				 stderr=open(folder / "emulator.log", "wb"))
	return child, None, ""


def start_intel(machine, pieces, folder):
	words, debugger = intel.command(machine, pieces, folder)
	child = subprocess.Popen(util.with_parent(words), cwd=folder, stdin=subprocess.PIPE,
				 stdout=open(folder / "emulator.log", "wb"),
				 stderr=subprocess.STDOUT)
	if debugger:
		# Debian's build stops at its debugger's prompt first.
		child.stdin.write(b"c\n")
		child.stdin.flush()
	return child, Follow(folder / "output"), ""


def run(machine, script, files=(), timeout=None, sink=None, verbose=False):
	"""Run one job; sink(bytes) is called with its output as it comes."""
	if timeout is None:
		timeout = machine.kernel.scale * (
			300 if machine.vendor == "intel" else 120)
	nonce = secrets.token_hex(8)
	pieces = prepare(machine, script, files, nonce)
	folder = run_folder()
	log = folder / "console.log"
	tape = Tape(nonce, sink)
	start = time.monotonic()
	if machine.vendor == "amd":
		amd.packages()
	begin = start_intel if machine.vendor == "intel" else start_amd
	child, output, boot = begin(machine, pieces, folder)
	if verbose:
		sys.stderr.write(boot)
	revival = None
	if machine.vendor == "amd" and not machine.icount:
		revival = control.Revival(folder, child, machine.smp)
	try:
		late = watch(child, tape, Follow(log), nonce, timeout, verbose,
			     output, revival)
		note_signal(child, folder)
	finally:
		stop(child)
	tape.close()
	text = boot
	if log.exists():
		text += log.read_text(errors="replace")
		log.write_text(text)
	return conclude(folder, tape, text, late, time.monotonic() - start)


def note_signal(child, folder):
	"""An emulator that crashed says nothing itself."""
	code = child.poll()
	if code is not None and code < 0:
		with open(folder / "emulator.log", "a") as log:
			log.write("the emulator was killed by signal %d\n" % -code)


def conclude(folder, tape, text, late, seconds):
	"""Turn what was seen into a Result; keep the folder of a failed run."""
	found = console.splat(text)
	status = tape.status
	if found:
		status = SPLAT
	elif late:
		status = TIMEOUT
	elif status is None:
		status = NO_STATUS
	if status:
		for name in ("initrd.cpio", "boot.img", "job.img", "qmp", "qtest"):
			util.remove(folder / name)
	else:
		util.remove(folder)
	return Result(status, found, text, b"".join(tape.kept), seconds), folder


def explain(result, folder):
	"""One sentence for the status codes that are the lab's own."""
	log = folder / "console.log"
	if result.splat:
		util.say("the host is not well: \"%s\"; the whole console is "
			 "in %s" % (result.splat, log))
	elif result.status == TIMEOUT:
		util.say("the time limit was reached; the console is in %s "
			 "(raise --timeout if the job is honestly slow)" % log)
	elif result.status == NO_STATUS:
		error = folder / "emulator.log"
		util.say("the machine stopped before the job ended; the "
			 "console is in %s, the emulator said: %s" %
			 (log, util.tail(error, 2).strip() or "nothing"))
	elif result.status == LOAD_FAILED:
		lines = [line for line in result.console.splitlines()
			 if "lab: " in line][-3:]
		util.say("the modules could not be loaded: %s" %
			 " / ".join(lines))


def shell(machine, files):
	"""An interactive shell on the machine's console (AMD only)."""
	if machine.vendor == "intel":
		raise util.LabError("The Intel machine has no interactive "
				    "console: use --vendor amd, or a job.")
	amd.packages()
	folder = run_folder()
	pieces = prepare(machine, None, files, "shell")
	initrd = folder / "initrd.cpio"
	initrd.write_bytes(pieces[0].read_bytes() + pieces[1])
	util.say("Ctrl-A X ends the machine")
	try:
		return subprocess.call(amd.command(machine, initrd, None))
	finally:
		util.remove(folder)
