#!/usr/bin/env bash
# pyright, strict, on the package and on a typed sample; mypy has seen both in make test. Needs node (pyright brings its own
# copy by npm otherwise).
set -euo pipefail
cd "$(dirname "$0")/../../bindings/python"
work=$PWD/../../.build/pyright
python=${PYTHON:-../../.venv/bin/python}
[ -x "$python" ] || python=$(command -v python3)
[ -x "$work/bin/pyright" ] || { "$python" -m venv "$work" && "$work/bin/pip" install --quiet --disable-pip-version-check pyright typing_extensions; }
PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$work/bin/pyright" --pythonpath "$work/bin/python" -p pyrightconfig.json
