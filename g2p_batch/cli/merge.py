"""`merge`."""

from typing import Any

import click

from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.cli.options import memory_option
from g2p_batch.cli.run_options import lexicon_output, output_options, run_dir_argument
from g2p_batch.storage.locations import Location


@main.command("merge", cls=GroupedCommand)
@run_dir_argument
@output_options
@memory_option
@click.option("--partial", is_flag=True, help="Write what is there while shards are missing, and say which.")
@click.option("--strict", is_flag=True, help="Write nothing but the rejects if a word is left out.")
@quiet_option
def merge_(run_dir: Location, **options: Any) -> None:
    """Write the lexicon of a run.

    RUN_DIR is the folder of a run. While shards are missing, nothing is written and they are named; data that was
    damaged since it was written is found out, and `run` does its shard again.

    \b
    Example:
      g2p-batch merge big.run -o lexicon.tsv
      g2p-batch merge big.run --format kaldi-dict --phones x-sampa -o data/local/dict
    """
    from g2p_batch import driver

    summary = driver.merge_run(run_dir, lexicon_output(options), say)
    say(summary.to_text())
    driver.require_pronounced(summary)
