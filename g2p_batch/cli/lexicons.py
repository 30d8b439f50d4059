"""`generate`, and its steps: `plan`, `run`, `merge`, and `status` of what they leave."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import artifacts, contract, errors, signals
from g2p_batch.cli.options import all_of, configured, existing, lexicon_option, list_options, memory_option
from g2p_batch.cli.progress import progress
from g2p_batch.cli.root import dtype_option, locate, main, say
from g2p_batch.locations import Location, located

if TYPE_CHECKING:
    from g2p_batch.decode import Compiled
    from g2p_batch.fitting import Phonetics
    from g2p_batch.plan import Planning
    from g2p_batch.pool import OpenSite, Site
    from g2p_batch.run import Slice, Team
    from g2p_batch.target import Merging


@dataclass(frozen=True)
class _Model:
    """A model that is found but not compiled yet, and the number format that it has or is to have."""

    folder: str
    facts: contract.Contract
    dtype: contract.DType

    def team(self, device: str, workers: int | None, site: "OpenSite") -> "Team":
        """Return who decodes with it; it is compiled when there is work."""
        from g2p_batch.run import Team

        return Team(self.facts, partial(self._compiled, device), workers, progress(), site)

    def _compiled(self, device: str) -> "Compiled":
        from g2p_batch import models

        return models.compiled(models.Request(self.folder, device, self.dtype), say)


def _found(model: str, dtype: contract.DType) -> _Model:
    folder, facts = locate(model)
    if (Path(folder) / artifacts.MANIFEST).is_file():
        dtype = contract.load_manifest(Path(folder)).dtype
    return _Model(folder, facts, dtype)


_input_options = all_of(
    list_options,
    click.option(
        "--model",
        metavar="bundled|DIR|HUB_ID",
        default="bundled",
        show_default=True,
        help="The bundled model, a folder (compiled, program or checkpoint), or a hub id.",
    ),
    dtype_option,
    lexicon_option(
        "An existing lexicon in any format of --format: words that it holds are not asked of the model. May be "
        "repeated; the first that holds a word counts."
    ),
    click.option(
        "--since-run",
        type=located,
        metavar="DIR",
        help="Folder of an earlier run with the same model: words that it has decoded are taken from it, with scores.",
    ),
    click.option(
        "--shard-words",
        type=click.IntRange(min=1),
        default=65536,
        show_default=True,
        help="Most words decoded and committed together, when a run is planned; changes no output.",
    ),
    click.option("--strict", is_flag=True, help="Fail if any row is rejected."),
    click.option("--restart", is_flag=True, help="Discard what an earlier run left in the run directory."),
)

_output_options = all_of(
    click.option(
        "-o",
        "--output",
        type=located,
        metavar="PATH|URL",
        required=True,
        help="The lexicon to write; {lang} in its name makes one for each language.",
    ),
    click.option(
        "--format",
        metavar="F",
        help="tsv, charsiu, parquet, jsonl, mfa, mfa-prob, kaldi, kaldi-prob, kaldi-dict, icefall, sherpa, cmudict or "
        "pls.  [default: by the suffix of OUTPUT]",
    ),
    click.option(
        "--scores", is_flag=True, help="Also write log-probability and status to TSV; Parquet always has them."
    ),
    click.option(
        "--phones",
        type=click.Choice(["ipa", "x-sampa", "arpabet"]),
        help="Alphabet of phones, which TSV then has beside pronunciations.  [default: ipa, in cmudict arpabet]",
    ),
    click.option(
        "--stress",
        type=click.Choice(["keep", "attach", "separate", "drop"]),
        help="Stress marks: before the phone where they stand, at the vowel of the syllable, phones of their own, or "
        "none.  [default: keep]",
    ),
    click.option(
        "--tones",
        type=click.Choice(["attach", "separate"]),
        help="Tones at the phone before, or phones of their own.  [default: separate]",
    ),
    click.option(
        "--syllables",
        type=click.Choice(["keep", "drop"]),
        help="Dots and other breaks as phones, or none.  [default: drop]",
    ),
    click.option("--clean", is_flag=True, help="Mend what a language's training data writes that is not IPA."),
    click.option(
        "--phone-map",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Your own phones: lines of IPA, a tab and the phones written for it.",
    ),
    click.option(
        "--phone-set",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Count phones that this list, one a line, does not have.",
    ),
    click.option(
        "--tokens",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="tokens.txt of a sherpa-onnx voice: reject words with other phones.",
    ),
    click.option(
        "--space-in-word",
        metavar="CHAR",
        help="Write words with blanks with this character where a format cannot hold blanks.",
    ),
    click.option(
        "--order",
        type=click.Choice(["input", "word"]),
        default="input",
        show_default=True,
        help="Sort by first input row, or by language and word.",
    ),
)

_team_options = all_of(
    click.option("--device", type=click.Choice(["cpu"]), default="cpu", show_default=True, help="Where to decode."),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Processes or actors that decode.  [default: usable cores; those of the cluster where one is joined]",
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Decode in processes of this machine, or in Ray actors.",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Running Ray cluster to join: HOST:PORT of its head, or auto.  [default: RAY_ADDRESS, or else a Ray of "
        "its own on this machine]",
    ),
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

_run_dir_argument = click.argument("run_dir", metavar="RUN_DIR", type=located)


@main.command()
@_input_options
@_output_options
@_team_options
@memory_option
@click.option(
    "--run-dir",
    type=located,
    metavar="DIR|URL",
    help="Folder of the run: its plan, finished parts, rejects.tsv and run-summary.json.  [default: OUTPUT.run]",
)
@_config_option
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
      g2p-batch generate words.tsv --lexicon old.dict --stress drop -o '{lang}.dict'
      g2p-batch generate s3://corpus/lists -o s3://corpus/lexicon.parquet
    """
    from g2p_batch import driver

    output: Location = options["output"]
    site = _site(options)
    run_dir = options["run_dir"] or located(f"{str(output).replace('{lang}', 'all')}.run")
    model = _found(options["model"], options["dtype"])
    planning, merging = _planning(inputs, options, model, run_dir), _merging(options)
    driver.check(planning, merging)
    team = model.team(options["device"], options["workers"], site)
    say(driver.generate(planning, merging, team, say).to_text())


