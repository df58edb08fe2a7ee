# SPDX-License-Identifier: GPL-2.0-only
"""Kernels built from a suite's linux-source: debug kernels, kernels without KVM.

A variant is a small configuration, put together from the fragments in config/,
and built once in its suite's root.  The build's folder stays there: it is what
our modules are then built against.
"""

import hashlib
import os
import pathlib
import re

from . import roots, suites, util

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ["flex", "bison", "libelf-dev", "binutils"]

# Inside the suite's root.
SOURCES = "/build/source"
PLACE = "/build/linux"

UNPACK = """set -e
[ ! -d {folder} ] || exit 0
rm -rf {folder}.partial
mkdir -p {folder}.partial
tar -C {folder}.partial --strip-components=1 -xf /usr/src/{package}.tar.xz
mv {folder}.partial {folder}
"""

# The last word of the output is the release.
CONFIGURE = """set -e
cd {source}
make -s O={out} KCONFIG_ALLCONFIG={out}/fragments allnoconfig
make -s O={out} kernelrelease
"""

# The PVH entry's C code (enlighten.c, and memcmp() of string.c) runs before
# there is shadow memory and before a CPU knows its own data: nothing may
# instrument it.  A vmlinux without its symbols is what the emulators load;
# kallsyms stay.
BARE_OBJECTS = " ".join("%s_SANITIZE_%s.o=n" % (tool, name)
			for tool in ("KASAN", "KCSAN", "UBSAN")
			for name in ("enlighten", "string"))
COMPILE = """set -e
cd {out}
make -j{jobs} {bare} vmlinux modules
objcopy -S vmlinux vmlinux.lab
rm -rf install
make -s INSTALL_MOD_PATH={out}/install modules_install
"""


def fragments(name):
	"""The whole wanted configuration of a variant, as text."""
	variant = suites.VARIANTS[name]
	text = "".join((HERE / "config" / (one + ".config")).read_text()
		       for one in variant.fragments)
	# The release then ends in the variant's name: 6.1.190-debug.
	return text + ("CONFIG_LOCALVERSION=\"-%s\"\n"
		       "# CONFIG_LOCALVERSION_AUTO is not set\n" %
		       name.partition("-")[2])


def digest(name):
	text = fragments(name) + suites.VARIANTS[name].package + \
		COMPILE + BARE_OBJECTS
	return hashlib.sha256(text.encode()).hexdigest()[:12]


def wishes(text):
	"""(option, value or None, needed) of every line of the fragments.

	A line that ends in " ?" is a wish about an option that not every kernel
	has: it must not have another value, but may be missing.
	"""
	found = {}
	for line in text.splitlines():
		needed = not line.endswith(" ?")
		line = line if needed else line[:-2]
		match = re.fullmatch(r"(CONFIG_\w+)=(.+)", line)
		if match:
			value = match.group(2)
			found[match.group(1)] = (None if value == "n" else value,
						 needed)
			continue
		match = re.fullmatch(r"# (CONFIG_\w+) is not set", line)
		if match:
			found[match.group(1)] = (None, needed)
	return [(name, *rest) for name, rest in found.items()]


def verify(name, config):
	"""Complain when a .config is not what the fragments ask for."""
	have = dict(re.findall(r"^(CONFIG_\w+)=(.+)$", config, re.M))
	wrong = []
	for option, value, needed in wishes(fragments(name)):
		got = have.get(option)
		if got != value and (needed or got is not None):
			wrong.append("%s is %s instead of %s" % (
				option, got or "n", value or "n"))
	if wrong:
		raise util.LabError("The configuration of %s cannot be had from "
				    "this source: %s. Correct the fragments in "
				    "scripts/lablib/config." %
				    (name, "; ".join(wrong)))


def source(variant):
	"""The unpacked source inside the root, fetched on first use."""
	roots.ready(variant.suite)
	roots.add(variant.suite, [variant.package] + PACKAGES)
	version = util.output([
		"dpkg-query", "--admindir=%s/var/lib/dpkg" %
		roots.path(variant.suite), "-W", "-f", "${Version}",
		variant.package])
	folder = "%s/%s" % (SOURCES, version.replace(":", "-"))
	roots.run(variant.suite, "unpacking " + variant.package,
		  ["sh", "-c", UNPACK.format(folder=folder,
					     package=variant.package)])
	return folder, version


def inside(variant, place):
	"""A path of the root as the machine sees it."""
	return roots.path(variant.suite) / place[1:]


def configure(name, variant, folder):
	"""Make and check the .config; the folder of the build and its release."""
	out = "%s/%s" % (PLACE, name)
	place = inside(variant, out)
	place.mkdir(parents=True, exist_ok=True)
	(place / "fragments").write_text("".join(
		line[:-2] + "\n" if line.endswith(" ?") else line + "\n"
		for line in fragments(name).splitlines()))
	what = "configuring " + name
	roots.run(variant.suite, what, ["sh", "-c", CONFIGURE.format(
		source=folder, out=out)])
	verify(name, (place / ".config").read_text())
	release = util.log_of(what).read_text().split()[-1]
	return out, release


def collect(variant, out, release, folder):
	"""Arrange a built kernel as the stock ones are arranged."""
	place = inside(variant, out)
	(place / "vmlinux.lab").rename(folder / "vmlinux")
	(folder / "config").write_bytes((place / ".config").read_bytes())
	modules = folder / "lib/modules" / release
	modules.parent.mkdir(parents=True)
	util.output(["cp", "-a", place / "install/lib/modules" / release,
		     modules])
	for name in ("build", "source"):
		util.remove(modules / name)
	util.host_packages(["kmod"])
	util.output(["/sbin/depmod", "-b", folder, release])
	util.remove(place / "install")


def build(name):
	"""Build a variant into the cache; what resolve() keeps about it."""
	util.need_root("Building the kernel " + name)
	variant = suites.VARIANTS[name]
	with util.locked("source-" + variant.package):
		folder, version = source(variant)
	out, release = configure(name, variant, folder)
	roots.run(variant.suite, "building kernel %s" % name,
		  ["nice", "-n", "10", "sh", "-c", COMPILE.format(
			  out=out, bare=BARE_OBJECTS, jobs=os.cpu_count() or 2)])
	with util.partial(util.cache() / "kernels" / release) as making:
		collect(variant, out, release, making.path)
	return {"release": release, "version": version, "headers": out,
		"fragments": digest(name)}


def usable(name, data):
	"""Is what was built earlier still what would be built now?"""
	variant = suites.VARIANTS[name]
	return (data.get("fragments") == digest(name) and
		(inside(variant, data["headers"]) / "Module.symvers").exists())
