"""`languages`."""

import json

import click

from g2p_batch import languages
from g2p_batch.cli import completion
from g2p_batch.cli.main import main, table
from g2p_batch.model import contract
from g2p_batch.model.shipped import BUNDLED, shipped

_EVALUATION = "golden/bundled/evaluation.json"
"""What `evaluate` found of the bundled model, on words that it was not trained on."""


@main.command("languages")
@click.argument("query", default="", shell_complete=completion.languages)
def languages_(query: str) -> None:
    """List the languages.

    QUERY is part of a tag, name, code or script; without it all languages are listed. The column `bundled` marks those
    of the bundled model, and `cer` is its character error rate there, on words that it was not trained on.

    \b
    Example:
      g2p-batch languages chinese
    """
    matches = languages.search(query) or [languages.resolve(query)]
    bundled = contract.load_contract(BUNDLED).languages
    rates = json.loads(shipped(_EVALUATION).read_text(encoding="utf-8"))["languages"]
    header = ("tag", "name", "bcp47", "script", "bundled", "cer", "note")
    rows = [
        (
            language.tag,
            language.name,
            language.bcp47,
            language.script,
            "yes" if language.tag in bundled else "",
            f"{rates[language.tag]['cer']:.3f}" if language.tag in bundled else "",
            language.warning or "",
        )
        for language in matches
    ]
    click.echo(table([header, *rows]))
