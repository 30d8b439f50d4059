"""The run directory: a plan, the receipts of finished shards, and what remains to be done.

A receipt is the commit of a shard. Whoever wants to know what is done reads receipts, and finds data by the names in
them; nothing is ever found by listing data.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from g2p_batch.errors import RunError
from g2p_batch.model.contract import DType
from g2p_batch.model.nbest import Search
from g2p_batch.run.fingerprint import Fingerprint
from g2p_batch.storage import store_at
from g2p_batch.storage.checksummed_json import DamagedError, seal, sha256_of, unseal
from g2p_batch.storage.locations import Location
from g2p_batch.words.filter import Normalize

PLAN, ENGINE, SUMMARY = "plan.json", "engine.json", "run-summary.json"
REJECTS_TSV, REVIEW_TSV = "rejects.tsv", "review.tsv"
REPORT, PRUNED = "report.html", "pruned.json"
WORDS_FOLDER, PARTS_FOLDER, DONE_FOLDER = "words", "parts", "done"
WRITTEN_FOLDER = "written"
QUARANTINE_FOLDER, DAMAGED_FOLDER = "quarantine", "damaged"
FOLDERS = (DONE_FOLDER, PARTS_FOLDER, QUARANTINE_FOLDER, DAMAGED_FOLDER, WORDS_FOLDER)

FORMAT = 2
"""Version of the files of a run directory."""

_DIGITS = 12
T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """A file named by its content."""

    file: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """Some planned words, decoded and committed together."""

    words: int
    data: Content
    """Parquet of schema `filter.WORDS`, without the last columns where they hold nothing."""


@dataclass(frozen=True)
class Plan:
    """What to ask the model, and what became of every row: rows_in == words + known + duplicates + all rejects."""

    fingerprint: Fingerprint
    model: str
    """What the user calls the model: bundled, an absolute folder, or a hub id."""
    dtype: DType
    normalize: Normalize
    spelling: Mapping[str, int]
    """Rows by what was done to their words, of `spelling.STEPS`."""
    look_alikes: Mapping[str, int]
    """Rows by language and letter of another script that stands for one of the alphabet."""
    unknown_languages: Mapping[str, int]
    """Rejected rows by what they call their language."""
    rows_in: int
    words: int
    known: int
    """Words that existing lexicons or an earlier run hold."""
    duplicates: int
    rejects: Mapping[str, int]
    """Rows by reason."""
    languages: Mapping[str, int]
    """Words and known words by language."""
    looked_up: tuple[Content, ...]
    """Parquet of schema `formats.lexicon.LEXICON`: what these say of the known words."""
    rejected: tuple[Content, ...]
    """Parquet of schema `filter.REJECTS`, in the order of rows."""
    shards: tuple[Shard, ...]
    """By rising length of their words; a shard is called by its place here."""
    search: Search | None = None
    """What to look for, where several pronunciations of a word are wanted."""
    dictionary: bool = False
    """Whether the model's exceptions are asked before it."""
    id: str = ""
    """Digest of the plan's file."""


@dataclass(frozen=True)
class Receipt:
    """A finished shard."""

    shard: int
    plan: str
    """`Plan.id`."""
    engine: str
    """Key of the compiled model."""
    words: int
    part: Content
    """Parquet of schema `formats.lexicon.LEXICON`."""
    statuses: Mapping[str, int]
    """Words by status of the lexicon."""
    worker: str
    """Host and process."""
    seconds: float
    """Time that decoding and writing took, by a clock that never goes back."""
    finished_s: float
    """Seconds since 1970, by the clock of the worker."""


@dataclass(frozen=True)
class Quarantine:
    """A shard that was given up."""

    shard: int
    plan: str
    reasons: tuple[str, ...]
    """Why each attempt failed."""


@dataclass(frozen=True)
class Pruned:
    """What is left of a run that was pruned."""

    plan: str
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True)
class EngineRecord:
    """The compiled model of a run: its key, and what its user knows of it."""

    key: str
    name: str


@dataclass(frozen=True)
class _PlanVersion:
    """What every version of a plan says of itself."""

    format: int


