import pytest

from bulkroute.rate.probing import Probing


def test_gaps_grow_to_ten_seconds_from_the_end_of_each_probe() -> None:
    probing, now_s, gaps_s = Probing(0.0, 1000.0), 0.0, []
    for _ in range(7):
        gaps_s.append(probing.due_s - now_s)
        now_s = probing.due_s + 3  # it took its time
        assert probing.settle(now_s, failed=True)
    assert gaps_s == [1, 2, 4, 8, 10, 10, 10]
    assert probing.failed == 7


def test_the_last_probe_falls_at_the_end_of_the_patience() -> None:
    probing = Probing(0.0, 5.0)
    probing.settle(1.0, failed=True)
    probing.settle(3.0, failed=True)
    assert probing.due_s == 5
    probing.settle(6.0, failed=True)
    assert probing.due_s == 6


@pytest.mark.parametrize("failed", [True, False])
def test_a_probe_that_was_asked_for_is_due_at_once_and_leaves_the_gaps_as_they_were(failed: bool) -> None:
    probing = Probing(10.0, 1000.0)
    probing.settle(11.0, failed=True)
    due_s = probing.due_s
    probing.is_asked_for = True
    assert probing.due_s <= 11
    assert not probing.settle(11.5, failed=failed)
    assert (probing.due_s, probing.failed, probing.is_asked_for) == (due_s, 1, False)


def test_a_neutral_end_is_no_failure_but_the_gaps_go_on() -> None:
    probing = Probing(0.0, 1000.0)
    assert not probing.settle(1.0, failed=False)
    assert (probing.due_s, probing.failed) == (3.0, 0)
