"""HTS-AT, the audio encoder of three CLAP libraries: its picture of the sound, unfolded.

HTS-AT (Chen et al., 2022, arXiv 2202.00874) resizes the log-mel to 1,024 frames of 64 bands, cuts it into four
stretches of time and lays them one over another as a picture of 256 x 256. Its maps are tokens of that picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from zsxai.hooks import Place
from zsxai.spectral import FrontEndSpec, map_grid


def htsat_places(
    encoder: nn.Module, resolutions: Sequence[tuple[int, int]], spec: FrontEndSpec, samples: int
) -> Iterator[Place]:
    """Every Swin stage before it is downsampled, then the final norm.

    Args:
        encoder: Has ``layers`` of ``blocks``, ``norm`` and ``freq_ratio``, as those of all three libraries do.
        resolutions: Rows and columns of tokens in every stage.
        spec: The front end.
        samples: In the window.
    """
    layers, norm, fold = (getattr(encoder, name) for name in ("layers", "norm", "freq_ratio"))
    modules = [*(layer.blocks[-1] for layer in layers), norm]
    names = [*(f"stage{number}" for number in range(1, len(modules))), "norm"]
    for name, module, (rows, columns) in zip(names, modules, [*resolutions, resolutions[-1]], strict=True):
        # A stage whose rows the stretches of time do not divide mixes them: it has no place on seconds x hertz.
        if rows % fold == 0:
            folding = _Folding(rows, columns, fold)
            # The image stretches the window's frames (1001 to 1024) end to end: its cells span all of them.
            grid = map_grid(spec, samples, rows // fold, fold * columns)
            yield Place(name, module, grid, folding.unfold, folding.refold)


class _Folding:
    """``rows`` x ``columns`` tokens, in which ``fold`` stretches of time lie one over another."""

    def __init__(self, rows: int, columns: int, fold: int) -> None:
        self.rows, self.columns, self.fold = rows, columns, fold

    def unfold(self, tokens: Tensor) -> Tensor:
        """``(B, rows * columns, C)`` to ``(B, C, rows / fold, fold * columns)``."""
        batch, _, channels = tokens.shape
        folded = tokens.reshape(batch, self.fold, self.rows // self.fold, self.columns, channels)
        return folded.permute(0, 4, 2, 1, 3).reshape(batch, channels, self.rows // self.fold, -1)

    def refold(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`unfold`."""
        batch, channels, height, _ = values.shape
        stretches = values.reshape(batch, channels, height, self.fold, self.columns)
        return stretches.permute(0, 3, 2, 4, 1).reshape(batch, -1, channels)
