# SPDX-License-Identifier: GPL-2.0-only
"""The lab machine's file system: a base archive per kernel, one per job."""

import hashlib
import lzma
import pathlib
import subprocess

from . import cpio, util

BUSYBOX = pathlib.Path("/bin/busybox")
HERE = pathlib.Path(__file__).resolve().parent

# In every machine; whatever else a job wants is named with --module.
ALWAYS = ["kvm", "kvm-amd", "kvm-intel", "irqbypass", "ccp", "zram", "zsmalloc",
	  "lzo", "lzo-rle", "lz4", "virtio_pci", "virtio_blk",
	  "msr", "cpuid", "loop", "ext4", "ata_piix", "sd_mod"]


def canonical(name):
	return name.replace("-", "_")


def module_name(path):
	return canonical(path.split("/")[-1].split(".ko")[0])


class ModuleTree:
	"""The modules of one stock kernel, by name, with their dependencies."""

	def __init__(self, kernel):
		self.root = kernel.modules
		self.depends = {}
		self.paths = {}
		for line in (self.root / "modules.dep").read_text().splitlines():
			path, _, needs = line.partition(":")
			self.paths[module_name(path)] = path
			self.depends[path] = needs.split()

	def closure(self, names):
		"""Paths of the named modules and all they need; unknown ones skip."""
		found = []
		for name in names:
			path = self.paths.get(canonical(name))
			for one in [path] + self.depends[path] if path else []:
				if one not in found:
					found.append(one)
		return found

	def has(self, name):
		if canonical(name) in self.paths:
			return True
		builtin = (self.root / "modules.builtin").read_text().split()
		return canonical(name) in map(module_name, builtin)

	def read(self, path):
		"""Module contents, uncompressed."""
		data = (self.root / path).read_bytes()
		if path.endswith(".xz"):
			return lzma.decompress(data)
		if path.endswith(".zst"):
			util.host_packages(["zstd"])
			return subprocess.run(["zstd", "-dcq"], input=data,
					      stdout=subprocess.PIPE,
					      check=True).stdout
		if path.endswith(".gz"):
			return subprocess.run(["gzip", "-dc"], input=data,
					      stdout=subprocess.PIPE,
					      check=True).stdout
		return data


def plain(path):
	"""modules.dep spells the names as they are in the archive."""
	return path.split(".ko")[0] + ".ko"


def tables(archive, tree, release, chosen, own):
	"""modules.dep, .alias, .symbols for the chosen and our own modules."""
	where = "lib/modules/%s/" % release
	replaced = {canonical(name) for name in own}
	lines = []
	places = {canonical(name): "updates/dkms/%s.ko" % name for name in own}
	for path in chosen:
		if module_name(path) not in replaced:
			places[module_name(path)] = plain(path)
	for name in own:
		needs = []
		todo = list(own[name])
		while todo:
			one = todo.pop(0)
			if one in needs:
				continue
			needs.append(one)
			todo += own.get(one, [])
		missing = [one for one in needs if canonical(one) not in places]
		for one in missing:
			for path in tree.closure([one]):
				places.setdefault(module_name(path), plain(path))
		lines.append("%s: %s" % (places[canonical(name)], " ".join(
			places[canonical(one)] for one in needs
			if canonical(one) in places)))
	for path in chosen:
		if module_name(path) in replaced:
			continue
		lines.append("%s: %s" % (plain(path), " ".join(
			places.get(module_name(one), plain(one))
			for one in tree.depends[path])))
	archive.file(where + "modules.dep", ("\n".join(lines) + "\n").encode())
	for table in ("modules.alias", "modules.symbols"):
		text = (tree.root / table).read_text().splitlines()
		kept = [line for line in text if line.split()
			and canonical(line.split()[-1]) in places]
		archive.file(where + table, ("\n".join(kept) + "\n").encode())
	builtin = (tree.root / "modules.builtin").read_bytes()
	archive.file(where + "modules.builtin", builtin)


def base(kernel):
	"""The archive shared by all jobs on a kernel, made once; its path."""
	util.host_packages(["busybox-static"])
	init = (HERE / "init.sh").read_bytes()
	key = hashlib.sha256(init + pathlib.Path(__file__).read_bytes() +
			     BUSYBOX.read_bytes() +
			     " ".join(ALWAYS).encode()).hexdigest()[:12]
	path = kernel.folder / ("base-%s.cpio" % key)
	if path.exists():
		return path
	archive = cpio.Archive()
	for folder in ("proc", "sys", "dev", "tmp", "root", "mnt", "run", "etc",
		       "sbin", "usr", "var", "lab"):
		archive.folder(folder)
	archive.node("dev/console", 5, 1)
	archive.node("dev/null", 1, 3)
	archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
	for name in util.output([BUSYBOX, "--list"]).split():
		if name != "busybox":
			archive.link("bin/" + name, "busybox")
	archive.link("sbin/modprobe", "../bin/busybox")
	archive.link("usr/bin", "../bin")
	archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n"
		     b"nobody:x:65534:65534:nobody:/:/bin/false\n")
	archive.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
	archive.file("init", init, 0o755)
	tree = ModuleTree(kernel)
	chosen = tree.closure(ALWAYS)
	for module in chosen:
		archive.file("lib/modules/%s/%s" % (kernel.release,
						    plain(module)),
			     tree.read(module))
	tables(archive, tree, kernel.release, chosen, {})
	work = path.with_suffix(".partial")
	work.write_bytes(archive.bytes())
	work.rename(path)
	return path


def needs_of(module):
	text = util.output(["/sbin/modinfo", "-F", "depends", module]).strip()
	return [name for name in text.split(",") if name]


def job(kernel, settings, script, files, own=None, extra=()):
	"""The archive of one job.

	settings: shell variables for init; script: path of the job or None;
	files: (source, destination) pairs; own: folder with our modules.
	"""
	archive = cpio.Archive()
	tree = ModuleTree(kernel)
	chosen = tree.closure(ALWAYS)
	for name in extra:
		if not tree.has(name):
			raise util.LabError("Kernel %s has no module %s." %
					    (kernel.release, name))
	more = [one for one in tree.closure(extra) if one not in chosen]
	ours = {}
	if own:
		util.host_packages(["kmod"])
		for path in sorted(pathlib.Path(own).glob("*.ko")):
			ours[path.stem] = needs_of(path)
			archive.file("lib/modules/%s/updates/dkms/%s" %
				     (kernel.release, path.name),
				     path.read_bytes())
		for needs in ours.values():
			more += [one for one in tree.closure(
				 [n for n in needs if n not in ours])
				 if one not in chosen + more]
	for module in more:
		archive.file("lib/modules/%s/%s" % (kernel.release,
						    plain(module)),
			     tree.read(module))
	tables(archive, tree, kernel.release, chosen + more, ours)
	text = "".join("%s='%s'\n" % pair for pair in settings.items())
	archive.file("lab/settings", text.encode())
	if script:
		archive.file("lab/job", pathlib.Path(script).read_bytes(), 0o755)
	for source, destination in files:
		archive.copy(source, destination)
	return archive.bytes()
