"""HTML that is escaped by construction: plain strings become text, and only what is made here is markup."""

import html
import re
from collections.abc import Sequence
from typing import Any

from g2p_batch.languages import LANGUAGES

_LONGEST = 80
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VOID = frozenset({"meta", "br", "wbr"})
_MINUS = "\N{MINUS SIGN}"


class Html(str):
    """Markup."""

    __slots__ = ()


def el(name: str, /, *children: str, **attributes: Any) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: markup, or text, which is escaped.
        attributes: `class_` stands for `class`, `aria_label` for `aria-label`; those that are None are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Return markup and text, which is escaped, one after the other."""
    return Html("".join(child if isinstance(child, Html) else html.escape(child) for child in children))


def section(title: str, *parts: str) -> Html:
    """Return a part of the page under its title."""
    return el("section", el("h2", title), *parts)


def given(text: str, lang: str | None = None, most: int = _LONGEST) -> Html:
    """Return text from elsewhere: cut if it is long, apart from the direction of what is around it, in one line.

    Args:
        text: a word or anything else that was not written here.
        lang: tag of its language, so that a browser chooses a fitting font.
        most: characters that are shown of it.
    """
    known = None if lang is None else LANGUAGES.get(lang)
    cut = text if len(text) <= most else f"{text[:most]}\N{HORIZONTAL ELLIPSIS}"
    told = [] if cut is text else [el("small", f" ({len(text):,} characters)")]
    return joined(el("bdi", _CONTROL.sub(_visible, cut), lang=known and known.bcp47), *told)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int], class_: str = "") -> Html:
    """Return a table.

    Args:
        head: names of the columns.
        rows: their cells, text or markup.
        numbers: columns of numbers.
        class_: of the table.
    """

    def cells(kind: str, row: Sequence[str], **attributes: str) -> Html:
        return el("tr", *(el(kind, c, class_="n" if i in numbers else None, **attributes) for i, c in enumerate(row)))

    body = el("tbody", *(cells("td", row) for row in rows))
    return el("table", el("thead", cells("th", head, scope="col")), body, class_=class_ or None)


def number(value: float, digits: int = 0) -> str:
    """Return a number with its thousands apart and a real minus sign."""
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def duration(seconds: float) -> str:
    """Return seconds as `4.25 s`, `42.5 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def bytes_of(size: int) -> str:
    """Return a size in bytes as a number of the largest unit that fits."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**power:
            return f"{size / 1024**power:,.1f} {unit}"
    return f"{size:,} bytes"


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
