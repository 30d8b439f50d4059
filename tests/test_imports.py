"""Who may import what, who may print, and what works where torch is not installed."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import g2p_batch

PACKAGE = Path(g2p_batch.__file__).parent

# What each module may import of this package and of others; the standard library is free for all.
ALLOWED = {
    "__init__": "api",
    "errors": "",
    "host": "",
    "shipped": "",
    "contract": "errors",
    "languages": "errors",
    "publish": "errors",
    "codec": "numpy pyarrow",
    "controls": "codec numpy pyarrow",
    "sorting": "codec numpy pyarrow",
    "delimited": "numpy pyarrow",
    "artifacts": "contract cuda errors host shipped",
    "decode": "codec contract numpy",
    "formats.lexicon": "controls errors numpy pyarrow",
    "formats.kind": "formats.lexicon pyarrow",
    "formats.words": "codec formats.lexicon numpy pyarrow",
    "formats.rules": "controls formats.lexicon formats.words numpy pyarrow",
    "formats.reading": "errors formats.kind formats.rules pyarrow",
    **dict.fromkeys(
        ("formats.charsiu", "formats.kaldi", "formats.cmudict"),
        "formats.kind formats.lexicon formats.reading formats.rules formats.words pyarrow",
    ),
    **dict.fromkeys(
        ("formats.mfa", "formats.icefall", "formats.sherpa"),
        "formats.kaldi formats.kind formats.lexicon formats.reading formats.rules formats.words numpy pyarrow",
    ),
    "formats.tsv": "controls formats.kind formats.lexicon formats.reading formats.rules formats.words pyarrow",
    "formats.kaldi_dict": "errors formats.kaldi formats.kind formats.lexicon formats.reading formats.rules "
    "formats.words pyarrow",
    "formats.jsonl": "formats.kind formats.lexicon formats.reading formats.tsv formats.words pyarrow",
    "formats.parquet": "delimited errors formats.kind formats.lexicon formats.reading formats.rules pyarrow",
    "formats.pls": "errors formats.kind formats.lexicon formats.reading formats.rules formats.words languages pyarrow",
    "formats": "errors formats.charsiu formats.cmudict formats.icefall formats.jsonl formats.kaldi formats.kaldi_dict "
    "formats.kind formats.mfa formats.parquet formats.pls formats.reading formats.rules formats.sherpa formats.tsv "
    "locations pyarrow",
    "phones": "phones.coverage phones.phonemap phones.segment phones.style",
    "phones.symbols": "",
    "phones.quirks": "",
    "phones.clean": "",
    "phones.lines": "errors",
    "phones.reading": "phones.quirks phones.symbols",
    "phones.phonemap": "errors phones.lines phones.symbols",
    "phones.style": "errors phones.phonemap",
    "phones.arpabet": "phones.phonemap phones.symbols",
    "phones.xsampa": "phones.symbols",
    "phones.writing": "phones.arpabet phones.reading phones.style",
    "phones.segment": "phones.arpabet phones.clean phones.style phones.symbols phones.writing phones.xsampa numpy "
    "pyarrow",
    "phones.coverage": "errors phones.lines numpy pyarrow",
    "locations": "errors",
    "remote": "errors locations pyarrow",
    "wordlist": "delimited errors locations remote numpy pyarrow",
    "screen": "contract controls delimited languages numpy pyarrow",
    "report": "pyarrow",
    "parquet": "publish pyarrow",
    "records": "",
    "signals": "errors",
    "slurm": "errors",
    "storage": "publish",
    "bucket": "errors locations publish storage obstore",
    "stores": "bucket locations storage",
    "fingerprint": "contract errors locations remote wordlist",
    "rundir": "contract errors fingerprint locations records screen stores",
    "database": "errors duckdb pyarrow",
    "keys": "contract numpy pyarrow",
    "lookup": "contract database errors formats keys locations parquet publish rundir screen wordlist numpy pyarrow",
    "staging": "contract database formats.lexicon keys parquet publish report rundir screen sorting numpy pyarrow",
    "oov": "contract database formats.words keys languages lookup publish screen staging wordlist pyarrow",
    "rejects": "errors formats.tsv parquet rundir pyarrow",
    "plan": "contract database errors fingerprint formats.tsv locations lookup rejects report rundir screen signals "
    "staging stores wordlist pyarrow",
    "cuda": "errors numpy",
    "devices": "cuda errors",
    "gpu": "contract cuda errors numpy",
    "compiled": "codec contract decode",
    "desk": "codec compiled contract cuda decode gpu numpy",
    "gpu_engine": "codec compiled contract decode desk gpu numpy",
    "engine": "artifacts codec compiled contract cuda decode errors gpu gpu_engine host numpy tvm_ffi",
    "models": "artifacts compiled contract decode engine errors host languages publish shipped g2p_compile",
    "crew": "codec contract decode errors formats.lexicon numpy pyarrow",
    "shard": "contract crew decode errors formats.lexicon locations parquet report rundir pyarrow",
    "worker": "decode errors rundir shard pyarrow",
    "pool": "crew decode errors rundir shard worker",
    "processes": "devices errors host pool worker",
    "actors": "errors host pool rundir shard worker pyarrow ray",
    "run": "contract crew decode errors pool processes report rundir shard signals",
    "status": "report rundir",
    "fitting": "formats.kind formats.lexicon formats.words phones phones.coverage phones.segment report screen numpy "
    "pyarrow",
    "target": "database errors fitting formats formats.lexicon formats.sherpa locations phones records stores",
    "merge": "database errors fingerprint fitting formats formats.lexicon locations parquet rejects report run rundir "
    "signals sorting status stores target pyarrow",
    "evaluation": "evaluation.calibration evaluation.edits evaluation.figures report numpy pyarrow",
    "evaluation.calibration": "numpy pyarrow",
    "evaluation.edits": "errors numpy rapidfuzz",
    "evaluation.figures": "evaluation.calibration evaluation.edits",
    "evaluation.reference": "errors formats languages screen wordlist numpy pyarrow",
    "reporting": "locations reporting.facts reporting.page rundir stores",
    "reporting.histogram": "numpy",
    "reporting.lowest": "numpy pyarrow",
    "reporting.tally": "evaluation.calibration report reporting.histogram reporting.lowest numpy pyarrow",
    "reporting.pace": "rundir numpy",
    "reporting.rejected": "delimited formats.tsv locations publish stores pyarrow",
    "reporting.facts": "locations parquet report reporting.pace reporting.rejected reporting.tally rundir status",
    "reporting.markup": "languages",
    "reporting.charts": "reporting.markup",
    "reporting.style": "",
    "reporting.overview": "report reporting.charts reporting.facts reporting.markup rundir status",
    "reporting.figures": "languages report reporting.charts reporting.facts reporting.histogram reporting.markup "
    "reporting.pace",
    "reporting.details": "fingerprint languages report reporting.facts reporting.markup pyarrow",
    "reporting.page": "reporting.details reporting.facts reporting.figures reporting.markup reporting.overview "
    "reporting.style",
    "driver": "contract errors fingerprint languages locations merge plan report run rundir signals target wordlist",
    "api": "contract crew decode delimited devices errors formats.lexicon languages models screen wordlist numpy "
    "pyarrow",
    "cli": "cli.about cli.builds cli.checks cli.lexicons cli.lookups cli.proofs cli.reports cli.root cli.scores",
    "cli.root": "artifacts contract devices errors models click",
    "cli.options": "errors languages locations lookup click",
    "cli.progress": "cli.root crew tqdm",
    "cli.given": "actors api artifacts cli.options cli.progress cli.root contract decode devices errors fitting "
    "locations lookup models phones plan pool processes run target wordlist",
    "cli.lexicons": "cli.given cli.options cli.root driver errors locations rundir signals slurm status click",
    "cli.lookups": "cli.options cli.root contract languages oov report shipped wordlist click",
    "cli.checks": "cli.root errors formats formats.kind languages click",
    "cli.builds": "artifacts cli.root contract errors host models publish click",
    "cli.about": "artifacts cli.root contract errors host languages shipped click",
    "cli.proofs": "cli.root contract devices errors host models publish screen shipped wordlist click g2p_compile "
    "pyarrow",
    "cli.reports": "cli.root locations reporting rundir click",
    "cli.scores": "api cli.options cli.root contract errors evaluation evaluation.calibration evaluation.edits "
    "evaluation.figures evaluation.reference host languages phones phones.segment publish report wordlist click",
}

OWNERS = {
    "tvm": {"engine"},
    "tvm_ffi": {"engine"},
    "duckdb": {"database"},
    "obstore": {"bucket"},
    "click": {name for name in ALLOWED if name.startswith("cli")},
    "tqdm": {"cli.progress"},
    "ray": {"actors"},
    "rapidfuzz": {"evaluation.edits"},
    "g2p_compile": {"models", "cli.proofs"},
    "torch": set[str](),
    "transformers": set[str](),
}
"""Who alone may import a package."""

LAZY = {"tvm", "tvm_ffi", "g2p_compile", "obstore", "rapidfuzz", "ray", "tqdm"}
"""Imported inside functions only."""

PRINTS = {"print", "exit", "quit", "click.echo", "sys.exit", "os._exit", "ctx.exit"}
STREAMS = {"sys.stdout", "sys.stderr"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imported(node: ast.AST) -> Iterator[str]:
    """Yield what one statement imports: modules of this package by their own name, others by their first name."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports are absolute"
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name.removeprefix("g2p_batch.") in TREES else str(node.module) for name in inside]
    else:
        return
    for name in names:
        own = name.removeprefix("g2p_batch.")
        yield own if own != name else name.split(".")[0]


