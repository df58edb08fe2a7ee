# SPDX-License-Identifier: GPL-2.0-only
"""A disk with a distribution's own QEMU, for use inside its lab machine.

One ext4 image per suite, made once: QEMU with its libraries and firmware as
that distribution ships them, and what guests boot from besides the lab's own
kernels: memtest86+ and the Debian installer.
"""

import hashlib
import pathlib
import shutil
import subprocess

from . import roots, suites, util

PACKAGES = ["qemu-system-x86", "qemu-system-common", "qemu-system-data",
	    "seabios", "ipxe-qemu", "ovmf"]
# Suites that have a newer QEMU for who asks for it by the distribution's name.
RELEASE = {"trixie-backports": "trixie-backports"}
# What guests boot, the same for all suites: package, files, names on the disk.
PAYLOADS = [
	("memtest86+", {"boot/memtest86+x64.bin": "memtest.bin"}),
	("debian-installer-12-netboot-amd64", {
		"usr/lib/debian-installer/images/12/amd64/text/debian-installer/"
		"amd64/linux": "installer-linux",
		"usr/lib/debian-installer/images/12/amd64/text/debian-installer/"
		"amd64/initrd.gz": "installer-initrd.gz"}),
]
PAYLOAD_SUITE = "bookworm"
PROGRAM = "usr/bin/qemu-system-x86_64"
# Folders that a job mounts its own things on.
MOUNTED = ["proc", "sys", "dev", "tmp", "lab", "etc", "run", "guest", "payload"]
# Firmware of other machines, and what only a person reads.
USELESS = ("usr/share/doc/", "usr/share/man/", "usr/share/icons/",
	   "usr/share/applications/", "usr/share/lintian/", "usr/share/bug/",
	   "usr/lib/systemd/", "usr/share/locale/", "usr/bin/",
	   "usr/share/qemu/opensbi", "usr/share/qemu/skiboot",
	   "usr/share/qemu/edk2-")


def installed(suite, package):
	text = subprocess.run(
		["dpkg-query", "--admindir=%s/var/lib/dpkg" % roots.path(suite),
		 "-W", "-f", "${db:Status-Abbrev}${Version}", package],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
		text=True).stdout
	return text[3:] if text.startswith("ii ") else None


def install(suite):
	"""The suite's newest QEMU in its root."""
	roots.ready(suite)
	roots.add(suite, PACKAGES)
	if suite in RELEASE:
		with util.locked("root-" + suite):
			roots.run(suite, suite + " root: newest QEMU",
				  ["apt-get", "-y", "--no-install-recommends",
				   "-t", RELEASE[suite], "install"] + PACKAGES)


def listed(suite):
	"""Files of the packages, as paths without the leading slash."""
	text = util.output(["dpkg-query", "--admindir=%s/var/lib/dpkg" %
			    roots.path(suite), "-L"] + PACKAGES)
	return [line[1:] for line in text.splitlines()
		if line.startswith("/") and not line[1:].startswith(USELESS)]


def libraries(suite, programs):
	"""Paths of the shared libraries that programs of a root load."""
	found = []
	for name in programs:
		done = subprocess.run(roots.enter(roots.path(suite),
						  ["ldd", "/" + name]),
				      stdout=subprocess.PIPE,
				      stderr=subprocess.DEVNULL, text=True,
				      env=roots.environment())
		for line in done.stdout.splitlines():
			for word in line.split():
				if word.startswith("/") and word not in found:
					found.append(word)
	return [path[1:] for path in found]


def resolve(root, name):
	"""name inside root with the links of a merged /usr followed."""
	head, _, rest = name.partition("/")
	if head in ("lib", "lib64", "bin", "sbin") and (root / head).is_symlink():
		return str(pathlib.Path((root / head).readlink()) / rest)
	return name


def copy(root, tree, name):
	"""Copy one file or link, and what the link leads to."""
	source = root / name
	target = tree / name
	if target.exists() or target.is_symlink() or source.is_dir() and \
	   not source.is_symlink():
		return
	target.parent.mkdir(parents=True, exist_ok=True)
	if not source.is_symlink():
		shutil.copy2(source, target)
		return
	link = source.readlink()
	target.symlink_to(link)
	inside = link.relative_to("/") if link.is_absolute() else \
		pathlib.Path(name).parent / link
	real = pathlib.Path(shutil.os.path.normpath(inside))
	if (root / real).exists():
		copy(root, tree, resolve(root, str(real)))


def payloads(tree):
	"""What guests boot from, out of the packages that carry it."""
	index = suites.Index(PAYLOAD_SUITE)
	index.refresh()
	work = tree.with_name(tree.name + "-payload")
	for package, files in PAYLOADS:
		util.remove(work)
		work.mkdir()
		for version in index.versions(package):
			deb = index.download(package, version, work)
			if deb:
				break
		else:
			raise util.LabError("The mirror has no %s of Debian %s."
					    % (package, PAYLOAD_SUITE))
		util.output(["dpkg-deb", "-x", deb, work])
		for source, name in files.items():
			if not (work / source).exists():
				raise util.LabError("%s no longer holds %s." %
						    (package, source))
			shutil.copy(work / source, tree / "payload" / name)
	util.remove(work)


def fill(suite, tree):
	"""QEMU with all it needs, copied out of the suite's root."""
	root = roots.path(suite)
	for name in MOUNTED:
		(tree / name).mkdir(parents=True)
	for name in ("bin", "lib", "lib64", "sbin"):
		if (root / name).is_symlink():
			(tree / name).symlink_to((root / name).readlink())
	names = [PROGRAM] + [resolve(root, name) for name in listed(suite)]
	loaded = [name for name in names
		  if name == PROGRAM or name.endswith(".so")]
	for name in names + [resolve(root, one)
			     for one in libraries(suite, loaded)]:
		# An absolute link of the root leads nowhere out here.
		if (root / name).is_symlink() or (root / name).exists():
			copy(root, tree, name)
	shutil.copy(root / "etc/ld.so.cache", tree / "etc")
	(tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
	payloads(tree)
	(tree / "payload/qemu-version").write_text(
		installed(suite, "qemu-system-x86") + "\n")


def image(kernel):
	"""The image for a kernel's suite, made on first use; its path."""
	suite = kernel.suite
	folder = util.cache() / "qemu"
	folder.mkdir(exist_ok=True)
	key = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
	path = folder / ("%s-%s.img" % (suite, key[:10]))
	if path.exists():
		return path
	util.need_root("Making the %s disk with QEMU" % suite)
	with util.locked("qemu-" + suite):
		if not path.exists():
			util.host_packages(["e2fsprogs"])
			install(suite)
			for old in folder.glob(suite + "-??????????.img"):
				util.remove(old)
			make(suite, path)
	return path


def make(suite, path):
	work = path.with_suffix(".partial")
	tree = path.with_suffix(".tree.partial")
	util.remove(tree)
	util.remove(work)
	tree.mkdir()
	try:
		fill(suite, tree)
		size = int(util.output(["du", "-sm", tree]).split()[0])
		with open(work, "wb") as disk:
			disk.truncate(size + size // 8 + 32 << 20)
		util.slow("making the %s disk with QEMU (%d MB)" % (suite, size),
			  ["mke2fs", "-q", "-t", "ext4", "-m", "0", "-O",
			   "^has_journal", "-d", tree, work])
		work.rename(path)
	finally:
		util.remove(tree)
