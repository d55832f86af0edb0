"""Hugging Face ``ClapModel`` checkpoints: ``hf:<hub id>``, ``hf:<hub id>@<revision>`` or ``hf:<folder>``.

Every number of the front end comes from the checkpoint's own ``ClapFeatureExtractor``; its transform is
recomputed in torch (float64, as the extractor does) so that gradients reach the waveform. What the
extractor draws at random is replaced by one rule each: a recording longer than the window is cut into windows,
never cropped at random, and a fusion model hears every window as a short clip (the same mel four times,
``is_longer`` False), as LAION's own evaluation does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from huggingface_hub import ModelCard as HubCard
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerBase
from transformers.utils import logging as hf_logging

from zsxai.errors import InputError
from zsxai.fill import FillRule
from zsxai.hooks import hooked
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding, evaluating
from zsxai.spectral import FrontEnd, FrontEndSpec, Grid, map_grid

_FILL: dict[str, FillRule] = {"repeatpad": "repeat-pad", "repeat": "repeat", "pad": "zero"}
_TOKENIZER_FILES = ["config.json", "tokenizer*.json", "vocab.*", "merges.txt", "*tokens*.json"]
_WEIGHTS = ["model.safetensors", "model-*-of-*.safetensors"]
_FILES = [*_WEIGHTS, "model.safetensors.index.json", "*processor_config.json", "README.md", *_TOKENIZER_FILES]
# Constants that the constructor computes; checkpoints of some transformers versions leave them out.
_COMPUTED = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked")
# The hub's own errors are OSErrors; AssertionError is torch's word on a device that it was not built for.
_LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AssertionError, SafetensorError)


@dataclass(frozen=True)
class _Place:
    """Where a map is taken: ``rows`` x ``columns`` tokens, in which ``fold`` stretches of time lie one over another."""

    name: str
    module: nn.Module
    rows: int
    columns: int
    fold: int
    grid: Grid

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


class HuggingFaceClap(SpectralModel):
    """A Hugging Face ``ClapModel`` with its feature extractor and tokenizer.

    Args:
        model: The model; its mode and ``requires_grad`` are left as they are.
        feature_extractor: Gives the front end's numbers, the window and the fill rule.
        tokenizer: The text tower's tokenizer.
        card: Where the weights come from; made from a hash of the tensors where None.

    Raises:
        InputError: If the three do not belong together.
    """

    def __init__(
        self,
        model: ClapModel,
        feature_extractor: ClapFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        card: ModelCard | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = next(model.parameters()).device
        self.logit_scale = float(model.logit_scale_a.detach().exp())
        self.card = card or ModelCard(name="hf", source="memory", weights_sha256=_hash_tensors(model))
        self._fused = feature_extractor.truncation == "fusion"
        self._check(feature_extractor)
        self.audio_spec = AudioSpec(
            sample_rate=feature_extractor.sampling_rate,
            window=float(feature_extractor.max_length_s),
            fill=_FILL[feature_extractor.padding],
        )
        # Apple's MPS has no float64; elsewhere it brings a pure tone 3,000 times nearer to the extractor's decibels.
        precision: Literal["float32", "float64"] = "float32" if self.device.type == "mps" else "float64"
        spec = FrontEndSpec(
            sample_rate=feature_extractor.sampling_rate,
            n_fft=feature_extractor.fft_window_size,
            hop=feature_extractor.hop_length,
            precision=precision,
            n_mels=feature_extractor.feature_size,
            f_min=float(feature_extractor.frequency_min),
            f_max=float(feature_extractor.frequency_max),
            mel_scale="htk" if self._fused else "slaney",
            mel_norm=None if self._fused else "slaney",
        )
        self.front_end = FrontEnd(spec).to(self.device)
        self._places = tuple(self._lay_out())
        self.taps = {place.name: nn.Identity() for place in self._places}

    @property
    def _config(self) -> Any:
        # transformers types the parts of a configuration as dict, object or None; a loaded one has objects.
        return self.model.config

    def _check(self, extractor: ClapFeatureExtractor) -> None:
        audio, text = self._config.audio_config, self._config.text_config
        frames = extractor.nb_max_samples // extractor.hop_length + 1
        most = audio.spec_size * (audio.spec_size // audio.num_mel_bins)
        known = "truncation 'rand_trunc' or 'fusion' and padding 'repeatpad', 'repeat' or 'pad'"
        problems = {
            f"the feature extractor has {extractor.feature_size} mel bands and the model {audio.num_mel_bins}": (
                extractor.feature_size != audio.num_mel_bins
            ),
            f"the window has {frames} frames and the model takes {most}": frames > most,
            f"the feature extractor has {extractor.truncation!r} and {extractor.padding!r}, known are {known}": (
                extractor.truncation not in ("rand_trunc", "fusion") or extractor.padding not in _FILL
            ),
            "the feature extractor has truncation='fusion' and the model no fusion: set truncation to 'rand_trunc'": (
                self._fused and not audio.enable_fusion
            ),
            f"the tokenizer has {len(self.tokenizer)} tokens and the model {text.vocab_size}: give the model's own": (
                len(self.tokenizer) > text.vocab_size
            ),
            f"the tokenizer pads with token {self.tokenizer.pad_token_id} and the model with {text.pad_token_id}: "
            "give the model's own": self.tokenizer.pad_token_id != text.pad_token_id,
        }
        for problem, found in problems.items():
            if found:
                raise InputError(f"{self.card.name}: {problem}")

    def _lay_out(self) -> Iterator[_Place]:
        """Every Swin stage before it is downsampled, then the final norm."""
        encoder: Any = self.model.audio_model.audio_encoder
        spec, samples = self.front_end.spec, self.audio_spec.window_samples or 0
        modules = [layer.blocks[-1] for layer in encoder.layers]
        names = [f"stage{number}" for number in range(1, len(modules) + 1)]
        sizes = list(encoder.input_resolutions)
        for name, module, (rows, columns) in zip(
            [*names, "norm"], [*modules, encoder.norm], [*sizes, sizes[-1]], strict=True
        ):
            fold = encoder.freq_ratio
            # A stage whose rows the stretches of time do not divide mixes them: it has no place on seconds x hertz.
            if rows % fold == 0:
                # The image stretches the window's frames (1001 to 1024) end to end: its cells span all of them.
                yield _Place(name, module, rows, columns, fold, map_grid(spec, samples, rows // fold, fold * columns))

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(B, 1, N, n_mels)``, or the same mel four times for a fusion model, and ``is_longer`` False."""
        image = log_mel.transpose(1, 2)[:, None].expand(-1, 4 if self._fused else 1, -1, -1)
        return image.contiguous(), {"is_longer": torch.zeros(len(image), 1, dtype=torch.bool, device=image.device)}

    def encode(self, features: Features) -> Encoding:
        """See :meth:`SpectralModel.encode`; the hooks of the taps live only in here."""
        maps: dict[str, Tensor] = {}
        with evaluating(self), ExitStack() as hooks:
            hooks.enter_context(hooked(self.model.audio_model.audio_encoder.batch_norm, _exact_batch_norm))
            for place in self._places:
                hooks.enter_context(hooked(place.module, self._through_tap(place, maps)))
            output = self.model.audio_model(
                input_features=features.input.to(self.model.dtype),
                is_longer=features.extras["is_longer"],
                return_dict=True,
            )
            projected = self.model.audio_projection(output.pooler_output)
        embedding = nn.functional.normalize(projected, dim=-1)
        return Encoding(embedding, tuple(FeatureMap(p.name, maps[p.name], p.grid) for p in self._places))

    def _through_tap(self, place: _Place, maps: dict[str, Tensor]) -> Any:
        def lay(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
            # Swin blocks give (tokens, attentions...), a norm gives tokens.
            tokens, rest = (output[0], output[1:]) if isinstance(output, tuple) else (output, None)
            maps[place.name] = self.taps[place.name](place.unfold(tokens))
            laid = place.refold(maps[place.name])
            return laid if rest is None else (laid, *rest)

        return lay

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """See :meth:`SpectralModel.encode_text`.

        Raises:
            InputError: If a prompt is longer than the text tower takes; nothing is cut silently.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not prompts:
            raise InputError("no prompts: give at least one")
        tokens = self.tokenizer(
            prompts, padding=True, padding_side="right", truncation=False, verbose=False, return_tensors="pt"
        ).to(self.device)
        mask = cast("Tensor", tokens["attention_mask"]).bool()
        text = self._config.text_config
        # RoBERTa counts positions from the one after the padding token's.
        most = min(self.tokenizer.model_max_length, text.max_position_embeddings - text.pad_token_id - 1)
        lengths = mask.sum(dim=1)
        if int(lengths.max()) > most:
            longest = prompts[int(lengths.argmax())]
            raise InputError(
                f"the prompt '{longest[:40]}...' has {int(lengths.max())} tokens and {self.card.name} takes {most}: "
                "shorten it"
            )
        with evaluating(self):
            output = self.model.text_model(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], return_dict=True
            )
            projected = self.model.text_projection(output.pooler_output)
        return TextEncoding(nn.functional.normalize(projected, dim=-1), output.last_hidden_state, mask)


def _exact_batch_norm(module: nn.Module, args: tuple[Any, ...], _output: Any) -> Tensor:
    """The eval formula in place of torch's kernel, for its gradient.

    torch's CPU kernel (2.13) gives wrong input gradients, without a word, where the last axis is 1 long, as here
    (``(B, n_mels, N, 1)``), and the gradient comes back in another memory order than the input's.
    """
    norm = cast("nn.BatchNorm2d", module)
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return cast("Tensor", args[0] * scale[:, None, None] + (norm.bias - mean * scale)[:, None, None])


def load(argument: str | None, *, device: str | None = None, tokenizer: str | None = None) -> HuggingFaceClap:
    """Load a checkpoint, its weights frozen.

    Args:
        argument: A folder, a hub id, or a hub id with ``@revision``.
        device: A torch device; the CPU where None.
        tokenizer: Folder or hub id of the tokenizer, where the checkpoint has none of its own.

    Raises:
        InputError: If the checkpoint cannot be had, is no safetensors file, or lacks weights.
    """
    if not argument:
        raise InputError("hf needs a hub id or a folder: hf:laion/clap-htsat-unfused")
    folder, source = _resolve(argument, _FILES)
    weights = _weight_files(argument, folder)
    words = folder if tokenizer is None else _resolve(tokenizer, _TOKENIZER_FILES)[0]
    if not any((words / name).is_file() for name in ("tokenizer.json", "vocab.json", "vocab.txt")):
        raise InputError(
            f"{str(words)!r} has no tokenizer: give tokenizer=<hub id or folder> that the model was trained with"
        )
    try:
        with _quiet():
            extractor = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
            vocabulary = AutoTokenizer.from_pretrained(words, local_files_only=True, trust_remote_code=False)
            loaded: Any = ClapModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        model, info = loaded
        model.requires_grad_(False).to(torch.device(device or "cpu"))
    except _LOAD_ERRORS as error:
        raise InputError(f"cannot load hf:{argument}: {_first_line(error)}") from error
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(_COMPUTED))
    if missing:
        raise InputError(f"hf:{argument} lacks {len(missing)} weights of a ClapModel, such as {missing[0]}")
    card = ModelCard(
        name=f"hf:{argument}",
        summary="A CLAP of Hugging Face transformers.",
        licence=_licence(folder),
        source=source,
        weights_sha256=_hash_files(weights),
    )
    return HuggingFaceClap(model, extractor, vocabulary, card)


def _resolve(argument: str, patterns: list[str]) -> tuple[Path, str]:
    """The folder of a checkpoint on this machine, downloaded where it is a hub id, and where it comes from."""
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return folder, str(folder.resolve())
    if argument.startswith(("/", ".", "~")) or argument.count("/") > 1:
        raise InputError(f"there is no folder {argument!r}")
    repository, _, revision = argument.partition("@")
    try:
        found = Path(snapshot_download(repository, revision=revision or None, allow_patterns=patterns))
    except _LOAD_ERRORS as error:
        raise InputError(
            f"cannot get {argument!r} from the Hugging Face hub ({_first_line(error)}): check the id and the "
            f"connection, or download it elsewhere ('hf download {repository}') and give the folder"
        ) from error
    return found, f"https://huggingface.co/{repository}/tree/{found.name}"


def _weight_files(argument: str, folder: Path) -> list[Path]:
    found = sorted(file for pattern in _WEIGHTS for file in folder.glob(pattern))
    if not found:
        raise InputError(
            f"hf:{argument} has no model.safetensors; other weight files are pickle, which can run code, and are "
            "refused: if you trust it, convert it once with "
            "ClapModel.from_pretrained(<folder>, use_safetensors=False).save_pretrained(<folder>)"
        )
    return found


def _licence(folder: Path) -> str:
    readme = folder / "README.md"
    if not readme.is_file():
        return "unknown"
    return str(HubCard.load(readme, ignore_metadata_errors=True).data.to_dict().get("license", "unknown"))


def _hash_files(files: Sequence[Path]) -> str:
    """SHA-256 of a file; of the concatenated digests where the weights lie in several."""
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _hash_tensors(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of the sorted state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' advice and bars off stderr while a local folder loads; all is restored after."""
    settings: Any = hf_logging
    verbosity = settings.get_verbosity()
    # transformers 4.57 has no such hook, and no bar for a checkpoint in one file.
    set_bar_hook = getattr(settings, "set_tqdm_hook", lambda _hook: None)
    before = set_bar_hook(lambda _bar, args, kwargs: settings.EmptyTqdm(*args, **kwargs))
    settings.set_verbosity_error()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)
        set_bar_hook(before)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
