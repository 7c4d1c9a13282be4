"""Gratings: what repeats in scenes and is no text."""

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.synth.pages import gratings
from deepocr_jax.synth.pages.gratings import SCENE_SHARE, add_gratings

SIZE = (96, 128)
PLAIN = jnp.full((3, *SIZE), 0.5)


def plain_bars(**changes):
    """Bars of eight pixels, half of them painted, over the middle of the page."""
    grating = gratings._Grating(
        middle=jnp.array([64.0, 48.0]),
        half=jnp.array([40.0, 24.0]),
        angle=jnp.array(0.0),
        period=jnp.array([8.0, 16.0]),
        phase=jnp.array([0.0, 0.5]),
        filled=jnp.array([0.5, 0.5]),
        has_rows=jnp.array(False),
        shift=jnp.array(0.0),
        slope=jnp.array(0.0),
        kept=jnp.array(1.0),
        evenness=jnp.array(1.0),
        seed=jnp.uint32(7),
        colour=jnp.ones(3),
    )
    return grating._replace(**{name: jnp.asarray(value) for name, value in changes.items()})


def cover(**changes):
    return np.asarray(gratings._cover(plain_bars(**changes), SIZE))


def test_bars_repeat_within_their_rectangle_alone():
    found = cover()
    inside = found[24:72, 24:104]
    np.testing.assert_array_equal(inside, np.tile([0, 0, 1, 1, 1, 1, 0, 0], (48, 10)))
    assert found.sum() == inside.sum()


def test_turned_bars_lie_the_other_way():
    found = cover(angle=np.pi / 2)
    np.testing.assert_allclose(found[8:88, 40:88], cover()[24:72, 24:104].T, atol=1e-4)


def test_rows_split_bars_and_move_as_bricks_do():
    split = cover(has_rows=True)[24:72, 24:104]
    np.testing.assert_array_equal(split.max(axis=1), np.tile(np.repeat([0, 1, 0], [4, 8, 4]), 3))
    moved = cover(has_rows=True, shift=0.5)[24:72, 24:104]
    # Each row of cells lies half a period off the one above.
    first, second = moved[8], moved[24]
    np.testing.assert_array_equal(first[4:], second[:-4])


def test_cells_left_out_are_those_of_the_seed():
    grid = {"has_rows": True, "period": np.array([4.0, 4.0])}
    some = cover(kept=0.5, **grid)
    np.testing.assert_array_equal(some, cover(kept=0.5, **grid))
    assert 0.4 < some.sum() / cover(**grid).sum() < 0.6
    assert (some != cover(kept=0.5, seed=np.uint32(8), **grid)).any()
    assert set(np.unique(some)) == {0, 1}
    assert len(np.unique(cover(evenness=0.0, **grid))) > 100


def test_bars_far_from_the_middle_widen_with_a_slope():
    row = cover(slope=-0.5)[48, 24:104] > 0.5
    starts = np.flatnonzero(np.diff(row.astype(int)) == 1)
    periods = np.diff(starts)
    assert (np.diff(periods) >= 0).all() and periods[-1] > periods[0] + 2


def test_scenes_have_them_and_documents_do_not():
    add = jax.jit(jax.vmap(add_gratings, in_axes=(0, 0, None)))
    keys = jax.random.split(jax.random.key(1), 200)
    scenes = np.asarray(add(keys, jnp.ones(200, bool), PLAIN))
    assert scenes.min() >= 0 and scenes.max() <= 1
    touched = (scenes != 0.5).any(axis=(1, 2, 3))
    assert abs(touched.mean() - SCENE_SHARE) < 0.1
    assert 0.05 < (scenes[touched] != 0.5).any(axis=1).mean() < 0.8
    np.testing.assert_array_equal(scenes, add(keys, jnp.ones(200, bool), PLAIN))
    assert (np.asarray(add(keys, jnp.zeros(200, bool), PLAIN)) == 0.5).all()


def test_gratings_are_of_all_kinds():
    draw = jax.jit(jax.vmap(lambda key: gratings._draw_grating(key, SIZE)))
    drawn = jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(2), 2000)))
    low, high = gratings._PERIOD_PX
    assert drawn.period.min() >= low and drawn.period.max() <= high
    assert drawn.half.min() > 0 and drawn.filled.min() >= 0.2 and drawn.filled.max() <= 0.8
    assert np.abs(drawn.slope).max() <= 0.5
    assert abs((drawn.kept < 1).mean() - 0.5) < 0.05 and drawn.kept.min() < 0.35
    quarters = np.abs(np.sin(2 * drawn.angle)) < np.sin(0.11)
    assert abs(quarters.mean() - gratings._UPRIGHT_SHARE) < 0.08
    is_gray = np.ptp(drawn.colour, axis=1) == 0
    assert abs(is_gray.mean() - gratings._GRAY_SHARE) < 0.05
    assert np.abs(drawn.colour[is_gray]).min() >= 0.079 and drawn.colour.std() > 0.1
    # What is drawn of one thing tells nothing of another.
    numbers = np.column_stack([
        drawn.middle, drawn.half, drawn.period, drawn.phase, drawn.filled, drawn.shift,
        drawn.slope, drawn.kept, drawn.evenness, drawn.has_rows, drawn.colour[:, 0],
    ])  # fmt: skip
    correlation = np.corrcoef(numbers.T) - np.eye(numbers.shape[1])
    assert np.abs(correlation).max() < 0.1
