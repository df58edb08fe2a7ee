# SPDX-License-Identifier: GPL-2.0-only
"""Booted AMD machines kept in the cache, waiting for a job.

A machine is stopped where its init waits for a job on ttyS1.  What a job needs
comes on a disk whose contents the waiting machine has not looked at, so one
snapshot serves every job.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

from . import amd, console, control, initramfs, util

# The disk has one size for ever: the machine has read it before the snapshot.
DISK = 64 << 20
# Probing for partitions reads the beginning of the disk, and the guest keeps
# what it read: the job lies well behind it.
OFFSET = 1 << 20
READY = b"\x1eREADY\x1e"
KEEP = 12


def usable(machine):
	"""Snapshots serve the plain machine; the rest boots for itself."""
	return (machine.vendor == "amd" and not machine.icount and
		not machine.append and not machine.disks and
		not machine.shell and not machine.cold)


def folder_of(machine):
	binary = os.stat(shutil.which("qemu-system-x86_64"))
	text = repr((amd.command(machine, "initrd", "console"),
		     initramfs.base(machine.kernel).name, DISK, OFFSET,
		     binary.st_size, binary.st_mtime_ns))
	key = hashlib.sha256(text.encode()).hexdigest()[:10]
	return util.cache() / "snapshots" / ("%s-%d-%d-%s" % (
		machine.kernel.release, machine.smp, machine.mem, key))


def words(machine, initrd, folder, disk):
	return util.with_parent(
		amd.command(machine, initrd, folder / "console.log") +
		control.WORDS +
		["-drive", "file=%s,if=none,id=job,format=raw,cache=unsafe" %
		 disk, "-device", "virtio-blk-pci,drive=job"])


def start(command, folder):
	# The socket's name must be short: it is relative to the run's folder.
	return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE,
				stdout=subprocess.PIPE,
				stderr=open(folder / "emulator.log", "wb"))


def make(machine, target, folder):
	"""Boot, wait for the machine to be ready, save it."""
	disk = folder / "job.img"
	with open(disk, "wb") as image:
		image.truncate(DISK)
	child = start(words(machine, initramfs.base(machine.kernel), folder,
			    disk), folder)
	try:
		os.set_blocking(child.stdout.fileno(), False)
		deadline = time.monotonic() + 60 * machine.kernel.scale
		seen = b""
		while READY not in seen:
			if child.poll() is not None or \
			   time.monotonic() > deadline:
				return False
			seen += child.stdout.read() or b""
			time.sleep(0.02)
		qmp = control.Qmp(folder / "qmp", child)
		qmp.ask("stop")
		with util.partial(target) as making:
			qmp.ask("migrate-set-parameters",
				**{"max-bandwidth": 1 << 40})
			qmp.ask("migrate", uri="exec:cat >'%s'" %
				(making.path / "state"))
			qmp.wait("query-migrate", "status", "completed",
				 ("failed", "cancelled"))
			shutil.copy(folder / "console.log", making.path)
			text = (making.path / "console.log").read_text(
				errors="replace")
			# A machine that is not well from the start is booted
			# by each run, which then reports it.
			making.ok = not console.splat(text)
		return target.exists()
	finally:
		child.kill()
		child.wait()


def ready(machine, folder):
	"""The snapshot for a machine, made if nobody else is at it; or None."""
	if not usable(machine):
		return None
	target = folder_of(machine)
	if not target.exists():
		locks = util.cache() / "locks"
		locks.mkdir(exist_ok=True)
		with open(locks / ("snapshot-" + target.name), "a") as lock:
			try:
				fcntl.flock(lock, fcntl.LOCK_EX |
					    fcntl.LOCK_NB)
			except BlockingIOError:
				return None
			if not target.exists() and \
			   not make(machine, target, folder):
				give_up(target, folder)
		prune(target.parent)
	if not (target / "state").exists():
		return None
	os.utime(target)
	return target


def give_up(target, folder):
	"""Remember that this machine cannot be saved, so that runs just boot."""
	util.say("no snapshot of %s can be made, runs boot afresh (delete %s to "
		 "try again)" % (target.name, target))
	with util.partial(target) as making:
		shutil.copy(folder / "console.log", making.path)


def prune(parent):
	for _, one in util.by_age(parent)[:-KEEP]:
		util.remove(one)


def resume(machine, snapshot, job, folder):
	"""Wake a snapshot with a job archive; the running child, or None."""
	if len(job) > DISK - OFFSET:
		return None
	disk = folder / "job.img"
	with open(disk, "wb") as image:
		image.truncate(DISK)
		image.seek(OFFSET)
		image.write(job)
	command = words(machine, initramfs.base(machine.kernel), folder, disk)
	child = start(command + ["-incoming", "exec:cat '%s'" %
				 (pathlib.Path(snapshot) / "state")], folder)
	try:
		qmp = control.Qmp(folder / "qmp", child)
		qmp.wait("query-status", "status", "paused", ("shutdown",))
		qmp.ask("cont")
		blocks = -(-len(job) // 4096)
		child.stdin.write(b"%d %d\n" % (OFFSET // 4096, blocks))
		child.stdin.flush()
	except (util.LabError, OSError):
		child.kill()
		child.wait()
		return None
	return child
