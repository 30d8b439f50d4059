"""The `SearchEngine` protocol: several beginnings of one word, extended beside each other."""

from typing import Protocol, runtime_checkable

from g2p_batch.errors import ArtifactError
from g2p_batch.model.contract import LengthBucket
from g2p_batch.model.greedy import Cache, Engine, Rows
from g2p_batch.model.ids import Float32, Int32
from g2p_batch.model.search_table import SearchTable


@runtime_checkable
class SearchEngine(Engine, Protocol):
    """An engine whose rows are beginnings of outputs, several of a word if need be, with the best tokens of each."""

    @property
    def searches(self) -> bool:
        """Whether its compiled model can do this; one that another version compiled may not."""

    def open_search(self, bucket: LengthBucket) -> Cache:
        """Return the cache of a search in a bucket, all its slots free.

        It has `bucket.search_slots` for what is said and `bucket.search_sources` for what is encoded, and one behind
        each of them for scratch.
        """

    def extend(self, cache: Cache, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        """Return how every row may go on, as `step` would with its one token.

        Args:
            cache: what `open_search` returned for the bucket.
            rows: as for `step`, at most `bucket.search_rows`; a slot is what one row has of an output, and no two rows
                have the same one but for inert rows.
            source: [R] int32, the slots that the rows' words were put into by `prefill`, any number of rows to a slot;
                the one for scratch for inert rows.

        Returns:
            the K most probable tokens [R, K] int32, the best first, equals by rising id, and their log-probabilities
            [R, K] float32 among all tokens; K is the engine's, and at least 1. The first of each row are those of
            `step`, bit by bit. Later calls leave the arrays alone.
        """

    def fork(self, cache: Cache, origin: Int32, target: Int32, count: Int32) -> None:
        """Copy what slots have of an output into other slots, which then go on by themselves.

        What was put into slots by `prefill` is not copied: rows share it.

        Args:
            cache: what `open_search` returned for the bucket.
            origin: [F] int32, F at least 1: where each copy comes from; a slot may be the origin of several.
            target: [F] int32: where each goes; at most once, and no origin.
            count: [F] int32: how many positions, from the first one on; 0 to `bucket.target_bytes`. A row that was
                extended at position p has p + 1 of them.
        """

    def choose(self, tokens: Int32, logprob: Float32, table: SearchTable, log_share: float) -> None:
        """Open what the live rows of a search may go on with, and choose what is extended next.

        Args:
            tokens: what `extend` returned for the live columns of the table, [R, K].
            logprob: the same, [R, K].
            table: of the search. Afterwards its columns, forks and `vacated` are those of the next step; words whose
                search is over are behind those that ended before.
            log_share: logarithm of the least share of the best output's probability; minus infinity for none.
        """


def require_search(engine: Engine) -> SearchEngine:
    """Return an engine that can be searched with.

    Raises:
        ArtifactError: this one cannot.
    """
    if not isinstance(engine, SearchEngine) or not engine.searches:
        raise ArtifactError(
            "another version compiled this model, and this one cannot search with it for several pronunciations of a "
            "word: compile it again with `g2p-batch compile`"
        )
    return engine
