"""Small folders of images with a dataset, and a server for them."""

import contextlib
import json
import threading

from PIL import Image, ImageDraw

from deepocr_jax.labelling.dataset_store import DatasetStore
from deepocr_jax.labelling.server import LabelServer

FILE = "dl_dataset.json"


def make_image(words, path, size=(640, 480)):
    """Texts at (row, col) centres, each on a ground of its own."""
    image = Image.new("RGB", size, (235, 235, 230))
    draw = ImageDraw.Draw(image)
    for text, row, col in words:
        draw.rectangle((col - 50, row - 14, col + 50, row + 14), fill=(215, 222, 232))
        draw.text((col - 40, row - 6), text, fill=(20, 20, 60))
    image.save(path)


def make_pages(folder, pages=1, words=12):
    """Form A with a box of another class on each page."""
    samples = []
    for page in range(pages):
        places = [(f"p{page}w{i}", 60 + 60 * (i // 4), 90 + 140 * (i % 4)) for i in range(words)]
        make_image(places, folder / f"p{page}.png")
        samples.append(
            {
                "image_id": page + 1,
                "image_file_name": f"p{page}.png",
                "split": "train",
                "bbox_label_id": [7] + [0] * words,
                "bbox_row": [240.0] + [float(row) for _, row, _ in places],
                "bbox_col": [320.0] + [float(col) for _, _, col in places],
                "bbox_phi": [0.5] + [0.0] * words,
                "bbox_length1": [30.0] + [50.0] * words,
                "bbox_length2": [20.0] + [14.0] * words,
                "label_custom_data": [{"stamp": True}]
                + [{"text": t, "confidence": 0.5 + 0.04 * i} for i, (t, _, _) in enumerate(places)],
            }
        )
    dataset = {"image_dir": ".", "class_ids": [0, 7], "class_names": ["word", "stamp"]}
    return write(folder, {**dataset, "samples": samples})


def make_crops(folder, words=("alpha", "beta", "")):
    """Form B."""
    samples = []
    for i, word in enumerate(words):
        make_image([(word, 20, 60)], folder / f"c{i}.png", (120, 40))
        sample = {"image_id": i + 1, "image_file_name": f"c{i}.png", "word": word}
        samples.append({**sample, "confidence": 0.9 - 0.1 * i})
    dataset = {"image_dir": ".", "samples": [s for s in samples if s["word"]]}
    return write(folder, dataset | {"unlabelled_samples": [s for s in samples if not s["word"]]})


def write(folder, dataset):
    (folder / FILE).write_text(json.dumps(dataset), encoding="utf-8")
    return folder / FILE


def read(file):
    return json.loads(file.read_text(encoding="utf-8"))


@contextlib.contextmanager
def serving(file, port=0):
    """A server for a dataset, in this process."""
    with contextlib.closing(DatasetStore(file)) as store, LabelServer(store, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
