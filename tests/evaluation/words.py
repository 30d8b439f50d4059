"""Words with hypotheses, made up or as tests need them, and files of references."""

import unicodedata

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from g2p_batch.evaluation.reference import REFERENCE, read_reference
from g2p_batch.words.wordlist import WordLists

ANSWERED = pa.schema([*REFERENCE, ("pron", pa.string()), ("logprob", pa.float32()), ("status", pa.string())])


prons = st.text("aɪ\N{COMBINING TILDE}ˈːt͡ʃ", min_size=1, max_size=8)


langs = st.sampled_from(["eng-us", "fra", "zho-s"])


rows = st.lists(st.tuples(langs, st.lists(prons, min_size=1, max_size=3, unique=True), prons), min_size=1, max_size=12)


lawful = settings(deadline=None, max_examples=50)


def answered(rows):
    """Words of (lang, variants, hypothesis), or of (lang, variants, hypothesis, logprob, status)."""
    whole = [(lang, str(place), *rest, *[None] * (3 - len(rest[1:]))) for place, (lang, *rest) in enumerate(rows)]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(zip(*whole, strict=True), ANSWERED, strict=True)],
        schema=ANSWERED,
    )


def graphemes(prons, langs):
    """Cut at base characters: marks and modifier letters stay with the one before them; a tie bar joins."""
    assert len(prons) == len(langs)
    return pa.array([cut(pron) for pron in prons.to_pylist()], pa.list_(pa.string()))


def cut(pron):
    phones = []
    for character in pron:
        joined = phones and (unicodedata.category(character) in ("Mn", "Lm") or phones[-1].endswith("\u0361"))
        if joined:
            phones[-1] += character
        else:
            phones.append(character)
    return phones


def reference(tmp_path, text, name="ref.tsv", **options):
    (tmp_path / name).write_bytes(text.encode())
    return read_reference(WordLists((str(tmp_path / name),), **options))
