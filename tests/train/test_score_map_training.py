"""A detector by score maps learns one page by heart; what its losses look at."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from toy_pages import ToyPages, dense_page, stack, turn

from deepocr_jax.checkpoint import flat_items, read_checkpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import normalize_phi, scale_boxes
from deepocr_jax.geometry.character_cells import boxes_of_words
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.models.score_maps import to_score_maps
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words
from deepocr_jax.preprocess import normalize
from deepocr_jax.train.loop import on_device, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, LabelledParts, make_page_task
from deepocr_jax.train.pages import LABELLED, SYNTHETIC, PageSource, count_steps
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.score_map_task import begin_score_maps, score_map_learner
from deepocr_jax.train.score_maps import ScoreMapOptions, make_score_map_losses
from deepocr_jax.train.step import StepOptions

SIDE = 128


@pytest.fixture(scope="module")
def model(shallow_detector):
    return begin_score_maps(shallow_detector)


@pytest.fixture(scope="module")
def page():
    """Lines of text, half of them upside down."""
    page = dense_page(3, side=SIDE, size=15, leading=1.5)
    below = np.isin(page.words, page.words[page.quads[:, 0, 1] > SIDE / 2])
    quads = page.quads.copy()
    quads[below] = quads[below][:, [2, 3, 0, 1]]
    order = np.concatenate([np.flatnonzero(~below), np.flatnonzero(below)[::-1]])
    return page._replace(quads=quads[order], words=page.words[order])


def give(assets, key, step):
    """The pages of the assets, whatever the key."""
    return ToyPages(*(assets[name] for name in ToyPages._fields))


def source_of(*pages):
    return PageSource(give, stack(*pages)._asdict(), len(pages), "toy")


@pytest.mark.slow
def test_a_page_is_learnt_by_heart(model, page, tmp_path):
    assert len(np.unique(page.words)) > 5
    source = source_of(page)
    learner = score_map_learner(model, ScoreMapOptions())
    # Fewer steps leave some boxes too low for the overlap of 0.7 that is asked for below.
    task = make_page_task(learner, source, EpochOptions(150, 1))
    optimizer = OptimizerOptions(
        "adamw", 5e-3, gradient_clip=1.0, schedule="cosine", warmup_steps=10
    )
    options = RunOptions(2, optimizer, StepOptions(0.9), serialize=("best", "final"))
    outcome = train(task, options, tmp_path)
    losses = outcome.history.losses
    assert losses[0][1] > 0.8 and losses[-1][1] < 0.03
    assert outcome.history.best is not None
    assert outcome.history.best["accuracy"] == 1.0
    best = read_checkpoint(tmp_path / "best")
    assert {p for p, _ in flat_items(best.variables)} == {p for p, _ in flat_items(model.variables)}
    # A box upside down overlaps all the same; its direction must be right, too.
    truth, _ = boxes_of_words(page.quads, page.words, page.visible)
    found = find(best, page)
    distance = np.linalg.norm(truth[:, None, :2] - found[None, :, :2], axis=-1)
    off = normalize_phi(found[distance.argmin(axis=1), 2] - truth[:, 2])
    assert np.abs(truth[:, 2]).max() > 3 and np.abs(off).max() < np.deg2rad(3)


def find(model, page):
    """The boxes that a model finds on a page."""
    network = make_model(model.kind, spec_from_dict(model.kind, model.spec))
    x = normalize(page.images[None], model.preprocess)
    maps = to_score_maps(jax.jit(network.apply)(model.variables, x))
    return scale_boxes(find_words(np.asarray(maps[0]), ScoreMapParams())[0], 2, 2)


def test_batches_begin_where_a_run_was_cut_off(model, page):
    def others(start, stop):
        return ({"step": np.array([10 * step])} for step in itertools.count(start))

    source = source_of(page, page)
    learner = score_map_learner(model, ScoreMapOptions())
    plain = make_page_task(learner, source, EpochOptions(9))
    batches = list(plain.batches(3, 5))
    assert plain.parts == (SYNTHETIC,) and [b["step"][0] for b in batches] == [3, 4]
    assert all(len(b["mask"]) == 2 * jax.local_device_count() for b in batches)
    ids = np.concatenate([b["image_id"] for b in plain.batches(0, 5)])
    assert len(set(ids.tolist())) == len(ids)
    mixed = make_page_task(learner, source, EpochOptions(9), LabelledParts(others, 1, "x"))
    assert mixed.parts == (SYNTHETIC, LABELLED)
    assert [int(b["step"][0]) for b in mixed.batches(3, 5)] == [3, 30, 4, 40]
    assert mixed.fingerprint != plain.fingerprint
    twice = make_page_task(learner, source, EpochOptions(9), LabelledParts(others, 1, "x"), 2)
    assert twice.parts == (SYNTHETIC, LABELLED) * 2
    assert [int(b["step"][0]) for b in twice.batches(3, 4)] == [3, 30, 3, 40]


# --- the losses ---------------------------------------------------------------------------------


def loss_of(model, role, batch, options=None, assets=None):
    """The losses of a batch of one device, as numpy arrays."""
    spec = spec_from_dict(model.kind, model.spec)
    loss = make_score_map_losses(spec, model.preprocess, options or ScoreMapOptions(), give)[role]
    kept = {} if assets is None else {"assets": assets}

    def call(params, kept, batch):
        found = loss(params, kept, {}, batch, jax.random.key(0))
        return found.total, found.parts

    params = model.variables["params"]
    return jax.tree.map(np.asarray, jax.jit(call)(params, kept, on_device(batch)))


def labelled(pages, weak=0.0):
    rows = len(pages.images)
    return {
        **{name: getattr(pages, name) for name in ("images", "quads", "words", "visible")},
        "weak": np.full(rows, weak, np.float32),
        "mask": np.ones(rows, np.float32),
        "image_id": np.arange(rows),
    }


@pytest.mark.slow
def test_labelled_pages_are_like_synthetic_ones(model, page):
    other = page._replace(quads=turn(page.quads - 64, 20).astype(np.float32) + 64)
    source = source_of(page, other)
    batch = next(count_steps(2, 5, 6))
    total, parts = loss_of(model, SYNTHETIC, batch, assets=source.assets)
    assert total.shape == (2,) and total[0] != total[1] and np.all(total > 0.1)
    same, named = loss_of(model, LABELLED, labelled(stack(page, other)))
    np.testing.assert_allclose(same, total, rtol=1e-4)
    assert {n.replace(LABELLED, SYNTHETIC) for n in named} == set(parts)
    half, _ = loss_of(
        model, LABELLED, labelled(stack(page, other)), ScoreMapOptions(labelled_weight=0.5)
    )
    np.testing.assert_allclose(half, 0.5 * total, rtol=1e-4)


def test_text_of_weak_pages_counts_less(model, page):
    pages = stack(page)
    whole, strong = loss_of(model, LABELLED, labelled(pages))
    less, weak = loss_of(model, LABELLED, labelled(pages, weak=1.0))
    assert less < whole
    # The background, which is nearly right at the beginning, counts as before.
    ratio = weak["labelled_character_loss"] / strong["labelled_character_loss"]
    assert 0.3 <= ratio < 0.5
    np.testing.assert_allclose(
        weak["labelled_direction_loss"], strong["labelled_direction_loss"], rtol=1e-4
    )


def test_pages_follow_key_row_and_step(model, page):
    seen = []

    def make(assets, key, step):
        drawn = jax.random.uniform(key) + step
        jax.debug.callback(lambda value: seen.append(float(value)), drawn)
        return give(assets, key, step)

    spec = spec_from_dict(model.kind, model.spec)
    loss = make_score_map_losses(spec, model.preprocess, ScoreMapOptions(), make)[SYNTHETIC]
    kept = {"assets": source_of(page).assets}

    @jax.jit
    def total(batch, key):
        return loss(model.variables["params"], kept, {}, batch, key).total

    for step, key in ((3, 0), (3, 0), (3, 1), (4, 0)):
        total(on_device(next(count_steps(1, step, 9))), jax.random.key(key))
    jax.effects_barrier()
    assert seen[0] == seen[1] and len(set(seen)) == 3
    assert seen[3] == pytest.approx(seen[0] + 1, abs=1e-5)


def test_a_source_must_give_what_it_says(model, page):
    with pytest.raises(ParameterValueError, match="expected 3 pages"):
        loss_of(model, SYNTHETIC, next(count_steps(3, 0, 1)), assets=source_of(page).assets)
    spec = spec_from_dict(model.kind, model.spec)
    losses = make_score_map_losses(spec, model.preprocess, ScoreMapOptions())
    batch = on_device(next(count_steps(1, 0, 1)))
    with pytest.raises(ParameterValueError, match="give make_pages"):
        losses[SYNTHETIC](model.variables["params"], {}, {}, batch, jax.random.key(0))
