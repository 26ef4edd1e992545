# Run as root on a clean Debian with xenlightd and systemd: boots systemd there, in name spaces of its own, and has it run the service.
set -eu
# The mounts are private to the try already, and the root of it is none.
of_its_own="unshare --fork --kill-child --pid --mount --propagation unchanged --ipc --uts --net --cgroup"
case ${1-} in
"")
    if ! $of_its_own true || ! mount -t cgroup2 cgroup2 /mnt; then
        echo "boot: skipped: there are no name spaces and control groups to be had here"
        exit
    fi
    # All below this one is systemd's.
    group=/mnt$(sed -n 's/^0:://p' /proc/self/cgroup)/boot-$$
    mkdir "$group" /try/root
    : >/try/said
    result=0
    sh -c "echo \$\$ >$group/cgroup.procs; exec timeout 300 $of_its_own sh /try/boot.sh root" || result=$?
    cat /try/said
    find "$group" -depth -type d -exec rmdir {} +
    umount /mnt
    exit "$result"
    ;;
root)
    root=/try/root
    mount --bind / $root
    mount -t proc proc $root/proc
    mount -t sysfs -o ro sysfs $root/sys
    mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
    mount -t tmpfs tmpfs $root/run
    mkdir -p $root/run/systemd/system/xenlightd.service.d
    cat >$root/run/systemd/system/boot.service <<END
[Unit]
Wants=dbus.socket xenlightd.socket
After=dbus.socket xenlightd.socket
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=/bin/sh /try/boot.sh inside
StandardOutput=append:/try/said
StandardError=inherit
END
    # So that it is seen soon that it is alive, and that it is not.
    printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n' >$root/run/systemd/system/xenlightd.service.d/boot.conf
    exec chroot $root env -i container=try PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --unit=boot.service --show-status=false
    ;;
inside)
    service() {
        systemctl show --property "$1" --value xenlightd.service
    }
    is() {
        if [ "$(service "$1")" != "$2" ]; then
            echo "boot: $1 of xenlightd.service is $(service "$1"), not $2"
            exit 1
        fi
    }
    becomes() {
        until [ "$(service "$1")" = "$2" ]; do
            sleep 0.1
        done
    }
    echo "boot: a scrape starts it, and it says when it is ready"
    is ActiveState inactive
    perl -MIO::Socket::UNIX -e '$socket = IO::Socket::UNIX->new("/run/xenlightd/metrics") or die $!;
        print $socket "GET /metrics HTTP/1.0\r\n\r\n"; print <$socket>' | grep -x "xen_up 0"
    becomes ActiveState active
    is Type notify

    echo "boot: it has its sandbox"
    process=$(service MainPID)
    grep -q "^NoNewPrivs:	1$" "/proc/$process/status"
    grep -q "^Seccomp:	2$" "/proc/$process/status"
    # CAP_SYS_MODULE and CAP_SYS_BOOT are not among those that it can have.
    bound=$(sed -n 's/^CapBnd:	//p' "/proc/$process/status")
    test $((0x$bound & (1 << 16 | 1 << 22))) = 0
    grep -q " /usr ro[, ]" "/proc/$process/mountinfo"
    test "$(grep -c " /usr ro[, ]" /proc/self/mountinfo)" = 0

    echo "boot: it is alive for its watchdog"
    alive=$(service WatchdogTimestampMonotonic)
    while [ "$(service WatchdogTimestampMonotonic)" = "$alive" ]; do
        sleep 0.1
    done
    is MainPID "$process"

    echo "boot: it is started again when it is not"
    kill -STOP "$process"
    becomes NRestarts 1
    becomes ActiveState active

    echo "boot: it stops, and a call on the bus starts it"
    systemctl stop xenlightd.service
    is Result success
    is ActiveState inactive
    busctl call org.osevent.Xen1 /org/osevent/Xen1 org.osevent.Xen1.Manager Refresh
    is ActiveState active
    ;;
esac
