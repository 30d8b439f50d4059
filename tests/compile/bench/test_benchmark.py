"""The benchmark's subjects compute what they claim, and its figures are the words'. No test looks at a clock."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from g2p_batch.api import G2P
from g2p_batch.errors import UsageError
from g2p_batch.model.resolve import find_model
from g2p_batch.model.threaded import Answers
from g2p_compile.bench import Missed, Options, Skipped, Variants, bench, ceiling
from g2p_compile.bench.contest import Truth
from g2p_compile.bench.flops import Work, model_flops
from g2p_compile.bench.ground import GROUNDS
from g2p_compile.bench.peers import ALWAYS, PeerEntry
from g2p_compile.bench.profile import tokens_of
from g2p_compile.bench.race import Texts
from g2p_compile.check.transformers_reference import answers, load_reference
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.widen import SHAPES, random_checkpoint, widen

WORDS, LANGS = ["hello", "gatto", "π", "Straße"], ["eng-us", "ita", "gre", "ger"]
TABLE = pa.table({"word": WORDS, "lang": LANGS})


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_reference("bundled")


@pytest.mark.parametrize("shape", ["tiny_8", "tiny_12", "tiny_16"])
def test_a_widened_checkpoint_gives_the_same_strings_in_the_shape_asked_for(bundled: Checkpoint, shape: str) -> None:
    wide = widen(bundled, shape)
    assert len(wide.model.encoder.block) == SHAPES[shape]["encoder_layers"]
    assert wide.model.encoder.block[-1].layer[-1].DenseReluDense.wi_0.out_features == SHAPES[shape]["d_ff"]
    found, wanted = (answers(checkpoint, WORDS, LANGS) for checkpoint in (wide, bundled))
    assert [a.pron for a in found] == [a.pron for a in wanted]


def test_what_is_added_to_a_widened_checkpoint_is_no_zero_but_where_it_must_not_be_heard(bundled: Checkpoint) -> None:
    wide = widen(bundled, "tiny_16").model
    added = wide.encoder.block[-1]
    attention, dense = added.layer[0].SelfAttention, added.layer[-1].DenseReluDense
    for heard in (attention.o, dense.wo):
        assert not heard.weight.detach().any()
    for weight in (attention.q.weight, attention.k.weight, attention.v.weight, dense.wi_0.weight, dense.wi_1.weight):
        assert weight.count_nonzero() > 0.99 * weight.numel()
    assert attention.v.weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    assert attention.q.weight.std().item() == pytest.approx(256**-0.5 * 64**-0.5, rel=0.02)
    assert wide.decoder.block[0].layer[1].EncDecAttention.q.weight[-1].std().item() == pytest.approx(1 / 128, rel=0.2)


def test_a_random_checkpoint_is_the_same_for_the_same_seed(bundled: Checkpoint) -> None:
    one, two, other = (random_checkpoint(bundled, "tiny_8", seed) for seed in (1, 1, 2))
    assert torch.equal(one.model.shared.weight, two.model.shared.weight)
    assert not torch.equal(one.model.shared.weight, other.model.shared.weight)


def test_all_contestants_run_on_all_subjects_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "_TRIALS", 1)
    report = bench(
        find_model("bundled", quiet), Options(TABLE, ("random:tiny_8",), rounds=1, workers=1, forced_steps=5), quiet
    )
    assert [subject.name for subject in report.subjects] == ["bundled", "random tiny_8, 5 tokens a word"]
    for subject in report.subjects:
        assert [line.name for line in subject.lines] == ["g2p-batch", "transformers"]
        assert [line.same_strings for line in subject.lines] == [4, 4]
        assert all(line.words_per_s > 0 and len(line.rounds) == 1 for line in subject.lines)
        assert (subject.skipped, subject.work.words) == ((), 4)
        assert subject.cost.artifact_bytes > 1e6
        assert 0 < subject.profile.encoder.share <= 1
        assert 0 < subject.profile.decoder.share <= 1
    # Prefixes like "<ita>: " are seven bytes, "<eng-us>: " is ten; ß and π are two each.
    assert report.subjects[1].work == Work.of(np.array([15, 12, 9, 14], np.int32), np.full(4, 5))
    raw = json.loads(report.to_json())
    assert raw["subjects"][0]["lines"][1]["name"] == "transformers"
    assert raw["ceilings"]["float32"] > 1e8


class Misled:
    """A peer that finds what is true, but for some words."""

    name, dtype, settings = "Misled", "float32", ("its only one",)

    def __init__(self, variants: int) -> None:
        found = G2P(variants=variants, min_share=0, dictionary=False)(WORDS, LANGS)
        self.said = dict(zip(WORDS, (tuple(pron for pron, _ in one) for one in found), strict=True))
        best, second, third = self.said["gatto"]
        self.said["gatto"] = best, third, second
        self.said["π"] = *self.said["π"][:2], "another"
        self.said["Straße"] = "another", *self.said["Straße"][1:]

    def run(self, _: str, words: list[str], _langs: list[str]) -> list[Texts]:
        return [self.said[word] for word in words]


def test_a_race_for_several_outputs_tells_what_a_peer_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    misled = PeerEntry("Misled", (), lambda checkpoint, threads, folder, variants: Misled(variants))
    greedy = PeerEntry("Greedy", (), lambda *_: None, greedy_only="it is greedy")
    cpu = replace(GROUNDS["cpu"], always=(*ALWAYS, misled), others=(greedy,))
    monkeypatch.setitem(GROUNDS, "cpu", cpu)
    options = Options(TABLE, rounds=2, workers=2, peers=True, variants=3)
    report = bench(find_model("bundled", quiet), options, quiet)
    (subject,) = report.subjects
    names = ["g2p-batch", "g2p-batch all", "g2p-batch greedy", "transformers", "Misled"]
    assert [line.name for line in subject.lines] == names
    assert [line.same_strings for line in subject.lines] == [4, 4, 4, 4, 3]
    assert all(line.words_per_s > 0 and len(line.rounds) == 2 for line in subject.lines)
    assert [line.missed for line in subject.lines[:3]] == [None] * 3
    assert subject.lines[3].missed.best == 0
    assert subject.lines[4].missed == Missed(best=1, lists=3, sets=2)
    assert subject.variants == Variants(asked=3, min_share=0.01, proven=4, all_proven=4)
    assert subject.skipped == (Skipped("Greedy", "it is greedy"),)
    assert (subject.profile, report.ceilings, report.of_peak(subject, subject.lines[0])) == (None, {}, None)


def test_only_proven_words_count() -> None:
    truth = Truth([("a", "b"), ("c", "d"), ("e",)], proven=[0, 2])
    assert truth.missed([("a", "b"), ("x", "y"), ("e",)]) == Missed(0, 0, 0)
    assert truth.missed([("b", "a"), ("c", "d"), ("e", "f")]) == Missed(best=1, lists=2, sets=1)
    assert truth.missed([("a",), ("c", "d"), ("f",)]) == Missed(best=1, lists=2, sets=2)


def test_random_weights_take_no_part_in_a_race_for_several_outputs() -> None:
    options = Options(TABLE, ("tiny_8", "random:tiny_8"), rounds=1, variants=4)
    with pytest.raises(UsageError, match="'random:tiny_8' has no outputs that are more probable than others: leave"):
        bench(find_model("bundled", quiet), options, quiet)


def test_an_unknown_shape_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UsageError, match="'huge' is no shape: give one of tiny_8"):
        bench(find_model("bundled", quiet), Options(TABLE, ("huge",), rounds=1), quiet)


def test_the_arithmetic_of_a_model_is_that_of_its_matrix_products(bundled: Checkpoint) -> None:
    geometry = replace(
        bundled.contract.geometry,
        **{"d_model": 4, "d_ff": 8, "d_kv": 3, "heads": 2, "encoder_layers": 2, "decoder_layers": 1, "vocab": 16},
    )
    # One word of 3 bytes and 2 tokens. Projections 4 x 6, four of them: 192 operations; gated feed-forward 192.
    encoder = 2 * (3 * (192 + 192) + 3 * 3 * 24)
    cross_keys_values = 3 * 96
    decoder = 2 * (192 + 96 + 192) + (1 + 2) * 24 + 2 * 3 * 24
    head = 2 * 128
    work = Work.of(np.array([3], np.int32), np.array([2]))
    assert work == Work(words=1, source=3, source_pairs=9, tokens=2, token_pairs=3, crossed=6)
    assert model_flops(geometry, work) == encoder + cross_keys_values + decoder + head
    plain = replace(geometry, gated=False)
    assert model_flops(geometry, work) - model_flops(plain, work) == (2 * 3 + 2) * 64


def test_the_tokens_of_an_answer_are_its_bytes_and_its_end_unless_it_was_cut() -> None:
    answers = Answers(
        pa.array(["oː", "", "ɑɑ"]), np.zeros(3, np.float32), np.array([0, 0, 1], bool), *[np.zeros(3, bool)] * 2
    )
    assert tokens_of(answers, limit=4).tolist() == [4, 1, 4]
