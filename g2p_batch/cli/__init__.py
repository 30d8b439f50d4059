"""The command line: parses, calls, reports. The only place that prints or exits."""

from g2p_batch.cli import about, builds, checks, lexicons, lookups, proofs, reports, scores
from g2p_batch.cli.root import main

__all__ = ["about", "builds", "checks", "lexicons", "lookups", "main", "proofs", "reports", "scores"]
