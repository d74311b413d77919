"""PDF: the text of the pages, by pypdf (extra ``pdf``). Scanned pages have no text and give nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from contrapose.documents.blocks import document_of, paragraphs_of
from contrapose.documents.document import Document
from contrapose.errors import DataError, MissingExtra


def read_pdf(path: Path) -> Iterator[Document]:
    """One document; its title is that of the file's own metadata, where it has one."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError:
        raise MissingExtra("reading PDF", "pdf", "pypdf") from None
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of each oddity of a file
    try:
        reader = PdfReader(path)
        pages = [page.extract_text() or "" for page in reader.pages]
        title = str((reader.metadata and reader.metadata.title) or "")
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DataError(f"no readable PDF ({type(error).__name__})") from None
    blocks = [(0, paragraph) for page in pages for paragraph in paragraphs_of(page)]
    yield document_of(blocks, str(path), title)
