# SPDX-License-Identifier: GPL-2.0-only
"""The Intel host: Bochs, which emulates VMX with EPT and unrestricted guest."""

import hashlib
import pathlib
import struct

from . import bochs, util

# Short names of LAB use, then any name Bochs itself knows.
MODELS = {
	"arrandale": "corei5_arrandale_m520",
	"haswell": "corei7_haswell_4770",
	"broadwell": "broadwell_ult",
	"skylake_x": "corei7_skylake_x",
	"cannonlake": "corei3_cnl",
	"icelake": "corei7_icelake_u",
}

APPEND = ("console=ttyS0 nokaslr tsc=reliable mitigations=off quiet "
	  "cryptomgr.notests init_on_alloc=0 audit=0 lsm= nmi_watchdog=0 "
	  "random.trust_cpu=on rcupdate.rcu_expedited=1 oops=panic panic=-1")

CONFIG = """config_interface: textconfig
display_library: %(display)s
memory: guest=%(mem)d, host=%(mem)d%(block)s
romimage: file=%(bios)s
vgaromimage: file=%(vgabios)s
cpu: %(cpu)s
clock: sync=none, time0=1700000000, rtc_sync=0
ata0-master: type=disk, path="%(folder)s/boot.img", mode=flat
%(disks)sboot: disk
com1: enabled=1, mode=file, dev="%(folder)s/console.log"
com2: enabled=1, mode=file, dev="%(folder)s/output"
log: "%(folder)s/bochs.log"
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""

SECTOR = 512
TABLE = 0x7e00
START_INFO = 0x8000
COMMAND_LINE = 0x8100
MODULE_LIST = 0x8080
MEMORY_MAP = 0x9000
# Sectors before the pieces: boot code, table, start info (to 0x9000).
HEAD = 1 + (MEMORY_MAP - TABLE) // SECTOR
# A cylinder of the geometry Bochs assumes; the disk is whole cylinders.
CYLINDER = 16 * 63 * SECTOR

HERE = pathlib.Path(__file__).resolve().parent


def boot_code():
	"""The assembled boot sector, cached."""
	util.host_packages(["binutils"])
	source = HERE / "boot.S"
	key = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
	path = util.cache() / ("boot-%s.bin" % key)
	if not path.exists():
		work = path.with_suffix(".partial")
		middle = path.with_suffix(".o")
		util.output(["as", "--32", "-o", middle, source])
		util.output(["ld", "-m", "elf_i386", "-Ttext=0x7c00",
			     "--oformat=binary", "-o", work, middle])
		util.remove(middle)
		work.rename(path)
	return path.read_bytes()


def segments(vmlinux):
	"""(PVH entry, [(physical address, contents)], end) of an ELF kernel."""
	data = memoryview(vmlinux.read_bytes())
	offset, size, count = (struct.unpack_from("<Q", data, 32)[0],
			       *struct.unpack_from("<HH", data, 54))
	entry, parts, end = None, [], 0
	for number in range(count):
		kind, _, place, _, address, length, memory, _ = \
			struct.unpack_from("<IIQQQQQQ", data,
					   offset + number * size)
		if kind == 1:
			parts.append((address, data[place:place + length]))
			end = max(end, address + memory)
		elif kind == 4:
			entry = pvh_note(data[place:place + length]) or entry
	if entry is None:
		raise util.LabError("%s has no PVH entry point." % vmlinux)
	return entry, parts, end


def pvh_note(notes):
	"""Entry point from the note Xen/18 (XEN_ELFNOTE_PHYS32_ENTRY)."""
	place = 0
	while place + 12 <= len(notes):
		name, size, kind = struct.unpack_from("<III", notes, place)
		text = place + 12
		body = text + (name + 3) // 4 * 4
		if kind == 18 and bytes(notes[text:text + 4]) == b"Xen\0":
			return struct.unpack_from("<I", notes, body)[0]
		place = body + (size + 3) // 4 * 4
	return None


def write_disk(path, kernel, initrds, append, mem):
	"""Lay out the boot disk: loader, tables, kernel pieces, initrd."""
	entry, parts, end = segments(kernel.vmlinux)
	initrd = b"".join(one if isinstance(one, bytes) else one.read_bytes()
			  for one in initrds)
	# High enough to be clear of the kernel's early page tables and brk.
	place = (end + (16 << 20)) >> 21 << 21
	if place + len(initrd) > (mem - 16) << 20:
		raise util.LabError("%d MB hold no kernel with a %d MB initial "
				    "file system: raise --mem." %
				    (mem, len(initrd) >> 20))
	table = struct.pack("<I", entry)
	sector = HEAD
	body = []
	for address, data in parts + [(place, initrd)]:
		count = -(-len(data) // SECTOR)
		table += struct.pack("<III", sector, count, address)
		body.append((sector, data))
		sector += count
	table += struct.pack("<III", 0, 0, 0)
	line = append.encode() + b"\0"
	if len(table) > SECTOR or len(line) > MEMORY_MAP - COMMAND_LINE:
		raise util.LabError("The kernel command line is too long.")
	info = struct.pack("<IIIIQQQQII", 0x336ec578, 1, 0, 1, MODULE_LIST,
			   COMMAND_LINE, 0, MEMORY_MAP, 0, 0)
	modules = struct.pack("<QQQQ", place, len(initrd), 0, 0)
	head = table.ljust(START_INFO - TABLE, b"\0") + info
	head = head.ljust(MODULE_LIST - TABLE, b"\0") + modules
	head = head.ljust(COMMAND_LINE - TABLE, b"\0") + line
	with open(path, "wb") as disk:
		disk.write(boot_code())
		disk.write(head)
		for sector_of, data in body:
			disk.seek(sector_of * SECTOR)
			disk.write(data)
		disk.truncate(-(-sector * SECTOR // CYLINDER) * CYLINDER)


def cpu_line(machine, packaged):
	model = machine.cpu_model or "haswell"
	model = MODELS.get(model, model)
	return ("%smodel=%s, ips=100000000, reset_on_triple_fault=0, "
		"ignore_bad_msrs=1" % ("count=%d, " % machine.smp
				       if machine.smp > 1 else "", model))


def disk_lines(disks):
	"""ATA disks; changes are dropped unless the name ends in ,rw."""
	places = ("ata0-slave", "ata1-master", "ata1-slave")
	if len(disks) > len(places):
		raise util.LabError("The Intel machine takes %d disks at most."
				    % len(places))
	lines = []
	for where, disk in zip(places, disks):
		keep = disk.endswith(",rw")
		path = pathlib.Path(disk[:-len(",rw")] if keep else
				    disk).resolve()
		lines.append("%s: type=disk, path=\"%s\", mode=%s\n" %
			     (where, path, "flat" if keep else "volatile"))
	return "".join(lines)


def command(machine, initrds, folder):
	"""Write the disk and the configuration; (words, environment)."""
	if machine.icount:
		raise util.LabError("--icount is for AMD; Bochs counts exactly "
				    "without it.")
	if machine.numa > 1:
		raise util.LabError("--numa is for AMD; Bochs has one memory "
				    "node.")
	path, packaged = bochs.binary(machine.smp > 1)
	append = " ".join(filter(None, (APPEND, machine.kernel.append,
					machine.append)))
	write_disk(folder / "boot.img", machine.kernel, initrds, append,
		   machine.mem)
	config = CONFIG % {
		"display": "rfb, options=\"timeout=0\"" if packaged else "nogui",
		"mem": machine.mem, "bios": bochs.BIOS,
		"block": "" if packaged else ", block_size=8192",
		"vgabios": bochs.VGABIOS, "cpu": cpu_line(machine, packaged),
		"folder": folder, "disks": disk_lines(machine.disks)}
	(folder / "bochsrc").write_text(config)
	return [str(path), "-q", "-f", str(folder / "bochsrc")], packaged
