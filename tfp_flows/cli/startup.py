"""Loading TensorFlow without its start-up notices."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["load_tensorflow"]


def load_tensorflow() -> None:
    """Imports TensorFlow; what it says meanwhile is shown only when this fails.

    Its libraries report on GPUs and instruction sets from C++, before their own log
    levels can be set, and would bury the one line of an error message.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _muted_stderr():
        import tensorflow as tf

        # Some notices come with the first look at the devices.
        tf.config.list_physical_devices()


@contextlib.contextmanager
def _muted_stderr() -> Iterator[None]:
    """Sends file descriptor 2, which C++ writes to, to a file; replays it on error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
