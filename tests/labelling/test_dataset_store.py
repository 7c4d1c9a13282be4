import errno
import json
import os
import threading

import pytest
from labelled_folders import make_crops, make_pages, read, write

from deepocr_jax.data.faults import find_faults
from deepocr_jax.data.ocr_datasets import (
    convert_dl_dataset_ocr_detection_to_recognition,
    read_dl_dataset_ocr_detection,
    read_dl_dataset_ocr_recognition,
)
from deepocr_jax.errors import DatasetError
from deepocr_jax.labelling.dataset_store import (
    ConflictError,
    DatasetStore,
    NotSavedError,
    journal_path,
)
from deepocr_jax.labelling.sample_lists import all_samples
from deepocr_jax.labelling.words import word_to_json

SIZE = (480, 640)


def change(store, text, image_id=1, k=0, size=SIZE):
    """Gives a word another text; gives the new revision."""
    image = store.image(image_id)
    words = [word_to_json(word) for word in image.words]
    words[k] |= {"text": text, "checked": True}
    return store.replace(image_id, image.revision, words, size)


def first_text(file):
    return read(file)["samples"][0]["label_custom_data"][0]["text"]


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def file(tmp_path):
    return make_pages(tmp_path, pages=2)


def test_changes_are_in_the_file_after_closing(file):
    store = DatasetStore(file)
    change(store, "one")
    change(store, "two", image_id=2, k=3)
    assert '"one"' not in file.read_text()
    store.close()
    assert first_text(file) == "one" and not journal_path(file).exists()
    again = DatasetStore(file)
    assert again.image(2).words[3].text == "two" and again.image(2).words[3].checked
    assert list(again.names.values()) == ["p0.png", "p1.png"]
    again.close()


def test_what_was_confirmed_can_be_learned_alone(file):
    store = DatasetStore(file)
    change(store, "one")
    change(store, "two", image_id=2, k=3)
    store.close()
    found = read_dl_dataset_ocr_recognition(file, checked_only=True)["samples"]
    assert [(s["image_file_name"], s["word"]) for s in found] == [
        ("p0.png", "one"),
        ("p1.png", "two"),
    ]
    assert [s["bbox_col"] for s in found] == [90.0, 510.0]


def test_nothing_changed_writes_nothing(file):
    before = file.stat().st_mtime_ns
    store = DatasetStore(file)
    store.write()
    store.close()
    assert file.stat().st_mtime_ns == before


def test_what_a_killed_process_had_taken_comes_back(file):
    store = DatasetStore(file)
    change(store, "one")
    change(store, "two", k=1)
    journal = journal_path(file).read_bytes()
    store.close()
    for cut in (len(journal), len(journal) - 1, journal.index(b"\n") + 5):
        write(file.parent, json.loads(journal_without_edits(file)))
        journal_path(file).write_bytes(journal[:cut])
        store = DatasetStore(file)
        texts = [word.text for word in store.image(1).words[:2]]
        assert texts == (["one", "two"] if cut == len(journal) else ["one", "p0w1"])
        assert read(file)["samples"][0]["label_custom_data"][0]["text"] == "one"
        store.close()


def journal_without_edits(file):
    dataset = read(file)
    words = dataset["samples"][0]["label_custom_data"]
    words[0]["text"], words[1]["text"] = "p0w0", "p0w1"
    return json.dumps(dataset)


def test_an_older_revision_is_a_conflict_and_changes_nothing(file):
    store = DatasetStore(file)
    image = store.image(1)
    change(store, "theirs")
    words = [word_to_json(word) for word in image.words]
    words[0]["text"] = "mine"
    with pytest.raises(ConflictError, match=r"p0\.png were changed elsewhere"):
        store.replace(1, image.revision, words, SIZE)
    assert store.image(1).words[0].text == "theirs"
    # With the revision that is there now, mine counts.
    revision = store.replace(1, store.image(1).revision, words, SIZE)
    # The same words again, as when the answer was lost, are none.
    assert store.replace(1, image.revision, words, SIZE) == revision
    store.close()
    assert first_text(file) == "mine"


def test_one_of_many_writers_wins(file):
    store = DatasetStore(file)
    image = store.image(1)
    start, results = threading.Barrier(8), []

    def work(n):
        words = [word_to_json(word) for word in image.words]
        words[0]["text"] = f"writer {n}"
        start.wait()
        try:
            store.replace(1, image.revision, words, SIZE)
            results.append(n)
        except ConflictError:
            results.append(None)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [n for n in results if n is not None]
    assert len(results) == 8 and store.image(1).words[0].text == f"writer {winner}"
    store.close()


