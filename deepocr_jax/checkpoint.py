"""Models on disk: one folder, an Orbax checkpoint of the variables beside their description.

    FOLDER/model.json    kind, specification, preprocessing, alphabet, licence, source, checksums
    FOLDER/variables/    the Orbax checkpoint

A folder is written beside its place and renamed into it, so it is there whole or not at all, also
when two processes write it at once or one is killed. Nothing is ever unpickled.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from deepocr_jax.errors import ModelFileError
from deepocr_jax.preprocess import Preprocess

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

FORMAT = "deepocr_jax model"
FORMAT_VERSION = 1
DESCRIPTION_FILE = "model.json"
VARIABLES_DIR = "variables"
MOVE_ATTEMPTS = 100


@dataclass(frozen=True)
class ModelCheckpoint:
    """A model in memory: what kind it is, its variables, and all that inference must know.

    Attributes:
        kind: "ocr_detection", "ocr_detection_score_maps", "ocr_recognition" or "ocr_orientation".
        spec: The architecture's specification as plain dictionaries and lists.
        variables: Flax variable collections ("params", "batch_stats"), float32 numpy arrays.
        preprocess: Constants that turn an image into the network's input.
        alphabet: The characters of a recognizer; class i + 1 is character i, class 0 the blank.
        license: Licence of the weights.
        source: Where the weights came from.
        sha256: Checksum of the file that they came from, empty for own training.
        meta_data: Free text entries of the user.
    """

    kind: str
    spec: dict[str, Any]
    variables: dict[str, Any] = field(repr=False)
    preprocess: Preprocess = Preprocess()
    alphabet: tuple[str, ...] = field(default=(), repr=False)
    license: str = ""
    source: str = ""
    sha256: str = ""
    meta_data: dict[str, str] = field(default_factory=dict)


def write_checkpoint(folder: Path, model: ModelCheckpoint, exist_ok: bool = False) -> None:
    """Writes a model into `folder`, atomically.

    Args:
        folder: Its parents are made. An existing folder is replaced, unless `exist_ok`.
        model: The model.
        exist_ok: A folder that appeared meanwhile stays as it is (for caches: first one wins).
    """
    with atomic_folder(folder, exist_ok) as draft:
        write_into(draft, model)


def write_into(draft: Path, model: ModelCheckpoint) -> None:
    """Writes a model's files into a folder that exists and that nobody else reads yet."""
    write_description(draft, model)
    write_tree(draft / VARIABLES_DIR, model.variables)


