"""What a benchmark found, as text and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from g2p_batch.counts import count_of
from g2p_compile.bench.flops import Work

_GIGA, _MEBI = 1e9, 2**20


@dataclass(frozen=True)
class Missed:
    """Of words whose most probable outputs are proven, those for which a peer has others."""

    best: int
    """The first is another."""
    lists: int
    """Any is another, or in another place."""
    sets: int
    """Any is another."""


@dataclass(frozen=True)
class Variants:
    """A race for several outputs of each word."""

    asked: int
    """The most outputs of a word."""
    min_share: float
    """Our first line leaves out what is less probable than this share of the best; all others leave out nothing."""
    proven: int
    """Words whose outputs our first line has proven."""
    all_proven: int
    """Words whose outputs our second line has proven; `Missed` counts among these."""


@dataclass(frozen=True)
class ReportLine:
    """One contestant's result on one subject."""

    name: str
    dtype: str
    setting: str
    """What was chosen for it: threads, batch size."""
    words_per_s: float
    """Median over the rounds."""
    rounds: tuple[float, ...]
    latency_ms: float
    """Median time of one word alone."""
    same_strings: int
    """Words whose string, the best of several, is ours."""
    missed: Missed | None = None
    """Of a peer, where several outputs of a word are looked for."""


@dataclass(frozen=True)
class Skipped:
    """A peer that did not run."""

    name: str
    reason: str


@dataclass(frozen=True)
class Cost:
    """What our compiled model takes before its first word."""

    load_s: float
    compile_s: float
    artifact_bytes: int


@dataclass(frozen=True)
class Use:
    """Rows that a stage had to compute, of those that it did."""

    useful: int
    computed: int

    @property
    def share(self) -> float:
        """Useful rows per computed row."""
        return self.useful / self.computed


@dataclass(frozen=True)
class Profile:
    """Our own time and rows, from a pass over all words on one worker outside the race."""

    seconds: Mapping[str, float]
    """By stage: encode, prefill and step are the engine's, `loop` is all around them, from words to ids and back."""
    encoder: Use
    """Source bytes, of positions in the batches."""
    decoder: Use
    """Tokens emitted, of rows in the steps."""


@dataclass(frozen=True)
class OnDevice:
    """What one of our passes over all words asked of a GPU."""

    bytes: int
    """Memory in use after it, the driver's own included."""
    chunks: int
    """Chunks of words encoded, some kernels each."""
    rounds: int
    """Rounds of decoder steps, one graph each."""


@dataclass(frozen=True)
class Subject:
    """One model and all results on it; ours is the first line."""

    name: str
    work: Work
    flops: int
    """Useful operations of all words, see `flops.model_flops`."""
    lines: tuple[ReportLine, ...]
    skipped: tuple[Skipped, ...]
    cost: Cost
    profile: Profile | None
    """None where the stages cannot be told apart."""
    on_device: OnDevice | None = None
    variants: Variants | None = None


