"""A folder as people have them: documents of several kinds, hidden ones, tables, and a file that is no text."""

from __future__ import annotations

from pathlib import Path

TEXT = """# Night trains

The night train to the coast leaves at ten every day.

Seats are sold at the counter until nine.
"""


def write_folder(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (root / "a.md").write_text(TEXT, encoding="utf-8")
    (root / ".hidden" / "b.md").write_text(TEXT.replace("Night", "Hidden"), encoding="utf-8")
    (root / "sub" / "c.html").write_text(
        "<h1>Day trains</h1><p>The day train to the hills leaves at noon on Sundays."
    )
    (root / "sub" / "data.xml").write_text("<a/>")
    (root / "sub" / "table.csv").write_text("a,b\n")
    (root / "bad.txt").write_bytes(b"\xff\xfe\xff broken")
    return root
