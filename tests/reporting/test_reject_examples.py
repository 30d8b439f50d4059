"""Examples of rejected rows, from their file."""

from pathlib import Path

from g2p_batch.reporting.reject_examples import RejectExample, reject_examples

REJECTS = "row\tlang\tword\treason\n1\tfra\t\tempty\n2\t\ta\tunknown\nbroken\n" + "3\tfra\tb\tunknown\n" * 9


def test_examples_are_the_first_rows_of_each_reason(tmp_path: Path) -> None:
    path = tmp_path / "rejects.tsv"
    path.write_text(REJECTS, encoding="utf-8")
    assert reject_examples(path, {"empty": 1, "unknown": 10, "absent": 3}) == {
        "empty": [RejectExample("1", "fra", "")],
        "unknown": [RejectExample("2", "", "a"), *[RejectExample("3", "fra", "b")] * 3],
        "absent": [],
    }
    assert reject_examples(tmp_path / "absent.tsv", {"empty": 1}) == {"empty": []}
