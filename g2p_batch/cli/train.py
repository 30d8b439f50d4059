"""`train`."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import is_quiet, main, quiet_option, say, table
from g2p_batch.cli.options import all_of, lang_option
from g2p_batch.storage.publish import put

if TYPE_CHECKING:
    import pyarrow as pa

    from g2p_compile.train.preparation import Files, Prepared
    from g2p_compile.train.recipe import Recipe

# What follows is as g2p_compile has it, and a test compares both; the help does not wait for torch to be imported.
SHAPES = ("tiny_8", "tiny_12", "tiny_16", "small", "bundled")
OPTIMIZERS = ("muon", "adamw", "adafactor")
SCHEDULES = ("cosine", "inverse-sqrt", "linear", "trapezoid")
PRECISIONS = ("float32", "bfloat16")

_POSITIVE = click.IntRange(min=1)
_NOT_NEGATIVE = click.IntRange(min=0)
_SHARE = click.FloatRange(0, 1)
_ABOVE_0 = click.FloatRange(min=0, min_open=True)

_data_options = all_of(
    click.argument("data", nargs=-1, required=True, metavar="DATA...", shell_complete=completion.files),
    lang_option("Language of all words, where the files have no column for it."),
    click.option(
        "--dev",
        metavar="FILE",
        help="Words to measure by; they are not trained on.",
        shell_complete=completion.files,
    ),
    click.option(
        "--hold-out",
        type=_NOT_NEGATIVE,
        default=0,
        show_default=True,
        help="Words of each language, by hash, that are not trained on; without --dev they measure.",
    ),
    click.option("--dev-words", type=_POSITIVE, default=50, show_default=True, help="Most of them, of a language."),
    click.option(
        "--shape",
        metavar="NAME|SIZES",
        shell_complete=completion.one_of(SHAPES),
        help=f"Random weights: {', '.join(SHAPES)}, or sizes such as d_model=128,heads=2.  [default: bundled]",
    ),
    click.option(
        "--from",
        "start",
        metavar="MODEL",
        help="Fine-tune: bundled, a checkpoint's folder or model.toml, or a hub id.",
        shell_complete=completion.models,
    ),
    click.option("--all-variants", is_flag=True, help="Train on every variant of a word, not on the first alone."),
    click.option("--keep-capitals", "capitals", is_flag=True, help="Train on words as written, not in small letters."),
    click.option("--batch-tokens", type=_POSITIVE, default=8192, show_default=True, help="Most ids of a batch."),
    click.option(
        "--balance",
        type=_SHARE,
        default=0.5,
        show_default=True,
        help="Draw languages by this power of their size: 1 as they are, 0 all alike.",
    ),
    click.option("--weight", "weights", multiple=True, metavar="TAG=X", help="Draw a language X times as often."),
    click.option(
        "--hide-tags",
        "hidden",
        type=_SHARE,
        default=0.0,
        show_default=True,
        help="Share of examples with <unk>.",
    ),
    click.option("--seed", type=_NOT_NEGATIVE, default=0, show_default=True, help="Of all that is random."),
    click.option("--dry-run", is_flag=True, help="Show what a training would use of DATA, and train nothing."),
)

_training_options = all_of(
    click.option(
        "-o", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Of this training.  [required to train]"
    ),
    click.option(
        "--steps", type=_POSITIVE, help="Batches to train on.  [default: 10,000; with --from, by the number of words]"
    ),
    click.option(
        "--optimizer", type=click.Choice(OPTIMIZERS), default="muon", show_default=True, help="What steps follow."
    ),
    click.option("--rate", type=_ABOVE_0, help="Learning rate at its peak.  [default: by optimizer and start]"),
    click.option("--warmup", type=_NOT_NEGATIVE, help="Steps until the peak.  [default: 400, or a tenth of --steps]"),
    click.option("--schedule", type=click.Choice(SCHEDULES), default="cosine", show_default=True, help="After it."),
    click.option("--clip", type=_ABOVE_0, default=1.0, show_default=True, help="Largest norm of all gradients."),
    click.option("--decay", type=click.FloatRange(min=0), default=0.01, show_default=True, help="Of weights."),
    click.option(
        "--dropout",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of units dropped.  [default: 0; with --from 0.1, if words come more than 8 times]",
    ),
    click.option("--precision", type=click.Choice(PRECISIONS), help="Of products.  [default: the device's fastest]"),
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        metavar="cpu|cuda[:N]",
        help="Where to train.",
        shell_complete=completion.devices,
    ),
    click.option("--threads", type=_POSITIVE, help="Of the CPU; they change the last digits.  [default: torch's]"),
    click.option(
        "--stored", type=click.Choice(PRECISIONS), default="bfloat16", show_default=True, help="Saved weights."
    ),
    click.option(
        "--log-steps", type=_POSITIVE, default=100, show_default=True, help="Steps between records of the loss."
    ),
    click.option("--dev-steps", type=_POSITIVE, default=1000, show_default=True, help="Steps between scores of --dev."),
    click.option("--save-steps", type=_POSITIVE, default=1000, show_default=True, help="Steps between saves."),
    click.option(
        "--peers",
        is_flag=True,
        help="With --hold-out: train Phonetisaurus on the same words, and show the error rates of both.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the training in DIR, if there is one."),
)


@main.command(cls=GroupedCommand)
@_data_options
@_training_options
@quiet_option
def train(folder: Path | None, resume: bool, dry_run: bool, threads: int | None, peers: bool, **options: Any) -> None:
    """Train a checkpoint, or fine-tune one on a lexicon.

    DATA are .tsv or .csv with a header, or .parquet, with columns word, pron, and lang (or --lang). What is saved is
    what `--model` of the other commands reads. Needs `pip install 'g2p-batch[train]'`.

    \b
    Examples:
      g2p-batch train lexicon.tsv --lang ice --dry-run
      g2p-batch train train.parquet --dev dev.parquet --shape tiny_8 -o run
      g2p-batch train mine.tsv --lang eng-us --from bundled -o mine
    """
    from g2p_batch.model.compiler import require_torch
    from g2p_batch.model.resolve import require_weights

    # torch's threads wait for one another many times a step: where other work takes a core, those that spin take the
    # rest. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if folder is None and not dry_run:
        raise click.MissingParameter(param_hint="'-o'", param_type="option")
    if peers and not options["hold_out"]:
        raise errors.UsageError("--peers compares on words that --hold-out keeps back: give it too, such as 500")
    if options["start"]:
        require_weights(options["start"])
    require_torch("training", "train")
    from g2p_compile.train.preparation import prepare

    if peers:
        from g2p_compile.bench.phonetisaurus import require_phonetisaurus

        require_phonetisaurus()  # before a training of hours
    if folder is None or dry_run:
        recipe = _recipe(options)
        prepared = prepare(recipe, _files(options))
        _show(prepared, _as_long(recipe, options, prepared))
        return
    from g2p_batch.counts import count_of
    from g2p_batch.signals import stop_on_signals
    from g2p_compile.train import training
    from g2p_compile.train.exceptions import keep_exceptions, share_exceptions
    from g2p_compile.train.hardware import use
    from g2p_compile.train.save import CONFIG, write_held_out

    use(options["device"], threads)
    training.require_folder(folder, resume)
    recipe = _recipe(options, **_of_training(options))
    prepared = prepare(recipe, _files(options))
    recipe = _as_long(recipe, options, prepared)
    _describe(prepared, recipe)
    if prepared.held_out is not None:
        write_held_out(folder, prepared.held_out)
    data = training.Data(prepared.lexicon.examples, prepared.dev)
    watch = training.Watch(*(options[name] for name in ("device", "stored", "log_steps", "dev_steps", "save_steps")))
    with stop_on_signals() as stop:
        point = training.train(prepared.checkpoint, recipe, data, folder, watch, TrainingBar(), stop)
    last, measured = folder / training.LAST, folder / training.BEST
    for kept in (last, measured):
        if not (kept / CONFIG).is_file() or (kept == measured and share_exceptions(last, measured)):
            continue
        count = keep_exceptions(kept, recipe, options["device"], prepared.lexicon.dictionary)
        whole = count_of(len(prepared.lexicon.dictionary), "word")
        say(f"{kept} does not say {count:,} of {whole} as the lexicon does: it looks them up.")
    if peers and prepared.held_out is not None:
        _compare(prepared, prepared.held_out, folder)
    best = f"; {folder / training.BEST} holds the best, CER {point.best:.4f}" if point.best is not None else ""
    say(f"{point.step:,} steps, {point.words:,} examples: {folder / training.LAST} holds the model{best}.")


def _compare(prepared: "Prepared", held_out: "pa.Table", folder: Path) -> None:
    """Show error rates beside those of a peer, and keep them in `peers.json`."""
    from g2p_compile.bench.accuracy import compare

    found = compare(prepared.checkpoint, prepared.lexicon.examples, held_out, folder / "phonetisaurus")
    put(folder / "peers.json", json.dumps([asdict(one) for one in found], indent=1).encode())
    rows = [
        [one.lang, f"{one.words:,}", f"{one.pairs:,}", f"{one.train_s:.0f} s"]
        + [f"{rate:.4f}" for rate in (one.peer_cer, one.peer_wer, one.cer, one.wer)]
        for one in found
    ]
    header = ["language", "asked", "trained on", "Phonetisaurus in", "its CER", "WER", "the model's CER", "WER"]
    click.echo(table([header, *rows]))


def _of_training(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe that a dry run does not ask for."""
    from g2p_compile.train.hardware import fast_precision
    from g2p_compile.train.recipe import default_rate

    return {name: options[name] for name in ("optimizer", "schedule", "clip", "decay")} | {
        "rate": options["rate"] or default_rate(options["optimizer"], options["start"]),
        "precision": options["precision"] or fast_precision(options["device"]),
    }


