"""The recognizer learns eight crops by heart, and its loss looks at what counts only."""

from __future__ import annotations

import cv2
import jax
import numpy as np

from deepocr_jax.data.plans import StepPlan
from deepocr_jax.data.streams import make_batch
from deepocr_jax.models.recognizer import Recognizer
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.preprocess import normalize
from deepocr_jax.text.ctc import find_runs
from deepocr_jax.train.loop import train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.recognition import RecognitionOptions, make_recognition_loss
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
    plan = StepPlan(CANVAS, np.array(indices), np.zeros(0, np.int64))
    return make_batch(plan, [DrawnWords()], lambda word: [alphabet.index(c) + 1 for c in word])


def make_task(model, batch, options, steps):
    spec = spec_from_dict("ocr_recognition", model.spec)
    return Task(
        loss=make_recognition_loss(spec, model.preprocess, options),
        params=model.variables["params"],
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
