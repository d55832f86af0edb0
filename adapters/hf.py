"""Hugging Face ``ClapModel`` checkpoints: ``hf:<hub id>``, ``hf:<hub id>@<revision>`` or ``hf:<folder>``.

Every number of the front end comes from the checkpoint's own ``ClapFeatureExtractor``; its transform is
recomputed in torch (float64, as the extractor does) so that gradients reach the waveform. What the
extractor draws at random is replaced by one rule each: a recording longer than the window is cut into windows,
never cropped at random, and a fusion model hears every window as a short clip (the same mel four times,
``is_longer`` False), as LAION's own evaluation does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerBase

from zsxai.adapters.htsat import htsat_places
from zsxai.adapters.tokenizers import (
    TOKENIZER_FILES,
    check_tokenizer,
    load_tokenizer,
    prompt_notes,
    quiet,
    tokenize,
    unit,
)
from zsxai.conditions import evaluating
from zsxai.errors import InputError, first_line
from zsxai.fill import FillRule
from zsxai.hooks import exact_batch_norm, hooked, tapped
from zsxai.hub import LOAD_ERRORS, check_hub_hash, licence, resolve
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.spectral import FrontEnd, FrontEndSpec
from zsxai.weights import hash_files, hash_tensors, load_weights, tensors_of

_FILL: dict[str, FillRule] = {"repeatpad": "repeat-pad", "repeat": "repeat", "pad": "zero"}
_WEIGHTS = ["model.safetensors", "model-*-of-*.safetensors"]
_PICKLED = "pytorch_model.bin"
_FILES = [*_WEIGHTS, "model.safetensors.index.json", "*processor_config.json", "README.md", *TOKENIZER_FILES]
# Constants that the constructor computes; checkpoints of some transformers versions leave them out.
_COMPUTED = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked")


class HuggingFaceClap(SpectralModel):
    """A Hugging Face ``ClapModel`` with its feature extractor and tokenizer.

    Args:
        model: The model; its mode and ``requires_grad`` are left as they are.
        feature_extractor: Gives the front end's numbers, the window and the fill rule.
        tokenizer: The text tower's tokenizer.
        card: Where the weights come from; made from a hash of the tensors where None.
        precision: Of the STFT. A pure tone leaves most bands at rounding's mercy: ``float64``, as the extractor has
            it, or ``float32`` for weights whose own library computes so.

    Raises:
        InputError: If the three do not belong together.
    """

    templates: Mapping[str, tuple[str, ...]] = {"published": ("This is a sound of {}.",)}
    """The default of transformers' pipeline for zero-shot audio classification."""

    def __init__(
        self,
        model: ClapModel,
        feature_extractor: ClapFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        card: ModelCard | None = None,
        *,
        precision: Literal["float32", "float64"] = "float64",
    ) -> None:
        if not hasattr(model, "logit_scale_a"):
            raise InputError(f"a {type(model).__name__} is no ClapModel: of one that is wrapped, give what is inside")
        self.model = model
        self.tokenizer = tokenizer
        self.device = next(model.parameters()).device
        self.logit_scale = float(model.logit_scale_a.detach().exp())
        self.card = card or ModelCard(name="hf", source="memory", weights_sha256=hash_tensors(model))
        self._fused = feature_extractor.truncation == "fusion"
        self._check(feature_extractor)
        self.audio_spec = AudioSpec(
            sample_rate=feature_extractor.sampling_rate,
            window=float(feature_extractor.max_length_s),
            fill=_FILL[feature_extractor.padding],
        )
        spec = FrontEndSpec(
            sample_rate=feature_extractor.sampling_rate,
            n_fft=feature_extractor.fft_window_size,
            hop=feature_extractor.hop_length,
            precision="float32" if self.device.type == "mps" else precision,  # Apple's has no float64
            n_mels=feature_extractor.feature_size,
            f_min=float(feature_extractor.frequency_min),
            f_max=float(feature_extractor.frequency_max),
            mel_scale="htk" if self._fused else "slaney",
            mel_norm=None if self._fused else "slaney",
        )
        bank = feature_extractor.mel_filters if self._fused else feature_extractor.mel_filters_slaney
        self.front_end = FrontEnd(spec, bank.T).to(self.device)
        encoder: Any = model.audio_model.audio_encoder
        samples = self.audio_spec.window_samples or 0
        self._places = tuple(htsat_places(encoder, encoder.input_resolutions, spec, samples))
        self.taps = {place.name: nn.Identity() for place in self._places}

    @property
    def _config(self) -> Any:
        # transformers types the parts of a configuration as dict, object or None; a loaded one has objects.
        return self.model.config

    def _check(self, extractor: ClapFeatureExtractor) -> None:
        for key in ("sampling_rate", "max_length_s", "fft_window_size", "hop_length", "feature_size", "frequency_max"):
            number = getattr(extractor, key)
            if not isinstance(number, int | float) or number <= 0:
                raise InputError(f"{self.card.name}: the feature extractor has {key}={number!r}: it must be above 0")
        audio = self._config.audio_config
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
        }
        for problem, found in problems.items():
            if found:
                raise InputError(f"{self.card.name}: {problem}")
        check_tokenizer(self.tokenizer, self._config.text_config, self.card.name)

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(B, 1, N, n_mels)``, or the same mel four times for a fusion model, and ``is_longer`` False."""
        image = log_mel.transpose(1, 2)[:, None].expand(-1, 4 if self._fused else 1, -1, -1)
        return image.contiguous(), {"is_longer": torch.zeros(len(image), 1, dtype=torch.bool, device=image.device)}

    def encode(self, features: Features) -> Encoding:
        """See :meth:`SpectralModel.encode`; the hooks of the taps live only in here."""
        batch_norm = self.model.audio_model.audio_encoder.batch_norm
        with evaluating(self), hooked(batch_norm, exact_batch_norm), tapped(self._places, self.taps) as maps:
            output = self.model.audio_model(
                input_features=features.input.to(self.model.dtype),
                is_longer=features.extras["is_longer"],
                return_dict=True,
            )
            projected = self.model.audio_projection(output.pooler_output)
        return Encoding(unit(projected), tuple(FeatureMap(p.name, maps[p.name], p.grid) for p in self._places))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """See :meth:`SpectralModel.encode_text`.

        Raises:
            InputError: If a prompt is longer than the text tower takes; nothing is cut silently.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        text = self._config.text_config
        # RoBERTa counts positions from the one after the padding token's.
        most = min(self.tokenizer.model_max_length, text.max_position_embeddings - text.pad_token_id - 1)
        tokens = tokenize(self.tokenizer, prompts, most, self.card.name, self.device)
        with evaluating(self):
            output = self.model.text_model(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], return_dict=True
            )
            projected = self.model.text_projection(output.pooler_output)
        return TextEncoding(unit(projected), output.last_hidden_state, tokens["attention_mask"].bool())

    def prompt_notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """See :meth:`ZeroShotModel.prompt_notes`."""
        return prompt_notes(self.tokenizer, prompts, self.card.name)


