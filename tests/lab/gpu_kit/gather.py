"""All that proves the CUDA half on another machine, in one folder: compiled code, words, and what has to come out."""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import torch

from g2p_batch.model.artifact_cache import GPU_DTYPES, WEIGHTS, load_shapes, target_family
from g2p_batch.model.contract import EXCEPTIONS, MANIFEST, DType, LengthBucket, Shapes, save_json
from g2p_batch.model.cpu_families import Family
from g2p_batch.model.shipped import BUNDLED, shipped
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.build.backends import BACKENDS
from g2p_compile.build.bind import bind
from g2p_compile.build.builder import build
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.transformers_reference import Answer, answers, load_reference
from g2p_compile.export.checkpoint import Checkpoint, from_program
from g2p_compile.export.exporter import export_program
from g2p_compile.export.widen import widen
from g2p_compile.kernels.cuda.tiling import Packing
from g2p_compile.program import load_program
from tests.lab.gpu_kit.install import ROOT, install
from tests.lab.gpu_kit.on_card.kit import (
    CODE,
    RECIPE,
    SETTINGS,
    SMALL,
    SOURCE,
    SOURCE_WEIGHTS,
    TEXTS,
    USUAL,
    WIDE,
    WORDS,
    Made,
    Settings,
    stored,
)

_EXACT_WORDS = 16
"""Whose hidden states are carried in float64."""
_SMALL_DTYPES: tuple[DType, ...] = ("bfloat16",)


@dataclass(frozen=True)
class Subject:
    """What a kit is made of.

    Attributes:
        program: folder of the model's program.
        wide: folder of its program in a larger shape.
        golden, many: columns word and lang.
        shapes: of the usual and the wide model.
        small: of the one for slow tools.
        dtypes: number formats.
        architectures: of the GPUs, such as sm_90.
        settings: how much is measured.
    """

    program: Path
    wide: Path
    golden: pa.Table
    many: pa.Table
    shapes: Shapes
    small: Shapes
    dtypes: Sequence[DType]
    architectures: tuple[str, ...]
    settings: Settings


def bundled(folder: Path, architectures: tuple[str, ...]) -> Subject:
    """Return the bundled model, and it in the shape of tiny_16, whose program is put into a folder."""
    checkpoint = load_reference("bundled")
    export_program(widen(checkpoint, "tiny_16"), folder)
    contract = checkpoint.contract
    ends = (contract.max_source_bytes, contract.max_target_bytes)
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return Subject(
        program=BUNDLED,
        wide=folder,
        golden=read_tsv(shipped("golden/bundled/words.tsv")),
        many=read_tsv(shipped("golden/bench.tsv")),
        shapes=load_shapes(shipped("configs/targets/cuda.toml"), contract),
        small=Shapes((LengthBucket(48, 64, 16, 16), LengthBucket(*ends, 8, 8)), (16,)),
        dtypes=GPU_DTYPES,
        architectures=architectures,
        settings=Settings(f"{contract.name} and tiny_16 of {version.stdout.strip()}"),
    )


def gather(subject: Subject, folder: Path, python: str, say: Callable[[str], None]) -> None:
    """Make a kit.

    Args:
        subject: what of.
        folder: new.
        python: version of the other machine's Python, such as 3.12.
        say: told what takes time.
    """
    folder.mkdir(parents=True)
    say(f"Packages for Python {python}")
    install(folder / "site", python)
    shutil.copy(Path(__file__).parent / "on_card" / "run.sh", folder)
    (folder / "python-version").write_text(f"{python}\n", encoding="utf-8")
    program = load_program(subject.program)
    np.savez(folder / SOURCE_WEIGHTS, **stored(program.weights))
    for name, record in ((SOURCE, program.contract.geometry), (SETTINGS, subject.settings)):
        (folder / name).write_bytes(msgspec.json.encode(record))
    say("What transformers says, in float32 and float64")
    _references(from_program(program.contract, program.weights), subject, folder)
    for dtype in subject.dtypes:
        for model, of, shapes in (
            (USUAL, subject.program, subject.shapes),
            (WIDE, subject.wide, subject.shapes),
            (SMALL, subject.program, subject.small),
        ):
            if model != SMALL or dtype in _SMALL_DTYPES:
                say(f"Code of the {model} model in {dtype}")
                _code(
                    of,
                    shapes,
                    target_family("cuda", dtype, subject.architectures),
                    dtype,
                    folder / CODE / f"{model}-{dtype}",
                )


def _code(program: Path, shapes: Shapes, family: Family, dtype: DType, folder: Path) -> None:
    """Compile a program; instead of its weights the recipe is kept by which they are packed again."""
    manifest = build(program, family, shapes, dtype, folder)
    (folder / WEIGHTS).unlink()
    # Nothing that is proven there looks words up.
    (folder / EXCEPTIONS).unlink(missing_ok=True)
    files = {name: digest for name, digest in manifest.files.items() if name != EXCEPTIONS}
    save_json(folder / MANIFEST, replace(manifest, files=files))
    loaded = load_program(program)
    bound = bind(loaded, BACKENDS["cuda"](loaded, family, shapes, dtype, None).kernels, shapes)
    recipe = {name: Made(Packing(), (name,), 0) for name in manifest.tensors if name in loaded.weights}
    for name, origin in bound.origins.items():
        assert isinstance(origin.pack, Packing)
        recipe[name] = Made(origin.pack, origin.weights, origin.part)
    (folder / RECIPE).write_bytes(msgspec.json.encode(recipe))
    assert (folder / MANIFEST).exists()


def _references(checkpoint: Checkpoint, subject: Subject, folder: Path) -> None:
    exact = replace(checkpoint, model=copy.deepcopy(checkpoint.model).double())
    arrays: dict[str, Any] = {}
    for name, table in (("golden", subject.golden), ("many", subject.many)):
        words, langs = table["word"].to_pylist(), table["lang"].to_pylist()
        prefixes = pa.array([checkpoint.contract.prefix_for(lang) for lang in langs], pa.string())
        arrays[f"{name}_ids"], arrays[f"{name}_lengths"] = tokenize(pa.array(words, pa.string()), prefixes)
        arrays[f"{name}_tokens"] = _tokens(answers(checkpoint, words, langs))
        if name == "golden":
            arrays["golden_logprob"] = np.array([answer.logprob for answer in answers(exact, words, langs)])
        else:
            (folder / TEXTS).write_text(json.dumps({"word": words, "lang": langs}), encoding="utf-8")
    lengths = arrays["many_lengths"][:_EXACT_WORDS]
    arrays["hidden"] = _hidden(exact, arrays["many_ids"][:_EXACT_WORDS, : lengths.max()], lengths)
    np.savez_compressed(folder / WORDS, **arrays)


def _tokens(said: Sequence[Answer]) -> np.ndarray:
    """Return the tokens [N, T] of answers, padded with zeros."""
    tokens = np.zeros((len(said), max(len(answer.tokens) for answer in said)), np.int32)
    for row, answer in zip(tokens, said, strict=True):
        row[: len(answer.tokens)] = answer.tokens
    return tokens


def _hidden(exact: Checkpoint, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the encoder's outputs [N, S, d_model] float64 of ids [N, S]."""
    seen = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
    with torch.inference_mode():
        hidden: np.ndarray = exact.model.encoder(
            torch.from_numpy(ids).long(), attention_mask=seen.long()
        ).last_hidden_state.numpy()
    return hidden
