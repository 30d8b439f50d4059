"""`generate`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import contract, host
from g2p_batch.cli.options import configured
from g2p_batch.cli.progress import progress
from g2p_batch.cli.root import dtype_option, locate, main, say

if TYPE_CHECKING:
    from g2p_batch.driver import Job


@main.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The lexicon to write.")
@click.option("--lang", metavar="TAG", help="Language of all words: a tag of `g2p-batch languages`, or BCP-47.")
@click.option("--lang-column", metavar="NAME", help="Column of languages.  [default: lang, language, tag, ...]")
@click.option("--word-column", metavar="NAME", help="Column of words.  [default: word, grapheme, orthography, ...]")
@click.option(
    "--model",
    metavar="bundled|DIR|HUB_ID",
    default="bundled",
    show_default=True,
    help="The bundled model, a folder (compiled, program or checkpoint), or a hub id.",
)
@click.option("--format", metavar="F", help="tsv or parquet.  [default: by the suffix of OUTPUT]")
@click.option("--device", type=click.Choice(["cpu"]), default="cpu", show_default=True, help="Where to decode.")
@dtype_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=host.usable_cores,
    show_default="usable cores",
    help="Threads that decode.",
)
@click.option("--scores", is_flag=True, help="Also write log-probability and status to TSV; Parquet always has them.")
@click.option(
    "--order",
    type=click.Choice(["input", "word"]),
    default="input",
    show_default=True,
    help="Sort by first input row, or by language and word.",
)
@click.option(
    "--normalize",
    type=click.Choice(["nfc", "nfkc", "none"]),
    default="nfc",
    show_default=True,
    help="Unicode form given to words.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    default="1GiB",
    show_default=True,
    help="Most memory for finding duplicates; more words spill to disk.",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for rejects.tsv and run-summary.json.  [default: OUTPUT.run]",
)
@click.option("--strict", is_flag=True, help="Fail before decoding if any row is rejected.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=configured,
    help='Options as TOML, named as here (`lang-column = "tag"`); the command line wins.',
)
def generate(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn word lists into a lexicon.

    INPUT is a word list: .txt (a word a line), .tsv or .csv (with a header, or word and language), .parquet, the text
    kinds also with .gz or .zst, a folder of these, a glob, or - for standard input.

    A row that cannot be pronounced is listed with its reason in rejects.tsv and costs no other row.

    \b
    Examples:
      g2p-batch generate words.txt --lang eng-us -o lexicon.tsv
      g2p-batch generate lists/ --lang-column locale -o lexicon.parquet
    """
    from g2p_batch import driver, models

    folder, facts = locate(options["model"])
    job = _job(inputs, options, facts)
    driver.check(job)
    artifact = models.open_model(models.Request(folder, options["device"], options["dtype"]), say)
    job = replace(job, dtype=artifact.manifest.dtype)
    say(driver.generate(job, artifact.engine, progress()).to_text())


def _job(inputs: tuple[str, ...], options: Mapping[str, Any], facts: contract.Contract) -> "Job":
    from g2p_batch.api import supported_tag
    from g2p_batch.driver import Job
    from g2p_batch.plan import PlanOptions
    from g2p_batch.wordlist import Source

    lang, output = options["lang"], options["output"]
    return Job(
        source=Source(
            inputs,
            lang=None if lang is None else supported_tag(lang, facts),
            lang_column=options["lang_column"],
            word_column=options["word_column"],
        ),
        contract=facts,
        output=output,
        run_dir=options["run_dir"] or output.with_name(f"{output.name}.run"),
        format=options["format"],
        plan=PlanOptions(options["normalize"], options["memory"]),
        order=options["order"],
        scores=options["scores"],
        strict=options["strict"],
        workers=options["workers"],
    )
