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
    assert texts(found.lexicon.examples) == [("<ita>: ", "via", "via"), ("<ger>: ", "Weg", "veːk")]
    assert found.lexicon.rejects == {"empty": 1, "no_pronunciation": 1}
    assert found.lexicon.left_out == {"unknown_language": 1, "held_out": 1, "too_long": 2}
    assert found.lexicon.rows == 8 == len(found.lexicon.examples) + 2 + 4
    assert found.checkpoint.contract.languages == ("ger", "ita")
    assert found.checkpoint.contract.alphabets == {
        "ger": {"W": 1, "e": 1, "g": 1},
        "ita": {"a": 1, "i": 1, "v": 1},
    }
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["mia"]


def test_a_trained_model_learns_new_languages_and_is_measured_by_its_old_ones(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("ice", "það", "θaːð")])
    dev = lexicon(tmp_path / "dev.tsv", [("ita", "via", "via"), ("ice", "þú", "θuː"), ("ido", "yes", "jes")])
    found = prepared(path, Recipe(shape="", start="bundled"), dev=dev)
    assert found.checkpoint.contract.languages == ("ice",)
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["via", "þú"]
