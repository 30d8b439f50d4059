"""Filters of the templates: numbers, times and sizes for people, and control characters made visible."""

import re
from datetime import UTC, datetime

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MINUS = "\N{MINUS SIGN}"
_MULTIPLES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTE_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def number(value: float, digits: int = 0) -> str:
    """Return a number with its thousands apart and a real minus sign."""
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def abbreviated(value: float) -> str:
    """Return a number of few digits as short as it goes, such as `1.5k`."""
    for size, letter in _MULTIPLES:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """Return seconds as `4.25 s`, `42.5 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def moment(seconds: float, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Return seconds since 1970 as date and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(pattern)


def byte_size(size: int) -> str:
    """Return a size in bytes as a number of the largest unit that fits."""
    for unit_bytes, unit in _BYTE_UNITS:
        if size >= unit_bytes:
            return f"{size / unit_bytes:,.1f} {unit}"
    return f"{size:,} bytes"


def visible(text: str) -> str:
    """Spell out control characters and line separators, so that a text is one line."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
