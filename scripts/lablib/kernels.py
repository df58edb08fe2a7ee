# SPDX-License-Identifier: GPL-2.0-only
"""Kernels: newest point release, its headers, its vmlinux and modules."""

import functools
import gzip
import json
import lzma
import re
import shutil
import struct
import subprocess

from . import roots, suites, util, variants


class Kernel:
	"""One kernel of one flavour; see resolve()."""

	def __init__(self, name, flavour, release, version, headers=None):
		self.name = name
		self.flavour = flavour
		self.release = release
		self.version = version
		self.headers = headers or "/usr/src/linux-headers-" + release
		self.suite = suites.suite_of(name)
		self.variant = suites.VARIANTS.get(name)
		self.folder = util.cache() / "kernels" / release

	vmlinux = property(lambda self: self.folder / "vmlinux")
	bzimage = property(lambda self: self.folder / "bzImage")
	modules = property(lambda self: self.folder / "lib/modules" /
			   self.release)
	# How much longer things take than on a stock kernel; memory a machine
	# gets; what the command line always says.
	scale = property(lambda self: self.variant.scale if self.variant else 1)
	mem = property(lambda self: self.variant.mem if self.variant else 1024)
	append = property(lambda self: self.variant.append
			  if self.variant else "")


def suffix(flavour):
	return {"cloud": "cloud-amd64", "amd64": "amd64",
		"rt": "rt-amd64"}[flavour]


def releases(name, flavour, index):
	"""(release, package version) with headers and image, newest first."""
	prefix = suites.KERNELS[name][1]
	names = set(index.names("^linux-(headers|image)-[0-9].*" +
				suffix(flavour) + "$"))
	found = []
	for package in names:
		release = package[len("linux-headers-"):]
		if not package.startswith("linux-headers-" + prefix) or \
		   not re.fullmatch(r"[0-9.]+(-[0-9]+|\+[a-z0-9.]+)-" +
				    suffix(flavour), release) or \
		   "linux-image-" + release not in names:
			continue
		versions = index.versions(package)
		if versions:
			found.append((release, versions[0]))
	order = functools.cmp_to_key(
		lambda a, b: -1 if suites.newer(a[1], b[1]) else 1)
	return sorted(found, key=order)


def unpack_payload(bzimage, vmlinux):
	"""Take the ELF out of a bzImage (boot protocol: payload_offset)."""
	data = bzimage.read_bytes()
	if data[0x202:0x206] != b"HdrS":
		raise util.LabError("%s is not a bzImage." % bzimage)
	setup = (data[0x1f1] or 4) + 1
	offset, length = struct.unpack_from("<II", data, 0x248)
	payload = data[setup * 512 + offset:setup * 512 + offset + length]
	if payload[:6] == b"\xfd7zXZ\0":
		elf = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
	elif payload[:2] == b"\x1f\x8b":
		elf = gzip.decompress(payload[:-4])
	elif payload[:4] == b"\x28\xb5\x2f\xfd":
		elf = filtered(["zstd", "-dcq"], payload[:-4])
	elif payload[:4] == b"\x02\x21\x4c\x18":
		elf = filtered(["lz4", "-dcq"], payload[:-4])
	else:
		raise util.LabError("%s is compressed in a way the lab does not "
				    "know." % bzimage)
	if elf[:4] != b"\x7fELF":
		raise util.LabError("%s holds no ELF kernel." % bzimage)
	vmlinux.write_bytes(elf)


def filtered(command, data):
	util.host_packages([command[0]])
	return subprocess.run(command, input=data, stdout=subprocess.PIPE,
			      check=True).stdout


def image_packages(index, release, version):
	"""The image and the packages the 7.x split moved its parts to."""
	packages = [("linux-image-" + release, version)]
	for package in index.depends(*packages[0]):
		if release in package:
			packages.append((package, index.versions(package)[0]))
	return packages