class RunDir:
    """One run directory. Any number of processes may use one at a time: a race wastes work, and loses nothing."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self.store = store_at(root)

    def plan(self) -> Plan | None:
        """Return the plan, or None where there is none yet.

        Raises:
            RunError: it is damaged, or of another version.
        """
        data = self.store.get(PLAN)
        if data is None:
            return None
        remedy = "restore it, or discard the run with `g2p-batch generate --restart` or `g2p-batch plan --restart`"
        try:
            version = unseal(data, _PlanVersion).format
            if version != FORMAT:
                raise RunError(f"{self.root / PLAN} has format {version}, this version reads {FORMAT}: {remedy}")
            return replace(unseal(data, Plan), id=sha256_of(data))
        except DamagedError as cause:
            raise RunError(f"{self.root / PLAN} is damaged ({cause}): {remedy}") from None

    def require_plan(self) -> Plan:
        """Return the plan.

        Raises:
            RunError: there is none, or it is damaged.
        """
        plan = self.plan()
        if plan is None:
            raise RunError(f"{self.root} holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`")
        return plan

    def publish_plan(self, plan: Plan) -> Plan:
        """Make a plan the one of this directory, unless it has one; return the one that it has."""
        record = msgspec.to_builtins(plan) | {"format": FORMAT}
        del record["id"]
        self.store.put_if_absent(PLAN, seal(record))
        return self.require_plan()

    def put_content(self, folder: str, stem: str, suffix: str, data: bytes) -> Content:
        """Store data under a name that tells its content."""
        digest = sha256_of(data)
        content = Content(f"{folder}/{stem}-{digest[:_DIGITS]}{suffix}", len(data), digest)
        if not self.store.put_if_absent(content.file, data):
            # The name allows this content only: what is there may be damaged, or about to be collected for its age.
            self.store.put(content.file, data)
        return content

    def whole(self, content: Content) -> bytes | None:
        """Return data if it is what was stored, or None where it is absent or damaged."""
        data = self.store.get(content.file)
        return data if _is(content, data) else None

    def lost(self, plan_id: str, content: Content) -> RunError:
        """Return why data of a plan is not what was stored, and what to do."""
        plan = self.plan()
        if plan is None or plan.id != plan_id:
            return RunError(f"{self.root} was discarded meanwhile, by a command with --restart: run again")
        return RunError(f"{self.root / content.file} is missing or damaged: restore it, or plan again with --restart")

    def local(self, contents: Iterable[Content], scratch: Path) -> Iterator[Path | None]:
        """Check data, and yield for each a file of this machine that holds it, or None where it is absent or damaged.

        Args:
            contents: the data.
            scratch: a folder for copies, where the data lies elsewhere.
        """
        wanted = list(contents)
        for content, data in zip(wanted, self.store.get_all(content.file for content in wanted), strict=True):
            yield self.store.local(content.file, data, scratch) if data is not None and _is(content, data) else None

    def fold(self, pruned: Pruned) -> None:
        """Note that a run is pruned, before what it needs no more is removed."""
        self.store.put(PRUNED, seal(pruned))

    def is_pruned(self, plan: Plan) -> bool:
        """Tell whether the words and answers of a plan were removed."""
        return self._folded(plan) is not None

    def require_unpruned(self, plan: Plan, remedy: str) -> None:
        """Check that the words and answers of a plan were not removed.

        Raises:
            RunError: they were; its message ends with `remedy`.
        """
        if self.is_pruned(plan):
            raise RunError(f"{self.root} was pruned, and what it decoded is in its lexicon alone: {remedy}")

    def _folded(self, plan: Plan) -> Pruned | None:
        try:
            pruned = unseal(self.store.get(PRUNED) or b"", Pruned)
        except DamagedError:  # or absent
            return None
        return pruned if pruned.plan == plan.id else None

    def receipts(self, plan: Plan) -> dict[int, Receipt]:
        """Return the receipts of a plan by shard; one that is damaged, or of another plan, is none."""
        return self._sifted(plan)[0]

    def settle(self, plan: Plan) -> tuple[dict[int, Receipt], list[str]]:
        """Return what `receipts` does, and the names of files that were no receipts and made way for new ones."""
        receipts, void = self._sifted(plan)
        for name in void:
            self._set_aside(name)
        return receipts, void

    def is_done(self, shard: int) -> bool:
        """Tell whether a shard has a receipt."""
        return self.store.head(_done(shard)) is not None

    def commit(self, receipt: Receipt) -> bool:
        """Publish a receipt unless its shard has one; tell whether it is this one that counts."""
        return self.store.put_if_absent(_done(receipt.shard), seal(receipt))

    def revoke(self, receipt: Receipt) -> None:
        """Set aside the receipt of a shard whose data is damaged, then the data, so that the shard is done again."""
        self._set_aside(_done(receipt.shard))
        self._set_aside(receipt.part.file)

    def quarantine(self, record: Quarantine) -> None:
        """Note that a shard was given up."""
        self.store.put(_given_up(record.shard), seal(record))

    def quarantined(self, plan: Plan) -> dict[int, Quarantine]:
        """Return the shards of a plan that were given up, done later or not."""
        records = (record for _, record in self._records(QUARANTINE_FOLDER, Quarantine))
        return {record.shard: record for record in records if record is not None and record.plan == plan.id}

    def fix_engine(self, engine: EngineRecord) -> EngineRecord:
        """Name the compiled model of this run, unless it has one; return the one that it has."""
        self.store.put_if_absent(ENGINE, seal(engine))
        kept = self.engine()
        if kept is None:  # damaged
            self.store.put(ENGINE, seal(engine))
            return engine
        return kept

    def engine(self) -> EngineRecord | None:
        """Return the compiled model of this run, or None where there is none yet."""
        try:
            return unseal(self.store.get(ENGINE) or b"", EngineRecord)
        except DamagedError:
            return None

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """Give a new folder of this machine for temporary files, and remove it afterwards."""
        return self.store.scratch(name)

    def discard(self) -> None:
        """Remove all that a run put here, but not what tells the lexicons that it wrote from those of others.

        The plan goes last, so that a half discarded run is still an unfinished one.
        """
        self.store.remove(SUMMARY)
        for folder in FOLDERS:
            self.store.clear(folder)
        for name in (PRUNED, REPORT, ENGINE, REJECTS_TSV, REVIEW_TSV, PLAN):
            self.store.remove(name)

    def _sifted(self, plan: Plan) -> tuple[dict[int, Receipt], list[str]]:
        """Return the receipts of a plan by shard, and the names of those that are damaged or of another plan."""
        receipts: dict[int, Receipt] = {}
        void: list[str] = []
        for name, receipt in self._records(DONE_FOLDER, Receipt):
            if receipt is not None and receipt.plan == plan.id and name == _done(receipt.shard):
                receipts[receipt.shard] = receipt
            else:
                void.append(name)
        if len(receipts) < len(plan.shards) and (pruned := self._folded(plan)):
            receipts = {receipt.shard: receipt for receipt in pruned.receipts}
        return receipts, void

    def _records(self, folder: str, kind: type[T]) -> Iterator[tuple[str, T | None]]:
        """Yield the names of records, each with what it says unless it is damaged."""
        names = [entry.name for entry in self.store.list(folder)]
        for name, data in zip(names, self.store.get_all(names), strict=True):
            try:
                yield name, None if data is None else unseal(data, kind)
            except DamagedError:
                yield name, None

    def _set_aside(self, name: str) -> None:
        data = self.store.get(name)
        if data is not None:
            self.put_content(DAMAGED_FOLDER, name.replace("/", "-"), "", data)
        self.store.remove(name)


def shard_name(shard: int) -> str:
    """Return how a shard is called in file names and messages."""
    return f"{shard:06d}"


def _is(content: Content, data: bytes | None) -> bool:
    return data is not None and sha256_of(data) == content.sha256


def _done(shard: int) -> str:
    return f"{DONE_FOLDER}/{shard_name(shard)}.json"


def _given_up(shard: int) -> str:
    return f"{QUARANTINE_FOLDER}/{shard_name(shard)}.json"
