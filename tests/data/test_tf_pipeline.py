import pytest
from test_streams import assert_equal, make_load

from deepocr_jax.data.streams import stream_batches
from deepocr_jax.errors import DatasetError

tf = pytest.importorskip("tensorflow")

from deepocr_jax.data.tf_pipeline import tf_batches, tf_dataset  # noqa: E402


def test_equal_to_the_threads():
    load = make_load()
    got = list(tf_batches(load, 0, 7))
    assert len(got) == 7
    for ours, theirs in zip(got, stream_batches(load, 0, 7), strict=True):
        assert_equal(ours, theirs)


def test_starts_at_any_step():
    load = make_load()
    for step, batch in enumerate(tf_batches(load, 5, 9, workers=3, ahead=2), 5):
        assert_equal(batch, load(step))


def test_an_endless_pipeline_can_be_left():
    stream = tf_batches(make_load(), 0, None)
    assert next(stream)["image"].shape[0] == 5
    stream.close()


def test_errors_keep_their_reason():
    load = make_load()

    def broken(step):
        if step == 2:
            raise ValueError("no such thing")
        return load(step)

    stream = tf_batches(broken, 0, 6)
    next(stream), next(stream)
    with pytest.raises(DatasetError, match="step 2: no such thing") as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, ValueError)


def test_shapes_that_tensorflow_knows():
    spec = tf_dataset(make_load(), 0, 3).element_spec
    assert {k: len(v.shape) for k, v in spec.items()} == {
        "image": 4,
        "width": 1,
        "label": 2,
        "label_length": 1,
        "mask": 1,
        "image_id": 1,
    }


def test_tensorflow_keeps_off_the_accelerators():
    assert tf.config.get_visible_devices("GPU") == []
