# Run as root on a clean Debian, beside the packages: installs them, tries them, and removes them.
set -eu
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io "$@"
}

# libxl comes along: it is recommended, since the programs load it when they run.
apt install --install-recommends ./osevent-conformance_*.deb >/dev/null
apt install --no-install-recommends systemd ./*.deb >/dev/null

packages=
for file in ./*.deb; do
    name=${file#./}
    packages="$packages ${name%%_*}"
done
for program in $(dpkg --listfiles $packages | sed -n 's|^/usr/bin/||p'); do
    echo "try: $program"
    test "$("$program" --version | wc -l)" = 1
    "$program" --help >/dev/null
    test -s "/usr/share/man/man1/$program.1.gz"
    bash -n "/usr/share/bash-completion/completions/$program"
done
echo "try: libxl"
osevent-conformance --adapter glib --mode thread --case domains-followed
echo "try: units"
systemd-analyze verify xenlightd.service xenlightd.socket xenlight-fleet.service
test "$(systemctl is-enabled xenlightd.service)" = enabled
test "$(systemctl is-enabled xenlight-fleet.service)" = disabled
sh ./boot.sh

apt purge $packages >/dev/null
left=$(find / -xdev \( -path /proc -o -path /try -o -path /var/cache/apt -o -path /var/log \) -prune -o \
    \( -name '*osevent*' -o -name '*xenlightd*' -o -name '*xenlight-fleet*' \) -print)
if [ -n "$left" ]; then
    echo "try: after the packages there is still" $left >&2
    exit 1
fi
