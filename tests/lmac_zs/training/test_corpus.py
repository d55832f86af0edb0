"""What a step hears and says: drawn from its key alone, with neighbours and foreign captions that mean something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.decoders import classes, config, heard, noise, sounds
from tests.toys import STRICT, ConvToy
from zsxai.errors import InputError
from zsxai.level import active_power
from zsxai.lmac_zs.training import captions as captions_module
from zsxai.lmac_zs.training import corpus as module
from zsxai.lmac_zs.training.corpus import NEAREST, Corpus
from zsxai.lmac_zs.training.data import read_clips, split
from zsxai.lmac_zs.training.draw import Draw
from zsxai.lmac_zs.training.mixing import FRAMES
from zsxai.model import TextEncoding

pytestmark = STRICT


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(ConvToy(), sounds(2), ("{}", "the sound of {}"))


def drawn(corpus: Corpus, key: Sequence[int] = (0, 0, 0, 0), **changes: Any) -> Draw:
    return corpus.draw(key, config(**{"batch": 6, "mix": 0.5, "bank": 6, "level": 5.0, **changes}))


def equal(one: Draw, other: Draw) -> bool:
    return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def power(window: torch.Tensor) -> float:
    return active_power(window, len(window) // FRAMES)


def groups(corpus: Corpus, captions: torch.Tensor) -> list[int]:
    return corpus.captions.group[captions.numpy()].tolist()


def test_a_draw_depends_on_its_key_alone(corpus: Corpus) -> None:
    first = drawn(corpus)
    drawn(corpus, (0, 7, 0, 0))
    assert equal(drawn(corpus), first)
    assert equal(drawn(Corpus(ConvToy(), sounds(2), ("{}", "the sound of {}"))), first)
    for other in ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
        changed = drawn(corpus, other)
        assert not torch.equal(changed.sounds, first.sounds)
        assert not torch.equal(changed.own, first.own)


def test_nothing_is_drawn_from_global_generators(corpus: Corpus) -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    drawn(corpus)
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("count", [3, 5, 8])
@pytest.mark.parametrize("batch", [2, 3, 4, 6, 8, 9, 16])
def test_neighbours_and_foreign_captions_are_of_other_groups(count: int, batch: int) -> None:
    """Also where a batch has more places than there are groups, and at its end, whose neighbour is its beginning."""
    corpus = Corpus(ConvToy(window=0.01), classes(count, each=2), ("{}",))
    for step in range(5):
        draw = drawn(corpus, (0, step), batch=batch)
        own, partner, foreign = (groups(corpus, captions) for captions in (draw.own, draw.partner, draw.foreign))
        assert len(own) == len(partner) == len(foreign) == batch
        assert all(a != b for a, b in zip(own, partner, strict=True)), (own, partner)
        assert all(f not in (a, b) for a, b, f in zip(own, partner, foreign, strict=True))
        assert partner == [*own[1:], own[0]]


def test_as_many_groups_as_there_are(corpus: Corpus) -> None:
    assert len(set(groups(corpus, drawn(corpus, batch=8).own))) == 8
    assert len(set(groups(corpus, drawn(corpus, batch=5).own))) == 5


def test_sounds_are_those_of_the_captions() -> None:
    """Each clip is a constant of its own, so that it can be told which was heard."""
    clips = [heard(f"c{c}", f"class {c}", np.full(16000, 0.01 * (c + 1), dtype=np.float32)) for c in range(5)]
    corpus = Corpus(ConvToy(), clips, ("{}", "the sound of {}"))
    for step in range(5):
        draw = drawn(corpus, (step,), batch=5, mix=1.0)
        peak = (draw.sounds + draw.others).abs().amax(dim=1)
        assert (peak <= 1.0).all()
        number = [int(g) for g in groups(corpus, draw.own)]
        assert draw.sounds[:, 0].tolist() == pytest.approx([0.01 * (n + 1) for n in number])
        assert all(str(n) in corpus.captions.texts[c] for n, c in zip(number, draw.own.tolist(), strict=True))


@pytest.mark.parametrize("level", [0.0, 3.0, 10.0])
def test_a_mixtures_level(corpus: Corpus, level: float) -> None:
    found = []
    for step in range(6):
        draw = drawn(corpus, (step,), batch=8, mix=1.0, level=level)
        assert draw.mixed.all()
        found += [10 * np.log10(power(b) / power(a)) for a, b in zip(draw.sounds, draw.others, strict=True)]
    assert max(map(abs, found)) <= level + 1e-3
    if level:
        assert min(found) < -0.5 * level < 0.5 * level < max(found), "both louder and softer"


def test_what_is_mixed_is_the_neighbour(corpus: Corpus) -> None:
    draw = drawn(corpus, batch=6, mix=1.0)
    for a, b in zip(draw.others, draw.sounds.roll(-1, dims=0), strict=True):
        assert float(torch.nn.functional.cosine_similarity(a, b, dim=0)) == pytest.approx(1.0, abs=1e-4)
    alone = drawn(corpus, batch=6, mix=0.0)
    assert not alone.mixed.any()
    assert not alone.others.any()
    assert torch.equal(alone.waveforms, alone.sounds)
    some = drawn(corpus, batch=8, mix=0.5)
    assert torch.equal(some.others.abs().amax(dim=1) > 0, some.mixed)
    torch.testing.assert_close(some.waveforms, some.sounds + some.others)


def test_a_third_sound_is_the_next_neighbour_and_nothing_is_asked_about_it() -> None:
    corpus = Corpus(ConvToy(), sounds(2), ("{}",))
    draw = drawn(corpus, batch=6, mix=1.0, third=1.0, level=0.0)
    assert groups(corpus, draw.third) == groups(corpus, draw.own.roll(-2))
    two = drawn(corpus, batch=6, mix=1.0, level=0.0)
    assert (two.third == -1).all()
    for i, others in enumerate(draw.others):
        basis = torch.stack([draw.sounds[(i + 1) % 6], draw.sounds[(i + 2) % 6]], dim=1)
        rest = others[:, None] - basis @ torch.linalg.lstsq(basis, others[:, None]).solution
        assert float(rest.square().mean()) < 1e-6 * float(others.square().mean())
        assert not set(groups(corpus, draw.foreign[i : i + 1])) & {
            groups(corpus, c[i : i + 1])[0] for c in all_of(draw)
        }


def all_of(draw: Draw) -> tuple[torch.Tensor, ...]:
    return draw.own, draw.partner, draw.third


def test_noise_lies_under_recordings_and_may_be_all_there_is(corpus: Corpus) -> None:
    noisy = drawn(corpus, batch=8, mix=0.0, noise=1.0)
    assert noisy.heard.all()
    for sound, below in zip(noisy.sounds, noisy.others, strict=True):
        assert -31 < 10 * np.log10(float(below.square().mean()) / power(sound)) < -9
    empty = drawn(corpus, batch=8, mix=1.0, nothing=0.999)
    assert empty.heard.tolist() == [True] + [False] * 7
    assert empty.mixed.tolist() == empty.heard.tolist()
    assert not empty.others[1:].any()
    flat = [float(np.corrcoef(s[1:], s[:-1])[0, 1]) for s in empty.sounds[1:].numpy()]
    assert max(flat) > 0.5 > min(flat), "another colour every time"


def test_foreign_captions_may_be_those_nearest_to_the_recording() -> None:
    """Class k has an embedding at k tenths of the way round a circle, and so has its recording."""
    corpus = Corpus(ConvToy(), classes(9, each=1), ("{}",))
    angle = np.arange(9) / 10 * np.pi
    vars(corpus)["_similarity"] = np.cos(angle[:, None] - angle[None]).astype(np.float32)
    for step in range(5):
        draw = drawn(corpus, (step,), batch=4, mix=1.0, similar=1.0)
        own, partner, foreign = (np.array(groups(corpus, c)) for c in (draw.own, draw.partner, draw.foreign))
        away = np.minimum(abs(foreign - own), abs(foreign - partner))
        assert away.max() <= NEAREST


def test_similarity_is_the_models(corpus: Corpus) -> None:
    index = 3
    embedding = corpus.model.embed_audio(corpus.window(index, corpus.model.audio_spec.window_samples, None)[None])[0]
    cosines = corpus.captions.embedding @ embedding
    wanted = [float(cosines[captions].max()) for captions in corpus.captions.by_group]
    np.testing.assert_allclose(corpus._similarity[index], wanted, atol=1e-6)


def test_no_recording_clips() -> None:
    loud = [heard(f"c{c}", f"class {c}", noise(seed=c) * 9) for c in range(4)]
    for step in range(3):
        draw = drawn(Corpus(ConvToy(), loud, ("{}",)), (step,), batch=4, level=20.0)
        assert float(draw.waveforms.abs().max()) <= 1.0 + 1e-6


def test_silent_stretches_do_no_harm() -> None:
    """A window may fall on silence, for itself and as a partner."""
    clicks = [heard(f"c{c}", f"class {c}", np.eye(1, 40000, 39999, dtype=np.float32)[0]) for c in range(3)]
    draw = drawn(Corpus(ConvToy(), [*clicks, heard("n", "noise")], ("{}",)), batch=4, mix=1.0)
    assert not draw.sounds.any(dim=1).all(), "the test draws a silent window"
    assert torch.isfinite(draw.waveforms).all()


def test_the_bank_holds_what_is_asked_about_and_more(corpus: Corpus) -> None:
    for size in (2, 6, 12, 40):
        for step in range(4):
            draw = drawn(corpus, (step,), batch=4, bank=size)
            bank = draw.bank.tolist()
            asked = {*draw.own.tolist(), *draw.partner.tolist(), *draw.foreign.tolist()}
            assert asked <= set(bank)
            assert min(size, 8) <= len(bank) <= max(size, len(asked))


def test_the_bank_holds_no_caption_twice(corpus: Corpus) -> None:
    for step in range(8):
        bank = drawn(corpus, (step,), batch=4, bank=12).bank.tolist()
        assert len(bank) == len(set(bank))


def test_captions_that_mean_the_same() -> None:
    corpus = Corpus(ConvToy(), classes(3), ("{}", "the sound of {}"))
    captions = corpus.captions
    captions.embedding = torch.eye(6)
    captions.embedding[4] = captions.embedding[2]  # of classes 2 and 1
    everyone = torch.arange(6)
    found = captions.same(everyone, everyone, above=0.9)
    wanted = torch.block_diag(*[torch.ones(2, 2)] * 3).bool()
    wanted[4, 2] = wanted[2, 4] = True
    assert torch.equal(found, wanted)
    assert torch.equal(captions.same(torch.tensor([3]), torch.tensor([2, 5]), 0.9), torch.tensor([[True, False]]))
    assert captions.same(everyone, everyone, above=-1.0).all()
    assert captions.same(torch.tensor([-1, 0]), everyone, 0.9).shape == (2, 6)


def test_words_around_classes() -> None:
    corpus = Corpus(ConvToy(), classes(3), ("{}", "hear {}"), {"class 1": ["cl. one"], "class 9": ["nothing"]})
    by_class = [[corpus.captions.texts[i] for i in rows] for rows in corpus.captions.by_group]
    assert by_class == [
        ["class 0", "hear class 0"],
        ["class 1", "hear class 1", "cl. one", "hear cl. one"],
        ["class 2", "hear class 2"],
    ]
    assert corpus.captions.group.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    assert corpus.group.tolist() == [0, 1, 2]


def test_sentences_are_taken_as_they_are() -> None:
    clips = [heard(f"c{c}", "any", captions=(f"a dog and {c} cats", f"{c} cats")) for c in range(3)]
    corpus = Corpus(ConvToy(), clips, ("the sound of {}",))
    assert corpus.captions.texts == [said for clip in clips for said in clip.captions]
    assert corpus.group.tolist() == [0, 1, 2]


def test_sentences_of_a_table_are_taken_as_they_are(tmp_path: Path) -> None:
    """``--data sounds.csv`` takes path,caption: no template is put around a sentence."""
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", noise(8000, seed=i), 16000)
    rows = [f"{i}.wav,{i} dogs bark in a yard" for i in range(3)]
    (tmp_path / "sounds.csv").write_text("\n".join(["path,caption", *rows]), encoding="utf-8")
    data = config(data={"sounds": {"reader": "csv", "root": str(tmp_path / "sounds.csv")}}).data
    corpus = Corpus(ConvToy(), read_clips(data), ("{}", "the sound of {}"))
    assert sorted(set(corpus.captions.texts)) == [f"{i} dogs bark in a yard" for i in range(3)]


def test_clips_of_several_data_sets_are_named_apart(tmp_path: Path) -> None:
    """Two data sets may both have a '0.wav': neither gets the other's captions."""
    for name, what in (("one", "dogs bark"), ("two", "bells ring")):
        (tmp_path / name).mkdir()
        for i in range(3):
            soundfile.write(tmp_path / name / f"{i}.wav", noise(8000, seed=i), 16000)
        rows = [f"{i}.wav,{i} {what}" for i in range(3)]
        (tmp_path / name / "sounds.csv").write_text("\n".join(["path,caption", *rows]), encoding="utf-8")
    places = {name: {"reader": "csv", "root": str(tmp_path / name / "sounds.csv")} for name in ("one", "two")}
    clips = read_clips(config(data=places).data)
    assert len({clip.name for clip in clips}) == 6
    corpus = Corpus(ConvToy(), clips, ("{}",))
    found = [{corpus.captions.texts[c] for c in corpus.captions.by_group[g]} for g in corpus.group]
    assert found == [{f"{i} {what}"} for what in ("dogs bark", "bells ring") for i in range(3)]


