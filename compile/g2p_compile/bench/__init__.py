"""Words per second, ours and others', on the same words in the same run, round by round."""

from g2p_compile.bench.benchmark import Options, bench
from g2p_compile.bench.plot import draw, require_plot
from g2p_compile.bench.results import Cost, Profile, Report, ReportLine, Skipped, Subject, Use

__all__ = [
    "Cost",
    "Options",
    "Profile",
    "Report",
    "ReportLine",
    "Skipped",
    "Subject",
    "Use",
    "bench",
    "draw",
    "require_plot",
]
