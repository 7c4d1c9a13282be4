"""Trees of parameters: which are trained, which decay."""

from collections.abc import Sequence
from typing import Any

from deepocr_jax.checkpoint import flat_items, nested
from deepocr_jax.errors import ParameterValueError

Tree = dict[str, Any]

# Kernels decay; biases, norms and their like do not (He et al., arXiv 1812.01187, section 3.1).
DECAYED = "kernel"


def split_parameters(params: Tree, frozen: Sequence[str]) -> tuple[Tree, Tree]:
    """Parameters that are trained, and those that stay.

    Args:
        params: The network's.
        frozen: Prefixes of paths such as "body/LCNet_0/Stem_0"; whole path segments.

    Raises:
        ParameterValueError: A prefix that fits no parameter, or nothing left to train.
    """
    trained, kept = {}, {}
    unused = set(frozen)
    for path, value in flat_items(params):
        fits = [p for p in frozen if f"{path}/".startswith(f"{p.strip('/')}/")]
        unused -= set(fits)
        (kept if fits else trained)[path] = value
    if unused:
        parts = sorted({"/".join(p.split("/")[:3]) for p, _ in flat_items(params)})
        raise ParameterValueError(
            f"no parameter begins with {sorted(unused)}; expected paths such as {parts[:20]}"
        )
    if not trained:
        raise ParameterValueError(f"all parameters are frozen by {list(frozen)}; leave some out")
    return nested(trained), nested(kept)


def join_parameters(trained: Tree, kept: Tree) -> Tree:
    """The inverse of `split_parameters`."""
    return nested(dict(flat_items(trained)) | dict(flat_items(kept)))


def decay_mask(params: Tree) -> Tree:
    """1.0 for each parameter that weight decay applies to, else 0.0."""
    return nested(
        {path: float(path.rsplit("/", 1)[-1] == DECAYED) for path, _ in flat_items(params)}
    )
