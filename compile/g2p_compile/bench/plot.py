"""The words per second of a report as a picture."""

import importlib.util
from pathlib import Path
from typing import Any

from g2p_batch.errors import PackageError, UsageError
from g2p_compile.bench.results import Report, Subject

_SUFFIXES = (".png", ".svg")
_WIDTH, _BAR, _FRAME = 9.0, 0.42, 1.1
"""Inches: of the picture, for a bar, and for the title and axis around a group of bars."""
_OURS, _OTHERS, _RANGE = "#0b6e4f", "#9aa5b1", "#333333"


def require_plot(path: Path) -> None:
    """Check, before anything is measured, that the picture can be drawn.

    Raises:
        UsageError: the suffix is unknown.
        PackageError: matplotlib is not installed.
    """
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"{path} is no picture: give a file that ends in {' or '.join(_SUFFIXES)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise PackageError("drawing needs matplotlib: `pip install 'g2p-batch[bench]'`, or leave out --plot")


def draw(report: Report, path: Path) -> None:
    """Draw a group of bars per subject, one bar per contestant; the line on a bar spans its rounds.

    Raises:
        UsageError: as `require_plot`.
    """
    require_plot(path)
    from matplotlib.figure import Figure

    heights = [_FRAME + _BAR * len(subject.lines) for subject in report.subjects]
    figure = Figure((_WIDTH, sum(heights) + _FRAME / 2), layout="constrained")
    groups = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, subject in zip(groups, report.subjects, strict=True):
        _group(axes, subject)
    figure.suptitle(f"{report.cpu}, {report.workers} workers", fontsize="medium")
    figure.savefig(path, dpi=150)


def _group(axes: Any, subject: Subject) -> None:
    lines = subject.lines
    names = [f"{line.name} {line.dtype}" for line in lines]
    speeds = [line.words_per_s for line in lines]
    below = [line.words_per_s - min(line.rounds) for line in lines]
    above = [max(line.rounds) - line.words_per_s for line in lines]
    colors = [_OURS, *[_OTHERS] * (len(lines) - 1)]
    axes.barh(names, speeds, xerr=[below, above], color=colors, error_kw={"ecolor": _RANGE, "capsize": 3})
    for row, (line, reach) in enumerate(zip(lines, above, strict=True)):
        text = f"{line.words_per_s:,.0f}" + (f"  ({speeds[0] / line.words_per_s:.2f}x)" if row else "")
        axes.annotate(text, (line.words_per_s + reach, row), (6, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, max(max(line.rounds) for line in lines) * 1.2)
    axes.set_title(subject.name, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel("words per second (in brackets: ours is so many times faster)")
    axes.spines[["top", "right"]].set_visible(False)
