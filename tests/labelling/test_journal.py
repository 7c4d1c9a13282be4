import errno
import os

import pytest

from deepocr_jax.errors import DatasetError
from deepocr_jax.labelling.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def fill_disk(monkeypatch, room):
    """From now on files take `room` bytes more, as a disk does that is nearly full."""
    real, left = os.write, [room]

    def write(file, data):
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = min(left[0], len(data))
        left[0] -= count
        return real(file, bytes(data[:count]))

    monkeypatch.setattr(os, "write", write)


def test_entries_come_back_in_their_order(path):
    entries = [{"a": 1}, ["Łódź", None, 0.1], "\u2028"]
    journal = Journal(path)
    for entry in entries:
        journal.append(entry)
    journal.close()
    again = Journal(path)
    assert again.entries == entries and not again.empty
    again.append(4)
    again.close()
    last = Journal(path)
    assert last.entries == [*entries, 4]
    last.close()


def test_empty_journal_leaves_no_file(path):
    journal = Journal(path)
    assert journal.empty and path.exists()
    journal.append(1)
    journal.clear()
    journal.close()
    assert not path.exists()


def test_a_line_that_was_cut_off_is_left_out_and_written_over(path):
    path.write_bytes(b'{"a": 1}\n{"b": 2')
    journal = Journal(path)
    assert journal.entries == [{"a": 1}]
    journal.append(3)
    journal.close()
    assert path.read_bytes() == b'{"a": 1}\n3\n'


def test_full_disk_leaves_the_journal_as_it_was(path, monkeypatch):
    journal = Journal(path)
    journal.append("first")
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        fill_disk(patch, 5)
        with pytest.raises(OSError, match="No space left"):
            journal.append("second")
    assert path.read_bytes() == before
    journal.append("third")
    journal.close()
    again = Journal(path)
    assert again.entries == ["first", "third"]
    again.close()


def test_one_process_at_a_time(path):
    journal = Journal(path)
    with pytest.raises(DatasetError, match="Another process"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_damaged_journal_is_refused_and_stays(path):
    path.write_bytes(b"{}\nnot json\n")
    for _ in range(2):  # The first refusal has let go of the lock.
        with pytest.raises(DatasetError, match="damaged"):
            Journal(path)
    assert path.read_bytes() == b"{}\nnot json\n"


def test_closed_journal_takes_nothing(path, tmp_path):
    journal = Journal(path)
    journal.close()
    # The other file may have the number of the closed one.
    with open(tmp_path / "other", "wb"), pytest.raises(OSError, match="Bad file descriptor"):
        journal.append(1)
    assert (tmp_path / "other").read_bytes() == b""


def test_no_folder(tmp_path):
    with pytest.raises(DatasetError, match="Cannot open"):
        Journal(tmp_path / "gone" / "journal")
