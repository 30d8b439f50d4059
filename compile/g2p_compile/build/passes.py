"""The passes from a bound Relax module to one that can be built, in order."""

import tvm
from tvm import relax


def passes_to_executable() -> list[tvm.transform.Pass]:
    """Return the passes; they are the same for CPUs and GPUs.

    The bound module is nearly all calls of our kernels, which no pass touches; the generic lowering is for what little
    is left (reshapes, and the plain attention of the cacheless check).
    """
    return [
        # Generic operators become loops, fused with their neighbours.
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FoldConstant(),
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
        # Reshapes become views; calls of kernels get their results as arguments.
        relax.transform.RewriteDataflowReshape(),
        relax.transform.ToNonDataflow(),
        relax.transform.RemovePurityChecking(),
        relax.transform.CallTIRRewrite(),
        # Buffers are laid out once, for the largest sizes of the bucket, and reused.
        relax.transform.StaticPlanBlockMemory(),
        relax.transform.LowerAllocTensor(),
        relax.transform.KillAfterLastUse(),
        relax.transform.LowerRuntimeBuiltin(),
        relax.transform.ComputePrimValue(),
        relax.transform.VMShapeLower(),
        relax.transform.AttachGlobalSymbol(),
    ]
