# SPDX-License-Identifier: GPL-2.0-only
"""The Bochs emulator: built once from Debian's source, packaged as fallback."""

import hashlib
import os
import pathlib
import re
import subprocess

from . import suites, util

# Newest first; the index of each suite names upstream tarball and checksum.
SOURCES = ("trixie", "bookworm")

CONFIGURE = """--enable-cpu-level=6 --enable-x86-64 --enable-vmx=2 --enable-svm
	--enable-avx --enable-evex --enable-protection-keys
	--enable-all-optimizations --enable-repeat-speedups
	--enable-fast-function-calls --enable-handlers-chaining
	--disable-debugger --disable-plugins --disable-docbook --enable-pci
	--enable-cdrom --enable-configurable-msrs --with-nogui --with-term
	--without-x --without-x11 --disable-show-ips""".split()
# Switches older releases do not know; configure merely warns about them.
CONFIGURE += ["--enable-cet", "--enable-uintr", "--enable-perfmon"]

BUILD_PACKAGES = ["g++", "make", "libncurses-dev", "xz-utils"]
ROM_PACKAGES = ["bochsbios", "vgabios"]
BIOS = pathlib.Path("/usr/share/bochs/BIOS-bochs-latest")
VGABIOS = pathlib.Path("/usr/share/vgabios/vgabios.bin")


def machine_id():
	"""The build uses -march=native: a cache on another CPU builds again."""
	with open("/proc/cpuinfo") as text:
		found = [line for line in text
			 if line.startswith(("model name", "flags"))]
	return hashlib.sha256("".join(found[:2]).encode()).hexdigest()[:8]


def source_of(suite):
	"""(version, tarball name, sha256) from the suite's source index."""
	index = suites.Index(suite)
	index.refresh()
	text = util.output(["apt-cache"] + index.options() +
			   ["showsrc", "--only-source", "bochs"])
	version = re.search(r"^Version: (\S+)", text, re.M)
	sums = re.findall(r"^ ([0-9a-f]{64}) \d+ (bochs_\S+\.orig\.tar\.\w+)$",
			  text, re.M)
	if not version or not sums:
		return None
	return version.group(1), sums[0][1], sums[0][0]


def fetch(suite, folder):
	"""The verified upstream tarball, or None when the mirror lacks it.

	A missing .dsc makes apt-get fail after it has fetched the rest, so it
	is the checksum, not apt-get's status, that decides.
	"""
	found = source_of(suite)
	if not found:
		return None
	version, name, checksum = found
	index = suites.Index(suite)
	util.slow("downloading the source of bochs " + version,
		  ["apt-get"] + index.options() + ["source", "--download-only",
		   "--only-source", "bochs=" + version], cwd=folder,
		  check=False)
	tarball = folder / name
	if not tarball.exists():
		return None
	data = tarball.read_bytes()
	if hashlib.sha256(data).hexdigest() != checksum:
		util.say("%s does not match the checksum in the index" % name)
		return None
	return tarball


def build(target, smp):
	"""Compile into target; False when no source can be had."""
	util.host_packages(BUILD_PACKAGES)
	with util.partial(target) as making:
		for suite in SOURCES:
			tarball = fetch(suite, making.path)
			if tarball:
				break
		else:
			making.ok = False
			return False
		source = making.path / "source"
		source.mkdir()
		util.output(["tar", "-C", source, "--strip-components=1", "-xf",
			     tarball])
		env = dict(os.environ, CFLAGS="-O3 -march=native",
			   CXXFLAGS="-O3 -march=native")
		util.slow("configuring bochs", ["./configure"] + CONFIGURE +
			  (["--enable-smp"] if smp else []), env=env,
			  cwd=source)
		util.slow("compiling bochs (once, about five minutes)",
			  ["nice", "make", "-j%d" % (os.cpu_count() or 2)],
			  env=env, cwd=source)
		(source / "bochs").rename(making.path / "bochs")
		util.remove(source)
		for path in making.path.glob("bochs_*"):
			util.remove(path)
	return True


def target_folder(smp):
	return util.cache() / ("bochs-%s%s" % (machine_id(),
					       "-smp" if smp else ""))


def binary(smp=False):
	"""(path, packaged): the emulator to run; built on first use."""
	util.host_packages(ROM_PACKAGES)
	target = target_folder(smp)
	if not (target / "bochs").exists():
		with util.locked(target.name):
			if not (target / "bochs").exists() and \
			   not build_or_say(target, smp):
				util.host_packages(["bochs", "bochs-term"])
				return pathlib.Path("/usr/bin/bochs"), True
	return target / "bochs", False


def build_or_say(target, smp):
	try:
		if build(target, smp):
			return True
		util.say("no Bochs source can be downloaded: the packaged "
			 "Bochs is used, which is two to four times slower")
	except util.LabError as error:
		util.say("building Bochs failed, the packaged one (two to four "
			 "times slower) is used: %s" % error)
	return False


def version(path):
	text = subprocess.run([str(path), "--help"], stdout=subprocess.PIPE,
			      stderr=subprocess.STDOUT, text=True).stdout
	found = re.search(r"Bochs x86 Emulator (\S+)", text)
	return found.group(1) if found else "of unknown version"
