"""Prove a compiled model: golden words, the reference, the cacheless loop, published results, the prefix form."""

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.contract import Contract, DType, Prefix
from g2p_batch.model.cpu_engine import CpuEngine
from g2p_batch.model.greedy import Decoded, decode
from g2p_batch.model.resolve import Request, open_model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.tokenizer import EOS, START, Float32, Int32, detokenize, tokenize
from g2p_compile.build.bind import cacheless_words
from g2p_compile.check.golden import GoldenSet, find_golden, read_tsv

AGREEMENT: dict[DType, float] = {"float32": 1.0, "float16": 0.99, "bfloat16": 0.97, "int8": 0.9}
"""Least share of strings that must be the reference's; the golden list is harder than ordinary words are."""

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


@dataclass(frozen=True)
class Sources:
    """Tokenised words, with what they came from."""

    words: Sequence[str]
    langs: Sequence[str]
    ids: Int32
    lengths: Int32


def verify(request: Request, say: Callable[[str], None], words: pa.Table | None = None) -> Verified:
    """Run every check that the model and this machine allow.

    Args:
        request: the model, and how it is compiled.
        say: told when something takes time.
        words: columns word and lang: compared with the reference instead of the golden words.

    Raises:
        G2PError: the model cannot be loaded or compiled.
    """
    artifact = open_model(request, say)
    engine, contract = artifact.engine(), artifact.manifest.contract
    golden = find_golden(contract)
    checks = [*_golden(engine, golden)] if golden else [_skip("golden words", "the project has none for this model")]
    table = words if words is not None else golden.words if golden else None
    if table is not None:
        sources = sources_of(contract, table["word"].to_pylist(), table["lang"].to_pylist())
        checks += [_reference(engine, request.model, sources, say), prefix_form(engine, contract, sources)]
    checks.append(published(engine, contract))
    return Verified(contract.name, tuple(checks))


def _skip(name: str, reason: str) -> Check:
    return Check(name, None, reason)


def sources_of(contract: Contract, words: Sequence[str], langs: Sequence[str]) -> Sources:
    """Tokenise words under a contract."""
    prefixes = pa.array([contract.prefix_for(lang) for lang in langs], pa.string())
    return Sources(words, langs, *tokenize(pa.array(words, pa.string()), prefixes))


def _strings(decoded: Decoded) -> list[str]:
    prons: list[str] = detokenize(decoded.ids)[0].to_pylist()
    return prons


def _differences(sources: Sources, wanted: Sequence[str], got: Sequence[str], margins: Sequence[float]) -> list[str]:
    rows = zip(sources.langs, sources.words, wanted, got, margins, strict=True)
    return [
        f"{lang} {word}: {ours!r}, reference {theirs!r} (least margin {margin:.4f})"
        for lang, word, theirs, ours, margin in rows
        if ours != theirs
    ]


def _compare(
    name: str, sources: Sources, wanted: list[str], got: list[str], margins: list[float], share: float, extra: str = ""
) -> Check:
    """Check that at least a share of the strings is the same."""
    differences = _differences(sources, wanted, got, margins)
    same = len(got) - len(differences)
    note = f"{same:,} of {len(got):,} strings the same{extra}"
    return Check(name, same >= share * len(got), note, tuple(differences))


def _golden(engine: CompiledEngine, golden: GoldenSet) -> list[Check]:
    table = golden.words
    sources = sources_of(engine.contract, table["word"].to_pylist(), table["lang"].to_pylist())
    wanted, margins = table["pron"].to_pylist(), table["margin"].to_pylist()
    share = AGREEMENT[engine.dtype]
    cached = _strings(decode(engine, sources.ids, sources.lengths))
    checks = [_compare("golden words, cached", sources, wanted, cached, margins, share)]
    if not isinstance(engine, CpuEngine):
        return [*checks, _skip("golden words, cacheless", "only CPUs have this check")]
    plain = decode_cacheless(engine, sources.ids, sources.lengths)
    return [*checks, _compare("golden words, cacheless", sources, wanted, plain, margins, share)]


