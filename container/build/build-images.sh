#!/bin/sh
# Builds the images with podman: vizproxy-sidecar, and vizproxy-notebook as an example.
#
# The wheel has to be in dist/. Settings are variables of the environment:
#
# BASE          the image that they are made from; empty, the one that the Containerfiles name, or, where no
#               registry can be reached, one that mmdebstrap makes of Debian's packages (BASE=mmdebstrap)
# VIRTUALGL_DEB VirtualGL's package, as a file in dist/ or an address
# VIRTUALGL_SHA256
#               its checksum, if it is not the one in the Containerfile
# IMAGE_ARGS    more options for `podman build`, such as --no-cache
# PYTHON        an interpreter with pip and packaging, to fetch the Python packages
set -eu

fail() {
    printf 'cannot build the images: %s; try %s\n' "$1" "$2" >&2
    exit 69
}

say() {
    printf '%s\n' "$*" >&2
}

cd "$(dirname "$0")/../.."
build=container/build
suite=bookworm # of the base image
own_base=localhost/vizproxy-base:$suite
cache=.cache/podman
mkdir -p "$cache"
command -v podman >/dev/null || fail "podman is not installed" "apt-get install podman"

# Podman asks systemd for cgroups, and its first choice of a runtime wants them in version 2.
if [ -z "${CONTAINERS_CONF:-}" ]; then
    if [ -d /run/systemd/system ] && [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        rm -f "$cache/containers.conf"
    else
        cat >"$cache/containers.conf.$$" <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"

[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
END
        mv "$cache/containers.conf.$$" "$cache/containers.conf" # whole, for tests that use it
        export CONTAINERS_CONF="$PWD/$cache/containers.conf"
    fi
fi

trap 'rm -f "$cache/output.$$"' EXIT
quietly() { # quietly WHAT COMMAND...: what it prints is shown if it fails
    what=$1
    shift
    "$@" >"$cache/output.$$" 2>&1 || {
        cat "$cache/output.$$" >&2
        fail "$what failed, for the reason above" "mending that"
    }
}

make_base() {
    command -v mmdebstrap >/dev/null || fail "mmdebstrap is not installed" "apt-get install mmdebstrap"
    say "Making a base image of Debian's packages ($suite)"
    quietly mmdebstrap mmdebstrap --variant=minbase \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "$suite" "$cache/base.tar"
    quietly 'podman import' podman import \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "$cache/base.tar" "$own_base"
    rm "$cache/base.tar"
}

base=${BASE:-}
named=$(sed -n 's/^ARG BASE=//p' container/Containerfile)
if [ -z "$base" ]; then
    if ! podman image exists "$named" && ! podman pull --quiet "$named" >/dev/null 2>&1; then
        say "No registry with ${named%@*} can be reached"
        base=mmdebstrap
    fi
fi
if [ "$base" = mmdebstrap ]; then
    base=$own_base
    podman image exists "$base" || make_base
fi

# Packages are looked for as pip is set up on this machine.
locks="$build/requirements-sidecar.lock $build/requirements-notebook.lock"
# shellcheck disable=SC2086 # two names
stamp=dist/wheels/.of-$(cat $locks "$build/fetch_wheels.py" | cksum | cut -d ' ' -f 1)
if [ ! -e "$stamp" ]; then
    say 'Fetching the Python packages of the images into dist/wheels'
    rm -rf dist/wheels
    # shellcheck disable=SC2086
    quietly 'fetching them' "$PYTHON" "$build/fetch_wheels.py" dist/wheels $locks
    mkdir dist/wheels/tools
    cp -R "$("$PYTHON" -c 'import pip; print(pip.__path__[0])')" dist/wheels/tools/pip
    touch "$stamp"
fi

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' vizproxy/__init__.py)
wheel=dist/vizproxy-$version-py3-none-any.whl
revision=$(git rev-parse HEAD 2>/dev/null) || revision=

id_of() {
    podman image inspect --format '{{.Id}}' "$1" 2>/dev/null || true
}

build_image() { # build_image NAME CONTAINERFILE OPTIONS...
    name=$1
    file=$2
    shift 2
    former=$(id_of "$name:$version")
    # Labels and not arguments for a LABEL: podman would take that from its cache with former values.
    # shellcheck disable=SC2086 # options are meant to be split
    quietly "podman build of $name" podman build --format docker --network host \
        ${base:+--build-arg "BASE=$base"} --build-arg "WHEEL=$wheel" \
        --label "org.opencontainers.image.version=$version" \
        --label "org.opencontainers.image.revision=$revision" \
        --tag "$name:$version" --tag "$name:latest" --file "$file" "$@" ${IMAGE_ARGS:-} .
    made=$(id_of "$name:$version")
    if [ -n "$former" ] && [ "$former" != "$made" ]; then
        podman image rm "$former" >/dev/null 2>&1 || true # containers may still be of it
    fi
}

# Podman looks through all layers even if it takes each from its cache.
built=$cache/built-$(
    {
        cat container/Containerfile container/notebook/Containerfile container/build/*.sh \
            container/build/*.py container/build/*.lock "$wheel"
        printf '%s\n' "$revision" "$(id_of "${base:-$named}")" "${VIRTUALGL_DEB:-}" "${VIRTUALGL_SHA256:-}"
    } | cksum | cut -d ' ' -f 1
)
images() {
    echo "$(id_of "vizproxy-sidecar:$version") $(id_of "vizproxy-notebook:$version")"
}
if [ -n "${IMAGE_ARGS:-}" ] || [ "$(cat "$built" 2>/dev/null)" != "$(images)" ]; then
    say 'Building the images'
    build_image vizproxy-sidecar container/Containerfile \
        ${VIRTUALGL_DEB:+--build-arg "VIRTUALGL_DEB=$VIRTUALGL_DEB"} \
        ${VIRTUALGL_SHA256:+--build-arg "VIRTUALGL_SHA256=$VIRTUALGL_SHA256"}
    build_image vizproxy-notebook container/notebook/Containerfile
    rm -f "$cache"/built-*
    images >"$built"
fi
for name in vizproxy-sidecar vizproxy-notebook; do
    bytes=$(podman image inspect --format '{{.Size}}' "$name:$version")
    printf '  %-26s %4d MB\n' "$name:$version" "$((bytes / 1000000))"
done
