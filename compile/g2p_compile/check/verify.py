"""Prove a compiled model: golden words, the reference, the cacheless loop, a search's choices, published results."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.compiler import torch_remedy
from g2p_batch.model.contract import Contract, DType, Prefix, is_artifact
from g2p_batch.model.cpu_engine import CpuEngine
from g2p_batch.model.greedy import TokenizedChunk, decode_stream
from g2p_batch.model.ids import EOS, START, Float32
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import Model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.threaded import Answers, pronounce
from g2p_batch.model.tokenizer import detokenize, text_of, tokenize
from g2p_compile.build.bind import cacheless_words
from g2p_compile.check.choices import choices
from g2p_compile.check.golden import GoldenSet, find_golden, read_tsv
from g2p_compile.check.planned_words import planned

AGREEMENT: dict[DType, float] = {"float32": 1.0, "float16": 0.99, "bfloat16": 0.97, "int8": 0.9}
"""Least share of strings that must be the reference's; the golden list is harder than ordinary words are."""

NEARNESS: dict[DType, float] = {"float32": 1e-4, "float16": 0.005, "bfloat16": 0.01, "int8": 0.05}
"""Most that a search's probabilities of tokens are off, as the mean of what is worst in each word."""

_SEARCHED = 64
"""Words of which the choices of every step are compared."""
_SHOWN = 20
"""Differences listed in full."""


@dataclass(frozen=True)
class Check:
    """One thing that was verified: `held` is None where it could not be, `note` then says why."""

    name: str
    held: bool | None
    note: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """All checks of a model."""

    model: str
    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def held(self) -> bool:
        """Whether no check failed."""
        return all(check.held is not False for check in self.checks)

    def to_text(self) -> str:
        """Return a line per check, with its differences."""
        marks = {True: "ok  ", False: "FAIL", None: "skip"}
        lines = []
        for check in self.checks:
            lines.append(f"{marks[check.held]}  {check.name}: {check.note}")
            lines += [f"      {text}" for text in check.differences[:_SHOWN]]
            if len(check.differences) > _SHOWN:
                lines.append(f"      ... and {len(check.differences) - _SHOWN} more")
        return "\n".join(lines)


def verify(model: Model, say: Callable[[str], None], asked: pa.Table | None = None) -> Verified:
    """Run every check that the model and this machine allow.

    Args:
        model: what to check.
        say: told when something takes time.
        asked: columns word and lang: compared with the reference instead of the golden words.

    Raises:
        G2PError: the model cannot be loaded or compiled.
    """
    artifact = model.open(say)
    engine, contract = artifact.engine(), artifact.manifest.contract
    golden = find_golden(contract)
    checks = [*_golden(engine, golden)] if golden else [_skip("golden words", "the project has none for this model")]
    table = asked if asked is not None else golden.words if golden else None
    if table is not None:
        words, langs = table["word"].to_pylist(), table["lang"].to_pylist()
        checks += [
            _reference(engine, model.name, planned(words, langs, contract), say),
            *several_pronunciations(engine, model.name, planned(words, langs, contract)),
            prefix_form(engine, contract, words, langs),
        ]
    checks.append(published(engine, contract))
    return Verified(contract.name, tuple(checks))


def _skip(name: str, reason: str) -> Check:
    return Check(name, None, reason)


def _ask(engine: CompiledEngine, contract: Contract, words: pa.Table) -> Answers:
    """Pronounce planned words on one thread."""
    return pronounce(words, contract, lambda: engine, 1, Silent())


def _differences(words: pa.Table, wanted: Sequence[str], got: Sequence[str], margins: Sequence[float]) -> list[str]:
    rows = zip(words["lang"].to_pylist(), words["word"].to_pylist(), wanted, got, margins, strict=True)
    return [
        f"{lang} {word}: {ours!r}, reference {theirs!r} (least margin {margin:.4f})"
        for lang, word, theirs, ours, margin in rows
        if ours != theirs
    ]


def _compare(
    name: str, words: pa.Table, wanted: list[str], got: list[str], margins: list[float], share: float, extra: str = ""
) -> Check:
    """Check that at least a share of the strings is the same."""
    differences = _differences(words, wanted, got, margins)
    same = len(got) - len(differences)
    note = f"{same:,} of {len(got):,} strings the same{extra}"
    return Check(name, same >= share * len(got), note, tuple(differences))


