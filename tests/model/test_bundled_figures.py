"""What is said of the bundled model's quality is what was measured, of each of its languages."""

import json
import re

import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.model.contract import EXCEPTIONS, load_contract
from g2p_batch.model.shipped import BUNDLED, shipped

EVALUATION = json.loads(shipped("golden/bundled/evaluation.json").read_text(encoding="utf-8"))
CARD = (BUNDLED / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_every_language_was_measured_on_the_words_that_were_held_out() -> None:
    held = pq.read_table(shipped("golden/held-out.parquet"))
    counts = {row["values"]: row["counts"] for row in pc.value_counts(held["lang"]).to_pylist()}
    measured = {tag: rates["words"] for tag, rates in EVALUATION["languages"].items()}
    assert measured == {tag: counts[tag] for tag in load_contract(BUNDLED).languages}


def test_the_card_has_the_rates_that_were_measured() -> None:
    rows = re.findall(r"^\| ([a-z-]+) \| (\.\d+) / (\.\d+) / (\.\d+) \|", CARD, re.MULTILINE)
    found = {tag: [float(rate) for rate in rates] for tag, *rates in rows}
    digits = (("cer", 4), ("wer", 3), ("per", 4))
    assert found == {
        tag: [round(rates[name], places) for name, places in digits] for tag, rates in EVALUATION["languages"].items()
    }


def test_the_card_counts_the_exceptions() -> None:
    rows = pq.read_table(BUNDLED / EXCEPTIONS)
    words = len(rows.group_by(["lang", "word"]).aggregate([]))
    tags = len(pc.unique(rows["lang"]))
    assert re.search(rf"`docs/dictionary\.md`\): {words:,} of\s[\d,]+ words of {tags} languages", CARD)
