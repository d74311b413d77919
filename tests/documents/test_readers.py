"""Real files of each kind: what is read, and what is left out."""

from __future__ import annotations

import mailbox
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest

from contrapose.documents.blocks import paragraphs_of
from contrapose.documents.document import Document, Section
from contrapose.documents.html import html_blocks, read_html
from contrapose.documents.mail import own_words, read_eml, read_mbox, subject
from contrapose.documents.markdown import read_markdown
from contrapose.documents.pdf import read_pdf
from contrapose.documents.stack_exchange import read_posts
from contrapose.errors import DataError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_markdown_keeps_prose_under_its_headings_and_drops_code_tables_and_html(tmp_path: Path) -> None:
    page = write(
        tmp_path / "a.md",
        "# Night *trains*\n\nThey leave\nat ten.\n\n## To the `coast`\n\n- one\n- [two](x.md)\n\n```\ncode\n```\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n<div>raw</div>\n\nLast.\n",
    )
    (document,) = read_markdown(page)
    assert document == Document(
        "Night trains",
        (Section("", ("They leave at ten.",)), Section("To the coast", ("one", "two", "Last."))),
        str(page),
    )


def test_front_matter_names_the_title_and_is_no_text(tmp_path: Path) -> None:
    page = write(tmp_path / "a.md", '---\ntitle: "The coast"\ntags: [a]\n---\n# First heading\n\nText.\n')
    (document,) = read_markdown(page)
    assert (document.title, document.sections) == ("The coast", (Section("First heading", ("Text.",)),))


def test_html_is_read_without_menus_scripts_and_closing_tags(tmp_path: Path) -> None:
    page = write(
        tmp_path / "a.html",
        "<!doctype html><html><head><title>Site - Trains</title><style>p{}</style></head><body>"
        "<nav><ul><li>Home</ul></nav><h1>Trains &amp; buses</h1><p>First<br>second<p>Third "
        "<script>var x = '<p>no</p>';</script><table><tr><td>1</table><div>Fourth</div></body>",
    )
    (document,) = read_html(page)
    assert document.title == "Trains & buses"
    assert document.paragraphs == ("First", "second", "Third", "Fourth")


def test_a_main_heading_below_the_head_of_the_site_is_the_title(tmp_path: Path) -> None:
    page = "<title>T | S</title><header>Site<nav>menu</nav><h1>Trains</h1></header><p>Text.<h2>More</h2><p>Words."
    (document,) = read_html(write(tmp_path / "a.html", page))
    assert (document.title, document.sections) == (
        "Trains",
        (Section("", ("Site", "Text.")), Section("More", ("Words.",))),
    )


def test_a_page_without_headings_has_the_title_of_its_head(tmp_path: Path) -> None:
    (document,) = read_html(write(tmp_path / "a.html", "<title>Only this</title>some words"))
    assert (document.title, document.paragraphs) == ("Only this", ("some words",))


@pytest.mark.parametrize(
    "hostile", ["<" * 50_000, "<p>" * 20_000, "<nav>" * 20_000, "&" * 50_000, "</p></x>" * 9_000]
)
def test_broken_html_neither_fails_nor_takes_long(hostile: str) -> None:
    html_blocks(hostile)


def test_paragraphs_are_parted_by_blank_lines_and_broken_words_joined() -> None:
    assert paragraphs_of("one\ntwo\n\n \nthree-\nfour\nWell-\nKnown") == ["one two", "threefour Well- Known"]


