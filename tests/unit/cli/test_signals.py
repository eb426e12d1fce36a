"""Signals at odd moments."""

import gc

import pytest

from bulkroute.cli.signals import Interrupts
from bulkroute.errors import StopKind, StoppedEarly


@pytest.mark.filterwarnings("error")
def test_a_signal_before_the_loop_begins_leaves_nothing_that_python_complains_of(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        """Do nothing."""

    def struck(_coroutine: object) -> None:
        raise StoppedEarly("interrupted by SIGINT", stop=StopKind.SIGNAL)

    monkeypatch.setattr("bulkroute.cli.signals.run_in_loop", struck)
    with pytest.raises(StoppedEarly):
        Interrupts().run(main())
    gc.collect()
    assert "never awaited" not in capfd.readouterr().err
