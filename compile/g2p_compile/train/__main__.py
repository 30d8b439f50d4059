"""`python -m g2p_compile.train`: the options, and what is said on the terminal."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

from g2p_batch.cli.main import Commands, say, table
from g2p_batch.counts import listed
from g2p_batch.errors import UsageError
from g2p_batch.languages import resolve
from g2p_batch.signals import stop_on_signals
from g2p_compile.train.batches import Mix
from g2p_compile.train.preparation import Files, Prepared, prepare
from g2p_compile.train.recipe import OPTIMIZERS, PRECISIONS, SCHEDULES, Recipe, default_rate, fast_precision
from g2p_compile.train.start import NAMED
from g2p_compile.train.training import BEST, LAST, Data, Watch, require_folder, train
from g2p_compile.train.watching import Bar

_Command = TypeVar("_Command", bound=Callable[..., Any])

_POSITIVE = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1)
_ABOVE_0 = click.FloatRange(min=0, min_open=True)

_DATA = (
    click.argument("data", nargs=-1, required=True, metavar="DATA..."),
    click.option("--lang", metavar="TAG", help="Language of all words, where the files have no column for it."),
    click.option("--dev", metavar="FILE", help="Words to measure by; they are not trained on."),
    click.option("--dev-words", type=_POSITIVE, default=50, show_default=True, help="Most of them, of a language."),
    click.option(
        "--shape",
        metavar="NAME|SIZES",
        help=f"Random weights: {', '.join(NAMED)}, or sizes such as d_model=128,heads=2.  [default: bundled]",
    ),
    click.option(
        "--from", "start", metavar="MODEL", help="Fine-tune: bundled, a checkpoint's folder or model.toml, or a hub id."
    ),
    click.option("--all-variants", is_flag=True, help="Train on every variant of a word, not on the first alone."),
    click.option(
        "--batch-tokens", type=_POSITIVE, default=Mix.batch_tokens, show_default=True, help="Most ids of a batch."
    ),
    click.option(
        "--balance",
        type=_SHARE,
        default=0.5,
        show_default=True,
        help="Draw languages by this power of their size: 1 as they are, 0 all alike.",
    ),
    click.option("--weight", "weights", multiple=True, metavar="TAG=X", help="Draw a language X times as often."),
    click.option("--hide-tags", type=_SHARE, default=0.0, show_default=True, help="Share of examples with <unk>."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random."),
)


def _data_options(command: _Command) -> _Command:
    for option in reversed(_DATA):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train a checkpoint, or fine-tune one on a lexicon.

    DATA are .tsv or .csv with a header, or .parquet, with columns word, pron, and lang (or --lang).
    """


@main.command()
@_data_options
def data(**options: Any) -> None:
    """Show what a training would use of DATA, and train nothing.

    \b
    Example:
      python -m g2p_compile.train data lexicon.tsv --lang ice
    """
    prepared = prepare(_recipe(options), _files(options))
    _describe(prepared)
    counts = prepared.lexicon.examples.counts.tolist()
    rows = [
        [tag, f"{count:,}", f"{share:.1%}"] for (tag, share), count in zip(prepared.shares.items(), counts, strict=True)
    ]
    click.echo(table([["language", "examples", "drawn"], *rows]))


