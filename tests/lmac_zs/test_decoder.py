"""The decoder: any maps and prompts in, log-odds on the cells of the first map out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.decoders import random_decoder, spec
from tests.toys import STRICT
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec, count_parameters
from zsxai.model import TextEncoding

pytestmark = STRICT

THREE = {"maps": ("a", "b", "c"), "channels": (3, 5, 7), "widths": (8, 12, 16), "text_dim": 6, "token_dim": 5}
SIZES = {
    "halved": ((16, 20), (8, 10), (4, 5)),
    "odd": ((7, 13), (4, 7), (2, 4)),
    "one cell": ((1, 1), (1, 1), (1, 1)),
    "a second": ((8, 4), (4, 2), (2, 1)),
    "ten minutes": ((8, 4000), (4, 2000), (2, 1000)),
    "equal": ((3, 9), (3, 9), (3, 9)),
    "early map coarser": ((2, 3), (9, 8), (1, 40)),
}


def three(**changes: Any) -> DecoderSpec:
    return DecoderSpec(**{**THREE, **changes})


def maps(sizes: Any = SIZES["odd"], batch: int = 1, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, c, *size, generator=generator) for c, size in zip((3, 5, 7), sizes, strict=True)]


def prompts(*words: int, seed: int = 0) -> TextEncoding:
    """Prompts of so many tokens."""
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.nn.functional.normalize(torch.randn(len(words), 6, generator=generator), dim=1)
    tokens = torch.randn(len(words), max(words), 5, generator=generator)
    mask = torch.arange(max(words))[None] < torch.tensor(words)[:, None]
    return TextEncoding(embedding, tokens, mask)


def gradient_of(count: int, seed: int = 0) -> Tensor:
    """What a model's gradient might say, on the cells of the last map."""
    return torch.randn(count, *SIZES["odd"][2], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("conditioning", ["tokens", "pooled"])
@pytest.mark.parametrize("sizes", SIZES)
def test_any_maps(sizes: str, conditioning: str) -> None:
    """One decoder takes maps of any size and clips of any length."""
    decoder = random_decoder(three(conditioning=conditioning))
    found = decoder.head(decoder.trunk(maps(SIZES[sizes])), prompts(3, 1))
    assert found.shape == (2, *SIZES[sizes][0])
    assert torch.isfinite(found).all()


def test_pairs_are_clips_with_prompts() -> None:
    decoder, text, bank = random_decoder(three()), prompts(2, 4, 1), prompts(1, 1, 1, 1, seed=1).embedding
    heard = maps(batch=2)
    of = torch.tensor([1, 0, 1])
    log_odds, evidence = decoder(heard, text, of, bank)
    assert log_odds.shape == (3, *SIZES["odd"][0])
    assert [e.shape for e in evidence] == [(2, 4)] * 3
    for row, clip in enumerate(of.tolist()):
        levels = decoder.trunk([m[[clip]] for m in heard])
        alone = decoder.head(levels, text.rows([row]))
        torch.testing.assert_close(log_odds[[row]], alone, atol=1e-5, rtol=1e-5)
        for k, level in enumerate(levels):
            torch.testing.assert_close(evidence[k][[clip]], decoder.evidence[k].pooled(level, bank))


@pytest.mark.parametrize("conditioning", ["tokens", "pooled"])
def test_prompts_alone_are_as_in_company(conditioning: str) -> None:
    decoder, text = random_decoder(three(conditioning=conditioning)), prompts(1, 7, 3, 2)
    levels = decoder.trunk(maps())
    together = decoder.head(levels, text)
    for row, words in enumerate((1, 7, 3, 2)):
        alone = TextEncoding(text.embedding[[row]], text.tokens[[row], :words], text.token_mask[[row], :words])
        torch.testing.assert_close(decoder.head(levels, alone), together[[row]], atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.1, "the test tells prompts apart"


def test_padding_says_nothing() -> None:
    decoder, text = random_decoder(three()), prompts(3, 2)
    levels = decoder.trunk(maps())
    loud = torch.cat([text.tokens, 1e3 * torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))], dim=1)
    padded = TextEncoding(text.embedding, loud, torch.nn.functional.pad(text.token_mask, (0, 4)))
    torch.testing.assert_close(decoder.head(levels, padded), decoder.head(levels, text), atol=1e-5, rtol=1e-5)


