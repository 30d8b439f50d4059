"""What a run of very many shards asks of the disk: `python -m tests.lab.many_shards FOLDER`.

Makes the plan and the receipts of a run of a billion words, with a few bytes for the words and for the part of each
shard, and shows how long publishing a receipt, reading the plan or all receipts, and the start of a task take.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from g2p_batch.run.fingerprint import Fingerprint
from g2p_batch.run.run_directory import PARTS_FOLDER, PLAN, WORDS_FOLDER, Plan, Receipt, RunDir, Shard, shard_name
from g2p_batch.run.sharding import SHARD_WORDS
from g2p_batch.signals import Stop
from g2p_batch.workers.remaining import ArrayTask, run_remaining
from tests.helpers.fake_model import FakeEngines
from tests.helpers.runs import fake_decoding


def seconds_of(work: Callable[[], Any]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def make_plan(run: RunDir, shards: int, words: int) -> Plan:
    """Publish a plan of so many shards."""
    run.store.make()
    cut = tuple(
        Shard(SHARD_WORDS, run.put_content(WORDS_FOLDER, shard_name(number), ".parquet", b"words"))
        for number in range(shards)
    )
    facts = {"rows_in": words, "words": words, "known": 0, "duplicates": 0, "rejects": {}, "languages": {"fra": words}}
    return run.publish_plan(
        Plan(Fingerprint((), {}), "fake", "float32", "nfc", **facts, looked_up=(), rejected=(), shards=cut)
    )


def receipt_of(run: RunDir, plan: Plan, number: int) -> Receipt:
    """Store a part; return what says that it is done."""
    part = run.put_content(PARTS_FOLDER, f"part-{shard_name(number)}", ".parquet", b"part")
    statuses = {"ok": SHARD_WORDS}
    return Receipt(number, plan.id, FakeEngines().key, SHARD_WORDS, part, statuses, "host:1", 1.0, time.time())


def main() -> None:
    """Make the run, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A new folder.")
    parser.add_argument("--words", type=int, default=1_000_000_000)
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists already: name a new folder")
    run, shards = RunDir(given.folder), -(-given.words // SHARD_WORDS)
    plan = make_plan(run, shards, given.words)
    commits = []
    for number in range(shards):
        receipt = receipt_of(run, plan, number)
        started = time.perf_counter()
        run.commit(receipt)
        commits.append(time.perf_counter() - started)
    decoding = fake_decoding(1)
    found = {
        "plan": f"{(given.folder / PLAN).stat().st_size / 1e6:.1f} MB",
        "reading it": f"{seconds_of(run.require_plan):.2f} s",
        "reading the receipts once": f"{seconds_of(lambda: run.receipts(plan)):.1f} s",
        "all that a task does before its first shard": (
            f"{seconds_of(lambda: run_remaining(run, run.require_plan(), ArrayTask(), decoding, Stop())):.1f} s"
        ),
        "publishing a receipt, median": f"{median(commits) * 1e3:.1f} ms",
    }
    print(f"{given.words:,} words in {shards:,} shards")  # noqa: T201
    for what, figure in found.items():
        print(f"  {what}: {figure}")  # noqa: T201


if __name__ == "__main__":
    main()