@main.command("train")
@_data_options
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Of this training.")
@click.option("--steps", type=_POSITIVE, default=Recipe.steps, show_default=True, help="Batches to train on.")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="adamw", show_default=True)
@click.option("--rate", type=_ABOVE_0, help="Learning rate at its peak.  [default: by optimizer and start]")
@click.option(
    "--warmup", type=click.IntRange(min=0), help="Steps until the peak.  [default: 400, or a tenth of --steps]"
)
@click.option("--schedule", type=click.Choice([*SCHEDULES]), default="cosine", show_default=True, help="After it.")
@click.option("--clip", type=_ABOVE_0, default=1.0, show_default=True, help="Largest norm of all gradients.")
@click.option("--decay", type=click.FloatRange(min=0), default=0.01, show_default=True, help="Of weights.")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), help="Of products.  [default: the device's fastest]")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:N]")
@click.option("--threads", type=_POSITIVE, help="Of the CPU; they change the last digits.  [default: torch's]")
@click.option("--stored", type=click.Choice(PRECISIONS), default="bfloat16", show_default=True, help="Saved weights.")
@click.option("--log-steps", type=_POSITIVE, default=100, show_default=True, help="Steps between records of the loss.")
@click.option("--dev-steps", type=_POSITIVE, default=1000, show_default=True, help="Steps between scores of --dev.")
@click.option("--save-steps", type=_POSITIVE, default=1000, show_default=True, help="Steps between saves.")
@click.option("--resume", is_flag=True, help="Go on with the training in DIR, if there is one.")
def train_command(folder: Path, resume: bool, threads: int | None, **options: Any) -> None:
    """Train, and save what `g2p-batch generate --model` reads.

    \b
    Examples:
      python -m g2p_compile.train train train.parquet --dev dev.parquet --shape tiny_8 -o run
      python -m g2p_compile.train train mine.tsv --lang eng-us --from bundled --steps 1000 -o mine
    """
    device = _device(options["device"])
    require_folder(folder, resume)
    if threads is not None:
        torch.set_num_threads(threads)
    warmup = min(Recipe.warmup, options["steps"] // 10) if options["warmup"] is None else options["warmup"]
    recipe = _recipe(
        options,
        **{name: options[name] for name in ("steps", "optimizer", "schedule", "clip", "decay", "dropout")},
        rate=options["rate"] or default_rate(options["optimizer"], options["start"]),
        warmup=warmup,
        precision=options["precision"] or fast_precision(device),
    )
    prepared = prepare(recipe, _files(options))
    _describe(prepared)
    usable = Data(prepared.lexicon.examples, prepared.dev)
    watch = Watch(device, *(options[name] for name in ("stored", "log_steps", "dev_steps", "save_steps")))
    with stop_on_signals() as stop:
        point = train(prepared.checkpoint, recipe, usable, folder, watch, Bar(), stop)
    best = f"; {folder / BEST} holds the best, CER {point.best:.4f}" if point.best is not None else ""
    say(f"{point.step:,} steps, {point.words:,} examples: {folder / LAST} holds the model{best}.")


def _recipe(options: Mapping[str, Any], **training: Any) -> Recipe:
    shape, start = options["shape"], options["start"]
    if shape and start:
        raise UsageError("--shape and --from exclude each other: train from random weights, or fine-tune a model")
    mix = Mix(
        options["seed"], options["batch_tokens"], options["balance"], _weights(options["weights"]), options["hide_tags"]
    )
    origin = {"start": start, "shape": ""} if start else {"shape": shape or Recipe.shape}
    return Recipe(**origin, all_variants=options["all_variants"], mix=mix, **training)


def _weights(given: Sequence[str]) -> dict[str, float]:
    weights = {}
    for text in given:
        tag, _, number = text.partition("=")
        try:
            weights[tag] = float(number)
        except ValueError:
            weights[tag] = 0.0
        if not 0 < weights[tag] < math.inf:
            raise UsageError(f"--weight {text} is no language and positive number: write it like eng-us=5")
    return weights


def _files(options: Mapping[str, Any]) -> Files:
    lang = options["lang"]
    return Files(options["data"], options["dev"], options["dev_words"], lang and resolve(lang).tag)


def _device(name: str) -> str:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as cause:  # a torch built without CUDA asserts
        reason = str(cause).splitlines()[0]
        raise UsageError(f"--device {name} cannot be used ({reason}): give cpu, or install a torch for it") from None
    return name


def _describe(prepared: Prepared) -> None:
    lexicon = prepared.lexicon
    say(f"{lexicon.rows:,} rows read: {lexicon.words:,} words, {len(lexicon.examples):,} examples to train on.")
    if lexicon.rejects:
        say(f"Rows without a word and its pronunciation: {listed(lexicon.rejects)}.")
    if lexicon.left_out:
        say(f"Not trained on: {listed(lexicon.left_out)}.")
    if prepared.dev is not None:
        say(f"{len(prepared.dev):,} words to measure by.")


if __name__ == "__main__":
    main(prog_name="python -m g2p_compile.train")
