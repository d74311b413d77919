from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrapose.encoder.layout import Layout, read_layout
from contrapose.errors import ModelError

LEGACY = "sentence_transformers.models."


def pipeline(folder: Path, *types: str, pooling: dict, **files: dict) -> Path:
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": paths[kind.split(".")[-1]], "type": kind}
        for i, kind in enumerate(types)
    ]
    (folder / "1_Pooling").mkdir()
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_a_folder_that_says_nothing_is_a_masked_language_model(tmp_path: Path) -> None:
    assert read_layout(tmp_path, "x") == Layout(
        backbone=tmp_path, kind="masked-lm", pooling="cls", normalize=False
    )


def test_the_legacy_schema_is_read(tmp_path: Path) -> None:
    pipeline(
        tmp_path,
        *(LEGACY + name for name in ("Transformer", "Pooling", "Normalize")),
        pooling={
            "word_embedding_dimension": 8,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
        sentence_bert_config={"max_seq_length": 77, "do_lower_case": True},
    )
    expected = Layout(
        backbone=tmp_path,
        kind="sentence",
        pooling="avg",
        normalize=True,
        max_length=77,
        lower_case=True,
        prompt="",
    )
    assert read_layout(tmp_path, "x") == expected


@pytest.mark.parametrize(("mode", "pooling"), [("cls", "cls"), ("mean", "avg"), (["mean"], "avg")])
def test_the_new_schema_is_read(tmp_path: Path, mode: object, pooling: str) -> None:
    pipeline(
        tmp_path,
        "sentence_transformers.base.modules.transformer.Transformer",
        "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        pooling={"embedding_dimension": 8, "pooling_mode": mode, "include_prompt": True},
        config_sentence_transformers={"prompts": {"q": "query: ", "d": ""}, "default_prompt_name": "q"},
    )
    layout = read_layout(tmp_path, "x")
    assert (layout.pooling, layout.normalize, layout.prompt, layout.max_length) == (
        pooling,
        False,
        "query: ",
        None,
    )


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": "max"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode": 3},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode_cls_token": False, "pooling_mode_max_tokens": True},
        {"pooling_mode_lasttoken": True},
    ],
)
def test_poolings_that_cannot_be_kept_are_refused_and_not_replaced(tmp_path: Path, pooling: dict) -> None:
    pipeline(tmp_path, LEGACY + "Transformer", LEGACY + "Pooling", pooling=pooling)
    with pytest.raises(ModelError, match="pools by"):
        read_layout(tmp_path, "x")


@pytest.mark.parametrize(
    "types",
    [
        ["Transformer"],
        ["Pooling", "Transformer"],
        ["Transformer", "Normalize", "Pooling"],
        ["Transformer"] * 2,
    ],
)
def test_other_orders_of_modules_are_refused(tmp_path: Path, types: list[str]) -> None:
    pipeline(tmp_path, *(LEGACY + name for name in types), pooling={"pooling_mode": "cls"})
    with pytest.raises(ModelError, match=r"modules\.json"):
        read_layout(tmp_path, "x")


def test_our_own_record_tells_the_two_names_of_the_first_token_apart(tmp_path: Path) -> None:
    own = {
        "pooling": "cls_before_pooler",
        "normalize": False,
        "max_length": 9,
        "lower_case": False,
        "prompt": "",
    }
    pipeline(
        tmp_path,
        LEGACY + "Transformer",
        LEGACY + "Pooling",
        pooling={"pooling_mode_cls_token": True},
        contrapose=own,
    )
    assert read_layout(tmp_path, "x").pooling == "cls_before_pooler"
    (tmp_path / "contrapose.json").write_text(json.dumps({**own, "pooling": "avg"}))
    with pytest.raises(ModelError, match=r"contrapose\.json says pooling 'avg', modules\.json says 'cls'"):
        read_layout(tmp_path, "x")


@pytest.mark.parametrize("own", [{"pooling": "cls"}, {"pooling": "evil", "normalize": 1, "max_length": 1}])
def test_a_damaged_record_of_our_own_is_an_error(tmp_path: Path, own: dict) -> None:
    (tmp_path / "contrapose.json").write_text(json.dumps(own))
    with pytest.raises(ModelError, match="damaged"):
        read_layout(tmp_path, "x")


def test_a_prompt_left_out_of_pooling_is_refused(tmp_path: Path) -> None:
    pipeline(
        tmp_path,
        LEGACY + "Transformer",
        LEGACY + "Pooling",
        pooling={"pooling_mode": "mean", "include_prompt": False},
        config_sentence_transformers={"prompts": {"q": "query: "}, "default_prompt_name": "q"},
    )
    with pytest.raises(ModelError, match="prompt out of pooling"):
        read_layout(tmp_path, "x")
