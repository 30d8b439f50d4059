"""`report`."""

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.storage.locations import Location, located


@main.command()
@click.argument("run_dir", metavar="RUN_DIR", type=located, shell_complete=completion.folders)
@click.option(
    "-o",
    "--output",
    type=located,
    metavar="FILE.html",
    shell_complete=completion.files,
    help="The page to write.  [default: RUN_DIR/report.html]",
)
@click.option(
    "--to-check",
    type=located,
    metavar="FILE.tsv",
    help="Also write the words to check as a table: the lowest-scored of each language, then loops.",
    shell_complete=completion.files,
)
@quiet_option
def report(run_dir: Location, output: Location | None, to_check: Location | None) -> None:
    """Show a run as a page.

    RUN_DIR is the folder of a run, finished or not. The page is one HTML file that loads nothing: what became of every
    row, words by language, the words of each to check first, rejected rows, scores, lengths, speed, settings, digests.

    \b
    Examples:
      g2p-batch report lexicon.tsv.run
      g2p-batch report big.run -o big.html --to-check check.tsv
    """
    from g2p_batch.reporting import write_report
    from g2p_batch.run.run_directory import REPORT, RunDir

    path = output or run_dir / REPORT
    if to_check == path:
        raise errors.UsageError(f"--to-check {to_check} is the page itself: choose another name")
    write_report(RunDir(run_dir), path, to_check)
    say(f"Report: {path}")
    if to_check is not None:
        say(f"To check: {to_check}")
