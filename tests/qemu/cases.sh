# SPDX-License-Identifier: GPL-2.0-only
# The cases, each a function: starts a guest, looks at what it did. A line
# "#: name" before a function says it is a case, one behind it how many seconds it
# may take; see host.sh for the words used.
# shellcheck shell=sh disable=SC2034,SC2154

guest=/guest
quiet="console=ttyS0 quiet panic=-1"

# Debian's QEMU 11.1 and its SeaBIOS leave zeros where a microvm's DSDT should be,
# under TCG as well: its guest does without ACPI and cannot switch off. It starts
# again instead, which ends QEMU too.
without_acpi() {
	case $1:$(cat $root/payload/qemu-version) in
	microvm:1:11.*) return 0 ;;
	esac
	return 1
}

# Only ACPI tells a stock Debian kernel of virtio's MMIO devices: it has no
# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES.
no_devices_without_acpi() {
	without_acpi "$1" || return
	echo "without ACPI the guest's kernel cannot find virtio's MMIO devices" \
		>$work/skip
}

# What each machine type needs to boot the stock kernel from -kernel.
kernel_words() {
	case $1 in
	microvm)
		acpi=on
		! without_acpi microvm || acpi=off
		echo "-M microvm,acpi=$acpi,rtc=on,pcie=off -kernel $guest/vmlinux"
		;;
	*)
		echo "-M $1 -kernel $guest/bzImage"
		;;
	esac
}

# linux MACHINE JOBS WORDS: a Linux guest that does JOBS.
linux() {
	machine=$1
	jobs=$2
	shift 2
	restart=
	if without_acpi "$machine"; then
		jobs=$jobs,reboot
		# A keyboard controller that is not there is asked for minutes.
		restart="reboot=triple "
	fi
	# shellcheck disable=SC2046
	qemu $(kernel_words "$machine") -initrd $guest/initramfs -m 256 \
		-no-reboot -append "$quiet ${restart}do=$jobs" "$@"
}

check_report() {
	expect serial "guest: kernel $(cat $root$guest/release)" &&
		expect serial "guest: cpus $1 of"
}

boot_sector() {
	cp $root$guest/sector.img $work
	qemu -M "$1" -m 64 -nic none -no-reboot \
		-drive file=$work/sector.img,format=raw
	await serial "sector: sum" && await_end &&
		expect serial "sector: sum $(cat $root$guest/sector.sum)"
}

#: bios-pc
case_bios_pc() {
	boot_sector pc
}

#: bios-q35
case_bios_q35() {
	boot_sector q35
}

#: linux-microvm
case_linux_microvm() {
	linux microvm report -nic none
	await_end && check_report 1
}

#: linux-pc
case_linux_pc() {
	linux pc report -nic none
	await_end && check_report 1
}

#: linux-q35
case_linux_q35() {
	linux q35 report -nic none
	await_end && check_report 1
}

smp_guest() {
	linux "$1" report,sums -nic none -smp 4
	await_end && check_report 4 && expect serial "guest: sums 4x"
}

#: smp4-microvm
case_smp4_microvm() {
	smp_guest microvm
}

#: smp4-pc
case_smp4_pc() {
	smp_guest pc
}

#: smp4-q35
case_smp4_q35() {
	smp_guest q35
}

hash_of() {
	sha256sum | cut -d' ' -f1
}

# 1 MiB that the host made and the guest copies, both checked by hash.
disk_guest() {
	dd if=/dev/urandom of=$work/disk bs=64k count=16 2>/dev/null
	dd if=/dev/zero of=$work/disk bs=64k count=16 seek=16 2>/dev/null
	hash=$(head -c 1048576 $work/disk | hash_of)
	device=virtio-blk-pci
	[ "$1" != microvm ] || device=virtio-blk-device
	linux "$1" disk -nic none \
		-drive file=$work/disk,if=none,id=d,format=raw \
		-device $device,drive=d
	await_end && expect serial "guest: disk $hash" || return
	[ "$(tail -c 1048576 $work/disk | hash_of)" = "$hash" ] ||
		failed "what the guest wrote is not what it read"
}

