"""Harvesting parses and never runs, counts what it cannot use, and names things as Python does."""

from __future__ import annotations

import os
import sys

import pytest

from contrapose.data.harvest import HarvestStatistics, harvest_python, name_in_words
from contrapose.errors import UsageError

SOURCE = '''"""A module that draws shapes. It knows squares."""
raise SystemExit("a harvest must not run this")

class Shape:
    """A closed line."""

    def areaOf(self):
        """Return the area.

        Never negative.
        """
        def inner():
            """Not reachable by a dotted path."""

    class Part:
        """A piece of it."""

if True:
    async def draw_all():
        """Draw all shapes."""
else:
    def draw_all():
        """The other definition of the same name."""

def silent(): pass
'''


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "shapes"
    (folder / "deep" / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Shapes for all."""', encoding="utf-8")
    (folder / "draw.py").write_text(SOURCE, encoding="utf-8")
    (folder / "deep" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "deep" / "more.py").write_text('"""More of them."""', encoding="utf-8")
    (folder / "deep" / "tests" / "test_more.py").write_text('"""Tests of them."""', encoding="utf-8")
    return folder


def test_objects_are_found_by_dotted_name_in_a_fixed_order(package):
    found = list(harvest_python([package]))
    assert [each.full_name for each in found] == [
        "shapes",
        "shapes.draw",
        "shapes.draw.Shape",
        "shapes.draw.Shape.areaOf",
        "shapes.draw.Shape.Part",
        "shapes.draw.draw_all",
        "shapes.deep.more",
    ]
    area = found[3]
    assert (area.name_words, area.first_line, area.rest) == (
        "shape area of",
        "Return the area.",
        ("Never negative.",),
    )
    assert (area.description, area.line) == ("Never negative.", 7)
    assert found[5].first_line == "Draw all shapes."


def test_folder_without_init_is_the_import_root_and_a_file_in_a_package_keeps_its_package(package):
    assert next(each.module for each in harvest_python([package.parent])) == "shapes"
    assert [each.module for each in harvest_python([package / "deep" / "more.py"])] == ["shapes.deep.more"]


def test_same_file_given_twice_is_read_once(package):
    statistics = HarvestStatistics()
    list(harvest_python([package, package / "draw.py", str(package)], statistics=statistics))
    assert statistics.files == 4


def test_unusable_files_are_counted_with_reason_and_the_others_are_harvested(package):
    (package / "broken.py").write_text("def (:", encoding="utf-8")
    (package / "latin.py").write_bytes(b'"""Caf\xe9."""')
    (package / "nul.py").write_bytes(b'"""a\x00b"""')
    (package / "deep.py").write_text("x = " + "(" * 5_000 + ")" * 5_000, encoding="utf-8")
    (package / "large.py").write_text("#" * 30_000, encoding="utf-8")
    os.mkfifo(package / "pipe.py")
    (package / "gone.py").symlink_to(package / "nowhere.py")
    statistics = HarvestStatistics()
    found = list(harvest_python([package], statistics=statistics, max_file_bytes=20_000))
    assert len(found) == statistics.objects == 7
    reasons = {os.path.basename(file): reason for file, reason in statistics.left_out}
    assert reasons == {
        "broken.py": "does not parse as Python",
        "nul.py": "does not parse as Python",
        "deep.py": "does not parse as Python",
        "latin.py": "not UTF-8",
        "large.py": "larger than 20,000 bytes",
        "pipe.py": "not a regular file",
        "gone.py": "not a regular file",
    }
    assert statistics.files == statistics.modules + len(reasons)
    assert any("3 files left out: does not parse as Python" in line for line in statistics.lines())


def test_package_is_located_without_being_imported(package, monkeypatch):
    (package / "__init__.py").write_text('"""Shapes."""\nraise SystemExit', encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    assert next(each.full_name for each in harvest_python(["shapes"])) == "shapes"
    assert [each.full_name for each in harvest_python(["shapes.deep.more"])] == ["shapes.deep.more"]
    assert [each.full_name for each in harvest_python(["shapes.deep"])] == ["shapes.deep.more"]
    assert not any(name.partition(".")[0] == "shapes" for name in sys.modules)


def test_module_frozen_into_the_interpreter_is_found_by_its_source():
    assert "makedirs" in {each.qualified_name for each in harvest_python(["os"])}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no-such-folder/x.py", "does not exist"),
        ("no_such_package_anywhere", "no file, folder or installed package"),
        ("json.no_such_part", "no Python sources"),
        ("sys", "no Python sources"),
        ("bisect.below", "no Python sources"),
        ("", "empty name"),
    ],
)
def test_wrong_target_is_a_usage_error(target, told):
    with pytest.raises(UsageError, match=told):
        list(harvest_python([target]))


def test_file_of_another_kind_is_a_usage_error(tmp_path):
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"neither a folder nor a \.py file"):
        list(harvest_python([tmp_path / "notes.txt"]))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("insort_right", "insort right"),
        ("HTTPServer.getRequestLine", "http server get request line"),
        ("A.B.close", "b close"),
        ("_private", "private"),
        ("sha256", "sha256"),
        ("IPv6Address", "ipv6 address"),
        ("__init__", "init"),
        ("größeMessen", "größe messen"),
    ],
)
def test_names_are_cut_into_words(name, words):
    assert name_in_words(name) == words


def test_progress_is_told_after_each_file(package):
    told = []
    list(harvest_python([package], progress=told.append))
    assert told == [1, 1, 1, 1]
