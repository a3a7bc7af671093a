"""`fit --workers`: processes of one machine train what one would."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.training import workers

WAIT = "import time; time.sleep(60)"


@pytest.fixture
def words(tables, tmp_path):
    def made(out, *more):
        options = "--flow coupling-affine --base gaussian --batch-size 60 --seed 3"
        words = ["fit", tables.csv(rows=400), "--out", tmp_path / out]
        return [*map(str, words), *options.split(), *map(str, more)]

    return made


def start(words):
    return subprocess.Popen(
        [sys.executable, "-m", "tfp_flows.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def history(folder):
    return np.genfromtxt(folder / "history.csv", delimiter=",", skip_header=1)


def children(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(path, encoding="ascii") as lines:
        return [int(number) for number in lines.read().split()]


def is_alive(number):
    try:
        with open(f"/proc/{number}/stat", encoding="ascii") as stat:
            # What nobody waited for stays on the list, as a zombie.
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_signal_to_the_launcher_ends_its_workers(monkeypatch):
    started = []

    def start_one(*_):
        started.append(subprocess.Popen([sys.executable, "-c", WAIT]))
        return started[-1]

    monkeypatch.setattr(workers, "_start", start_one)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(RunError, match="worker 1 of 2 was killed: .* --resume"):
        workers.launch(["fit", "--workers", "2"], 2)
    assert [one.poll() for one in started] == [-signal.SIGTERM] * 2


def test_a_worker_ends_when_its_launcher_is_gone():
    code = f"from {workers.__name__} import *; end_with_launcher(); {WAIT}"
    environment = {**os.environ, workers._LAUNCHED: "2"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment
    ) as worker:
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(2)
        # As the system does for a launcher that is killed.
        worker.stdin.close()
        assert worker.wait(30) == -signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_launcher_takes_its_workers_along(words, tmp_path, sign):
    process = start(words("run", "--epochs", 200, "--patience", 200, "--workers", 2))
    partial = tmp_path / "run.partial"
    deadline = time.monotonic() + 300
    while not list(partial.glob("epoch-0002*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    workers_of_it = children(process)
    process.send_signal(sign)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers_of_it)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(is_alive, workers_of_it))


@pytest.mark.slow
def test_two_workers_leave_the_run_of_one(words, tmp_path):
    for out, more in (("one", []), ("two", ["--workers", 2])):
        process = start(words(out, "--epochs", 3, *more))
        said = process.communicate(timeout=400)
        assert process.returncode == 0, said
    one, two = (history(tmp_path / out) for out in ("one", "two"))
    np.testing.assert_allclose(one, two, rtol=1e-4)
    names = [
        {path.name for path in (tmp_path / out).iterdir()} for out in ("one", "two")
    ]
    assert names[0] == names[1]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.slow
def test_a_killed_worker_ends_all_and_the_run_is_resumed(words, tmp_path):
    process = start(words("run", "--epochs", 200, "--patience", 200, "--workers", 2))
    partial = tmp_path / "run.partial"
    deadline = time.monotonic() + 300
    while not list(partial.glob("epoch-0002*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    # The chief was started first.
    os.kill(max(children(process)), signal.SIGKILL)
    killed = time.monotonic()
    _, said = process.communicate(timeout=100)
    assert time.monotonic() - killed < 60
    assert process.returncode == 2
    assert "worker 2 of 2 was killed: repeat the command with --resume" in said
    again = words("run", "--epochs", 200, "--patience", 200, "--workers", 2)
    process = start([*again, "--resume"])
    said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    epochs = history(tmp_path / "run")[:, 0]
    np.testing.assert_array_equal(epochs, np.arange(201))


def test_the_place_is_that_of_the_cluster(monkeypatch):
    cluster = '{"chief": ["a:1"], "worker": ["b:1", "c:1"]}'
    for task, place in (('"chief", "index": 0', 0), ('"worker", "index": 1', 2)):
        config = f'{{"cluster": {cluster}, "task": {{"type": {task}}}}}'
        monkeypatch.setenv("TF_CONFIG", config)
        assert workers.position() == place
    monkeypatch.delenv("TF_CONFIG")
    assert workers.position() is None