def _as_long(recipe: "Recipe", options: Mapping[str, Any], prepared: "Prepared") -> "Recipe":
    """Return a recipe with what may follow from how much there is to learn."""
    from g2p_compile.train.batches import ids_of
    from g2p_compile.train.recipe import default_dropout, default_steps, default_warmup

    ids, tokens = ids_of(prepared.lexicon.examples), recipe.mix.batch_tokens
    steps = options["steps"] or default_steps(recipe.start, ids, tokens)
    defaults = {"warmup": default_warmup(steps), "dropout": default_dropout(recipe.start, steps * tokens / ids)}
    given = {name: options[name] for name in defaults if options[name] is not None}
    return replace(recipe, steps=steps, **defaults | given)


def _recipe(options: Mapping[str, Any], **training: Any) -> "Recipe":
    from g2p_compile.train.batches import Mix
    from g2p_compile.train.recipe import Recipe

    shape, start = options["shape"], options["start"]
    if shape and start:
        raise errors.UsageError(
            "--shape and --from exclude each other: train from random weights, or fine-tune a model"
        )
    drawn = {name: options[name] for name in ("seed", "batch_tokens", "balance", "hidden")}
    mix = Mix(**drawn, weights=_weights(options["weights"]))
    origin = {"start": start, "shape": ""} if start else {"shape": shape or Recipe.shape}
    return Recipe(**origin, all_variants=options["all_variants"], capitals=options["capitals"], mix=mix, **training)