#: virtio-blk-q35
case_virtio_blk_q35() {
	disk_guest q35
}

#: virtio-blk-microvm
case_virtio_blk_microvm() {
	no_devices_without_acpi microvm || disk_guest microvm
}

# The host serves 4 MiB, the guest says what it got.
net_guest() {
	mkdir -p $work/www
	dd if=/dev/urandom of=$work/www/blob bs=64k count=64 2>/dev/null
	httpd -f -p 127.0.0.1:8000 -h $work/www &
	helper=$!
	device=virtio-net-pci
	[ "$1" != microvm ] || device=virtio-net-device
	linux "$1" net -netdev user,id=n -device $device,netdev=n
	await_end && expect serial "guest: ping 3" &&
		expect serial "guest: net $(hash_of <$work/www/blob)"
}

#: virtio-net-pc
case_virtio_net_pc() {
	net_guest pc
}

#: virtio-net-microvm
case_virtio_net_microvm() {
	no_devices_without_acpi microvm || net_guest microvm
}

# Resident memory of QEMU, in KiB.
resident() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status"
}

# Down to 128 MiB and back: the guest sees less memory, then all of it again,
# and QEMU gives up what the guest gave back.
#: balloon
case_balloon() {
	linux q35 dirty:96:1,balloon -nic none -device virtio-balloon-pci
	await serial "guest: memory" || return
	before=$(resident)
	monitor balloon 128
	monitor info balloon
	until grep -q "actual=128" $work/monitor; do
		late && failed "the balloon does not grow" && return
		late && return 1
		usleep 300000
		monitor info balloon
	done
	small=$(resident)
	monitor balloon 256
	await_end || return
	expect serial "load: dwords 25165824 verified, 0 bad" || return
	echo "resident $before KiB, with the balloon $small KiB"
	[ "$small" -lt $((before - 32768)) ] ||
		failed "QEMU keeps what the guest gave back: $before, $small" ||
		return
	tr -d '\r' <$work/serial | awk '/guest: balloon/ {
		if ($4 < $8 - 100000 && $6 >= $8)
			good = 1
	} END { exit !good }' || failed "the guest saw no balloon"
}

# From inside: the machine starts again, and its firmware with it.
#: reboot
case_reboot() {
	# shellcheck disable=SC2046
	qemu -M q35 -kernel $guest/bzImage -initrd $guest/initramfs -m 256 \
		-nic none -append "$quiet do=report,reboot"
	until [ "$(grep -c "guest: up" $work/serial 2>/dev/null)" -ge 2 ]; do
		running || failed "QEMU ended instead" || return
		late && failed "the guest does not come back" && return
		late && return 1
		usleep 500000
	done
	monitor quit
	await_end
}

ticks() {
	grep -ac "guest: tick" $work/serial
}

await_ticks() {
	wanted=$(($(ticks) + $1))
	while [ "$(ticks)" -lt $wanted ]; do
		running || failed "QEMU ended" || return
		late && failed "the guest stands still" && return
		late && return 1
		usleep 300000
	done
}

#: monitor-info-kvm
case_monitor_info_kvm() {
	linux microvm ticks -nic none
	await serial "guest: tick 2 " || return
	monitor info kvm
	monitor info status
	monitor info registers
	await monitor "kvm support: enabled" && await monitor "VM status: running" &&
		await monitor "EFER=0000000000000d01"
}

# A stopped guest prints nothing, a continued one goes on with its clock.
#: monitor-stop-cont
case_monitor_stop_cont() {
	linux q35 ticks -nic none
	await serial "guest: tick 2 " || return
	monitor stop
	monitor info status
	await monitor "VM status: paused" || return
	usleep 500000
	before=$(ticks)
	sleep 4
	[ "$(ticks)" = "$before" ] || failed "a stopped guest goes on" || return
	monitor cont
	await_ticks 3
}

#: monitor-nmi
case_monitor_nmi() {
	linux q35 ticks -nic none
	await serial "guest: tick 2 " || return
	expect serial "nmi 0" || return
	monitor nmi
	await serial "NMI received for unknown reason" && await serial "nmi 1"
}

