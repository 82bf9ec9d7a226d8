#!/bin/sh
# Puts prometheus and promtool into .cache/prometheus/bin, for the tests.
#
# Debian's package would start a service, so it is unpacked rather than installed. Where both programs
# are on the PATH, or are there already, it does nothing.
set -eu

fail() {
    printf 'cannot get prometheus: %s; try %s\n' "$1" "$2" >&2
    exit 69
}

cd "$(dirname "$0")/../.."
bin=.cache/prometheus/bin
command -v prometheus >/dev/null && command -v promtool >/dev/null && exit 0
[ -x "$bin/prometheus" ] && [ -x "$bin/promtool" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or a relative of it; put prometheus and promtool on the PATH" >&2
    exit 0
fi

mkdir -p "$bin"
work=$(mktemp -d "$PWD/.cache/prometheus/download.XXXXXX")
trap 'rm -rf "$work"' EXIT

download() {
    (cd "$work" && apt-get download -qq prometheus)
}

echo "Downloading prometheus into .cache/prometheus" >&2
if ! download 2>/dev/null; then
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "apt's lists of packages lack it" "as root: apt-get update"
        as_root=sudo
    fi
    $as_root apt-get update -qq
    download || fail "apt-get failed, for the reason above" "apt-get download prometheus"
fi
dpkg-deb -x "$work"/prometheus_*.deb "$work/unpacked"
# Renamed into place, so that nobody starts half a program.
for program in prometheus promtool; do
    cp "$work/unpacked/usr/bin/$program" "$bin/.$program.$$"
    mv "$bin/.$program.$$" "$bin/$program"
done
