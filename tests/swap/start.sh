#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the lab machine: swap and a file system with a disk below it, then the
# cases. SWAP_DISK names a swap device; without it there is one of zram.
# SWAP_FAULT is the seeded fault to have, in modules built for it.
# Usage: start PATTERN...

ulimit -c 0
zram() {
	echo "$2" >"/sys/block/$1/disksize" || exit 2
}

modprobe zram num_devices=2 || exit 2
swap=${SWAP_DISK:-/dev/zram0}
[ -n "$SWAP_DISK" ] || zram zram0 "${SWAP_SIZE:-512M}"
mkswap "$swap" >/dev/null && swapon "$swap" || exit 2

modprobe ext4 2>/dev/null
mkdir -p /mnt/disk
zram zram1 128M
mke2fs -F -b 4096 /dev/zram1 >/dev/null 2>&1 && mount -t ext4 /dev/zram1 /mnt/disk ||
	echo "# no file system: its cases are skipped"

if [ -n "$SWAP_FAULT" ]; then
	echo "$SWAP_FAULT" >/sys/module/kvm/parameters/seeded_fault || exit 2
fi
/lab/swap/run "$@"
status=$?
free=$(sed -n 's/^SwapFree: *//p' /proc/meminfo)
echo "# swap left: $free"
exit $status