@dataclass(frozen=True)
class Report:
    """The whole run."""

    cpu: str
    workers: int
    ceilings: Mapping[str, float]
    """Operations per second of matrix products on that many threads by number format, see `ceiling.gemm_ceiling`; none
    where no share of them can be told."""
    peak_rss_bytes: int
    """Of this process, all contestants included."""
    subjects: tuple[Subject, ...]

    def of_peak(self, subject: Subject, line: ReportLine) -> float | None:
        """Return useful model operations per second over what matrix products in the line's number format reach."""
        ceiling = self.ceilings.get(line.dtype)
        return line.words_per_s * subject.flops / subject.work.words / ceiling if ceiling else None

    def to_json(self) -> str:
        """Return everything that was measured."""
        raw = asdict(self)
        for subject, group in zip(self.subjects, raw["subjects"], strict=True):
            for line, fields in zip(subject.lines, group["lines"], strict=True):
                fields["of_peak"] = self.of_peak(subject, line)
        return json.dumps(raw, indent=1, ensure_ascii=False)

    def to_text(self) -> str:
        """Return a table per subject with what belongs to it."""
        peaks = ", ".join(f"{dtype} {ceiling / _GIGA:,.0f}" for dtype, ceiling in self.ceilings.items())
        head = [
            f"{self.cpu}, {count_of(self.workers, 'worker')}; words/s are medians of interleaved rounds",
            *([f"Peak of matrix products here on as many threads, in GFLOP/s: {peaks}"] if peaks else ()),
            f"Peak memory of this process, all contestants included: {self.peak_rss_bytes / _MEBI:,.0f} MiB",
        ]
        return "\n".join([*head, *(line for subject in self.subjects for line in self._lines(subject))])

    def _lines(self, subject: Subject) -> Iterator[str]:
        work = subject.work
        yield ""
        yield (
            f"{subject.name}: {work.words:,} words of {work.source / work.words:.1f} bytes and "
            f"{work.tokens / work.words:.1f} tokens, {subject.flops / work.words / 1e6:,.1f} MFLOP each"
        )
        names = [f"{line.name} {line.dtype}" for line in subject.lines]
        width = max(map(len, names))
        yield (
            f"  {'':{width}}{'words/s':>9}{'slowest':>9}{'fastest':>9}{'ours is':>9}{'of peak':>9}{'one word':>11}"
            f"{'same':>9}  setting"
        )
        ours = subject.lines[0].words_per_s
        for name, line in zip(names, subject.lines, strict=True):
            share = self.of_peak(subject, line)
            of_peak = "-" if share is None else f"{share:.1%}"
            yield (
                f"  {name:{width}}{line.words_per_s:9,.0f}{min(line.rounds):9,.0f}{max(line.rounds):9,.0f}"
                f"{ours / line.words_per_s:8.2f}x{of_peak:>9}{line.latency_ms:8.1f} ms"
                f"{line.same_strings / work.words:9.2%}  {line.setting}"
            )
        yield from (f"  {peer.name} skipped: {peer.reason}" for peer in subject.skipped)
        if variants := subject.variants:
            yield from _of_variants(variants, subject, width)
        yield (
            f"  Ours: compiled in {subject.cost.compile_s:.1f} s to {subject.cost.artifact_bytes / _MEBI:.1f} MiB, "
            f"loaded in {subject.cost.load_s:.2f} s"
        )
        if profile := subject.profile:
            whole = sum(profile.seconds.values())
            shares = ", ".join(f"{stage} {taken / whole:.1%}" for stage, taken in profile.seconds.items())
            yield f"  Time of one worker: {shares}"
            yield (
                f"  Useful rows, of those computed: encoder {profile.encoder.share:.1%}, "
                f"decoder {profile.decoder.share:.1%}"
            )
        if used := subject.on_device:
            yield (
                f"  On the GPU: {used.bytes / _MEBI:,.0f} MiB in use; {used.chunks:,} chunks encoded, {used.rounds:,} "
                "rounds of steps, a graph each"
            )


def _of_variants(variants: Variants, subject: Subject, width: int) -> Iterator[str]:
    """Yield what of several outputs of a word the peers missed; names are `width` characters wide."""
    ours, whole = (line.name for line in subject.lines[:2])
    words = f"{subject.work.words:,}"
    yield (
        f"  {count_of(variants.asked, 'output')} of a word; {ours} leaves out those less probable than "
        f"{variants.min_share} of the best, the others leave out none"
    )
    yield f"  Proven: {variants.proven:,} of {words} words by {ours}, {variants.all_proven:,} by {whole}"
    yield f"  Of the {variants.all_proven:,} words, those for which a peer has another"
    yield f"  {'':{width}}{'best':>9}{'list':>9}{'set':>9}"
    for line in subject.lines:
        if missed := line.missed:
            name = f"{line.name} {line.dtype}"
            yield f"  {name:{width}}{missed.best:9,}{missed.lists:9,}{missed.sets:9,}"
