#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The demo's part on the host, lab machine or real one: starts a Linux guest with
# more memory than the host gives it, asks it for dwords over the network while
# it fills and verifies its memory, and watches. Lines for scripts/demo begin
# with "demo: "; everything else is for people. busybox sh or any other.
#
# DEMO_QEMU	words that start QEMU
# DEMO_BOOT	QEMU's words for kernel, initramfs and machine
# DEMO_LOAD	the program load, for this host
# DEMO_TOP	kvm-swap
# DEMO_GUEST	memory of the guest in MiB
# DEMO_WORK	how much of it the guest fills and verifies, in MiB
# DEMO_ROUNDS	how often it verifies
# DEMO_LIMIT	seconds after which it is over in any case
# DEMO_CGROUP	a memory cgroup to run QEMU in, or empty
# DEMO_PORT	TCP port of this host that leads to the guest

work=$(mktemp -d /tmp/kvm-swap-demo.XXXXXX) || exit 1
pid=
# shellcheck disable=SC2317 # called by trap
clean() {
	for one in $pid $asker $viewer; do
		kill "$one" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$work"
	[ -z "$DEMO_CGROUP" ] || rmdir "$DEMO_CGROUP" 2>/dev/null
}
trap clean EXIT
trap 'exit 1' INT TERM

fail() {
	echo "demo: failed: $*"
	for one in qemu serial ask; do
		[ ! -s "$work/$one" ] ||
			tail -n 15 "$work/$one" | sed "s/^/    $one: /"
	done
	exit 1
}

counter() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

seconds() {
	cut -d. -f1 /proc/uptime
}

# What the guest said last, when that has changed.
guest_said() {
	now=$(grep -a "^guest: \|^load: " "$work/serial" 2>/dev/null |
	      tail -n 1 | tr -d '\r')
	[ "$now" = "$said" ] || echo "demo: guest ${now#*: }"
	said=$now
}

begin=$(seconds)
out=$(counter pswpout)
in=$(counter pswpin)
: >"$work/serial"
(
	if [ -n "$DEMO_CGROUP" ]; then
		# shellcheck disable=SC3028,SC2039
		sh -c 'echo $PPID' >"$DEMO_CGROUP/cgroup.procs" || exit 1
	fi
	# shellcheck disable=SC2086
	exec $DEMO_QEMU -accel kvm -display none -no-reboot -monitor none \
		-trace qemu_system_shutdown_request \
		-m "$DEMO_GUEST" -serial "file:$work/serial" $DEMO_BOOT \
		-netdev "user,id=n,hostfwd=tcp:127.0.0.1:$DEMO_PORT-:4000" \
		-device virtio-net-pci,netdev=n -append \
		"console=ttyS0 quiet panic=-1 do=serve:$DEMO_WORK:$DEMO_ROUNDS"
) >"$work/qemu" 2>&1 &
pid=$!
said=
until grep -aq "load: serving" "$work/serial"; do
	kill -0 $pid 2>/dev/null || fail "QEMU ended before its guest was up"
	[ $(($(seconds) - begin)) -lt "$DEMO_LIMIT" ] ||
		fail "the guest is not up after $DEMO_LIMIT s"
	guest_said
	sleep 1
done
echo "demo: booted $(($(seconds) - begin))"
"$DEMO_LOAD" ask 127.0.0.1 "$DEMO_PORT" "$DEMO_WORK" >"$work/ask" 2>&1 &
asker=$!
"$DEMO_TOP" top --count 100000 >"$work/top" 2>&1 &
viewer=$!
shown=
async=0
while kill -0 $pid 2>/dev/null; do
	[ $(($(seconds) - begin)) -lt "$DEMO_LIMIT" ] ||
		fail "the guest is not done after $DEMO_LIMIT s"
	guest_said
	# The last whole look, with its time.
	row=$(grep "^[0-9]" "$work/top" | tail -n 1)
	head=$(grep -m 1 "^VM" "$work/top")
	[ "$row" = "$shown" ] ||
		echo "demo: top $(($(seconds) - begin)) $head|$row"
	shown=$row
	: >"$work/top"
	# Counters of a VM go with it: the last that was seen.
	now=$(cat /sys/kernel/debug/kvm/pf_async 2>/dev/null)
	[ "${now:-0}" = 0 ] || async=$now
	sleep 2
done
guest_said
wait $pid
status=$?
pid=
wait $asker
asker=
[ $status = 0 ] || fail "QEMU ended with status $status"
grep -aq "^load: dwords" "$work/serial" ||
	fail "the guest ended before its work was done"
echo "demo: swapped $(($(counter pswpout) - out)) $(($(counter pswpin) - in))"
echo "demo: async $async"
sed -n 's/^ask: /demo: /p' "$work/ask"
tr -d '\r' <"$work/serial" | sed -n 's/^load: dwords/demo: dwords/p'
echo "demo: seconds $(($(seconds) - begin))"
