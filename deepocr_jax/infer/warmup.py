"""Runs every program once, so that nothing compiles afterwards."""

from dataclasses import replace

import numpy as np

from deepocr_jax.infer.buckets import canvas_shapes, line_widths
from deepocr_jax.infer.device_regions import find_regions_on_device
from deepocr_jax.infer.looks import CANVAS_STEP as LOOK_STEP
from deepocr_jax.infer.looks import look_limit
from deepocr_jax.infer.orientation import turned_probability
from deepocr_jax.infer.pipeline import Networks, PageSettings
from deepocr_jax.infer.readings import RecognitionSettings, read_short
from deepocr_jax.infer.recognizer import LINE_HEIGHT, RecognizerNet, group_size, run_candidates
from deepocr_jax.infer.tiles import detection_batch_size, run_tiles


def warm_up(nets: Networks, settings: PageSettings) -> int:
    """Compiles all programs that `read_pages` and `read_word_images` can need.

    Returns:
        The number of programs.
    """
    count = 0
    if nets.detector is not None:
        size = detection_batch_size(settings.detection.batch_size, nets.detector.platform)
        each = size * len(nets.detector.replicas)  # One batch a device.
        for shape in canvas_shapes(settings.detection.height, settings.detection.width):
            blank = np.zeros((*shape, 3), np.uint8)
            run_tiles([blank] * each, nets.detector.replicas, size)
            count += 1
            if settings.detection.boxes_on_device and not nets.detector.finds_words:
                scores = np.zeros(shape, np.float32)
                find_regions_on_device(scores, settings.detection.regions, nets.detector.finder)
                count += 1
    if nets.looks is not None and settings.detection.look:
        size = detection_batch_size(settings.detection.batch_size, nets.looks.platform)
        for shape in canvas_shapes(*look_limit(settings.detection), LOOK_STEP):
            blank = np.zeros((*shape, 3), np.uint8)
            run_tiles([blank] * size * len(nets.looks.replicas), nets.looks.replicas, size)
            count += 1
    if nets.recognizer is not None:
        how, draft = settings.recognition, nets.recognizer.draft
        count += _warm_up_recognizer(nets.recognizer, how)
        if draft is not None:
            count += _warm_up_recognizer(draft, replace(how, batch_size=0))
        # Those of the draft are the same.
        run_candidates(nets.recognizer, np.zeros((1, nets.recognizer.features), np.float32))
        count += 1
    if nets.orientation is not None:
        turned_probability([np.zeros((LINE_HEIGHT, LINE_HEIGHT, 3), np.uint8)], nets.orientation)
        count += 1
    return count


def _warm_up_recognizer(net: RecognizerNet, how: RecognitionSettings) -> int:
    """The programs of all widths; their number."""
    widths = line_widths(net.least_width, how.max_width)
    for width in widths:
        blank = np.zeros((LINE_HEIGHT, width, 3), np.uint8)
        each = how.batch_size or group_size(width, net.platform, net.frame_px)
        read_short([blank] * each * len(net.readers), net, how)
    return len(widths)
