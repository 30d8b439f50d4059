"""Words per second, ours and others', on the same words in the same run, round by round."""

from g2p_compile.bench.benchmark import Options, bench
from g2p_compile.bench.plot import draw, require_plot
from g2p_compile.bench.results import Cost, Missed, Profile, Report, ReportLine, Skipped, Subject, Use, Variants

__all__ = [
    "Cost",
    "Missed",
    "Options",
    "Profile",
    "Report",
    "ReportLine",
    "Skipped",
    "Subject",
    "Use",
    "Variants",
    "bench",
    "draw",
    "require_plot",
]