def test_tokens_are_read() -> None:
    text, other = prompts(3), prompts(3, seed=1)
    rephrased = TextEncoding(text.embedding, other.tokens, other.token_mask)
    longer = TextEncoding(text.embedding, text.tokens, torch.tensor([[True, True, False]]))
    decoder = random_decoder(three())
    levels = decoder.trunk(maps())
    before = decoder.head(levels, text)
    for changed in (rephrased, longer):
        assert (decoder.head(levels, changed) - before).abs().max() > 1e-2
    pooled = random_decoder(three(conditioning="pooled", token_dim=None))
    levels = pooled.trunk(maps())
    assert torch.equal(pooled.head(levels, rephrased), pooled.head(levels, TextEncoding(text.embedding)))
    assert (pooled.head(levels, other) - pooled.head(levels, text)).abs().max() > 1e-2


def test_the_pooled_embedding_is_read_beside_the_tokens() -> None:
    decoder, text = random_decoder(three()), prompts(3)
    levels = decoder.trunk(maps())
    turned = TextEncoding(-text.embedding, text.tokens, text.token_mask)
    assert (decoder.head(levels, turned) - decoder.head(levels, text)).abs().max() > 1e-2


def test_every_map_is_read() -> None:
    decoder, text, heard = random_decoder(three()), prompts(2), maps()
    before = decoder.head(decoder.trunk(heard), text)
    for k in range(3):
        other = [m if i != k else n for i, (m, n) in enumerate(zip(heard, maps(seed=1), strict=True))]
        assert (decoder.head(decoder.trunk(other), text) - before).abs().max() > 1e-3, k


def test_the_gradient_is_read_where_it_is_given() -> None:
    decoder, text, heard = random_decoder(three()), prompts(2, 2), maps(batch=2)
    levels, gradient = decoder.trunk([m[:1] for m in heard]), gradient_of(2)
    found = decoder.head(levels, text, gradient)
    assert (found - decoder.head(levels, text)).abs().max() > 1e-2
    torch.testing.assert_close(decoder.head(levels, text, 0 * gradient), decoder.head(levels, text))
    for row in range(2):
        alone = decoder.head(levels, text.rows([row]), gradient[[row]])
        torch.testing.assert_close(found[[row]], alone, atol=1e-5, rtol=1e-5)
    paired, _ = decoder(heard, text, torch.tensor([0, 0]), text.embedding, gradient)
    torch.testing.assert_close(paired, found, atol=1e-5, rtol=1e-5)


def test_a_decoder_without_the_gradient() -> None:
    decoder, text, heard = random_decoder(three(gradient=False)), prompts(2), maps()
    levels = decoder.trunk(heard)
    torch.testing.assert_close(decoder.head(levels, text, gradient_of(1)), decoder.head(levels, text))
    assert not [name for name, _ in decoder.named_parameters() if "gradient" in name]


def test_tokens_must_be_given_where_they_are_asked_for() -> None:
    decoder = random_decoder(three())
    with pytest.raises(ValueError, match="without token states"):
        decoder.head(decoder.trunk(maps()), TextEncoding(prompts(1).embedding))