def load(argument: str | None, *, device: str | None = None, tokenizer: str | None = None) -> HuggingFaceClap:
    """Load a checkpoint, its weights frozen.

    Args:
        argument: A folder, a hub id, or a hub id with ``@revision``.
        device: A torch device; the CPU where None.
        tokenizer: Folder or hub id of the tokenizer, where the checkpoint has none of its own.

    Raises:
        InputError: If the checkpoint cannot be had, holds anything but tensors, or is not all of a ClapModel's.
    """
    if not argument:
        raise InputError("hf needs a hub id or a folder: hf:laion/clap-htsat-unfused")
    folder, source = resolve(argument, _FILES)
    config = _read_config(folder, argument)
    weights = _weight_files(folder)
    if not weights:
        folder, source = resolve(argument, [*_FILES, _PICKLED])
        weights = _weight_files(folder) or [folder / _PICKLED]
    for file in weights:
        check_hub_hash(file)
    vocabulary = load_tokenizer(folder if tokenizer is None else tokenizer)
    state = None
    try:
        if weights[0].name == _PICKLED:  # read here, tensors only, and never by transformers
            state = tensors_of(load_weights(weights[0]), _PICKLED, "ClapModel")
        with quiet():
            extractor = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
            loaded: Any = ClapModel.from_pretrained(
                folder if state is None else None,
                config=config,
                state_dict=state,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        model, info = loaded
        model.requires_grad_(False).to(torch.device(device or "cpu"))
    except LOAD_ERRORS as error:
        raise InputError(f"cannot load hf:{argument}: {first_line(error)}") from error
    for what in ("missing", "unexpected"):
        strange = sorted(key for key in info[f"{what}_keys"] if not key.endswith(_COMPUTED))
        if strange:
            raise InputError(f"hf:{argument} is no ClapModel: {len(strange)} weights {what}, such as {strange[0]}")
    card = ModelCard(
        name=f"hf:{argument}",
        summary="A CLAP of Hugging Face transformers.",
        licence=licence(folder),
        source=source,
        weights_sha256=hash_files(weights),
    )
    return HuggingFaceClap(model, extractor, vocabulary, card)


def _read_config(folder: Path, argument: str) -> ClapConfig:
    try:
        values, _ = ClapConfig.get_config_dict(folder, local_files_only=True)
        kind = values.get("model_type")
        if kind != ClapConfig.model_type:
            raise InputError(f"hf:{argument} is no CLAP: its config.json says model_type {kind!r}")
        with quiet():
            return ClapConfig.from_dict(values)
    except InputError:
        raise
    except (*LOAD_ERRORS, AttributeError) as error:
        raise InputError(f"hf:{argument} is no CLAP: {first_line(error)}") from error


def _weight_files(folder: Path) -> list[Path]:
    return sorted(file for pattern in _WEIGHTS for file in folder.glob(pattern))