def _weights(texts: Sequence[str]) -> dict[str, float]:
    weights = {}
    for text in texts:
        tag, _, number = text.partition("=")
        try:
            weights[tag] = float(number)
        except ValueError:
            weights[tag] = 0.0
        if not 0 < weights[tag] < math.inf:
            raise errors.UsageError(f"--weight {text} is no language and positive number: write it like eng-us=5")
    return weights


def _files(options: Mapping[str, Any]) -> "Files":
    from g2p_batch.languages import resolve
    from g2p_compile.train.preparation import Files

    lang = options["lang"]
    own = {name: options[name] for name in ("dev", "hold_out", "dev_words")}
    return Files(options["data"], lang=lang and resolve(lang).tag, **own)


def _show(prepared: "Prepared", recipe: "Recipe") -> None:
    _describe(prepared, recipe)
    counts = prepared.lexicon.examples.counts.tolist()
    rows = [
        [tag, f"{count:,}", f"{share:.1%}"] for (tag, share), count in zip(prepared.shares.items(), counts, strict=True)
    ]
    click.echo(table([["language", "examples", "drawn"], *rows]))


def _describe(prepared: "Prepared", recipe: "Recipe") -> None:
    from g2p_batch.counts import listed
    from g2p_compile.train.batches import ids_of

    lexicon = prepared.lexicon
    say(f"{lexicon.rows:,} rows read: {lexicon.words:,} words, {len(lexicon.examples):,} examples to train on.")
    if lexicon.rejects:
        say(f"Rows without a word and its pronunciation: {listed(lexicon.rejects)}.")
    if lexicon.left_out:
        say(f"Not trained on: {listed(lexicon.left_out)}.")
    if prepared.dev is not None:
        say(f"{len(prepared.dev):,} words to measure by.")
    passes = recipe.steps * recipe.mix.batch_tokens / ids_of(lexicon.examples)
    say(f"{recipe.steps:,} steps of {recipe.mix.batch_tokens:,} ids: {passes:.1f} times all examples.")


class TrainingBar:
    """A training on stderr: a bar where it is a terminal, and above it the lines of the log; elsewhere the lines."""

    _bar: Any

    def start(self, step: int, steps: int) -> None:
        """Draw the bar."""
        from tqdm import tqdm

        self._bar = tqdm(
            total=steps, initial=step, unit=" steps", dynamic_ncols=True, disable=is_quiet() or not sys.stderr.isatty()
        )

    def advance(self, loss: float) -> None:
        """Move on."""
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update()

    def tell(self, line: str) -> None:
        """Write a line above the bar."""
        if not is_quiet():
            self._bar.write(line, file=sys.stderr)
