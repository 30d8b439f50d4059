"""The lexicons that a run wrote, as they were then: what is not so any more is somebody else's, and is not replaced.

What is about to be written is noted before it appears, so that no kill leaves a lexicon that its own run does not know.
The notes outlive `discard`; each state of them is a file of its own, since several commands may note at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from g2p_batch.run.run_directory import WRITTEN_FOLDER, RunDir
from g2p_batch.storage.checksummed_json import DamagedError, seal, unseal
from g2p_batch.storage.locations import Location
from g2p_batch.storage.store import Stamp

_KEPT = 8
"""States of a lexicon that are remembered: the last, and those that commands at once, or killed, may have left."""


@dataclass(frozen=True)
class _Notes:
    lexicons: Mapping[str, list[Stamp]]
    """By their places, latest last."""


def note(run: RunDir, lexicons: Mapping[str, Sequence[Stamp]]) -> None:
    """Add lexicons to those that a run may replace.

    Args:
        run: the run.
        lexicons: by `place_of`, what `Store.stamp` tells of each, or will.
    """
    while True:
        number, known = _last(run)
        merged = known | {place: _grown(known.get(place, []), stamps) for place, stamps in lexicons.items()}
        if merged == known:
            return
        if not run.store.put_if_absent(_name(number + 1), seal(_Notes(merged))):
            continue
        numbers = _numbers(run)
        if numbers[-1] > number + 1:  # others have gone on: from this state, or it came too late under a name long free
            run.store.remove(_name(number + 1))
            continue
        for old in numbers[:-2]:  # the one before stays for those that are listing now
            run.store.remove(_name(old))
        return


def noted(run: RunDir) -> dict[str, list[Stamp]]:
    """Return what a run noted of lexicons, by `place_of`."""
    return _last(run)[1]


def inherit(run: RunDir, earlier: RunDir) -> None:
    """Let a run replace what the one wrote that it goes on from."""
    note(run, noted(earlier))


def place_of(path: Location) -> str:
    """Return how a lexicon is called here, whatever links lead to it."""
    return str(path.resolve())


def is_as_noted(now: Stamp, stamps: Sequence[Stamp]) -> bool:
    """Tell whether a lexicon is as it was noted; of one that was sent to a bucket the tag was not known before."""
    return any(now == stamp or (stamp[1] is None and now[0] == stamp[0]) for stamp in stamps)


def _grown(known: Sequence[Stamp], new: Sequence[Stamp]) -> list[Stamp]:
    """Return what is known of a lexicon, latest last, without what is known better now."""
    tagged = {size for size, tag in new if tag is not None}
    kept = [stamp for stamp in known if stamp not in new and not (stamp[1] is None and stamp[0] in tagged)]
    return [*kept, *new][-_KEPT:]


def _last(run: RunDir) -> tuple[int, dict[str, list[Stamp]]]:
    """Return the number of the latest notes, and what they say."""
    while numbers := _numbers(run):
        data = run.store.get(_name(numbers[-1]))
        if data is not None:  # else others have replaced them since
            try:
                return numbers[-1], dict(unseal(data, _Notes).lexicons)
            except DamagedError:
                return numbers[-1], {}
    return 0, {}


def _numbers(run: RunDir) -> list[int]:
    prefix = f"{WRITTEN_FOLDER}/"
    return [int(file.name.removeprefix(prefix).removesuffix(".json")) for file in run.store.list(WRITTEN_FOLDER)]


def _name(number: int) -> str:
    return f"{WRITTEN_FOLDER}/{number:06d}.json"
