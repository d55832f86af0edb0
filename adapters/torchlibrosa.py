"""The front end of torchlibrosa, inside the networks of laion-clap and msclap: its filters held against ours."""

from __future__ import annotations

import torch
from torch import Tensor

from zsxai.errors import InputError
from zsxai.spectral import FrontEnd, FrontEndSpec


def check_filters(spec: FrontEndSpec, kernel: Tensor | None, bank: Tensor | None, name: str) -> None:
    """See that STFT kernels and mel filters, where there are any, are those of a front end.

    Filters are compared, not what they make of a sound: a convolution on a GPU rounds too coarsely for that (TF32).

    Args:
        spec: The front end.
        kernel: ``(F, 1, n_fft)``, real part: ``spectrogram_extractor.stft.conv_real.weight``.
        bank: ``(F, n_mels)``: ``logmel_extractor.melW``.
        name: Name of the model, for errors.

    Raises:
        InputError: If they are not: the network was trained on another sample rate, transform or band.
    """
    front_end = FrontEnd(spec.model_copy(update={"precision": "float64"}))
    # The phase modulo one turn, in integers, is exact.
    turns = torch.outer(torch.arange(spec.n_bins), torch.arange(spec.n_fft)) % spec.n_fft
    expected = torch.cos(2 * torch.pi * turns.double() / spec.n_fft) * front_end.window
    for what, theirs, ours in (("STFT", kernel, expected[:, None]), ("mel", bank, front_end.bank.T)):
        if theirs is None:
            continue
        found = theirs.detach().cpu().double()
        # They come as float32 from float64, unless the whole network was halved.
        halved = any(torch.equal(found, found.to(kind).double()) for kind in (torch.float16, torch.bfloat16))
        if found.shape != ours.shape or (found - ours).abs().max() > (5e-3 if halved else 1e-5) * ours.abs().max():
            raise InputError(
                f"{name} was trained with another front end than {spec.n_fft} samples at {spec.sample_rate} Hz and "
                f"{spec.n_mels} mel bands of {spec.f_min:g}-{spec.f_max:g} Hz: its {what} filters differ"
            )
