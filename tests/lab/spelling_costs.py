"""What spelling costs on lists of yours: `python -m tests.lab.spelling_costs WORDS.parquet`.

WORDS has the columns word and lang. Prints nanoseconds a word of `Spelling.ask`, on one core, of words as they
are, with a capital, in capitals and with a comma, and of looking them up in the bundled model's dictionary, in shards.
"""

import argparse
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.model.contract import EXCEPTIONS, load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.words.dictionary import Dictionary
from g2p_batch.words.spelling import Spelling

ALPHABETS = load_contract(BUNDLED).alphabets
BATCH = 65536


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


def print_look_up(table: pa.Table) -> None:
    words, langs = table["word"].combine_chunks(), table["lang"].combine_chunks().dictionary_encode()
    asked = pa.table({"word": words, "lang": table["lang"], "asked": Spelling(ALPHABETS).ask(words, langs).text})
    by_language = asked.sort_by("lang")
    dictionary = Dictionary(BUNDLED / EXCEPTIONS)
    dictionary.find(by_language)  # reads it
    for size in (1000, 4096):
        started = time.perf_counter()
        for at in range(0, len(table), size):
            dictionary.find(by_language.slice(at, size))
        spent = (time.perf_counter() - started) / len(table) * 1e9
        print(f"looked up in shards of {size:,}: {spent:,.0f} ns a word")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path)
    table = pq.read_table(parser.parse_args().words, columns=["word", "lang"])
    table = table.set_column(1, "lang", table["lang"].cast(pa.string()))
    table = table.filter(pc.is_in(table["lang"], pa.array(sorted(ALPHABETS)))).combine_chunks()
    print_costs(table.slice(0, 20 * BATCH))
    print_look_up(table.slice(0, 20 * BATCH))


if __name__ == "__main__":
    main()
