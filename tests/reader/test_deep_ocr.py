from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from deepocr_jax import ModeError, apply_deep_ocr, create_deep_ocr, set_deep_ocr_param
from deepocr_jax.errors import ParameterValueError, UnknownParameterError
from deepocr_jax.geometry.boxes import box_bounds, normalize_phi
from deepocr_jax.infer import lines

pytestmark = pytest.mark.pretrained

BOX_KEYS = ("row", "col", "phi", "length1", "length2")
TEXTS = ("Northern harbour", "seven green boats", "left before noon", "nobody saw them")


def page_of(texts, upside_down=(), size=(640, 360)):
    """Black lines on white; those whose positions are in `upside_down` are turned by 180."""
    page = Image.new("RGB", size, "white")
    font = ImageFont.load_default(34)
    for index, text in enumerate(texts):
        line = Image.new("RGB", (size[0] - 80, 48), "white")
        ImageDraw.Draw(line).text((4, 2), text, font=font, fill="black")
        page.paste(line.rotate(180 * (index in upside_down)), (40, 30 + 80 * index))
    return np.asarray(page)


def words_of(result):
    return result["words"]["word"]


def boxes_of(words):
    return np.column_stack([words[k] for k in BOX_KEYS])


def f1(found, expected):
    common = (Counter(found) & Counter(expected)).total()
    return 2 * common / (Counter(found).total() + Counter(expected).total())


def assert_same_result(actual, expected, atol=1e-5, box_atol=1e-3):
    assert words_of(actual) == words_of(expected)
    mine, theirs = actual["words"], expected["words"]
    np.testing.assert_array_equal(mine["line_index"], theirs["line_index"])
    np.testing.assert_allclose(boxes_of(mine), boxes_of(theirs), atol=box_atol)
    for a, b in zip(mine["char_candidates"], theirs["char_candidates"], strict=True):
        for char, other in zip(a, b, strict=True):
            np.testing.assert_allclose(char["confidence"], other["confidence"], atol=atol)
            assert char["candidate"][0] == other["candidate"][0]
            for i, (one, two) in enumerate(zip(char["candidate"], other["candidate"], strict=True)):
                # Only classes that are equally likely may change places.
                assert one == two or other["confidence"][i] < atol


# --- what a result holds ------------------------------------------------------------------------


def test_sample_is_read(sample_result, sample_words):
    found = Counter(words_of(sample_result))
    missed = sample_words - found
    assert missed.total() <= 0.05 * sample_words.total(), missed


def test_lines_of_the_sample_read_from_left_to_right(sample_result):
    words = sample_result["words"]
    lines = {}
    for word, line in zip(words["word"], words["line_index"], strict=True):
        lines.setdefault(int(line), []).append(word)
    texts = [" ".join(line) for _, line in sorted(lines.items())]
    assert list(lines) == sorted(lines) == list(range(len(lines)))
    assert any("Harbour Lane Tools" in t for t in texts)
    assert any("Steel bracket SB-033" in t for t in texts)
    before = " ".join(texts)
    assert before.index("DELIVERY") < before.index("Harbour") < before.index("bracket")


def test_auto_result_has_every_key(sample_result):
    assert set(sample_result) == {
        "image", "score_maps", "words", "word_boxes_on_image", "word_boxes_on_score_maps",
    }  # fmt: skip
    words = sample_result["words"]
    texts = {"word", "char_candidates", "word_image", "confidence"}
    assert set(words) == {*BOX_KEYS, "line_index", *texts}
    assert len({len(v) for v in words.values()}) == 1
    for key in ("word_boxes_on_image", "word_boxes_on_score_maps"):
        assert set(sample_result[key]) == set(BOX_KEYS)
        assert {len(v) for v in sample_result[key].values()} == {len(words["word"])}
    for image in (sample_result["image"], *words["word_image"]):
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert image.size
    assert all(words["word"]) and not any(" " in w for w in words["word"])


def test_score_maps_are_probabilities_with_a_name_each(sample_result, shared_handle):
    from deepocr_jax import get_deep_ocr_param

    maps = sample_result["score_maps"]
    names = get_deep_ocr_param(shared_handle, "detection_score_map_names")
    assert maps.ndim == 3 and maps.shape[2] == len(names)
    assert maps.min() >= 0 and maps.max() <= 1


