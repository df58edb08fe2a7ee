# SPDX-License-Identifier: GPL-2.0-only
"""Our modules, built for a stock kernel in that kernel's own distribution."""

import hashlib
import os
import pathlib
import re
import shutil

from . import kernels, roots, util

# What the build reads; everything else in the checkout cannot change it.
SOURCES = ("Makefile", "configure", "dkms.conf", "kmod", "include", "compat")
# A change below these means that configure has to look again.
PROBED = ("configure", "compat/probes")
LOG = "build.log"
MADE = "generated/config.mk"
PRODUCT = re.compile(r"(?:\.o|\.ko|\.mod|\.mod\.c|\.cmd|\.d|\.order|\.symvers|"
		     r"\.partial|~|\.swp)$")


def files(checkout):
	"""{relative name: contents} of everything the build reads."""
	found = {}
	for top in SOURCES:
		path = checkout / top
		if path.is_file():
			found[top] = path.read_bytes()
			continue
		for folder, folders, names in os.walk(path):
			folders.sort()
			for name in sorted(names):
				one = pathlib.Path(folder) / name
				if PRODUCT.search(name) or not one.is_file():
					continue
				found[str(one.relative_to(checkout))] = \
					one.read_bytes()
	return found


def digest(contents, prefixes=("",)):
	total = hashlib.sha256()
	for name in sorted(contents):
		if name.startswith(tuple(prefixes)):
			total.update(name.encode() + b"\0")
			total.update(hashlib.sha256(contents[name]).digest())
	return total.hexdigest()[:16]


def sync(contents, checkout, target, manifest):
	"""Make target hold exactly these sources, touching only what differs.

	Build products stay, so that a rebuild compiles only what changed.
	"""
	old = manifest.read_text().split("\n") if manifest.exists() else []
	for name in old:
		if name and name not in contents:
			util.remove(target / name)
	for name, data in contents.items():
		path = target / name
		mode = (checkout / name).stat().st_mode
		if path.exists() and path.read_bytes() == data:
			continue
		path.parent.mkdir(parents=True, exist_ok=True)
		path.write_bytes(data)
		path.chmod(mode & 0o777)
	manifest.write_text("\n".join(contents))


def variables(words):
	for word in words:
		if not re.match(r"[A-Za-z_][A-Za-z0-9_]*=", word):
			raise util.LabError("--make wants VAR=VALUE, not %s." %
					    word)
	return list(words)


def key_of(checkout, words, kernel):
	text = "\0".join([str(checkout)] + sorted(words))
	# A kernel of our own keeps its release when its configuration changes.
	if kernel.variant:
		text += (kernel.folder / "config").read_text()
	return hashlib.sha256(text.encode()).hexdigest()[:8]


def modules(kernel_name, flavour="amd64", words=(), checkout=util.REPO):
	"""The folder with kvm.ko, kvm-amd.ko, kvm-intel.ko for a kernel.

	Built when the sources changed since the last time; words are extra make
	variables and have a build folder of their own.
	"""
	checkout = pathlib.Path(checkout).resolve()
	words = variables(words)
	for name in ("configure", "Makefile"):
		if not (checkout / name).exists():
			raise util.LabError("There is no %s in %s, so our "
					    "modules cannot be built; --stock "
					    "uses the in-tree ones." %
					    (name, checkout))
	kernel = kernels.resolve(kernel_name, flavour)
	root = kernels.with_headers(kernel)
	place = "%s/%s" % (kernel.release, key_of(checkout, words, kernel))
	parent = util.cache() / "modules" / place
	out = parent / digest(files(checkout))
	if (out / LOG).exists():
		os.utime(out)
		return out
	util.need_root("Building the modules")
	with util.locked("build-" + place):
		# Read again: while waiting for the lock the sources may have
		# changed, or somebody may have built them.
		contents = files(checkout)
		out = parent / digest(contents)
		if not (out / LOG).exists():
			compile_in(kernel, root, place, contents, checkout,
				   words, out)
	return out


def compile_in(kernel, root, place, contents, checkout, words, out):
	inside = "/build/" + place
	target = root / inside[1:] / "src"
	# What warned must warn again, although it need not be compiled again.
	warned = target.parent / "warned"
	if warned.exists():
		util.remove(target.parent)
	target.mkdir(parents=True, exist_ok=True)
	sync(contents, checkout, target, target.parent / "manifest")
	probes = digest(contents, PROBED)
	stamp = target.parent / "configured"
	if not stamp.exists() or stamp.read_text() != probes:
		util.remove(stamp)
		# An unchanged answer keeps its date; make must not ask again.
		step(kernel, inside, "configuring",
		     "./configure --kernel-dir=%s; [ ! -e %s ] || touch %s" %
		     (kernel.headers, MADE, MADE))
		stamp.write_text(probes)
	for path in target.rglob("*.ko"):
		path.unlink()
	log = step(kernel, inside, "building", "nice make -j%d %s" %
		   (os.cpu_count() or 2, " ".join(map(quoted, words))))
	if b"warning:" in log.read_bytes():
		warned.touch()
	built = sorted(target.rglob("*.ko"))
	if not built:
		raise util.LabError("The build for %s made no modules; its log "
				    "is in %s." % (kernel.release,
						   util.cache() / "log"))
	with util.partial(out) as making:
		for path in built:
			shutil.copy(path, making.path / path.name)
		shutil.copy(log, making.path / LOG)
	prune(out.parent)


def step(kernel, inside, verb, command):
	what = "%s %s" % (verb, inside[len("/build/"):])
	roots.run(kernel.suite, what,
		  ["sh", "-ec", "cd %s/src; %s" % (inside, command)])
	return util.log_of(what)


def quoted(word):
	return "'" + word.replace("'", "'\\''") + "'"


def prune(folder, keep=4):
	"""Older builds of the same thing go; the newest few stay for races."""
	old = [one for _, one in util.by_age(folder)
	       if not one.name.endswith(".partial")]
	for one in old[:-keep]:
		util.remove(one)
