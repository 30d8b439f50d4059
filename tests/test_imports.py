"""Who may import what, who may print, and what works where torch is not installed."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import g2p_batch

PACKAGE = Path(g2p_batch.__file__).parent

LAYERS = {
    "errors": "",
    "languages": "errors",
    "counts": "",
    "signals": "errors",
    "storage": "errors",
    "model": "errors languages storage",
    "words": "errors languages model storage",
    "phones": "errors",
    "formats": "counts errors languages model phones storage words",
    "evaluation": "counts errors formats languages model words",
    "run": "counts errors formats languages model phones signals storage words",
    "workers": "counts errors formats model run signals storage words",
    "reporting": "counts evaluation formats languages run storage words",
    "driver": "counts errors languages model run signals storage words workers",
    "api": "errors formats languages model words",
    "cli": "api counts driver errors evaluation formats languages model phones reporting run signals storage words "
    "workers",
}
"""What the parts of the package import of one another: each imports of those above it only."""

THIRD_PARTY = {
    "pyarrow": set(LAYERS) - {"errors", "languages", "signals", "driver"},
    "numpy": set(LAYERS) - {"errors", "languages", "counts", "signals", "driver", "workers", "cli"},
    "tvm_ffi": {"model.cpu_engine"},
    "duckdb": {"storage.database"},
    "obstore": {"storage.object_store"},
    "click": {"cli"},
    "jinja2": {"reporting.page"},
    "tqdm": {"cli.progress", "cli.train"},
    "ray": {"workers.ray_workers"},
    "rapidfuzz": {"evaluation.edits"},
    "g2p_compile": {"model.compiler", "cli.bench", "cli.train", "cli.verify"},
}
"""Who alone imports a package from elsewhere: parts, or single modules."""

LAZY = {"tvm_ffi", "g2p_compile", "obstore", "rapidfuzz", "ray", "tqdm"}
"""Imported inside functions only."""

PRINTS = {"print", "exit", "quit", "click.echo", "sys.exit", "os._exit", "ctx.exit"}
STREAMS = {"sys.stdout", "sys.stderr"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
TREES.pop("__init__")


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


def waits(node: ast.AST) -> bool:
    """Tell whether what a statement holds is not run when its module is imported."""
    for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return for_types or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def at_the_top(tree: ast.Module) -> set[str]:
    inside = {id(node) for waiting in ast.walk(tree) if waits(waiting) for node in ast.walk(waiting)}
    return {name for node in ast.walk(tree) if id(node) not in inside for name in imported(node)}


def part_of(module: str) -> str:
    return module.split(".")[0]


def test_the_layers_name_every_part() -> None:
    assert {part_of(module) for module in TREES} == set(LAYERS)


def test_no_layer_imports_from_above() -> None:
    order = list(LAYERS)
    assert [
        f"{part} imports {other}"
        for part, others in LAYERS.items()
        for other in others.split()
        if order.index(other) >= order.index(part)
    ] == []


@pytest.mark.parametrize("part", LAYERS)
def test_a_part_imports_what_its_layer_says(part: str) -> None:
    mine = {name for module, tree in TREES.items() if part_of(module) == part for name in imports(tree)}
    assert {part_of(name) for name in mine} & set(LAYERS) - {part} == set(LAYERS[part].split())


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {module: {name for name in imports(tree) if name in TREES} - {module} for module, tree in TREES.items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


def architecture() -> dict[str, str]:
    """Return what the table of ARCHITECTURE.md says of the imports of each part."""
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = (row.strip("|").split("|") for row in text.split("\n## The parts\n")[1].split("\n## ")[0].splitlines())
    cells = [[cell.strip() for cell in row] for row in rows if len(row) == 3]
    return {name.strip("`/"): allowed for name, _, allowed in cells[2:]}


def test_the_architecture_says_what_a_part_imports() -> None:
    said = {name: set(allowed.replace("-", "").split(", ")) - {""} for name, allowed in architecture().items()}
    assert said == {name: set(allowed.split()) for name, allowed in LAYERS.items()}


@pytest.mark.parametrize("package", THIRD_PARTY)
def test_a_package_from_elsewhere_is_imported_by_its_owners_only(package: str) -> None:
    owners = THIRD_PARTY[package]
    users = {module for module, tree in TREES.items() if package in imports(tree)}
    assert {user for user in users if user not in owners and part_of(user) not in owners} == set()
    assert {owner for owner in owners if owner not in users and owner not in map(part_of, users)} == set()


@pytest.mark.parametrize("package", ["torch", "transformers", "tvm"])
def test_the_runtime_never_imports_what_only_the_compiler_needs(package: str) -> None:
    assert [module for module, tree in TREES.items() if package in imports(tree)] == []


@pytest.mark.parametrize("module", TREES)
def test_what_is_heavy_is_imported_when_it_is_needed(module: str) -> None:
    heavy = LAZY | ({"duckdb", "pyarrow", "numpy"} if module.startswith("cli") else set())
    assert at_the_top(TREES[module]) & heavy == set()


def test_templates_are_loaded_for_a_report_only() -> None:
    others = [module for module in TREES if part_of(module) != "reporting"]
    assert [m for m in others if "reporting" in set(map(part_of, at_the_top(TREES[m])))] == []


def test_nothing_finds_the_compiler_by_its_name() -> None:
    named = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "g2p_compile"
    }
    assert named == set()


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
    note, compiling, *_ = first.stderr.splitlines()
    assert note == "Note: no language of the model is called 'eng-gb': 1 row rejected; did you mean eng-uk?"
    assert compiling.startswith("Compiling bundled for this CPU (")
    assert "4 rows read: 3 words, 0 duplicates, 1 rejected.\n" in first.stderr
    header, *rows = lexicon.read_text(encoding="utf-8").splitlines()
    assert header == "word\tlang\tpron"
    assert [row.split("\t")[:2] for row in rows] == [
        *(["hello", "eng-us"], ["hello", "eng-us"]),  # as the dictionary has it
        *(["Straße", "ger"], ["bonjour", "fra"]),
    ]
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
    ran = run_without_torch(cache, "export", "someone/model", "-o", tmp_path / "out")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "Error: someone/model is no folder here but may be a checkpoint of a model hub, and converting one needs torch "
        "and transformers: `pip install torch --index-url https://download.pytorch.org/whl/cpu`, which is the one for "
        "CPUs, then `pip install 'g2p-batch[export]'`; or export it on another machine and pass the program's folder\n"
    )


def test_what_is_no_model_is_said_before_torch_is_asked_for(cache: Path, tmp_path: Path) -> None:
    ran = run_without_torch(cache, "export", tmp_path, "-o", tmp_path / "out")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"Error: {tmp_path} holds no model, neither manifest.json of a compiled one, ")


def test_training_needs_torch_and_says_so(cache: Path, tmp_path: Path) -> None:
    ran = run_without_torch(cache, "train", tmp_path / "words.tsv", "--dry-run")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "Error: training needs torch and transformers: `pip install torch --index-url "
        "https://download.pytorch.org/whl/cpu`, which is the one for CPUs, then `pip install 'g2p-batch[train]'`\n"
    )
    assert run_without_torch(cache, "train", "--help").returncode == 0
