"""A run as one HTML page."""

from g2p_batch.reporting.page import write_report

__all__ = ["write_report"]