#: monitor-system-reset
case_monitor_system_reset() {
	# shellcheck disable=SC2046
	qemu -M q35 -kernel $guest/bzImage -initrd $guest/initramfs -m 256 \
		-nic none -append "$quiet do=ticks"
	await serial "guest: tick 2 " || return
	monitor system_reset
	until [ "$(grep -ac "guest: tick 2 " $work/serial)" -ge 2 ]; do
		running || failed "QEMU ended instead" || return
		late && failed "the guest does not come back" && return
		late && return 1
		usleep 500000
	done
}

# ACPI's button is nothing a kernel without a daemon acts on, so the guest does.
#: monitor-quit
case_monitor_quit() {
	linux microvm ticks -nic none
	await serial "guest: tick 2 " || return
	monitor quit
	await_end
}

#: split-q35
case_split_q35() {
	accel=kvm,kernel-irqchip=split
	linux q35 report,sums -nic none -smp 2
	await_end && check_report 2 && expect serial "guest: sums 2x"
}

# QEMU 10 and later have no interrupt controllers of their own for KVM.
#: irqchip-off
case_irqchip_off() {
	case $(cat $root/payload/qemu-version) in
	*:5.*|*:7.*) ;;
	*)
		echo "this QEMU wants the kernel's local APIC" >$work/skip
		return
		;;
	esac
	accel=kvm,kernel-irqchip=off
	linux q35 report -nic none
	await_end && check_report 1
}

# The XSAVE areas of the emulated CPU, seen unfiltered, make Debian's Linux 5.10 and 7.3
# panic while they start, under the stock modules as well.
#: cpu-host
case_cpu_host() {
	case $(uname -r) in
	5.10.* | 7.*)
		echo "such a guest panics with the stock modules, too" >$work/skip
		return
		;;
	esac
	linux q35 report,dirty:64:1 -nic none -cpu host
	await_end && check_report 1 &&
		expect serial "load: dwords 16777216 verified, 0 bad"
}

# The installer's first menu is on the console, which is the serial line. With
# less memory it would complain of that instead.
#: installer-menu 600
case_installer_menu() {
	qemu -M q35 -m 1024 -kernel /payload/installer-linux \
		-initrd /payload/installer-initrd.gz \
		-append "console=ttyS0 quiet TERM=linux"
	await serial "Select a language"
}

# One pass over 64 MiB: memtest86+ counts passes and errors on its screen, which
# is mirrored to the serial line.
#: memtest 900
case_memtest() {
	qemu -M pc -m 64 -nic none -kernel /payload/memtest.bin \
		-append "console=ttyS0,115200 nosmp nobench"
	await serial "Pass: *[1-9][0-9]* *Errors: [0-9]" &&
		expect serial "Pass: *[1-9][0-9]* *Errors: 0 "
}

# OVMF without a disk or network goes to its shell. The last case: QEMU TCG, up to
# 11.1 at least, aborts when a guest writes CR8 while a virtual interrupt waits, as
# OVMF does at the end of each interrupt. The stock AMD module cannot avoid that.
#: ovmf-shell 480
case_ovmf_shell() {
	if [ "$LAB_VENDOR" = amd ] && [ ! -e /sys/module/kvm/version ]; then
		echo "it ends the emulator under the stock module" >$work/skip
		return
	fi
	code=/usr/share/OVMF/OVMF_CODE_4M.fd
	variables=/usr/share/OVMF/OVMF_VARS_4M.fd
	if [ ! -e $root$code ]; then
		code=/usr/share/OVMF/OVMF_CODE.fd
		variables=/usr/share/OVMF/OVMF_VARS.fd
	fi
	cp $root$variables $work/variables
	qemu -M q35 -m 256 -nic none \
		-drive if=pflash,format=raw,readonly=on,file=$code \
		-drive if=pflash,format=raw,file=$work/variables
	await serial "UEFI Interactive Shell" && await serial "Shell>"
}
