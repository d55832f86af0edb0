"""laion-clap: random checkpoints saved as LAION saved theirs, and the library's own calls on a checkpoint."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.measure.libraries.laion_state import random_state
from zsxai.benchmarks.measure.libraries.tokens import save_tokenizer
from zsxai.benchmarks.measure.libraries.weights import perturb
from zsxai.errors import InputError
from zsxai.isolated import built, import_isolated, replaced, stubbed, unchanged
from zsxai.weights import load_weights, tensors_of

Size = Literal["tiny", "full", "base"]
_STUBS = ("torchvision.datasets", "torchvision.ops.misc", "torchvision.transforms")
_STEM = "audio_branch.patch_embed.proj.bias"
_SIZES: dict[int, Size] = {16: "tiny", 96: "full", 128: "base"}
"""By the channels of the stem. LAION calls the two that it published HTSAT-tiny and HTSAT-base."""
_NEEDLESS = re.compile(r"relative_position_index|attn_mask|audio_branch\.head|_transform\.|num_batches_tracked")
_NAMES = {"full": "HTSAT-tiny", "base": "HTSAT-base"}


def random_checkpoint(
    file: Path,
    size: Size = "tiny",
    *,
    fusion: bool = False,
    protocol: int = 4,
    module_prefix: bool = True,
    position_ids: bool = True,
    seed: int = 0,
) -> Path:
    """Save a random checkpoint as LAION saved theirs, and a RoBERTa tokenizer beside it; needs no laion-clap.

    Args:
        file: Where; its folder is made where it is missing.
        size: A network of 3, of 158 or of 200 million parameters.
        fusion: Whether it is a fusion model.
        protocol: Protocol of pickle.
        module_prefix: Whether every key begins with ``module.``, as distributed training leaves it.
        position_ids: Whether the constant that older transformers stored is there; the library wants it.
        seed: Seed of the weights.

    Returns:
        The file.
    """
    state = random_state(size, fusion=fusion, seed=seed)
    if position_ids:
        positions = state["text_branch.embeddings.position_embeddings.weight"]
        state["text_branch.embeddings.position_ids"] = torch.arange(len(positions))
    checkpoint = {
        "epoch": 15,
        "name": "random",
        "state_dict": {("module." if module_prefix else "") + key: tensor for key, tensor in state.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.99)}]},
        "best": np.float64(0.5),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, file, pickle_protocol=protocol)
    save_tokenizer(file.parent)
    return file


def random_network(size: Size = "tiny", *, fusion: bool = False, seed: int = 0) -> Any:
    """laion-clap's ``CLAP`` with random weights, none of them trivial, in eval mode."""
    library = import_isolated("laion_clap", "clap_module", stubs=_STUBS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # perturb adds to biases, which torch draws
        network = _build(library, size, fusion)[0]
    perturb(network, torch.Generator().manual_seed(seed))
    return network.eval()


class Reference:
    """``laion_clap.CLAP_Module`` on a checkpoint.

    Args:
        file: The checkpoint.
        tokenizer: Folder of RoBERTa's; that of the checkpoint where None.
    """

    def __init__(self, file: Path | str, tokenizer: Path | str | None = None) -> None:
        from transformers import BartTokenizer, BertTokenizer, RobertaTokenizer

        saved = tensors_of(load_weights(Path(file)), str(file), "LAION-CLAP", inside="state_dict")
        state = {key.removeprefix("module."): tensor for key, tensor in saved.items()}
        size, fusion = _size(state), any("fusion_model" in key for key in state)
        vocabulary = RobertaTokenizer.from_pretrained(tokenizer or Path(file).parent)
        with (
            # What it prints and where it looks for what it then replaces.
            contextlib.redirect_stdout(io.StringIO()),
            stubbed(_STUBS),
            _torchaudio(),
            built(BertTokenizer, lambda: None),
            built(BartTokenizer, lambda: None),
            # Last: in transformers 5 it is BART's too.
            built(RobertaTokenizer, lambda: vocabulary),
        ):
            library = importlib.import_module("laion_clap")
            build = _builder(sys.modules["clap_module"], size)
            with replaced(sys.modules["laion_clap.hook"], "create_model", build):
                self.module = library.CLAP_Module(enable_fusion=fusion, device="cpu")
            # It reads one kind of file alone, and wants constants that some lack, and parts that embeddings do without.
            own = {k: v for k, v in self.module.model.state_dict().items() if _NEEDLESS.search(k)}
            state = {**own, "text_branch.embeddings.position_ids": torch.arange(0), **state}
            with tempfile.TemporaryDirectory() as scratch:
                torch.save({"state_dict": state}, Path(scratch) / "laion.pt")
                self.module.load_ckpt(str(Path(scratch) / "laion.pt"), verbose=False)

    @torch.no_grad()
    def embed_audio(self, waveform: NDArray[Any]) -> Tensor:
        """``(D,)``; the clip must fit the window, since longer ones are cropped at random."""
        with unchanged():
            found = self.module.get_audio_embedding_from_data(torch.from_numpy(waveform)[None], use_tensor=True)
        return cast("Tensor", found[0])

    @torch.no_grad()
    def embed_file(self, file: Path) -> Tensor:
        """``(D,)``; read by librosa and rounded to 16 bits on the way, as the library does with files alone."""
        with unchanged():
            found = self.module.get_audio_embedding_from_filelist([str(file)], use_tensor=True)
        return cast("Tensor", found[0])

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """``(P, D)``."""
        return cast("Tensor", self.module.get_text_embedding(list(prompts), use_tensor=True))


def _size(state: Mapping[str, Tensor]) -> Size:
    channels = len(state[_STEM])
    if channels not in _SIZES:
        raise InputError(f"laion-clap builds stems of {', '.join(map(str, _SIZES))} channels, not of {channels}")
    return _SIZES[channels]


def _builder(library: ModuleType, size: Size) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A stand-in for the library's ``create_model`` that knows a small size too, and downloads nothing."""

    def create_model(*_names: str, enable_fusion: bool = False, **_options: object) -> tuple[Any, dict[str, Any]]:
        return _build(library, size, enable_fusion)

    return create_model


def _build(library: ModuleType, size: Size, fusion: bool) -> tuple[Any, dict[str, Any]]:
    from transformers import RobertaConfig, RobertaModel

    options: dict[str, Any] = {"enable_fusion": fusion, "fusion_type": "aff_2d" if fusion else "None"}
    text: dict[str, Any] = {"vocab_size": 50_265, "max_position_embeddings": 514}
    if size == "tiny":
        text = {"vocab_size": 600, "max_position_embeddings": 80, "num_hidden_layers": 1, "intermediate_size": 64}
    config = RobertaConfig(**text, type_vocab_size=1, layer_norm_eps=1e-5)
    with built(RobertaModel, lambda: RobertaModel(config)):
        if size != "tiny":
            return cast("tuple[Any, dict[str, Any]]", library.create_model(_NAMES[size], "roberta", **options))
        found = dict(library.factory._MODEL_CONFIGS["HTSAT-tiny"])
        found["text_cfg"] = {**found["text_cfg"], "model_type": "roberta"}
        found["embed_dim"] = 8 * 16

        def small(audio: Any, *_fusion: object) -> Any:
            return library.htsat.HTSAT_Swin_Transformer(
                embed_dim=16,
                depths=[1, 1, 1, 1],
                num_heads=[1, 2, 2, 4],
                patch_stride=(4, 4),
                mlp_ratio=2.0,
                config=audio,
                **options,
            )

        with replaced(library.model, "create_htsat_model", small):
            return library.CLAP(**found, **options, joint_embed_shape=128), found


@contextmanager
def _torchaudio() -> Iterator[None]:
    """Let ``import torchaudio`` succeed where its compiled part is for another torch; fusion needs the rest alone."""
    try:
        with unchanged():
            importlib.import_module("torchaudio")
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        extension: Any = ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_ALIGN_AVAILABLE = False
        extension.fail_if_no_align = lambda function: function
        sys.modules["torchaudio._extension"] = extension
    yield
