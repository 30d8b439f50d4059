"""`scripts`."""

import click

from g2p_batch.cli.main import main
from g2p_batch.model.shipped import shipped


@main.command()
def scripts() -> None:
    """Tell where the scripts for clusters are.

    Prints a folder that comes with this installation: nightly.sh for lists that grow, slurm/ with batch files and
    submit.sh, which submits them in their order, kubernetes/ with manifests, and container/ with the steps of an image,
    of which run-only.sh takes the compiler out of an installation. Copy what you mean to change.

    \b
    Examples:
      "$(g2p-batch scripts)"/slurm/submit.sh 40 big.run lexicon.parquet words.tsv
      cp -r "$(g2p-batch scripts)"/kubernetes .
    """
    click.echo(shipped("configs/cluster"))
