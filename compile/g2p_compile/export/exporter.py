"""Checkpoint -> program: `contract.json`, `weights.safetensors` and `program.json`, which nobody needs torch to read.

`torch.export` traces each stage with symbolic sizes; every operation of `ops` becomes one call of an external function
`g2p.<operation>` in Relax, so the program fixes what is computed and leaves how to the kernels of a target.
"""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import torch
import tvm
from safetensors.torch import save_file
from torch import fx, nn
from torch.export import Dim
from tvm import relax
from tvm.relax.frontend.torch import from_exported_program

from g2p_batch.model.contract import CONTRACT, EXCEPTIONS, Contract, digest, save_json
from g2p_compile.export import ops
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.stages import Stages
from g2p_compile.program import PREFIX, PROGRAM, WEIGHT_NAMES, WEIGHTS

# Which operations write into an argument, and into which: its place among the tensor arguments.
_IN_PLACE = {"cache_source": 3, "self_attention": 4}


def export_program(checkpoint: Checkpoint, folder: Path, exceptions: Path | None = None) -> Contract:
    """Write the program of a checkpoint, and its exceptions if there are any, into `folder`.

    Returns:
        Its contract, file digests included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stages = _stages(checkpoint)
    functions = {name: _stage(stages, name, sample) for name, sample in _samples(checkpoint.contract).items()}
    (folder / PROGRAM).write_text(tvm.ir.save_json(tvm.IRModule(functions)), encoding="utf-8")
    _save_weights(checkpoint, folder / WEIGHTS)
    names = [PROGRAM, WEIGHTS]
    if exceptions is not None:
        copyfile(exceptions, folder / EXCEPTIONS)
        names.append(EXCEPTIONS)
    contract = dataclasses.replace(
        checkpoint.contract,
        versions={**checkpoint.contract.versions, "apache-tvm": tvm.__version__},
        files={name: digest(folder / name) for name in names},
    )
    save_json(folder / CONTRACT, contract)
    return contract


def program_weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint's program by name, float32, none of them twice."""
    stages = _stages(checkpoint)
    state = stages.state_dict()
    return {name: state[name].clone() for name in _weight_names(stages).values()}


def _stages(checkpoint: Checkpoint) -> Stages:
    stages: Stages = Stages(checkpoint.model, checkpoint.contract).eval()
    return stages


def _save_weights(checkpoint: Checkpoint, path: Path) -> None:
    """Keep the checkpoint's own floating type where that loses nothing (it does not for derived tensors either)."""
    tensors = {}
    for name, weight in program_weights(checkpoint).items():
        stored = weight.to(checkpoint.stored_dtype)
        tensors[name] = (stored if torch.equal(stored.float(), weight) else weight).contiguous()
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes files that only their owner can read


def _weight_names(stages: Stages) -> dict[str, str]:
    """Map every name of a weight to the one it is stored under: stages share the decoder, both stacks the embedding."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(p), name) for name, p in stages.named_parameters(remove_duplicate=False)}


def _samples(contract: Contract) -> dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Return example arguments and dynamic shapes of every stage."""
    geometry = contract.geometry
    rows, length, steps, slots, source, target = 3, 11, 5, 4, 16, 32

    def integers(*shape: int) -> torch.Tensor:
        return torch.ones(shape, dtype=torch.int32)

    def caches(reach: int) -> list[torch.Tensor]:
        shape = (2, slots, reach, geometry.heads, geometry.d_kv)
        return [torch.zeros(shape) for _ in range(geometry.decoder_layers)]

    # Upper bounds are wide: buckets narrow them when a program is built.
    b, s, t = Dim("b", min=1, max=4096), Dim("s", min=1, max=contract.max_source_bytes), Dim("t", min=1, max=4096)
    n = Dim("n", min=1, max=4097)
    past_reach, source_reach = Dim("T", min=2, max=4096), Dim("C", min=2, max=4096)
    hidden = torch.zeros(rows, length, geometry.d_model)
    past = [{1: n, 2: past_reach} for _ in range(geometry.decoder_layers)]
    kept = [{1: n, 2: source_reach} for _ in range(geometry.decoder_layers)]
    return {
        "encoder": ((integers(rows, length), integers(rows)), ({0: b, 1: s}, {0: b})),
        "prefill": ((hidden, integers(rows), caches(source)), ({0: b, 1: s}, {0: b}, kept)),
        "step": (
            (*(integers(rows) for _ in range(4)), caches(target), caches(source)),
            ({0: b}, {0: b}, {0: b}, {0: b}, past, kept),
        ),
        "cacheless": ((integers(rows, steps), hidden, integers(rows)), ({0: b, 1: t}, {0: b, 1: s}, {0: b})),
    }


