"""Text without accents (ACCENTI), in Python for literals and, by the same steps and marks, in SQL for columns.

Text is taken apart into letters and marks (NFD), loses the marks, and is put together again (NFC), so that Hangul, and
the marks of scripts in which they are no accents, stay as they were. What is a letter of its own (`ß`, `ø`, `ł`, `æ`) stays.
"""

from __future__ import annotations

import re
import unicodedata

MARKS = r"[\u0300-\u036F\u1AB0-\u1AFF\u1DC0-\u1DFF\u20D0-\u20FF\uFE20-\uFE2F]+"
"""The blocks of Unicode that are called combining diacritical marks, as a regular expression of Python and of PostgreSQL."""

_MARKS = re.compile(MARKS)


def unaccented(text: str) -> str:
    """The text without its accents."""
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))
