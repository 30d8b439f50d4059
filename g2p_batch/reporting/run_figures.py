"""The figures of a run, read from its plan, receipts and parts, finished or not; its directory is not changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from g2p_batch.counts import ranked
from g2p_batch.reporting.lowest import Lowest
from g2p_batch.reporting.reject_examples import RejectExample, reject_examples
from g2p_batch.reporting.throughput import Throughput, throughput_of
from g2p_batch.reporting.word_tally import WordTally
from g2p_batch.run.run_directory import REJECTS_TSV, Content, EngineRecord, Plan, Quarantine, Receipt, RunDir
from g2p_batch.run.status import statuses
from g2p_batch.run.summary import Summary, read_summary
from g2p_batch.storage.locations import Location
from g2p_batch.storage.tables import decoded


@dataclass(frozen=True)
class RunFigures:
    """What a page shows of a run.

    Attributes:
        root: the run directory.
        plan: its plan.
        engine: its compiled model, or None where nothing was decoded yet.
        receipts: the finished shards whose data is as it was written.
        given_up: unfinished shards that were given up, by rising number.
        damaged: files that are not as they were written, or gone; their words are missing.
        throughput: how fast the finished shards were, or None where there is none.
        tally: what they and existing lexicons hold.
        rejects: rows left out, by reason; also words that the format of the lexicon cannot hold.
        reject_examples: some of these rows, by reason.
        summary: of the lexicon that was written last, if one was.
    """

    root: Location
    plan: Plan
    engine: EngineRecord | None
    receipts: Mapping[int, Receipt]
    given_up: Mapping[int, Quarantine]
    damaged: tuple[str, ...]
    throughput: Throughput | None
    tally: WordTally
    rejects: Mapping[str, int]
    reject_examples: Mapping[str, list[RejectExample]]
    summary: Summary | None

    @property
    def words(self) -> int:
        """Words that the model has pronounced."""
        return sum(receipt.words for receipt in self.receipts.values())

    @property
    def missing_words(self) -> int:
        """Words of shards that are not done; the plan's rows are words, these, known ones, duplicates and rejects."""
        return self.plan.words - self.words

    @property
    def missing(self) -> list[int]:
        """Shards that are not done."""
        return [number for number in range(len(self.plan.shards)) if number not in self.receipts]

    @property
    def statuses(self) -> dict[str, int]:
        """Words that the model has pronounced, by status."""
        return statuses(self.receipts.values())

    @property
    def row_outcomes(self) -> dict[str, int]:
        """Rows by what became of them; together they are all rows."""
        plan = self.plan
        return {
            "pronounced by the model": self.words,
            "from existing lexicons": plan.known,
            "duplicate" if plan.duplicates == 1 else "duplicates": plan.duplicates,
            "rejected": sum(plan.rejects.values()),
            "missing": self.missing_words,
        }

    @property
    def lowest(self) -> list[dict[str, Any]]:
        """The lowest-scored words but loops, in the columns of `lowest.COLUMNS`."""
        words: list[dict[str, Any]] = self.tally.lowest.overall().to_pylist()
        return words

    @property
    def scored_languages(self) -> list[str]:
        """Languages with scored words, that with the most first."""
        return [*ranked(self.tally.scored)]

    def lowest_by_language(self, words: int) -> dict[str, list[dict[str, Any]]]:
        """Return so many of the lowest-scored words of each language, of those that have any."""
        return self._by_language(self.tally.lowest, words)

    def loops_by_language(self, words: int) -> dict[str, list[dict[str, Any]]]:
        """Return so many of the words of each language whose answers go round in circles."""
        return self._by_language(self.tally.loops, words)

    def _by_language(self, lowest: Lowest, words: int) -> dict[str, list[dict[str, Any]]]:
        rows = {tag: lowest.of(tag).slice(0, words).to_pylist() for tag in self.scored_languages}
        return {tag: found for tag, found in rows.items() if found}

    @property
    def settings(self) -> dict[str, str]:
        """What decoding depends on, by name."""
        plan = self.plan
        options = dict(plan.fingerprint.options)
        if self.engine is not None:
            options |= {"compiled model": self.engine.name, "key of the compiled model": self.engine.key}
        return dict(_settings({"model": plan.model} | options | {"plan": plan.id}))

    @property
    def lexicon_settings(self) -> dict[str, str]:
        """How the lexicon was written that was written last, by name."""
        return dict(_settings(self.summary.options)) if self.summary else {}


def read_figures(run: RunDir, plan: Plan) -> RunFigures:
    """Read a run, its parts one at a time.

    Raises:
        OutputError: the disk failed.
    """
    tally = WordTally()
    damaged = [content.file for content in plan.looked_up if not _tallied(run, content, tally)]
    receipts = {}
    for number, receipt in sorted(run.receipts(plan).items()):
        if _tallied(run, receipt.part, tally):
            receipts[number] = receipt
        else:
            damaged.append(receipt.part.file)
    summary = read_summary(run)
    if summary is not None and summary.plan != plan.id:
        summary = None
    rejects = plan.rejects if summary is None else summary.rejects
    given_up = sorted(run.quarantined(plan).items())
    return RunFigures(
        root=run.root,
        plan=plan,
        engine=run.engine(),
        receipts=receipts,
        given_up={number: record for number, record in given_up if number not in receipts},
        damaged=tuple(damaged),
        throughput=throughput_of(receipts.values()) if receipts else None,
        tally=tally,
        rejects=rejects,
        reject_examples=reject_examples(run.root / REJECTS_TSV, rejects),
        summary=summary,
    )


def _tallied(run: RunDir, content: Content, tally: WordTally) -> bool:
    """Count what a file holds; tells whether it is as it was written."""
    data = run.whole(content)
    if data is None:
        return False
    tally.add(decoded(data))
    return True


def _settings(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield options as names and values; those within others follow their name, those without a value are left out."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{name}: ")
        elif value not in (None, [None, None, None]):
            yield f"{prefix}{name}", {"True": "yes", "False": "no"}.get(str(value), str(value))