def write_description(draft: Path, model: ModelCheckpoint) -> None:
    """Writes all of a model but the values of its variables."""
    description = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "kind": model.kind,
        "spec": model.spec,
        "preprocess": asdict(model.preprocess),
        "alphabet": list(model.alphabet),
        "license": model.license,
        "source": model.source,
        "sha256": model.sha256,
        "meta_data": model.meta_data,
        "variables": {
            path: {"shape": list(a.shape), "dtype": str(a.dtype)}
            for path, a in flat_items(model.variables)
        },
        "variables_sha256": variables_sha256(model.variables),
    }
    text = json.dumps(description, ensure_ascii=False, indent=1)
    (draft / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


def read_checkpoint(folder: Path) -> ModelCheckpoint:
    """Reads a model.

    Raises:
        ModelFileError: The folder is missing, is not a model's, or a file in it is damaged.
    """
    return read_model(folder, lambda shapes: read_tree(folder / VARIABLES_DIR, shapes))


def read_model(
    folder: Path, read_variables: Callable[[dict[str, Any]], dict[str, Any]]
) -> ModelCheckpoint:
    """Reads the description of a model, and checks its variables by it.

    Args:
        folder: Of the model.
        read_variables: Nested dictionaries of shapes -> the same with arrays.

    Raises:
        ModelFileError: As `read_checkpoint`.
    """
    description = read_description(folder, DESCRIPTION_FILE, FORMAT, FORMAT_VERSION)
    try:
        wanted = description["variables"]
        flat = {
            path: jax.ShapeDtypeStruct(tuple(v["shape"]), np.dtype(v["dtype"]))
            for path, v in wanted.items()
        }
        shapes = nested(flat)
        checkpoint = {
            "kind": str(description["kind"]),
            "spec": dict(description["spec"]),
            "preprocess": Preprocess(**description["preprocess"]),
            "alphabet": tuple(description["alphabet"]),
            "license": str(description["license"]),
            "source": str(description["source"]),
            "sha256": str(description["sha256"]),
            "meta_data": dict(description["meta_data"]),
        }
        expected = description["variables_sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{folder / DESCRIPTION_FILE} lacks or garbles {error}; write the model again"
        ) from error
    variables = read_variables(shapes)
    if variables_sha256(variables) != expected:
        raise ModelFileError(
            f"{folder} does not hold the variables that {DESCRIPTION_FILE} "
            "describes (checksums differ); write or copy the model again"
        )
    return ModelCheckpoint(variables=variables, **checkpoint)


# Orbax takes as long to import as a page to read, and models from the cache do without it.
def _checkpointer() -> "ocp.Checkpointer":
    """Orbax for this process alone: with several processes, none waits for the others."""
    import orbax.checkpoint as ocp

    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process,
        active_processes={process},
        barrier_sync_key_prefix=f"process{process}",
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def write_tree(folder: Path, tree: dict[str, Any]) -> None:
    """Writes nested dictionaries of arrays as an Orbax checkpoint into a new folder."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.resolve(), tree)
    # It names the folder of this machine, and nobody reads it: the caller's rename tells that the
    # checkpoint is whole.
    (folder / "commit_success.txt").unlink(missing_ok=True)


def read_tree(folder: Path, target: dict[str, Any]) -> dict[str, Any]:
    """Reads what `write_tree` wrote, as numpy arrays.

    Args:
        folder: Of the tree.
        target: The same dictionaries, with anything that has `shape` and `dtype` as leaves.

    Raises:
        ModelFileError: It is missing or damaged.
    """
    import orbax.checkpoint as ocp

    try:
        with _checkpointer() as checkpointer:
            arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
            return checkpointer.restore(folder.resolve(), item=target, restore_args=arguments)
    except Exception as error:  # Orbax and TensorStore raise many classes for a damaged folder.
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"the arrays in {folder.resolve()} cannot be read ({first_line[:200]}); "
            "write or copy them again"
        ) from error


def read_description(folder: Path, name: str, file_format: str, version: int) -> dict[str, Any]:
    """The JSON description of a folder of ours, checked for its format and version.

    Raises:
        ModelFileError: Missing, unreadable, foreign, or of a newer version.
    """
    path = folder / name
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"no {file_format} in {folder}: {name} {error.strerror}") from error
    except ValueError as error:
        raise ModelFileError(f"{path} is not readable as JSON: {error}") from error
    if not isinstance(description, dict) or description.get("format") != file_format:
        raise ModelFileError(f"{path} does not describe a {file_format}")
    if description.get("version") != version:
        raise ModelFileError(
            f"{path} has version {description.get('version')!r}; this release reads {version}"
        )
    return description


@contextmanager
def atomic_folder(folder: Path, exist_ok: bool = False) -> Iterator[Path]:
    """A draft folder that takes the place of `folder` when the block ends well.

    Args:
        folder: The final place. What is there is replaced, unless `exist_ok`.
        exist_ok: Keep what is there and drop the draft.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".draft", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)
        _move_into_place(draft, folder, exist_ok)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move_into_place(draft: Path, folder: Path, exist_ok: bool) -> None:
    # Another process may put its folder there, or take it away, between any two steps.
    for _ in range(MOVE_ATTEMPTS):
        try:
            os.rename(draft, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        if exist_ok:
            return
        retired = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent)
        )
        with suppress(FileNotFoundError):
            os.replace(folder, retired / folder.name)
        shutil.rmtree(retired, ignore_errors=True)
    raise FileExistsError(f"{folder} is written by others without end")


def flat_items(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, np.ndarray]]:
    """Nested dictionaries of arrays -> ("a/b/c", array), sorted by path."""
    items = []
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, dict):
            items += flat_items(value, f"{prefix}{key}/")
        else:
            items.append((prefix + key, value))
    return items


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `flat_items`."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, leaf = path.split("/")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = value
    return tree


def variables_sha256(variables: dict[str, Any]) -> str:
    """Checksum over names, shapes, types and values of the variables."""
    digest = hashlib.sha256()
    for path, array in flat_items(variables):
        array = np.ascontiguousarray(array)
        digest.update(f"{path}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
