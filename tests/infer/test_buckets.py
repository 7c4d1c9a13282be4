import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.infer.buckets import (
    LINE_WIDTHS,
    canvas_shapes,
    fit_canvas,
    line_width_bucket,
    line_widths,
    tile_starts,
)

SIDES = st.integers(1, 20000)
LEAST = st.sampled_from((64, 96, 160))
LIMITS = st.integers(1, 64).map(lambda n: 32 * n)
STEPS = st.sampled_from((64, 128))


@given(st.integers(1, 5000), LEAST, st.integers(32, 3000))
def test_lines_fall_in_the_smallest_width_that_contains_them(width, least, max_width):
    bucket = line_width_bucket(width, least, max_width)
    containing = [w for w in line_widths(least, max_width) if w >= width]
    assert bucket == (containing[0] if containing else max_width)


@given(LEAST, st.integers(1, 5000))
def test_line_widths_ascend_to_the_limit(least, max_width):
    widths = line_widths(least, max_width)
    assert widths[0] >= min(least, max_width)
    assert list(widths) == sorted(set(widths)) and widths[-1] == max_width


def test_line_widths_suit_the_network():
    assert list(LINE_WIDTHS) == sorted(set(LINE_WIDTHS))
    assert all(w % 8 == 0 for w in LINE_WIDTHS)


@given(SIDES, SIDES, LIMITS, LIMITS, STEPS)
def test_canvas_contains_the_scaled_image(height, width, max_height, max_width, step):
    (scaled_h, scaled_w), (canvas_h, canvas_w) = fit_canvas(
        height, width, max_height, max_width, step
    )
    assert 1 <= scaled_h <= canvas_h <= max_height
    assert 1 <= scaled_w <= canvas_w <= max_width
    assert canvas_h % 32 == 0 and canvas_w % 32 == 0
    # As large as the limits allow, and less than a step is left empty.
    assert scaled_h == max_height or scaled_w == max_width
    assert canvas_h - scaled_h < step and canvas_w - scaled_w < step


@given(SIDES, SIDES, LIMITS, LIMITS)
def test_scaling_keeps_the_aspect_ratio(height, width, max_height, max_width):
    (scaled_h, scaled_w), _ = fit_canvas(height, width, max_height, max_width)
    scale = min(max_height / height, max_width / width)
    assert abs(scaled_h - height * scale) <= 0.5 + 1e-6 or scaled_h == 1
    assert abs(scaled_w - width * scale) <= 0.5 + 1e-6 or scaled_w == 1


@given(SIDES, SIDES, LIMITS, LIMITS, STEPS)
def test_every_canvas_is_warmed_up(height, width, max_height, max_width, step):
    _, canvas = fit_canvas(height, width, max_height, max_width, step)
    assert canvas in canvas_shapes(max_height, max_width, step)


@pytest.mark.parametrize("limits", [(32, 32), (96, 160), (960, 960), (736, 1280)])
def test_no_canvas_is_warmed_up_in_vain(limits):
    max_height, max_width = limits
    sizes = [(h, max_width) for h in range(1, max_height + 1)]
    sizes += [(max_height, w) for w in range(1, max_width + 1)]
    returned = {fit_canvas(*size, *limits)[1] for size in sizes}
    assert returned == set(canvas_shapes(*limits))


@given(st.integers(1, 20000), st.integers(2, 2000), st.data())
def test_tiles_cover_and_overlap(length, tile, data):
    overlap = data.draw(st.integers(0, tile // 2))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    if length <= tile:
        assert starts == [0]
        return
    assert starts[-1] + tile == length
    steps = [b - a for a, b in zip(starts, starts[1:], strict=False)]
    assert max(steps) <= tile - overlap and min(steps) > 0
    # One tile fewer could not cover the length with that overlap.
    assert (len(starts) - 1) * (tile - overlap) + overlap < length
