"""Question sites: the file Posts.xml of a Stack Exchange dump."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from contrapose.documents.blocks import document_of
from contrapose.documents.document import Document
from contrapose.documents.html import html_blocks
from contrapose.errors import DataError

QUESTION, ANSWER = "1", "2"


def read_posts(path: Path) -> Iterator[Document]:
    """Every question, and after them all the answer of each that was accepted, else the one with the best score.

    Rows are read one by one; the titles of questions and their best answers are held in memory.
    """
    titles: dict[str, str] = {}
    accepted: dict[str, str] = {}
    best: dict[str, tuple[bool, int, str]] = {}
    try:
        events = ElementTree.iterparse(path, events=("start", "end"))
        _, posts = next(events)
        for event, row in events:
            if event == "start" or row.tag != "row":
                continue
            kind, post, body = row.get("PostTypeId"), row.get("Id", ""), row.get("Body", "")
            if kind == QUESTION:
                titles[post] = row.get("Title", "")
                accepted[post] = row.get("AcceptedAnswerId", "")
                yield document_of(_paragraphs(body), f"{path}#{post}", titles[post])
            elif kind == ANSWER and (question := row.get("ParentId", "")):
                # A dump is in the order of time, so that the question of an answer is known.
                rank = (accepted.get(question) == post, _whole(row.get("Score", "0")), body)
                best[question] = max(best.get(question, rank), rank)
            posts.clear()  # what was read would stay in memory
    except ElementTree.ParseError as error:
        raise DataError(f"no readable XML ({error})") from None
    for question, (_, _, body) in best.items():
        if titles.get(question):
            answer = document_of(_paragraphs(body), f"{path}#{question}")
            yield Document("", answer.sections, answer.source, asks=titles[question])


def _paragraphs(body: str) -> list[tuple[int, str]]:
    return [(0, words) for _, words in html_blocks(body)[0]]


def _whole(written: str) -> int:
    try:
        return int(written)
    except ValueError:
        return 0
