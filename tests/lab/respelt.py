"""Words that a model learnt, written as people write them: `python -m tests.lab.respelt --help`.

Every respelling has to be asked as the word is, and so gets its pronunciation; with `--decode` the model is asked too.
"""

import argparse
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from g2p_batch import G2P
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.words.filter import WordFilter
from g2p_batch.words.wordlist import ROWS
from tests.helpers.respellings import RESPELLINGS

Pair = tuple[str, str, str, str]
"""Language, word, respelling and its kind."""


def respellings(path: Path, count: int, seed: int) -> list[Pair]:
    """Return respellings of words of a Parquet file, at most `count`, of all kinds and languages alike."""
    alphabets = load_contract(BUNDLED).alphabets
    table = pq.read_table(path, columns=["lang", "word"])
    words: dict[str, list[str]] = {}
    for lang, word in zip(table["lang"].to_pylist(), table["word"].to_pylist(), strict=True):
        if lang in alphabets:
            words.setdefault(lang, []).append(word.strip())
    draw = random.Random(seed)
    pairs: list[Pair] = []
    for lang in sorted(words):
        draw.shuffle(words[lang])
        for kind, respell in RESPELLINGS.items():
            found = ((word, text) for word in words[lang] for text in respell(word, lang, alphabets[lang]))
            most = max(1, count // (len(words) * len(RESPELLINGS) // 2))
            pairs += [(lang, word, text, kind) for (word, text), _ in zip(found, range(most), strict=False)]
    draw.shuffle(pairs)
    return pairs[:count]


def asked(pairs: list[Pair]) -> list[tuple[str, str | None]]:
    """Return what is asked for words and for their respellings."""
    words = WordFilter(load_contract(BUNDLED))
    sides = []
    for column in (1, 2):
        texts, langs = [pair[column] for pair in pairs], [pair[0] for pair in pairs]
        rows = pa.record_batch([range(len(pairs)), texts, langs, [None] * len(pairs)], schema=ROWS)
        good = words(rows).good.to_pylist()
        by_row = {row["row"]: row["asked"] or row["word"] for row in good}
        sides.append([by_row.get(number) for number in range(len(pairs))])
    return [*zip(*sides, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path, help="Parquet with the columns lang and word")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decode", action="store_true")
    given = parser.parse_args()
    pairs = respellings(given.words, given.count, given.seed)
    wrong = [(*pair, *texts) for pair, texts in zip(pairs, asked(pairs), strict=True) if texts[0] != texts[1]]
    kinds, langs = {pair[3] for pair in pairs}, {pair[0] for pair in pairs}
    print(f"{len(pairs):,} respellings of {len(kinds)} kinds in {len(langs)} languages:")  # noqa: T201
    print(f"{len(wrong):,} are asked otherwise than the word {dict(Counter(row[3] for row in wrong))}")  # noqa: T201
    for row in wrong[:40]:
        print(*map(repr, row))  # noqa: T201
    if given.decode:
        g2p, langs = G2P("bundled"), [pair[0] for pair in pairs]
        prons = [g2p([pair[column] for pair in pairs], lang=langs) for column in (1, 2)]
        changed = sum(one != other for one, other in zip(*prons, strict=True))
        print(f"{changed:,} have another pronunciation")  # noqa: T201


if __name__ == "__main__":
    main()
