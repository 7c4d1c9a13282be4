"""Layouts are lists of (row, left, right[, height]) with lengths in pixels; text is 20 high."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import normalize_phi
from deepocr_jax.postprocess.reading_order import order_regions

SEEDS = st.integers(0, 2**32 - 1)
TURNS = np.deg2rad([7, -7, 30, 44, -45, 90, 97, 180, -173, 270])


def layout(*cells: tuple[float, ...]) -> np.ndarray:
    rows = [(*c, 20)[:4] for c in cells]
    return np.array([[r, (a + b) / 2, 0, (b - a) / 2, h / 2] for r, a, b, h in rows], float)


def turned(boxes: np.ndarray, angle: float) -> np.ndarray:
    sin, cos = np.sin(angle), np.cos(angle)
    row, col = boxes[:, 0] - 400, boxes[:, 1] - 300
    turned = boxes.copy()
    turned[:, 0], turned[:, 1] = row * cos - col * sin, row * sin + col * cos
    turned[:, 2] = normalize_phi(boxes[:, 2] + angle)
    return turned


def running_column(rng, left: float, top: float, count: int, width: float = 300) -> list:
    """Lines that fill a column, but for about every fifth, which ends a paragraph."""
    ends = np.where(rng.random(count) < 0.2, rng.uniform(0.2, 0.9, count), 1.0)
    return [(top + 26 * i, left, left + width * e) for i, e in enumerate(ends)]


def two_columns(rng, top: float = 100) -> list:
    left = running_column(rng, 0, top, 20)
    return left + running_column(rng, 350, top + rng.uniform(0, 26), 20)


def table(rng, rows: int = 8, columns: int = 4) -> list:
    """Cells along rows, of many widths, at most 160 wide in columns of 200."""
    cells = [(40 * r, 200 * c) for r in range(rows) for c in range(columns)]
    return [(r, c, c + rng.uniform(20, 160)) for r, c in cells]


def assert_in_order(boxes: np.ndarray, lines: list[int] | None = None) -> None:
    order, line_index = order_regions(boxes)
    np.testing.assert_array_equal(order, np.arange(len(boxes)))
    if lines is not None:
        np.testing.assert_array_equal(line_index, lines)


def test_no_regions():
    order, line_index = order_regions(np.zeros((0, 5)))
    assert order.shape == line_index.shape == (0,)
    assert order.dtype.kind == line_index.dtype.kind == "i"


def test_one_region():
    assert_in_order(layout((5, 5, 50)), [0])


def test_a_column_is_read_downwards():
    rng = np.random.default_rng(1)
    assert_in_order(layout(*running_column(rng, 0, 0, 30)), list(range(30)))


def test_phrases_of_a_line_are_read_left_to_right():
    cells = [(30 * r, 100 * c, 100 * c + 90) for r in range(5) for c in range(4)]
    assert_in_order(layout(*cells), np.repeat(np.arange(5), 4).tolist())


@given(SEEDS)
def test_columns_of_running_text_are_read_one_by_one(seed):
    cells = two_columns(np.random.default_rng(seed))
    assert_in_order(layout(*cells), list(range(40)))


@pytest.mark.parametrize("pitch_shift", [0, 13])
def test_columns_on_one_grid_or_not(pitch_shift):
    rng = np.random.default_rng(3)
    cells = running_column(rng, 0, 0, 20) + running_column(rng, 350, pitch_shift, 20)
    assert_in_order(layout(*cells), list(range(40)))


@pytest.mark.parametrize("gap", [24, 80])
@pytest.mark.parametrize("span", [(0, 650), (200, 450)])
def test_heading_over_two_columns_comes_first(gap, span):
    cells = [(100 - gap, *span, 22), *two_columns(np.random.default_rng(4))]
    assert_in_order(layout(*cells), list(range(41)))


def test_heading_in_two_phrases_stays_together():
    cells = [(76, 100, 360), (76, 370, 600), *two_columns(np.random.default_rng(4))]
    assert_in_order(layout(*cells), [0, 0, *range(1, 41)])


def test_heading_between_columns_parts_them():
    rng = np.random.default_rng(5)
    cells = [*two_columns(rng, 0), (560, 0, 650), *two_columns(rng, 590)]
    assert_in_order(layout(*cells), list(range(81)))


def test_abstract_over_the_columns_is_read_first():
    rng = np.random.default_rng(6)
    cells = [*running_column(rng, 0, 0, 8, width=650), *two_columns(rng, 240)]
    assert_in_order(layout(*cells), list(range(48)))


def test_three_columns():
    rng = np.random.default_rng(7)
    cells = [c for left in (0, 340, 680) for c in running_column(rng, left, 0, 15)]
    assert_in_order(layout(*cells), list(range(45)))


def test_columns_with_a_common_paragraph_gap():
    rng = np.random.default_rng(8)
    columns = [(left, top) for left in (0, 350) for top in (0, 320)]
    cells = [c for left, top in columns for c in running_column(rng, left, top, 10)]
    assert_in_order(layout(*cells), list(range(40)))


@given(SEEDS)
def test_a_form_is_read_across(seed):
    rng = np.random.default_rng(seed)
    starts, widths = (0, 150, 400, 550), [(50, 110), (60, 220), (50, 110), (60, 220)]
    cells = [
        (36 * r, start, start + rng.uniform(*width))
        for r in range(10)
        for start, width in zip(starts, widths, strict=True)
    ]
    assert_in_order(layout(*cells), np.repeat(np.arange(10), 4).tolist())


@given(SEEDS)
def test_a_table_is_read_across(seed):
    cells = table(np.random.default_rng(seed))
    assert_in_order(layout(*cells), np.repeat(np.arange(8), 4).tolist())


def test_a_table_between_columns_of_text():
    rng = np.random.default_rng(9)
    text = two_columns(rng, 0)
    cells = [(r + 620, a, b) for r, a, b in table(rng, 5, 3)]
    lines = [*range(40), *np.repeat(np.arange(40, 45), 3)]
    assert_in_order(layout(*text, (590, 0, 650), *cells), [*lines[:40], 40, *np.add(lines[40:], 1)])


def test_a_side_note_comes_last():
    note = np.array([[300, -40, np.pi / 2, 120, 10]])
    rng = np.random.default_rng(10)
    page = layout(*running_column(rng, 0, 0, 20))
    order, line_index = order_regions(np.concatenate([note, page]))
    assert order.tolist() == [*range(1, 21), 0]
    assert line_index.tolist() == [20, *range(20)]


def test_a_big_initial_reads_with_its_first_line():
    initial = (13, 0, 40, 46)
    cells = [initial, (0, 50, 300), (26, 50, 300), (52, 0, 300), (78, 0, 300)]
    assert_in_order(layout(*cells), [0, 0, 1, 2, 3])


def test_big_and_small_type_share_a_line():
    cells = [(0, 0, 100), (0, 110, 200, 40), (-8, 205, 220, 10), (0, 230, 300)]
    cells += [(40, 0, 300), (66, 0, 300), (92, 0, 300)]
    assert_in_order(layout(*cells), [0, 0, 0, 0, 1, 2, 3])


def test_a_bent_line_holds_together():
    cols = np.arange(0, 900, 90.0)

    def bent(top):
        slope = np.deg2rad(np.linspace(3, -3, len(cols)))
        rows = top - np.cumsum(np.tan(slope)) * 90
        return np.column_stack([rows, cols, slope, np.full(10, 42.0), np.full(10, 10.0)])

    boxes = np.concatenate([bent(26 * i) for i in range(6)])
    assert_in_order(boxes, np.repeat(np.arange(6), 10).tolist())


def random_layout(rng) -> np.ndarray:
    kind = rng.integers(4)
    cells = [
        lambda: two_columns(rng),
        lambda: table(rng),
        lambda: running_column(rng, 0, 0, 25),
        lambda: [(60, 0, 650), *two_columns(rng)],
    ][kind]()
    boxes = layout(*cells)
    boxes[:, 2] += np.deg2rad(rng.normal(0, 0.2, len(boxes)))
    return boxes


@given(SEEDS, st.sampled_from(TURNS.tolist()))
@settings(deadline=None)
def test_turning_the_page_changes_nothing(seed, angle):
    boxes = random_layout(np.random.default_rng(seed))
    expected, actual = order_regions(boxes), order_regions(turned(boxes, angle))
    np.testing.assert_array_equal(actual[0], expected[0])
    np.testing.assert_array_equal(actual[1], expected[1])


def random_scatter(rng, count: int) -> np.ndarray:
    centre = rng.uniform(0, 800, (count, 2))
    phi = rng.choice([0, 0, 0, np.pi / 2, np.pi], count) + rng.normal(0, 0.02, count)
    halves = np.column_stack([rng.uniform(5, 150, count), rng.uniform(4, 30, count)])
    return np.column_stack([centre, normalize_phi(phi), halves])


@given(SEEDS, st.integers(1, 60), st.booleans())
@settings(deadline=None)
def test_permuting_the_input_permutes_the_output(seed, count, scattered):
    rng = np.random.default_rng(seed)
    boxes = random_scatter(rng, count) if scattered else random_layout(rng)
    shuffle = rng.permutation(len(boxes))
    order, line_index = order_regions(boxes)
    order2, line_index2 = order_regions(boxes[shuffle])
    np.testing.assert_array_equal(shuffle[order2], order)
    np.testing.assert_array_equal(line_index2, line_index[shuffle])


@given(SEEDS, st.integers(0, 80))
@settings(deadline=None)
def test_every_region_has_one_place_and_lines_are_runs(seed, count):
    boxes = random_scatter(np.random.default_rng(seed), count)
    boxes[: count // 4, 3:] = 0  # degenerate ones must not fail
    order, line_index = order_regions(boxes)
    np.testing.assert_array_equal(np.sort(order), np.arange(count))
    steps = np.diff(line_index[order], prepend=-1)
    assert np.all((steps == 0) | (steps == 1)) and (count == 0 or line_index[order[0]] == 0)


def test_time_grows_slower_than_pairs_of_regions():
    def least_time(rows):
        boxes, times = layout(*table(np.random.default_rng(0), rows, 4)), []
        for _ in range(5):
            begin = time.perf_counter()
            order_regions(boxes)
            times.append(time.perf_counter() - begin)
        return min(times)

    # About 20 on an idle core, 100 if every region looked at every other.
    assert least_time(250) < 60 * least_time(25)
