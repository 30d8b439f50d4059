"""`plan`."""

from typing import Any

import click

from g2p_batch.cli import completion
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.cli.options import memory_option
from g2p_batch.cli.run_options import config_option, input_options, plan_options
from g2p_batch.storage.locations import located


@main.command("plan", cls=GroupedCommand)
@input_options
@memory_option
@click.option(
    "--run-dir",
    type=located,
    metavar="DIR|URL",
    required=True,
    help="Folder of the run.",
    shell_complete=completion.folders,
)
@config_option
@quiet_option
def plan_(inputs: tuple[str, ...], **options: Any) -> None:
    """Prepare a run that any number of tasks can work on.

    Reads INPUT as `generate` does, and leaves in the folder of the run what there is to do, cut into shards. Nothing is
    decoded and no model is compiled; `run` does that, and needs INPUT no more.

    \b
    Example:
      g2p-batch plan words.tsv --run-dir big.run
    """
    from g2p_batch import driver
    from g2p_batch.model.resolve import find_model

    model = find_model(options["model"], say, dtype=options["dtype"])
    driver.plan_run(plan_options(inputs, options, model, options["run_dir"]), say)
