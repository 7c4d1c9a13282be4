"""Runs every program once, so that nothing compiles afterwards."""

import numpy as np

from deepocr_jax.infer.buckets import canvas_shapes, line_widths
from deepocr_jax.infer.detector import run_detector
from deepocr_jax.infer.orientation import turned_probability
from deepocr_jax.infer.pipeline import Networks, PageSettings
from deepocr_jax.infer.recognizer import LINE_HEIGHT, read_crops, run_candidates


def warm_up(nets: Networks, settings: PageSettings) -> int:
    """Compiles all programs that `read_pages` and `read_word_images` can need.

    Returns:
        The number of programs.
    """
    count = 0
    if nets.detector is not None:
        for shape in canvas_shapes(settings.detection.height, settings.detection.width):
            for slot in range(len(nets.detector.replicas)):
                run_detector(np.zeros((*shape, 3), np.uint8), nets.detector, slot)
            count += 1
    if nets.recognizer is not None:
        how = settings.recognition
        for width in line_widths(how.max_width):
            blank = np.zeros((LINE_HEIGHT, width, 3), np.uint8)
            for _ in nets.recognizer.replicas:
                read_crops([blank], nets.recognizer, how.max_width, 1, how.batch_size)
            count += 1
        run_candidates(nets.recognizer, np.zeros((1, nets.recognizer.features), np.float32))
        count += 1
    if nets.orientation is not None:
        turned_probability([np.zeros((LINE_HEIGHT, LINE_HEIGHT, 3), np.uint8)], nets.orientation)
        count += 1
    return count
