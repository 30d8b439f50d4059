"""JSON lines: an object a row, with `word`, `lang`, `rank`, `pron`, `phones`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.entries import Entry, batched, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.tsv import refuse
from g2p_batch.formats.word_lines import write_lines

_NULL = "null"


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write all rows, and with scores also `logprob`, `status` and `asked`, behind `prob` if words have variants."""
    with path.open("wb") as file:
        for batch in batches:
            cells = {
                "word": _string(batch["word"]),
                "lang": _string(batch["lang"]),
                "rank": batch["rank"].cast(pa.string()),
                "pron": _string(batch["pron"]),
                "phones": _strings(batch["phones"]),
            }
            if options.scores and options.variants:
                cells["prob"] = pc.fill_null(pc.exp(batch["logprob"]).cast(pa.string()), _NULL)
            if options.scores:
                cells["logprob"] = pc.fill_null(batch["logprob"].cast(pa.string()), _NULL)
                cells["status"] = _string(batch["status"])
                cells["asked"] = pc.fill_null(_string(batch["asked"]), _NULL)
            write_lines(file, [_object(cells)], "")


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read objects with `word` and `pron`, and `lang` and `phones` where they are there.

    Raises:
        InputError: the file cannot be read, or a line is something else.
    """
    return batched(_entries(path))


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check that each line is an object with what `read` needs."""
    for line in text_lines(path):
        if not line.is_utf8:
            yield Problem(line.number, "is not UTF-8")
            continue
        row = _parsed(line.text)
        yield from (Problem(line.number, what) for what in _faults(row))
        if expected.lang and isinstance(row, dict) and row.get("lang") != expected.lang:
            yield Problem(line.number, f"is of the language {row.get('lang')}, not {expected.lang}")


def _object(cells: dict[str, pa.Array]) -> pa.Array:
    """Join cells that are JSON, string [N] each, to objects [N]."""
    named = [pc.binary_join_element_wise(f'"{name}": ', cell, "") for name, cell in cells.items()]
    return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*named, ", "), "}", "")


def _string(texts: pa.Array) -> pa.Array:
    """Write texts without control characters as JSON."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")


def _strings(lists: pa.Array) -> pa.Array:
    """Write lists of texts, or null, as JSON."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], ends.type), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, _string(pc.list_flatten(lists))), ", ")
    return pc.if_else(lists.is_null(), _NULL, pc.binary_join_element_wise("[", joined, "]", ""))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _faults(row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield "is no JSON object"
        return
    for name in ("word", "pron"):
        if not isinstance(row.get(name), str):
            yield f"has no text {name}"
    if row.get("word") == "":
        yield "has an empty word"
    if not isinstance(row.get("lang", ""), str | None):
        yield "has a lang that is no text"
    if not _is_phones(row.get("phones")):
        yield "has phones that are no list of texts"
    if not _is_text([value for value in row.values() if isinstance(value, str)]):
        yield "holds half of a surrogate pair"


def _is_phones(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(phone, str) for phone in value))


def _is_text(values: list[str]) -> bool:
    r"""Tell whether texts are Unicode: an escape such as `\ud800` alone is valid JSON and no character."""
    return not any("\ud800" <= character <= "\udfff" for value in values for character in value)


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in texts(path):
        row = _parsed(line)
        fault = next(_faults(row), None)
        if fault or not _is_text(row.get("phones") or []):
            raise wrong(path, number, f"{fault or 'holds half of a surrogate pair'}: write objects with word and pron")
        yield Entry(row["word"], row["pron"], row.get("phones"), row.get("lang"), line=number)


JSONL = Format("jsonl", ".jsonl", write, read, validate, refuse, languages="many", names_language=True)
