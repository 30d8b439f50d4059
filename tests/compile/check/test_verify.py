"""Verification on the bundled model: it passes on the truth, and fails on anything else."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from g2p_batch.errors import ModelError
from g2p_batch.model.compiled_engine import Caches
from g2p_batch.model.contract import load_contract
from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import Float32, Int32
from g2p_batch.model.resolve import find_model
from g2p_batch.model.shipped import BUNDLED, shipped
from g2p_compile.check import verify as module
from g2p_compile.check.golden import find_golden, read_tsv
from g2p_compile.check.planned_words import planned
from g2p_compile.check.verify import Verified, prefix_form, published, several_pronunciations, verify

SOME = slice(0, 887, 18)


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def engine() -> CpuEngine:
    return Artifact(find_model("bundled", quiet).compile(quiet)).engine()


@pytest.fixture(scope="module")
def whole() -> Verified:
    return verify(find_model("bundled", quiet), quiet)


def test_every_golden_word_of_the_bundled_model_is_exact_cached_and_cacheless(whole: Verified) -> None:
    notes = {check.name: (check.held, check.note) for check in whole.checks}
    assert notes["golden words, cached"] == (True, "887 of 887 strings the same")
    assert notes["golden words, cacheless"] == (True, "887 of 887 strings the same")
    assert whole.held


def test_transformers_gives_the_same_strings_and_scores(whole: Verified) -> None:
    (check,) = [check for check in whole.checks if check.name == "transformers"]
    assert check.held, check.differences
    assert check.note.startswith("887 of 887 strings the same, log-probabilities within")


def test_a_search_goes_by_what_greedy_decoding_and_transformers_say(whole: Verified) -> None:
    best, others = [check for check in whole.checks if check.name.startswith("several pronunciations")]
    assert re.fullmatch(r"([\d,]+) of \1 are greedy decoding's, bit by bit", best.note)
    assert best.held
    assert others.held
    assert others.note.endswith("at most 0.0001")


class Off(CpuEngine):
    """An engine whose search goes by something else: another best score, or no second best token."""

    def __init__(self, engine: CpuEngine, second: bool) -> None:
        vars(self).update(vars(engine))
        self.second = second

    def extend(self, cache: Caches, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        tokens, logprob = super().extend(cache, rows, source)
        tokens, logprob = tokens.copy(), logprob.copy()
        if self.second:  # the second best token is left out
            tokens[:, 1:-1], logprob[:, 1:-1] = tokens[:, 2:].copy(), logprob[:, 2:].copy()
        else:
            logprob[:, 0] = np.nextafter(logprob[:, 0], np.float32(-1))
        return tokens, logprob


@pytest.mark.parametrize(("second", "held"), [(False, (False, True)), (True, (True, False))])
def test_a_search_that_goes_by_anything_else_fails(engine: CpuEngine, second: bool, held: tuple[bool, bool]) -> None:
    table = read_tsv(shipped("golden/bundled/words.tsv"))
    words = planned(table["word"].to_pylist()[SOME], table["lang"].to_pylist()[SOME], engine.contract)
    checks = several_pronunciations(Off(engine, second), "bundled", words)
    assert tuple(check.held for check in checks) == held
    (failed,) = [check for check in checks if not check.held]
    assert failed.differences
    assert len(failed.differences) <= 64


def test_a_model_that_cannot_be_searched_skips_what_a_search_goes_by(engine: CpuEngine) -> None:
    older = CpuEngine(engine._manifest, engine._functions, {}, dict.fromkeys(engine._manifest.tensors))
    checks = several_pronunciations(older, "bundled", pa.table({"word": [], "lang": [], "src_bytes": []}))
    assert [check.held for check in checks] == [None, None]


def test_a_wrong_golden_word_is_listed_with_its_margin_and_fails(
    engine: CpuEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = find_golden(engine.contract)
    assert golden is not None
    table = golden.words.slice(0, 3)
    wrong = table.set_column(2, "pron", pa.array(["wrong", *table["pron"].to_pylist()[1:]]))
    cached, cacheless = module._golden(engine, replace(golden, words=wrong))
    assert not cached.held
    assert not cacheless.held
    first = table.slice(0, 1).to_pylist()[0]
    assert cached.differences == (
        f"{first['lang']} {first['word']}: {first['pron']!r}, reference 'wrong' (least margin {first['margin']:.4f})",
    )
    text = Verified("bundled", (cached,)).to_text()
    assert text.startswith("FAIL  golden words, cached: 2 of 3 strings the same\n      ")


def test_the_golden_set_is_large_and_covers_every_bundled_language() -> None:
    golden = find_golden(load_contract(BUNDLED))
    assert golden is not None
    assert len(golden.words) >= 600
    assert set(golden.words["lang"].to_pylist()) == set(load_contract(BUNDLED).languages)
    facts = json.loads((golden.folder / "contract.json").read_text(encoding="utf-8"))
    assert facts["prefix"] == load_contract(BUNDLED).prefix
    assert facts["eos_on_input"] is False


def test_the_prefix_form_that_the_checkpoint_was_trained_with_is_told(engine: CpuEngine) -> None:
    table = read_tsv(shipped("golden/bundled/words.tsv"))
    words, langs = table["word"].to_pylist()[SOME], table["lang"].to_pylist()[SOME]
    check = prefix_form(engine, engine.contract, words, langs)
    assert check.held
    assert check.note.startswith("trained with 'space'")
    other = replace(engine.contract, prefix="none")
    check = prefix_form(engine, other, words, langs)
    assert check.held is False
    assert check.note.endswith("the contract says 'none'")


def test_published_results_are_skipped_with_their_reason_without_those_weights(engine: CpuEngine) -> None:
    check = published(engine, engine.contract)
    assert (check.held, check.note) == (None, "none are known for this checkpoint")


def test_published_results_are_asked_for_by_a_local_folder_of_the_checkpoints_name(engine: CpuEngine) -> None:
    named = replace(engine.contract, checkpoint="g2p_multilingual_byT5_tiny_16_layers_100")
    check = published(engine, named)
    rows = [
        r for r in read_tsv(shipped("golden/published.tsv")).to_pylist() if r["checkpoint"].endswith("_16_layers_100")
    ]
    assert check.note.endswith(f"of {len(rows)} the same")
    assert check.held is False  # these are another checkpoint's weights


@pytest.mark.parametrize(
    ("pron", "source", "cut"),
    [
        ("ˌɹɛpɹəzɛnˈteɪʃn̩", "upstream issue 11, cap 20: shows truncation at 19 bytes", "ˌɹɛpɹəzɛnˈte"),
        ("ˈhɛɫoʊ", "third-party ONNX fp32, greedy, cap 128", "ˈhɛɫoʊ"),
        ("ˈhɛɫoʊ", "no limit", "ˈhɛɫoʊ"),
    ],
)
def test_a_published_cap_cuts_our_string_where_it_cut_theirs(pron: str, source: str, cut: str) -> None:
    assert module._cut_like(pron, source) == cut


@pytest.mark.hub
def test_the_upstream_checkpoint_gives_what_was_published() -> None:
    hub_id = "charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
    try:
        found = verify(find_model(os.environ.get("G2P_BATCH_CHARSIU", hub_id), quiet), quiet)
    except ModelError as reason:
        pytest.skip(f"set G2P_BATCH_CHARSIU to a local folder of that name: {reason}")
    (check,) = [check for check in found.checks if check.name == "published results"]
    assert check.held, check.differences
