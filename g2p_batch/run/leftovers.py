"""What killed writers left in a run directory."""

import time
from collections.abc import Mapping

from g2p_batch.run.presence import is_attended
from g2p_batch.run.run_directory import FOLDERS, PARTS_FOLDER, WORDS_FOLDER, Plan, Receipt, RunDir

LEFTOVER_S = 3600.0
"""Age at which a draft, or data that nothing names, is taken to be of a writer that was killed."""


def collect_leftovers(run: RunDir, plan: Plan | None, receipts: Mapping[int, Receipt]) -> int:
    """Remove what killed writers left behind long ago; returns how many files and folders those were.

    Nothing is removed while another process is at work on the run: what a plan will name, and what a receipt will, may
    be older when that happens. Age is judged by the clock: one that goes backwards keeps leftovers longer.
    """
    used = {receipt.part.file for receipt in receipts.values()}
    if plan is not None:
        data = (*plan.rejected, *plan.looked_up, *(shard.data for shard in plan.shards))
        used |= {content.file for content in data}
    now = time.time()
    left = [entry for folder in ("", *FOLDERS) for entry in run.store.drafts(folder)]
    left += [e for folder in (WORDS_FOLDER, PARTS_FOLDER) for e in run.store.list(folder) if e.name not in used]
    old = [entry.name for entry in left if now - entry.modified_s > LEFTOVER_S]
    if not old or is_attended(run):
        return 0
    for name in old:
        run.store.remove(name)
    return len(old)
