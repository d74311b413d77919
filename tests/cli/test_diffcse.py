"""DiffCSE as a user trains it: one option more than SimCSE, and a refusal that says what to give."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.train.runs import plain_bert


def test_diffcse_is_trained_from_the_command_line(contrapose: Command, corpus: Path, tmp_path: Path) -> None:
    model = plain_bert(tmp_path / "bert")
    generator = plain_bert(tmp_path / "masked-lm", seed=1, masked_lm=True)
    common = ("train", corpus, "--model", model, "--method", "diffcse", "--steps", 2, "--batch-size", 8)
    done = contrapose(*common, "--set", f"generator={generator}", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert "loss_replaced_tokens" in (tmp_path / "run" / "metrics.jsonl").read_text()

    refused = contrapose(*common, "--set", f"generator={model}", "--out", tmp_path / "no")
    assert refused.code == 2
    assert "no masked-language-model head" in refused.err
    assert "--set generator=FOLDER" in refused.err
    assert not (tmp_path / "no").exists()
