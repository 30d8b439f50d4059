"""`evaluate`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.main import dtype_option, main, quiet_option, say, table
from g2p_batch.cli.options import LANG_OF_ALL, lang_option, model_option, named_format
from g2p_batch.model import contract, cpu_families

if TYPE_CHECKING:
    from collections import Counter

    from g2p_batch.evaluation.calibration import Calibration
    from g2p_batch.evaluation.edits import Edit
    from g2p_batch.evaluation.error_rates import Evaluation
    from g2p_batch.evaluation.oracle import Oracle
    from g2p_batch.evaluation.reference import Reference

_LISTED = 5
"""Errors shown per language."""

_NO_PHONE = "(none)"

_OF_MODEL = ("model", "dtype", "workers", "variants")
"""Options that say how the model pronounces, and mean nothing beside a lexicon."""


@main.command()
@click.argument("reference", metavar="REF", shell_complete=completion.files)
@model_option
@dtype_option
@click.option(
    "--hypotheses",
    metavar="[FORMAT:]FILE",
    shell_complete=completion.files,
    help="Score this lexicon instead of a model: a table with a header, or a lexicon in any format that is read.",
)
@lang_option(LANG_OF_ALL)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=cpu_families.usable_cores,
    show_default="usable cores",
    help="Threads that decode.",
)
@click.option(
    "--variants",
    type=click.IntRange(1, contract.MOST_VARIANTS),
    metavar="N",
    help="Take the N most probable pronunciations: also tells for how many words one of them is right, and what their "
    "probabilities are worth.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON.")
@quiet_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    reference: str,
    hypotheses: str | None,
    lang: str | None,
    json_path: Path | None,
    **options: Any,
) -> None:
    """Score a model, or a lexicon, against a reference.

    REF is a .tsv or .csv with a header, or a .parquet, with the columns word, lang (or --lang) and pron. A repeated
    word has several right pronunciations; so has one with commas, in the languages whose dictionaries join them so.

    Prints error rates by language: CER and WER against the first variant, and against whichever variant is nearest
    (any). Words that get no pronunciation are counted by reason. Where there are log-probabilities, tells how many of
    the wrong words the lowest-scored tenth holds. Needs `pip install 'g2p-batch[eval]'`.

    \b
    Examples:
      g2p-batch evaluate dev.tsv
      g2p-batch evaluate dev.parquet --hypotheses lexicon.tsv --json figures.json
      g2p-batch evaluate dev.tsv --hypotheses english_us_mfa.dict --lang eng-us
    """
    from g2p_batch.evaluation import evaluate as run
    from g2p_batch.evaluation.edits import require_rapidfuzz
    from g2p_batch.evaluation.oracle import oracle
    from g2p_batch.storage.publish import require_writable, writing

    require_rapidfuzz()
    if json_path:
        require_writable(json_path)
    if hypotheses is None:
        truth, answered, subject = _pronounced(reference, lang, **options)
    else:
        of_model = [name for name in _OF_MODEL if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE]
        if of_model:
            raise errors.UsageError(f"--hypotheses and --{of_model[0]} exclude each other: score a lexicon, or a model")
        truth, answered, subject = _looked_up(reference, lang, hypotheses)
    evaluation = run(answered, _phones)
    found = oracle(answered, options["variants"]) if options["variants"] else None
    subject = {"reference": reference, "rows": truth.rows, "rejects": dict(truth.rejects)} | subject
    click.echo("\n\n".join([to_text(evaluation, subject), *(_of_variants(found) if found else ())]))
    if json_path:
        subject |= {"variants": found.as_record()} if found else {}
        with writing(json_path):
            json_path.write_text(evaluation.to_json(subject), encoding="utf-8")


def _phones(prons: Any, langs: Any) -> Any:
    from g2p_batch.phones import Style, segment

    return segment(prons, langs, Style()).phones


def _pronounced(
    path: str, lang: str | None, model: str, dtype: contract.DType, workers: int, variants: int | None
) -> tuple["Reference", Any, dict[str, Any]]:
    """Return the reference, its words with the answers of a model, and what to say of the model."""
    from g2p_batch.api import G2P, supported_tag
    from g2p_batch.counts import count_of
    from g2p_batch.evaluation.reference import read_reference
    from g2p_batch.model.resolve import find_model
    from g2p_batch.words.wordlist import WordLists

    found = find_model(model, say, dtype=dtype)
    tag = None if lang is None else supported_tag(lang, found.contract)
    truth = read_reference(WordLists((path,), lang=tag), found.contract.languages)
    # What it was trained on it has in its dictionary; what it says of other words is the question.
    g2p = G2P(found.folder, dtype=found.dtype, workers=workers, variants=variants, dictionary=False)
    say(f"Pronouncing {count_of(len(truth.words), 'word')}")
    return truth, g2p(truth.words), {"model": model, "dtype": g2p.dtype}


def _looked_up(path: str, lang: str | None, hypotheses: str) -> tuple["Reference", Any, dict[str, Any]]:
    """Return the reference, its words with the pronunciations of a lexicon, and what to say of the lexicon."""
    from g2p_batch.evaluation.reference import read_hypotheses, read_reference
    from g2p_batch.languages import resolve
    from g2p_batch.words.wordlist import WordLists

    tag = None if lang is None else resolve(lang).tag
    truth = read_reference(WordLists((path,), lang=tag))
    name, file = named_format(hypotheses)
    return truth, read_hypotheses(file, tag, truth, name, say), {"hypotheses": hypotheses}


def to_text(evaluation: "Evaluation", subject: Mapping[str, Any]) -> str:
    """Return an evaluation as paragraphs, without a final line break.

    Args:
        evaluation: the figures.
        subject: `reference` and its `rejects`, and either `hypotheses` or `model` and `dtype`.
    """
    return "\n\n".join(_paragraphs(evaluation, subject))


def _paragraphs(evaluation: "Evaluation", subject: Mapping[str, Any]) -> Iterator[str]:
    from g2p_batch.counts import listed

    name = subject.get("hypotheses") or f"{subject['model']} ({subject['dtype']})"
    total = evaluation.total
    head = [f"{name} beside {subject['reference']}: {total.scored:,} of {total.words:,} words scored."]
    if subject["rejects"]:
        head.append(f"Rows without a word and its pronunciation: {listed(subject['rejects'])}.")
    if evaluation.unscored:
        head.append(f"Words without a hypothesis: {listed(evaluation.unscored)}.")
    if silent := {tag: tally.words for tag, tally in evaluation.languages.items() if not tally.scored}:
        head.append(f"Languages without any: {listed(silent)}.")
    yield "\n".join(head)
    yield table(list(_rates(evaluation)))
    if evaluation.calibrations:
        yield "\n".join(_calibrated(name, tenth) for name, tenth in evaluation.calibrations.items())
    if len(evaluation.all_statuses) > 1 or evaluation.lowest:
        yield table(list(_signs(evaluation)))
    if any(evaluation.errors.values()):
        lines = [
            _errors(tag, counts) for tag, counts in (("all words", evaluation.all_errors), *evaluation.errors.items())
        ]
        yield "\n".join(["Commonest phone errors, wanted > got:", *lines])


def _of_variants(found: "Oracle") -> Iterator[str]:
    """Yield paragraphs about several pronunciations of a word."""
    rows = [[tag, f"{one.scored:,}", f"{one.cer:.4f}", f"{one.wer:.4f}"] for tag, one in found.languages.items()]
    total = found.total
    rows.append(["all words", f"{total.scored:,}", f"{total.cer:.4f}", f"{total.wer:.4f}"])
    head = f"Of up to {found.variants} pronunciations of a word the nearest:"
    yield f"{head}\n\n{table([['language', 'words', 'any CER', 'any WER'], *rows])}"
    bins = [[f"{one.mean_prob:.3f}", f"{one.count:,}", f"{one.right / one.count:.3f}"] for one in found.bins]
    error = f"Expected calibration error of their probabilities: {found.calibration_error:.3f}"
    yield f"{error}\n\n{table([['mean probability', 'pronunciations', 'share right'], *bins])}"


def _rates(evaluation: "Evaluation") -> Iterator[list[str]]:
    """Yield the rows of the table, of languages with scored words and rates that any of them has."""
    scored = [(tag, tally) for tag, tally in evaluation.languages.items() if tally.scored]
    rows = [(tag, f"{tally.scored:,}", tally.rates()) for tag, tally in (*scored, ("all words", evaluation.total))]
    rows.insert(-1, ("mean of languages", "", evaluation.mean()))
    shown = [name for name, rate in evaluation.mean().items() if rate is not None]
    yield ["language", "words", *(name.upper().replace("ANY_", "any ") for name in shown)]
    for tag, words, rates in rows:
        yield [tag, words, *("-" if rates[name] is None else f"{rates[name]:.4f}" for name in shown)]


def _signs(evaluation: "Evaluation") -> Iterator[list[str]]:
    """Yield the rows of a table of what tells wrong words: each status, and the lowest-scored tenth, by language."""
    statuses = [status for status in sorted(evaluation.all_statuses) if status != "ok"]
    yield ["language", "wrong", *statuses, "lowest-scored tenth"]
    rows = [(tag, counts, evaluation.statuses.get(tag, {})) for tag, counts in evaluation.languages.items()]
    for tag, counts, by_status in (*rows, ("all words", evaluation.total, evaluation.all_statuses)):
        tenth = evaluation.calibrations.get("logprob") if tag == "all words" else evaluation.lowest.get(tag)
        if counts.scored:
            shown = [by_status.get(status) for status in statuses]
            cells = [f"{one.wrong:,} of {one.words:,}" if one else "-" for one in shown]
            yield [tag, f"{counts.any_wrong:,}", *cells, f"{tenth.held:.1%}" if tenth else "-"]


def _calibrated(name: str, tenth: "Calibration") -> str:
    from g2p_batch.counts import count_of

    low, wrong = count_of(tenth.low_words, "word"), count_of(tenth.wrong, "word")
    return (
        f"The tenth with the lowest {name} ({low}) holds {tenth.held:.1%} of the {wrong} that are no variant, "
        f"{tenth.lift:.1f} times its share; {tenth.most:.1%} would be the most."
    )


def _errors(tag: str, counts: "Counter[Edit]") -> str:
    from g2p_batch.evaluation.error_rates import commonest

    shown = (f"{wanted or _NO_PHONE} > {got or _NO_PHONE} {n:,}" for (wanted, got), n in commonest(counts, _LISTED))
    return f"  {tag}: {', '.join(shown) or 'none'}"
