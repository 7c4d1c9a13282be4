from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from deepocr_jax import apply_deep_ocr, get_deep_ocr_param, set_deep_ocr_param
from deepocr_jax.checkpoint import flat_items
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.infer.programs import with_fast_products
from deepocr_jax.infer.recognizer import group_size, run_candidates
from deepocr_jax.models.layers import to_bfloat16

pytestmark = pytest.mark.pretrained

NEW = "\ue000"  # Of the private area of Unicode: no recognizer knows it.


def crop_of(text):
    """One tight line, black on white."""
    font = ImageFont.load_default(36)
    width = int(font.getlength(text)) + 12
    image = Image.new("RGB", (width, 48), "white")
    ImageDraw.Draw(image).text((6, 0), text, font=font, fill="black")
    return np.asarray(image)


def read(handle, text):
    return apply_deep_ocr(crop_of(text), handle, "recognition")


def alphabet_of(handle):
    return get_deep_ocr_param(handle, "recognition_alphabet")


def softmax(values):
    e = np.exp(values - values.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_named_alphabets_are_taken(handle):
    set_deep_ocr_param(handle, "recognition_alphabet", "digits")
    assert alphabet_of(handle) == list("0123456789")
    result = read(handle, "B2047")
    assert result["word"].isdigit() and result["word"].endswith("2047")
    candidates = [c for char in result["char_candidates"] for c in char["candidate"]]
    assert set(candidates) <= set("0123456789")
    set_deep_ocr_param(handle, "recognition_alphabet", "latin")
    assert {"a", "Z", "9", "é", " "} <= set(alphabet_of(handle))


def test_own_alphabets_are_taken_in_their_order(handle):
    letters = list("senoht ")
    set_deep_ocr_param(handle, "recognition_alphabet", letters)
    assert alphabet_of(handle) == letters
    assert read(handle, "stones")["word"] == "stones"


@pytest.mark.parametrize("wrong", ["latn", [], ["ab"], ["a", "a"], ["a", NEW], [1, 2], None, 5])
def test_wrong_alphabets_are_refused(handle, wrong):
    before = handle.state
    with pytest.raises(ParameterValueError):
        set_deep_ocr_param(handle, "recognition_alphabet", wrong)
    assert handle.state is before


def test_sliced_head_is_the_full_head_renormalised(handle, shared_handle):
    full = shared_handle.state.nets.recognizer
    crop = crop_of("Order 2047-B")
    width = 320
    batch = np.full((1, 48, width, 3), 255, np.uint8)
    batch[0, :, : min(width, crop.shape[1])] = crop[:, :width]
    group = np.repeat(batch, group_size(width, "cpu"), axis=0)
    widths = np.full(len(group), width, np.int32)
    features = full.readers[0](group, widths)[-1]
    rows = np.asarray(features)[0]

    model = shared_handle.state.recognition
    letters = [*"0123456789-BOrde ", "é"]
    columns = [0, *(model.alphabet.index(c) + 1 for c in letters)]
    head = model.variables["params"]["head"]
    head = with_fast_products(head, "cpu")
    exact = rows
    if head["kernel"].dtype != np.float32:  # This processor rounds both sides of the product.
        exact = np.asarray(to_bfloat16(jnp.asarray(rows)))
    every = softmax(exact.astype(np.float64) @ head["kernel"].astype(np.float64) + head["bias"])
    expected = every[:, columns] / every[:, columns].sum(axis=1, keepdims=True)

    set_deep_ocr_param(handle, "recognition_alphabet", letters)
    classes, confidences = run_candidates(handle.state.nets.recognizer, rows)
    assert len(set(classes[:, 0])) > 5  # Blank and several characters win somewhere.
    order = np.argsort(-expected, axis=1)[:, : classes.shape[1]]
    wanted = np.take_along_axis(expected, order, axis=1)
    np.testing.assert_allclose(confidences, wanted, atol=1e-5)
    np.testing.assert_array_equal(classes[:, 0], order[:, 0])


def test_alphabets_of_one_size_share_their_programs(handle, compilations):
    set_deep_ocr_param(handle, "recognition_alphabet", list("0123456789"))
    assert read(handle, "58213")["word"] == "58213"
    read(handle, "harbour")  # The width of another program.
    compilations.clear()
    set_deep_ocr_param(handle, "recognition_alphabet", list("harbou4567"))
    assert read(handle, "harbour")["word"] == "harbour"
    assert not compilations
    set_deep_ocr_param(handle, "recognition_alphabet", "ascii")
    read(handle, "harbour")


# --- mapping ------------------------------------------------------------------------------------


def mapping_of(alphabet, **changes):
    """The identity with some characters decoded as others, or never ("")."""
    position = {c: i + 1 for i, c in enumerate(alphabet)}
    return [position.get(changes.get(c, c), 0) for c in alphabet]


def test_mapping_reads_one_character_as_another(handle):
    assert read(handle, "ROOM")["word"] == "ROOM"
    set_deep_ocr_param(handle, "recognition_alphabet", "ascii")
    mapping = mapping_of(alphabet_of(handle), O="0")
    set_deep_ocr_param(handle, "recognition_alphabet_mapping", mapping)
    assert get_deep_ocr_param(handle, "recognition_alphabet_mapping") == mapping
    result = read(handle, "ROOM")
    assert result["word"] == "R00M"
    for character in result["char_candidates"]:
        assert "O" not in character["candidate"]
        assert len(character["candidate"]) == len(set(character["candidate"]))


def test_characters_mapped_to_0_are_never_decoded(handle):
    set_deep_ocr_param(handle, "recognition_alphabet", "ascii")
    without = mapping_of(alphabet_of(handle), **{d: "" for d in "0123456789"})
    set_deep_ocr_param(handle, "recognition_alphabet_mapping", without)
    result = read(handle, "Order 2047")
    assert result["word"].startswith("Order")
    shown = {c for char in result["char_candidates"] for c in char["candidate"]}
    assert not shown & set("0123456789")


def test_another_alphabet_resets_the_mapping(handle):
    set_deep_ocr_param(handle, "recognition_alphabet", "digits")
    set_deep_ocr_param(handle, "recognition_alphabet_mapping", [0, *range(2, 11)])
    set_deep_ocr_param(handle, "recognition_alphabet", list("ab"))
    assert get_deep_ocr_param(handle, "recognition_alphabet_mapping") == [1, 2]


# --- the network's own alphabet -----------------------------------------------------------------


def test_internal_alphabet_keeps_shared_characters_and_warns_of_new_ones(handle, shared_handle):
    before = shared_handle.state.recognition
    letters = [*"harbou 0123", NEW]
    with pytest.warns(UserWarning, match="trained"):
        set_deep_ocr_param(handle, "recognition_alphabet_internal", ["", *letters])
    assert get_deep_ocr_param(handle, "recognition_alphabet_internal") == ["", *letters]
    assert alphabet_of(handle) == letters
    after = handle.state.recognition
    old, new = (m.variables["params"]["head"] for m in (before, after))
    assert new["kernel"].shape == (old["kernel"].shape[0], 1 + len(letters))
    shared = [0, *(before.alphabet.index(c) + 1 for c in letters[:-1])]
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(new[name][..., :-1], old[name][..., shared])
    bodies = (flat_items(m.variables["params"]["body"]) for m in (before, after))
    assert all(a is b for (_, a), (_, b) in zip(*bodies, strict=True))
    assert read(handle, "harbour")["word"] == "harbour"


def test_smaller_internal_alphabet_needs_no_training(handle):
    set_deep_ocr_param(handle, "recognition_alphabet_internal", list("0123456789"))
    assert read(handle, "58213")["word"] == "58213"


@pytest.mark.parametrize("wrong", [[], [""], ["ab"], ["a", "a"], ["a", ""], [1, 2], None, 5])
def test_wrong_internal_alphabets_are_refused(handle, wrong):
    before = handle.state
    with pytest.raises(ParameterValueError):
        set_deep_ocr_param(handle, "recognition_alphabet_internal", wrong)
    assert handle.state is before


def test_optimized_recognizer_keeps_its_internal_alphabet(handle):
    set_deep_ocr_param(handle, "recognition_optimize_for_inference", True)
    with pytest.raises(ParameterValueError, match="optimized"):
        set_deep_ocr_param(handle, "recognition_alphabet_internal", list("abc"))
    set_deep_ocr_param(handle, "recognition_alphabet", "digits")
    assert read(handle, "58213")["word"] == "58213"
