# SPDX-License-Identifier: GPL-2.0-only
"""Run the ABI tests: one boot for the whole batch, two with the oracle."""

import hashlib
import re
import tempfile

from . import run, util

VERDICT = re.compile(r"^(\S+): (ok|not ok) \d+ - ([^\s#:]+)(?:.*(# SKIP))?",
		     re.M)

JOB = """#!/bin/sh
exec /lab/abi/run %s
"""


def built(name):
	"""Build the static programs of tests/NAME; the folder they are in."""
	source = util.REPO / "tests" / name
	if not (source / "Makefile").exists():
		raise util.LabError("There is no tests/%s in %s." %
				    (name, util.REPO))
	util.host_packages(["gcc", "make", "libc6-dev"])
	key = hashlib.sha256(str(source).encode()).hexdigest()[:8]
	out = util.cache() / "tests" / key
	out.mkdir(parents=True, exist_ok=True)
	with util.locked("tests-" + key):
		util.slow("building tests/" + name,
			  ["make", "-C", source, "-j2", "O=%s" % out])
	return out


def programs():
	"""The ABI tests' programs and their runner."""
	return built("abi")


def payload(folder):
	"""(source, destination) pairs: programs and runner, no objects."""
	return [(str(path), "/lab/abi/" + path.name)
		for path in sorted(folder.iterdir()) if path.is_file()]


def verdicts(output):
	"""{program.case: 'ok' | 'not ok' | 'skip'} from TAP output."""
	found = {}
	for program, verdict, case, skip in VERDICT.findall(output):
		found["%s.%s" % (program, case)] = "skip" if skip else verdict
	return found


# Each test has a limit of its own; this one is for a batch on a busy machine.
TIMEOUT = 1200


def batch(machine, patterns, timeout, sink, verbose):
	"""Run the tests that match in one boot, tell what is worth telling."""
	words = " ".join("'" + word.replace("'", "'\\''") + "'"
			 for word in patterns)
	with tempfile.NamedTemporaryFile("w", suffix=".sh") as job:
		job.write(JOB % words)
		job.flush()
		result, folder = run.run(machine, job.name,
					 payload(programs()), timeout or
					 TIMEOUT * machine.kernel.scale, sink,
					 verbose)
	run.explain(result, folder)
	return result


def compare(stock, own):
	"""Lines telling every test whose result differs.

	What the stock modules cannot do, and so skip, they have no say in.
	"""
	left = verdicts(stock.output.decode("utf-8", "replace"))
	right = verdicts(own.output.decode("utf-8", "replace"))
	lines = []
	for name in sorted(set(left) | set(right)):
		pair = (left.get(name, "missing"), right.get(name, "missing"))
		if pair[0] != pair[1] and pair != ("skip", "ok"):
			lines.append("%s: stock %s, ours %s" % (name, *pair))
	return lines, len(set(left) | set(right))


def judge(stock, own):
	"""The oracle's verdict on two runs, printed; 0 when they agree."""
	for name, result in (("stock", stock), ("our", own)):
		if result.status in (run.TIMEOUT, run.NO_STATUS,
				     run.LOAD_FAILED, run.SPLAT):
			print("oracle: the %s run did not finish" % name)
			return result.status
	lines, count = compare(stock, own)
	for line in lines:
		print("oracle: " + line)
	print("oracle: %d tests compared, %d differ" % (count, len(lines)))
	if not count:
		print("oracle: no test ran")
	return 1 if lines or not count else 0
