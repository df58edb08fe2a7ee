# SPDX-License-Identifier: GPL-2.0-only
"""One Debian root per suite: headers, compiler, dkms, sparse, QEMU."""

import shutil
import subprocess

from . import suites, util

BASE = ["ca-certificates", "gcc", "make", "libc6-dev", "kmod", "perl", "bc",
	"xz-utils", "zstd", "cpio", "libelf1", "patch"]
# Wanted, but a suite may lack one: each is installed by itself.
EXTRA = ["dkms", "sparse", "python3-minimal", "busybox-static", "qemu-system-x86"]

# A private mount namespace: the mounts vanish with the process, however it
# ends.  /dev is a fresh tmpfs, so nothing inside can change the host's nodes.
ENTER = r"""
set -e
root=$1; shift
mount --make-rprivate /
while [ "$1" != -- ]; do
	mkdir -p "$root$2"
	mount --bind "$1" "$root$2"
	shift 2
done
shift
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
	: >"$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs shm "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
exec chroot "$root" "$@"
"""


def path(suite):
	return util.cache() / "roots" / suite


def enter(root, command, binds=()):
	"""Words that run a command inside a root with its own mounts.

	binds: (folder of the machine, folder inside) pairs.
	"""
	words = [str(word) for pair in binds for word in pair]
	return ["unshare", "--mount", "--pid", "--fork", "--kill-child",
		"sh", "-c", ENTER, "lab-root", str(root)] + words + ["--"] + \
		list(command)


def environment():
	return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
		"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}


def run(suite, what, command, check=True):
	return util.slow(what, enter(path(suite), command), env=environment(),
			 check=check, contain=True)


def pick_sources(index):
	"""The sources.list that the private index was fetched with."""
	return (index.folder / "sources.list").read_text()


def create(suite, index, root):
	util.need_root("Making the %s root" % suite)
	util.host_packages(["mmdebstrap", "debian-archive-keyring"])
	lists = root.with_name(root.name + ".list")
	root.parent.mkdir(parents=True, exist_ok=True)
	lists.write_text("".join(line + "\n" for line in
				 pick_sources(index).splitlines()
				 if line.startswith("deb ")))
	options = []
	for word in suites.apt_options() + ["APT::Install-Recommends=false",
					    "APT::Sandbox::User=root"]:
		key, _, value = word.partition("=")
		options += ["--aptopt=%s \"%s\";" % (key, value)]
	with util.partial(root) as making:
		work = making.path
		status = util.slow("making the %s root with mmdebstrap" % suite,
			["mmdebstrap", "--variant=apt", "--architectures=amd64",
			 "--mode=root", "--include=" + ",".join(BASE)] +
			options + [index.suite.base, work, lists], check=False,
			contain=True)
		if status:
			second_way(index, work, options)
		for name in ("resolv.conf", "hosts"):
			shutil.copy("/etc/" + name, work / "etc" / name)
		(work / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
		(work / "usr/sbin/policy-rc.d").chmod(0o755)
	lists.unlink()


def second_way(index, work, options):
	"""debootstrap when mmdebstrap cannot; security updates come after."""
	util.host_packages(["debootstrap"])
	util.remove(work)
	lines = pick_sources(index).splitlines()
	uri = lines[0].split()[1]
	util.slow("making the %s root with debootstrap" % index.suite.name,
		  ["debootstrap", "--variant=minbase", index.suite.base, work,
		   uri], contain=True)
	(work / "etc/apt/sources.list").write_text(
		"".join(line + "\n" for line in lines
			if line.startswith("deb ")))
	(work / "etc/apt/apt.conf.d/99lab").write_text(
		"".join(word[len("--aptopt="):] + "\n" for word in options))
	for what, words in (("update", ["update"]),
			    ("upgrade", ["-y", "upgrade"]),
			    ("base packages", ["-y", "install"] + BASE)):
		util.slow("%s root: %s" % (index.suite.name, what),
			  enter(work, ["apt-get"] + words), env=environment(),
			  contain=True)


def add(suite, packages, check=True):
	"""Install packages inside a root; remembers what is there."""
	root = path(suite)
	query = subprocess.run(
		["dpkg-query", "--admindir=%s/var/lib/dpkg" % root, "-W", "-f",
		 "${Package} ${db:Status-Abbrev}\n"] + list(packages),
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
	have = [line.split()[0] for line in query.stdout.splitlines()
		if line.split()[1:] == ["ii"]]
	missing = [name for name in packages if name not in have]
	if not missing:
		return True
	util.need_root("Installing %s in the %s root" % (" ".join(missing), suite))
	with util.locked("root-" + suite):
		what = "%s root: %s" % (suite, " ".join(missing))
		install = ["apt-get", "-y", "--no-install-recommends", "install"]
		if run(suite, what, install + missing, check=False) == 0:
			return True
		run(suite, suite + " root: apt-get update",
		    ["apt-get", "update"], check=False)
		return run(suite, what, install + missing, check=check) == 0


def ready(suite, extra=False):
	"""The suite's root, made on first use; extra adds dkms, sparse, QEMU."""
	root = path(suite)
	if not root.is_dir():
		with util.locked("root-" + suite):
			if not root.is_dir():
				index = suites.Index(suite)
				index.refresh()
				create(suite, index, root)
	if extra:
		for package in EXTRA:
			if not add(suite, [package], check=False):
				util.say("%s has no installable %s; what needs "
					 "it will say so" % (suite, package))
	return root
