"""Microsoft's CLAP: ``msclap-2022:<file>`` and ``msclap-2023:<file>``, or without a file the published weights.

``msclap`` gives the network classes and the numbers; its wrapper, which silences every warning, crops at random and
lays two channels end to end, is not used. The encoder is entered at log-mel, so that masks and gradients meet one
differentiable front end; the checkpoint's own must agree with it, or the checkpoint is refused.

Two things differ from the wrapper on purpose. A recording longer than the window is cut into windows, never cropped
at random. And GPT-2's text embedding is the state of the last real token: the wrapper counts tokens other than ``!``,
which is also its padding, so a prompt that contains ``!`` itself is read there at an earlier token.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from zsxai.adapters.htsat import htsat_places
from zsxai.adapters.msclap_weights import Version, find_file, published_numbers, read_network
from zsxai.adapters.tokenizers import prompt_notes, tokenize, tokenizer_for, unit
from zsxai.adapters.torchlibrosa import check_filters
from zsxai.conditions import evaluating
from zsxai.errors import InputError, first_line
from zsxai.hooks import Place, exact_batch_norm, hooked, tapped
from zsxai.hub import LOAD_ERRORS
from zsxai.model import AudioSpec, Encoding, FeatureMap, Features, ModelCard, SpectralModel, TextEncoding
from zsxai.spectral import FrontEnd, FrontEndSpec, map_grid
from zsxai.weights import hash_files, hash_tensors

_END = "<|endoftext|>"
# By version: the text tower's kind, a token that the tokenizer must know, and its padding, which is token 0.
_TEXT = {"2022": ("bert", "[CLS]", "[PAD]"), "2023": ("gpt2", _END, "!")}


class MicrosoftClap(SpectralModel):
    """An ``msclap`` model with its tokenizer; whether it is of 2022 or of 2023, its classes say.

    Args:
        model: ``msclap.CLAPWrapper`` or the ``CLAP`` module in it; mode and ``requires_grad`` are left as they are.
        tokenizer: BERT's (2022) or GPT-2's (2023).
        card: Where the weights come from; made from a hash of the tensors where None.

    Raises:
        InputError: If the model is neither, its front end is not the published one, or the tokenizer does not fit.
    """

    templates: Mapping[str, tuple[str, ...]] = {"published": ("this is the sound of {}",)}
    """Of Microsoft's example on ESC-50."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, card: ModelCard | None = None) -> None:
        self.model: Any = getattr(model, "clap", model)
        if not all(hasattr(self.model, part) for part in ("audio_encoder", "caption_encoder", "logit_scale")):
            raise InputError(f"{type(model).__name__} is no msclap CLAP: give a CLAPWrapper of 2022 or 2023")
        encoder: Any = self.model.audio_encoder.base
        self._version: Version = "2023" if hasattr(encoder, "htsat") else "2022"
        self._core: Any = getattr(encoder, "htsat", encoder)
        self.device = self.model.logit_scale.device
        self.logit_scale = float(self.model.logit_scale.detach().exp())
        self.card = card or ModelCard(
            name=f"msclap-{self._version}", source="memory", weights_sha256=hash_tensors(self.model)
        )
        numbers = published_numbers(self._version)
        self._most_tokens: int = numbers.text_len
        self.audio_spec = AudioSpec(sample_rate=numbers.sampling_rate, window=numbers.duration, fill="repeat")
        spec = self._spec(numbers)
        stft, bank = self._core.spectrogram_extractor.stft, self._core.logmel_extractor.melW
        check_filters(spec, stft.conv_real.weight, bank, self.card.name)
        self.front_end = FrontEnd(spec).to(self.device)
        self.tokenizer = self._checked(tokenizer, numbers.text_model)
        self._places = tuple(self._find_places())
        self.taps = {place.name: nn.Identity() for place in self._places}

    def _spec(self, numbers: SimpleNamespace) -> FrontEndSpec:
        # HTSATWrapper drops the numbers it is given for those of a module: filters for 32,000 Hz on audio of 44,100 Hz.
        filters = self._core.config if self._version == "2023" else numbers
        stft, logarithm = self._core.spectrogram_extractor.stft, self._core.logmel_extractor
        return FrontEndSpec(
            sample_rate=numbers.sampling_rate,
            n_fft=stft.n_fft,
            hop=stft.hop_length,
            # Apple's MPS has no float64; elsewhere it keeps a pure tone's quiet bands exact.
            precision="float32" if self.device.type == "mps" else "float64",
            n_mels=logarithm.melW.shape[1],
            f_min=filters.fmin,
            f_max=filters.fmax,
            filter_rate=getattr(filters, "sample_rate", None),
            floor=logarithm.amin,
        )

    def _checked(self, tokenizer: PreTrainedTokenizerBase, published: str) -> PreTrainedTokenizerBase:
        """The tokenizer, or a copy of GPT-2's that pads, which the user's may not."""
        kind, known, padding = _TEXT[self._version]
        config, vocabulary = self.model.caption_encoder.base.config, tokenizer.get_vocab()
        if config.model_type != kind:
            raise InputError(f"{self.card.name}: the text tower is {config.model_type!r} and must be {kind!r}")
        if known not in vocabulary or vocabulary.get(padding) != 0 or len(tokenizer) > config.vocab_size:
            raise InputError(
                f"{self.card.name}: the tokenizer is not the model's: give that of {published!r} ({known} in its "
                f"vocabulary, {padding} its token 0, at most {config.vocab_size} tokens)"
            )
        if kind == "gpt2":
            tokenizer = copy.deepcopy(tokenizer)
            # Not pad_token alone: as a special token each "!" is one token, as in the wrapper, and never part of "!!".
            tokenizer.add_special_tokens({"pad_token": padding})
        return tokenizer

    def _find_places(self) -> Iterator[Place]:
        spec, samples = self.front_end.spec, self.audio_spec.window_samples or 0
        if self._version == "2023":
            resolutions = [layer.blocks[0].input_resolution for layer in self._core.layers]
            yield from htsat_places(self._core, resolutions, spec, samples)
            return
        for number in range(1, 7):
            # Five blocks halve both axes and drop what is left over; the sixth keeps them.
            halved = 2 ** min(number, 5)
            times = spec.n_frames(samples) // halved
            grid = map_grid(spec, samples, spec.n_mels // halved, times, frames=times * halved)
            block = f"conv_block{number}"
            yield Place(block, getattr(self._core, block), grid, _transposed, _transposed)

    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(B, 1, N, n_mels)``."""
        return log_mel.transpose(1, 2)[:, None].contiguous(), {}

    def encode(self, features: Features) -> Encoding:
        """See :meth:`SpectralModel.encode`; all hooks live only in here."""
        image = features.input.to(self.model.logit_scale.dtype)
        # The extractors run on the shortest clip they take, and what they give is replaced.
        stand_in = image.new_zeros(1, self.front_end.spec.n_fft)
        with (
            evaluating(self),
            hooked(self._core.logmel_extractor, lambda *_: image),
            hooked(self._core.bn0, exact_batch_norm),
            tapped(self._places, self.taps) as maps,
        ):
            projected = self.model.audio_encoder(stand_in)[0]
        return Encoding(unit(projected), tuple(FeatureMap(p.name, maps[p.name], p.grid) for p in self._places))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """See :meth:`SpectralModel.encode_text`: BERT's first token, or the end token that GPT-2's prompts get.

        Raises:
            InputError: If a prompt is longer than the text tower takes; nothing is cut silently.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        tower, gpt = self.model.caption_encoder, self._version == "2023"
        if gpt:
            prompts = [f"{prompt} {_END}" for prompt in prompts]
        tokens = tokenize(self.tokenizer, prompts, self._most_tokens, self.card.name, self.device)
        mask = tokens["attention_mask"]
        at = mask.sum(dim=1) - 1 if gpt else torch.zeros_like(mask[:, 0])
        with evaluating(self):
            output = tower.base(input_ids=tokens["input_ids"], attention_mask=mask, return_dict=True)
            states = output.last_hidden_state
            projected = tower.projection(states[torch.arange(len(states), device=self.device), at])
        return TextEncoding(unit(projected), states, mask.bool())

    def prompt_notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """See :meth:`ZeroShotModel.prompt_notes`."""
        return prompt_notes(self.tokenizer, prompts, self.card.name)


def load_2022(argument: str | None, *, device: str | None = None, tokenizer: str | None = None) -> MicrosoftClap:
    """Load MS-CLAP of 2022 (Cnn14 and BERT, 5 s windows), its weights frozen; see :func:`load_2023`."""
    return _load("2022", argument, device, tokenizer)


def load_2023(argument: str | None, *, device: str | None = None, tokenizer: str | None = None) -> MicrosoftClap:
    """Load MS-CLAP of 2023 (HTS-AT and GPT-2, 7 s windows), its weights frozen.

    Args:
        argument: A file of weights; None downloads the published one.
        device: A torch device; the CPU where None.
        tokenizer: Folder or hub id of the tokenizer; the one beside the file, or else the published, where None.

    Raises:
        InputError: If the file cannot be had, is of the other version, or lacks weights or has others.
    """
    return _load("2023", argument, device, tokenizer)


def _load(version: Version, argument: str | None, device: str | None, tokenizer: str | None) -> MicrosoftClap:
    name = f"msclap-{version}" + (f":{argument}" if argument else "")
    published = published_numbers(version).text_model
    file, source = find_file(version, argument)
    network = read_network(version, file)
    try:
        network.requires_grad_(False).to(torch.device(device or "cpu"))
    except LOAD_ERRORS as error:
        raise InputError(f"cannot load {name}: {first_line(error)}") from error
    vocabulary = tokenizer_for(file, tokenizer, published, name)
    card = ModelCard(
        name=name,
        summary=f"Microsoft's CLAP of {version}.",
        licence="MS-PL" if source.startswith("https://") else "unknown; the published weights are under MS-PL",
        source=source,
        weights_sha256=hash_files([file]),
    )
    return MicrosoftClap(network, vocabulary, card)


def _transposed(values: Tensor) -> Tensor:
    return values.transpose(2, 3)
