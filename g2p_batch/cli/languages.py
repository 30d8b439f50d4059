"""`languages`."""

import click

from g2p_batch import languages
from g2p_batch.cli import completion
from g2p_batch.cli.main import main, table
from g2p_batch.model import contract
from g2p_batch.model.shipped import BUNDLED


@main.command("languages")
@click.argument("query", default="", shell_complete=completion.languages)
def languages_(query: str) -> None:
    """List the languages.

    QUERY is part of a tag, name, code or script; without it all languages are listed. The column `bundled` marks those
    of the bundled model.

    \b
    Example:
      g2p-batch languages chinese
    """
    matches = languages.search(query) or [languages.resolve(query)]
    bundled = contract.load_contract(BUNDLED).languages
    header = ("tag", "name", "bcp47", "script", "bundled", "note")
    rows = [
        (
            language.tag,
            language.name,
            language.bcp47,
            language.script,
            "yes" if language.tag in bundled else "",
            language.warning or "",
        )
        for language in matches
    ]
    click.echo(table([header, *rows]))
