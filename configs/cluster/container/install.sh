#!/bin/sh
# Installs a wheel with what it needs at run time, and nothing else, into a new environment: install.sh WHEELS VENV
# [EXTRAS], such as [cuda]
set -eu
"${PYTHON:-python3}" -m venv --without-pip "$2"
exec "${PYTHON:-python3}" -m pip --disable-pip-version-check --python "$2/bin/python" install --quiet --no-compile \
    "$(echo "$1"/g2p_batch-*.whl)${3-}"
