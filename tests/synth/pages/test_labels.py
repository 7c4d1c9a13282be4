"""Labels of pages: one box and text for each word, and a dataset that can be read again."""

import numpy as np

from deepocr_jax.data.dataset_files import write_dl_dataset
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_recognition
from deepocr_jax.geometry.boxes import boxes_to_quads
from deepocr_jax.synth.pages import label_pages
from deepocr_jax.synth.pages.atlas import CHARACTERS
from deepocr_jax.synth.pages.labels import CLASS_NAMES

KEYS = ("bbox_row", "bbox_col", "bbox_phi", "bbox_length1", "bbox_length2")


def test_labels_tell_the_words_of_a_page(make):
    pages = make(4)
    samples = label_pages(pages)
    assert len(samples) == len(pages.images)
    assert any(0 in s["bbox_label_id"] for s in samples)
    for page, sample in enumerate(samples):
        numbers = np.unique(pages.words[page][pages.words[page] >= 0])
        assert all(len(sample[key]) == len(numbers) for key in (*KEYS, "label_custom_data"))
        quads = boxes_to_quads(np.column_stack([sample[key] for key in KEYS]))[..., ::-1] + 0.5
        for k, number in enumerate(numbers):
            members = pages.words[page] == number
            text = "".join(CHARACTERS[c] for c in pages.codes[page][members])
            assert sample["label_custom_data"][k]["text"] == text
            assert sample["bbox_label_id"][k] == int(not pages.visible[page][members].all())
            # The box holds the cells, and is no larger than they need.
            low, high = quads[k].min(axis=0), quads[k].max(axis=0)
            cells = pages.quads[page][members].reshape(-1, 2)
            assert (cells.min(axis=0) > low - 1e-2).all() and (
                cells.max(axis=0) < high + 1e-2
            ).all()


def test_a_written_dataset_gives_words_for_the_recognition(make, tmp_path):
    samples = [
        {"image_id": n, "image_file_name": f"{n}.png", **labels}
        for n, labels in enumerate(label_pages(make(4)), start=1)
    ]
    dataset = {
        "image_dir": str(tmp_path),
        "class_ids": list(range(len(CLASS_NAMES))),
        "class_names": list(CLASS_NAMES),
        "samples": samples,
    }
    write_dl_dataset(dataset, tmp_path / "dl_dataset.json")
    words = read_dl_dataset_ocr_recognition(tmp_path / "dl_dataset.json")["samples"]
    assert len(words) == sum(s["bbox_label_id"].count(0) for s in samples) > 0
