"""How far a run is, from its directory alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.run.run_directory import Receipt, RunDir, shard_name

_NAMED = 8
"""Most shards that a message names."""


@dataclass(frozen=True)
class Status:
    """What is done and what remains.

    Attributes:
        shards: all shards of the plan.
        shards_done: those with a receipt.
        remaining: names of the others.
        quarantined: of those, the ones that were given up, with the reason of the last attempt.
        words: all words of the plan.
        words_done: words of finished shards.
        words_per_s: words over the time in which any worker was busy; None before the first receipt.
        eta_s: seconds that the rest takes at that rate; None where it is unknown.
        rows_in: data rows read: `rows_in == words + looked_up + duplicates + all rejects`.
        looked_up: words that existing lexicons or earlier runs hold.
        duplicates: rows that repeat an earlier word of the same language.
        rejects: rows left out, by reason.
        statuses: finished words by status of the lexicon.
    """

    shards: int
    shards_done: int
    remaining: tuple[str, ...]
    quarantined: Mapping[str, str]
    words: int
    words_done: int
    words_per_s: float | None
    eta_s: float | None
    rows_in: int
    looked_up: int
    duplicates: int
    rejects: Mapping[str, int]
    statuses: Mapping[str, int]

    def to_json(self) -> str:
        """Return the status as a JSON object, one line per field."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """Return the status in words, without a final line break."""
        looked_up = f"{self.looked_up:,} in existing lexicons or runs, " if self.looked_up else ""
        lines = [
            f"{self.shards_done:,} of {count_of(self.shards, 'shard')} done, "
            f"{self.words_done:,} of {count_of(self.words, 'word')}.",
            self._pace(),
            f"{count_of(self.rows_in, 'row')} read: {count_of(self.words, 'word')}, {looked_up}"
            f"{count_of(self.duplicates, 'duplicate')}, "
            f"{sum(self.rejects.values()):,} rejected{f' ({listed(self.rejects)})' if self.rejects else ''}.",
        ]
        if self.remaining:
            lines.append(f"Remaining: {named(self.remaining)}.")
        lines += [f"Given up: {shard}, {reason}." for shard, reason in self.quarantined.items()]
        return "\n".join(lines)

    def _pace(self) -> str:
        if self.words_per_s is None:
            return "Words/s are not known yet."
        left = "" if self.eta_s is None or not self.remaining else f", {self.eta_s:,.0f} s left"
        return f"{self.words_per_s:,.0f} words/s{left}."


def status_of(run: RunDir) -> Status:
    """Read how far a run is.

    Raises:
        RunError: the directory holds no plan, or a damaged one.
    """
    plan = run.require_plan()
    receipts = run.receipts(plan)
    remaining = [number for number in range(len(plan.shards)) if number not in receipts]
    given_up = run.quarantined(plan)
    words_done = sum(receipt.words for receipt in receipts.values())
    rate = words_per_s(receipts.values())
    return Status(
        shards=len(plan.shards),
        shards_done=len(receipts),
        remaining=tuple(map(shard_name, remaining)),
        quarantined={shard_name(number): given_up[number].reasons[-1] for number in remaining if number in given_up},
        words=plan.words,
        words_done=words_done,
        words_per_s=rate,
        eta_s=round((plan.words - words_done) / rate, 1) if rate else None,
        rows_in=plan.rows_in,
        looked_up=plan.known,
        duplicates=plan.duplicates,
        rejects=plan.rejects,
        statuses=statuses(receipts.values()),
    )


def busy_s(receipts: Iterable[Receipt]) -> float:
    """Return the seconds in which any worker was busy, pauses left out."""
    total, until = 0.0, float("-inf")
    for start, end in sorted((receipt.finished_s - receipt.seconds, receipt.finished_s) for receipt in receipts):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def words_per_s(receipts: Iterable[Receipt]) -> float | None:
    """Return the words of some receipts over the time that they took together, or None where that is nothing."""
    counted = list(receipts)
    seconds = busy_s(counted)
    return round(sum(receipt.words for receipt in counted) / seconds, 1) if seconds > 0 else None


def named(shards: Iterable[str]) -> str:
    """Return names of shards as `000001, 000002 and 7 more`."""
    names = list(shards)
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def statuses(receipts: Iterable[Receipt]) -> dict[str, int]:
    """Return the words of some receipts by status."""
    total: Counter[str] = Counter()
    for receipt in receipts:
        total.update(receipt.statuses)
    return ranked(total)
