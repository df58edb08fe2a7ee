# SPDX-License-Identifier: GPL-2.0-only
"""Which Debian suite each kernel name comes from, and the mirror they are on."""

import collections
import os
import subprocess

from . import util

Suite = collections.namedtuple("Suite", "name base dists")

# dists: (archive, distribution) pairs; the first is the base system.
SUITES = {
	"bullseye": Suite("bullseye", "bullseye", (
		("main", "bullseye"), ("security", "bullseye-security"))),
	"bookworm": Suite("bookworm", "bookworm", (
		("main", "bookworm"), ("security", "bookworm-security"))),
	"trixie": Suite("trixie", "trixie", (
		("main", "trixie"), ("security", "trixie-security"))),
	"trixie-backports": Suite("trixie-backports", "trixie", (
		("main", "trixie"), ("security", "trixie-security"),
		("main", "trixie-backports"))),
}

# Kernel name on the command line -> (suite, release prefix).
KERNELS = {
	"5.10": ("bullseye", "5.10."),
	"6.1": ("bookworm", "6.1."),
	"6.12": ("trixie", "6.12."),
	"7": ("trixie-backports", "7."),
}

# A kernel that is built from source: fragments of config/, the factor by which
# it is slower than a stock one, memory of its machine in MB, more kernel command line.
Variant = collections.namedtuple("Variant",
				 "suite package fragments scale mem append")


def checked(suite, package, *fragments):
	return Variant(suite, package, fragments, 8, 2048, "page_poison=1")


def plain(suite, package, *fragments):
	return Variant(suite, package, fragments, 1, 1024, "")


VARIANTS = {
	"6.1-debug": checked("bookworm", "linux-source-6.1",
			     "base", "kvm", "debug", "kasan"),
	"6.1-kcsan": checked("bookworm", "linux-source-6.1",
			     "base", "kvm", "debug", "kcsan"),
	"5.10-bare": plain("bullseye", "linux-source-5.10", "base", "bare",
			   "old"),
	"6.1-bare": plain("bookworm", "linux-source-6.1", "base", "bare"),
	"6.12-bare": plain("trixie", "linux-source-6.12", "base", "bare",
			   "modern"),
	"6.1-bare-debug": checked("bookworm", "linux-source-6.1",
				  "base", "bare", "debug", "kasan"),
}

NAMES = tuple(KERNELS) + tuple(VARIANTS)


def suite_of(name):
	return (VARIANTS[name].suite if name in VARIANTS
		else KERNELS[name][0])


def stock_of(name):
	"""The stock kernel of the suite that a kernel comes from."""
	return next(stock for stock, (suite, _) in KERNELS.items()
		    if suite == suite_of(name))


FLAVOURS = ("cloud", "amd64", "rt")


def targets():
	fields = "$(LABEL)\t$(REPO_URI)"
	text = util.output(["apt-get", "indextargets", "--format", fields,
			    "Created-By: Packages"])
	return [line.split("\t") for line in text.splitlines() if "\t" in line]


def mirrors():
	"""{'main': [uri...], 'security': [uri...]} from apt's own configuration."""
	rows = targets()
	if not rows:
		util.need_root("Refreshing the package index")
		util.slow("refreshing the package index", ["apt-get", "update"])
		rows = targets()
	main = [uri for label, uri in rows if label == "Debian"]
	security = [uri for label, uri in rows if label == "Debian-Security"]
	if not main:
		raise util.LabError("apt on this machine has no Debian archive "
				    "configured: add one to /etc/apt and run "
				    "apt-get update.")
	main = list(dict.fromkeys(uri.rstrip("/") for uri in main))
	security = list(dict.fromkeys(uri.rstrip("/") for uri in security))
	for uri in main:
		if uri.endswith("/debian"):
			security.append(uri + "-security")
	# Old releases move to an archive tree; try it after the normal place.
	for uri in list(main):
		main.append(uri[:-len("/debian")] + "/debian-archive/debian"
			    if uri.endswith("/debian") else uri)
	for uri in list(security):
		if uri.endswith("/debian-security"):
			security.append(uri[:-len("/debian-security")] +
					"/debian-archive/debian-security")
	return {"main": list(dict.fromkeys(main)),
		"security": list(dict.fromkeys(security))}


