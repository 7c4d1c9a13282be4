"""Networks that begin with a trained detector's backbone and neck, and a head of their own."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.models.registry import make_model, spec_to_dict
from deepocr_jax.models.score_maps import SHARED_PARTS


def give_fresh_head(
    detector: ModelCheckpoint, kind: str, spec: Any, head: str, seed: int
) -> ModelCheckpoint:
    """A model of another kind, with a detector's backbone and neck.

    Args:
        detector: Of kind "ocr_detection".
        kind: Of the new model.
        spec: Of the new model; its backbone and neck are specified as the detector's.
        head: What the head finds, for `source`.
        seed: Of the head's random parameters.
    """
    network = make_model(kind, spec)

    @jax.jit  # So nothing but the head is worked out.
    def fresh(key: jax.Array) -> dict[str, Any]:
        params = network.init(key, jnp.zeros((1, 64, 64, 3)))["params"]
        return {name: part for name, part in params.items() if name not in SHARED_PARTS}

    shared = {name: detector.variables["params"][name] for name in SHARED_PARTS}
    params = shared | jax.tree.map(np.asarray, fresh(jax.random.key(seed)))
    return replace(
        detector,
        kind=kind,
        spec=spec_to_dict(spec),
        variables={"params": params},
        source=f"{detector.source}, with a fresh head of {head}",
        sha256="",
        meta_data={},
    )
