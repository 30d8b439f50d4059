"""What a training reads, and what it leaves out and counts."""

from pathlib import Path

from g2p_compile.train.recipe import Recipe
from tests.helpers.training import TINY, lexicon, prepared, texts


def test_variants_are_parted_where_the_language_joins_them_by_commas(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("eng-us", "tomato", "təˈmeɪtoʊ, təˈmɑːtoʊ"), ("ita", "via", "via, vja")])
    first, every = (
        texts(prepared(path, Recipe(shape=TINY, all_variants=every)).lexicon.examples) for every in (False, True)
    )
    assert first == [("<eng-us>: ", "tomato", "təˈmeɪtoʊ"), ("<ita>: ", "via", "via, vja")]
    assert every == [first[0], ("<eng-us>: ", "tomato", "təˈmɑːtoʊ"), first[1]]


def test_rows_that_cannot_be_used_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [
        ("ita", "via", "via"),
        ("de", "Weg", "veːk"),
        ("xx-klingon", "Qapla", "qʰɑpʰlɑ"),
        ("ita", "", "a"),
        ("ita", "muto", ""),
        ("ita", "o" * 130, "o"),
        ("ita", "uuu", "u" * 300),
        ("ita", "mia", "mia"),
    ]
    held = lexicon(tmp_path / "dev.tsv", [("it", "mia", "mja"), ("zho-s", "好", "xɑʊ̯")])
    found = prepared(lexicon(tmp_path / "a.tsv", rows), dev=held)
    assert texts(found.lexicon.examples) == [("<ita>: ", "via", "via"), ("<ger>: ", "weg", "veːk")]
    assert found.lexicon.rejects == {"empty": 1, "no_pronunciation": 1}
    assert found.lexicon.left_out == {"unknown_language": 1, "held_out": 1, "too_long": 2}
    assert found.lexicon.rows == 8 == len(found.lexicon.examples) + 2 + 4
    assert found.checkpoint.contract.languages == ("ger", "ita")
    assert found.checkpoint.contract.alphabets == {
        "ger": {"e": 1, "g": 1, "w": 1},
        "ita": {"a": 1, "i": 1, "v": 1},
    }
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["mia"]


def test_a_trained_model_learns_new_languages_and_is_measured_by_its_old_ones(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("rus", "это", "ɛtə")])
    dev = lexicon(tmp_path / "dev.tsv", [("ita", "via", "via"), ("rus", "да", "da"), ("nan", "yes", "jes")])
    found = prepared(path, Recipe(shape="", start="bundled"), dev=dev)
    assert found.checkpoint.contract.languages == ("rus",)
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["via", "да"]


def test_capitals_are_made_small_by_the_rules_of_the_language_or_kept(tmp_path: Path) -> None:
    rows = [("tur", "Işık", "ɯʃɯk"), ("tur", "İzmir", "izmiɾ"), ("gre", "ΛΌΓΟΣ", "loɣos"), ("ita", "Roma", "roma")]
    path = lexicon(tmp_path / "a.tsv", rows)
    small, kept = (
        sorted(word for _, word, _ in texts(prepared(path, Recipe(shape=TINY, capitals=keep)).lexicon.examples))
        for keep in (False, True)
    )
    assert small == sorted(("ışık", "izmir", "λόγος", "roma"))
    assert kept == sorted(word for _, word, _ in rows)


def test_words_are_held_out_by_their_hash_whatever_else_is_there(tmp_path: Path) -> None:
    rows = [("ita", f"parola{i}", "a") for i in range(40)] + [("pol", f"Słowo{i}", "b") for i in range(5)]
    found = prepared(lexicon(tmp_path / "a.tsv", rows), hold_out=10, dev_words=4)
    assert found.held_out is not None
    assert found.dev is not None
    held = set(zip(found.held_out["lang"].to_pylist(), found.held_out["word"].to_pylist(), strict=True))
    trained = {(prefix[1:-3], word) for prefix, word, _ in texts(found.lexicon.examples)}
    assert sum(lang == "ita" for lang, _ in held) == 10
    assert sum(lang == "pol" for lang, _ in held) == 1  # at most a third
    assert not held & trained
    assert len(held | trained) == 45
    assert len(found.dev) == 4 + 1
    (held_pol,) = (word for lang, word in held if lang == "pol")
    more = [*rows, ("pol", held_pol, "c"), *(("eng-us", f"word{i}", "d") for i in range(6))]
    again = prepared(lexicon(tmp_path / "b.tsv", more), hold_out=10)
    assert again.held_out is not None
    held_again = set(zip(again.held_out["lang"].to_pylist(), again.held_out["word"].to_pylist(), strict=True))
    assert {pair for pair in held_again if pair[0] != "eng-us"} >= held
    # A held-out word is kept back in both spellings.
    assert ("pol", held_pol) not in {(prefix[1:-3], word) for prefix, word, _ in texts(again.lexicon.examples)}
