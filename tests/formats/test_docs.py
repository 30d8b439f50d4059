"""docs/formats.md: every format, every reason, and examples that are right."""

import re
from pathlib import Path

import pytest

from g2p_batch.formats.names import NAMES
from g2p_batch.formats.registry import FORMATS
from tests.helpers.lexicons import problems

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DOCS = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
SOURCES = sorted((Path(__file__).parents[2] / "g2p_batch/formats").glob("*.py"))
EXAMPLES = {name: FORMATS[name] for name in FORMATS if name != "parquet"}


def section(name: str) -> str:
    return DOCS.split(f"\n## {name}\n")[1].split("\n## ")[0]


def test_the_names_that_help_and_readme_show_are_those_of_all_formats() -> None:
    assert tuple(FORMATS) == NAMES
    listed = re.search(r"by `--format`: ([^;]*);", README)
    assert listed
    assert {name.strip() for name in listed[1].split(",")} == {*NAMES}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_section(name: str) -> None:
    assert len(section(name).splitlines()) > 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_three_lines_or_more_passes(tmp_path: Path, name: str) -> None:
    found = re.search("```\n(.*?)```", section(name), re.DOTALL)
    assert found
    example = found[1]
    assert example.count("\n") >= 3
    (tmp_path / "lexicon").write_text(example, encoding="utf-8")
    assert problems("kaldi" if name == "kaldi-dict" else name, tmp_path / "lexicon") == []


def test_every_reason_is_explained() -> None:
    named = {reason for path in SOURCES for reason in re.findall(r'^    \("(\w+)", ', path.read_text(), re.MULTILINE)}
    named |= {"token_not_in_set", "differs_in_case"}
    listed = {
        reason for row in section("Reasons").splitlines()[3:] for reason in re.findall("`(\\w+)`", row.split("|")[1])
    }
    assert listed == named