def apt_options():
	"""The machine's own acquire settings (proxy, date checks) as -o words."""
	words = []
	for line in util.output(["apt-config", "dump"]).splitlines():
		key, _, value = line.partition(" ")
		value = value.strip().rstrip(";").strip('"')
		keep = ("Acquire::http", "Acquire::https", "Acquire::Check",
			"Acquire::Retries", "Acquire::Languages")
		if key.startswith(keep) and value and not key.endswith("::"):
			words.append("%s=%s" % (key, value))
	words.append("Acquire::Retries=3")
	return words


class Index:
	"""A private apt index of one suite: lookups and downloads, no root needed."""

	def __init__(self, suite):
		self.suite = SUITES[suite]
		self.folder = util.cache() / "apt" / suite

	def options(self):
		root = self.folder
		words = ["Dir::Etc::sourcelist=%s/sources.list" % root,
			 "Dir::Etc::sourceparts=-", "Dir::Etc::main=-",
			 "Dir::Etc::parts=-", "Dir::Etc::preferences=-",
			 "Dir::Etc::preferencesparts=-",
			 "Dir::State=%s/state" % root,
			 "Dir::State::status=%s/status" % root,
			 "Dir::Cache=%s/cache" % root,
			 "APT::Sandbox::User=%s" % ("root" if os.geteuid() == 0
						    else ""),
			 "APT::Architecture=amd64", "APT::Architectures=amd64",
			 "Acquire::Languages=none"] + apt_options()
		return [part for word in words for part in ("-o", word)]

	def sources(self, pick):
		"""sources.list text; pick maps archive -> uri."""
		lines = []
		for archive, dist in self.suite.dists:
			for kind in ("deb", "deb-src"):
				lines.append("%s %s %s main" % (kind,
					pick[archive], dist))
		return "\n".join(lines) + "\n"

	def refresh(self, force=False):
		"""Fetch the index when there is none (or when forced)."""
		stamp = self.folder / "ready"
		if stamp.exists() and not force:
			return
		with util.locked("apt-" + self.suite.name):
			if stamp.exists() and not force:
				return
			self.fetch(stamp)

	def fetch(self, stamp):
		root = self.folder
		for name in ("state/lists/partial", "cache/archives/partial"):
			(root / name).mkdir(parents=True, exist_ok=True)
		(root / "status").touch()
		found = mirrors()
		tries = [(m, s) for m in found["main"]
			 for s in found["security"]]
		for main, security in tries:
			pick = {"main": main, "security": security}
			(root / "sources.list").write_text(self.sources(pick))
			if not util.slow("fetching the %s index" %
					 self.suite.name,
					 ["apt-get"] + self.options() +
					 ["-o", "APT::Update::Error-Mode=any",
					  "update"], check=False):
				stamp.touch()
				return
		if stamp.exists():
			util.say("the %s index cannot be refreshed, the cached "
				 "one is used" % self.suite.name)
			return
		raise util.LabError("No configured mirror serves Debian %s: add "
				    "a mirror that does to /etc/apt." %
				    self.suite.name)

	def names(self, pattern):
		"""Package names matching an apt regular expression."""
		text = util.output(["apt-cache"] + self.options() +
				   ["search", "--names-only", pattern])
		return sorted(line.split(" ", 1)[0]
			      for line in text.splitlines())

	def versions(self, package):
		"""Versions of a package in the index, newest first."""
		text = util.output(["apt-cache"] + self.options() +
				   ["madison", package])
		found = []
		for line in text.splitlines():
			columns = [word.strip() for word in line.split("|")]
			if columns[0] == package and columns[1] not in found \
			   and "Packages" in columns[2]:
				found.append(columns[1])
		return found

	def depends(self, package, version):
		"""Plain names in the Depends field."""
		text = util.output(["apt-cache"] + self.options() +
				   ["show", "%s=%s" % (package, version)])
		for line in text.splitlines():
			if line.startswith("Depends: "):
				words = line[9:].replace("|", ",").split(",")
				return [word.split("(")[0].split(":")[0].strip()
					for word in words]
		return []

	def download(self, package, version, folder):
		"""Download one .deb; its path, or None when the mirror lacks it."""
		before = set(folder.glob("*.deb"))
		command = ["apt-get"] + self.options() + [
			"download", "%s=%s" % (package, version)]
		if util.slow("downloading %s %s" % (package, version), command,
			     cwd=folder, check=False):
			return None
		new = set(folder.glob("*.deb")) - before
		return new.pop() if new else None


def newer(left, right):
	"""True when Debian version left is newer than right."""
	return subprocess.run(["dpkg", "--compare-versions", left, "gt",
			       right]).returncode == 0
