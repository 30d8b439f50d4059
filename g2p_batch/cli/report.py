"""`report`."""

import click

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
@quiet_option
def report(run_dir: Location, output: Location | None) -> None:
    """Show a run as a page.

    RUN_DIR is the folder of a run, finished or not. The page is one HTML file that loads nothing: what became of every
    row, words by language, the words to check first, rejected rows, scores, lengths, speed, settings and digests.

    \b
    Examples:
      g2p-batch report lexicon.tsv.run
      g2p-batch report big.run -o big.html
    """
    from g2p_batch.reporting import write_report
    from g2p_batch.run.run_directory import REPORT, RunDir

    path = output or run_dir / REPORT
    write_report(RunDir(run_dir), path)
    say(f"Report: {path}")