def test_characters_have_their_candidates(sample_result):
    words = sample_result["words"]
    for word, characters, confidence in zip(
        words["word"], words["char_candidates"], words["confidence"], strict=True
    ):
        assert "".join(c["candidate"][0] for c in characters) == word
        for character in characters:
            values = character["confidence"]
            assert len(character["candidate"]) == len(set(character["candidate"])) == len(values)
            assert len(values) == 3
            assert values == sorted(values, reverse=True)
            assert min(values) >= 0 and sum(values) <= 1 + 1e-5
        assert confidence == pytest.approx(min(c["confidence"][0] for c in characters))


def test_uncertain_lines_are_dropped(handle):
    page = page_of(TEXTS)
    before = apply_deep_ocr(page, handle)["words"]
    set_deep_ocr_param(handle, "recognition_min_confidence", 1)
    assert len(apply_deep_ocr(page, handle)["words"]["word"]) < len(before["word"])


@pytest.mark.parametrize("count", [1, 5])
def test_number_of_candidates_is_as_set(handle, count):
    set_deep_ocr_param(handle, "recognition_num_char_candidates", count)
    words = apply_deep_ocr(page_of(TEXTS[:1]), handle)["words"]
    assert words["word"] == TEXTS[0].split()
    lengths = {len(c["candidate"]) for word in words["char_candidates"] for c in word}
    assert lengths == {count}


def test_boxes_lie_on_the_image_and_on_ink(sample_result, sample):
    words = sample_result["words"]
    bounds = box_bounds(boxes_of(words))
    height, width = sample.shape[:2]
    assert bounds[:, :2].min() > -3
    assert bounds[:, 2].max() < height + 2 and bounds[:, 3].max() < width + 2
    for row0, col0, row1, col1 in np.clip(np.rint(bounds), 0, None).astype(int):
        assert sample[row0 : row1 + 1, col0 : col1 + 1].min() < 128


def test_boxes_on_the_network_image_map_back(sample_result, sample):
    seen = boxes_of(sample_result["word_boxes_on_image"])
    boxes = boxes_of(sample_result["words"])
    # The larger side fills the canvas; the other is rounded to whole pixels.
    factor = sample_result["image"].shape[1] / sample.shape[1]
    np.testing.assert_allclose((seen[:, :2] + 0.5) / factor - 0.5, boxes[:, :2], atol=1.5)
    np.testing.assert_allclose(seen[:, 3:] / factor, boxes[:, 3:], rtol=0.03)
    np.testing.assert_allclose(normalize_phi(seen[:, 2] - boxes[:, 2]), 0, atol=0.02)
    bounds = np.clip(np.rint(box_bounds(seen)), 0, None).astype(int)
    for row0, col0, row1, col1 in bounds:
        assert sample_result["image"][row0 : row1 + 1, col0 : col1 + 1].min() < 200
    on_maps = boxes_of(sample_result["word_boxes_on_score_maps"])
    scores = sample_result["score_maps"][..., 0]
    row, col = np.rint(on_maps[:, :2]).astype(int).T
    assert np.mean(scores[row, col] > 0.3) > 0.9


# --- modes --------------------------------------------------------------------------------------


def test_detection_alone_finds_boxes(handle):
    page = page_of(TEXTS)
    result = apply_deep_ocr(page, handle, "detection")
    assert set(result["words"]) == {*BOX_KEYS, "line_index"}
    assert len(result["words"]["row"]) >= len(TEXTS)
    with_detector = create_deep_ocr("detection", detection_image_size=(512, 512))
    for mode in ("detection", "auto"):
        other = apply_deep_ocr(page, with_detector, mode)
        assert set(other["words"]) == set(result["words"])
        assert len(other["words"]["row"]) == len(result["words"]["row"])
    with pytest.raises(ModeError, match="recognition"):
        apply_deep_ocr(page, with_detector, "recognition")
    with pytest.raises(ModeError, match="recognition"):
        set_deep_ocr_param(with_detector, "recognition_image_width", 320)


