"""Rows of a plan come out only once all of it is known to be intact, from a file or a pipe."""

import os
import threading
from pathlib import Path

import pytest

from bulkroute.errors import ManifestError
from bulkroute.ledger.intake import check_form
from bulkroute.manifest.open_plan import SavedPlan
from tests.unit.manifest.test_plan_reader import PLAN, ROWS


def test_a_plan_is_read_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.write_bytes(PLAN)
    with SavedPlan.open(path) as plan:
        assert list(plan.rows()) == list(plan.rows()) == ROWS
        assert plan.head.rows == len(ROWS)
        assert plan.fingerprint in PLAN.decode()


def test_a_pipe_serves_as_well(tmp_path: Path) -> None:
    fifo = tmp_path / "x.plan"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(PLAN,))
    writer.start()
    with SavedPlan.open(fifo) as plan:
        assert list(plan.rows()) == ROWS
    writer.join()


def test_a_plan_that_is_not_intact_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.write_bytes(PLAN[:-9])
    with pytest.raises(ManifestError, match="make the plan anew"), SavedPlan.open(path):
        pass


def test_a_plan_that_changes_while_it_is_shown_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    path.write_bytes(PLAN)
    with SavedPlan.open(path) as plan:
        path.write_bytes(PLAN.replace(b"3015", b"3016"))
        with pytest.raises(ManifestError):
            list(plan.rows())


def test_a_plan_that_is_called_a_manifest_is_known_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(PLAN)
    with pytest.raises(ManifestError, match=r"is a saved plan, by its first line; call it \.plan"):
        check_form(path, None, print)
