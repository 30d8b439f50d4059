"""What spelling costs and gains on lists of yours: `python -m tests.lab.spelling_costs WORDS.parquet`.

WORDS has the columns word, lang and pron. Prints nanoseconds a word of `Spelling.ask`, on one core, of words as they
are, with a capital, in capitals and with a comma; and for languages whose alphabet has capitals how many words in
capitals the bundled model gets right when it is asked as they are, and in small letters.
"""

import argparse
import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch import G2P
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.words.spelling import Spelling
from g2p_batch.words.spelling.characters import lower

ALPHABETS = load_contract(BUNDLED).alphabets
BATCH, MOST = 65536, 300


def cost(words: pa.Array, langs: pa.Array) -> float:
    """Return nanoseconds a word, tables filled and spellings not remembered."""
    spelling = Spelling(ALPHABETS)
    spelling.ask(words.slice(0, 1000), langs.slice(0, 1000))
    started = time.perf_counter()
    for at in range(0, len(words), BATCH):
        spelling.ask(words.slice(at, BATCH), langs.slice(at, BATCH))
    return (time.perf_counter() - started) / len(words) * 1e9


def print_costs(table: pa.Table) -> None:
    words, langs = table["word"].combine_chunks(), table["lang"].combine_chunks().dictionary_encode()
    capital = pc.utf8_capitalize(words)
    ways = {
        "as they are": words,
        "with a capital": capital,
        "in capitals": pc.utf8_upper(words),
        "with a comma": pc.binary_join_element_wise(capital, ",", ""),
    }
    for way, texts in ways.items():
        print(f"{way}: {cost(texts, langs):,.0f} ns a word")  # noqa: T201


def print_gains(table: pa.Table) -> None:
    g2p, draw = G2P("bundled", spelling="off"), random.Random(1)
    for lang in sorted(tag for tag, alphabet in ALPHABETS.items() if any(map(str.isupper, alphabet))):
        rows = table.filter(pc.equal(table["lang"], lang)).to_pylist()
        prons = {row["word"]: row["pron"].split(",")[0] for row in rows}
        words = [word for word in prons if word.isupper() and len(word) > 1]
        words = draw.sample(words, min(MOST, len(words)))
        small = ["".join(lower(letter, lang) for letter in word) for word in words]
        right = [
            sum(said == prons[word] for said, word in zip(g2p(texts, lang), words, strict=True))
            for texts in (words, small)
        ]
        print(f"{lang}: {right[0]} of {len(words)} right as they are, {right[1]} in small letters")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path)
    table = pq.read_table(parser.parse_args().words, columns=["word", "lang", "pron"])
    table = table.set_column(1, "lang", table["lang"].cast(pa.string()))
    table = table.filter(pc.is_in(table["lang"], pa.array(sorted(ALPHABETS)))).combine_chunks()
    print_costs(table.slice(0, 20 * BATCH))
    print_gains(table)


if __name__ == "__main__":
    main()