def _stage(stages: Stages, name: str, sample: tuple[tuple[Any, ...], tuple[Any, ...]]) -> relax.Function:
    stage: nn.Module = getattr(stages, name)
    arguments, dynamic = sample
    with torch.no_grad(), warnings.catch_warnings():
        # torch.export warns of its own internals.
        warnings.simplefilter("ignore", FutureWarning)
        exported = torch.export.export(stage, arguments, dynamic_shapes=dynamic, strict=False)
        module = from_exported_program(
            exported, keep_params_as_input=True, unwrap_unit_return_tuple=True, custom_convert_map=_converters()
        )
    module, _ = relax.frontend.detach_params(module)
    stored = _weight_names(stages)
    originals = exported.graph_signature.inputs_to_parameters
    function = module["main"]
    used = set(relax.analysis.free_vars(function.body))
    inputs = [p for p in function.params if p.name not in originals]
    weights = [p for p in function.params if p.name in originals and p in used]
    names = [stored[f"{name}.{originals[p.name]}"] for p in weights]
    function = relax.Function([*inputs, *weights], function.body, function.ret_ty, function.is_pure, function.attrs)
    return function.with_attrs({"num_input": len(inputs), WEIGHT_NAMES: names, "global_symbol": name})


def _converters() -> dict[str, Callable[[fx.Node, Any], Any]]:
    table: dict[str, Callable[[fx.Node, Any], Any]] = {f"{name}.default": _convert for name in ops.RESULTS}
    return table | {"auto_functionalized_v2": _convert_in_place, "index.Tensor": _convert_index}


def _convert(node: fx.Node, importer: Any) -> Any:
    """Emit a pure operation as a destination-passing call; its results are allocated by the caller."""
    name = node.target._opname
    arguments = [importer.env[a] if isinstance(a, fx.Node) else relax.prim_value(a) for a in node.args]
    return importer.block_builder.emit(relax.op.call_dps_packed(PREFIX + name, arguments, _results(name, arguments)))


def _convert_index(node: fx.Node, importer: Any) -> Any:
    """Emit `table[:, index]`, the one form of indexing that the stages use; the index is always within the table."""
    table, (_, index) = node.args
    return importer.block_builder.emit(relax.op.take(importer.env[table], importer.env[index], axis=1, mode="clip"))


def _convert_in_place(node: fx.Node, importer: Any) -> Any:
    """Emit an operation that writes into an argument: torch gives its results first, then the written tensor."""
    name = node.args[0]._opname
    schema = [argument.name for argument in node.args[0]._schema.arguments]
    written = _IN_PLACE[name]
    base = node.kwargs["_all_bases"][node.kwargs[f"_{schema[written]}_base_index"]]
    arguments = [importer.env[base if i == written else node.kwargs[key]] for i, key in enumerate(schema)]
    fresh = _results(name, arguments)
    call = relax.op.call_inplace_packed(
        PREFIX + name,
        *arguments,
        inplace_indices=[-1] * len(fresh) + [written],
        ty_args=[*fresh, arguments[written].ty],
    )
    results = importer.block_builder.emit(call)
    return results if fresh else (None, results)


def _results(name: str, arguments: list[Any]) -> list[relax.TensorType]:
    shapes = [tuple(a.ty.shape) for a in arguments if isinstance(a.ty, relax.TensorType)]
    return [relax.TensorType(shape, dtype) for shape, dtype in ops.RESULTS[name](*shapes)]
