"""A model's exceptions in runs: behind lexicons, before the model."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from g2p_batch import cli
from g2p_batch.api import G2P
from g2p_batch.words.dictionary import EXCEPTION
from tests.helpers import fake_model

HELD = [("eng-us", "the", "ðə"), ("eng-us", "the", "ði"), ("eng-us", "of", "əv"), ("fra", "est", "ɛ")]
LIST = "lang\tword\neng-us\tthe\neng-us\thello\nfra\test\neng-us\test\neng-us\tof\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    exceptions = tmp_path / "exceptions.parquet"
    rows = [dict(zip(EXCEPTION.names, row, strict=True)) for row in HELD]
    pq.write_table(pa.Table.from_pylist(rows, EXCEPTION), exceptions)
    fake_model.install(monkeypatch, tmp_path / "model", exceptions)
    (tmp_path / "words.tsv").write_text(LIST, encoding="utf-8")
    return tmp_path


def generate(folder: Path, name: str, *options: str) -> Result:
    output = str(folder / f"{name}.parquet")
    ran = CliRunner().invoke(cli.main, ["generate", str(folder / "words.tsv"), "-o", output, *options])
    assert ran.exit_code == 0, ran.output
    return ran


def rows(folder: Path, name: str) -> list[tuple[str, str, str, str, int]]:
    table = pq.read_table(folder / f"{name}.parquet", columns=["lang", "word", "pron", "source", "rank"])
    return [tuple(row.values()) for row in table.to_pylist()]


def test_exceptions_come_with_all_variants_and_their_source(folder: Path) -> None:
    ran = generate(folder, "lexicon")
    assert rows(folder, "lexicon") == [
        ("eng-us", "the", "ðə", "dictionary", 1),
        ("eng-us", "the", "ði", "dictionary", 2),
        ("eng-us", "hello", "həˈloʊ", "model", 1),
        ("fra", "est", "ɛ", "dictionary", 1),
        ("eng-us", "est", "est", "model", 1),
        ("eng-us", "of", "əv", "dictionary", 1),
    ]
    assert "Said by the model's dictionary: 3 words." in ran.output


def test_lexicons_count_first_and_no_dictionary_asks_the_model(folder: Path) -> None:
    (folder / "mine.dict").write_text("of\tɒ v\n", encoding="utf-8")
    generate(folder, "mine", "--lexicon", f"eng-us={folder / 'mine.dict'}")
    assert ("eng-us", "of", "ɒv", "lexicon", 1) in rows(folder, "mine")
    ran = generate(folder, "alone", "--no-dictionary")
    assert {source for *_, source, _ in rows(folder, "alone")} == {"model"}
    assert "dictionary" not in ran.output
    again = ["generate", str(folder / "words.tsv"), "-o", str(folder / "alone.parquet")]
    refused = CliRunner().invoke(cli.main, again)
    assert refused.exit_code != 0
    assert "sha256 of the model's dictionary" in refused.output


def test_answers_of_an_earlier_run_keep_their_source(folder: Path) -> None:
    generate(folder, "lexicon")
    (folder / "words.tsv").write_text(f"{LIST}eng-us\tnew\n", encoding="utf-8")
    generate(folder, "next", "--since-run", str(folder / "lexicon.parquet.run"))
    assert rows(folder, "next") == [*rows(folder, "lexicon"), ("eng-us", "new", "new", "model", 1)]


def test_variants_with_the_same_phones_are_one_and_what_was_left_out_is_still_told(folder: Path) -> None:
    rows = [("eng-us", "the", "ðə"), ("eng-us", "the", "ˈðə"), ("eng-us", "the", "ði")]
    exceptions = folder / "exceptions.parquet"
    pq.write_table(
        pa.Table.from_pylist([dict(zip(EXCEPTION.names, row, strict=True)) for row in rows], EXCEPTION), exceptions
    )
    (folder / "words.tsv").write_text("lang\tword\neng-us\tthe\neng-us\tof\n", encoding="utf-8")
    generate(folder, "bare", "--phones", "ipa", "--stress", "drop")
    table = pq.read_table(folder / "bare.parquet", columns=["word", "phones", "rank"])
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("the", ["ð", "ə"], 1),
        ("the", ["ð", "i"], 2),
        ("of", ["o", "f"], 1),
    ]


def test_programs_get_them_too(folder: Path) -> None:
    said = ["ðə", "həˈloʊ", "əv"]
    assert G2P("anything")(["The".lower(), "hello", "of"], lang="eng-us") == said
    assert G2P("anything", dictionary=False)(["the", "hello", "of"], lang="eng-us") == ["the", "həˈloʊ", "of"]
    table = G2P("anything")(pa.table({"word": ["the", "x"], "lang": ["eng-us", "eng-us"]}))
    assert table["pron"].to_pylist() == ["ðə", "x"]
    assert table["logprob"].is_null().to_pylist() == [True, False]
