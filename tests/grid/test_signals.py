"""SIGTERM to the command is as Ctrl-C in it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from spacewise import cli
from spacewise.learn.training import interruptible


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def test_sigterm_interrupts_and_the_handler_is_as_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, told = signal.getsignal(signal.SIGTERM), []

    def app(**_: object) -> None:
        try:
            terminate()
        finally:
            told.append("stopped")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, told) == (130, ["stopped"])
    assert signal.getsignal(signal.SIGTERM) == before
    said = "interrupted; what is done is saved; the same command goes on (a training: spacewise train --resume RUN)\n"
    assert capsys.readouterr().err == said


def test_a_training_meets_it_after_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def app(**_: object) -> int:
        with interruptible() as asked:
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("whole")
            assert asked()
        return 0

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, steps) == (0, ["whole"])
