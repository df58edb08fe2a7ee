# SPDX-License-Identifier: GPL-2.0-only
"""Cache folder, messages, locks, and long commands with progress."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import time

REPO = pathlib.Path(__file__).resolve().parents[2]


class LabError(Exception):
	"""A failure a person must read: one sentence with cause and cure."""


def say(text):
	print("lab: " + text, file=sys.stderr, flush=True)


def cache():
	"""The folder that keeps everything worth keeping between runs."""
	path = os.environ.get("KVM_SWAP_CACHE")
	if not path:
		if os.geteuid() == 0:
			path = "/var/cache/kvm-swap"
		else:
			path = os.path.expanduser("~/.cache/kvm-swap")
	path = pathlib.Path(path).absolute()
	try:
		path.mkdir(parents=True, exist_ok=True)
	except OSError as error:
		raise LabError("The cache folder %s cannot be made (%s): set "
			       "KVM_SWAP_CACHE." % (path, error)) from None
	if not os.access(path, os.W_OK):
		raise LabError("The cache folder %s is not yours to write: run "
			       "as root or set KVM_SWAP_CACHE." % path)
	return path


def need_root(what):
	if os.geteuid() != 0:
		raise LabError("%s needs root: run it as root once, later runs "
			       "only use the cache." % what)


@contextlib.contextmanager
def locked(name):
	"""Hold a machine-wide lock; another lab run making the same thing waits."""
	folder = cache() / "locks"
	folder.mkdir(exist_ok=True)
	path = folder / name.replace("/", "_")
	with open(path, "a") as lock:
		try:
			fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
		except BlockingIOError:
			say("waiting for another run that is making %s" % name)
			fcntl.flock(lock, fcntl.LOCK_EX)
		yield


def unmount_below(path):
	"""Undo what an interrupted root left mounted; never delete through it."""
	with open("/proc/self/mountinfo") as mounts:
		points = [line.split()[4] for line in mounts]
	inside = str(path.resolve()) + "/"
	for point in reversed(points):
		if point.startswith(inside):
			output(["umount", "-l", point])


def remove(path):
	"""Delete a file or folder, whether or not it exists."""
	path = pathlib.Path(path)
	if path.is_dir() and not path.is_symlink():
		unmount_below(path)
		# Another run may be deleting the same.
		while path.is_dir():
			try:
				shutil.rmtree(path)
			except FileNotFoundError:
				pass
	else:
		path.unlink(missing_ok=True)


def by_age(folder):
	"""(time of the last change, path) of what is in a folder, oldest first."""
	found = []
	for path in folder.iterdir():
		try:
			found.append((path.stat().st_mtime, path))
		except FileNotFoundError:
			pass
	return sorted(found)


class Partial:
	"""A folder in the making; ok=False drops it instead of keeping it."""

	def __init__(self, path):
		self.path = path
		self.ok = True


@contextlib.contextmanager
def partial(final):
	"""Make X.partial, become X only on success."""
	final = pathlib.Path(final)
	work = Partial(final.with_name(final.name + ".partial"))
	remove(work.path)
	work.path.mkdir(parents=True)
	yield work
	if work.ok:
		remove(final)
		work.path.rename(final)
	else:
		remove(work.path)


def last_line(path):
	with open(path, "rb") as log:
		log.seek(max(0, os.path.getsize(path) - 400))
		lines = log.read().decode("utf-8", "replace").split("\n")
	lines = [line.strip() for line in lines if line.strip()]
	return lines[-1][:70] if lines else ""


def tail(path, count=15):
	with open(path, errors="replace") as log:
		return "".join(log.readlines()[-count:])


def log_of(what):
	"""Where slow() keeps the output of the command it calls `what`."""
	folder = cache() / "log"
	folder.mkdir(exist_ok=True)
	return folder / ("".join(c if c.isalnum() or c in "-." else "-"
				 for c in what) + ".log")


def with_parent(command):
	"""Words for a child that does not outlive the lab, however it ends."""
	return ["setpriv", "--pdeathsig", "KILL"] + list(command)


def contained(command):
	"""Words for a command whose processes and mounts all end with it."""
	return with_parent(["unshare", "--mount", "--pid", "--fork",
			    "--kill-child", "--mount-proc"] + list(command))


def slow(what, command, env=None, cwd=None, check=True, contain=False):
	"""Run a long command, output to a log file, a sign of life every 10 s.

	contain: kill it and all it started when the lab is interrupted; without,
	it is asked to end, which a package manager wants.
	"""
	if contain:
		command = contained(command)
	log = log_of(what)
	start = time.monotonic()
	say(what + " ...")
	with open(log, "wb") as out:
		child = subprocess.Popen([str(word) for word in command],
					 stdin=subprocess.DEVNULL, stdout=out,
					 stderr=subprocess.STDOUT, env=env, cwd=cwd)
		try:
			while True:
				try:
					status = child.wait(timeout=10)
					break
				except subprocess.TimeoutExpired:
					say("%s: %d s, %s" % (what,
						time.monotonic() - start,
						last_line(log)))
		except BaseException:
			if contain:
				child.kill()
			else:
				child.terminate()
			child.wait()
			raise
	if status and check:
		raise LabError("%s failed (status %d); the whole log is in %s, "
			       "its end:\n%s" % (what, status, log, tail(log)))
	return status


def output(command, **kwargs):
	"""Output of a quick command as text; fails with its own message."""
	done = subprocess.run([str(word) for word in command],
			      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
			      text=True, **kwargs)
	if done.returncode:
		raise LabError("`%s` failed: %s" % (" ".join(map(str, command)),
						    done.stderr.strip()))
	return done.stdout


def host_packages(packages):
	"""Install Debian packages on the machine itself where they are missing."""
	query = subprocess.run(["dpkg-query", "-W", "-f",
				"${Package} ${db:Status-Abbrev}\n"] + packages,
			       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
			       text=True)
	have = [line.split()[0] for line in query.stdout.splitlines()
		if line.split()[1:] == ["ii"]]
	missing = [name for name in packages if name not in have]
	if not missing:
		return
	need_root("Installing %s" % " ".join(missing))
	env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
	install = ["apt-get", "install", "-y", "--no-install-recommends"] + missing
	with locked("host-packages"):
		what = "installing " + " ".join(missing)
		if slow(what, install, env=env, check=False):
			slow("refreshing the package index",
			     ["apt-get", "update"], env=env, check=False)
			slow(what, install, env=env)
