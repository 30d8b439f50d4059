"""`generate`, and its steps: `plan`, `run`, `merge`, and `status` of what they leave."""

import os
from pathlib import Path
from typing import Any

import click

from g2p_batch import errors, signals
from g2p_batch.cli.given import merging_of, model_of, planning_of, site_of, slice_of
from g2p_batch.cli.options import all_of, configured, lexicon_option, list_options, memory_option, model_option
from g2p_batch.cli.root import device_option, dtype_option, main, say
from g2p_batch.locations import Location, located

_input_options = all_of(
    list_options,
    model_option,
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
        "--scores",
        is_flag=True,
        help="Also write log-probability and status to TSV and JSON lines, and lexiconp.txt to kaldi-dict; Parquet "
        "always has them.",
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
        help="Sort by first input row, or by language and word; kaldi and sherpa lexicons are sorted by word.",
    ),
)

_team_options = all_of(
    device_option,
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Processes or actors that decode.  [default: usable cores, or GPUs; those of the cluster where one is "
        "joined]",
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
    site = site_of(options)
    run_dir = options["run_dir"] or located(f"{str(output).replace('{lang}', 'all')}.run")
    model = model_of(options["model"], options["dtype"])
    planning, merging = planning_of(inputs, options, model, run_dir), merging_of(options)
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

    model = model_of(options["model"], options["dtype"])
    driver.plan_run(planning_of(inputs, options, model, options["run_dir"]), say)


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
    part, site = slice_of(task), site_of(options)
    plan = RunDir(run_dir).require_plan()
    model = model_of(plan.model, plan.dtype)
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

    say(driver.merge_run(run_dir, merging_of(options), say).to_text())


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
