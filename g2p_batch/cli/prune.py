"""`prune`."""

from g2p_batch.cli.main import main, say
from g2p_batch.cli.run_options import run_dir_argument
from g2p_batch.storage.locations import Location


@main.command("prune")
@run_dir_argument
def prune_(run_dir: Location) -> None:
    """Remove what a finished run needs no more.

    RUN_DIR is the folder of a run whose lexicon is there as it was written. What stays are its plan, what became of
    every shard, its summary, rejects.tsv, review.tsv and report.html: `status` still tells of it, and the same
    `generate` still finds that nothing is left to do. The words and the answers go: no other lexicon can be written of
    it, no report made, and no run goes on from it with --since-run. A run that is not complete, or that somebody is at
    work on, is left as it is.

    \b
    Example:
      g2p-batch prune lexicon.tsv.run
    """
    from g2p_batch.run.prune import prune
    from g2p_batch.run.run_directory import RunDir

    say(prune(RunDir(run_dir)).to_text())