@pytest.mark.parametrize("log_odds", [2.0, -1.0])
def test_untrained_it_is_open(log_odds: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = Decoder(three(open=log_odds))
    found = decoder.head(decoder.trunk(maps()), prompts(2, 2))
    assert (found - log_odds).abs().max() < 1.0


def test_attention_at_the_two_coarsest_maps() -> None:
    assert sorted(random_decoder(three()).attention) == ["1", "2"]
    assert sorted(random_decoder(spec()).attention) == ["0", "1"]
    one = spec(maps=("a",), channels=(6,), widths=(8,))
    assert sorted(random_decoder(one).attention) == ["0"]
    assert not random_decoder(three(conditioning="pooled")).attention
    assert count_parameters(random_decoder(three())) > count_parameters(random_decoder(three(conditioning="pooled")))


def test_gradients_reach_every_weight_and_not_the_model() -> None:
    decoder = random_decoder(three()).requires_grad_(True)
    heard = [m.requires_grad_() for m in maps(batch=2)]
    of, bank = torch.tensor([0, 1]), prompts(1, 1, 1).embedding
    log_odds, evidence = decoder(heard, prompts(3, 2), of, bank, gradient_of(2))
    (log_odds.square().sum() + sum(e.square().sum() for e in evidence)).backward()
    still = [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []
    assert all(m.grad is None for m in heard)


def test_pooled_evidence_is_the_mean_of_the_cells() -> None:
    evidence, bank = random_decoder(three()).evidence[0], prompts(1, 1, 1).embedding
    heard = torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(0))
    cells = [evidence.pooled(heard[:, :, f : f + 1, t : t + 1], bank) for f in range(3) for t in range(5)]
    torch.testing.assert_close(evidence.pooled(heard, bank), torch.stack(cells).mean(dim=0), atol=1e-5, rtol=1e-5)
    # And it is the evidence that the head reads, prompt by prompt.
    found, _ = evidence(heard[[1]], bank[[2]])
    assert found.shape == (1, 1, 3, 5)
    torch.testing.assert_close(found.mean(), evidence.pooled(heard, bank)[1, 2], atol=1e-5, rtol=1e-5)


def test_maps_are_standardised_by_channel() -> None:
    """Models scale their maps as they like."""
    plain, scaled, heard = random_decoder(three()), random_decoder(three()), maps(batch=3)
    factor = [torch.logspace(-2, 3, m.shape[1])[:, None, None] for m in heard]
    louder = [m * f - 7 * f for m, f in zip(heard, factor, strict=True)]
    plain.standardise(heard)
    text = prompts(2)
    before = plain.head(plain.trunk([m[:1] for m in heard]), text)
    # Spreads that lie apart by more than a factor of ten are held up by their mean, so channel by channel alike.
    for k in range(3):
        one = [m if i != k else 100.0 * m - 7.0 for i, m in enumerate(heard)]
        scaled.standardise(one)
        torch.testing.assert_close(scaled.head(scaled.trunk([m[:1] for m in one]), text), before, atol=1e-3, rtol=1e-3)
    scaled.standardise(louder)
    mean = torch.stack([m.mean() for m in louder[0].transpose(0, 1)])
    torch.testing.assert_close(scaled.mean_0[:, 0, 0], mean, atol=1e-3, rtol=1e-3)


def test_a_silent_channel_does_not_shout() -> None:
    heard = maps(batch=3)
    heard[0][:, 1] = 0.0
    decoder = random_decoder(three())
    decoder.standardise(heard)
    assert float(decoder.std_0[1]) > 0.05
    assert torch.isfinite(decoder.head(decoder.trunk([m[:1] for m in maps(seed=1)]), prompts(1))).all()


def test_standardisation_travels_with_the_weights() -> None:
    decoder, again, heard = random_decoder(three()), random_decoder(three(), seed=1), maps(batch=2)
    decoder.standardise([3 * m + 1 for m in heard])
    again.load_state_dict(decoder.state_dict())
    text = prompts(2)
    one = [m[:1] for m in heard]
    assert torch.equal(again.head(again.trunk(one), text), decoder.head(decoder.trunk(one), text))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"widths": (8, 12)}, r"3 maps need as many channels and widths: \(3, 5, 7\), \(8, 12\)"),
        ({"channels": (3, 5)}, "3 maps need as many channels and widths"),
        ({"widths": (8, 12, 18)}, r"widths are multiples of the 4 heads: \(8, 12, 18\)"),
        ({"token_dim": None}, "the model gives no token states: say conditioning = 'pooled'"),
        ({"maps": (), "channels": (), "widths": ()}, "maps"),
        ({"conditioning": "words"}, "conditioning"),
        ({"heads": 0}, "heads"),
        ({"text_dim": 0}, "text_dim"),
        ({"widths": (8, 0, 16)}, "widths"),
        ({"upsample": True}, "upsample"),
    ],
)
def test_numbers_that_do_not_fit(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        three(**changes)
