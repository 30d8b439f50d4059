"""A finished run without what only another lexicon would need: the words that were asked, and the answers."""

from dataclasses import dataclass

from g2p_batch.counts import count_of
from g2p_batch.errors import IncompleteError, RunError
from g2p_batch.run.output import stamp
from g2p_batch.run.presence import alone
from g2p_batch.run.run_directory import FOLDERS, Plan, Pruned, RunDir, shard_name
from g2p_batch.run.status import named
from g2p_batch.run.summary import read_summary
from g2p_batch.storage.locations import located

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Pruning:
    """What was removed of a run."""

    run: RunDir
    files: int
    size_bytes: int

    def to_text(self) -> str:
        """Return it in words."""
        size = f"{self.size_bytes / _MEBIBYTE:,.1f} MiB"
        return f"Pruned {self.run.root}: {count_of(self.files, 'file')} removed, {size}."


def prune(run: RunDir) -> Pruning:
    """Remove what a finished run needs no more, once its lexicon is there; go on where an earlier call stopped.

    Raises:
        RunError: there is no plan, or no whole lexicon as it was written.
        BusyError: another process is at work on the run.
        IncompleteError: shards are missing.
        OutputError: the run directory cannot be written.
    """
    plan = run.require_plan()
    with alone(run, "pruned"):
        if not run.is_pruned(plan):
            _require_finished(run, plan)
            run.fold(Pruned(plan.id, tuple(receipt for _, receipt in sorted(run.receipts(plan).items()))))
        removed = [file for folder in FOLDERS for file in run.store.list(folder)]
        for folder in FOLDERS:
            run.store.clear(folder)
        for draft in run.store.drafts(""):  # nobody else is at work
            run.store.remove(draft.name)
    return Pruning(run, len(removed), sum(file.size_bytes for file in removed))


def _require_finished(run: RunDir, plan: Plan) -> None:
    """Check that the lexicon of all that was planned is there, as it was written last."""
    receipts = run.receipts(plan)
    if missing := [shard_name(number) for number in range(len(plan.shards)) if number not in receipts]:
        raise IncompleteError(
            f"{count_of(len(missing), 'shard')} of {run.root} missing ({named(missing)}): do them with `g2p-batch run "
            f"{run.root}`, and write the lexicon with `g2p-batch merge`, before it is pruned"
        )
    summary = read_summary(run)
    if summary is None or summary.plan != plan.id or summary.missing_words:
        raise RunError(
            f"no whole lexicon of {run.root} was written, and none could be any more: write it with `g2p-batch merge "
            f"{run.root} -o LEXICON` first"
        )
    for path, written in summary.lexicon_facts.items():
        now = stamp(located(path))
        if now != written:
            story = "is not there any more" if now is None else "was changed since it was written"
            raise RunError(
                f"{path} {story}, and {run.root} could not write it again: write it with `g2p-batch merge {run.root} "
                "-o LEXICON` first, or delete the folder if you need none"
            )