def fetch_image(index, release, version, folder):
	"""Download and unpack a kernel; False when the mirror lacks a part."""
	debs = folder / "debs"
	debs.mkdir()
	seen = []
	todo = image_packages(index, release,
			      index.versions("linux-image-" + release)[0])
	while todo:
		package, wanted = todo.pop(0)
		if package in seen:
			continue
		seen.append(package)
		deb = index.download(package, wanted, debs)
		if not deb:
			return False
		util.output(["dpkg-deb", "-x", deb, folder])
		todo += [(name, index.versions(name)[0])
			 for name in index.depends(package, wanted)
			 if release in name and index.versions(name)]
	util.remove(debs)
	return True


def arrange(folder, release):
	"""bzImage, vmlinux, lib/modules/RELEASE with depmod's tables."""
	if (folder / "usr/lib/modules").is_dir():
		source = folder / "usr/lib/modules" / release
		target = folder / "lib/modules" / release
		target.parent.mkdir(parents=True, exist_ok=True)
		if not target.exists():
			source.rename(target)
	modules = folder / "lib/modules" / release
	images = [folder / "boot" / ("vmlinuz-" + release), modules / "vmlinuz"]
	image = [one for one in images if one.exists()][0]
	shutil.copy(image, folder / "bzImage")
	for config in (folder / "boot" / ("config-" + release),
		       modules / "config"):
		if config.exists():
			shutil.copy(config, folder / "config")
	unpack_payload(folder / "bzImage", folder / "vmlinux")
	for junk in ("usr", "boot", "etc"):
		util.remove(folder / junk)
	util.host_packages(["kmod"])
	util.output(["/sbin/depmod", "-b", folder, release])


def resolved_file(name, flavour):
	folder = util.cache() / "kernels"
	folder.mkdir(exist_ok=True)
	return folder / ("%s-%s.json" % (name, flavour))


def cached(name, flavour):
	"""The kernel chosen earlier, or None."""
	chosen = resolved_file(name, flavour)
	if not chosen.exists():
		return None
	data = json.loads(chosen.read_text())
	if name in suites.VARIANTS and not variants.usable(name, data):
		return None
	kernel = Kernel(name, flavour, data["release"], data["version"],
			data.get("headers"))
	return kernel if kernel.vmlinux.exists() else None


def resolve(name, flavour="amd64"):
	"""The kernel called name: downloaded or built on first use."""
	if name not in suites.NAMES:
		raise util.LabError("No kernel is called %s: use one of %s." %
				    (name, ", ".join(suites.NAMES)))
	if name in suites.VARIANTS and flavour != "amd64":
		raise util.LabError("Kernel %s has no flavours." % name)
	kernel = cached(name, flavour)
	if kernel:
		return kernel
	with util.locked("kernel-%s-%s" % (name, flavour)):
		if not cached(name, flavour):
			pick = built if name in suites.VARIANTS else choose
			pick(name, flavour)
		return cached(name, flavour)


def built(name, flavour):
	resolved_file(name, flavour).write_text(json.dumps(
		variants.build(name)))


def choose(name, flavour):
	index = suites.Index(suites.KERNELS[name][0])
	index.refresh()
	candidates = releases(name, flavour, index)
	for release, version in candidates:
		kernel = Kernel(name, flavour, release, version)
		with util.partial(kernel.folder) as work:
			work.ok = fetch_image(index, release, version, work.path)
			if work.ok:
				arrange(work.path, release)
		if not work.ok:
			util.say("the mirror lists %s but does not have it; "
				 "trying the next older one" % release)
			continue
		resolved_file(name, flavour).write_text(json.dumps(
			{"release": release, "version": version}))
		return
	raise util.LabError("Debian %s offers no downloadable kernel %s of "
			    "flavour %s: run `scripts/lab update`, or choose "
			    "another flavour." % (suites.KERNELS[name][0], name,
						  flavour))


def with_headers(kernel):
	"""The kernel's own root, with the matching headers installed."""
	roots.ready(kernel.suite)
	if not kernel.variant:
		roots.add(kernel.suite, ["linux-headers-" + kernel.release])
	return roots.path(kernel.suite)
