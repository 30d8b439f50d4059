"""`export`."""

from pathlib import Path

import click

from g2p_batch import errors
from g2p_batch.cli.main import main, say
from g2p_batch.model import contract


@main.command()
@click.argument("model")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", required=True, help="A new folder.")
@click.option(
    "--prefix",
    type=click.Choice(["space", "none"]),
    help="What MODEL was trained with: `<TAG>: word` or `<TAG>:word`.  [default: as configs/models says, or space]",
)
@click.option("--name", help="Short name.  [default: the last part of MODEL]")
def export(model: str, output: Path, prefix: contract.Prefix | None, name: str | None) -> None:
    """Make a program of a checkpoint.

    MODEL is the folder of a checkpoint or a hub id; a program compiles where torch is not installed. Making one needs
    `pip install 'g2p-batch[export]'`.

    \b
    Example:
      g2p-batch export charsiu/g2p_multilingual_byT5_tiny_16_layers_100 -o tiny_16
    """
    from g2p_batch.model import compiler
    from g2p_batch.model.resolve import BUNDLED_NAME, model_config
    from g2p_batch.storage.publish import require_new_folder

    if model == BUNDLED_NAME or contract.is_program(Path(model)):
        raise errors.UsageError(f"{model} is a program already: give it to `compile` or `generate --model`")
    require_new_folder(output)
    compiler.require_exporter(model)
    config = model_config(model)
    made = compiler.export(config.source, config.revision, prefix or config.prefix, config.languages, output, name)
    say(f"Exported {made.name} to {output}: prefix `{made.prefix_for('TAG')}`, {len(made.languages)} languages")
