"""Pages of runs, taken apart; and words that would break a page that did not escape them."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from g2p_batch.reporting.page import rendered
from g2p_batch.reporting.run_figures import RunFigures, read_figures
from g2p_batch.run.run_directory import RunDir
from tests.helpers.fake_engine import Echo
from tests.helpers.fake_model import FakeEngines
from tests.helpers.runs import Job, fake_decoding, job_in

HOSTILE = (
    "<script>alert(1)</script>",
    '"onload="x',
    "&lt;b&gt;",
    "\u202eabc",
    "e" + "\u0301" * 12,
    "שלום",
    "]]>",
    "x" * 1000,
    "</bdi></table>",
)

LOOPS = {f"<fra>: {word}": piece * 12 for word, piece in (("ana", "na"), ("bobo", "bo"), ("lala", "la"))}
LOOPING = "word\tlang\nana\tfra\nbobo\tfra\nlala\tfra\neau\tfra\nhello\teng-us\n"

VOID = {"meta", "br", "wbr"}
OUTLINE = {"h2", "h3", "th", "summary"}
"""Elements whose texts are the outline of a page."""


class Page(HTMLParser):
    """A page taken apart; refuses elements that are not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.isolated: list[str] = []
        self.outline: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "svg":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data.split()
        inside = self._open[-1] if self._open else ""
        if inside == "bdi":
            self.isolated.append(data)
        if inside in OUTLINE:
            self.outline.append((inside, data))

    @property
    def text(self) -> str:
        return " ".join(self.words)


def figures_of(run: RunDir) -> RunFigures:
    return read_figures(run, run.require_plan())


def page_of(run: RunDir) -> Page:
    return Page(rendered(figures_of(run)))


def looping(folder: Path) -> Job:
    """Return a finished run of which three answers go round in circles."""
    job = job_in(folder, LOOPING)
    job(fake_decoding(workers=1, engines=FakeEngines(Echo(LOOPS))))
    return job