class Counting(ConvToy):
    """Counts the prompts of every call, and reads no more than six words."""

    calls: tuple[int, ...] = ()

    def encode_text(self, prompts: Any) -> TextEncoding:
        if any(len(p.split()) > 6 for p in prompts):
            raise InputError("one of the prompts is too long")
        self.calls += (len(prompts),)
        return super().encode_text(prompts)


def sentences(count: int) -> list[module.LabelledClip]:
    return [heard(f"c{c}", "any", captions=[f"{c} " + "very " * (c % 5) + "long"]) for c in range(count)]


@pytest.mark.parametrize("kept", [True, False])
def test_captions_as_the_model_reads_them(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """All are kept where they are little; otherwise those of a step are read when they are asked for."""
    if not kept:
        monkeypatch.setattr(captions_module, "CACHE_BYTES", 10_000)
    model = Counting()
    captions = Corpus(model, sentences(100), ("{}",)).captions
    assert len(captions.embedding) == 100
    asked = torch.tensor([0, 99, 4, 63, 64, 4])
    model.calls = ()
    found = [captions.encode(asked) for _ in range(3)][-1]
    if kept:
        assert sum(model.calls) <= 101
        assert max(model.calls) <= 64
    else:
        assert max(model.calls) <= 5, "each caption once"
    torch.testing.assert_close(found.embedding, captions.embedding[asked])
    for row, caption in enumerate(asked.tolist()):
        alone = ConvToy().encode_text([captions.texts[caption]])
        torch.testing.assert_close(found.embedding[[row]], alone.embedding)
        torch.testing.assert_close(found.tokens[row][found.token_mask[row]], alone.tokens[0])


def test_captions_that_the_model_cannot_read_are_left_out() -> None:
    long = "one two three four five six seven"
    clips = [heard("a", "any", captions=[long, "short"]), heard("b", "any", captions=[long]), *sentences(70)]
    corpus = Corpus(Counting(), clips, ("{}",))
    captions = corpus.captions
    assert captions.too_long == 2
    assert long not in captions.texts
    assert len(captions.texts) == len(captions.embedding) == 71
    assert [c.name for c in corpus.clips[:2]] == ["a", "c0"], "a clip that has no other is left out with it"
    assert len(corpus.group) == len(corpus.clips) == 71
    assert [captions.texts[i] for i in captions.by_group[corpus.group[0]]] == ["short"]
    torch.testing.assert_close(captions.embedding[[5]], ConvToy().embed_text([captions.texts[5]]))


def test_it_is_said_where_all_captions_are_too_long() -> None:
    clips = [heard(f"c{c}", "any", captions=[f"{c} two three four five six seven"]) for c in range(5)]
    with pytest.raises(InputError, match="too long"):
        Corpus(Counting(), clips, ("{}",))


def test_joined_encodings() -> None:
    model = ConvToy()
    parts = [model.encode_text(["one two three", "four"]), model.encode_text(["five six"])]
    found = TextEncoding.join(parts)
    assert found.tokens.shape == (3, 3, 8)
    assert found.token_mask.sum(dim=1).tolist() == [3, 1, 2]
    assert not found.tokens[~found.token_mask].any()
    bare = TextEncoding.join([parts[0], TextEncoding(parts[1].embedding)])
    assert bare.tokens is None
    assert bare.embedding.shape == (3, 8)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_classes(count: int) -> None:
    with pytest.raises(InputError, match=rf"the data hold {count} classes .*: training takes three or more"):
        Corpus(ConvToy(), classes(count, each=4), ("{}",))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def lazily(name: str) -> Any:
        def read() -> dict[str, Any]:
            reads.append(name)
            return {"array": noise(1000), "sampling_rate": 16000}

        return module.LabelledClip(name=name, label=name, source=name, audio=read)

    monkeypatch.setattr(module, "CACHE_BYTES", 3 * 4000)
    corpus = Corpus(ConvToy(), [lazily(n) for n in "abcde"], ("{}",))
    for index in (0, 1, 2, 0, 1, 2):
        corpus.sound(index)
    assert reads == ["a", "b", "c"], "what fits is read once"
    corpus.sound(0)
    corpus.sound(3)
    assert reads == ["a", "b", "c", "d"]
    corpus.sound(0)
    assert reads == ["a", "b", "c", "d"], "what was used last stays"
    corpus.sound(1)
    assert reads == ["a", "b", "c", "d", "b"]
    held = sum(v.nbytes for v in vars(corpus)["_sounds"].values())
    assert held <= 3 * 4000
    monkeypatch.setattr(module, "CACHE_BYTES", 10)
    assert len(corpus.sound(4)) == 1000
    assert len(vars(corpus)["_sounds"]) == 1, "one that is larger than all is held alone"


def test_sounds_come_at_the_models_rate() -> None:
    fast = [
        module.LabelledClip(str(c), str(c), str(c), audio={"array": noise(), "sampling_rate": 32000}) for c in "abc"
    ]
    found = Corpus(ConvToy(), fast, ("{}",)).sound(0)
    assert found.dtype == np.float32
    assert len(found) == 8000


@pytest.mark.parametrize(("fill", "last"), [("repeat", 3), ("zero", 0), ("repeat-pad", 0)])
def test_short_clips_fill_the_window_as_the_model_has_it(fill: Any, last: int) -> None:
    ramp = np.arange(1, 5, dtype=np.float32)
    corpus = Corpus(ConvToy(fill=fill), [heard("r", "ramp", ramp), *classes(2)], ("{}",))
    found = corpus.window(0, 11, None)
    assert found[:4].tolist() == [1, 2, 3, 4]
    assert float(found[10]) == last
    for seed in range(5):
        turned = corpus.window(0, 11, np.random.default_rng(seed))[:4].tolist()
        assert turned in [[1, 2, 3, 4], [2, 3, 4, 1], [3, 4, 1, 2], [4, 1, 2, 3]]
    one = Corpus(ConvToy(fill=fill), [heard("r", "one", ramp[:1]), *classes(2)], ("{}",))
    assert float(one.window(0, 11, np.random.default_rng(0))[0]) == 1.0


def test_long_clips_give_every_stretch() -> None:
    corpus = Corpus(ConvToy(), [heard("r", "ramp", np.arange(1, 31, dtype=np.float32) / 32), *classes(2)], ("{}",))
    assert (32 * corpus.window(0, 10, None)).tolist() == list(range(1, 11))
    starts = set()
    for seed in range(200):
        found = (32 * corpus.window(0, 10, np.random.default_rng(seed))).tolist()
        first = int(min(found))
        assert sorted(found) == list(range(first, first + 10))
        assert sum(b - a == 1 for a, b in zip(found, [*found[1:], found[0]], strict=True)) == 9, "turned, not shuffled"
        starts.add(first)
    assert starts == set(range(1, 22)), "the last stretch is heard as the first is"
    assert (32 * corpus.sound(0)).tolist() == list(range(1, 31)), "the recording itself stays"


def test_recordings_stay_together_when_some_are_held_out() -> None:
    clips = [module.LabelledClip(f"{s}-{i}", f"class {s % 7}", f"rec{s}") for s in range(400) for i in range(2)]
    kept, held_out = split(clips, 0.2)
    assert sorted(c.name for c in [*kept, *held_out]) == sorted(c.name for c in clips)
    assert not {c.source for c in kept} & {c.source for c in held_out}
    assert 0.1 < len(held_out) / len(clips) < 0.3
    assert split(clips[::-1], 0.2)[1] == held_out[::-1], "by the name alone"
    more = split(clips, 0.4)[1]
    assert set(held_out) <= set(more)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.9])
def test_too_few_to_hold_out(part: float) -> None:
    few = [module.LabelledClip(f"{s}", f"class {s % 2}", f"rec{s}") for s in range(40)]
    assert split(few, part) == (few, [])
