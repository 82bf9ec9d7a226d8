#!/bin/sh
# Installs groups of Debian packages (see install-debian.sh) into an image, and leaves out what is not
# needed there: documents, translations, lists and caches, and programs that change their user.
set -eu

if [ "$(dirname "$0")" != /build ]; then
    echo "cannot install anything: this is for the build of an image, where it lies in /build" >&2
    exit 64
fi

cat >/etc/dpkg/dpkg.cfg.d/slim <<'EOF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
EOF
"$(dirname "$0")/install-debian.sh" "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
find / -xdev -type f -perm /6000 -exec chmod a-s {} +

case " $* " in
    *" sidecar "*)
        # What comes along and is never loaded, a fifth of all: readers of PostScript, HEIF and JPEG XL, which
        # openbox's library for icons would look for; Tcl, Perl beyond its base, the names of all hardware.
        rm -rf /usr/share/fonts/type1 /usr/share/ghostscript /usr/share/poppler \
            /usr/share/perl /usr/share/tcltk /usr/lib/udev/hwdb.* \
            /usr/bin/wish* /usr/bin/tclsh*
        cd "$(dirname "$(find /usr/lib -name libc.so.6)")"
        rm -rf imlib2/loaders/heif.so imlib2/loaders/jxl.so imlib2/loaders/ps.so \
            perl perl5 libperl.so* libtcl8* libtk8* libgs.so* libspectre.so* \
            libheif.so* libx265.so* libaom.so* libdav1d.so* libde265.so* libjxl*.so* libhwy*.so*
        ;;
esac
