"""Charts draw what they say, and say it in text too."""

import pytest

from g2p_batch.reporting.charts import Chart, Column, range_of
from g2p_batch.reporting.histogram import HistogramBar
from g2p_batch.reporting.page import TEMPLATES
from tests.helpers.runs import Job
from tests.reporting.pages import page_of


def test_every_chart_has_a_text_and_its_numbers_as_a_table(done: Job) -> None:
    found = page_of(done.run)
    ids = [value for name, value in found.attributes if name == "id"]
    named = [one for name, value in found.attributes if name == "aria-labelledby" for one in value.split()]
    assert len(set(ids)) == len(ids)
    assert set(named) == set(ids)
    assert len(found.pictures) > 10
    for picture in found.pictures:
        assert ("aria-hidden" in picture) != ("aria-labelledby" in picture or "aria-label" in picture)
        assert ("aria-hidden" in picture) != (picture.get("role") == "img")
    assert found.tags["figure"] == found.text.count("As a table") == 5


def test_a_chart_draws_columns_by_their_share_of_the_top() -> None:
    drawn = Chart("c", "T", "N", (Column("a", 600), Column("b", 0), Column("<c>", 1, "x")), "kind", "words")
    text = TEMPLATES.get_template("macros.html").module.figure(drawn)
    assert [part.split('"')[0] for part in text.split('height="')[1:] if 'class="c"' in part.split(">")[0]] == [
        *("100.00", "0.00", "0.80")
    ]
    for part in ("<td>&lt;c&gt;</td>", '<td class="n">600</td>', '<span style="left:66.67%">x</span>'):
        assert part in text


@pytest.mark.parametrize(
    ("bar", "digits", "wanted"),
    [
        (HistogramBar(3, 4, 1), 0, "3"),
        (HistogramBar(5, 10, 1), 0, "5 to 9"),
        (HistogramBar(20, float("inf"), 1), 0, "20 and more"),
        (HistogramBar(float("-inf"), 3, 1), 0, "below 3"),
        (HistogramBar(-3, -2, 1), 2, "−3.00 to −2.00"),
        (HistogramBar(float("-inf"), -3.5, 1), 2, "below −3.50"),
    ],
)
def test_a_bar_is_named_by_what_it_holds(bar: HistogramBar, digits: int, wanted: str) -> None:
    assert range_of(bar, digits) == wanted
