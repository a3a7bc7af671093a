"""One run in several processes: started, watched, and told apart by `TF_CONFIG`."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from tfp_flows.cli.errors import RunError, RunInterrupted
from tfp_flows.cli.startup import load_tensorflow

__all__ = [
    "end_with_launcher",
    "follow",
    "launch",
    "local_workers",
    "position",
    "together",
]

_LOOK_EVERY = 0.2  # seconds
_GRACE = 20.0
_LAUNCHED = "TFP_FLOWS_LAUNCHED"


def position() -> int | None:
    """Returns this process' place among the workers of `TF_CONFIG`; None if alone."""
    if "TF_CONFIG" not in os.environ:
        return None
    load_tensorflow()
    from tfp_flows.models.workers import place_of_worker

    place = place_of_worker()
    return None if place is None else place[0]


def local_workers() -> int:
    """Returns how many processes of this run `launch` has started on this machine."""
    return int(os.environ.get(_LAUNCHED, "1"))


def launch(words: list[str], count: int) -> None:
    """Runs the command in several processes of this machine, and ends them together.

    Args:
        words: of the command line.
        count: of processes.

    Raises:
        RunError: one was killed, or what the first to fail said.
        RunInterrupted: the chief was interrupted, and said how to go on.
    """
    place = words.index("--workers") if "--workers" in words else None
    if place is None:
        words = [word for word in words if not word.startswith("--workers=")]
    else:
        words = words[:place] + words[place + 2 :]
    ports = _free_ports(count)
    with tempfile.TemporaryDirectory() as folder:
        logs = [pathlib.Path(folder, f"{index}.log") for index in range(count)]
        workers = [_start(words, index, ports, log) for index, log in enumerate(logs)]
        try:
            with _terminated_together(workers):
                codes = _watch(workers)
        except KeyboardInterrupt:
            codes = _end(workers)
        if 130 in codes:
            raise RunInterrupted(
                "interrupted: repeat the command with --resume to go on"
            )
        killed = [index for index, code in enumerate(codes) if code < 0]
        if killed:
            raise RunError(
                f"worker {killed[0] + 1} of {count} was killed: repeat the command "
                "with --resume to go on"
            )
        failed = [log for log, code in zip(logs, codes, strict=True) if code]
        if failed:
            lines = failed[0].read_text(errors="replace").strip().splitlines()
            raise RunError(lines[-1].removeprefix("tfp-flows: error: "))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _start(
    words: list[str], index: int, ports: list[int], log: pathlib.Path
) -> subprocess.Popen:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    threads = max((os.cpu_count() or 1) // len(ports), 1)
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        _LAUNCHED: str(len(ports)),
    }
    with log.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "tfp_flows.cli", *words],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=None if index == 0 else subprocess.DEVNULL,
            stderr=stream,
        )


@contextlib.contextmanager
def _terminated_together(workers: list[subprocess.Popen]) -> Iterator[None]:
    """Hands on the signal of a scheduler; that of a terminal reaches all by itself."""

    def hand_on(*_: object) -> None:
        for worker in workers:
            worker.terminate()

    before = signal.signal(signal.SIGTERM, hand_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(workers: list[subprocess.Popen]) -> list[int]:
    while True:
        codes = [worker.poll() for worker in workers]
        if any(codes) or None not in codes:
            return _end(workers)
        time.sleep(_LOOK_EVERY)


def _end(workers: list[subprocess.Popen]) -> list[int]:
    """Gives the others time to see that one is gone, then ends them."""
    deadline = time.monotonic() + _GRACE
    for worker in workers:
        try:
            worker.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdin is not None:
            worker.stdin.close()
    return [worker.returncode for worker in workers]


def end_with_launcher() -> None:
    """Ends this worker when whoever launched it is gone, be it by a kill.

    Nothing is ever sent through the standard input: it ends with its other end.
    """

    def wait() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    if _LAUNCHED in os.environ:
        threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def follow(namespace: argparse.Namespace) -> Iterator[None]:
    """Gives a worker that is not the chief a folder of its own, which nobody sees."""
    if not position():
        yield
        return
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        out = pathlib.Path(namespace.out)
        partial = out.with_name(out.name + ".partial")
        if namespace.resume and partial.is_dir():
            shutil.copytree(partial, pathlib.Path(folder, "run.partial"))
        namespace.out, namespace.quiet = str(pathlib.Path(folder, "run")), True
        with contextlib.redirect_stdout(nowhere):
            yield


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Joins the workers; turns the loss of one into a sentence.

    Raises:
        RunError: another worker is gone.
    """
    if position() is None:
        yield
        return
    end_with_launcher()
    load_tensorflow()
    import tensorflow as tf

    from tfp_flows.models import join_workers

    join_workers()
    # TensorFlow took the signal for a warning that it alone hears, and lives on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    lost = (
        tf.errors.UnavailableError,
        tf.errors.DeadlineExceededError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
    )
    try:
        yield
    except lost as error:
        raise RunError(
            "another worker is gone: start all of them again with --resume"
        ) from error
