"""Golden words: what the reference says of a fixed list, kept in the repository as `golden/<checkpoint>/`.

`python -m g2p_compile.check.golden WORDS.tsv FOLDER [MODEL]` remakes a set with transformers.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from g2p_batch.errors import InputError
from g2p_batch.model.contract import CONTRACT, Contract
from g2p_batch.model.shipped import shipped

WORDS = "words.tsv"


@dataclass(frozen=True)
class GoldenSet:
    """Words of several languages with the reference's pronunciations."""

    folder: Path
    words: pa.Table
    """Columns lang, word, pron (string), logprob, margin (double)."""


def find_golden(contract: Contract) -> GoldenSet | None:
    """Return the golden set of a checkpoint, known by its digest; None if the project has none."""
    for path in sorted(shipped("golden").glob(f"*/{CONTRACT}")):
        if json.loads(path.read_text(encoding="utf-8"))["checkpoint_sha256"] == contract.checkpoint_sha256:
            return GoldenSet(path.parent, read_tsv(path.parent / WORDS))
    return None


def read_tsv(path: Path) -> pa.Table:
    """Read a TSV with a header and no quoting.

    Raises:
        InputError: it cannot be read.
    """
    options = csv.ParseOptions(delimiter="\t", quote_char=False)
    text = {name: pa.string() for name in ("lang", "word", "pron", "prefix", "eos_on_input", "checkpoint", "source")}
    # A word such as "null" or "NA" is a word.
    convert = csv.ConvertOptions(column_types=text, strings_can_be_null=False)
    try:
        return csv.read_csv(path, parse_options=options, convert_options=convert)
    except (OSError, pa.ArrowInvalid) as cause:
        raise InputError(f"{path} cannot be read as TSV: {cause}") from None


def make_golden(words: pa.Table, folder: Path, model: str) -> None:
    """Write the golden set of a model: `words` has the columns lang and word."""
    import torch

    from g2p_compile.check.transformers_reference import answers, load_reference

    checkpoint = load_reference(model)
    reference = answers(checkpoint, words["word"].to_pylist(), words["lang"].to_pylist())
    lines = ["lang\tword\tpron\tlogprob\tmargin"]
    for lang, word, answer in zip(words["lang"].to_pylist(), words["word"].to_pylist(), reference, strict=True):
        lines.append(f"{lang}\t{word}\t{answer.pron}\t{answer.logprob:.4f}\t{answer.margin:.4f}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WORDS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    contract = checkpoint.contract
    facts = {
        "checkpoint_sha256": contract.checkpoint_sha256,
        "prefix": contract.prefix,
        "eos_on_input": False,
        "max_target_bytes": contract.max_target_bytes,
        "decoding": "greedy, float32, transformers",
        "versions": {**contract.versions, "torch": str(torch.__version__)},
    }
    (folder / CONTRACT).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make_golden(read_tsv(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "bundled")
