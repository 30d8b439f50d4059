"""The order of training: a function of the seed alone, from any point of it."""

from collections import Counter
from collections.abc import Mapping
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.model.ids import EOS, START
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.train.batches import IGNORED, Batch, Cursor, Mix, batches, shares
from g2p_compile.train.data import Examples
from tests.helpers.training import lexicon, prepared, texts


def mixed(tmp_path: Path) -> Examples:
    rows = [("ita", f"a{'b' * (i % 9)}{i}", f"ɑ{i}") for i in range(60)]
    rows += [("pol", f"ż{i}", "ʐ" * (1 + i % 5)) for i in range(7)]
    return prepared(lexicon(tmp_path / "a.tsv", rows)).lexicon.examples


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return mixed(tmp_path_factory.mktemp("mixed"))


def said(batch: Batch) -> list[tuple[str, str]]:
    asked = detokenize(np.where(batch.sources == 0, EOS, batch.sources).astype(np.int32))[0].to_pylist()
    return list(zip(asked, detokenize(batch.labels.astype(np.int32))[0].to_pylist(), strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**40), tokens=st.integers(60, 600), taken=st.integers(0, 90))
def test_training_goes_on_from_any_place_as_if_it_had_not_stopped(
    examples: Examples, seed: int, tokens: int, taken: int
) -> None:
    mix = Mix(seed, tokens, hidden=0.3)
    straight = list(islice(batches(examples, mix), taken + 40))
    cursor = straight[taken - 1][1] if taken else Cursor()
    again = islice(batches(examples, mix, cursor), 40)
    for (batch, here), (other, there) in zip(straight[taken:], again, strict=True):
        assert here == there
        assert all(
            np.array_equal(getattr(batch, name), getattr(other, name)) for name in ("sources", "inputs", "labels")
        )
        assert batch.sources.size + batch.labels.size <= tokens


def test_batches_hold_prefix_word_and_pronunciation_and_each_example_comes_once_a_round(examples: Examples) -> None:
    wanted = {(prefix + word, pron) for prefix, word, pron in texts(examples)}
    seen: Counter[tuple[str, str]] = Counter()
    for batch, cursor in batches(examples, Mix(batch_tokens=400, balance=1.0)):
        assert np.array_equal(batch.inputs[:, 0], np.full(len(batch.inputs), START))
        labels = batch.labels[:, :-1]
        assert np.array_equal(batch.inputs[:, 1:], np.where(labels == IGNORED, 0, labels))
        assert np.array_equal((batch.labels == EOS).sum(1), np.ones(len(batch.labels)))
        if cursor.pool:
            break
        seen.update(said(batch))
    assert set(seen) == wanted
    for tag in ("<ita>", "<pol>"):
        times = {count for (asked, _), count in seen.items() if asked.startswith(tag)}
        assert max(times) - min(times) <= 1


def asked_in_pools(examples: Examples, mix: Mix) -> list[str]:
    """Return the sources of three pools, whole: a part of one is chosen by length, and so by language."""
    whole = takewhile(lambda found: found[1].pool < 3, batches(examples, mix))
    return [asked for batch, _ in whole for asked, _ in said(batch)]


@pytest.mark.parametrize(
    ("balance", "weights", "share"), [(1.0, {}, 60 / 67), (0.0, {}, 0.5), (0.0, {"ita": 3.0}, 0.75), (0.5, {}, 0.745)]
)
def test_languages_are_drawn_by_size_balance_and_weight(
    examples: Examples, balance: float, weights: Mapping[str, float], share: float
) -> None:
    mix = Mix(balance=balance, weights=weights, batch_tokens=2000)
    assert shares(examples, mix)[0] == pytest.approx(share, abs=1e-3)
    drawn = [asked.startswith("<ita>") for asked in asked_in_pools(examples, mix)]
    assert np.mean(drawn) == pytest.approx(share, abs=0.03)


def test_a_share_of_the_examples_hides_its_tag(examples: Examples) -> None:
    mix = Mix(hidden=0.25, batch_tokens=2000)
    asked = asked_in_pools(examples, mix)
    assert np.mean([text.startswith("<unk>: ") for text in asked]) == pytest.approx(0.25, abs=0.03)