def imports(tree: ast.AST) -> set[str]:
    found = {name for node in ast.walk(tree) for name in imported(node)}
    return found - set(sys.stdlib_module_names)


def at_the_top(tree: ast.Module) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, functions) for node in ast.walk(function)}
    return {name for node in ast.walk(tree) if id(node) not in inside for name in imported(node)}


def test_the_table_of_imports_names_every_module() -> None:
    assert set(TREES) == set(ALLOWED)


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    assert imports(TREES[module]) - set(ALLOWED[module].split()) == set()


def architecture() -> Iterator[tuple[str, str]]:
    """Yield what the table of ARCHITECTURE.md names, and what it says of its imports."""
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for row in text.split("\n## Modules of g2p_batch\n")[1].split("\n## ")[0].splitlines():
        if row.startswith("| ") and not row.startswith("| module "):
            name, _, imports = (cell.strip() for cell in row.strip("|").split("|"))
            yield name, imports


DESCRIBED = dict(architecture())


@pytest.mark.parametrize("name", sorted(DESCRIBED.keys() - {"cli/*"}))
def test_the_architecture_says_what_a_module_may_import(name: str) -> None:
    package = name.removesuffix("/*")
    mine = [module for module in ALLOWED if module == package or (name != package and module.startswith(f"{package}."))]
    allowed = {one.split(".")[0] for module in mine for one in ALLOWED[module].split()} - {package, "errors", "numpy"}
    said = set(DESCRIBED[name].replace(" (inside functions)", "").replace("-", "").split(", ")) - {""}
    assert said == allowed


