from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.checkpoint import flat_items
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.parameters import decay_mask, join_parameters, split_parameters

TREE = {
    "body": {
        "Stem_0": {"kernel": np.ones(2), "bias": np.zeros(2)},
        "Stem_01": {"kernel": np.ones(3)},
        "BatchNorm_0": {"scale": np.ones(2), "bias": np.zeros(2)},
    },
    "head": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)},
}
PREFIXES = ["body", "body/Stem_0", "body/Stem_0/kernel", "body/BatchNorm_0/", "/head", "head/bias"]


def paths(tree):
    return [path for path, _ in flat_items(tree)]


@given(st.lists(st.sampled_from(PREFIXES), max_size=4))
def test_parts_are_joined_to_the_whole(frozen):
    if "body" in frozen and "/head" in frozen:
        return
    trained, kept = split_parameters(TREE, frozen)
    assert not set(paths(trained)) & set(paths(kept))
    joined = join_parameters(trained, kept)
    assert paths(joined) == paths(TREE)
    for (_, value), (_, expected) in zip(flat_items(joined), flat_items(TREE), strict=True):
        assert value is expected


def test_prefixes_are_whole_segments_of_paths():
    trained, kept = split_parameters(TREE, ["body/Stem_0"])
    assert paths(kept) == ["body/Stem_0/bias", "body/Stem_0/kernel"]
    assert "body/Stem_01/kernel" in paths(trained)
    trained, kept = split_parameters(TREE, [])
    assert kept == {} and paths(trained) == paths(TREE)


@pytest.mark.parametrize("prefix", ["tail", "body/Stem", "Stem_0", "body/Stem_0/kernel/x"])
def test_a_prefix_that_fits_nothing_is_named(prefix):
    with pytest.raises(ParameterValueError, match=rf"\['{prefix}'\].*body/Stem_0"):
        split_parameters(TREE, ["head", prefix])


def test_something_must_be_left_to_train():
    with pytest.raises(ParameterValueError, match="all parameters are frozen.*leave some out"):
        split_parameters(TREE, ["body", "head"])


def test_only_kernels_decay():
    mask = decay_mask(TREE)
    assert paths(mask) == paths(TREE)
    decayed = [path for path, value in flat_items(mask) if value == 1.0]
    assert decayed == ["body/Stem_0/kernel", "body/Stem_01/kernel", "head/kernel"]
    assert {float(value) for _, value in flat_items(mask)} == {0.0, 1.0}