def test_full_disk_while_a_word_is_taken(file, monkeypatch):
    store = DatasetStore(file)
    change(store, "one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(NotSavedError, match="No space left"):
            change(store, "two")
    assert store.image(1).words[0].text == "one"
    change(store, "three")
    store.close()
    assert first_text(file) == "three"


def test_full_disk_while_the_file_is_written(file, monkeypatch):
    before = file.read_bytes()
    store = DatasetStore(file)
    change(store, "one")
    with monkeypatch.context() as patch:
        patch.setattr("deepocr_jax.data.dataset_files.os.fsync", full)
        with pytest.raises(NotSavedError, match="kept in .*journal"):
            store.write()
        with pytest.raises(NotSavedError):
            store.close()
    assert file.read_bytes() == before
    assert {p.name for p in file.parent.iterdir()} == {
        file.name, journal_path(file).name, "p0.png", "p1.png",
    }  # fmt: skip
    DatasetStore(file).close()
    assert first_text(file) == "one"


def test_a_file_that_another_program_changed_is_not_overwritten(file):
    store = DatasetStore(file)
    change(store, "mine")
    other = read(file)
    other["samples"][1]["note"] = "by hand"
    write(file.parent, other)
    for _ in range(2):
        with pytest.raises(ConflictError, match="Another program has changed"):
            store.write()
    with pytest.raises(ConflictError):
        store.close()
    DatasetStore(file).close()
    assert first_text(file) == "mine" and read(file)["samples"][1]["note"] == "by hand"


def test_only_one_store_of_a_dataset(file):
    store = DatasetStore(file)
    with pytest.raises(DatasetError, match="Another process"):
        DatasetStore(file)
    store.close()


def test_a_journal_of_another_dataset_is_refused_and_kept(file):
    journal_path(file).write_text('{"image_id": 9, "image_file_name": "gone.png"}\n')
    with pytest.raises(DatasetError, match=r"gone\.png, which is not in"):
        DatasetStore(file)
    assert "gone.png" in journal_path(file).read_text()


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"image_id": 1, "image_file_name": "a.png"}, "missing_key"),
        ({"image_id": 1, "image_file_name": "a.png", "word": 3}, "wrong_type"),
        ({"image_id": 1, "image_file_name": "a.png", "word": "w", "bbox_row": 2.0}, "with a box"),
    ],
)
def test_what_cannot_be_labelled(tmp_path, sample, message):
    file = write(tmp_path, {"image_dir": ".", "samples": [sample]})
    with pytest.raises(DatasetError, match=message):
        DatasetStore(file)
    assert not journal_path(file).exists()


def test_an_id_twice_is_refused(tmp_path):
    file = make_crops(tmp_path, ["a", "b", ""])
    dataset = read(file)
    dataset["unlabelled_samples"][0]["image_id"] = 1
    write(tmp_path, dataset)
    with pytest.raises(DatasetError, match="twice|doubled_id"):
        DatasetStore(file)


def test_unlabelled_samples_are_a_list(tmp_path):
    file = make_crops(tmp_path)
    write(tmp_path, {**read(file), "unlabelled_samples": 3})
    with pytest.raises(DatasetError, match="to be a list, got int"):
        DatasetStore(file)


def test_boxes_without_texts_get_some(file):
    dataset = read(file)
    for sample in dataset["samples"]:
        del sample["label_custom_data"]
    write(file.parent, dataset)
    store = DatasetStore(file)
    change(store, "seen")
    store.close()
    assert first_text(file) == "seen"


def test_the_labelled_dataset_is_one_that_trains(file):
    store = DatasetStore(file)
    change(store, "###")
    change(store, "Łódź", k=1)
    store.close()
    assert find_faults(read_dl_dataset_ocr_recognition(file), required_splits=()) == []
    dataset, faults = read_dl_dataset_ocr_detection(file)
    assert faults == []
    words = [s["word"] for s in convert_dl_dataset_ocr_detection_to_recognition(dataset)["samples"]]
    assert len(words) == 23 and words[0] == "Łódź"  # One of the 24 cannot be read.


def test_crops_without_a_text_are_put_apart_and_come_back(tmp_path):
    file = make_crops(tmp_path, ["a", "b", ""])
    store = DatasetStore(file)
    assert len(store.names) == 3
    change(store, "###", image_id=1, size=(40, 120))
    change(store, "c", image_id=3, size=(40, 120))
    store.close()
    dataset = read_dl_dataset_ocr_recognition(file)
    assert [s["word"] for s in dataset["samples"]] == ["b", "c"]
    assert find_faults(dataset) == []
    store = DatasetStore(file)
    assert store.image(1).words[0].text == "###"
    change(store, "a", image_id=1, size=(40, 120))
    store.close()
    assert "unlabelled_samples" not in read(file)
    assert all_samples(read(file)) == read(file)["samples"]
