#!/bin/busybox sh
# The first program of a Linux domain. It says on the console when a disk and a network interface come and go, and opens and
# closes the disk when it is told to. All in the shell itself where it waits: a new process takes long under emulation.
busybox() { /bin/busybox "$@"; }

busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
exec </dev/hvc0 >/dev/hvc0 2>&1
busybox stty -echo
for module in /modules/*; do
    busybox insmod "$module" || echo "devices: cannot load $module"
done
echo "devices: ready"

disk= nic=
while :; do
    if [ -e /sys/block/xvdb ] && [ -b /dev/xvdb ]; then
        [ "$disk" ] || echo "devices: xvdb has $(busybox head -n 1 /dev/xvdb)"
        disk=1
    elif [ "$disk" ]; then
        echo "devices: xvdb is gone"
        disk=
    fi
    if [ -e /sys/class/net/eth0/address ]; then
        [ "$nic" ] || { read -r nic </sys/class/net/eth0/address; echo "devices: eth0 has $nic"; }
    elif [ "$nic" ]; then
        echo "devices: eth0 is gone"
        nic=
    fi
    read -r -t 0.2 word || continue
    case $word in
    open) exec 3</dev/xvdb; echo "devices: xvdb is open" ;;
    close) exec 3<&-; echo "devices: xvdb is closed" ;;
    esac
done
