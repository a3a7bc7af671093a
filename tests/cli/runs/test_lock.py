"""What a process writes is not touched by another, which is told of the first."""

import signal
import subprocess
import sys
import time

import pytest

from tfp_flows.cli import main
from tfp_flows.cli.commands import fit
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import new_file
from tfp_flows.cli.training.progress import Progress

# `fit` whose training waits for a line.
WAITING = """
import signal, sys
from tfp_flows.cli import main
from tfp_flows.cli.commands import fit
from tfp_flows.cli.training.progress import Progress

def wait(task):
    print("training", flush=True)
    sys.stdin.readline()
    return Progress()

fit._train_and_report = wait
# A process in the background of a shell inherits that it is not interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def start():
    """Starts such processes, and ends those that are left."""
    started = []

    def run(*words):
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", WAITING, *map(str, words)]
        started.append(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for_training(process):
    assert any(line == "training\n" for line in process.stdout)


def test_a_live_run_is_left_alone(start, refused, tables, tmp_path):
    words = ["fit", tables.csv(), "--out", tmp_path / "run"]
    live = start(*words)
    wait_for_training(live)
    for more in [], ["--resume"], ["--overwrite"]:
        message = refused(*words, *more)
        assert f"run: a run is writing this folder (pid {live.pid}, host " in message
        assert "wait until it ends" in message
    message = refused("score", tmp_path / "run", "moons", "--out", "-")
    assert f"a run is writing this folder (pid {live.pid}" in message
    live.communicate("go on\n")
    assert live.returncode == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.json"}
    assert not (tmp_path / "run.partial").exists()


def test_one_of_two_that_start_at_once_wins(start, tables, tmp_path):
    words = ["fit", tables.csv(), "--out", tmp_path / "run"]
    both, deadline = [start(*words), start(*words)], time.monotonic() + 60
    while (late := [p for p in both if p.poll() is not None]) == []:
        assert time.monotonic() < deadline, "both train"
        time.sleep(0.05)
    (first,) = set(both) - set(late)
    assert "a run is writing this folder" in late[0].stderr.read()
    assert late[0].returncode == 2
    first.communicate("go on\n")
    assert first.returncode == 0
    assert (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_lock_ends_with_its_process(start, tables, tmp_path, monkeypatch, end):
    words = ["fit", str(tables.csv()), "--out", str(tmp_path / "run")]
    dead = start(*words)
    wait_for_training(dead)
    dead.send_signal(end)
    dead.wait(60)  # the end of its input would let it go on
    _, said = dead.communicate()
    if end == signal.SIGINT:
        assert dead.returncode == 130
        assert "before the first checkpoint: repeat the command with --resume" in said
    monkeypatch.setattr(fit, "_train_and_report", lambda task: Progress())
    assert main([*words, "--resume"]) == 0
    assert (tmp_path / "run" / "run.json").exists()


def test_a_file_has_one_writer_and_no_remains(tmp_path):
    path = tmp_path / "s.csv"
    with new_file(path) as partial:
        partial.write_text("left by a kill")
        with pytest.raises(RunError, match="another command is writing"):
            new_file(path).__enter__()
    partial.write_text("left by a kill")
    with new_file(path) as again:
        again.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
