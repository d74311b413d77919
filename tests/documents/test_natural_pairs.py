from __future__ import annotations

from contrapose.documents.document import Document, Section
from contrapose.documents.natural_pairs import CHARACTERS, PAIR_KINDS, natural_pairs

FIRST = "The night train to the coast leaves at ten every day."
SECOND = "Seats are sold at the counter until half past nine."
THIRD = "Bicycles are carried in the last coach of each train."


def pairs(*documents: Document) -> list[tuple[str, str, str]]:
    return [(pair.kind, pair.anchor, pair.positive) for pair in natural_pairs(documents)]


def test_titles_headings_neighbours_and_answers_are_paired() -> None:
    page = Document("Night trains", (Section("", (FIRST,)), Section("Tickets", (SECOND, THIRD))), "a.md")
    assert pairs(page) == [
        ("title", "Night trains", f"{FIRST} {SECOND} {THIRD}"),
        ("heading", "Night trains: Tickets", f"{SECOND} {THIRD}"),
        ("neighbours", SECOND, THIRD),
    ]
    assert pairs(Document("", (Section("", (SECOND,)),), "b", asks="Where are tickets sold?")) == [
        ("answer", "Where are tickets sold?", SECOND)
    ]
    assert set(PAIR_KINDS) == {"answer", "title", "heading", "neighbours"}


def test_paragraphs_of_different_sections_are_no_neighbours_and_what_says_too_little_is_no_pair() -> None:
    parted = Document("", (Section("A", (FIRST,)), Section("B", (SECOND,))), "a")
    assert pairs(parted) == []
    assert pairs(Document("Trains", (Section("", (FIRST,)),), "a")) == [], "a title of one word"
    assert pairs(Document("Night trains", (Section("", ("Too short.",)),), "a")) == []


def test_equal_pairs_come_once_and_a_text_is_not_paired_with_itself() -> None:
    page = Document("Night trains", (Section("", (FIRST,)),), "a.md")
    assert len(pairs(page, Document("Night trains", page.sections, "copy.md"))) == 1
    assert pairs(Document(FIRST.upper(), (Section("", (FIRST,)),), "a")) == []


def test_long_texts_are_cut_and_scripts_without_blanks_count() -> None:
    (only,) = pairs(Document("A long text", (Section("", ("word " * 5_000,)),), "a"))
    assert len(only[2]) == CHARACTERS
    chinese = "夜班火车每天晚上十点从车站出发，请在九点半之前到柜台购买车票，谢谢大家的合作。"
    assert pairs(Document("夜班火车时刻表", (Section("", (chinese,)),), "a")) == [
        ("title", "夜班火车时刻表", chinese)
    ]
