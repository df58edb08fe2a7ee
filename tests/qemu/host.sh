#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs inside the lab machine: mounts QEMU's disks, then the cases named as
# arguments, each with a time limit. busybox sh.

root=/qemu
work=/tmp/case
# What is slow for QEMU TCG is slower for Bochs.
scale=${QEMU_SCALE:-1}
verbose=${QEMU_VERBOSE:-}

mount_disks() {
	mkdir -p $root
	mount -t ext4 -o ro,noload /lab/disk0 $root &&
		mount -t ext4 -o ro,noload /lab/disk1 $root/guest || return 1
	for folder in proc sys dev tmp lab; do
		mount -o bind /$folder $root/$folder
	done
	mount -t tmpfs run $root/run
	ip link set lo up
}

# qemu WORDS: a new guest; why QEMU ends is traced, the serial line is in
# $work/serial, the monitor is asked by monitor().
qemu() {
	mkfifo $work/monitor.in $work/monitor.out
	cat <$work/monitor.out >$work/monitor &
	chroot $root /usr/bin/qemu-system-x86_64 -accel "$accel" -display none \
		-chardev pipe,id=mon,path=$work/monitor -mon chardev=mon \
		-trace qemu_system_shutdown_request \
		-serial file:$work/serial "$@" >$work/qemu 2>&1 &
	pid=$!
}

monitor() {
	echo "$*" >$work/monitor.in
}

running() {
	kill -0 "$pid" 2>/dev/null
}

# The reason for a failure is told once, the first.
failed() {
	[ -s $work/reason ] || echo "$*" >$work/reason
	return 1
}

# await FILE PATTERN: until a line matches; fails when the time is up or, after
# a last look, when QEMU is gone.
await() {
	while :; do
		alive=1
		running || alive=
		grep -aq "$2" "$work/$1" 2>/dev/null && return
		[ $alive ] || failed "QEMU ended before \"$2\" was seen" || return
		late && failed "no \"$2\" in time" && return
		late && return 1
		usleep 200000
	done
}

late() {
	[ "$(cut -d. -f1 /proc/uptime)" -ge "$deadline" ]
}

# Until QEMU has ended by itself, with status 0.
await_end() {
	while running; do
		if late; then
			failed "the guest does not power off"
			return
		fi
		usleep 100000
	done
	wait "$pid"
	status=$?
	[ $status = 0 ] || failed "QEMU ended with status $status"
}

# expect FILE PATTERN
expect() {
	grep -aq "$2" "$work/$1" || failed "no \"$2\""
}

finish() {
	if running; then
		kill -9 "$pid"
		wait "$pid" 2>/dev/null
	fi
	kill "$helper" 2>/dev/null
	helper=
}

indented() {
	[ ! -s "$work/$1" ] || tr -d '\r\033' <"$work/$1" |
		tail -n "${2:-12}" | awk -v name="$1" '{ print "# " name ": " $0 }'
}

number=0
passed=0
bad=0
skipped=0

run_case() {
	name=$1
	number=$((number + 1))
	rm -rf $work
	mkdir -p $work
	limit=$(sed -n "s/^#: $name //p" /lab/cases.sh)
	limit=${limit:-$QEMU_LIMIT}
	accel=kvm${QEMU_IRQCHIP:+,kernel-irqchip=$QEMU_IRQCHIP}
	helper=
	pid=
	begin=$(cut -d. -f1 /proc/uptime)
	deadline=$((begin + limit * scale))
	"case_$(echo "$name" | tr - _)" >$work/log 2>&1
	status=$?
	if [ $status != 0 ] && [ -n "$pid" ] && running; then
		# Where it stands, twice: does it move?
		for one in 1 2; do
			monitor info registers -a
			usleep 700000
		done
	fi
	[ -z "$pid" ] || finish
	seconds=$(($(cut -d. -f1 /proc/uptime) - begin))
	if [ -s $work/skip ]; then
		skipped=$((skipped + 1))
		echo "ok $number - $name # SKIP $(cat $work/skip)"
	elif [ $status = 0 ] && [ ! -s $work/reason ]; then
		passed=$((passed + 1))
		echo "ok $number - $name # $seconds s"
		[ -z "$verbose" ] || indented serial 40
	else
		bad=$((bad + 1))
		echo "not ok $number - $name: $(cat $work/reason 2>/dev/null)" \
		     "# $seconds s"
		indented qemu
		indented log
		indented monitor 100
		indented serial 30
	fi
}

. /lab/settings
. /lab/cases.sh
if ! mount_disks; then
	echo "not ok 1 - the disks with QEMU cannot be mounted"
	exit 1
fi
echo "# host $(uname -r), QEMU $(cat $root/payload/qemu-version)," \
     "kvm $(cat /sys/module/kvm/version 2>/dev/null || echo of the kernel)" \
     "srcversion $(cat /sys/module/kvm/srcversion 2>/dev/null)"
for one in "$@"; do
	run_case "$one"
done
echo "$passed passed, $bad failed, $skipped skipped"
[ $bad = 0 ] && [ $passed -gt 0 ]
