"""The recognizer learns eight crops by heart, and its loss looks at what counts only."""

from __future__ import annotations

import cv2
import jax
import numpy as np
import pytest

from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.data.plans import StepPlan
from deepocr_jax.data.streams import make_batch
from deepocr_jax.models.recognizer import Recognizer
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.preprocess import normalize
from deepocr_jax.text.ctc import find_runs
from deepocr_jax.train.loop import on_device, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.recognition import (
    DATASET,
    REHEARSAL,
    TEACHER,
    RecognitionOptions,
    divergence,
    make_recognition_losses,
)
from deepocr_jax.train.run import RunOptions, Task

WORDS = ["205", "17", "ACE", "8 B", "F00D", "33", "9", "CAFE"]
CANVAS = 96


class DrawnWords:
    """A source of crops that needs no fonts."""

    def __init__(self, words=WORDS):
        self.words = words
        self.ids = range(10, 10 + len(words))
        self.widths = np.array([min(CANVAS, 18 * len(word) + 12) for word in words])

    def __len__(self):
        return len(self.words)

    def word(self, index):
        return self.words[index]

    def crop(self, index):
        image = np.full((48, int(self.widths[index]), 3), 230, np.uint8)
        cv2.putText(
            image, self.words[index], (6, 36), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (40, 30, 20), 2
        )
        return image


def make_rows(alphabet, indices=range(8)):
    plan = StepPlan(CANVAS, np.array(indices))
    return make_batch(plan, DrawnWords(), lambda word: [alphabet.index(c) + 1 for c in word])


def make_task(model, batch, options, steps):
    spec = spec_from_dict("ocr_recognition", model.spec)
    return Task(
        losses=make_recognition_losses(spec, model.preprocess, options),
        parts=(DATASET,),
        params=model.variables["params"],
        constants={},
        batch_stats=model.variables["batch_stats"],
        batches=lambda start, stop: iter([batch] * (stop - start)),
        steps_per_epoch=steps,
        evaluate=None,
        save_model=lambda variables, folder: None,
        fingerprint="overfit",
    )


def read(model, variables, batch):
    """The words that a network reads."""
    network = Recognizer(spec_from_dict("ocr_recognition", model.spec))
    inside = np.arange(CANVAS) < batch["width"][:, None]
    x = normalize(batch["image"], model.preprocess) * inside[:, None, :, None]
    best = np.asarray(jax.jit(network.apply)(variables, x)).argmax(axis=-1)
    return ["".join(model.alphabet[c - 1] for c in find_runs(row).label) for row in best]


@pytest.mark.slow
def test_eight_crops_are_learnt_by_heart(tiny_recognizer):
    batch = make_rows(tiny_recognizer.alphabet)
    options = RecognitionOptions(update_batch_statistics=True)
    task = make_task(tiny_recognizer, batch, options, steps=150)
    optimizer = OptimizerOptions(
        "adamw", 1e-2, gradient_clip=1.0, schedule="cosine", warmup_steps=10
    )
    outcome = train(task, RunOptions(num_epochs=1, optimizer=optimizer))
    losses = outcome.history.losses
    assert losses[0][1] > 5 and losses[-1][1] < 0.1
    # With the running statistics, too.
    assert read(tiny_recognizer, outcome.variables, batch) == WORDS


# --- the losses ---------------------------------------------------------------------------------


def losses_of(model, batch, role, teacher=None, **options):
    """The losses of a batch, as numpy arrays; nothing is random where nothing is augmented."""
    spec = spec_from_dict("ocr_recognition", model.spec)
    loss = make_recognition_losses(spec, model.preprocess, RecognitionOptions(**options))[role]
    kept = {} if teacher is None else {TEACHER: teacher}
    stats, key = model.variables["batch_stats"], jax.random.key(1)
    call = jax.jit(lambda p, k, b: (r := loss(p, k, stats, b, key)) and (r.total, r.parts))
    return jax.tree.map(np.asarray, call(model.variables["params"], kept, on_device(batch)))