@main.command("plan")
@_input_options
@memory_option
@click.option("--run-dir", type=located, metavar="DIR|URL", required=True, help="Folder of the run.")
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
@_team_options
@click.option(
    "--requeue",
    is_flag=True,
    help="In a Slurm job: when SIGUSR1 has ended it and shards are left, put it back into the queue.",
)
def run_(run_dir: Location, task: str, requeue: bool, **options: Any) -> None:
    """Decode what is planned and not done yet.

    RUN_DIR is the folder of a run, on a disk or in a bucket that all its tasks see. A task that is killed is started
    again with the same command; two that do the same shards waste work and harm nothing. SIGUSR1 lets a task finish the
    shards that it has begun and take no more; SIGTERM drops them.

    \b
    Examples:
      g2p-batch run big.run --shards 3/40
      g2p-batch run big.run --shards $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT --requeue
      g2p-batch run big.run --engine ray --ray-address auto
    """
    from g2p_batch import driver, slurm
    from g2p_batch.rundir import RunDir

    job = slurm.own_job(os.environ) if requeue else None
    part, site = _slice(task), _site(options)
    plan = RunDir(run_dir).require_plan()
    model = _found(plan.model, plan.dtype)
    team = model.team(options["device"], options["workers"], site)
    try:
        driver.run_plan(run_dir, part, team, model.dtype, say)
    except errors.DrainedError:
        if job is None:
            raise
        say(f"Drained by SIGUSR1: Slurm job {job} goes back into the queue")
        signals.ignore_stops()  # Slurm ends at once what it requeues
        slurm.requeue(job)
        click.get_current_context().exit(errors.STOPPED_EARLY)


