"""What reads tables: csv, pandas, polars, DuckDB and LibreOffice, each as the documentation says."""

import csv
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.awkward import LANGUAGES, held, real, said
from tests.helpers.lexicons import Row, write

pytestmark = pytest.mark.clients

DOCS = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
ALL = WriteOptions(phones=True, scores=True)

Table = list[list[str]]


def documented(start: str) -> str:
    """Return the line of the documentation that begins so."""
    return next(line for line in DOCS.splitlines() if line.startswith(start))


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"needs {name}, of the extra `clients`")


def called(start: str, path: Path, **names: Any) -> Any:
    """Return what a documented line of Python gives."""
    name = start.split(".")[0]
    return eval(documented(start), {name: library(name), "csv": csv, "path": path, **names})


def by_csv(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(called("csv.reader", path, file=file))[1:]


def by_pandas(path: Path) -> Table:
    rows: Table = called("pandas.read_csv", path).to_numpy().tolist()
    return rows


def by_polars(path: Path) -> Table:
    return [[*row] for row in called("polars.read_csv", path).rows()]


def by_duckdb(path: Path) -> Table:
    return [[*row] for row in called("duckdb.sql", path).fetchall()]


def by_libreoffice(path: Path) -> Table:
    """Return the cells of the spreadsheet that LibreOffice makes, which it then writes with quotes."""
    if shutil.which("soffice") is None:
        pytest.skip("needs LibreOffice: apt-get install libreoffice-calc-nogui")
    command = shlex.split(documented("soffice"))[:-1]
    own = [f"-env:UserInstallation=file://{path.parent}/office", "--headless", "--outdir", str(path.parent)]
    again = ["soffice", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true"]
    for some, file in ((command, path), (again, path.with_suffix(".ods"))):
        subprocess.run([*some, *own, str(file)], check=True, capture_output=True, timeout=120)
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


READERS: dict[str, tuple[Callable[[Path], Table], Any]] = {
    "csv": (by_csv, ""),
    "pandas": (by_pandas, ""),
    "polars": (by_polars, None),
    "duckdb": (by_duckdb, None),
    "libreoffice": (by_libreoffice, ""),
}
"""Readers, and what an empty cell is to them."""


@cache
def rows() -> list[Row]:
    return [row for lang in LANGUAGES for row in real(lang)]


@pytest.mark.parametrize("name", READERS)
def test_a_table_has_every_word_with_its_pronunciation_and_phones(tmp_path: Path, name: str) -> None:
    read, nothing = READERS[name]
    some = [*rows(), Row("h", "", [], lang="fra"), Row("x", "a", ["a"], asked="ex")]
    assert said(held("tsv", some)) == said(some)
    found = read(write("tsv", some, tmp_path / "lexicon.tsv", ALL))
    assert [row[:4] for row in found] == [
        [row.word, row.lang, row.pron or nothing, " ".join(row.phones or ()) or nothing] for row in some
    ]
    assert [row[5:] for row in found] == [["ok", row.asked or nothing] for row in some]


@pytest.mark.parametrize("name", READERS)
def test_a_plain_table_has_three_columns(tmp_path: Path, name: str) -> None:
    found = READERS[name][0](write("tsv", rows(), tmp_path / "lexicon.tsv"))
    assert found == [[row.word, row.lang, row.pron] for row in rows()]


def test_rows_are_merged_by_whoever_expects_quotes(tmp_path: Path) -> None:
    path = write("tsv", rows(), tmp_path / "lexicon.tsv")
    with path.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file, delimiter="\t"))) < len(rows())
    pandas = library("pandas")
    assert len(pandas.read_csv(path, sep="\t")) < len(rows())
    missing = pandas.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE)["word"].isna()
    assert {row.word for row, is_missing in zip(rows(), missing, strict=True) if is_missing} == {
        *("NA", "null", "None", "nan", "#N/A")
    }
    assert len(library("polars").read_csv(path, separator="\t")) < len(rows())


SELF_DESCRIBING: dict[str, tuple[str, Callable[[Any, Path], Any]]] = {
    "pandas parquet": ("parquet", lambda pandas, path: pandas.read_parquet(path).to_dict("list")),
    "pandas jsonl": ("jsonl", lambda pandas, path: pandas.read_json(path, lines=True, dtype=False).to_dict("list")),
    "polars parquet": ("parquet", lambda polars, path: polars.read_parquet(path).to_dict(as_series=False)),
    "polars jsonl": ("jsonl", lambda polars, path: polars.read_ndjson(path).to_dict(as_series=False)),
    "duckdb parquet": ("parquet", lambda duckdb, path: _columns(duckdb.read_parquet(str(path)))),
    "duckdb jsonl": ("jsonl", lambda duckdb, path: _columns(duckdb.read_json(str(path)))),
}


def _columns(relation: Any) -> dict[str, list[Any]]:
    return dict(zip(relation.columns, map(list, zip(*relation.fetchall(), strict=True)), strict=True))


@pytest.mark.parametrize("case", SELF_DESCRIBING)
def test_parquet_and_json_lines_need_no_telling(tmp_path: Path, case: str) -> None:
    name, read = SELF_DESCRIBING[case]
    found = read(library(case.split()[0]), write(name, rows(), tmp_path / f"lexicon.{name}", ALL))
    assert found["word"] == [row.word for row in rows()]
    assert found["pron"] == [row.pron for row in rows()]
    assert [[*phones] for phones in found["phones"]] == [row.phones for row in rows()]


def test_the_documented_readers_are_all_here() -> None:
    python = re.search("```python\n(.*?)```", DOCS, re.DOTALL)
    assert python
    assert {line.split(".")[0] for line in python[1].splitlines()} | {"libreoffice"} == {*READERS}
