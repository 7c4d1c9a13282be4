"""Reading of turned images as a figure by angle."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest


def test_an_image_turns_counter_clockwise_and_stays_whole(tools):
    tool = tools("turned_reading")
    image = np.full((40, 60, 3), 200, np.uint8)
    image[18:22, 50:58] = 0  # A mark at the right.
    np.testing.assert_array_equal(tool.turn(image, 90), np.rot90(image))
    for degrees, towards in ((30, (-0.5, 0.866)), (225, (0.707, -0.707))):
        turned = tool.turn(image, degrees)
        rows, cols = np.nonzero(turned[..., 0] < 60)
        middle = (np.array(turned.shape[:2]) - 1) / 2
        mark = np.array([rows.mean(), cols.mean()]) - middle
        np.testing.assert_allclose(mark / np.linalg.norm(mark), towards, atol=0.03)
        assert (turned == 200).all(axis=2).mean() > 0.95


def test_the_bag_counts_words_wherever_they_are(tools):
    tool = tools("turned_reading")
    truth = tool.words_of(["Total:", "12.50", "total", "--"])
    assert truth == Counter({"total": 2, "1250": 1})
    read = tool.words_of(["TOTAL", "1250", "x", "y"])
    assert tool.bag_f1([(truth, read)]) == pytest.approx(100 * 2 * 2 / 7, abs=0.01)


@pytest.mark.pretrained
@pytest.mark.slow
def test_figures_by_angle_are_written(tools, tmp_path, monkeypatch):
    tool = tools("turned_reading")
    image = np.full((96, 256, 3), 255, np.uint8)
    cv2.putText(image, "HARBOUR", (20, 62), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), image)
    sample = {
        "image_id": 1, "image_file_name": "a.png", "bbox_label_id": [0], "bbox_row": [47.0],
        "bbox_col": [125.0], "bbox_phi": [0.0], "bbox_length1": [105.0], "bbox_length2": [22.0],
        "label_custom_data": [{"text": "Harbour"}],
    }  # fmt: skip
    dataset = {
        "image_dir": "images", "class_ids": [0], "class_names": ["word"], "samples": [sample],
    }  # fmt: skip
    (tmp_path / "dl_dataset.json").write_text(json.dumps(dataset))
    out = tmp_path / "turned.json"
    given = ["turned_reading", f"--dataset={tmp_path}/dl_dataset.json", f"--out={out}"]
    monkeypatch.setattr("sys.argv", [*given, "--angles", "0", "90"])
    assert tool.main() == 0 and tool.main() == 0
    ((folder, runs),) = json.loads(out.read_text())["sets"].items()
    assert folder == tmp_path.name and len(runs) == 2
    assert runs[0]["bag_f1"] == {"0": 100.0, "90": 100.0} and runs[0]["images"] == 1
    monkeypatch.setattr("sys.argv", ["turned_reading", "--dataset=absent.json"])
    assert tool.main() == 2
