"""`generate`, and its steps: `plan`, `run`, `merge`, and `status` of what they leave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import artifacts, contract, host
from g2p_batch.cli.options import configured
from g2p_batch.cli.progress import progress
from g2p_batch.cli.root import dtype_option, locate, main, say

if TYPE_CHECKING:
    from g2p_batch.decode import Compiled
    from g2p_batch.merge import Merging
    from g2p_batch.plan import Planning
    from g2p_batch.run import Slice, Team

_Command = Callable[..., Any]


@dataclass(frozen=True)
class _Model:
    """A model that is found but not compiled yet, and the number format that it has or is to have."""

    folder: str
    facts: contract.Contract
    dtype: contract.DType

    def team(self, device: str, workers: int) -> "Team":
        """Return who decodes with it; it is compiled when there is work."""
        from g2p_batch.run import Team

        return Team(self.facts, partial(self._compiled, device), workers, progress())

    def _compiled(self, device: str) -> "Compiled":
        from g2p_batch import models

        return models.compiled(models.Request(self.folder, device, self.dtype), say)


def _found(model: str, dtype: contract.DType) -> _Model:
    folder, facts = locate(model)
    if (Path(folder) / artifacts.MANIFEST).is_file():
        dtype = contract.load_manifest(Path(folder)).dtype
    return _Model(folder, facts, dtype)


def _all(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Put options on a command in the order in which they are listed."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_memory_option = click.option(
    "--memory",
    metavar="SIZE",
    default="1GiB",
    show_default=True,
    help="Most memory for sorting; more words spill to the run directory.",
)

_workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=host.usable_cores,
    show_default="usable cores",
    help="Processes that decode.",
)

_input_options = _all(
    click.argument("inputs", metavar="INPUT...", nargs=-1, required=True),
    click.option("--lang", metavar="TAG", help="Language of all words: a tag of `g2p-batch languages`, or BCP-47."),
    click.option("--lang-column", metavar="NAME", help="Column of languages.  [default: lang, language, tag, ...]"),
    click.option("--word-column", metavar="NAME", help="Column of words.  [default: word, grapheme, orthography, ...]"),
    click.option(
        "--model",
        metavar="bundled|DIR|HUB_ID",
        default="bundled",
        show_default=True,
        help="The bundled model, a folder (compiled, program or checkpoint), or a hub id.",
    ),
    dtype_option,
    click.option(
        "--normalize",
        type=click.Choice(["nfc", "nfkc", "none"]),
        default="nfc",
        show_default=True,
        help="Unicode form given to words.",
    ),
    click.option(
        "--shard-words",
        type=click.IntRange(min=1),
        default=65536,
        show_default=True,
        help="Most words decoded and committed together, when a run is planned; changes no output.",
    ),
    click.option("--strict", is_flag=True, help="Fail before decoding if any row is rejected."),
    click.option("--restart", is_flag=True, help="Discard what an earlier run left in the run directory."),
)

_output_options = _all(
    click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The lexicon to write."),
    click.option("--format", metavar="F", help="tsv or parquet.  [default: by the suffix of OUTPUT]"),
    click.option(
        "--scores", is_flag=True, help="Also write log-probability and status to TSV; Parquet always has them."
    ),
    click.option(
        "--order",
        type=click.Choice(["input", "word"]),
        default="input",
        show_default=True,
        help="Sort by first input row, or by language and word.",
    ),
)

_device_option = click.option(
    "--device", type=click.Choice(["cpu"]), default="cpu", show_default=True, help="Where to decode."
)

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    is_eager=True,
    expose_value=False,
    callback=configured,
    help='Options as TOML, named as here (`lang-column = "tag"`); the command line wins.',
)

_run_dir_argument = click.argument("run_dir", metavar="RUN_DIR", type=click.Path(path_type=Path))


@main.command()
@_input_options
@_output_options
@_device_option
@_workers_option
@_memory_option
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the run: its plan, finished parts, rejects.tsv and run-summary.json.  [default: OUTPUT.run]",
)
@_config_option
def generate(inputs: tuple[str, ...], **options: Any) -> None:
    """Turn word lists into a lexicon.

    INPUT is a word list: .txt (a word a line), .tsv or .csv (with a header, or word and language), .parquet, the text
    kinds also with .gz or .zst, a folder of these, a glob, or - for standard input.

    A row that cannot be pronounced is listed with its reason in rejects.tsv and costs no other row. However a run ends,
    the same command goes on where it was; once complete, it does nothing.

    \b
    Examples:
      g2p-batch generate words.txt --lang eng-us -o lexicon.tsv
      g2p-batch generate lists/ --lang-column locale -o lexicon.parquet
    """
    from g2p_batch import driver

    output: Path = options["output"]
    run_dir = options["run_dir"] or output.with_name(f"{output.name}.run")
    model = _found(options["model"], options["dtype"])
    planning, merging = _planning(inputs, options, model, run_dir), _merging(options)
    driver.check(planning, merging)
    say(driver.generate(planning, merging, model.team(options["device"], options["workers"]), say).to_text())


@main.command("plan")
@_input_options
@_memory_option
@click.option("--run-dir", type=click.Path(path_type=Path), metavar="DIR", required=True, help="Folder of the run.")
@_config_option
def plan_(inputs: tuple[str, ...], **options: Any) -> None:
    """Prepare a run that any number of tasks can work on.

    Reads INPUT as `generate` does, and leaves in the folder of the run what there is to do, cut into shards. Nothing is
    decoded and no model is compiled; `run` does that, and needs INPUT no more.

    \b
    Example:
      g2p-batch plan words.tsv --run-dir big.run
    """
    from g2p_batch import driver

    model = _found(options["model"], options["dtype"])
    driver.plan_run(_planning(inputs, options, model, options["run_dir"]), say)


@main.command("run")
@_run_dir_argument
@click.option(
    "--shards",
    "task",
    metavar="I/N",
    default="0/1",
    show_default=True,
    help="Do every N-th shard from number I on, I from 0 to N-1: the part of one task of an array of N.",
)
@_device_option
@_workers_option
def run_(run_dir: Path, task: str, device: str, workers: int) -> None:
    """Decode what is planned and not done yet.

    RUN_DIR is the folder of a run, on a disk that all its tasks see. A task that is killed is started again with the
    same command; two that do the same shards waste work and harm nothing.

    \b
    Example:
      g2p-batch run big.run --shards $SLURM_ARRAY_TASK_ID/40
    """
    from g2p_batch import driver
    from g2p_batch.rundir import RunDir

    part = _slice(task)
    plan = RunDir(run_dir).require_plan()
    model = _found(plan.model, plan.dtype)
    driver.run_plan(run_dir, part, model.team(device, workers), model.dtype, say)


@main.command("merge")
@_run_dir_argument
@_output_options
@_memory_option
@click.option("--partial", is_flag=True, help="Write what is there while shards are missing, and say which.")
def merge_(run_dir: Path, **options: Any) -> None:
    """Write the lexicon of a run.

    RUN_DIR is the folder of a run. While shards are missing, nothing is written and they are named; data that was
    damaged since it was written is found out, and `run` does its shard again.

    \b
    Example:
      g2p-batch merge big.run -o lexicon.tsv
    """
    from g2p_batch import driver

    say(driver.merge_run(run_dir, _merging(options), say).to_text())


@main.command()
@_run_dir_argument
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, for scripts.")
def status(run_dir: Path, as_json: bool) -> None:
    """Tell how far a run is.

    Reads nothing but RUN_DIR, the folder of a run, and changes nothing in it: shards done and remaining, words a
    second, the time left, rows rejected by reason.

    \b
    Example:
      g2p-batch status big.run --json
    """
    from g2p_batch.rundir import RunDir
    from g2p_batch.status import status_of

    found = status_of(RunDir(run_dir))
    click.echo(found.to_json().rstrip() if as_json else found.to_text())


def _planning(inputs: tuple[str, ...], options: Mapping[str, Any], model: _Model, run_dir: Path) -> "Planning":
    from g2p_batch.api import supported_tag
    from g2p_batch.plan import Planning
    from g2p_batch.wordlist import Source

    lang, name = options["lang"], options["model"]
    return Planning(
        source=Source(
            inputs,
            lang=None if lang is None else supported_tag(lang, model.facts),
            lang_column=options["lang_column"],
            word_column=options["word_column"],
        ),
        contract=model.facts,
        run_dir=run_dir,
        model=str(Path(name).absolute()) if Path(name).exists() else name,
        dtype=model.dtype,
        normalize=options["normalize"],
        memory=options["memory"],
        shard_words=options["shard_words"],
        strict=options["strict"],
        restart=options["restart"],
    )


def _merging(options: Mapping[str, Any]) -> "Merging":
    from g2p_batch.merge import Merging

    return Merging(
        output=options["output"],
        format=options["format"],
        order=options["order"],
        scores=options["scores"],
        memory=options["memory"],
        partial=options.get("partial", False),
    )


def _slice(text: str) -> "Slice":
    from g2p_batch.errors import UsageError
    from g2p_batch.run import Slice

    index, _, of = text.partition("/")
    if not (index.isdecimal() and of.isdecimal()):
        raise UsageError(f"--shards {text} is not I/N: task 0 of 40 does 0/40, the last one 39/40")
    return Slice(int(index), int(of))
