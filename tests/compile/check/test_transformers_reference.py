"""The reference keeps the contract: prefix, no EOS on the input, greedy, one cap."""

import math

import pytest
import torch

from g2p_batch.model.ids import EOS
from g2p_compile.check.transformers_reference import answers, generate, load_reference, reference_g2p, source_ids
from g2p_compile.export.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_reference("bundled")


def test_the_source_is_prefix_and_word_in_bytes_without_eos(bundled: Checkpoint) -> None:
    assert source_ids(bundled.contract, "né", "fra") == [byte + 3 for byte in "<fra>: né".encode()]


@pytest.mark.parametrize(
    ("lang", "word", "pron"),
    [("eng-us", "hello", "ˈhɛɫoʊ"), ("spa", "abstemia", "abstemja"), ("gre", "π", "pe"), ("ita", "gatto", "ɡatto")],
)
def test_known_words_of_the_bundled_checkpoint(bundled: Checkpoint, lang: str, word: str, pron: str) -> None:
    assert reference_g2p([word], lang, bundled) == [pron]


def test_answers_come_in_the_order_of_the_words_whatever_the_batch(bundled: Checkpoint) -> None:
    words = ["pronunciation", "a", "lexicon", "I", "world"]
    langs = ["eng-us"] * len(words)
    one, many = answers(bundled, words, langs, batch=1), answers(bundled, words, langs, batch=3)
    assert [a.pron for a in one] == [a.pron for a in many] == [reference_g2p([w], "eng-us", bundled)[0] for w in words]
    assert [a.logprob for a in one] == pytest.approx([a.logprob for a in many], abs=1e-4)


def test_the_score_is_the_log_probability_of_the_tokens_with_their_eos(bundled: Checkpoint) -> None:
    source = source_ids(bundled.contract, "world", "eng-us")
    tokens = generate(bundled, [source]).sequences[0, 1:]
    assert tokens[-1] == EOS
    with torch.inference_mode():
        logits = bundled.model(
            input_ids=torch.tensor([source]),
            decoder_input_ids=torch.cat([torch.zeros(1, dtype=torch.long), tokens[:-1]])[None],
        ).logits[0]
    best = logits.topk(2).values
    (answer,) = answers(bundled, ["world"], ["eng-us"])
    assert answer.logprob == pytest.approx(float(logits.log_softmax(-1).gather(1, tokens[:, None]).sum()), abs=1e-4)
    assert answer.margin == pytest.approx(float((best[:, 0] - best[:, 1]).min()), abs=1e-4)
    assert math.isfinite(answer.margin)
