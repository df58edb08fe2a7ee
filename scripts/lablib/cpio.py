# SPDX-License-Identifier: GPL-2.0-only
"""Write initramfs archives (newc format) without needing root or cpio."""

import os
import stat


class Archive:
	"""A newc archive in memory; parents are added as needed."""

	def __init__(self):
		self.parts = []
		self.folders = set()
		self.inode = 0

	def entry(self, name, mode, data=b"", rdev=(0, 0)):
		"""Append one member; name has no leading slash."""
		self.inode += 1
		raw = name.encode() + b"\0"
		fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0,
			  rdev[0], rdev[1], len(raw), 0)
		head = b"070701" + b"".join(b"%08X" % value
					    for value in fields)
		self.parts.append(head + raw + b"\0" * (-(110 + len(raw)) % 4))
		self.parts.append(data + b"\0" * (-len(data) % 4))

	def parents(self, name):
		path = ""
		for part in name.split("/")[:-1]:
			path += part
			self.folder(path)
			path += "/"

	def folder(self, name):
		name = name.strip("/")
		if name and name not in self.folders:
			self.folders.add(name)
			self.parents(name)
			self.entry(name, stat.S_IFDIR | 0o755)

	def file(self, name, data, mode=0o644):
		name = name.strip("/")
		self.parents(name)
		self.entry(name, stat.S_IFREG | mode, data)

	def link(self, name, target):
		name = name.strip("/")
		self.parents(name)
		self.entry(name, stat.S_IFLNK | 0o777, target.encode())

	def node(self, name, major, minor):
		name = name.strip("/")
		self.parents(name)
		self.entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

	def copy(self, source, name):
		"""Copy a file or a whole folder from the machine."""
		if os.path.isdir(source) and not os.path.islink(source):
			self.folder(name)
			for child in sorted(os.listdir(source)):
				self.copy(os.path.join(source, child),
					  name.rstrip("/") + "/" + child)
			return
		if os.path.islink(source) and not os.path.exists(source):
			self.link(name, os.readlink(source))
			return
		with open(source, "rb") as data:
			mode = stat.S_IMODE(os.stat(source).st_mode)
			self.file(name, data.read(), mode)

	def bytes(self):
		self.entry("TRAILER!!!", 0)
		size = sum(len(part) for part in self.parts)
		return b"".join(self.parts) + b"\0" * (-size % 512)