def test_the_rehearsal_is_weighed_and_not_augmented(tiny_recognizer):
    batch = make_rows(tiny_recognizer.alphabet)
    strong = AugmentOptions(100.0, brightness_variation=0.5)
    plain, parts = losses_of(tiny_recognizer, batch, DATASET)
    assert parts.keys() == {"dataset_loss"}
    np.testing.assert_array_equal(parts["dataset_loss"], plain)
    changed, _ = losses_of(tiny_recognizer, batch, DATASET, augmentation=strong)
    assert np.abs(changed - plain).min() > 1e-6
    total, parts = losses_of(
        tiny_recognizer, batch, REHEARSAL, augmentation=strong, rehearsal_weight=0.25
    )
    assert parts.keys() == {"rehearsal_loss"}
    np.testing.assert_allclose(parts["rehearsal_loss"], plain, rtol=1e-5)
    np.testing.assert_allclose(total, 0.25 * plain, rtol=1e-5)


def test_distillation_is_nothing_for_what_the_network_was(tiny_recognizer):
    batch = make_rows(tiny_recognizer.alphabet)
    options = {"rehearsal_weight": 0.0, "distillation_weight": 2.0}
    same = tiny_recognizer.variables
    total, parts = losses_of(tiny_recognizer, batch, REHEARSAL, same, **options)
    np.testing.assert_allclose(parts["distillation_loss"], 0, atol=1e-4)
    np.testing.assert_allclose(total, 2 * parts["distillation_loss"], atol=1e-6)
    other = {**same, "params": jax.tree.map(lambda p: 0.5 * p, same["params"])}
    total, parts = losses_of(tiny_recognizer, batch, REHEARSAL, other, **options)
    assert parts["distillation_loss"].min() > 1e-3
    np.testing.assert_allclose(total, 2 * parts["distillation_loss"], rtol=1e-6)


@pytest.mark.parametrize("more", [{"teacher_margin": 64}, {"teacher_width": CANVAS + 64}])
@pytest.mark.slow
def test_the_teacher_sees_more_ground_than_the_trained_network(tiny_recognizer, more):
    batch = make_rows(tiny_recognizer.alphabet)
    same = tiny_recognizer.variables
    _, parts = losses_of(tiny_recognizer, batch, REHEARSAL, same, distillation_weight=1.0, **more)
    network = Recognizer(spec_from_dict("ocr_recognition", tiny_recognizer.spec))
    inside = np.arange(CANVAS) < batch["width"][:, None]
    x = normalize(batch["image"], tiny_recognizer.preprocess) * inside[:, None, :, None]
    wide = np.pad(x, ((0, 0), (0, 0), (0, 64), (0, 0)))
    apply = jax.jit(network.apply)
    learned = np.asarray(apply(same, x))
    wanted = np.asarray(apply(same, wide))[:, : learned.shape[1]]
    expected = divergence(wanted, learned)
    assert expected.min() > 1e-3
    np.testing.assert_allclose(parts["distillation_loss"], expected, rtol=1e-2)


def test_a_teacher_of_no_greater_width_sees_the_same(tiny_recognizer):
    batch = make_rows(tiny_recognizer.alphabet)
    options = {"distillation_weight": 1.0, "teacher_width": CANVAS}
    _, parts = losses_of(tiny_recognizer, batch, REHEARSAL, tiny_recognizer.variables, **options)
    np.testing.assert_allclose(parts["distillation_loss"], 0, atol=1e-4)


def test_divergence_is_that_of_kullback_and_leibler():
    rng = np.random.default_rng(0)
    wanted, logits = rng.standard_normal((2, 3, 5, 4))
    p, q = (np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) for x in (wanted, logits))
    expected = (p * np.log(p / q)).sum(axis=(1, 2))
    np.testing.assert_allclose(divergence(wanted, logits), expected, rtol=1e-5)
    np.testing.assert_allclose(divergence(wanted, wanted + 3.0), 0, atol=1e-5)
