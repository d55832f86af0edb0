#!/bin/sh
# Run the adapters' tests against transformers 4.57 and against 5: tests/transformers.sh [pytest options]
# TRANSFORMERS="5.0.*" names other versions. Everything else (torch, laion-clap, msclap, zsxai itself) comes from the
# Python that $PYTHON names, the tree's .venv by default: msclap declares transformers<5, but its model runs on 5.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The numpy that the borrowed packages were built beside; torch is no dependency of transformers, so it stays borrowed.
"$python" -c 'import numpy; print(f"numpy=={numpy.__version__}")' > "$scratch/constraints.txt"
# msclap brings a torchaudio along, which transformers 5 imports where it is found, working or not: it stays behind.
mkdir "$scratch/borrowed"
ln -s "$site"/* "$scratch/borrowed"
rm "$scratch"/borrowed/torchaudio*

cd "$root"
for version in ${TRANSFORMERS:-4.57.* 5.*}; do
    venv=$scratch/venv-${version%.\*}
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -c "$scratch/constraints.txt" "transformers==$version"
    own=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    # addsitedir, not a bare path: it reads the .pth files there too, among them that of an editable install.
    echo "import site; site.addsitedir('$scratch/borrowed')" > "$own/zz_borrowed.pth"
    "$venv/bin/python" -c 'import torch, transformers; print("transformers", transformers.__version__, "torch", torch.__version__)'
    HF_HUB_OFFLINE=1 "$venv/bin/python" -m pytest tests/adapters "$@"
done