def test_recognition_alone_reads_crops(handle):
    crops = [page_of([t], size=(360, 110))[20:80, 40:] for t in ("harbour", "58213")]
    results = apply_deep_ocr(crops, handle, "recognition")
    assert [r["word"] for r in results] == ["harbour", "58213"]
    for result in results:
        assert set(result) == {"image", "word", "char_candidates", "confidence"}
        assert len(result["char_candidates"]) == len(result["word"])
        best = [c["confidence"][0] for c in result["char_candidates"]]
        assert result["confidence"] == pytest.approx(min(best))
        assert result["image"].shape[0] == 48
    reader = create_deep_ocr("recognition", recognition_image_width=320)
    for mode in ("recognition", "auto"):
        assert apply_deep_ocr(crops[0], reader, mode)["word"] == "harbour"
    with pytest.raises(ModeError, match="detection"):
        apply_deep_ocr(crops[0], reader, "detection")


def test_alignment_reads_a_slanted_crop(handle):
    crop = page_of(["harbour"], size=(300, 200))
    turn = cv2.getRotationMatrix2D((150, 60), 6, 1.0)
    slanted = cv2.warpAffine(crop, turn, (300, 200), borderValue=(255, 255, 255))[20:120, 20:220]
    set_deep_ocr_param(handle, "recognition_alignment", True)
    assert apply_deep_ocr(slanted, handle, "recognition")["word"] == "harbour"


def test_unknown_modes_and_parameters_are_refused(handle):
    with pytest.raises(ParameterValueError, match="auto, detection, recognition"):
        apply_deep_ocr(np.zeros((8, 8, 3), np.uint8), handle, "read")
    with pytest.raises(ParameterValueError, match="auto, detection, recognition"):
        create_deep_ocr("read")
    with pytest.raises(UnknownParameterError, match="detection_image_width"):
        create_deep_ocr("detection", detection_image_widht=512)


# --- directions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_page_turned_by_quarters_reads_the_same(handle, sample, sample_result, quarters):
    result = apply_deep_ocr(np.ascontiguousarray(np.rot90(sample, quarters)), handle)
    assert f1(words_of(result), words_of(sample_result)) >= 0.9
    off = normalize_phi(result["words"]["phi"] - quarters * np.pi / 2)
    assert np.mean(np.abs(off) < 0.1) >= 0.9


@pytest.mark.parametrize("degrees", [7, -7])
def test_slanted_page_reads_the_same(handle, sample, sample_result, degrees):
    height, width = sample.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turn[:, 2] += 60
    size = (width + 120, height + 120)
    turned = cv2.warpAffine(sample, turn, size, flags=cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    result = apply_deep_ocr(turned, handle)
    assert f1(words_of(result), words_of(sample_result)) >= 0.9
    assert abs(np.median(result["words"]["phi"]) - np.deg2rad(degrees)) < 0.03


@pytest.mark.parametrize("line", range(len(TEXTS)))
def test_upside_down_line_in_an_upright_page_is_read(handle, line):
    result = apply_deep_ocr(page_of(TEXTS, upside_down={line}), handle)
    assert Counter(words_of(result)) == Counter(" ".join(TEXTS).split())
    for word, phi in zip(words_of(result), result["words"]["phi"], strict=True):
        assert (np.cos(phi) < 0) == (word in TEXTS[line])


@pytest.mark.parametrize("probability", [0.01, 0.99])
@pytest.mark.parametrize("degrees", [30, 90, 210])
def test_lines_at_an_angle_are_read_whatever_the_classifier_takes_them_for(
    handle, monkeypatch, degrees, probability
):
    monkeypatch.setattr(
        lines, "turned_probability", lambda crops, net: np.full(len(crops), probability)
    )
    turn = cv2.getRotationMatrix2D((320, 180), degrees, 1.0)
    turn[:, 2] += [80, 220]
    turned = cv2.warpAffine(page_of(TEXTS), turn, (800, 760), borderValue=(255, 255, 255))
    result = apply_deep_ocr(turned, handle)
    assert f1(words_of(result), " ".join(TEXTS).split()) >= 0.9
    assert abs(normalize_phi(np.median(result["words"]["phi"]) - np.deg2rad(degrees))) < 0.05


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_set_orientation_decides_the_direction(handle, degrees):
    page = np.ascontiguousarray(np.rot90(page_of(TEXTS), degrees // 90))
    set_deep_ocr_param(handle, "detection_orientation", degrees)
    result = apply_deep_ocr(page, handle)
    assert Counter(words_of(result)) == Counter(" ".join(TEXTS).split())
    off = normalize_phi(result["words"]["phi"] - np.deg2rad(degrees))
    np.testing.assert_allclose(off, 0, atol=0.1)


def test_set_orientation_holds_for_text_of_another_direction(handle):
    page = np.ascontiguousarray(page_of(TEXTS)[::-1, ::-1])
    set_deep_ocr_param(handle, "detection_orientation", 0)
    result = apply_deep_ocr(page, handle, "detection")
    assert len(result["words"]["phi"]) >= len(TEXTS)
    np.testing.assert_allclose(result["words"]["phi"], 0, atol=0.1)


def test_words_unsorted_are_the_same_words(handle, sample, sample_result):
    set_deep_ocr_param(handle, "detection_sort_by_line", False)
    result = apply_deep_ocr(sample, handle)
    assert Counter(words_of(result)) == Counter(words_of(sample_result))


# --- tiling -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tiling_reads_small_text_of_a_large_page_once(handle, sample, sample_words):
    page = np.full((2600, 2600, 3), 255, np.uint8)
    page[101:801, 203:1203] = sample
    page[1777:2477, 1500:2500] = sample
    set_deep_ocr_param(handle, "detection_tiling", True)
    result = apply_deep_ocr(page, handle)
    found = Counter(words_of(result))
    expected = sample_words + sample_words
    assert (expected - found).total() <= 0.05 * expected.total(), expected - found
    assert result["image"].shape == page.shape == (*result["score_maps"].shape[:2], 3)
    twice = {w: found[w] for w in sample_words if found[w] > expected[w]}
    assert not twice
    set_deep_ocr_param(handle, "detection_tiling", False)
    squeezed = Counter(words_of(apply_deep_ocr(page, handle)))
    assert (expected - squeezed).total() > (expected - found).total()


# --- independence -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(sample):
    """Images of several sizes, one without text, and the results of each on its own."""
    blank = np.full((90, 200, 3), 255, np.uint8)
    return [sample, page_of(TEXTS, {2}), blank, sample[280:480], np.rot90(page_of(TEXTS[:2]))]


@pytest.fixture(scope="module")
def mixed_results(mixed, shared_handle):
    return [apply_deep_ocr(image, shared_handle) for image in mixed]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 3, 1, 0), (3, 3, 1)])
