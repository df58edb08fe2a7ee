# SPDX-License-Identifier: GPL-2.0-only
"""A disk with what guests boot: a stock kernel, an initramfs, a boot sector.

The sources are in tests/qemu; the disk is made once per kernel and contents.
"""

import hashlib
import pathlib
import shutil

from . import cpio, initramfs, kernels, suites, util

SOURCE = util.REPO / "tests" / "qemu"
MODULES = ["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net",
	   "virtio_balloon"]
NAMES = ("guest-init.sh", "load.c", "sector.S")


def key_of(kernel):
	parts = [(SOURCE / name).read_bytes() for name in NAMES]
	parts += [pathlib.Path(__file__).read_bytes(),
		  initramfs.BUSYBOX.read_bytes(), kernel.release.encode()]
	digest = hashlib.sha256()
	for part in parts:
		digest.update(hashlib.sha256(part).digest())
	return digest.hexdigest()[:10]


def archive(kernel, load):
	"""The guest's initramfs, uncompressed: a guest unpacks it faster."""
	out = cpio.Archive()
	for folder in ("proc", "sys", "dev", "tmp"):
		out.folder(folder)
	out.node("dev/console", 5, 1)
	out.node("dev/null", 1, 3)
	out.file("bin/busybox", initramfs.BUSYBOX.read_bytes(), 0o755)
	for name in util.output([initramfs.BUSYBOX, "--list"]).split():
		if name != "busybox":
			out.link("bin/" + name, "busybox")
	out.file("bin/load", load.read_bytes(), 0o755)
	out.file("init", (SOURCE / "guest-init.sh").read_bytes(), 0o755)
	tree = initramfs.ModuleTree(kernel)
	names = []
	for wanted in MODULES:
		# What a module needs is named behind it, the deepest last.
		for path in reversed(tree.closure([wanted])):
			name = initramfs.module_name(path) + ".ko"
			if name not in names:
				names.append(name)
				out.file("modules/" + name, tree.read(path))
	out.file("modules/list", "".join(name + "\n"
					 for name in names).encode())
	return out.bytes()


def sector(work):
	"""The boot disk: the sector, and another whose bytes it adds up."""
	util.host_packages(["binutils"])
	middle = work / "sector.o"
	util.output(["as", "--32", "-o", middle, SOURCE / "sector.S"])
	util.output(["ld", "-m", "elf_i386", "-Ttext=0x7c00",
		     "--oformat=binary", "-o", work / "sector.bin", middle])
	util.remove(middle)
	data = (work / "sector.bin").read_bytes()
	second = hashlib.sha256(data).digest() * 16
	(work / "sector.img").write_bytes((data + second).ljust(1 << 20, b"\0"))
	util.remove(work / "sector.bin")
	(work / "sector.sum").write_text("%d\n" % sum(second))


def program(folder):
	"""The static program `load`, for guests and for who asks them."""
	util.host_packages(["gcc", "libc6-dev"])
	target = folder / "load"
	util.output(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
		     "-static", "-pthread", "-s", "-o", target,
		     SOURCE / "load.c"])
	return target


def image(kernel):
	"""The disk for a kernel as guest, made on first use; its path.

	For a kernel that was built from source it is its suite's stock one.
	"""
	if kernel.variant:
		kernel = kernels.resolve(suites.stock_of(kernel.name))
	folder = util.cache() / "qemu"
	folder.mkdir(exist_ok=True)
	path = folder / ("guest-%s-%s.img" % (kernel.release, key_of(kernel)))
	if path.exists():
		return path
	with util.locked("guest-" + kernel.release):
		if not path.exists():
			for old in folder.glob("guest-%s-??????????.img" %
					       kernel.release):
				util.remove(old)
			make(kernel, path)
	return path


def make(kernel, path):
	util.host_packages(["busybox-static", "e2fsprogs"])
	disk = path.with_suffix(".partial")
	with util.partial(path.with_suffix(".tree")) as making:
		work = making.path
		making.ok = False
		load = program(work)
		(work / "initramfs").write_bytes(archive(kernel, load))
		sector(work)
		shutil.copy(kernel.vmlinux, work / "vmlinux")
		shutil.copy(kernel.bzimage, work / "bzImage")
		(work / "release").write_text(kernel.release + "\n")
		size = sum(one.stat().st_size for one in work.iterdir()) >> 20
		util.remove(disk)
		with open(disk, "wb") as out:
			out.truncate(size + 16 << 20)
		util.output(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-O",
			     "^has_journal", "-d", work, disk])
		disk.rename(path)


class Here:
	"""The running kernel, as far as archive() asks for one."""

	def __init__(self, release):
		self.release = release
		self.modules = pathlib.Path("/lib/modules") / release
