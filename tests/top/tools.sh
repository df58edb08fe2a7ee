#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the lab machine: a Linux guest under QEMU, looked at by kvm_stat and perf.
# Disk 0 is QEMU, disk 1 the guest, disk 2 the tools. busybox sh.

number=0
bad=0

# expect NAME FILE PATTERN: a line of what the tool said must match.
expect() {
	number=$((number + 1))
	if grep -Eq "$3" "$2"; then
		echo "ok $number - $1"
		return
	fi
	bad=$((bad + 1))
	echo "not ok $number - $1: no \"$3\""
	sed 's/^/# /' "$2" | head -n 40
}

# refuse NAME FILE PATTERN: no line may match.
refuse() {
	number=$((number + 1))
	if ! grep -E "$3" "$2" >/tmp/refused; then
		echo "ok $number - $1"
		return
	fi
	bad=$((bad + 1))
	echo "not ok $number - $1: $(head -n 1 /tmp/refused)"
}

tool() {
	chroot /tools /bin/busybox env PATH=/usr/bin:/bin LANG=C.UTF-8 \
		TERM=linux HOME=/tmp "$@"
}

kvm_stat() {
	tool /usr/bin/python3.11 -u /usr/bin/kvm_stat "$@"
}

perf() {
	tool /usr/bin/perf "$@"
}

mkdir /qemu /tools
mount -t ext4 -o ro,noload /lab/disk0 /qemu &&
	mount -t ext4 -o ro,noload /lab/disk1 /qemu/guest &&
	mount -t ext4 -o ro,noload /lab/disk2 /tools || exit 1
for folder in proc sys dev tmp; do
	mount -o bind /$folder /qemu/$folder
	mount -o bind /$folder /tools/$folder
done
mount -t debugfs debugfs /tools/sys/kernel/debug
mount -t tracefs tracefs /tools/sys/kernel/tracing
: >/tmp/serial
chroot /qemu /usr/bin/qemu-system-x86_64 -accel kvm -display none -M q35 \
	-nic none -m 256 -no-reboot -name seen -serial file:/tmp/serial \
	-kernel /guest/bzImage -initrd /guest/initramfs \
	-append "console=ttyS0 quiet panic=-1 do=ticks" >/tmp/qemu 2>&1 &
pid=$!
until grep -aq "guest: tick 2 " /tmp/serial; do
	kill -0 $pid || exit 1
	sleep 1
done

kvm_stat -1 >/tmp/out 2>&1
expect "kvm_stat counts tracepoints" /tmp/out "^ *kvm_entry +[1-9]"
expect "kvm_stat tells exits by reason" /tmp/out \
	"^ *kvm_exit\((IOIO|IO_INSTRUCTION)\) +[1-9]"
kvm_stat -1 -d >/tmp/out 2>&1
expect "kvm_stat reads debugfs" /tmp/out "^ *exits +[1-9]"
expect "kvm_stat reads counters of halts" /tmp/out "^ *halt_exits +[0-9]"
kvm_stat -1 -d -p $pid >/tmp/out 2>&1
expect "kvm_stat follows one process" /tmp/out "^ *exits +[1-9]"
kvm_stat -1 -d -g seen >/tmp/out 2>&1
expect "kvm_stat finds a guest by name" /tmp/out "^ *exits +[1-9]"
perf kvm stat record -o /tmp/data -a sleep 3 >/tmp/out 2>&1
refuse "perf takes every format" /tmp/out "not defined|FAILED"
perf kvm -i /tmp/data stat report --event=vmexit >/tmp/out 2>&1
expect "perf kvm stat tells exits" /tmp/out "^ +(hlt|HLT) +[1-9]"
perf kvm -i /tmp/data stat report --event=ioport >/tmp/out 2>&1
expect "perf kvm stat tells ports" /tmp/out "^ +0x3f8:POUT +[1-9]"
perf record -o /tmp/data -e kvm:kvm_exit -e kvm:kvm_userspace_exit -a \
	sleep 1 >/tmp/out 2>&1
perf script -i /tmp/data >/tmp/out 2>&1
expect "perf script names exits" /tmp/out \
	"kvm_exit: .*reason (hlt|HLT|io|IO_INSTRUCTION|msr|MSR_WRITE)"
refuse "perf script understands each line" /tmp/out "FAILED TO PARSE"
kill $pid
wait $pid
echo "# $(wc -c </tmp/serial) bytes from the guest"
[ $bad = 0 ]
