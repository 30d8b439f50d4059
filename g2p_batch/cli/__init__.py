"""The command line: parses, calls, reports. The only place that prints or exits."""

from g2p_batch.cli import (
    bench,
    compile,
    evaluate,
    export,
    generate,
    info,
    languages,
    merge,
    oov,
    plan,
    prune,
    report,
    run,
    status,
    train,
    validate,
    verify,
)
from g2p_batch.cli.main import main

__all__ = [
    "bench",
    "compile",
    "evaluate",
    "export",
    "generate",
    "info",
    "languages",
    "main",
    "merge",
    "oov",
    "plan",
    "prune",
    "report",
    "run",
    "status",
    "train",
    "validate",
    "verify",
]
