#!/usr/bin/env bash
# A few tests on the lowest versions that pyproject.toml declares, but for torch, whose older wheels bring gigabytes of
# CUDA: it stays the one of constraints.txt, so its bound is declared and not tested. LOWEST_PYTHON names a Python 3.11.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${LOWEST_VENV:-.venv-lowest}
extras=hf,bench

if [ ! -x "$venv/bin/python" ]; then
    # Older wheels know no newer Python.
    for python in ${LOWEST_PYTHON:-${PYTHON:-python3} python3.11}; do
        "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && break
        python=
    done
    [ -n "$python" ] || { echo "the lowest versions need Python 3.11: LOWEST_PYTHON=... names one" >&2; exit 2; }
    "$python" -m venv "$venv"
fi
if [ pyproject.toml -nt "$venv/.done" ]; then
    "$venv/bin/python" - "$extras" > "$venv/constraints.txt" <<'PYTHON'
import re, sys, tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
optional = project["optional-dependencies"]
for line in [*project["dependencies"], *(line for extra in sys.argv[1].split(",") for line in optional[extra])]:
    name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+).*", line).groups()
    print(f"{name}=={lowest}" if name != "torch" else re.search(r"^torch==.*$", open("constraints.txt").read(), re.M)[0])
PYTHON
    echo "installing the lowest versions into $venv (about two minutes)"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all: \
        -c "$venv/constraints.txt" -e ".[$extras]" pytest pytest-xdist
    touch "$venv/.done"
fi
rm -rf build/lowest
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
"$venv/bin/python" -m pytest -n "${WORKERS:-2}" -m "not slow and not legacy" --durations=10 "$@" \
    tests/adapters/test_hf.py tests/core/test_api.py tests/core/test_explanation.py tests/show
"$venv/bin/zsxai" demo --out build/lowest/demo --overwrite
"$venv/bin/zsxai" bench run smoke --limit 1 --out build/lowest/smoke
