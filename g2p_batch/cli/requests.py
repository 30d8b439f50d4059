"""What the options of lexicons mean: from their values to what `driver` is called with."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from g2p_batch import errors
from g2p_batch.cli.main import locate, say
from g2p_batch.cli.options import existing
from g2p_batch.cli.progress import progress
from g2p_batch.model import artifact_cache, contract
from g2p_batch.model.devices import Device
from g2p_batch.storage.locations import Location

if TYPE_CHECKING:
    from g2p_batch.model.greedy import EngineFactory
    from g2p_batch.run.conform import Phonetics
    from g2p_batch.run.output import Merging
    from g2p_batch.run.plan import Planning
    from g2p_batch.workers.remaining import Slice, Team
    from g2p_batch.workers.scheduler import OpenSite, Site


@dataclass(frozen=True)
class Model:
    """A model that is found but not compiled yet, and the number format that it has or is to have."""

    folder: str
    facts: contract.Contract
    dtype: contract.DType

    def team(self, device: Device, workers: int | None, site: "OpenSite") -> "Team":
        """Return who decodes with it; it is compiled when there is work."""
        from g2p_batch.workers.remaining import Team

        return Team(self.facts, partial(self._compiled, device), workers, progress(), site)

    def _compiled(self, device: Device) -> "EngineFactory":
        from g2p_batch.model import resolve

        return resolve.compiled(resolve.Request(self.folder, device.kind, self.dtype), say)


def model_of(model: str, dtype: contract.DType) -> Model:
    """Find a model; one that is compiled already keeps its number format."""
    folder, facts = locate(model)
    if (Path(folder) / artifact_cache.MANIFEST).is_file():
        dtype = contract.load_manifest(Path(folder)).dtype
    return Model(folder, facts, dtype)


def planning_of(inputs: tuple[str, ...], options: Mapping[str, Any], model: Model, run_dir: Location) -> "Planning":
    """Return what to plan."""
    from g2p_batch.api import supported_tag
    from g2p_batch.run.lookup import Earlier
    from g2p_batch.run.plan import Planning
    from g2p_batch.words.wordlist import WordLists

    lang, name = options["lang"], options["model"]
    return Planning(
        source=WordLists(
            inputs,
            lang=None if lang is None else supported_tag(lang, model.facts),
            lang_column=options["lang_column"],
            word_column=options["word_column"],
        ),
        contract=model.facts,
        run_dir=run_dir,
        model=str(Path(name).absolute()) if Path(name).exists() else name,
        dtype=model.dtype,
        normalize=options["normalize"],
        memory=options["memory"],
        shard_words=options["shard_words"],
        strict=options["strict"],
        restart=options["restart"],
        lexicons=existing(options["lexicons"]),
        since=Earlier(options["since_run"]) if options["since_run"] else None,
    )


def merging_of(options: Mapping[str, Any]) -> "Merging":
    """Return what to write; `--phone-map` and `--phone-set` are read."""
    from g2p_batch.run.output import Merging

    return Merging(
        output=options["output"],
        format=options["format"],
        order=options["order"],
        scores=options["scores"],
        memory=options["memory"],
        partial=options.get("partial", False),
        strict=options["strict"],
        phonetics=_phonetics(options),
        space_in_word=options["space_in_word"],
        tokens=options["tokens"],
    )


_STYLE = {"phones": "alphabet", "stress": "stress", "tones": "tones", "syllables": "syllables", "clean": "clean"}
"""Options of phones, and what `Style` calls them."""


def _phonetics(options: Mapping[str, Any]) -> "Phonetics":
    from g2p_batch.phones import Style, read_phone_map, read_phone_set
    from g2p_batch.run.conform import Phonetics

    given = {field: options[name] for name, field in _STYLE.items() if options[name]}
    if options["phone_map"] is not None:
        given["phone_map"] = read_phone_map(options["phone_map"])
    known = None if options["phone_set"] is None else read_phone_set(options["phone_set"])
    return Phonetics(Style(**given), bool(given), known, "alphabet" in given)


def slice_of(text: str) -> "Slice":
    """Read `I/N`."""
    from g2p_batch.workers.remaining import Slice

    index, _, of = text.partition("/")
    if not (index.isdecimal() and of.isdecimal()):
        raise errors.UsageError(f"--shards {text} is not I/N: task 0 of 40 does 0/40, the last one 39/40")
    return Slice(int(index), int(of))


def site_of(options: Mapping[str, Any]) -> "OpenSite":
    """Return where workers are to live; what is missing for that is told before any work."""
    from g2p_batch.workers.processes import on_gpus, this_machine

    address = options["ray_address"]
    if address is not None and options["engine"] != "ray":
        raise errors.UsageError("--ray-address is of no use here: add --engine ray")
    device: Device = options["device"]
    if device.kind == "cuda" and options["engine"] == "ray" and device.numbers:
        raise errors.UsageError("Ray gives every actor a GPU of its own: say --device cuda, without numbers")
    sites: dict[tuple[str, str], Callable[[], OpenSite]] = {
        ("local", "cpu"): lambda: this_machine,
        ("local", "cuda"): lambda: on_gpus(device),
        ("ray", "cpu"): lambda: _ray_site(address, False),
        ("ray", "cuda"): lambda: _ray_site(address, True),
    }
    return sites[options["engine"], device.kind]()


def _ray_site(address: str | None, gpus: bool) -> "OpenSite":
    from g2p_batch.workers.ray_workers import ray_site

    open_site = ray_site(address, gpus)

    @contextmanager
    def opened(workers: int | None) -> "Iterator[Site[Any]]":
        # Ray prints what it thinks of dead workers, where only what was asked for belongs.
        with redirect_stdout(sys.stderr), open_site(workers) as site:
            yield site

    return opened
