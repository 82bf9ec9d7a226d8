#!/bin/sh
# Makes a Python environment in an image, or adds packages to it.
#
#   install-python.sh DIRECTORY PIP-ARGUMENTS...
#
# The packages, and a pip, are in dist/wheels, which is mounted at /mnt: `make images` has put them there, since
# it is the machine that it runs on where pip is set up. The environment has no pip. Its modules are compiled,
# as the image's file system may be read-only, and are not compared with their sources at each start. With
# ROOT set, what is added goes below that directory, from where it can be copied in a layer of its own.
set -eu

environment=$1
shift
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv --without-pip "$environment"
fi
if [ -n "${ROOT:-}" ]; then
    set -- --root "$ROOT" "$@"
fi
touch /tmp/before
PYTHONPATH=/mnt/wheels/tools python3 -m pip --python "$environment/bin/python" install \
    --disable-pip-version-check --quiet --root-user-action=ignore --no-cache-dir --no-compile \
    --no-index --find-links /mnt/wheels "$@"

added="${ROOT:-}$environment"
# NumPy's own tests are half of it; the maps lead from JupyterLab's code to sources that are not here.
rm -rf "$added"/lib/python3*/site-packages/numpy/*/tests
find "$added" -path '*/share/jupyter/*' -name '*.js.map' -delete
# Templates of modules are no modules; so not all need to be compiled.
find "$added/lib" -name '*.py' -cnewer /tmp/before |
    python3 -m compileall -q -j 0 -s "${ROOT:-/}" -p / --invalidation-mode unchecked-hash -i - ||
    true
rm /tmp/before
