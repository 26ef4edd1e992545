#!/bin/busybox sh
# The first program of a Linux domain. It says on the console when a disk and a network interface come and go. When it is told to, it
# opens and closes the disk, reads a file of a shared directory, and says which screen it has. All in the shell itself where it waits:
# a new process takes long under emulation.
busybox() { /bin/busybox "$@"; }

busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
exec </dev/hvc0 >/dev/hvc0 2>&1
busybox stty -echo
load() {
    for module in "$@"; do
        busybox insmod "$module" || echo "devices: cannot load $module"
    done
}
load /modules/*
echo "devices: ready"

# Nothing ever comes from there.
busybox mkfifo /never
exec 9<>/never

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
    # A time limit while a word is read would lose a part of it.
    read -t 0 || { read -r -t 0.2 _ <&9; continue; }
    read -r word
    case $word in
    share)
        load /modules-9p/*
        busybox mount -t 9p -o trans=xen,version=9p2000.L share /share
        echo "devices: share has $(busybox head -n 1 /share/file)"
        ;;
    pci) load /modules-pci/*; echo "devices: PCI devices can come" ;;
    screen) echo "devices: fb0 is $(busybox cat /sys/class/graphics/fb0/name)" ;;
    open) exec 3</dev/xvdb; echo "devices: xvdb is open" ;;
    close) exec 3<&-; echo "devices: xvdb is closed" ;;
    esac
done
