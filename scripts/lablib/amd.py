# SPDX-License-Identifier: GPL-2.0-only
"""The AMD host: QEMU TCG, which emulates SVM with nested paging."""

import os

from . import util

APPEND = ("console=ttyS0 mitigations=off nokaslr tsc=reliable no_timer_check "
	  "cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 "
	  "audit=0 nmi_watchdog=0 lsm= loglevel=5 oops=panic panic=-1")
ICOUNT_APPEND = "norandmaps nowatchdog"

# Real-time kernels run KVM only with a constant TSC.  TCG's TSC is constant,
# QEMU merely does not advertise it unless told to.
CPU = "max,la57=off,pku=off"
RT_CPU = CPU + ",+invtsc,x-force-features=on"


def packages():
	util.host_packages(["qemu-system-x86", "seabios"])


def image_format(path):
	with open(path, "rb") as image:
		return "qcow2" if image.read(4) == b"QFI\xfb" else "raw"


def disk_words(disks):
	"""virtio disks; changes are dropped unless the name ends in ,rw."""
	words = []
	for number, disk in enumerate(disks):
		keep = disk.endswith(",rw")
		path = os.path.abspath(disk[:-len(",rw")] if keep else disk)
		words += ["-drive", "file=%s,if=none,id=d%d,format=%s,"
			  "cache=unsafe%s" % (path.replace(",", ",,"), number,
					      image_format(path),
					      "" if keep else ",snapshot=on"),
			  "-device", "virtio-blk-pci,drive=d%d" % number]
	return words


def numa_words(machine):
	"""Memory and CPUs dealt out to nodes; CPUs in turn, memory evenly."""
	if machine.numa == 1:
		return []
	words = []
	# Whole pages of 2 MiB, so that no huge page lies in two nodes.
	share = machine.mem // machine.numa & ~1
	for node in range(machine.numa):
		size = share
		if node == machine.numa - 1:
			size = machine.mem - share * node
		cpus = "".join(",cpus=%d" % cpu for cpu in
			       range(node, machine.smp, machine.numa))
		words += ["-object", "memory-backend-ram,id=m%d,size=%dM" %
			  (node, size),
			  "-numa", "node,nodeid=%d,memdev=m%d%s" %
			  (node, node, cpus)]
	return words


def command(machine, initrd, console):
	"""QEMU's words for a machine; ttyS1 is on its standard output."""
	append = APPEND
	cpu = RT_CPU if machine.kernel.flavour == "rt" else CPU
	# With a thread for each CPU, #VMEXIT now and then saves the host's state
	# in the VMCB, or a guest's walk misses its tables: docs/lab.md.
	accel = ["-accel", "tcg,thread=" + ("multi" if machine.parallel
					    else "single")]
	if machine.icount:
		append += " " + ICOUNT_APPEND
		accel = ["-accel", "tcg,thread=single",
			 "-icount", "shift=0,sleep=off", "-seed", "42",
			 "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
	append = " ".join(filter(None, (append, machine.kernel.append,
					machine.append)))
	smp = str(machine.smp)
	if machine.numa > 1:
		# CPUs of one socket share caches, which nodes cannot.
		smp += ",sockets=%d" % machine.smp
	return (["qemu-system-x86_64", "-M", "q35"] + accel +
		["-cpu", machine.cpu_model or cpu,
		 "-smp", smp, "-m", str(machine.mem)] + numa_words(machine) +
		["-display", "none", "-nodefaults", "-no-user-config",
		 "-no-reboot"] +
		(["-serial", "mon:stdio", "-serial", "null"] if machine.shell
		 else ["-serial", "file:%s" % console, "-serial", "stdio"]) +
		["-kernel", str(machine.kernel.vmlinux),
		 "-initrd", str(initrd), "-append", append] +
		disk_words(machine.disks))
