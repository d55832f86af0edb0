"""Trained decoders on disk and on the hub, and checkpoints of trainings: whole or absent, and never run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, BinaryIO

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.decoders import SYNTHETIC, config, random_decoder, saved, sounds, spec, toy, trained
from tests.toys import STRICT, BandToy, ConvToy
from zsxai.errors import InputError, MissingExtraError, ZsxaiError
from zsxai.lmac_zs.card import CARD, read_card
from zsxai.lmac_zs.checkpoint import FILES, README, WEIGHTS, TrainedDecoder, find_folder, round_weights
from zsxai.lmac_zs.training.run import train
from zsxai.lmac_zs.training.state import load_state, save_state
from zsxai.lmac_zs.training.trainer import STATE, Trainer

pytestmark = STRICT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "decoder", ConvToy())


def change_card(folder: Path, **values: Any) -> None:
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps({**card, **values}), encoding="utf-8")


def write_weights(folder: Path, content: bytes) -> None:
    """Other weights, with a card that owns up to them."""
    (folder / WEIGHTS).write_bytes(content)
    change_card(folder, weights_sha256=hashlib.sha256(content).hexdigest())


def refused(place: Path | str, says: str) -> str:
    with pytest.raises(InputError, match=says) as e:
        TrainedDecoder.from_pretrained(place)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    decoder = random_decoder()
    generator = torch.Generator().manual_seed(0)
    decoder.standardise([torch.randn(2, c, 3, 4, generator=generator) for c in (6, 12)])
    made = trained(ConvToy(), decoder, figures={"pointing": 0.75}, command="zsxai train", licence="CC0-1.0")
    folder = made.save(tmp_path / "a")
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)
    again = TrainedDecoder.from_pretrained(folder)
    for name, value in decoder.state_dict().items():
        assert torch.equal(again.decoder.state_dict()[name], value), name
    assert again.decoder.state_dict().keys() == decoder.state_dict().keys()
    assert again.card == made.card.model_copy(
        update={"weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()}
    )
    assert not any(p.requires_grad for p in again.decoder.parameters())
    assert not again.decoder.training
    again.save(tmp_path / "b")
    assert all((tmp_path / "b" / name).read_bytes() == (folder / name).read_bytes() for name in FILES)


def test_rounded_weights_take_half_the_space_and_are_kept_exactly(tmp_path: Path) -> None:
    decoder = random_decoder()
    before = {name: p.clone() for name, p in decoder.named_parameters()}
    whole = (trained(ConvToy(), decoder).save(tmp_path / "whole") / WEIGHTS).stat().st_size
    round_weights(decoder)
    folder = trained(ConvToy(), decoder).save(tmp_path / "half")
    assert (folder / WEIGHTS).stat().st_size < 0.7 * whole
    again = TrainedDecoder.from_pretrained(folder).decoder
    for name, p in again.named_parameters():
        assert p.dtype == torch.float32
        assert torch.equal(p, decoder.get_parameter(name)), name
        torch.testing.assert_close(p, before[name], rtol=5e-4, atol=1e-7)
        assert p.ndim > 1 or torch.equal(p, before[name]), name


def test_loading_draws_nothing(folder: Path) -> None:
    before = torch.get_rng_state().clone()
    TrainedDecoder.from_pretrained(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_card_in_words(tmp_path: Path) -> None:
    data = {"trained on": {"clips": 8, "recordings": 4}}
    saved(tmp_path / "d", ConvToy(), figures={"pointing": 0.75}, command="zsxai train lmac-zs", data=data)
    words = (tmp_path / "d" / README).read_text(encoding="utf-8")
    for part in (
        "ConvToy",
        "000000000000",
        "`stft`",
        "`log`",
        "| pointing | 0.750 |",
        "zsxai train lmac-zs",
        "8 clips",
    ):
        assert part in words
    assert words.startswith("---\n"), "the hub reads the head"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_saved_and_loaded(tmp_path: Path, value: float) -> None:
    """Few recordings may leave nothing to point at; the decoder is as good as with a figure."""
    saved(tmp_path / "d", ConvToy(), figures={"pointing": value, "p": 0.5})
    figures = TrainedDecoder.from_pretrained(tmp_path / "d").card.figures
    assert figures["p"] == 0.5
    assert not math.isfinite(figures.get("pointing", math.nan))


def test_corrupt_weights(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    refused(folder, r"decoder\.safetensors is corrupt \(sha256 [0-9a-f]{12}\.\.\., not [0-9a-f]{12}\.\.\.\)")
    (folder / WEIGHTS).write_bytes(content[:100])
    refused(folder, "is corrupt")
    (folder / WEIGHTS).write_bytes(b"")
    refused(folder, "is corrupt")


def test_a_wrong_hash(folder: Path) -> None:
    change_card(folder, weights_sha256="f" * 64)
    refused(folder, r"is corrupt .* not ffffffffffff")
    change_card(folder, weights_sha256="")
    refused(folder, "is corrupt")


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, rf"no decoder at .*: {name} is missing")


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no decoder at .*nowhere: give a folder that zsxai train lmac-zs wrote, or a hub id")
    refused("nowhere", "no decoder at nowhere")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file", "no decoder at")
    refused(tmp_path, r"no decoder at .*: card\.json is missing")


def test_the_words_are_not_needed(folder: Path) -> None:
    (folder / README).unlink()
    TrainedDecoder.from_pretrained(folder)


@pytest.mark.parametrize("version", [2, "1", None, 0])
def test_another_format(folder: Path, version: object) -> None:
    change_card(folder, format=version, something_new=3)
    refused(folder, rf"decoder format {version!r} at .* is not 1: upgrade zsxai")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"null", b'{"format": 1}', b'{"format": 1, "model": 3}']
)
def test_what_is_no_card(folder: Path, content: bytes) -> None:
    (folder / CARD).write_bytes(content)
    refused(folder, "card.json is no card of a decoder|decoder format")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"domain": "wavelet"}, "domain"),
        ({"novelty": 1}, "novelty"),
        ({"decoder": {**spec().model_dump(), "heads": 3}}, "heads"),
    ],
)
def test_a_card_that_is_wrong_says_where(folder: Path, changes: dict[str, Any], says: str) -> None:
    change_card(folder, **changes)
    assert says in refused(folder, "card.json is no card of a decoder")


def test_weights_of_another_decoder(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", ConvToy(), random_decoder(spec(widths=(8, 12))))
    write_weights(folder, (other / WEIGHTS).read_bytes())
    refused(folder, r"decoder\.safetensors does not fit its card")
    state = load_file(other / WEIGHTS)
    state.pop("out.bias")
    save_file(state, tmp_path / "less")
    write_weights(other, (tmp_path / "less").read_bytes())
    assert "out.bias" in refused(other, r"decoder\.safetensors does not fit its card")


class Touch:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


def test_a_pickle_is_never_run(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    pickle.loads(pickle.dumps(Touch(mark)))  # noqa: S301
    assert mark.exists(), "the pickle itself works"
    mark.rmdir()
    write_weights(folder, pickle.dumps(Touch(mark)))
    refused(folder, r"decoder\.safetensors does not fit its card")
    torch.save({"out.bias": Touch(mark)}, folder / WEIGHTS)
    write_weights(folder, (folder / WEIGHTS).read_bytes())
    refused(folder, r"decoder\.safetensors does not fit its card")
    assert not mark.exists()
    # Nor the checkpoint of a training.
    (tmp_path / "out").mkdir()
    for write in (
        lambda f: torch.save({"decoder": Touch(mark)}, f),
        lambda f: f.write_bytes(pickle.dumps(Touch(mark))),
    ):
        write(tmp_path / "out" / STATE)
        with pytest.raises(InputError, match=r"refused|no file that torch\.save wrote"):
            train(toy(), tmp_path / "out", config(data={"s": SYNTHETIC}), resume=True)
    assert not mark.exists()
    assert [p.name for p in (tmp_path / "out").iterdir()] == [STATE]


def test_another_model_is_refused(folder: Path) -> None:
    made = TrainedDecoder.from_pretrained(folder)
    made.check_model(ConvToy())
    other, unhashed = BandToy(), ConvToy()
    other.card = other.card.model_copy(update={"weights_sha256": "ab" * 32})
    with pytest.raises(InputError) as e:
        made.check_model(other)
    assert str(e.value) == (
        "this decoder was trained for ConvToy (weights 000000000000), not for BandToy (weights abababababab): train "
        "one with zsxai train lmac-zs"
    )
    unhashed.card = unhashed.card.model_copy(update={"weights_sha256": None})
    with pytest.raises(InputError, match="was trained for ConvToy"):
        made.check_model(unhashed)


def test_the_folder_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = trained(ConvToy()), Path.write_text

    def full(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == README:
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ZsxaiError, match=r"cannot write .*decoder: No space left"):
        made.save(tmp_path / "deep" / "decoder")
    assert [p.name for p in tmp_path.rglob("*")] == ["deep"]
    monkeypatch.undo()
    before = made.save(tmp_path / "decoder")
    content = {p.name: p.read_bytes() for p in before.iterdir()}
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ZsxaiError, match=r"cannot write .*decoder: No space left"):
        trained(ConvToy(), random_decoder(seed=1)).save(before, overwrite=True)
    assert {p.name: p.read_bytes() for p in before.iterdir()} == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["decoder", "deep"]


def test_what_is_there_is_replaced_only_where_it_is_ours(folder: Path) -> None:
    made = trained(ConvToy(), random_decoder(seed=1))
    with pytest.raises(InputError, match="exists: name another folder, or say overwrite"):
        made.save(folder)
    made.save(folder, overwrite=True)
    assert torch.equal(TrainedDecoder.from_pretrained(folder).decoder.out.weight, made.decoder.out.weight)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds notes\.txt, which is not ours to replace"):
        made.save(folder, overwrite=True)
    assert (folder / "notes.txt").exists()
    (folder / "notes.txt").rename(folder.parent / "notes.txt")
    with pytest.raises(InputError):
        made.save(folder.parent, overwrite=True)


def test_no_place_of_this_machine_is_published() -> None:
    chosen = config(
        data={"a": {"reader": "csv", "root": "/mine/a.csv"}},
        validation={"b": {"reader": "csv", "root": "/mine/b.csv", "options": {"folds": [1]}}},
        phrases="/mine/phrases.toml",
    )
    kept = chosen.without_paths()
    assert "/mine" not in json.dumps(kept)
    assert kept["phrases"] == "phrases.toml"
    assert kept["validation"]["b"] == {"reader": "csv", "root": None, "options": {"folds": [1]}}
    assert chosen.data["a"].root == "/mine/a.csv"


# The hub.


class Hub(ModuleType):
    """Stands for huggingface_hub."""

    def __init__(self, there: Path | None = None) -> None:
        super().__init__("huggingface_hub")
        self.there = there
        self.calls: list[tuple[str, Any]] = []
        self.uploaded: dict[str, bytes] = {}
        self.errors = SimpleNamespace(HfHubHTTPError=type("HfHubHTTPError", (OSError,), {}))

    def HfApi(self, **options: Any) -> Hub:
        self.calls.append(("HfApi", options))
        return self

    def create_repo(self, repository: str, **options: Any) -> None:
        self.calls.append(("create_repo", (repository, options)))

    def upload_folder(self, *, repo_id: str, folder_path: str, **options: Any) -> str:
        self.uploaded = {p.relative_to(folder_path).as_posix(): p.read_bytes() for p in Path(folder_path).rglob("*")}
        self.calls.append(("upload_folder", repo_id))
        return f"https://hub/{repo_id}/commit/1"

    def snapshot_download(self, repository: str, **options: Any) -> str:
        self.calls.append(("snapshot_download", (repository, options)))
        if self.there is None:
            raise self.errors.HfHubHTTPError("404 Client Error\nRepository Not Found")
        return str(self.there)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Hub:
    made = Hub(folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", made)
    return made


def test_push_to_hub(hub: Hub, folder: Path) -> None:
    made = TrainedDecoder.from_pretrained(folder)
    assert made.push_to_hub("me/decoder", private=True, token="secret") == "https://hub/me/decoder/commit/1"  # noqa: S106
    assert hub.calls == [
        ("HfApi", {"token": "secret"}),
        ("create_repo", ("me/decoder", {"private": True, "exist_ok": True})),
        ("upload_folder", "me/decoder"),
    ]
    assert hub.uploaded == {name: (folder / name).read_bytes() for name in FILES}


def test_from_the_hub(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = TrainedDecoder.from_pretrained("me/decoder@v2")
    assert found.card == read_card(folder)
    (name, (repository, options)) = hub.calls[-1]
    assert (name, repository, options["revision"]) == ("snapshot_download", "me/decoder", "v2")
    assert {pattern.removeprefix("*/") for pattern in options["allow_patterns"]} == set(FILES), "and nothing else"
    assert find_folder("me/decoder") == folder
    assert hub.calls[-1][1][1]["revision"] is None
    calls = len(hub.calls)
    find_folder(folder)
    assert len(hub.calls) == calls, "a folder that is there is asked of nobody"
    for name in ("./me/decoder", "../me/decoder", "~/decoder", "a/b/c", str(tmp_path / "x")):
        with pytest.raises(InputError, match="no decoder at"):
            find_folder(name)
    assert len(hub.calls) == calls
    hub.there = None
    refused("me/decoder", r"cannot get 'me/decoder' from the Hugging Face hub \(404 Client Error\): .* the folder$")


def test_without_the_hubs_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    made = TrainedDecoder.from_pretrained(folder)
    for call in (lambda: made.push_to_hub("me/decoder"), lambda: find_folder("me/decoder")):
        with pytest.raises(MissingExtraError, match=r"huggingface_hub.*pip install 'zsxai\[hf\]'"):
            call()


# Checkpoints of a training.


def test_a_checkpoint_is_whole_or_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Trainer(toy(), sounds(), [], config(steps=2))
    made.run()
    path = tmp_path / STATE
    save_state(path, made.decoder, made.optimiser, 2, {"seed": 0})
    before = path.read_bytes()

    def full(state: Any, stream: BinaryIO) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ZsxaiError, match=r"cannot write .*state\.ckpt: No space left"):
        save_state(path, made.decoder, made.optimiser, 3, {"seed": 0})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [STATE]
    monkeypatch.undo()
    again = Trainer(toy(), sounds(), [], config(steps=2))
    assert load_state(path, again.decoder, again.optimiser, {"seed": 0}) == 2
    for name, value in made.decoder.state_dict().items():
        assert torch.equal(again.decoder.state_dict()[name], value)
    assert str(again.optimiser.state_dict()) == str(made.optimiser.state_dict())


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.zeros(3),
        {},
        {"identity": "[]", "step": 1, "decoder": {}, "optimiser": {}},
        {"identity": "{", "step": 1, "decoder": {}, "optimiser": {}},
        {"identity": 3, "step": 1, "decoder": {}, "optimiser": {}},
        {"identity": "{}", "step": 1, "decoder": {"x": torch.zeros(1)}, "optimiser": {}},
        {"identity": "{}", "step": 1, "decoder": [], "optimiser": {}},
    ],
    ids=["list", "tensor", "empty", "identity a list", "identity no JSON", "identity a number", "other", "no weights"],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / STATE)
    made = Trainer(toy(), sounds(), [], config())
    with pytest.raises(InputError, match=r"state\.ckpt is (no checkpoint of this training|of a training with)") as e:
        load_state(tmp_path / STATE, made.decoder, made.optimiser, {})
    assert "\n" not in str(e.value)


def test_a_checkpoint_that_is_cut_off(tmp_path: Path) -> None:
    made = Trainer(toy(), sounds(), [], config())
    save_state(tmp_path / STATE, made.decoder, made.optimiser, 1, {})
    content = (tmp_path / STATE).read_bytes()
    for length in (0, 3, 100, len(content) // 2, len(content) - 10):
        (tmp_path / STATE).write_bytes(content[:length])
        with pytest.raises(InputError, match=r"state\.ckpt"):
            load_state(tmp_path / STATE, made.decoder, made.optimiser, {})
