"""Every error a user can meet, in one tree. The command line prints the message and exits with `exit_code`.

An error is one of usage where what was asked for is wrong by itself, whatever there is on disks and machines: a value
that is none of its set, options that contradict each other. What is absent, unreadable, not as it should be or not
installed has failed.
"""

FAILED = 1
USAGE = 2
STOPPED_EARLY = 75
"""`EX_TEMPFAIL` of sysexits.h: run the same command again."""


class G2PError(Exception):
    """Base of all errors raised on purpose; its message says what, where and what to do next."""

    exit_code = FAILED


class UsageError(G2PError):
    """The options contradict each other, or one has a value that it cannot have."""

    exit_code = USAGE


class InputError(G2PError):
    """A file that is given cannot be read at all, or not as what it is given for (a bad row is a reject, no error)."""


class LexiconError(G2PError):
    """A lexicon breaks rules that the readers of its format enforce."""


class UnknownLanguageError(InputError):
    """A language tag is not one of the known tags, or not one of the model's."""

    exit_code = USAGE


class ModelError(G2PError):
    """A checkpoint or program cannot be found, read or supported."""


class ArtifactError(G2PError):
    """A compiled artifact is missing, damaged or made for another machine."""


class PackageError(G2PError):
    """A package that only some tasks need is not installed."""


class DeviceError(G2PError):
    """A GPU failed: the process that used it has lost it, another one may have more luck."""


class OutputError(G2PError):
    """A result cannot be written."""


class RunError(G2PError):
    """A run directory holds no plan, that of another run, or a damaged one."""


class BusyError(RunError):
    """Another command is at work on a run directory, and this one and it exclude each other."""


class IncompleteError(G2PError):
    """Work of a run is missing: what is done stays, and a further run does the rest."""


class WorkerError(G2PError):
    """Worker processes cannot be started."""


class StoppedEarlyError(G2PError):
    """A signal asked the run to stop before it was complete."""

    exit_code = STOPPED_EARLY


class DrainedError(StoppedEarlyError):
    """A signal asked to begin no more shards; all that were begun are finished, and others are left."""
