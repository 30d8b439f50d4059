"""`--variants`: lexicons with several pronunciations of a word, the same however the run went."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.commandline import run

WORDS = ("read", "live", "ice cream", "NATO", "xkcd", "1", "tear", "lead", "tomato", "either")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")


def generate(output: str, *more: str) -> str:
    ran = run("generate", "words.txt", "--lang", "eng-us", "-o", output, "--no-dictionary", *more)
    assert ran.exit_code == 0, ran.stderr
    return Path(output).read_text(encoding="utf-8") if not output.endswith("parquet") else ""


def test_all_variants_are_written_with_rank_and_probability() -> None:
    generate("lexicon.parquet", "--variants", "3")
    rows = pq.read_table("lexicon.parquet").to_pylist()
    by_word: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_word.setdefault(row["word"], []).append(row)
        assert row["prob"] == pytest.approx(2.718281828459045 ** row["logprob"], rel=1e-5)
    assert [row["pron"] for row in by_word["read"][:2]] == ["ˈɹid", "ˈɹɛd"]
    for word, some in by_word.items():
        assert [row["rank"] for row in some] == list(range(1, len(some) + 1))
        assert len({row["pron"] for row in some}) == len(some) <= 3
        probs = [float(str(row["prob"])) for row in some]
        assert probs == sorted(probs, reverse=True), word
        assert probs[-1] >= 0.01 * probs[0]
    assert [row["asked"] for row in by_word["NATO"]] == ["nato"] * len(by_word["NATO"])
    assert by_word["ice cream"][0]["pron"] == "ˈaɪsˈkɹim"
    summary = json.loads(Path("lexicon.parquet.run/run-summary.json").read_text(encoding="utf-8"))
    assert (summary["words"], summary["rejects"]) == (9, {"no_known_letter": 1})


def test_what_is_not_proven_is_told() -> None:
    Path("words.txt").write_text("xkcd\n", encoding="utf-8")
    lexicon = generate("lexicon.tsv", "--variants", "32", "--min-share", "0", "--scores").splitlines()
    assert {line.split("\t")[6] for line in lexicon[1:]} == {"unproven"}
    assert "unproven" in Path("lexicon.tsv.run/review.tsv").read_text(encoding="utf-8")
    ran = run(
        "generate",
        "words.txt",
        "--lang",
        "eng-us",
        "-o",
        "b.tsv",
        "--variants",
        "32",
        "--min-share",
        "0",
        "--drop",
        "unproven",
    )
    assert (ran.exit_code, "unproven 1" in ran.stderr) == (1, True)


def test_a_lexicon_does_not_depend_on_workers_shards_or_neighbours() -> None:
    one = generate("one.tsv", "--variants", "4", "--scores", "--workers", "1")
    assert one == generate("two.tsv", "--variants", "4", "--scores", "--workers", "2", "--shard-words", "2")
    Path("words.txt").write_text("read\n", encoding="utf-8")
    alone = generate("alone.tsv", "--variants", "4", "--scores")
    assert [line for line in one.splitlines() if line.startswith(("word", "read"))] == alone.splitlines()


def test_variants_with_the_same_phones_are_one_with_the_sum_of_their_probabilities() -> None:
    with_stress = [
        line.split("\t") for line in generate("a.tsv", "--variants", "4", "--scores", "--phones", "ipa").splitlines()
    ]
    without = generate("b.tsv", "--variants", "4", "--scores", "--phones", "ipa", "--stress", "drop").splitlines()
    head, *rows = with_stress
    summed: dict[tuple[str, str], float] = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        key = (cells["word"], cells["phones"].replace("ˈ", "").replace("ˌ", ""))
        summed[key] = summed.get(key, 0.0) + float(cells["prob"])
    found = [dict(zip(without[0].split("\t"), line.split("\t"), strict=True)) for line in without[1:]]
    assert {(one["word"], one["phones"]): pytest.approx(float(one["prob"]), rel=1e-4) for one in found} == summed
    assert len(summed) < len(rows)
    for word in WORDS:
        ranks = [int(one["rank"]) for one in found if one["word"] == word]
        assert ranks == list(range(1, len(ranks) + 1))


def test_formats_hold_probabilities_by_their_own_rules() -> None:
    lines = generate("lexicon.dict", "--format", "mfa-prob", "--variants", "4").splitlines()
    probs = [float(line.split("\t")[1]) for line in lines if line.startswith("read\t")]
    assert probs[0] == 1.0
    assert all(0.01 <= prob < 1.0 for prob in probs[1:])
    assert len(probs) > 1
    best = generate("lexicon.txt", "--format", "icefall", "--variants", "4").splitlines()
    assert [line for line in best if line.startswith("read ")] == ["read ˈɹ i d"]


def test_words_of_lexicons_stay_as_they_are_there() -> None:
    Path("old.dict").write_text("read\tɹ iː d\nread\tɹ ɛ d\n", encoding="utf-8")
    lexicon = generate("lexicon.tsv", "--variants", "4", "--lexicon", "old.dict")
    assert [line for line in lexicon.splitlines() if line.startswith("read\t")] == [
        "read\teng-us\tɹiːd",
        "read\teng-us\tɹɛd",
    ]


def test_a_run_goes_on_with_the_same_wish_only() -> None:
    generate("lexicon.tsv", "--variants", "4")
    ran = run("generate", "words.txt", "--lang", "eng-us", "--no-dictionary", "-o", "lexicon.tsv", "--variants", "2")
    assert ran.exit_code == 1
    assert "was planned with --variants 4, now it is --variants 2" in ran.stderr
    assert generate("lexicon.tsv", "--variants", "4")
    again = run(
        *(
            "generate",
            "words.txt",
            "--lang",
            "eng-us",
            "--no-dictionary",
            "-o",
            "new.tsv",
            "--variants",
            "2",
            "--since-run",
        ),
        "lexicon.tsv.run",
    )
    assert (again.exit_code, "--since-run lexicon.tsv.run was planned with --variants 4" in again.stderr) == (1, True)


def test_a_share_alone_and_too_many_variants_are_errors() -> None:
    alone = run("generate", "words.txt", "--lang", "eng-us", "-o", "lexicon.tsv", "--min-share", "0.1")
    assert (alone.exit_code, "--min-share is of no use without --variants" in alone.stderr) == (2, True)
    assert run("generate", "words.txt", "--lang", "eng-us", "-o", "a.tsv", "--variants", "33").exit_code == 2


def test_a_word_whose_search_ends_early_has_the_best_whole_output_that_was_met() -> None:
    Path("words.txt").write_text("epäjärjestelmällistyttämättömyydelläänsäkäänköhän\n", encoding="utf-8")
    ran = run("generate", "words.txt", "--lang", "fin", "-o", "lexicon.tsv", "--variants", "4", "--scores")
    assert ran.exit_code == 0, ran.stderr
    lines = Path("lexicon.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[6] for line in lines[1:]] == ["unproven"]
