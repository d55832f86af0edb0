"""LAION-CLAP checkpoints: ``laion:<file>`` or the name of a published one, ``laion:630k-audioset-best``.

By default the weights run in Hugging Face's ``ClapModel``, which gives the same embeddings up to rounding and lets
the package laion-clap stay away; ``classes="laion"`` runs them in that package's own network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import ClapModel, PreTrainedTokenizerBase

from zsxai.adapters.hf import HuggingFaceClap
from zsxai.adapters.htsat import htsat_places
from zsxai.adapters.laion_keys import FRONT_END, check_front_end, check_unfused, sizes_of, state_of
from zsxai.adapters.laion_networks import MOST_TOKENS, WINDOW, feature_extractor, hf_network, laion_network
from zsxai.adapters.tokenizers import check_tokenizer, prompt_notes, tokenize, tokenizer_for, unit
from zsxai.conditions import evaluating
from zsxai.errors import InputError, MissingExtraError, first_line
from zsxai.hooks import exact_batch_norm, hooked, tapped
from zsxai.hub import LOAD_ERRORS, hub_file
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.spectral import FrontEnd
from zsxai.weights import hash_files, hash_tensors, load_weights

KNOWN = (
    "630k-best",
    "630k-audioset-best",
    "630k-fusion-best",
    "630k-audioset-fusion-best",
    "music_audioset_epoch_15_esc_90.14",
    "music_speech_epoch_15_esc_89.25",
    "music_speech_audioset_epoch_15_esc_89.98",
)
"""The files that LAION published."""
_REPOSITORY = "lukewys/laion_clap"
_TOKENIZER = "roberta-base"


class LaionClap(SpectralModel):
    """The network of the package laion-clap, entered at its log-mel.

    Args:
        model: ``laion_clap.CLAP_Module`` or its ``CLAP``; its mode and ``requires_grad`` are left as they are.
        tokenizer: RoBERTa's.
        card: Where the weights come from; made from a hash of the tensors where None.

    Raises:
        InputError: If it is a fusion model, has another encoder, or was trained with another front end.
    """

    templates: Mapping[str, tuple[str, ...]] = {"published": ("This is a sound of {}",)}
    """Of LAION's own evaluation on ESC-50."""

    def __init__(self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, card: ModelCard | None = None) -> None:
        self.model: Any = getattr(model, "model", model)
        self.tokenizer = tokenizer
        check_tokenizer(tokenizer, self.model.text_branch.config, "laion" if card is None else card.name)
        self.device = next(self.model.parameters()).device
        self.card = card or ModelCard(name="laion", source="memory", weights_sha256=hash_tensors(self.model))
        state = state_of(self.model.state_dict(), self.card.name)
        check_unfused(sizes_of(state, self.card.name), self.card.name)
        spec = FRONT_END.model_copy(update={"precision": "float32"}) if self.device.type == "mps" else FRONT_END
        check_front_end(state, spec, self.card.name)
        self.logit_scale = float(self.model.logit_scale_a.detach().exp())
        self.audio_spec = AudioSpec(sample_rate=spec.sample_rate, window=WINDOW, fill="repeat-pad")
        self.front_end = FrontEnd(spec).to(self.device)
        encoder = self.model.audio_branch
        resolutions = [layer.input_resolution for layer in encoder.layers]
        self._places = tuple(htsat_places(encoder, resolutions, spec, WINDOW * spec.sample_rate))
        self.taps = {place.name: nn.Identity() for place in self._places}

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(B, 1, N, n_mels)``."""
        return log_mel.transpose(1, 2)[:, None].contiguous(), {}

    def encode(self, features: Features) -> Encoding:
        """See :meth:`SpectralModel.encode`; the hooks, of the taps too, live only in here."""
        encoder = self.model.audio_branch
        log_mel = features.input.to(encoder.bn0.weight.dtype)
        # The least that its STFT takes: what comes of it gives way to our log-mel.
        waveform = log_mel.new_zeros(1, self.front_end.spec.n_fft)
        with (
            evaluating(self),
            hooked(encoder.logmel_extractor, lambda *_: log_mel),
            hooked(encoder.bn0, exact_batch_norm),
            tapped(self._places, self.taps) as maps,
        ):
            output = encoder({"waveform": waveform}, device=self.device)
            projected = self.model.audio_projection(output["embedding"])
        return Encoding(unit(projected), tuple(FeatureMap(p.name, maps[p.name], p.grid) for p in self._places))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """See :meth:`SpectralModel.encode_text`.

        Raises:
            InputError: If a prompt is longer than the 77 tokens that LAION trained with; nothing is cut silently.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        tokens = tokenize(self.tokenizer, prompts, MOST_TOKENS, self.card.name, self.device)
        with evaluating(self):
            output = self.model.text_branch(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
            projected = self.model.text_projection(output.pooler_output)
        return TextEncoding(unit(projected), output.last_hidden_state, tokens["attention_mask"].bool())

    def prompt_notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """See :meth:`ZeroShotModel.prompt_notes`."""
        return prompt_notes(self.tokenizer, prompts, self.card.name)


def load(
    argument: str | None,
    *,
    device: str | None = None,
    tokenizer: str | None = None,
    classes: Literal["hf", "laion"] = "hf",
) -> HuggingFaceClap | LaionClap:
    """Load a checkpoint, its weights frozen.

    Args:
        argument: A file (``.pt`` or ``.safetensors``), or one of :data:`KNOWN`, which is downloaded.
        device: A torch device; the CPU where None.
        tokenizer: Folder or hub id of RoBERTa's; the one beside the file, or else ``roberta-base``, where None.
        classes: Whose network runs the weights: ``hf`` or ``laion``.

    Raises:
        InputError: If the checkpoint or the tokenizer cannot be had, is not LAION-CLAP's, or lacks weights.
        MissingExtraError: If ``classes="laion"`` and laion-clap is not installed.
    """
    if classes not in ("hf", "laion"):
        raise InputError(f"classes is 'hf' or 'laion', not {classes!r}")
    name = f"laion:{argument}"
    file, source, licence = _find(argument)
    vocabulary = tokenizer_for(file, tokenizer, _TOKENIZER, name)
    vocabulary.model_max_length = min(vocabulary.model_max_length, MOST_TOKENS)
    card = ModelCard(
        name=name,
        summary="A CLAP of LAION.",
        licence=licence,
        source=source,
        weights_sha256=hash_files([file]),
    )
    state = state_of(load_weights(file), name)
    sizes = sizes_of(state, name)
    check_front_end(state, FRONT_END, name)
    try:
        network = (hf_network if classes == "hf" else laion_network)(state, sizes, name)
        network.requires_grad_(False).to(torch.device(device or "cpu"))
    except InputError:
        raise
    except LOAD_ERRORS as error:
        raise InputError(f"cannot load {name}: {first_line(error)}") from error
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"classes='laion' needs the package {error.name!r}: pip install 'zsxai[laion]'"
        ) from error
    if isinstance(network, ClapModel):
        # A fused model's mel is torchaudio's, in float32.
        precision: Literal["float32", "float64"] = "float32" if sizes.fusion else "float64"
        return HuggingFaceClap(network, feature_extractor(sizes), vocabulary, card, precision=precision)
    return LaionClap(network, vocabulary, card)


def _find(argument: str | None) -> tuple[Path, str, str]:
    """The file on this machine, where it comes from and its licence."""
    known = f"known names: {', '.join(KNOWN)}"
    if not argument:
        raise InputError(f"laion needs a checkpoint file or a known name, as in laion:630k-audioset-best; {known}")
    file, name = Path(argument).expanduser(), argument.removesuffix(".pt")
    if file.is_file():
        return file, str(file.resolve()), "unknown"
    if file.is_dir():
        raise InputError(f"{argument!r} is a folder: give the checkpoint file in it")
    if name not in KNOWN:
        raise InputError(f"there is no file {argument!r}; {known}")
    file, source = hub_file(_REPOSITORY, f"{name}.pt")
    return file, source, "CC0-1.0"  # so says the repository's own card
