#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# First process of a lab machine: mount, load, run the job, report, stop.
# Console messages stay on ttyS0; the job's output and status go to ttyS1.
export PATH=/sbin:/bin:/lab/bin HOME=/ TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
mount -t tmpfs tmp /tmp
ln -s /proc/self/fd /dev/fd
stty -F /dev/ttyS1 raw -echo 2>/dev/null

# Debug kernels: allocations that nothing points to any more.  What the kernel
# itself lost while booting is not ours to report.
leaks=/sys/kernel/debug/kmemleak
leaks_scan()
{
	[ -e $leaks ] || return
	# An object is reported from its fifth second on, once its contents are
	# the same in two scans.
	sleep 6
	echo scan >$leaks
	echo scan >$leaks
}
# Takes a list of symbols from before the modules went, to name what they did.
leaks_report()
{
	leaks_scan
	awk '
		FILENAME == ARGV[1] { address[++n] = $1; name[n] = $3 " " $4; next }
		/\] 0x[0-9a-f]+$/ {
			where = substr($NF, 3)
			for (i = n; i && address[i] > where; i--)
				;
			if (i)
				$0 = $0 " " name[i]
		}
		{ print "lab: kmemleak: " $0 }' "$1" $leaks >/dev/kmsg
}
leaks_scan
[ ! -e $leaks ] || echo clear >$leaks

# Without a job in the initramfs, wait for one: the machine is saved here and
# woken with the job's archive on its disk.
if [ ! -e /lab/settings ]; then
	modprobe virtio_pci
	modprobe virtio_blk
	until [ -b /dev/vda ]; do
		usleep 10000
	done
	{
		printf '\036READY\036'
		read -r place blocks
	} <>/dev/ttyS1 >&0
	dd if=/dev/vda bs=4096 skip="$place" count="$blocks" 2>/dev/null |
		(cd / && cpio -idu 2>/dev/null)
fi
dmesg -n 8
. /lab/settings

finish()
{
	printf '\036LAB %s %s\036' "$LAB_NONCE" "$1" >/dev/ttyS1
	echo "lab: end $LAB_NONCE" >/dev/kmsg
	poweroff -f
}

for module in $LAB_MODULES; do
	if ! modprobe "$module" >/tmp/modprobe.log 2>&1; then
		sed 's/^/lab: /' /tmp/modprobe.log >/dev/kmsg
		echo "lab: loading $module failed" >/dev/kmsg
		finish 98
	fi
done
# /lab/disk0, disk1, ... whatever the controller calls them; probing is
# asynchronous, so wait a little.
number=0
for disk in $LAB_DISKS; do
	tries=0
	until [ -b "/dev/$disk" ] || [ $tries -ge 100 ]; do
		usleep 50000
		tries=$((tries + 1))
	done
	ln -s "/dev/$disk" "/lab/disk$number"
	number=$((number + 1))
done
if [ -n "$LAB_SHELL" ]; then
	setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'
	finish 0
fi
cd /lab || finish 98
export KVM_TEST_SCALE="$LAB_SCALE"
./job </dev/null >/dev/ttyS1 2>&1
status=$?
cd /
# What the job left running must not hide what its end shows: processes are
# killed and the modules unloaded while the console is still watched.
kill -9 -1
[ ! -e $leaks ] || grep '\[kvm' /proc/kallsyms | sort >/tmp/symbols
for module in $LAB_UNLOAD; do
	rmmod "$module" 2>/dev/null
done
# Now nothing of the modules' hides a leak.
[ ! -e $leaks ] || leaks_report /tmp/symbols
finish $status