def _golden(engine: CompiledEngine, golden: GoldenSet) -> list[Check]:
    table = golden.words
    words = planned(table["word"].to_pylist(), table["lang"].to_pylist(), engine.contract)
    wanted, margins = table["pron"].to_pylist(), table["margin"].to_pylist()
    share = AGREEMENT[engine.dtype]
    cached = _ask(engine, engine.contract, words).pron.to_pylist()
    checks = [_compare("golden words, cached", words, wanted, cached, margins, share)]
    if not isinstance(engine, CpuEngine):
        return [*checks, _skip("golden words, cacheless", "only CPUs have this check")]
    plain = decode_cacheless(engine, words)
    return [*checks, _compare("golden words, cacheless", words, wanted, plain, margins, share)]


def decode_cacheless(engine: CpuEngine, words: pa.Table) -> list[str]:
    """Decode planned words by recomputing all tokens at every step: slow, without caches and decoder attention."""
    bucket = engine.shapes.longest
    prefixes = pa.array([engine.contract.prefix_for(lang) for lang in words["lang"].to_pylist()], pa.string())
    ids, lengths = tokenize(words["word"].combine_chunks(), prefixes)
    order = np.argsort(lengths, kind="stable")
    prons = np.empty(len(order), object)
    together = cacheless_words(engine.shapes)
    for start in range(0, len(order), together):
        part = order[start : start + together]
        source = np.ascontiguousarray(ids[part, : lengths[part].max()])
        hidden = engine.encode(bucket, source, lengths[part])
        tokens = np.full((len(part), 1), START, np.int32)
        while tokens.shape[1] <= bucket.target_bytes and not (tokens[:, 1:] == EOS).any(axis=1).all():
            logits = engine.recompute(np.ascontiguousarray(tokens), hidden, lengths[part])
            tokens = np.concatenate([tokens, logits[:, -1:].argmax(axis=2).astype(np.int32)], axis=1)
        prons[part] = detokenize(np.ascontiguousarray(tokens[:, 1:]))[0].to_pylist()
    return list(prons)


def _no_reference(model: str) -> str | None:
    """Return why a model cannot be compared with transformers, or None."""
    if remedy := torch_remedy("export"):
        return f"not installed: {remedy}"
    if is_artifact(Path(model)):
        return "a compiled artifact does not hold the checkpoint: pass the checkpoint or its program"
    return None


def _reference(engine: CompiledEngine, model: str, words: pa.Table, say: Callable[[str], None]) -> Check:
    name = "transformers"
    if reason := _no_reference(model):
        return _skip(name, reason)
    from g2p_compile.check.transformers_reference import answers, load_reference

    say(f"Asking transformers for {len(words):,} words")
    wanted = answers(load_reference(model), words["word"].to_pylist(), words["lang"].to_pylist())
    got = _ask(engine, engine.contract, words)
    away: Float32 = np.abs(got.logprob - np.array([answer.logprob for answer in wanted], np.float32))
    extra = f", log-probabilities within {away.max():.1e}, least margin {min(a.margin for a in wanted):.4f}"
    prons, margins = [a.pron for a in wanted], [a.margin for a in wanted]
    return _compare(name, words, prons, got.pron.to_pylist(), margins, AGREEMENT[engine.dtype], extra)


