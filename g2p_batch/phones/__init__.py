"""Phones: IPA split into segments, mended, and written in other alphabets."""

from g2p_batch.phones.coverage import Coverage, PhoneSet, coverage, read_phone_set
from g2p_batch.phones.phonemap import PhoneMap, read_phone_map
from g2p_batch.phones.segment import PHONES, Segmented, Unified, Unknown, restyle, segment
from g2p_batch.phones.style import Style

__all__ = [
    "PHONES",
    "Coverage",
    "PhoneMap",
    "PhoneSet",
    "Segmented",
    "Style",
    "Unified",
    "Unknown",
    "coverage",
    "read_phone_map",
    "read_phone_set",
    "restyle",
    "segment",
]
