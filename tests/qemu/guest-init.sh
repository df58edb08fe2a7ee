#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# First process of a Linux guest: does what the kernel command line names in
# do=WORD,WORD,... and says on the console what came of it.
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/list); do
	insmod "/modules/$module" 2>/dev/null
done

# A disk or a network card is there a moment after its driver.
appear() {
	tries=0
	until [ -e "$1" ] || [ $tries -ge 200 ]; do
		usleep 20000
		tries=$((tries + 1))
	done
}

network() {
	appear /sys/class/net/eth0
	ip link set lo up
	ip link set eth0 up
	ip addr add 10.0.2.15/24 dev eth0
	ip route add default via 10.0.2.2
}

total() {
	awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo
}

interrupts() {
	awk -v name="$1:" '$1 == name {
		sum = 0
		for (i = 2; $i ~ /^[0-9]+$/; i++)
			sum += $i
		print sum }' /proc/interrupts
}

do_report() {
	echo "guest: kernel $(uname -r)"
	echo "guest: cpus $(grep -c ^processor /proc/cpuinfo) of" \
	     "$(cat /sys/devices/system/cpu/present 2>/dev/null)"
	echo "guest: clock" \
	     "$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
}

# All CPUs at once: each must get through the same sum.
do_sums() {
	cpus=$(grep -c ^processor /proc/cpuinfo)
	cpu=0
	while [ $cpu -lt "$cpus" ]; do
		taskset $((1 << cpu)) awk 'BEGIN {
			for (i = 1; i <= 20000; i++) sum += i * i % 7
			print sum }' >"/sum$cpu" &
		cpu=$((cpu + 1))
	done
	wait
	echo "guest: sums $(cat /sum* | sort | uniq -c | awk '{ print $1 "x" $2 }')"
}

# The host has filled the first MiB and looks for its copy behind it.
do_disk() {
	appear /dev/vda
	echo "guest: disk $(dd if=/dev/vda bs=64k count=16 2>/dev/null |
			    sha256sum | cut -d' ' -f1)"
	dd if=/dev/vda of=/dev/vda bs=64k count=16 seek=16 2>/dev/null
	sync
}

do_net() {
	network
	ping -c 3 -i 0.2 -W 20 10.0.2.2 >/ping
	echo "guest: ping $(awk '/received/ { print $4 }' /ping)"
	echo "guest: net $(wget -q -O - http://10.0.2.2:8000/blob |
			   sha256sum | cut -d' ' -f1)"
}

do_balloon() {
	start=$(total)
	last=$start
	low=$start
	tries=0
	echo "guest: memory $start"
	while [ $tries -lt 2400 ]; do
		usleep 50000
		here=$(total)
		[ "$here" = "$last" ] || echo "guest: memory $here"
		last=$here
		[ "$here" -ge "$low" ] || low=$here
		[ "$here" -lt "$start" ] || [ "$low" -eq "$start" ] || break
		tries=$((tries + 1))
	done
	echo "guest: balloon lowest $low end $here of $start"
}

# One line in about a second of the guest's own clock.
do_ticks() {
	tick=0
	while [ ! -e /stop ]; do
		tick=$((tick + 1))
		echo "guest: tick $tick up $(cut -d' ' -f1 /proc/uptime)" \
		     "nmi $(interrupts NMI)"
		usleep 500000
	done
}

do_serve() {
	network
	load serve "$1" "$2" 4000
	echo "guest: load ended with $?"
}

do_read() {
	appear /dev/vda
	load read /dev/vda "$1"
	echo "guest: load ended with $?"
}

do_dirty() {
	load dirty "$1" "$2"
	echo "guest: load ended with $?"
}

mount -t sysfs sysfs /sys
for word in $(cat /proc/cmdline); do
	case $word in
	do=*) jobs=$(echo "${word#do=}" | tr ',' ' ') ;;
	esac
done
# The last lines must have left the machine before it stops.
settle() {
	usleep 300000
}

echo "guest: up"
for job in $jobs; do
	case $job in
	reboot) settle; reboot -f ;;
	poweroff) settle; poweroff -f ;;
	*:*:*) do_"${job%%:*}" "$(echo "$job" | cut -d: -f2)" \
			       "$(echo "$job" | cut -d: -f3)" ;;
	*:*) do_"${job%%:*}" "${job#*:}" ;;
	*) do_"$job" ;;
	esac
done
settle
poweroff -f
