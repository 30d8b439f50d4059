#!/bin/sh
# Proves and measures this kit on the GPU of this machine, offline: sh run.sh OUT [STEP ...]. ${PYTHON:-python3} needs
# numpy; with torch, transformers and pyarrow there are peers too.
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
made=$(cat "$here/python-version")
own=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$own" != "$made" ]; then
    echo "this kit is for Python $made, $python is $own: set PYTHON, or gather with --python $own" >&2
    exit 2
fi
export PYTHONPATH="$here/site${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
exec "$python" -m tests.lab.gpu_kit.on_card --kit "$here" "$@"
