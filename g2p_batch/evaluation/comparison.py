"""Hypotheses compared with the variants of a reference, in characters and in phones."""

from collections import Counter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import counted
from g2p_batch.evaluation.calibration import calibration, mean_logprob, tokens
from g2p_batch.evaluation.edits import Distances, Edit, Ints, distances, edits, require_rapidfuzz, symbols
from g2p_batch.evaluation.error_rates import ErrorCounts, Evaluation, StatusCounts


class Segmenter(Protocol):
    """Cuts pronunciations into phones."""

    def __call__(self, prons: pa.Array, langs: pa.Array) -> pa.Array:
        """Return list<string> [N], no nulls, for `prons` string [N] of languages `langs` string [N]."""


def evaluate(words: pa.Table, segmenter: Segmenter | None = None) -> Evaluation:
    """Score pronunciations.

    Args:
        words: N rows: `lang` string; `prons` list<string>, the variants of the reference, at least one; `pron` string,
            the hypothesis, null where there is none; `logprob` float32, null where unknown; `status` string, which says
            why there is no hypothesis.
        segmenter: cuts into phones; without it there are no phone error rates and no errors to list.

    Raises:
        UsageError: rapidfuzz is not installed.
    """
    require_rapidfuzz()
    scored = pc.is_valid(words["pron"])
    pairs = _Pairs(words.filter(scored))
    characters = distances(pairs.pron.to_pylist(), pairs.variants.to_pylist(), pairs.starts)
    lengths = pc.utf8_length(pairs.variants).to_numpy().astype(np.int64)[pairs.starts[:-1]]
    columns = {
        "scored": np.ones(len(lengths), np.int64),
        "wrong": characters.first > 0,
        "any_wrong": characters.nearest > 0,
        "characters": lengths,
        "character_edits": characters.first,
        "any_character_edits": characters.nearest,
    }
    scores = {"logprob": pairs.logprob, "logprob per token": mean_logprob(pairs.logprob, tokens(pairs.pron))}
    errors: dict[str, Counter[Edit]] = {}
    if segmenter is not None:
        phones = _PhoneStrings(pairs, segmenter)
        columns |= {
            "phones": phones.lengths,
            "phone_edits": phones.distances.first,
            "any_phone_edits": phones.distances.nearest,
        }
        errors = phones.errors()
        scores["logprob per phone"] = mean_logprob(pairs.logprob, phones.hypothesis_lengths)
    return Evaluation(
        languages=_counts_by_language(_whole(words, "lang"), pairs.lang, columns),
        unscored=counted(words.filter(pc.invert(scored))["status"]),
        errors=errors,
        calibrations={
            name: calibration(score, characters.nearest > 0)
            for name, score in scores.items()
            if pc.any(score.is_valid())
        },
        **_by_language(pairs, characters.nearest > 0),
    )


def _by_language(pairs: "_Pairs", wrong: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return `statuses` and `lowest` of an evaluation; `wrong` [N] tells of hypotheses."""
    statuses: dict[str, dict[str, StatusCounts]] = {}
    lowest = {}
    for tag in sorted(pairs.lang.unique().to_pylist()):
        of_tag = pc.equal(pairs.lang, tag)
        bad = wrong[of_tag.to_numpy(zero_copy_only=False)]
        status, logprob = pairs.status.filter(of_tag), pairs.logprob.filter(of_tag)
        rows = pa.table({"status": status, "wrong": pa.array(bad, pa.int64())}).group_by("status")
        for row in rows.aggregate([("wrong", "count"), ("wrong", "sum")]).sort_by("status").to_pylist():
            if row["status"] is not None:
                statuses.setdefault(tag, {})[row["status"]] = StatusCounts(row["wrong_count"], row["wrong_sum"])
        if pc.any(logprob.is_valid()):
            lowest[tag] = calibration(logprob, bad)
    return {"statuses": statuses, "lowest": lowest}


class _Pairs:
    """Hypotheses [N] and the variants of their references [V], those of one word after those of another.

    Attributes:
        lang: string [N].
        pron: string [N], the hypotheses.
        logprob: float32 [N].
        status: string [N], null where unknown.
        variants: string [V].
        starts: [N + 1] int64, where the variants of each word begin.
    """

    def __init__(self, words: pa.Table) -> None:
        self.lang, self.pron, self.logprob, self.status, prons = (
            _whole(words, name) for name in ("lang", "pron", "logprob", "status", "prons")
        )
        self.variants = prons.flatten()
        self.starts = _starts(prons)


class _PhoneStrings:
    """Hypotheses and variants as strings of phones, a character for a phone.

    Attributes:
        distances: between the phones of hypotheses and variants.
        lengths: [N] int64, phones of the first variants.
        hypothesis_lengths: int32 [N], phones of the hypotheses.
    """

    distances: Distances
    lengths: Ints
    hypothesis_lengths: pa.Array

    def __init__(self, pairs: _Pairs, segmenter: Segmenter) -> None:
        words = np.repeat(np.arange(len(pairs.lang)), np.diff(pairs.starts))
        lists = segmenter(
            pa.concat_arrays([pairs.pron, pairs.variants]), pa.concat_arrays([pairs.lang, pairs.lang.take(words)])
        )
        codes = lists.flatten().dictionary_encode()
        strings = symbols(codes.indices.to_numpy(), _starts(lists))
        self._lang = pairs.lang
        self._names: list[str] = codes.dictionary.to_pylist()
        self._hypotheses, self._variants = strings[: len(pairs.lang)], strings[len(pairs.lang) :]
        self.distances = distances(self._hypotheses, self._variants, pairs.starts)
        phones = pc.list_value_length(lists)
        self.hypothesis_lengths = phones[: len(pairs.lang)]
        self.lengths = phones.to_numpy()[len(pairs.lang) :][pairs.starts[:-1]].astype(np.int64)

    def errors(self) -> dict[str, Counter[Edit]]:
        """Return the edits from the nearest variants to the hypotheses, by language."""
        codes = self._lang.dictionary_encode()
        words = {tag: codes.indices.to_numpy() == code for code, tag in enumerate(codes.dictionary.to_pylist())}
        return {tag: self._edits(np.flatnonzero(words[tag] & (self.distances.nearest > 0))) for tag in sorted(words)}

    def _edits(self, wrong: Ints) -> Counter[Edit]:
        references = [self._variants[index] for index in self.distances.variant[wrong]]
        return edits(references, [self._hypotheses[word] for word in wrong], self._names)


def _counts_by_language(langs: pa.Array, scored: pa.Array, columns: dict[str, Any]) -> dict[str, ErrorCounts]:
    """Sum columns [N] by language.

    Args:
        langs: the language of every word.
        scored: string [N], the language of every word in the columns.
        columns: by the field of `ErrorCounts` that they count for.
    """
    tags = sorted(langs.unique().to_pylist())
    values = pa.array(tags, pa.string())
    words, codes = (pc.index_in(column, values).to_numpy() for column in (langs, scored))
    sums = {"words": np.bincount(words, minlength=len(tags))}
    sums |= {name: np.bincount(codes, column, len(tags)).astype(np.int64) for name, column in columns.items()}
    return {
        tag: ErrorCounts(**{name: int(counts[index]) for name, counts in sums.items()})
        for index, tag in enumerate(tags)
    }


def _starts(lists: pa.Array) -> Ints:
    """Return where each of N lists begins among the values of all, [N + 1] int64."""
    return np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int64)


def _whole(words: pa.Table, name: str) -> pa.Array:
    return pa.concat_arrays([pa.array([], words.schema.field(name).type), *words[name].chunks])