def message(title: str, text: str, number: str, answers: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["Message-ID"] = title, number
    if answers:
        mail["In-Reply-To"] = answers
    mail.set_content(text)
    return mail


def test_a_reply_knows_what_it_answers_and_quotes_nothing(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box.mbox")
    box.add(message("Tickets", "Where do I buy a ticket?\n\n-- \nA. B.", "<1@x>"))
    box.add(
        message(
            "Re: Tickets", "At the counter.\n\nOn Monday, A. B. wrote:\n> Where do I buy", "<2@x>", "<1@x>"
        )
    )
    box.add(message("Other", "Grüße aus Köln.", "<3@x>"))
    box.flush()
    first, reply, other = read_mbox(tmp_path / "box.mbox")
    assert (first.title, first.paragraphs, first.asks) == ("Tickets", ("Where do I buy a ticket?",), "")
    assert (reply.title, reply.paragraphs, reply.asks) == (
        "",
        ("At the counter.",),
        "Where do I buy a ticket?",
    )
    assert other.paragraphs == ("Grüße aus Köln.",)


def test_a_single_mail_with_html_alone_is_read(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "AW: Re: The plan"
    mail.set_content("<p>First.</p><p>Second.</p>", subtype="html")
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    (document,) = read_eml(tmp_path / "a.eml")
    assert (document.title, document.paragraphs) == ("The plan", ("First.", "Second."))


def test_a_mail_in_an_unknown_character_set_does_not_end_its_mailbox(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box.mbox")
    odd = message("Odd", "Words.", "<1@x>")
    odd.replace_header("Content-Type", 'text/plain; charset="no-such-set"')
    for each in (odd, message("Plain", "Other words.", "<2@x>")):
        box.add(each)
    box.flush()
    assert [document.title for document in read_mbox(tmp_path / "box.mbox")] == ["Plain"]


def test_marks_of_replies_and_quotations_are_cut() -> None:
    assert [subject(each) for each in ("Re: a", "RE[2]: Fwd: b", "Rebate", "")] == ["a", "b", "Rebate", ""]
    assert own_words("On Linux, run this:\nmake") == "On Linux, run this:\nmake"
    assert own_words("> quoted\nmine\n-- \nname") == "mine"


def question(number: int, title: str, body: str, accepted: int = 0) -> str:
    return (
        f'<row Id="{number}" PostTypeId="1" AcceptedAnswerId="{accepted}" Title="{title}" '
        f'Body="&lt;p&gt;{body}&lt;/p&gt;" />'
    )


def answer(number: int, of: int, score: int, body: str) -> str:
    return f'<row Id="{number}" PostTypeId="2" ParentId="{of}" Score="{score}" Body="&lt;p&gt;{body}&lt;/p&gt;" />'


def posts(*rows: str) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "\n".join(rows) + "\n</posts>\n"


def test_of_a_dump_the_accepted_answer_is_taken_else_the_best(tmp_path: Path) -> None:
    path = write(
        tmp_path / "Posts.xml",
        posts(
            question(1, "How late?", "It is dark.", accepted=4),
            question(2, "How far?", "By foot."),
            answer(3, of=1, score=9, body="Ten."),
            answer(4, of=1, score=1, body="Nine."),
            answer(5, of=2, score=1, body="A mile."),
            answer(6, of=2, score=7, body="Two.&lt;pre&gt;x&lt;/pre&gt;"),
            answer(7, of=99, score=7, body="Of nothing."),
        ),
    )
    documents = list(read_posts(path))
    assert [(each.title, each.asks, each.paragraphs) for each in documents] == [
        ("How late?", "", ("It is dark.",)),
        ("How far?", "", ("By foot.",)),
        ("", "How late?", ("Nine.",)),
        ("", "How far?", ("Two.",)),
    ]


@pytest.mark.parametrize(
    "content",
    ["", "no xml", "<posts><row Id='1'", '<!DOCTYPE a [<!ENTITY x SYSTEM "/etc/passwd">]><posts>&x;</posts>'],
)
def test_a_damaged_or_hostile_dump_is_an_error_of_data(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError):
        list(read_posts(write(tmp_path / "Posts.xml", content)))


def pdf(*objects: str) -> bytes:
    """A file of numbered objects, with the table of where they lie."""
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj{each}endobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    trailer = f"trailer<</Size {len(objects) + 1}/Root 1 0 R/Info 6 0 R>>\nstartxref\n{len(content)}\n%%EOF\n"
    return content + (end + trailer).encode()


SHOWN = "BT /F 12 Tf 20 300 Td (The night train leaves at ten.) Tj ET"
PDF = pdf(
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
    f"<</Length {len(SHOWN)}>>stream\n{SHOWN}\nendstream ",
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    "<</Title(Night trains)>>",
)


def test_the_text_of_a_pdf_is_read_and_its_own_title(tmp_path: Path) -> None:
    pytest.importorskip("pypdf", reason="the extra 'pdf'")
    (tmp_path / "a.pdf").write_bytes(PDF)
    (document,) = read_pdf(tmp_path / "a.pdf")
    assert (document.title, document.paragraphs) == ("Night trains", ("The night train leaves at ten.",))


@pytest.mark.parametrize(
    "content", [b"", b"no pdf", PDF[:120], PDF.replace(b"/Catalog", b"/Nothing"), PDF[:-200]]
)
def test_a_damaged_pdf_is_an_error_of_data_or_gives_what_is_left(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pypdf", reason="the extra 'pdf'")
    (tmp_path / "a.pdf").write_bytes(content)
    with suppress(DataError):
        assert len(list(read_pdf(tmp_path / "a.pdf"))) == 1