def test_results_do_not_depend_on_the_batch(shared_handle, mixed, mixed_results, order):
    results = apply_deep_ocr([mixed[i] for i in order], shared_handle)
    assert len(results) == len(order)
    for index, result in zip(order, results, strict=True):
        assert_same_result(result, mixed_results[index])


@pytest.mark.parametrize(
    ("name", "size"),
    [("recognition_batch_size", 1), ("recognition_batch_size", 7)],
)
def test_results_hardly_depend_on_the_batch_size(handle, name, size):
    """Another program rounds otherwise, its bfloat16 products first of all."""
    pages = [page_of(TEXTS), page_of(TEXTS[::-1]), page_of(TEXTS[:3])]
    expected = apply_deep_ocr(pages, handle)
    set_deep_ocr_param(handle, name, size)
    for result, wanted in zip(apply_deep_ocr(pages, handle), expected, strict=True):
        assert_same_result(result, wanted, atol=1e-4)


def test_results_hardly_depend_on_the_detectors_batch_size(handle):
    """Another program rounds otherwise: a pixel at the threshold moves a box by hundredths."""
    pages = [page_of(TEXTS), page_of(TEXTS[::-1]), page_of(TEXTS[:3])]
    expected = apply_deep_ocr(pages, handle)
    set_deep_ocr_param(handle, "detection_batch_size", 2)
    for result, wanted in zip(apply_deep_ocr(pages, handle), expected, strict=True):
        assert_same_result(result, wanted, atol=0.01, box_atol=0.1)
        maps = result["score_maps"], wanted["score_maps"]
        np.testing.assert_allclose(*maps, atol=0.05)


@pytest.mark.slow
def test_eight_threads_on_one_handle_read_as_one(shared_handle, mixed, mixed_results):
    with ThreadPoolExecutor(8) as pool:
        order = list(range(1, len(mixed))) * 4
        results = pool.map(lambda i: apply_deep_ocr(mixed[i], shared_handle), order)
        for index, result in zip(order, results, strict=True):
            assert_same_result(result, mixed_results[index])


def test_input_is_not_changed(shared_handle):
    page = page_of(TEXTS).copy()
    before = page.copy()
    for mode in ("auto", "recognition"):
        apply_deep_ocr(page, shared_handle, mode)
    np.testing.assert_array_equal(page, before)
