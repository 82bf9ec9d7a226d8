#!/bin/sh
# Installs the Debian packages that vizproxy needs and this machine lacks.
#
#   install-debian.sh GROUP...
#
#   python   what `python3 -m venv` needs
#   runtime  what the daemon starts: Xorg with its software renderer, openbox, x11vnc
#   demo     small OpenGL and X programs to look at, such as glxgears
#   test     what the tests use besides these: a browser and X tools
#   lint     what `make lint` uses and pip does not install
#   pod      what `make images` and the tests of the Pod use: podman, and what makes a base image
#   sidecar  what the sidecar's image has besides `runtime`
#   notebook what the example of a notebook's image has besides `demo`: what programs draw by, in
#            software or through VirtualGL, and a viewer
#
# With nothing missing it takes milliseconds and touches nothing. Otherwise it needs to be root or
# to have sudo.
set -eu

fail() {
    printf 'cannot install the system packages: %s; try %s\n' "$1" "$2" >&2
    exit 69
}

packages() {
    case $1 in
        python)
            # An interpreter that is not Debian's brings its own venv.
            if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
                echo python3-venv
            fi
            ;;
        runtime)
            echo xserver-xorg-core xserver-xorg-video-dummy x11vnc openbox \
                x11-xkb-utils xkb-data libgl1 libgl1-mesa-dri libglx-mesa0 \
                util-linux fonts-dejavu-core
            ;;
        demo) echo mesa-utils x11-apps ;;
        test)
            # Playwright brings a Node.js that is linked with libatomic. A container without glibc is
            # made of busybox.
            echo chromium libatomic1 x11-utils tk busybox-static
            ;;
        lint) echo shellcheck ;;
        pod)
            echo podman buildah runc containernetworking-plugins iptables fuse-overlayfs \
                catatonit uidmap mmdebstrap
            ;;
        sidecar) echo tini python3 ;;
        notebook)
            echo tini python3 libgl1 libgl1-mesa-dri libglx-mesa0 libegl1 libegl-mesa0 \
                libglu1-mesa libxtst6 libxv1 fonts-dejavu-core meshlab
            ;;
        *)
            fail "there is no group named $1" \
                "python, runtime, demo, test, lint, pod, sidecar or notebook"
            ;;
    esac
}

wanted=
for group in "$@"; do
    list=$(packages "$group") # an assignment of its own, so that a failure ends the script
    wanted="$wanted $list"
done

# shellcheck disable=SC2016,SC2086 # dpkg-query expands the format; the list is meant to be split
installed=$(dpkg-query --show --showformat='(${db:Status-Status} ${Package})' $wanted 2>/dev/null) ||
    true # it fails when it does not know one of them
missing=
for package in $wanted; do
    case $installed in
        *"(installed $package)"*) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or a relative of it; install its counterparts of:$missing" >&2
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "you are not root and there is no sudo" "as root: apt-get install$missing"
    as_root=sudo
fi

echo "Installing:$missing" >&2
$as_root apt-get update -qq
# dpkg has hundreds of lines to say, which matter only if it fails.
# shellcheck disable=SC2086 # both lists are meant to be split
if ! output=$($as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -o Dpkg::Use-Pty=0 --yes --no-install-recommends $missing 2>&1); then
    printf '%s\n' "$output" >&2
    fail "apt-get failed, for the reason above" "as root: apt-get install$missing"
fi
