"""Commands as they are shown to others."""

from __future__ import annotations

from zsxai.places import write_command


def test_a_command_names_no_place() -> None:
    words = ["zsxai", "run", "/mine/a b.toml", "--data", "esc50=/data/ESC-50", "--model", "laion:/x/y.pt", "--set"]
    words += ["rate=0.1", "--out", "runs/mine", "hf:laion/clap", "a:b=c"]
    assert write_command(words) == (
        "zsxai run 'a b.toml' --data esc50=ESC-50 --model laion:y.pt --set rate=0.1 --out runs/mine hf:laion/clap a:b=c"
    )
