"""The configurations that come with the library keep to what the paper states; the pages on them to the code."""

import inspect
import re
from importlib import resources
from pathlib import Path

import pytest

from zsxai.benchmarks.run.suite import load_suite
from zsxai.lmac_zs.training import command
from zsxai.lmac_zs.training.config import TrainingConfig, load_config, read_phrases
from zsxai.lmac_zs.training.objectives import Contrastive, Paper
from zsxai.lmac_zs.training.trainer import rate_at
from zsxai.registry import DATASETS

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "lmac-zs.md").read_text(encoding="utf-8")
TUTORIAL = (DOCS / "tutorials" / "train-a-decoder.md").read_text(encoding="utf-8")

every_config = pytest.mark.parametrize("name", command.CONFIGS)


def loaded(name: str, **changes: object) -> TrainingConfig:
    return load_config(command._config_file(name), changes)


def test_the_folder_holds_the_named_ones_and_no_others():
    files = [f.name for f in resources.files("zsxai.lmac_zs.training.configs").iterdir() if f.name.endswith(".toml")]
    assert sorted(files) == sorted(f"{name}.toml" for name in command.CONFIGS)


@every_config
def test_the_papers_settings(name):
    """arXiv 2405.17615, sections 3, 4.1 and 4.2."""
    config = loaded(name)
    assert (config.batch, config.accumulate) == (2, 1)
    assert (config.epochs, config.steps) == (2, None)
    assert config.rate == 1e-5
    assert config.domain == "mel"
    assert config.templates == ("this is the sound of {}",)
    assert isinstance(config.objective, Paper)
    assert config.objective.size > 0, "lambda 1"
    assert config.objective.diversity > 0, "lambda 2"
    assert not config.objective.mixing
    assert config.mix == 0
    assert config.decoder.conditioning == "tokens"
    assert config.decoder.maps == (), "the model's last ones"
    assert len(config.decoder.widths) == 4


@every_config
def test_what_the_paper_does_not_mention_is_left_out(name):
    config = loaded(name)
    assert all(rate_at(done, config.warm_up, config.schedule) == 1 for done in (0, 0.01, 0.5, 0.999))
    assert config.clip_norm >= 1e6, "no gradient comes near"
    assert config.precision == "float32"


def test_the_data():
    ct, full = loaded("paper-ct"), loaded("paper-full")
    assert set(ct.data) == {"clotho"}
    assert set(full.data) == {"clotho", "fsd50k", "audiocaps", "macs"}
    assert ct.data["clotho"] == full.data["clotho"]
    splits = {key: spec.options.get("split") for key, spec in full.data.items()}
    assert splits == {"clotho": "development", "fsd50k": "dev", "audiocaps": "train", "macs": None}


@every_config
def test_validation_is_another_split_of_a_data_set_whose_folder_is_given_anyway(name):
    config = loaded(name)
    for key, spec in config.validation.items():
        assert config.data[key].reader == spec.reader
        assert config.data[key].options != spec.options
    given, roots = command.with_data(config, [f"{key}=here" for key in config.data])
    assert given == config
    assert set(config.validation) <= set(roots)


@every_config
def test_readers_are_there_and_take_the_options(name):
    config = loaded(name)
    for spec in (*config.data.values(), *config.validation.values()):
        assert spec.reader in DATASETS.names()
        inspect.signature(DATASETS.get(spec.reader)).bind("root", **spec.options)


def test_both_differ_in_their_data_alone():
    ct, full = (loaded(name).model_dump(exclude={"data"}) for name in command.CONFIGS)
    assert ct == full


@every_config
def test_a_value_can_be_changed(name):
    assert loaded(name, epochs=10).updates(100) == 500
    assert loaded(name).updates(100) == 100
    assert loaded(name, domain="stft").domain == "stft"


def short(value: float) -> str:
    return f"{value:g}".removeprefix("0") or "0"


def test_the_page_has_the_weights_of_the_default_objective():
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
    weights = {row[0].strip(" `"): row[3].split(":")[0].strip() for row in rows if len(row) == 5}
    default = Contrastive().model_dump(exclude={"name", "warm_up"})
    assert weights == {"kept": "1", **{name: short(weight) for name, weight in default.items()}}


def test_the_page_has_the_size_of_tinys_decoder():
    (code,) = re.findall(r"```python\n(from zsxai\.lmac_zs\.decoder .*?)```", PAGE, flags=re.DOTALL)
    printed: list[int] = []
    exec(code, {"print": printed.append})  # noqa: S102
    assert re.findall(r"^\| `tiny` \|.*\| ([\d,]+) \|$", PAGE, flags=re.MULTILINE) == [f"{printed[0]:,}"]


def test_the_tutorial_has_the_defaults():
    c = TrainingConfig()
    for row in (
        f"| `steps`, or `epochs` | {c.updates(0):,} |",
        f"| `batch`, `accumulate` | {c.batch}, {c.accumulate} |",
        f"| `rate`, `warm_up`, `schedule` | {short(c.rate)}, {short(c.warm_up)}, `{c.schedule}` |",
        f"| `mix`, `level` | {short(c.mix)}, {short(c.level)} |",
        f"| `bank`, `same_above` | {c.bank}, {short(c.same_above)} |",
        f"| `domain`, `scale` | `{c.domain}`, `{c.scale}` |",
        f"| `held_out`, `validation_clips`, `validate_every` | {short(c.held_out)}, {c.validation_clips}, "
        f"{c.validate_every} |",
        f"| `seconds` | {short(c.seconds)} |",
        f"| `seed` | {c.seed} |",
    ):
        assert row in TUTORIAL


def test_the_tutorials_files_load(tmp_path):
    files = re.findall(r"```toml\n(.*?)```", TUTORIAL, flags=re.DOTALL)
    assert len(files) == 4
    suite, training, classes, phrases = files
    for name, text in (("mine", suite), ("train", training), ("classes", classes), ("phrases", phrases)):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    assert load_suite(str(tmp_path / "mine.toml")).name == "mine"
    assert load_config(tmp_path / "train.toml").steps == 3000
    assert read_phrases(load_config(tmp_path / "classes.toml").phrases)["rain"]
