import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax import checkpoint
from deepocr_jax.checkpoint import (
    ModelCheckpoint,
    Preprocess,
    atomic_folder,
    flat_items,
    nested,
    read_checkpoint,
    read_description,
    variables_sha256,
    write_checkpoint,
)
from deepocr_jax.errors import ModelFileError

# Reads that fail leave futures behind in TensorStore, which end after their event loop did.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROOT = Path(__file__).parent.parent
NAMES = st.text("abcxyz_0", min_size=1, max_size=4)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.integers(),
        lambda node: st.dictionaries(NAMES, node, min_size=1, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def model(seed: int = 0) -> ModelCheckpoint:
    rng = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return ModelCheckpoint(
        kind="ocr_recognition",
        spec={"widths": [4, 8], "head": {"classes": 3}, "name": "tiny"},
        variables={
            "params": {"conv": {"kernel": array(3, 3, 3, 4), "bias": array(4)}, "scale": array()},
            "batch_stats": {"norm": {"mean": array(4), "var": np.abs(array(4))}},
        },
        preprocess=Preprocess(mean=1.5, channel_order="bgr"),
        alphabet=("a", "é", "中", " "),
        license="Apache-2.0",
        source="a test",
        sha256="0" * 64,
        meta_data={"note": "größer"},
    )


def assert_same(actual: ModelCheckpoint, expected: ModelCheckpoint) -> None:
    for name in ("kind", "spec", "preprocess", "alphabet", "license", "source", "sha256"):
        assert getattr(actual, name) == getattr(expected, name)
    assert actual.meta_data == expected.meta_data
    pairs = zip(flat_items(actual.variables), flat_items(expected.variables), strict=True)
    for (path, array), (wanted_path, wanted) in pairs:
        assert path == wanted_path and array.dtype == wanted.dtype
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(array, wanted)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, bytes]:
    """The files of a written model, to be laid out anew by each test that damages one."""
    folder = tmp_path_factory.mktemp("written") / "model"
    write_checkpoint(folder, model())
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_round_trip_makes_parents_and_leaves_nothing_beside(tmp_path):
    folder = tmp_path / "a" / "b" / "model"
    write_checkpoint(folder, model())
    assert_same(read_checkpoint(folder), model())
    assert os.listdir(folder.parent) == ["model"]
    assert sorted(os.listdir(folder)) == ["model.json", "variables"]


def test_defaults_survive(tmp_path):
    plain = ModelCheckpoint("ocr_detection", {}, {"params": {"w": np.ones(2, np.float32)}})
    write_checkpoint(tmp_path / "m", plain)
    assert_same(read_checkpoint(tmp_path / "m"), plain)


def test_a_copied_folder_reads_alike(written, tmp_path):
    assert_same(read_checkpoint(lay_out(tmp_path / "copy", written)), model())


def test_writing_again_replaces(tmp_path):
    write_checkpoint(tmp_path / "m", model(0))
    write_checkpoint(tmp_path / "m", model(1))
    assert_same(read_checkpoint(tmp_path / "m"), model(1))
    assert os.listdir(tmp_path) == ["m"]


def test_writing_again_with_exist_ok_keeps_the_first(tmp_path):
    write_checkpoint(tmp_path / "m", model(0), exist_ok=True)
    write_checkpoint(tmp_path / "m", model(1), exist_ok=True)
    assert_same(read_checkpoint(tmp_path / "m"), model(0))
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("make", ["missing", "empty", "foreign", "file"])
def test_what_is_no_model_is_refused(make, tmp_path):
    folder = tmp_path / "m"
    if make == "file":
        folder.write_text("no folder")
    elif make != "missing":
        folder.mkdir()
    if make == "foreign":
        (folder / "model.json").write_text('{"format": "something else", "version": 1}')
    with pytest.raises(ModelFileError, match="m"):
        read_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "{}", '"x"', "\ud800"])
def test_garbled_descriptions_are_refused(written, text, tmp_path):
    folder = lay_out(tmp_path / "m", written)
    (folder / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelFileError):
        read_checkpoint(folder)


def test_a_newer_version_is_refused_by_number(written, tmp_path):
    folder = lay_out(tmp_path / "m", written)
    newer = json.loads(written["model.json"]) | {"version": 99}
    (folder / "model.json").write_text(json.dumps(newer))
    with pytest.raises(ModelFileError, match="99"):
        read_description(folder, "model.json", checkpoint.FORMAT, checkpoint.FORMAT_VERSION)


@pytest.mark.parametrize("value", ["absent", None, 3, [], {}, {"a": 1}, [[1]]])
def test_no_damaged_entry_escapes_as_another_error(written, value, tmp_path):
    description = json.loads(written["model.json"])
    folder = lay_out(tmp_path / "m", written)
    for key in ("variables", "variables_sha256", "preprocess", "spec", "alphabet", "meta_data"):
        damaged = {k: v for k, v in description.items() if k != key}
        if value != "absent":
            damaged[key] = value
        (folder / "model.json").write_text(json.dumps(damaged))
        try:
            read_checkpoint(folder)
        except ModelFileError:
            continue
        # Only these have no checksum, and the values suit them.
        assert key in ("spec", "alphabet", "meta_data", "preprocess") and value != "absent"


@pytest.mark.parametrize(
    "change",
    [
        {"params/scale": {"shape": [7], "dtype": "float32"}},
        {"params/scale": {"shape": [], "dtype": "float16"}},
        {"params/scale": {"shape": [], "dtype": "nonsense"}},
        {"params/scale": {"shape": [-1], "dtype": "float32"}},
        {"params/scale/under": {"shape": [], "dtype": "float32"}},
        {"params/more": {"shape": [], "dtype": "float32"}},
    ],
)
def test_descriptions_of_other_variables_do_no_harm(written, change, tmp_path):
    description = json.loads(written["model.json"])
    description["variables"].update(change)
    folder = lay_out(tmp_path / "m", written)
    (folder / "model.json").write_text(json.dumps(description))
    assert_refused_or_whole(folder, "variables")


