"""Every name of the parameter table; with random weights, since values are all that matters."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from deepocr_jax import (
    DeepOCR,
    DLModel,
    apply_deep_ocr,
    create_deep_ocr,
    get_deep_ocr_param,
    set_deep_ocr_param,
)
from deepocr_jax.errors import (
    ModeError,
    ModelFileError,
    ParameterError,
    ParameterValueError,
    UnknownParameterError,
)
from deepocr_jax.reader.handle_parameters import GETTERS, SETTERS

# name: (default, other values as given -> as got)
SETTABLE = {
    "detection_image_width": (1024, {512: 512, 513: 544, "768": 768, 32: 32, 1: None, 0: None}),
    "detection_image_height": (1024, {512: 512, 33.0: 64, "96": 96, -32: None}),
    "detection_image_size": ([1024, 1024], {(512, 256): [512, 256], "1024,768": [1024, 768]}),
    "detection_min_character_score": (0.5, {0: 0, 1: 1, "0.25": 0.25, 1.01: None, -0.01: None}),
    "detection_min_link_score": (0.3, {0: 0, 1: 1, 0.5: 0.5, 2: None}),
    "detection_min_word_score": (0.7, {0: 0, 1: 1, "1e-1": 0.1, "much": None}),
    "detection_min_word_area": (10, {0: 0, 25.5: 25.5, "12": 12, -1: None}),
    "detection_orientation": (
        "auto", {0: 0, -180: -180, 180: 180, "90": 90, "auto": "auto", 181: None, "up": None},
    ),
    "detection_sort_by_line": (True, {False: False, "true": True, "False": False, "yes": None}),
    "detection_tiling": (False, {True: True, "true": True, 2: None, None: None}),
    "detection_boxes_on_device": (False, {True: True, "false": False, 2: None}),
    "detection_straighten": (True, {False: False, "true": True, 2: None}),
    "detection_look": (False, {True: True, "true": True, 2: None}),
    "detection_tiling_overlap": (60, {0: 0, "100": 100, -1: None, 1.5: None}),
    "detection_batch_size": (None, {1: 1, "4": 4, 0: None}),
    "recognition_batch_size": (None, {1: 1, "4": 4, 0.5: None, -1: None}),
    "recognition_num_char_candidates": (3, {1: 1, "5": 5, 0: None, 2.5: None}),
    "recognition_image_width": (2048, {320: 320, "321": 352, 0: None}),
    "recognition_image_height": (48, {48: 48, "48": 48, 32: None}),
    "recognition_image_size": ([2048, 48], {(320, 48): [320, 48], "640,48": [640, 48]}),
    "recognition_min_confidence": (0.7, {0: 0, "0.9": 0.9, 1.1: None}),
    "recognition_alignment": (False, {True: True, "true": True, 2: None}),
    "recognition_draft": (False, {True: True, "true": True, 2: None}),
    "detection_min_pixel_score": (0.3, {0: 0, "0.5": 0.5, 1.5: None}),
    "detection_min_region_score": (0.5, {1: 1, -1: None}),
    "detection_box_unclip_ratio": (1.6, {2: 2, "1.5": 1.5, -1: None}),
    "image_max_pixels": (2**28, {100: 100, 0: None}),
}  # fmt: skip
GOOD = [
    (n, v, w) for n, (_, values) in SETTABLE.items() for v, w in values.items() if w is not None
]
BAD = [(n, v) for n, (_, values) in SETTABLE.items() for v, w in values.items() if w is None]
BAD += [(n, v) for n in SETTABLE for v in (None, [], {}, "", float("nan"), object)]
BAD += [(n, float("inf")) for n in SETTABLE if n != "detection_min_word_area"]
BAD += [("recognition_num_char_candidates", True), ("recognition_alignment", 1.0)]
BAD += [
    (name, value)
    for name in ("detection_image_size", "recognition_image_size")
    for value in ("320", "1,2,3", 5, (1, 2, 3), ("a", "b"), (0, 48))
]
BAD += [("recognition_alphabet", v) for v in (None, 5, [], "", "latn", ["0", "0"], ["中"], ["01"])]
BAD += [("recognition_alphabet_internal", v) for v in (None, 5, [], ["a", "a"], ["ab"], [1])]
BAD += [
    ("recognition_alphabet_mapping", v)
    for v in (None, 5, [], [1], [0] * 18, [19] * 18, [-1] * 18, ["a"] * 18, [1.5] * 18)
]
BAD += [
    (name, value)
    for name in ("device", "detection_device", "recognition_device")
    for value in ("abacus", "tpu", 5, [], ["cpu", "abacus"])
]
BAD += [
    (name, value)
    for name in ("detection_optimize_for_inference", "recognition_optimize_for_inference")
    for value in (None, "maybe", 2)
]
READ_ONLY = {
    "detection_image_dimensions": [1024, 1024, 3],
    "recognition_image_dimensions": [2048, 48, 3],
    "detection_score_map_names": ["text"],
}
WRITE_ONLY = ("detection_optimize_for_inference", "recognition_optimize_for_inference")
OTHERS = {
    "device", "detection_device", "recognition_device", "detection_model", "recognition_model",
    "recognition_alphabet", "recognition_alphabet_internal", "recognition_alphabet_mapping",
}  # fmt: skip


def everything(handle):
    """All that can be asked; models by identity of their weights."""
    values = {name: get_deep_ocr_param(handle, name) for name in GETTERS}
    return {k: id(v.checkpoint) if isinstance(v, DLModel) else v for k, v in values.items()}


# --- what there is ------------------------------------------------------------------------------


def test_tables_of_the_tests_are_complete():
    assert set(SETTERS) == {*SETTABLE, *OTHERS, *WRITE_ONLY}
    assert set(GETTERS) == {*SETTABLE, *OTHERS, *READ_ONLY}


@pytest.mark.parametrize("name", list(SETTABLE))
def test_defaults_are_those_of_the_table(tiny_handle, name):
    default = SETTABLE[name][0]
    value = get_deep_ocr_param(tiny_handle, name)
    if default is None:  # Chosen for the device.
        assert isinstance(value, int) and value >= 1
    else:
        assert value == default and isinstance(value, bool) == isinstance(default, bool)


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_values_are_understood(tiny_handle, name, value, expected):
    before = everything(tiny_handle)
    set_deep_ocr_param(tiny_handle, name, value)
    got = get_deep_ocr_param(tiny_handle, name)
    assert got == expected and isinstance(got, bool) == isinstance(expected, bool)
    # Nothing else changes, but for what is another form of the same.
    family = name.rsplit("_", 1)[0]
    changed = {k for k, v in everything(tiny_handle).items() if v != before[k]}
    assert all(k == name or (k.startswith(family) and "image" in k) for k in changed)


@pytest.mark.parametrize("name", sorted({*SETTABLE, "recognition_alphabet_mapping", *OTHERS}))
def test_what_is_got_can_be_set(tiny_handle, name):
    before = everything(tiny_handle)
    set_deep_ocr_param(tiny_handle, name, get_deep_ocr_param(tiny_handle, name))
    assert everything(tiny_handle) == before


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda v: str(v)[:40])
def test_wrong_values_are_refused_and_change_nothing(tiny_handle, name, value):
    before = tiny_handle.state
    with pytest.raises(ParameterValueError) as caught:
        set_deep_ocr_param(tiny_handle, name, value)
    assert tiny_handle.state is before
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("name", [n for n in SETTABLE if "alphabet" not in n])
def test_refusals_name_the_parameter(tiny_handle, name):
    with pytest.raises(ParameterValueError, match=name.rsplit("_", 1)[0]):
        set_deep_ocr_param(tiny_handle, name, "nonsense")


def test_numbers_of_numpy_are_numbers(tiny_handle):
    set_deep_ocr_param(tiny_handle, "detection_min_word_score", np.float32(0.5))
    set_deep_ocr_param(tiny_handle, "detection_image_size", np.array([64, 96]))
    set_deep_ocr_param(tiny_handle, "detection_tiling", np.bool_(True))
    assert get_deep_ocr_param(tiny_handle, "detection_min_word_score") == 0.5
    assert get_deep_ocr_param(tiny_handle, "detection_image_dimensions") == [64, 96, 3]
    assert get_deep_ocr_param(tiny_handle, "detection_tiling") is True


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(READ_ONLY))
def test_read_only_parameters_cannot_be_set(tiny_handle, name):
    assert get_deep_ocr_param(tiny_handle, name) == READ_ONLY[name]
    with pytest.raises(UnknownParameterError, match=name):
        set_deep_ocr_param(tiny_handle, name, READ_ONLY[name])


@pytest.mark.parametrize("name", WRITE_ONLY)
def test_write_only_parameters_cannot_be_read(tiny_handle, name):
    set_deep_ocr_param(tiny_handle, name, "true")
    with pytest.raises(UnknownParameterError, match=name):
        get_deep_ocr_param(tiny_handle, name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("detection_image_widht", "detection_image_width"),
        ("Detection_Tiling", "detection_tiling"),
        ("recogniton_alphabet", "recognition_alphabet"),
    ],
)
def test_unknown_names_are_answered_with_the_closest(tiny_handle, name, meant):
    before = tiny_handle.state
    for call in (
        lambda: get_deep_ocr_param(tiny_handle, name),
        lambda: set_deep_ocr_param(tiny_handle, name, 1),
    ):
        with pytest.raises(UnknownParameterError, match=f"Did you mean '{meant}'") as caught:
            call()
        assert caught.value.suggestion == meant
    assert tiny_handle.state is before


@pytest.mark.parametrize("component", ["detection", "recognition"])
def test_parameters_of_a_missing_component_are_refused(tiny_handle, component):
    handle = DeepOCR(replace(tiny_handle.state, **{component: None}))
    for name in {*SETTERS} | {*GETTERS}:
        if not name.startswith(component):
            continue
        if name in GETTERS:
            with pytest.raises(ModeError, match=component):
                get_deep_ocr_param(handle, name)
        if name in SETTERS:
            with pytest.raises(ModeError, match=component):
                set_deep_ocr_param(handle, name, 1)


# --- devices, models, alphabets -----------------------------------------------------------------


def test_devices_are_taken_by_name_by_object_and_as_a_list(tiny_handle):
    cpu = jax.local_devices(backend="cpu")[0]
    for value in ("cpu", "CPU", cpu, [cpu], ["cpu"]):
        set_deep_ocr_param(tiny_handle, "device", value)
        for name in ("device", "detection_device", "recognition_device"):
            assert get_deep_ocr_param(tiny_handle, name) == cpu
    set_deep_ocr_param(tiny_handle, "recognition_device", ["cpu", cpu])
    assert get_deep_ocr_param(tiny_handle, "recognition_device") == [cpu, cpu]
    assert get_deep_ocr_param(tiny_handle, "detection_device") == cpu


def test_models_are_taken_as_handles(tiny_handle, tiny_detector, tiny_recognizer):
    detector, recognizer = DLModel(tiny_detector), DLModel(tiny_recognizer)
    finder = create_deep_ocr("detection", detection_model=detector)
    reader = create_deep_ocr("recognition", recognition_model=recognizer)
    assert get_deep_ocr_param(finder, "detection_model") == detector
    assert get_deep_ocr_param(reader, "recognition_model") == recognizer
    other = DLModel(replace(tiny_detector, meta_data={"note": "other"}))
    set_deep_ocr_param(tiny_handle, "detection_model", other)
    assert get_deep_ocr_param(tiny_handle, "detection_model") == other


def test_there_is_a_draft_only_where_it_is_asked_for(tiny_handle, tiny_recognizer):
    """Drafts lose letters of clean print without a doubt."""
    published = DLModel(replace(tiny_recognizer, sha256="0" * 64))
    for model in (published, DLModel(tiny_recognizer)):
        reader = create_deep_ocr("recognition", recognition_model=model)
        assert get_deep_ocr_param(reader, "recognition_draft") is False
        assert reader.state.nets.recognizer.draft is None
        set_deep_ocr_param(reader, "recognition_draft", True)
        assert reader.state.nets.recognizer.draft is not None


def test_models_of_another_kind_are_refused(tiny_handle, tiny_detector, tmp_path):
    before = tiny_handle.state
    for value in (DLModel(tiny_detector), "no_such_model", tmp_path, tmp_path / "gone"):
        with pytest.raises(ModelFileError):
            set_deep_ocr_param(tiny_handle, "recognition_model", value)
    assert tiny_handle.state is before


@pytest.mark.parametrize("value", [None, 5, [], object])
def test_models_that_are_none_are_refused(tiny_handle, value):
    before = tiny_handle.state
    with pytest.raises((ParameterError, ModelFileError)):
        set_deep_ocr_param(tiny_handle, "detection_model", value)
    assert tiny_handle.state is before


def test_optimized_components_keep_their_models(tiny_handle, tiny_detector):
    set_deep_ocr_param(tiny_handle, "detection_optimize_for_inference", True)
    with pytest.raises(ParameterValueError, match="optimized"):
        set_deep_ocr_param(tiny_handle, "detection_model", DLModel(tiny_detector))
    set_deep_ocr_param(tiny_handle, "detection_image_width", 512)
    set_deep_ocr_param(tiny_handle, "detection_optimize_for_inference", False)
    set_deep_ocr_param(tiny_handle, "detection_model", DLModel(tiny_detector))


def test_alphabet_is_by_default_that_of_the_model(tiny_handle, tiny_recognizer):
    letters = tiny_recognizer.alphabet
    assert get_deep_ocr_param(tiny_handle, "recognition_alphabet") == list(letters)
    internal = get_deep_ocr_param(tiny_handle, "recognition_alphabet_internal")
    assert internal == ["", *letters]
    identity = get_deep_ocr_param(tiny_handle, "recognition_alphabet_mapping")
    assert identity == list(range(1, len(letters) + 1))


def test_mapping_is_taken_as_text(tiny_handle):
    set_deep_ocr_param(tiny_handle, "recognition_alphabet", "012")
    set_deep_ocr_param(tiny_handle, "recognition_alphabet_mapping", "1,1,0")
    assert get_deep_ocr_param(tiny_handle, "recognition_alphabet_mapping") == [1, 1, 0]


def test_what_is_got_is_a_copy(tiny_handle):
    before = everything(tiny_handle)
    for name in ("recognition_alphabet", "recognition_alphabet_mapping", "detection_image_size"):
        get_deep_ocr_param(tiny_handle, name).clear()
    assert everything(tiny_handle) == before


def test_overlap_of_a_whole_tile_is_survived(tiny_handle):
    set_deep_ocr_param(tiny_handle, "detection_image_size", (64, 64))
    set_deep_ocr_param(tiny_handle, "detection_tiling", True)
    for overlap in (63, 64, 100):
        set_deep_ocr_param(tiny_handle, "detection_tiling_overlap", overlap)
        result = apply_deep_ocr(np.zeros((70, 64, 3), np.uint8), tiny_handle, "detection")
        assert result["score_maps"].shape == (70, 64, 1)
