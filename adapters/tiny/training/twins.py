"""Train the twins of ``tiny``: ``python -m zsxai.adapters.tiny.training.twins --data DIR --out OUT``.

Each is the bundled recipe in its form of one encoder, on two of the folds 1 to 3, with the text side of the bundled
weights, and a decoder of LMAC-ZS trained on the same clips. So each can be judged on the fold that it has not heard.
``OUT/twins`` is what stands in this folder as ``twins``.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from zsxai.adapters.tiny import TWINS
from zsxai.adapters.tiny.model import WEIGHTS, TinyClap
from zsxai.adapters.tiny.store import AUDIO, MANIFEST
from zsxai.adapters.tiny.training.fit import Recipe
from zsxai.adapters.tiny.training.train import main as train_encoder
from zsxai.lmac_zs.training.command import progress_bar
from zsxai.lmac_zs.training.config import DataSpec, load_config
from zsxai.lmac_zs.training.run import DECODER, train

CONFIG = Path(__file__).parent / "lmac-zs.toml"
"""How their decoders are trained, and the bundled one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    for name in options.twins:
        folds = [fold for fold in TWINS if fold != name]
        at = options.out / name
        words = ["--data", options.data, "--out", at, "--folds", *folds, "--text-from", WEIGHTS, "--resume"]
        words += ["--seed", options.seed, "--epochs", options.epochs]
        if code := train_encoder([str(word) for word in words]):
            return code
        shipped = options.out / "twins" / name
        shipped.mkdir(parents=True, exist_ok=True)
        for file in (AUDIO, MANIFEST):
            shutil.copyfile(at / "weights" / file, shipped / file)
        if not options.no_decoders:
            _train_decoder(name, shipped, at / "lmac-zs", options)
    Console().print(f"twins written to {options.out / 'twins'}", highlight=False, soft_wrap=True)
    return 0


def _train_decoder(name: str, weights: Path, out: Path, options: argparse.Namespace) -> None:
    model = TinyClap.from_folder(weights, torch.device("cpu"), twin=int(name))
    folds = [int(fold) for fold in TWINS if fold != name]
    data = {"esc50": DataSpec(reader="esc50", options={"folds": folds})}
    config = load_config(CONFIG, {"data": data, "seed": options.seed})
    command = f"python -m zsxai.adapters.tiny.training.twins --data DIR --out DIR --seed {options.seed}"
    with progress_bar() as report:
        train(model, out, config, resume=True, roots={"esc50": str(options.data)}, report=report, command=command)
    shutil.copytree(out / DECODER, weights / "decoders", dirs_exist_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and twins; goes on there")
    parser.add_argument("--twins", nargs="+", choices=TWINS, default=TWINS, help="which; each by the fold left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs, help="of the audio encoders")
    parser.add_argument("--no-decoders", action="store_true", help="train the encoders alone")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