@main.command("merge")
@_run_dir_argument
@_output_options
@memory_option
@click.option("--partial", is_flag=True, help="Write what is there while shards are missing, and say which.")
@click.option("--strict", is_flag=True, help="Write nothing but the rejects if the format cannot hold a word.")
def merge_(run_dir: Location, **options: Any) -> None:
    """Write the lexicon of a run.

    RUN_DIR is the folder of a run. While shards are missing, nothing is written and they are named; data that was
    damaged since it was written is found out, and `run` does its shard again.

    \b
    Example:
      g2p-batch merge big.run -o lexicon.tsv
      g2p-batch merge big.run --format kaldi-dict --phones x-sampa -o data/local/dict
    """
    from g2p_batch import driver

    say(driver.merge_run(run_dir, _merging(options), say).to_text())


@main.command()
@_run_dir_argument
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, for scripts.")
def status(run_dir: Location, as_json: bool) -> None:
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


def _planning(inputs: tuple[str, ...], options: Mapping[str, Any], model: _Model, run_dir: Location) -> "Planning":
    from g2p_batch.api import supported_tag
    from g2p_batch.lookup import Earlier
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
        lexicons=existing(options["lexicons"]),
        since=Earlier(options["since_run"]) if options["since_run"] else None,
    )


def _merging(options: Mapping[str, Any]) -> "Merging":
    from g2p_batch.target import Merging

    return Merging(
        output=options["output"],
        format=options["format"],
        order=options["order"],
        scores=options["scores"],
        memory=options["memory"],
        partial=options.get("partial", False),
        strict=options["strict"],
        phonetics=_phonetics(options),
        space_in_word=options["space_in_word"],
        tokens=options["tokens"],
    )


_STYLE = {"phones": "alphabet", "stress": "stress", "tones": "tones", "syllables": "syllables", "clean": "clean"}
"""Options of phones, and what `Style` calls them."""


def _phonetics(options: Mapping[str, Any]) -> "Phonetics":
    from g2p_batch.fitting import Phonetics
    from g2p_batch.phones import Style, read_phone_map, read_phone_set

    given = {field: options[name] for name, field in _STYLE.items() if options[name]}
    if options["phone_map"] is not None:
        given["phone_map"] = read_phone_map(options["phone_map"])
    known = None if options["phone_set"] is None else read_phone_set(options["phone_set"])
    return Phonetics(Style(**given), bool(given) or known is not None, known)


def _slice(text: str) -> "Slice":
    from g2p_batch.run import Slice

    index, _, of = text.partition("/")
    if not (index.isdecimal() and of.isdecimal()):
        raise errors.UsageError(f"--shards {text} is not I/N: task 0 of 40 does 0/40, the last one 39/40")
    return Slice(int(index), int(of))


def _site(options: Mapping[str, Any]) -> "OpenSite":
    """Return where workers are to live; what is missing for that is told before any work."""
    from g2p_batch.processes import this_machine

    address = options["ray_address"]
    if address is not None and options["engine"] != "ray":
        raise errors.UsageError("--ray-address is of no use here: add --engine ray")
    sites: dict[str, Callable[[], OpenSite]] = {
        "local": lambda: this_machine,
        "ray": lambda: _ray_site(address, options["device"]),
    }
    return sites[options["engine"]]()


def _ray_site(address: str | None, device: str) -> "OpenSite":
    from g2p_batch.actors import ray_site

    open_site = ray_site(address, gpus=int(device != "cpu"))

    @contextmanager
    def opened(workers: int | None) -> "Iterator[Site[Any]]":
        # Ray prints what it thinks of dead workers, where only what was asked for belongs.
        with redirect_stdout(sys.stderr), open_site(workers) as site:
            yield site

    return opened
