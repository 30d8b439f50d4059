"""A run directory as figures: read from its plan, receipts and parts, finished or not; nothing in it is changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from g2p_batch.reporting.pace import Pace, pace_of
from g2p_batch.reporting.rejected import Example, examples
from g2p_batch.reporting.tally import Tally
from g2p_batch.run.run_directory import REJECTS_TSV, SUMMARY, Content, Plan, Quarantine, Receipt, RunDir
from g2p_batch.run.status import statuses
from g2p_batch.run.summary import Summary
from g2p_batch.storage.locations import Location
from g2p_batch.storage.tables import decoded


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    Attributes:
        root: the run directory.
        plan: its plan.
        engine: key and name of its compiled model, or None where nothing was decoded yet.
        receipts: the finished shards whose data is as it was written.
        given_up: unfinished shards that were given up.
        damaged: files that are not as they were written, or gone; their words are missing.
        pace: how fast the finished shards were, or None where there is none.
        tally: what they and existing lexicons hold.
        rejects: rows left out, by reason; also words that the format of the lexicon cannot hold.
        examples: some of these rows, by reason.
        summary: of the lexicon that was written last, if one was.
    """

    root: Location
    plan: Plan
    engine: tuple[str, str] | None
    receipts: Mapping[int, Receipt]
    given_up: Mapping[int, Quarantine]
    damaged: tuple[str, ...]
    pace: Pace | None
    tally: Tally
    rejects: Mapping[str, int]
    examples: Mapping[str, list[Example]]
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


def facts_of(run: RunDir, plan: Plan) -> Facts:
    """Read a run, its parts one at a time.

    Raises:
        OutputError: the disk failed.
    """
    tally = Tally()
    damaged = [content.file for content in plan.looked_up if not _taken(run, content, tally)]
    receipts = {}
    for number, receipt in sorted(run.receipts(plan).items()):
        if _taken(run, receipt.part, tally):
            receipts[number] = receipt
        else:
            damaged.append(receipt.part.file)
    summary = _summary(run, plan)
    rejects = plan.rejects if summary is None else summary.rejects
    return Facts(
        root=run.root,
        plan=plan,
        engine=run.engine(),
        receipts=receipts,
        given_up={number: record for number, record in run.quarantined(plan).items() if number not in receipts},
        damaged=tuple(damaged),
        pace=pace_of(receipts.values()) if receipts else None,
        tally=tally,
        rejects=rejects,
        examples=examples(run.root / REJECTS_TSV, rejects),
        summary=summary,
    )


def _taken(run: RunDir, content: Content, tally: Tally) -> bool:
    """Count what a file holds; tells whether it is as it was written."""
    data = run.whole(content)
    if data is None:
        return False
    tally.add(decoded(data))
    return True


def _summary(run: RunDir, plan: Plan) -> Summary | None:
    """Return the summary of this plan's lexicon, if it is there and whole."""
    data = run.store.get(SUMMARY)
    try:
        summary = None if data is None else Summary.from_json(data.decode())
    except (ValueError, LookupError, TypeError):
        return None
    return summary if summary is not None and summary.plan == plan.id else None
