#!/usr/bin/env bash
# laion-clap and msclap take neither numpy 2 nor, for msclap, transformers 5: an environment of their own, and the tests
# that need them. tests/legacy.sh [pytest options]; LEGACY_PYTHON names a Python 3.11 or 3.12, LEGACY_VENV the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${LEGACY_VENV:-.venv-legacy}

if [ ! -x "$venv/bin/python" ]; then
    # The last numpy before 2 has wheels for no newer Python.
    for python in ${LEGACY_PYTHON:-${PYTHON:-python3} python3.12 python3.11}; do
        "$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && break
        python=
    done
    [ -n "$python" ] || { echo "laion-clap and msclap need Python 3.11 or 3.12: LEGACY_PYTHON=... names one" >&2; exit 2; }
    "$python" -m venv "$venv"
fi
if [ pyproject.toml -nt "$venv/.done" ] || [ constraints-legacy.txt -nt "$venv/.done" ]; then
    echo "installing laion-clap, msclap and what they need into $venv (about two minutes)"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet -c constraints-legacy.txt \
        -e '.[laion,msclap,bench,train]' pytest pytest-xdist
    touch "$venv/.done"
fi
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$venv/bin/python" -m pytest -n "${WORKERS:-2}" -m legacy --durations=10 \
    tests/adapters tests/conformance tests/benchmarks/measure tests/benchmarks/tasks/test_cascade.py "$@"
