#!/bin/sh
# Starts a program on the desktop from a container that has neither Python nor vizproxy: as
# `vizproxy run`, and with its options. Nothing but /bin/sh is needed: beside this script lie a Python
# interpreter, its C library and vizproxy's own side of it. It works wherever the directory is mounted.

self=$0
if [ -h "$self" ]; then
    self=$(readlink -f -- "$self")
fi
root=$(CDPATH='' cd -- "${self%/*}/.." && pwd -P) || exit 69
launcher=$root/launcher

# It is the desktop that has published this which is meant, unless another one was named.
case $root in
*/share) VIZPROXY_SOCKET=${VIZPROXY_SOCKET:-${root%/share}/http.sock} && export VIZPROXY_SOCKET ;;
esac

# What is to be preloaded is for the program, and was made for the program's C library.
preload=${LD_PRELOAD-}
unset LD_PRELOAD

exec "$launcher/lib/ld.so" --inhibit-cache --library-path "$launcher/lib" \
    "$launcher/bin/python3" -I -S -m vizproxy.cli.published "$preload" "$@"
