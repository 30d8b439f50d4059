"""`languages`."""

from tests.cli.commandline import Ran, run


def test_languages_finds_by_name_and_by_code() -> None:
    assert run("languages", "norweg") == Ran(
        0,
        "tag  name              bcp47  script  bundled  cer    note\n"
        "nob  Norwegian Bokmål  nb     Latn    yes      0.104\n",
        "",
    )
    assert run("languages", "de-AT").stdout.splitlines()[1].split() == ["ger", "German", "de", "Latn", "yes", "0.114"]


def test_languages_lists_all_and_marks_those_of_the_bundled_model() -> None:
    rows = run("languages").stdout.splitlines()
    assert len(rows) == 101
    assert next(row for row in rows if row.startswith("eng-us")).split() == [
        *("eng-us", "English,", "American", "en-US", "Latn", "yes", "0.111")
    ]
    assert [row.split() for row in rows if row.startswith("rus")] == [["rus", "Russian", "ru", "Cyrl"]]


def test_languages_without_a_hit_names_the_nearest() -> None:
    ran = run("languages", "Germn")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "did you mean ger (German)" in ran.stderr
