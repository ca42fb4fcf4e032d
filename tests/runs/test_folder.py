"""Who owns a run's folder, with locks of the system and without."""

import errno
import os
import time

import pytest
from filelock import SoftFileLease, UnixFileLock

from sda.runs import folder
from sda.runs.folder import BusyError, RunFolder


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that has none."""

    def refuse(self):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(UnixFileLock, "_acquire", refuse)
    monkeypatch.setattr(folder, "LEASE", 1.0)


def test_a_folder_that_was_opened_again_is_not_written_by_the_earlier_opening(tmp_path):
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.open()
    first.update_result(status="running")
    first._lock.release()  # as a lease that has expired while its holder was stopped
    second.open()
    with pytest.raises(BusyError):
        first.update_result(status="finished")
    with pytest.raises(BusyError):
        first.write_config({})
    second.update_result(status="interrupted")
    assert second.result == {"status": "interrupted"}


def test_without_locks_a_folder_has_one_owner_at_a_time(tmp_path, without_locks):
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.open()
    assert second.is_held
    with pytest.raises(BusyError):
        second.open()
    first.close()
    assert not second.is_held
    second.open()
    second.close()


def test_a_lease_without_a_sign_of_life_is_taken_over_and_told(tmp_path, without_locks, caplog):
    lease = SoftFileLease(tmp_path / "lease", lease_duration=1.0)
    with lease:
        text = (tmp_path / "lease").read_text()
    (tmp_path / "lease").write_text(text.replace("host=", "host=far-"))  # of another machine
    os.utime(tmp_path / "lease", (time.time() - 9, time.time() - 9))
    run = RunFolder(tmp_path)
    assert not run.is_held
    run.open()
    run.update_result(status="running")
    run.close()
    assert "taken over" in caplog.text