def test_the_architecture_names_every_module() -> None:
    packages = {name.split(".")[0] for name in ALLOWED} - {"__init__"}
    assert {name.removesuffix("/*") for name in DESCRIBED} == packages


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_is_imported_only_by_its_owners(package: str) -> None:
    assert {module for module, tree in TREES.items() if package in imports(tree)} <= OWNERS[package]


@pytest.mark.parametrize("module", TREES)
def test_what_is_heavy_is_imported_when_it_is_needed(module: str) -> None:
    heavy = LAZY | ({"duckdb", "pyarrow", "numpy"} if module.startswith("cli") else set())
    assert at_the_top(TREES[module]) & heavy == set()


def test_only_the_cache_reads_the_compilers_sources() -> None:
    named = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "g2p_compile"
    }
    assert named == {"artifacts"}


@pytest.mark.parametrize("module", sorted(name for name in TREES if not name.startswith("cli")))
def test_only_the_command_line_prints_or_exits(module: str) -> None:
    nodes = list(ast.walk(TREES[module]))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    touched = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    named = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert (called & PRINTS, touched & STREAMS, named & {"SystemExit"}) == (set(), set(), set())


WITHOUT_TORCH = """
import sys

sys.modules["torch"] = sys.modules["transformers"] = None  # as if they were not installed
from g2p_batch.cli import main
main()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run_without_torch(cache: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"G2P_BATCH_CACHE": str(cache), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)


def test_the_bundled_model_generates_where_torch_is_not_installed(cache: Path, tmp_path: Path) -> None:
    words, lexicon = tmp_path / "words.tsv", tmp_path / "lexicon.tsv"
    words.write_text("word\tlang\nhello\teng-us\nStraße\tger\nhello\teng-gb\nbonjour\tfr\n", encoding="utf-8")
    first = run_without_torch(cache, "generate", words, "-o", lexicon)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert first.stderr.startswith("Compiling bundled for this CPU (")
    assert "4 rows read: 3 words, 0 duplicates, 1 rejected.\n" in first.stderr
    header, *rows = lexicon.read_text(encoding="utf-8").splitlines()
    assert header == "word\tlang\tpron"
    assert [row.split("\t")[:2] for row in rows] == [["hello", "eng-us"], ["Straße", "ger"], ["bonjour", "fra"]]
    assert all(row.split("\t")[2] for row in rows)
    again = run_without_torch(cache, "generate", words, "-o", tmp_path / "again.tsv", "--workers", "2")
    assert (again.returncode, "Compiling" in again.stderr) == (0, False), again.stderr
    assert (tmp_path / "again.tsv").read_bytes() == lexicon.read_bytes()
    compiled = run_without_torch(cache, "compile", "bundled")
    assert Path(compiled.stdout.splitlines()[0]).parent == cache


def test_languages_and_info_work_where_torch_is_not_installed(cache: Path) -> None:
    languages, info = run_without_torch(cache, "languages"), run_without_torch(cache, "info")
    assert (languages.returncode, languages.stderr, len(languages.stdout.splitlines())) == (0, "", 101)
    assert (info.returncode, info.stderr) == (0, "")


def test_a_checkpoint_needs_torch_and_says_so(cache: Path, tmp_path: Path) -> None:
    ran = run_without_torch(cache, "export", tmp_path, "-o", tmp_path / "out")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"Error: {tmp_path} is a checkpoint, and converting one needs torch and transformers")
    assert "Traceback" not in ran.stderr
