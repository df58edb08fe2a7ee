#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs inside the lab machine, which has one CPU and counts instructions: a guest
# under QEMU from start to end for each case named, and what it has cost.
# Prints "NAME_instructions N" and "NAME_exits N", for a boot several times: how long
# the disk took changes the ticks of the clock there were. busybox sh.

root=/qemu
work=/tmp/measure

mount_disks() {
	mkdir -p $root
	mount -t ext4 -o ro,noload /lab/disk0 $root &&
		mount -t ext4 -o ro,noload /lab/disk1 $root/guest || return 1
	for folder in proc sys dev tmp lab; do
		mount -o bind /$folder $root/$folder
	done
	ip link set lo up
}

# Nanoseconds in which anything but idling ran: an instruction each.
busy() {
	awk '$1 == "cpu0" { print $8 }' /proc/schedstat
}

exits() {
	cat /sys/kernel/debug/kvm/exits
}

# measure NAME MACHINE JOBS PATTERN WORDS: the guest's output must have PATTERN. Counted
# is what comes between the guest's lines $begin and PATTERN; without $begin all of it.
measure() {
	name=$1
	machine=$2
	jobs=$3
	pattern=$4
	shift 4
	rm -rf $work
	mkdir -p $work
	mkfifo $work/monitor.in $work/monitor.out $work/serial.in \
		$work/serial.out
	cat <$work/monitor.out >$work/monitor &
	from=$(busy)
	before=0
	to=
	(
		[ -z "$group" ] || sh -c 'echo $PPID' >"$group/cgroup.procs"
		# shellcheck disable=SC2086
		exec chroot $root /usr/bin/qemu-system-x86_64 -accel kvm \
			-display none -no-shutdown \
			-chardev pipe,id=mon,path=$work/monitor -mon mon \
			-chardev pipe,id=ser,path=$work/serial \
			-serial chardev:ser $machine \
			-initrd /guest/initramfs -nic none "$@" -append \
			"console=ttyS0 quiet panic=-1 do=$jobs"
	) >$work/qemu 2>&1 &
	pid=$!
	# Ends when the guest is off: QEMU stays, so that exits can be read.
	while read -r line; do
		echo "$line" >>$work/serial
		case $line in
		*"${begin:-no such line}"*)
			before=$(exits)
			from=$(busy)
			;;
		*"$pattern"*)
			[ -z "$begin" ] || to=$(busy)
			exits=$(exits)
			;;
		*"Power down"*) break ;;
		*"Kernel panic"*) break ;;
		esac
	done <$work/serial.out
	usleep 500000
	[ "$to" ] || exits=$(exits)
	to=${to:-$(busy)}
	echo quit >$work/monitor.in
	wait $pid
	if ! grep -aq "$pattern" $work/serial; then
		echo "not ok - $name: no \"$pattern\""
		sed 's/^/# /' $work/qemu $work/serial
		status=1
		return
	fi
	echo "${name}_instructions $((to - from))"
	echo "${name}_exits $((exits - before))"
}

q35="-M q35 -kernel /guest/bzImage"
microvm="-M microvm,acpi=on,rtc=on,pcie=off -kernel /guest/vmlinux"

begin=
group=
status=0
mount_disks || exit 1
for one in "$@"; do
	case $one in
	boot-q35)
		for _ in 1 2 3; do
			measure boot_q35 "$q35" report "guest: kernel" -m 256
		done
		;;
	boot-microvm)
		for _ in 1 2 3; do
			measure boot_microvm "$microvm" report \
				"guest: kernel" -m 256
		done
		;;
	blk)
		dd if=/dev/zero of=/tmp/disk bs=1M count=16 2>/dev/null
		begin="load: about to read"
		measure blk "$q35" read:4000 "load: blocks 4000 read" -m 256 \
			-drive file=/tmp/disk,if=none,id=d,format=raw \
			-device virtio-blk-pci,drive=d
		begin=
		;;
	swap)
		mkswap /lab/disk2 >/dev/null && swapon /lab/disk2 || exit 1
		echo +memory >/sys/fs/cgroup/cgroup.subtree_control
		group=/sys/fs/cgroup/guest
		mkdir $group
		echo 128M >$group/memory.max
		measure swap "$microvm" dirty:160:2 \
			"load: dwords 83886080 verified, 0 bad" -m 320
		awk '/^pswp/ { print "swap_" $1, $2 }' /proc/vmstat
		;;
	esac
done
exit $status
