"""A checkpoint is whole or it is named as damaged; the last good one and the best one are never pruned."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.errors import CorruptCheckpoint
from contrapose.train.checkpoint import (
    Checkpoint,
    folder_of,
    load,
    load_newest,
    prune,
    save,
    steps_saved,
    why_damaged,
)

FILES = (
    "modules.safetensors",
    "optimizer.safetensors",
    "state.json",
    "manifest.json",
)


def checkpoint(step: int, size: int = 40) -> Checkpoint:
    weights = {"w": torch.full((size,), float(step)), "tied": torch.zeros(3)}
    weights["tie"] = weights["tied"]
    return Checkpoint(
        step=step,
        modules=weights,
        optimizer={"w/exp_avg": torch.full((size,), step / 7), "w/step": torch.tensor(float(step))},
        state={"best_score": 0.1 + step, "best_step": None, "told": True},
    )


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Checkpoints of steps 5 and 10."""
    for step in (5, 10):
        save(tmp_path / "checkpoints", checkpoint(step))
    return tmp_path / "checkpoints"


def test_what_was_saved_is_loaded_to_the_bit(two: Path) -> None:
    loaded, expected = load(two, 10), checkpoint(10)
    for kind in ("modules", "optimizer"):
        old, new = getattr(expected, kind), getattr(loaded, kind)
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) and old[name].dtype == new[name].dtype for name in old)
    assert loaded.state == expected.state
    assert steps_saved(two) == [5, 10]


def truncate(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip_a_bit(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def empty(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


def rename(path: Path, rng: random.Random) -> None:
    path.rename(path.with_name("x" + path.name))


def swap_with_older(path: Path, rng: random.Random) -> None:
    older = path.parent.with_name("step-00000005") / path.name
    mine, other = path.read_bytes(), older.read_bytes()
    assert mine != other
    path.write_bytes(other)


DAMAGES = (truncate, flip_a_bit, empty, delete, rename, swap_with_older)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_named_and_the_checkpoint_before_is_used(
    two: Path, damage: Callable[[Path, random.Random], None], name: str
) -> None:
    damage(folder_of(two, 10) / name, random.Random(name))
    named = r"step-00000010/\S+\.(safetensors|json)" if name == "manifest.json" else f"step-00000010/{name}"
    with pytest.raises(CorruptCheckpoint, match=named):
        load(two, 10)
    told: list[str] = []
    loaded = load_newest(two, told.append)
    assert loaded is not None
    assert loaded.step == 5
    assert len(told) == 1
    assert "step 10 is damaged and was passed over" in told[0]


@pytest.mark.parametrize("seed", range(3))
def test_no_truncation_and_no_flipped_bit_goes_unnoticed(two: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder = folder_of(two, 10)
    whole = {name: (folder / name).read_bytes() for name in FILES}
    for _ in range(60):
        name = rng.choice(FILES)
        rng.choice((truncate, flip_a_bit))(folder / name, rng)
        with pytest.raises(CorruptCheckpoint):
            load(two, 10)
        (folder / name).write_bytes(whole[name])
    assert load(two, 10).step == 10


def test_a_checkpoint_under_the_name_of_another_step_is_refused(two: Path) -> None:
    folder_of(two, 10).rename(folder_of(two, 20))
    with pytest.raises(CorruptCheckpoint, match=r"step-00000020/state.json is of another step"):
        load(two, 20)


def test_a_folder_that_is_whole_and_no_checkpoint_is_refused(two: Path) -> None:
    from contrapose.storage.durable import write_tree

    write_tree(folder_of(two, 30), {"state.json": b'{"step": 30}'})
    with pytest.raises(CorruptCheckpoint, match=r"modules.safetensors is not in the manifest"):
        load(two, 30)


def test_all_damaged_is_an_error_that_says_what_to_do(two: Path) -> None:
    for step in (5, 10):
        (folder_of(two, step) / "modules.safetensors").unlink()
    told: list[str] = []
    with pytest.raises(CorruptCheckpoint, match=r"all 2 checkpoints.*in another folder"):
        load_newest(two, told.append)
    assert len(told) == 2


def test_no_checkpoint_is_not_damage(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "none", pytest.fail) is None
    (tmp_path / "checkpoints" / "step-5").mkdir(parents=True)
    (tmp_path / "checkpoints" / "mine-00000005").mkdir()
    assert load_newest(tmp_path / "checkpoints", pytest.fail) is None


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(two: Path) -> None:
    (folder_of(two, 10) / "manifest.json").unlink()
    save(two, checkpoint(10))
    assert load(two, 10).step == 10


def test_a_file_under_the_name_of_a_checkpoint_is_damage(two: Path) -> None:
    folder_of(two, 20).write_bytes(b"what")
    loaded = load_newest(two, lambda _: None)
    assert loaded is not None
    assert loaded.step == 10


def test_pruning_keeps_the_newest_whole_ones_and_the_best(tmp_path: Path) -> None:
    for step in range(1, 7):
        save(tmp_path, checkpoint(step))
    (folder_of(tmp_path, 6) / "state.json").unlink()
    assert prune(tmp_path, keep=2, best_step=2) == [3, 1]
    assert steps_saved(tmp_path) == [2, 4, 5, 6]


Action = tuple[str, int]
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["save", "save", "save best", "damage", "prune"]), st.integers(0, 5)), max_size=8
)  # fmt: skip


@given(actions=ACTIONS, keep=st.integers(2, 3))
@settings(max_examples=12)
def test_the_newest_good_ones_and_the_best_are_never_pruned(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Action], keep: int
) -> None:
    place = tmp_path_factory.mktemp("prune")
    step, best = 0, None
    for action, number in [*actions, ("prune", 0)]:
        if action.startswith("save"):
            step += 1
            save(place, checkpoint(step, size=2))
            best = step if action == "save best" else best
        elif action == "damage" and (there := steps_saved(place)):
            (folder_of(place, there[number % len(there)]) / "state.json").write_bytes(b"{}")
        elif action == "prune":
            good = [saved for saved in steps_saved(place) if not why_damaged(folder_of(place, saved))]
            best_was_there = best in steps_saved(place)
            prune(place, keep=keep, best_step=best)
            left = [saved for saved in steps_saved(place) if not why_damaged(folder_of(place, saved))]
            assert left[-keep:] == good[-keep:]
            assert (best in steps_saved(place)) == best_was_there
            assert len(left) <= keep + 1
    shutil.rmtree(place)