def several_pronunciations(engine: CompiledEngine, model: str, words: pa.Table) -> list[Check]:
    """Check what a search goes by: its best token is that of greedy decoding, the others are the reference's."""
    best, others = "several pronunciations, best tokens", "several pronunciations, other tokens"
    if not engine.searches:
        return [_skip(name, "another version compiled this model: compile it again") for name in (best, others)]
    some = np.linspace(0, len(words) - 1, min(len(words), _SEARCHED)).astype(np.int64)
    table = words.take(pa.array(some))
    table = table.filter(pc.less_equal(table["src_bytes"], engine.shapes.longest.source_bytes))
    found = choices(engine, table)
    asked = list(zip(table["lang"].to_pylist(), table["word"].to_pylist(), found, strict=True))
    steps, same = sum(len(one.agrees) for one in found), sum(int(one.agrees.sum()) for one in found)
    differences = [f"{lang} {word}: other bits than greedy decoding" for lang, word, o in asked if not o.agrees.all()]
    checks = [Check(best, same == steps, f"{same:,} of {steps:,} are greedy decoding's, bit by bit", (*differences,))]
    if reason := _no_reference(model):
        return [*checks, _skip(others, reason)]
    from g2p_compile.check.transformers_reference import load_reference, next_logprobs

    reference = load_reference(model)
    away = [one.away_from(next_logprobs(reference, word, lang, one.said)) for lang, word, one in asked]
    mean, missed = float(np.mean([off for off, _ in away])), max(by for _, by in away)
    limit = NEARNESS[engine.dtype]
    differences = [
        f"{lang} {word}: probabilities off by {off:.1e}, a token left out that is more probable by {by:.1e}"
        for (lang, word, _), (off, by) in zip(asked, away, strict=True)
        if max(off, by) > limit
    ]
    note = f"probabilities off by {mean:.1e} in a word's worst place, tokens left out more probable by {missed:.1e}"
    held = mean <= limit and missed <= limit
    return [*checks, Check(others, held, f"{note}, at most {limit}", () if held else (*differences,))]


def prefix_form(engine: CompiledEngine, contract: Contract, words: Sequence[str], langs: Sequence[str]) -> Check:
    """Tell which prefix form the checkpoint was trained with: it is surer of its words under that one."""
    forms: tuple[Prefix, ...] = ("space", "none")
    mean = {}
    for form in forms:
        other = replace(contract, prefix=form)
        table = planned(words, langs, other)
        short = table.filter(pc.less_equal(table["src_bytes"], engine.shapes.longest.source_bytes))
        mean[form] = float(_ask(engine, other, short).logprob.mean())
    likely = max(forms, key=mean.__getitem__)
    figures = ", ".join(f"{form} {mean[form]:.2f}" for form in forms)
    note = f"trained with {likely!r} (mean log-probability of a word: {figures}); the contract says {contract.prefix!r}"
    return Check("prefix form", likely == contract.prefix, note)


def published(engine: CompiledEngine, contract: Contract) -> Check:
    """Compare with pronunciations that others published for this checkpoint, asked as they asked it.

    A local folder counts as the checkpoint whose name it bears. Rows marked non-strict were made by a checkpoint that
    was renamed since: they are listed, and not judged.
    """
    name = "published results"
    own = contract.checkpoint.rsplit("/", 1)[-1]
    rows = [r for r in read_tsv(shipped("golden/published.tsv")).to_pylist() if r["checkpoint"].endswith(f"/{own}")]
    if not rows:
        return _skip(name, "none are known for this checkpoint")
    differences, failed = [], 0
    for row in rows:
        got = _cut_like(_as_published(engine, contract, row), row["source"])
        if got != row["pron"]:
            differences.append(f"{row['lang']} {row['word']}: {got!r}, published {row['pron']!r} ({row['source']})")
            failed += "non-strict" not in row["source"]
    note = f"{len(rows) - len(differences)} of {len(rows)} the same"
    return Check(name, not failed, note, tuple(differences))


def _as_published(engine: CompiledEngine, contract: Contract, row: Mapping[str, Any]) -> str:
    """Return what the engine says to a published word when it is asked as its publisher asked."""
    prefix = replace(contract, prefix=row["prefix"]).prefix_for(row["lang"])
    ids, lengths = tokenize(pa.array([row["word"]]), pa.array([prefix]))
    if row["eos_on_input"] == "yes":
        ids, lengths = np.append(ids, np.array([[EOS]], np.int32), axis=1), lengths + 1
    chunk = TokenizedChunk(np.zeros(1, np.int64), ids, lengths)
    (finished,) = decode_stream(engine, engine.shapes.longest, [chunk])
    pron: str = text_of(finished.out.ids)[0][0].as_py()
    return pron


def _cut_like(pron: str, source: str) -> str:
    """Cut a pronunciation where the publisher's cap did: a cap of N tokens left N-1 bytes behind the start token."""
    cap = re.search(r"cap (\d+)", source)
    return pron.encode()[: int(cap[1]) - 1].decode(errors="ignore") if cap else pron
