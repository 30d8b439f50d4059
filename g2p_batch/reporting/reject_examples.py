"""Examples of rejected rows, from the file that lists them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.tsv import REJECTS
from g2p_batch.storage import store_at
from g2p_batch.storage.locations import Location, Url
from g2p_batch.storage.publish import reading
from g2p_batch.words.delimited import TAB, LineLayout, parse, whole_lines

_EXAMPLES = 4
_ROWS = 65536
_ROW, _LANG, _WORD, _REASON = map(REJECTS.index, ("row", "lang", "word", "reason"))
_LAYOUT = LineLayout(TAB, len(REJECTS), word=_WORD, lang=_LANG, further=(_ROW, _REASON))


@dataclass(frozen=True)
class RejectExample:
    """A rejected row, as its file shows it."""

    row: str
    lang: str
    word: str


def reject_examples(path: Location, rejects: Mapping[str, int]) -> dict[str, list[RejectExample]]:
    """Return the first few rejected rows of each reason; fewer where the file is absent or not as it was written.

    Args:
        path: what `formats.tsv.write_rejects` wrote.
        rejects: rows by reason: reading ends when enough of each are found.

    Raises:
        OutputError: the disk failed.
    """
    examples: dict[str, list[RejectExample]] = {reason: [] for reason in rejects}
    lacking = {reason: min(count, _EXAMPLES) for reason, count in rejects.items() if count}
    with _opened(path) as file:
        for cells in parse(whole_lines(file), _LAYOUT, _ROWS):
            numbers, reasons = cells.further
            table = pa.table({"row": numbers, "lang": cells.lang, "word": cells.word, "reason": reasons})
            for name in [*lacking]:
                rows = table.filter(pc.equal(table["reason"], name)).slice(0, lacking[name]).to_pylist()
                examples[name] += [RejectExample(row["row"], row["lang"], row["word"]) for row in rows]
                lacking[name] -= len(rows)
                if not lacking[name]:
                    del lacking[name]
            if not lacking:
                break
    return examples


@contextmanager
def _opened(path: Location) -> Iterator[BinaryIO]:
    if isinstance(path, Url):
        yield BytesIO(store_at(path.parent).get(path.name) or b"")
    elif path.is_file():
        with reading(path), path.open("rb") as file:
            yield file
    else:
        yield BytesIO()
