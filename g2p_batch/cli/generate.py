"""`generate`."""

from collections.abc import Mapping
from typing import Any

import click

from g2p_batch.cli import completion
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.cli.options import memory_option
from g2p_batch.cli.run_options import (
    config_option,
    decoding,
    input_options,
    lexicon_output,
    output_options,
    plan_options,
    standard_output,
    worker_backend,
    worker_options,
)
from g2p_batch.storage.locations import located


@main.command(cls=GroupedCommand)
@input_options
@output_options
@worker_options
@memory_option
@click.option(
    "--run-dir",
    type=located,
    shell_complete=completion.folders,
    metavar="DIR|URL",
    help="Folder of the run: its plan, finished parts, rejects.tsv and run-summary.json.  [default: OUTPUT.run]",
)
@click.option(
    "--no-keep",
    is_flag=True,
    help="Prune the folder of the run when the lexicon is written, as `g2p-batch prune` does.",
)
@config_option
@quiet_option
def generate(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn word lists into a lexicon.

    INPUT is a word list: .txt (a word a line), .tsv or .csv (with a header, or word and language), .parquet, the text
    kinds also with .gz or .zst, a folder of these, a glob, or - for standard input. INPUT, OUTPUT and the folder of the
    run may be in a bucket: s3://, gs:// or az:// (docs/cluster.md tells what the environment has to say).

    A row that cannot be pronounced is listed with its reason in rejects.tsv and costs no other row. However a run ends,
    the same command goes on where it was; once complete, it does nothing.

    \b
    Examples:
      g2p-batch generate words.txt --lang eng-us -o lexicon.tsv
      g2p-batch generate lists/ --lang-column locale -o lexicon.parquet
      g2p-batch generate - --lang eng-us -o - < words.txt
      g2p-batch generate words.tsv --lexicon old.dict --stress drop -o '{lang}.dict'
      g2p-batch generate s3://corpus/lists -o s3://corpus/lexicon.parquet
    """
    with standard_output(options) as options:
        _generate(inputs, options)


def _generate(inputs: tuple[str, ...], options: Mapping[str, Any]) -> None:
    from g2p_batch import driver
    from g2p_batch.model.resolve import find_model

    output, backend = lexicon_output(options), worker_backend(options)
    run_dir = options["run_dir"] or located(f"{str(output.path).replace('{lang}', 'all')}.run")
    model = find_model(options["model"], say, dtype=options["dtype"], target=options["device"].kind)
    plan = plan_options(inputs, options, model, run_dir)
    summary = driver.generate(plan, output, decoding(model, backend))
    say(summary.to_text())
    driver.require_pronounced(summary)
    if options["no_keep"]:
        say(driver.prune_run(run_dir))
