"""Mail: single messages (.eml) and mailboxes (.mbox); what a reply quotes is left out."""

from __future__ import annotations

import mailbox
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from contrapose.documents.blocks import document_of, paragraphs_of
from contrapose.documents.document import Document
from contrapose.documents.html import html_blocks

_REPLY = re.compile(r"^\s*(re|aw|sv|antw|fwd?|wg)\s*(\[\d+\])?\s*:\s*", re.IGNORECASE)
#: The line above a quotation: "On Monday, A. B. wrote:".
_WROTE = re.compile(r"^(on|am|le|el|il|op)\b.{5,200}:\s*$", re.IGNORECASE)


def read_eml(path: Path) -> Iterator[Document]:
    """One message."""
    with path.open("rb") as file:
        message = BytesParser(policy=policy.default).parse(file)
    yield from documents_of([message], str(path))


def read_mbox(path: Path) -> Iterator[Document]:
    """Every message; one that replies to another of the same mailbox knows what it answers."""
    box = mailbox.mbox(path, factory=BytesParser(policy=policy.default).parse, create=False)  # type: ignore[arg-type]
    try:
        yield from documents_of((message for message in box if isinstance(message, EmailMessage)), str(path))
    finally:
        box.close()


def documents_of(messages: Iterable[EmailMessage], source: str) -> Iterator[Document]:
    """A document of each message: the subject without "Re:" is its title; a reply to a known message has none."""
    said: dict[str, str] = {}
    for message in messages:
        document = _document(message, source)
        text = " ".join(document.paragraphs)
        if not text:
            continue
        if known := str(message["Message-ID"] or "").strip():
            said[known] = text
        answered = said.get(str(message["In-Reply-To"] or "").strip(), "")
        yield replace(document, asks=answered, title="" if answered else document.title)


def subject(written: str) -> str:
    """A subject without the marks of replies.

    >>> subject("Re: AW: Fwd: The night train")
    'The night train'
    """
    while (shorter := _REPLY.sub("", written)) != written:
        written = shorter
    return written.strip()


def own_words(text: str) -> str:
    """A message's text without quotations and signature.

    >>> own_words("Yes.\\n\\nOn Monday, A. B. wrote:\\n> Does it run?\\n-- \\nC. D.")
    'Yes.\\n'
    """
    kept: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.rstrip("\r") in ("-- ", "--"):
            break
        following = next((later for later in lines[number + 1 : number + 3] if later.strip()), "")
        is_above_quotation = _WROTE.match(line) and following.lstrip().startswith(">")
        if not line.lstrip().startswith(">") and not is_above_quotation:
            kept.append(line)
    return "\n".join(kept)


def _document(message: EmailMessage, source: str) -> Document:
    title = subject(str(message["Subject"] or ""))
    body = message.get_body(("plain", "html"))
    if body is None:
        return Document(title, (), source)
    try:
        text = str(body.get_content())
    except (
        LookupError,
        UnicodeError,
    ):  # a character set that nobody knows ends this mail's words, not the mailbox
        return Document(title, (), source)
    if body.get_content_subtype() == "html":
        blocks = [(0, words) for _, words in html_blocks(text)[0]]
    else:
        blocks = [(0, paragraph) for paragraph in paragraphs_of(own_words(text))]
    return document_of(blocks, source, title)
