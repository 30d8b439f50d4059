"""`status`."""

import click

from g2p_batch.cli.main import main
from g2p_batch.cli.run_options import run_dir_argument
from g2p_batch.storage.locations import Location


@main.command()
@run_dir_argument
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, for scripts.")
def status(run_dir: Location, as_json: bool) -> None:
    """Tell how far a run is.

    Reads nothing but RUN_DIR, the folder of a run, and changes nothing in it: shards done and remaining, words a
    second, the time left, rows rejected by reason.

    \b
    Example:
      g2p-batch status big.run --json
    """
    from g2p_batch.run.run_directory import RunDir
    from g2p_batch.run.status import status_of

    progress = status_of(RunDir(run_dir))
    click.echo(progress.to_json().rstrip() if as_json else progress.to_text())
