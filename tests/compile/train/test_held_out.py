"""The words that no training of a bundled checkpoint may see."""

import hashlib
import re
from collections import Counter

import pyarrow.parquet as pq

from g2p_batch.model.shipped import shipped


def test_the_list_is_the_one_that_was_drawn() -> None:
    words = pq.read_table(shipped("golden/held-out.parquet"))
    pairs = list(zip(words["lang"].to_pylist(), words["word"].to_pylist(), strict=True))
    assert pairs == sorted(set(pairs))
    counts = Counter(lang for lang, _ in pairs)
    assert (len(counts), set(counts.values())) == (97, {500})
    digest = hashlib.sha256("".join(f"{lang}\t{word}\n" for lang, word in pairs).encode()).hexdigest()
    (named,) = re.findall(r"[0-9a-f]{64}", shipped("golden/README.md").read_text(encoding="utf-8"))
    assert digest == named