@pytest.mark.parametrize("damage", ["truncate", "remove", "empty"])
def test_damaged_files_are_noticed(written, damage, tmp_path):
    for n, name in enumerate(written):
        files = dict(written)
        if damage == "remove":
            del files[name]
        else:
            files[name] = files[name][: len(files[name]) // 2] if damage == "truncate" else b""
        assert_refused_or_whole(lay_out(tmp_path / str(n), files), name)


def test_a_flipped_byte_in_the_values_is_noticed(written, tmp_path):
    rng = np.random.default_rng(0)
    arrays = [name for name in written if name.startswith("variables")]
    largest = max(arrays, key=lambda name: len(written[name]))
    for n, name in enumerate([largest] * 8 + arrays):
        content = bytearray(written[name])
        content[rng.integers(len(content))] ^= 0x41
        folder = lay_out(tmp_path / str(n), written | {name: bytes(content)})
        assert_refused_or_whole(folder, name)


def assert_refused_or_whole(folder: Path, name: str) -> None:
    """A damaged file is an error of ours, unless nothing that matters was in it."""
    try:
        read = read_checkpoint(folder)
    except ModelFileError as error:
        assert str(folder) in str(error)
    else:
        assert name != "model.json"
        assert_same(read, model())


def test_a_wrong_value_is_noticed_though_orbax_reads_it(written, tmp_path):
    folder = tmp_path / "m"
    write_checkpoint(folder, model(1))
    (folder / "model.json").write_bytes(written["model.json"])
    with pytest.raises(ModelFileError, match="checksums differ"):
        read_checkpoint(folder)


def test_a_failing_writer_leaves_what_was_there(tmp_path):
    folder = tmp_path / "m"
    for content in (None, "old"):
        with pytest.raises(RuntimeError, match="stop"), atomic_folder(folder) as draft:
            (draft / "half").write_text("new")
            raise RuntimeError("stop")
        assert not (folder / "half").exists()
        assert os.listdir(tmp_path) == ([] if content is None else ["m"])
        folder.mkdir(exist_ok=True)


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import numpy as np
import orbax.checkpoint as ocp
from deepocr_jax import checkpoint
save = ocp.Checkpointer.save
def slow_save(*args):
    save(*args)
    Path(sys.argv[2]).touch()
    time.sleep(float(sys.argv[4]))
ocp.Checkpointer.save = slow_save
model = checkpoint.ModelCheckpoint("k", {}, {"params": {"w": np.arange(9.0, dtype=np.float32)}})
checkpoint.write_checkpoint(Path(sys.argv[1]), model, exist_ok=True)
"""


def start_writer(folder: Path, mark: Path, pause_s: float) -> subprocess.Popen:
    arguments = [str(folder), str(mark), str(ROOT), str(pause_s)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments])


def wait_for(mark: Path, process: subprocess.Popen) -> None:
    limit = time.monotonic() + 120
    while not mark.exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)


def test_a_killed_writer_leaves_no_model(tmp_path):
    folder = tmp_path / "models" / "m"
    writer = start_writer(folder, tmp_path / "mark", 60)
    wait_for(tmp_path / "mark", writer)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not folder.exists()
    with pytest.raises(ModelFileError):
        read_checkpoint(folder)
    write_checkpoint(folder, model())  # and does not stand in the way of the next
    assert_same(read_checkpoint(folder), model())


def test_two_processes_writing_at_once_leave_one_model(tmp_path):
    folder = tmp_path / "models" / "m"
    marks = [tmp_path / "mark0", tmp_path / "mark1"]
    writers = [start_writer(folder, mark, 1) for mark in marks]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    values = read_checkpoint(folder).variables["params"]["w"]
    np.testing.assert_array_equal(values, np.arange(9.0))
    assert os.listdir(folder.parent) == ["m"]


@pytest.mark.parametrize("exist_ok", [True, False])
def test_writers_in_a_race_all_end_well(exist_ok, tmp_path):
    folder = tmp_path / "m"
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for _ in range(40):
                with atomic_folder(folder, exist_ok) as draft:
                    (draft / "a").write_text(name)
                    (draft / "b").write_text(name)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os.listdir(tmp_path) == ["m"]
    assert (folder / "a").read_text() == (folder / "b").read_text()


@given(TREES)
def test_flat_items_and_nested_are_inverse(tree):
    items = flat_items(tree)
    assert nested(dict(items)) == tree
    assert [path for path, _ in items] == sorted(
        (path for path, _ in items), key=lambda path: path.split("/")
    )


def test_checksum_covers_names_shapes_types_and_values():
    base = np.arange(6, dtype=np.float32)
    trees = [
        {"a": base},
        {"b": base},
        {"a": base.reshape(2, 3)},
        {"a": base.view(np.int32)},
        {"a": base + 1},
        {"a": {"a": base}},
        {"a": base[:3], "b": base[3:]},
    ]
    assert len({variables_sha256(tree) for tree in trees}) == len(trees)
    strided = np.repeat(base, 2)[::2]
    assert variables_sha256({"a": strided}) == variables_sha256({"a": base})


def test_a_checkpoint_does_not_tell_where_it_was_written(tmp_path, tiny_recognizer):
    folder = tmp_path / "secret place" / "model"
    write_checkpoint(folder, tiny_recognizer)
    for file in folder.rglob("*"):
        assert file.is_dir() or b"secret place" not in file.read_bytes(), file.name
    assert read_checkpoint(folder).alphabet == tiny_recognizer.alphabet
