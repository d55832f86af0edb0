"""The demo: a synthesised scene, two prompts, and the true sources beside what was explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.wav import wav_bytes
from zsxai.data.scene import Scene, demo_scene
from zsxai.files import whole_folder
from zsxai.saved import FILES
from zsxai.show.folder import write_files
from zsxai.show.html import Html, document, join, signed, tag, untrusted
from zsxai.show.page import (
    extent_bars,
    footer,
    kept_note,
    mask_key,
    mask_picture,
    mask_regions,
    model_section,
    players_rule,
    score_bars,
)
from zsxai.show.parts import Excerpt, excerpt, picture, player_card, shades, strip_peak, table
from zsxai.show.raster import spectrogram
from zsxai.target import Contrast, Target

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
    peak = spectrogram(scene.waveform, scene.sample_rate).peak
    quiet_peak = strip_peak(scene.waveform, scene.sample_rate)
    sections = [
        _head(explanations),
        _mixture(scene, part, peak, quiet_peak),
        *(
            _prompt(scene, folder, e, part, peak, quiet_peak, shares[folder], before)
            for folder, e in explanations.items()
        ),
        _shares(explanations, shares, before),
        model_section(first),
        footer(first),
    ]
    return document("zsxai demo: a siren over rain, then church bells", join(shades(), tag("main", *sections)))


def _head(explanations: Mapping[str, Explanation]) -> Html:
    first = next(iter(explanations.values()))
    return tag(
        "header",
        tag("p", "The demo: sources known, explanations beside them", class_="eyebrow"),
        tag("h1", "A siren over rain, then church bells"),
        tag(
            "ul",
            tag("li", f"{first.seconds:.0f} s, synthesised"),
            tag("li", "model ", untrusted(first.provenance.model)),
            tag("li", "explainer ", untrusted(first.provenance.explainer)),
            class_="facts",
        ),
        tag(
            "p",
            "The scene is made in code, so what truly sounded is known. The model is asked about two sounds, each told "
            "apart from the others; each explanation stands beside the source it should have found. The same "
            "recording, two prompts: an explanation that does not listen to its prompt gives the same picture twice.",
            class_="lead",
        ),
    )


def _mixture(scene: Scene, part: Excerpt, peak: float, quiet_peak: float) -> Html:
    whole = spectrogram(scene.waveform, scene.sample_rate)
    return tag(
        "section",
        tag("h2", "The recording"),
        tag(
            "figure",
            picture(whole, f"Spectrogram of the recording. {scene.description}", peak=peak),
            tag("figcaption", "Brighter is louder; every picture and strip on this page has the same 80 dB."),
        ),
        tag(
            "div",
            player_card("Recording", scene.description, scene.waveform, part, peak=quiet_peak),
            player_card(
                "Rain, the true source", "No prompt asks for it.", scene.sources["rain"], part, peak=quiet_peak
            ),
            class_="players gap",
        ),
    )


def _prompt(
    scene: Scene,
    folder: str,
    e: Explanation,
    part: Excerpt,
    peak: float,
    quiet_peak: float,
    shares: dict[str, float],
    before: dict[str, float],
) -> Html:
    name = PROMPTS[folder]
    truth = spectrogram(scene.sources[name], scene.sample_rate)
    heard = f"score {signed(e.score_heard)}"
    said = (
        f"{shares[name]:.0%} of the energy that this explanation keeps is the {name}; in the whole recording it is "
        f"{before[name]:.0%}."
    )
    if not e.mask.any():
        said = "The mask is empty: the explainer found nothing here that raises the score."
    return tag(
        "section",
        tag("h2", "“", untrusted(e.prompt), "”"),
        tag("p", "compared with ", untrusted(", ".join(f"“{p}”" for p in e.target.others)), class_="quiet"),
        tag("p", said, class_="lead number"),
        tag(
            "div",
            tag(
                "div",
                tag("h3", "What truly sounded"),
                picture(truth, f"Spectrogram of the {name} alone", peak=peak),
                player_card(f"True {name}", "The source alone.", scene.sources[name], part, peak=quiet_peak),
                class_="stack",
            ),
            tag(
                "div",
                tag("h3", "What the explanation keeps"),
                mask_picture(e, part, peak),
                player_card(
                    f"Explanation of “{e.prompt}”",
                    kept_note(e),
                    e.audio,
                    part,
                    peak=quiet_peak,
                    kept=True,
                    figure=heard,
                ),
                class_="stack",
            ),
            class_="two",
        ),
        players_rule(e, part),
        mask_key(e),
        tag("div", score_bars(e), tag("div", extent_bars(e), mask_regions(e), class_="stack"), class_="two"),
        tag("p", tag("a", "The page of this explanation, with its residue", href=f"{folder}/index.html")),
    )


def _shares(explanations: Mapping[str, Explanation], shares: Shares, before: dict[str, float]) -> Html:
    rows = []
    for source, whole in before.items():
        cells: list[object] = [source, f"{whole:.1%}"]
        for folder in explanations:
            asked = PROMPTS[folder] == source
            cells.append(tag("td", f"{shares[folder][source]:.1%}", class_="here" if asked else None))
        rows.append(cells)
    head = [
        "energy that comes from",
        "the whole recording",
        *(f"explanation of “{e.prompt}”" for e in explanations.values()),
    ]
    return tag(
        "section",
        tag("h2", "How much of each explanation lies on its source"),
        table("Share of energy by true source, over the frequencies that the model hears", head, rows),
        tag("p", tag("code", FORMULA), class_="small gap"),
        tag(
            "p",
            "G is the power gain of the mask on each cell of the spectrogram (1 everywhere for the whole recording), "
            "P_s the power of source s alone. A mask that ignores its prompt gives both columns the same figures.",
            class_="small quiet",
        ),
    )
