"""The demo: a synthesised scene, two prompts, and the true sources beside what was explained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.wav import wav_bytes
from zsxai.data.scene import Scene, demo_scene
from zsxai.files import whole_folder
from zsxai.saved import FILES
from zsxai.show.folder import write_files
from zsxai.show.page import (
    PARTS,
    dimmed,
    extent_bars,
    mask_view,
    model_pairs,
    score_axis,
    score_bars,
)
from zsxai.show.parts import Card, Excerpt, excerpt, make_card, make_picture, strip_peak
from zsxai.show.raster import spectrogram
from zsxai.show.sounds import kept_note, players_note
from zsxai.show.templates import render_page
from zsxai.target import Contrast, Target
from zsxai.written import signed

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

PROMPTS = {"siren": "siren", "church-bell": "church bells"}
"""Folder of each explanation and the source (with its prompt) that it is held against."""

Shares = dict[str, dict[str, float]]

FORMULA = "share of source s = sum(G P_s) / sum over all sources j of sum(G P_j)"


def run_demo(
    out: Path,
    overwrite: bool = False,
    progress: bool | None = None,
    *,
    model: object = "tiny",
    explainer: object | None = None,
    seed: int = 0,
) -> Path:
    """Synthesise the scene, explain two prompts, and write a page that shows the true sources beside them.

    Args:
        out: Folder to write: ``index.html``, ``demo.json``, ``scene.wav``, ``sources/`` and one explanation folder per
            prompt (``siren/``, ``church-bell/``).
        overwrite: Replace a folder that a demo was written to.
        progress: Show a bar; None shows one on a terminal.
        model: A name or a model object.
        explainer: A name or an object; None takes the model's default.
        seed: Seed of the scene and of the explainer.

    Returns:
        The index page.

    Raises:
        InputError: If the folder exists and may not be replaced, or the model cannot be loaded.
    """
    from zsxai.api import explain
    from zsxai.plugins import load_model

    sources = demo_scene(seed).sources
    files = ["demo.json", "index.html", "scene.wav"]
    files += [f"sources/{_file(name)}.wav" for name in sources]
    files += [f"{folder}/{name}" for folder in PROMPTS for name in FILES]
    with whole_folder(out, files, overwrite=overwrite) as draft:
        loaded = load_model(model)
        scene = demo_scene(seed, loaded.sample_rate)
        found = explain(
            {"array": scene.waveform, "sampling_rate": scene.sample_rate, "path": "scene.wav"},
            [_target(scene, name) for name in PROMPTS.values()],
            model=model if isinstance(model, str) else loaded,
            explainer=explainer,
            seed=seed,
            progress=progress,
        )
        explanations = dict(zip(PROMPTS, found, strict=True))
        shares = {folder: energy_shares(e, scene.sources) for folder, e in explanations.items()}
        before = energy_shares(found[0].model_copy(update={"mask": np.ones_like(found[0].mask)}), scene.sources)
        (draft / "scene.wav").write_bytes(wav_bytes(scene.waveform, scene.sample_rate))
        (draft / "sources").mkdir()
        for name, wave in scene.sources.items():
            (draft / "sources" / f"{_file(name)}.wav").write_bytes(wav_bytes(wave, scene.sample_rate))
        for folder, explanation in explanations.items():
            (draft / folder).mkdir()
            write_files(explanation, draft / folder)
        record = _record(scene, explanations, shares, before, seed)
        (draft / "demo.json").write_bytes(f"{json.dumps(record, indent=2)}\n".encode())
        (draft / "index.html").write_bytes(_page(scene, explanations, shares, before).encode())
    return out / "index.html"


def energy_shares(explanation: Explanation, sources: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """How much of what an explanation keeps comes from each source.

    The share of source s is ``sum(G P_s) / sum_j sum(G P_j)``: G is the power gain of the explanation (its mask, on its
    scale) on STFT bins, P_s the STFT power of the source alone; sums run over the bins that the model hears. Powers of
    sources are summed apart, so where sources interfere no cross term is counted.

    Args:
        explanation: An explanation of the mixture of ``sources``.
        sources: Waveforms at the explanation's rate, each as long as the mixture.

    Returns:
        The share of every source; they sum to 1, or are all 0 where the mask is empty.
    """
    import torch

    from zsxai.spectral.mask import audio_gain

    e = explanation
    transform = e.transform
    bins = np.arange(e.front_end.n_bins) * (e.sample_rate / e.front_end.n_fft)
    heard = torch.from_numpy((bins >= e.grid.band[0]) & (bins <= e.grid.band[1]))
    with torch.no_grad():
        power = transform.power(torch.from_numpy(e.original.copy()))
        gain = audio_gain(transform, e.masking, power, torch.from_numpy(e.mask.copy()).to(power.dtype))[heard]
        kept = {
            name: float((gain * transform.power(torch.from_numpy(wave.copy()))[heard]).sum())
            for name, wave in sources.items()
        }
    total = sum(kept.values())
    return {name: value / total if total > 0 else 0.0 for name, value in kept.items()}


def _target(scene: Scene, name: str) -> Target:
    """A source's prompt against the other sources': in plain cosine, a bell is half a siren to ``tiny``."""
    return Contrast(prompt=scene.prompts[name], against=tuple(p for n, p in scene.prompts.items() if n != name))


def _file(source: str) -> str:
    return source.replace(" ", "-")


def _record(
    scene: Scene, explanations: Mapping[str, Explanation], shares: Shares, before: dict[str, float], seed: int
) -> dict[str, object]:
    return {
        "description": scene.description,
        "seed": seed,
        "formula": FORMULA,
        "shares": {"recording": before, **shares},
        "scores": {
            folder: {
                "prompt": e.prompt,
                "unit": e.unit,
                "score": e.score,
                "score_in": e.score_in,
                "score_out": e.score_out,
                "score_heard": e.score_heard,
                "mask_mean": e.mask_mean,
                "kept_energy": e.kept_energy,
                "model": e.provenance.model,
                "explainer": e.provenance.explainer,
            }
            for folder, e in explanations.items()
        },
    }


def _page(scene: Scene, explanations: Mapping[str, Explanation], shares: Shares, before: dict[str, float]) -> str:
    first = next(iter(explanations.values()))
    sounds = [scene.waveform, *scene.sources.values(), *(e.audio for e in explanations.values())]
    part = excerpt(sounds, scene.sample_rate, first.seconds / 2)
    whole = spectrogram(scene.waveform, scene.sample_rate)
    quiet_peak = strip_peak(scene.waveform, scene.sample_rate)

    def card(title: str, note: str, wave: NDArray[Any], **options: Any) -> Card:
        return make_card(title, note, wave, part, peak=quiet_peak, **options)

    return render_page(
        "demo.html",
        "zsxai demo: a siren over rain, then church bells",
        first=first,
        scene=scene,
        picture=make_picture(whole, f"Spectrogram of the recording. {scene.description}", peak=whole.peak),
        cards=[
            card("Recording", scene.description, scene.waveform),
            card("Rain, the true source", "No prompt asks for it.", scene.sources["rain"]),
        ],
        asked=[
            _asked(scene, folder, e, part, whole.peak, card, _said(folder, e, shares[folder], before))
            for folder, e in explanations.items()
        ],
        table=_table(explanations, shares, before),
        formula=FORMULA,
        extent_axis=PARTS,
        model=model_pairs(first),
    )


def _asked(
    scene: Scene, folder: str, e: Explanation, part: Excerpt, peak: float, card: Callable[..., Card], said: str
) -> dict[str, Any]:
    """What the page shows of one prompt."""
    name = PROMPTS[folder]
    truth = spectrogram(scene.sources[name], scene.sample_rate)
    return {
        "e": e,
        "folder": folder,
        "said": said,
        "truth": make_picture(truth, f"Spectrogram of the {name} alone", peak=peak),
        "true_card": card(f"True {name}", "The source alone.", scene.sources[name]),
        "picture": mask_view(e, part, peak),
        "card": card(
            f"Explanation of “{e.prompt}”",
            kept_note(e),
            e.audio,
            kept=True,
            figure=f"score {signed(e.score_heard)}",
            recording=e.original,
        ),
        "note": players_note(e, part),
        "score_bars": score_bars(e),
        "score_axis": score_axis(e),
        "extent_bars": extent_bars(e),
        "regions": e.regions(),
        "dimmed": dimmed(e),
    }


def _said(folder: str, e: Explanation, shares: dict[str, float], before: dict[str, float]) -> str:
    if not e.mask.any():
        return "The mask is empty: the explainer found nothing here that raises the score."
    name = PROMPTS[folder]
    return (
        f"{shares[name]:.0%} of the energy that this explanation keeps is the {name}; in the whole recording it is "
        f"{before[name]:.0%}."
    )


def _table(explanations: Mapping[str, Explanation], shares: Shares, before: dict[str, float]) -> dict[str, Any]:
    """The share of every source, in the whole recording and in each explanation."""
    rows = [
        [source, f"{whole:.1%}"]
        + [
            {"text": f"{shares[folder][source]:.1%}", "class": "here" if PROMPTS[folder] == source else None}
            for folder in explanations
        ]
        for source, whole in before.items()
    ]
    asked = (f"explanation of “{e.prompt}”" for e in explanations.values())
    return {"head": ["energy that comes from", "the whole recording", *asked], "rows": rows}
