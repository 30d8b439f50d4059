"""What a run did, in words and as JSON, and whether that is still what one finds."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.errors import UsageError
from g2p_batch.run.output import LexiconOutput, stamp
from g2p_batch.run.run_directory import REJECTS_TSV, REVIEW_TSV, SUMMARY, Plan, RunDir
from g2p_batch.run.written import is_as_noted, noted, place_of
from g2p_batch.storage.locations import Location, located
from g2p_batch.storage.store import Stamp


@dataclass(frozen=True)
class Summary:
    """What became of every row of a run: `rows_in == words + missing_words + duplicates + rejected`.

    Attributes:
        rows_in: data rows read.
        words: distinct words in the lexicon.
        looked_up: words that existing lexicons or an earlier run hold, such as are rejects after all among them.
        of_dictionary: words of the lexicon whose pronunciation is of the model's dictionary.
        missing_words: words of shards that are not done yet; only a partial lexicon lacks any.
        duplicates: rows that repeat an earlier word of the same language.
        rejects: rows left out, by reason; words among them that are not wanted, or that the format cannot hold.
        spelling: rows by what was done to their words, of `spelling.STEPS`.
        look_alikes: rows by language and letter of another script that stands for one of the alphabet.
        variants_left_out: pronunciations that it cannot hold, of words of which it holds another, by reason.
        statuses: words of the lexicon whose pronunciation is a model's or its dictionary's, by status, those of an
            earlier run among them.
        languages: words of the lexicon by language.
        unknown_symbols: what is not IPA among the phones, by language and symbol.
        unified_symbols: ways of writing a sound that gave way to the usual one, by language and both, as `tʃ > t͡ʃ`.
        phones_outside: phones that are not in the set to check against.
        rows_outside: rows with any of these.
        seconds: the command that wrote the lexicon.
        decode_seconds: time in which any worker decoded, over all commands of the run.
        lexicon: the lexicon's file, `{lang}` in it standing for each language.
        rejects_file: the rejected rows.
        review_file: the words whose pronunciation is to be looked at.
        summary_file: this summary as JSON.
        provenance: tool, checkpoint and decoding facts.
        plan: digest of the plan.
        options: how the lexicon was written.
        lexicon_facts: each of the lexicon's files as it was written: its size in bytes, and its time in nanoseconds or,
            in a bucket, its entity tag.
        decoded_words: words that the model was asked by this run, such as are rejects after all among them.
    """

    rows_in: int
    words: int
    missing_words: int
    looked_up: int
    duplicates: int
    rejects: Mapping[str, int]
    spelling: Mapping[str, int]
    look_alikes: Mapping[str, int]
    variants_left_out: Mapping[str, int]
    statuses: Mapping[str, int]
    languages: Mapping[str, int]
    unknown_symbols: Mapping[str, Mapping[str, int]]
    unified_symbols: Mapping[str, Mapping[str, int]]
    phones_outside: Mapping[str, int]
    rows_outside: int
    seconds: float
    decode_seconds: float
    lexicon: str
    rejects_file: str
    review_file: str
    summary_file: str
    provenance: Mapping[str, str]
    plan: str
    options: Mapping[str, Any]
    lexicon_facts: Mapping[str, Stamp]
    decoded_words: int = 0
    of_dictionary: int = 0

    @property
    def rejected(self) -> int:
        """Rows left out."""
        return sum(self.rejects.values())

    @property
    def truncated(self) -> int:
        """Words whose output met the longest length."""
        return self.statuses.get("truncated", 0)

    @property
    def words_per_s(self) -> float:
        """Words per second of decoding."""
        return self.decoded_words / self.decode_seconds if self.decode_seconds else 0.0

    @classmethod
    def from_json(cls, data: bytes) -> "Summary":
        """Return the summary in what `to_json` made.

        Raises:
            ValueError: it is no such summary.
        """
        return msgspec.json.decode(data, type=cls)

    def to_json(self) -> bytes:
        """Return the summary as a JSON object, one line per field."""
        record = msgspec.to_builtins(self) | {
            "rejected": self.rejected,
            "truncated": self.truncated,
            "words_per_s": round(self.words_per_s, 1),
        }
        return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def to_text(self) -> str:
        """Return the closing summary in words, without a final line break."""
        lines = [
            f"{count_of(self.rows_in, 'row')} read: {count_of(self.words, 'word')}, "
            f"{count_of(self.duplicates, 'duplicate')}, {self.rejected:,} rejected."
        ]
        if self.missing_words:
            lines.append(f"Missing: {count_of(self.missing_words, 'word')} of shards that are not done yet.")
        if self.looked_up:
            lines.append(f"Found in existing lexicons or runs: {count_of(self.looked_up, 'word')}.")
        if self.of_dictionary:
            lines.append(f"Said by the model's dictionary: {count_of(self.of_dictionary, 'word')}.")
        if self.languages:
            lines.append(f"{count_of(len(self.languages), 'language')}: {listed(self.languages)}.")
        if self.rejects:
            lines.append(f"Rejected: {listed(self.rejects)}; see {self.rejects_file}.")
        if self.spelling:
            lines.append(f"Spelt as the model learnt, rows: {listed(self.spelling, len(self.spelling))}.")
        if self.variants_left_out:
            lines.append(f"Variants left out: {listed(self.variants_left_out)}.")
        if self.unknown_symbols:
            lines.append(f"Not IPA, written as it is: {_by_language(self.unknown_symbols)}.")
        if self.unified_symbols:
            lines.append(f"Written in one way: {_by_language(self.unified_symbols)}.")
        if self.phones_outside:
            rows = count_of(self.rows_outside, "pronunciation")
            lines.append(f"Phones that are not in the set: {listed(self.phones_outside, 10)}; in {rows}.")
        if doubtful := {status: words for status, words in self.statuses.items() if status != "ok"}:
            lines.append(f"To check: {listed(doubtful)}; see {self.review_file}.")
        lines += [
            f"{self.seconds:.1f} s in all, {self.decode_seconds:.1f} s to decode: {self.words_per_s:,.0f} words/s.",
            f"Lexicon: {self.lexicon}",
        ]
        return "\n".join(lines)


def _by_language(symbols: Mapping[str, Mapping[str, int]]) -> str:
    return listed(ranked({f"{lang} {name}": n for lang, counts in symbols.items() for name, n in counts.items()}))


def read_summary(run: RunDir) -> Summary | None:
    """Return the summary of the lexicon that was written last of a run, or None where there is none, or a damaged one.

    Raises:
        OutputError: the disk failed.
    """
    data = run.store.get(SUMMARY)
    try:
        return None if data is None else Summary.from_json(data)
    except ValueError:
        return None  # it is written again with the next lexicon


def finished(run: RunDir, plan: Plan, output: LexiconOutput) -> Summary | None:
    """Return the summary of a run whose lexicon is as it was written, with the options of now; without a model."""
    summary = read_summary(run)
    if summary is None or (summary.plan, summary.options, summary.missing_words) != (plan.id, output.as_record(), 0):
        return None
    is_there = all(run.store.head(name) is not None for name in (REJECTS_TSV, REVIEW_TSV)) and all(
        stamp(located(path)) == written for path, written in summary.lexicon_facts.items()
    )
    return summary if is_there else None


def require_own(paths: Iterable[Location], run: RunDir, earlier: RunDir | None = None) -> None:
    """Check that lexicons are absent, or empty, or as they were written.

    Args:
        paths: the lexicons, each a file or a folder.
        run: the run that may have written them.
        earlier: the one that it goes on from.

    Raises:
        UsageError: one was changed since, or written by somebody else.
    """
    found = [(path, stamp(path)) for path in paths]  # first: another command notes what it writes before it appears
    known: dict[str, list[Stamp]] = {}
    for writer in (run, *([] if earlier is None else [earlier])):
        for place, stamps in _lexicons(writer):
            known.setdefault(place, []).extend(stamps)
    for path, now in found:
        written = known.get(place_of(path))
        if now is None or not now[0] or is_as_noted(now, written or ()):
            continue
        story = f"was changed since {run.root} wrote it" if written else f"exists, and {run.root} did not write it"
        raise UsageError(f"{path} {story}: write elsewhere with -o, or replace it with --force")


def _lexicons(run: RunDir) -> Iterator[tuple[str, list[Stamp]]]:
    """Yield the lexicons that a run wrote, by `place_of`; of earlier versions the last one is known."""
    yield from noted(run).items()
    summary = read_summary(run)
    for path, written in summary.lexicon_facts.items() if summary else ():
        yield place_of(located(path)), [written]
