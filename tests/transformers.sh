#!/bin/sh
# Run the Hugging Face adapter's tests against transformers 4.57: tests/transformers_4.sh [pytest options]
# Everything else (torch, captum, zsxai itself) comes from the Python that $PYTHON names, the tree's .venv by default.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m venv "$scratch/venv"
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
own=$("$scratch/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The numpy that the borrowed packages were built beside; torch is no dependency of transformers, so it stays borrowed.
"$python" -c 'import numpy; print(f"numpy=={numpy.__version__}")' > "$scratch/constraints.txt"
cat "$root/constraints.txt" >> "$scratch/constraints.txt"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check -c "$scratch/constraints.txt" 'transformers==4.57.*'
# addsitedir, not a bare path: it reads the .pth files there too, among them that of an editable install.
echo "import site; site.addsitedir('$site')" > "$own/zz_borrowed.pth"

cd "$root"
"$scratch/venv/bin/python" -c 'import torch, transformers; print("transformers", transformers.__version__, "torch", torch.__version__)'
HF_HUB_OFFLINE=1 "$scratch/venv/bin/python" -m pytest tests/adapters/test_hf.py "$@"
