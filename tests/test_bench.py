"""The benchmark's subjects compute what they claim, and its report says what was measured; no test looks at a clock."""

import json

import pyarrow as pa
import pytest
import torch

from g2p_batch.errors import UsageError
from g2p_batch.models import Request
from g2p_compile.bench import Line, Options, Report, Subject, bench
from g2p_compile.reference import answers, load_reference
from g2p_compile.widen import SHAPES, random_checkpoint, widen

WORDS = pa.table({"word": ["hello", "gatto", "π", "lexicon"], "lang": ["eng-us", "ita", "gre", "eng-us"]})


def quiet(_: str) -> None:
    pass


@pytest.mark.parametrize("shape", ["tiny_8", "tiny_12", "tiny_16"])
def test_a_widened_checkpoint_gives_the_same_strings_in_the_shape_asked_for(shape: str) -> None:
    source = load_reference("bundled")
    wide = widen(source, shape)
    assert len(wide.model.encoder.block) == SHAPES[shape]["encoder_layers"]
    assert wide.model.encoder.block[-1].layer[-1].DenseReluDense.wi_0.out_features == SHAPES[shape]["d_ff"]
    words, langs = WORDS["word"].to_pylist(), WORDS["lang"].to_pylist()
    assert [a.pron for a in answers(wide, words, langs)] == [a.pron for a in answers(source, words, langs)]


def test_a_random_checkpoint_is_the_same_for_the_same_seed() -> None:
    source = load_reference("bundled")
    one, two, other = (random_checkpoint(source, "tiny_8", seed) for seed in (1, 1, 2))
    assert torch.equal(one.model.shared.weight, two.model.shared.weight)
    assert not torch.equal(one.model.shared.weight, other.model.shared.weight)


def test_all_contestants_run_on_all_subjects_and_agree() -> None:
    report = bench(Request(), Options(WORDS, ("random:tiny_8",), rounds=1, workers=2, forced_steps=5), quiet)
    assert [subject.name for subject in report.subjects] == ["bundled", "random tiny_8, 5 tokens a word"]
    for subject in report.subjects:
        assert [line.name for line in subject.lines] == ["g2p-batch", "transformers"]
        assert [line.same_strings for line in subject.lines] == [4, 4]
        assert all(line.words_per_s > 0 and len(line.rounds) == 1 for line in subject.lines)
    raw = json.loads(report.to_json())
    assert raw["subjects"][0]["lines"][1]["name"] == "transformers"


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="'huge' is no shape: give one of tiny_8"):
        bench(Request(), Options(WORDS, ("huge",), rounds=1), quiet)


def test_the_table_gives_medians_and_the_ratio_to_each_peer() -> None:
    lines = (
        Line("g2p-batch", 2000.0, (1900.0, 2000.0, 2100.0), 4.0, 10, "float32"),
        Line("transformers", 400.0, (390.0, 400.0, 410.0), 25.0, 9, "float32 batch 64"),
    )
    text = Report("A CPU (2 cores)", 2, (Subject("bundled", 10, lines),)).to_text()
    assert text.splitlines() == [
        "A CPU (2 cores), 2 workers; words/s are medians of interleaved rounds",
        "",
        "bundled, 10 words",
        "                                      words/s  slowest  fastest  ours is   one word    same",
        "  g2p-batch float32                     2,000    1,900    2,100    1.00x     4.0 ms 100.00%",
        "  transformers float32 batch 64           400      390      410    5.00x    25.0 ms  90.00%",
    ]
