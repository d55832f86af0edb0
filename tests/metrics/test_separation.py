import numpy as np
import pytest
import torch

from zsxai.errors import InputError
from zsxai.metrics.separation import si_sdr

RNG = np.random.default_rng(0)
SOUND = RNG.normal(size=(4, 8000))
ESTIMATE = SOUND + np.array([[0.01], [0.1], [1.0], [10.0]]) * RNG.normal(size=(4, 8000)) + 0.1


def test_equal_to_torchmetrics():
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    expected = scale_invariant_signal_distortion_ratio(torch.from_numpy(ESTIMATE), torch.from_numpy(SOUND))
    np.testing.assert_allclose(si_sdr(ESTIMATE, SOUND), expected, atol=1e-6)
    np.testing.assert_allclose(si_sdr(ESTIMATE.astype(np.float32), SOUND.astype(np.float32)), expected, atol=1e-3)


def test_by_hand():
    # e = s + an orthogonal sound of a tenth of its power.
    assert si_sdr([1.0, np.sqrt(0.1)], [1.0, 0.0]) == pytest.approx(10.0)


def test_level_does_not_count_however_quiet():
    np.testing.assert_allclose(si_sdr(1e-8 * ESTIMATE, 1e-6 * SOUND), si_sdr(ESTIMATE, SOUND), atol=1e-9)
    np.testing.assert_allclose(si_sdr(-ESTIMATE, SOUND), si_sdr(ESTIMATE, SOUND), atol=1e-9)


def test_the_ends():
    assert si_sdr([1.0, 0.0], [2.0, 0.0]) == np.inf
    assert si_sdr([0.0, 1.0], [2.0, 0.0]) == -np.inf
    assert np.isnan(si_sdr([0.0, 0.0], [1.0, 0.0]))
    assert np.isnan(si_sdr([1.0, 0.0], [0.0, 0.0]))


def test_a_batch_is_its_rows():
    np.testing.assert_allclose(si_sdr(ESTIMATE, SOUND), [si_sdr(e, s) for e, s in zip(ESTIMATE, SOUND, strict=True)])


def test_unlike_lengths():
    with pytest.raises(InputError, match="unlike lengths, 3 and 4"):
        si_sdr(np.ones(3), np.ones(4))


def test_one_pair_gives_a_number():
    found = si_sdr([1.0, np.sqrt(0.1)], [1.0, 0.0])
    assert isinstance(found, float)
    assert f"{found:.1f} dB" == "10.0 dB"
    assert si_sdr(np.ones((1, 2)), np.ones((1, 2))).shape == (1,)
