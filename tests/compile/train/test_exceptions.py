"""A model and its exceptions give back what it was trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from g2p_batch.api import G2P
from g2p_batch.evaluation.reference import REFERENCE
from g2p_batch.model.contract import EXCEPTIONS
from g2p_compile.check.transformers_reference import answers, load_reference
from g2p_compile.train import exceptions as made
from g2p_compile.train.network import Network
from g2p_compile.train.save import WEIGHTS
from g2p_compile.train.training import BEST, LAST
from tests.helpers.fake_model import CONTRACT
from tests.helpers.training import lexicon, quick, toy


def test_a_barely_trained_model_says_its_whole_lexicon(tmp_path: Path) -> None:
    letters = "abcdefghijkl"
    rows = [("ita", f"{a}{b}", f"{a}ː{b}") for a in letters for b in letters]
    rows += [("ita", "Roma", "roːma"), ("ita", "roma", "rɔma"), ("ita", "via", "vi.a, vja"), ("pol", "Żar", "ʐar")]
    rows += [("pol", "żar", "ʐar"), ("eng-us", "the", "ðə, ði")]
    ran = quick(lexicon(tmp_path / "a.tsv", rows), tmp_path / "run")
    assert ran.exit_code == 0, ran.output
    assert "as the lexicon does: it looks them up." in ran.output
    model = str(tmp_path / "run" / LAST / "model.toml")
    asked = {"ita": [word for lang, word, _ in rows if lang == "ita"], "pol": ["Żar", "żar"], "eng-us": ["the"]}
    truth = {(lang, word): pron.split(", ")[0] if lang == "eng-us" else pron for lang, word, pron in rows}
    whole, alone = (G2P(model, dictionary=dictionary) for dictionary in (True, False))
    for lang, words in asked.items():
        assert whole(words, lang=lang) == [truth[lang, word] for word in words]
    assert alone(asked["ita"], lang="ita") != [truth["ita", word] for word in asked["ita"]]
    held = pq.read_table(tmp_path / "run" / LAST / EXCEPTIONS)
    assert [row["pron"] for row in held.to_pylist() if row["word"] == "the"] == ["ðə", "ði"]


def test_weights_that_are_both_last_and_best_are_gone_through_once(tmp_path: Path) -> None:
    last, best = tmp_path / "run" / LAST, tmp_path / "run" / BEST
    ran = quick(toy(tmp_path / "a.tsv"), tmp_path / "run", "--hold-out", "2")
    assert ran.exit_code == 0, ran.output
    assert ran.output.count("it looks them up.") == 1
    assert (best / EXCEPTIONS).read_bytes() == (last / EXCEPTIONS).read_bytes()
    (best / EXCEPTIONS).unlink()
    (best / WEIGHTS).write_bytes((best / WEIGHTS).read_bytes()[:-1] + b"x")
    assert not made.share_exceptions(last, best)
    assert not (best / EXCEPTIONS).exists()


def test_words_are_kept_where_they_are_asked_like_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("ita", "Roma", ["roːma"]), ("ita", "roma", ["rɔma"]), ("ita", "Pisa", ["piːza"]), ("pol", "Roma", ["r"])]
    words = pa.table(dict(zip(REFERENCE.names, zip(*rows, strict=True), strict=True)), schema=REFERENCE)
    monkeypatch.setattr(made, "leads", lambda *_: np.array([9.0, -1.0, 9.0, 9.0], np.float32))
    small = replace(CONTRACT, alphabets={tag: dict.fromkeys("aimoprs", 1) for tag in ("ita", "pol")})
    found = made.exceptions(None, "cpu", words, small)  # type: ignore[arg-type]
    assert [tuple(row.values()) for row in found.to_pylist()] == [("ita", "Roma", "roːma"), ("ita", "roma", "rɔma")]
    kept = made.exceptions(None, "cpu", words, CONTRACT)  # type: ignore[arg-type]
    assert kept["word"].to_pylist() == ["roma"]


def test_a_lead_is_the_margin_of_greedy_decoding_or_below_zero_where_it_says_otherwise() -> None:
    checkpoint = load_reference("bundled")
    words = ["hello", "through", "a", "antidisestablishmentarianism", "kind", "lead"]
    langs = ["eng-us"] * 4 + ["dut", "dut"]
    said = answers(checkpoint, words, langs)
    network = Network(checkpoint.model, torch.float32, checkpoint.contract.geometry.logit_scale)
    asked, tags = pa.array(words), pa.array(langs)
    right, wrong = (
        made.leads(network, "cpu", asked, tags, pa.array([answer.pron + more for answer in said]), checkpoint.contract)
        for more in ("", "z")
    )
    np.testing.assert_allclose(right, [answer.margin for answer in said], atol=1e-3)
    assert (wrong < 0).all()