def decode_cacheless(engine: CpuEngine, ids: Int32, lengths: Int32) -> list[str]:
    """Decode words by recomputing all tokens at every step: slow, and independent of caches and decoder attention."""
    bucket = engine.shapes.longest
    order = np.argsort(lengths, kind="stable")
    prons = np.empty(len(order), object)
    words = cacheless_words(engine.shapes)
    for start in range(0, len(order), words):
        part = order[start : start + words]
        source = np.ascontiguousarray(ids[part, : lengths[part].max()])
        hidden = engine.encode(bucket, source, lengths[part])
        tokens = np.full((len(part), 1), START, np.int32)
        while tokens.shape[1] <= bucket.target_bytes and not (tokens[:, 1:] == EOS).any(axis=1).all():
            logits = engine.recompute(np.ascontiguousarray(tokens), hidden, lengths[part])
            tokens = np.concatenate([tokens, logits[:, -1:].argmax(axis=2).astype(np.int32)], axis=1)
        prons[part] = detokenize(np.ascontiguousarray(tokens[:, 1:]))[0].to_pylist()
    return list(prons)


def _reference(engine: CompiledEngine, model: str, sources: Sources, say: Callable[[str], None]) -> Check:
    name = "transformers"
    if not (importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")):
        return _skip(name, "not installed: `pip install 'g2p-batch[export]'`")
    from g2p_compile.check.transformers_reference import answers, load_reference

    if (Path(model) / "manifest.json").is_file():
        return _skip(name, "a compiled artifact does not hold the checkpoint: pass the checkpoint or its program")
    say(f"Asking transformers for {len(sources.words):,} words")
    wanted = answers(load_reference(model), sources.words, sources.langs)
    got = decode(engine, sources.ids, sources.lengths)
    away: Float32 = np.abs(got.logprob - np.array([answer.logprob for answer in wanted], np.float32))
    extra = f", log-probabilities within {away.max():.1e}, least margin {min(a.margin for a in wanted):.4f}"
    prons, margins = [a.pron for a in wanted], [a.margin for a in wanted]
    return _compare(name, sources, prons, _strings(got), margins, AGREEMENT[engine.dtype], extra)


def prefix_form(engine: CompiledEngine, contract: Contract, sources: Sources) -> Check:
    """Tell which prefix form the checkpoint was trained with: it is surer of its words under that one."""
    forms: tuple[Prefix, ...] = ("space", "none")
    mean = {}
    for form in forms:
        asked = sources_of(replace(contract, prefix=form), sources.words, sources.langs)
        keep = asked.lengths <= engine.shapes.longest.source_bytes
        mean[form] = float(decode(engine, asked.ids[keep], asked.lengths[keep]).logprob.mean())
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
        asked = sources_of(replace(contract, prefix=row["prefix"]), [row["word"]], [row["lang"]])
        ids, lengths = asked.ids, asked.lengths
        if row["eos_on_input"] == "yes":
            ids, lengths = np.append(ids, np.array([[EOS]], np.int32), axis=1), lengths + 1
        got = _cut_like(_strings(decode(engine, ids, lengths))[0], row["source"])
        if got != row["pron"]:
            differences.append(f"{row['lang']} {row['word']}: {got!r}, published {row['pron']!r} ({row['source']})")
            failed += "non-strict" not in row["source"]
    note = f"{len(rows) - len(differences)} of {len(rows)} the same"
    return Check(name, not failed, note, tuple(differences))


def _cut_like(pron: str, source: str) -> str:
    """Cut a pronunciation where the publisher's cap did: a cap of N tokens left N-1 bytes behind the start token."""
    cap = re.search(r"cap (\d+)", source)
    return pron.encode()[: int(cap[1]) - 1].decode(errors="ignore") if cap else pron
