#!/bin/sh
# Builds the wheel of this source tree: wheel.sh SOURCE FOLDER
set -eu
exec "${PYTHON:-python3}" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$2" "$1"
