"""`export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.model import contract

if TYPE_CHECKING:
    from g2p_batch.model.contract import Alphabets

_MADE = {
    "program": "a program already: give it to `compile` or `generate --model`",
    "compiled": "compiled already: give it to `generate --model`",
}


@main.command()
@click.argument("model", shell_complete=completion.models)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", required=True, help="A new folder.")
@click.option(
    "--prefix",
    type=click.Choice(["space", "none"]),
    help="What MODEL was trained with: `<TAG>: word` or `<TAG>:word`.  [default: as configs/models says, or space]",
)
@click.option(
    "--alphabet",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Characters of the training words: alphabet.json, or the words themselves, a list with languages.  [default: "
    "as configs/models says, or alphabet.json beside the weights]",
)
@click.option("--name", help="Short name.  [default: the last part of MODEL]")
@quiet_option
def export(model: str, output: Path, prefix: contract.Prefix | None, alphabet: Path | None, name: str | None) -> None:
    """Make a program of a checkpoint.

    MODEL is the folder of a checkpoint or a hub id; a program compiles where torch is not installed. Making one needs
    `pip install 'g2p-batch[export]'`.

    The alphabet tells which characters the model knows, and so how words are spelt when it is asked (docs/spelling.md);
    without one they are asked as they are.

    \b
    Examples:
      g2p-batch export charsiu/g2p_multilingual_byT5_tiny_16_layers_100 -o tiny_16
      g2p-batch export my_checkpoint --alphabet train.parquet -o my_program
    """
    from g2p_batch.model import compiler
    from g2p_batch.model.resolve import require_checkpoint, stage_of
    from g2p_batch.storage.publish import require_new_folder

    if (stage := stage_of(model)) != "checkpoint":
        raise errors.UsageError(f"{model} is {_MADE[stage]}")
    config = require_checkpoint(model)
    require_new_folder(output)
    compiler.require_exporter(model)
    alphabets = _alphabets(alphabet) if alphabet else config.alphabets()
    prefix = prefix or config.prefix
    made = compiler.export(
        config.source, config.revision, prefix, config.languages, alphabets, config.exceptions(), output, name
    )
    say(f"Exported {made.name} to {output}: prefix `{made.prefix_for('TAG')}`, {len(made.languages)} languages")


def _alphabets(path: Path) -> "Alphabets":
    from g2p_batch.evaluation.reference import readable_words
    from g2p_batch.model.alphabet import count_alphabets, read_alphabets
    from g2p_batch.words.wordlist import WordLists

    if path.suffix == ".json":
        return read_alphabets(path)
    return count_alphabets(readable_words(WordLists((str(path),))).to_batches())
