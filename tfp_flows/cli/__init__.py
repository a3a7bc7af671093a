"""The command `tfp-flows`: fit, score, sample and evaluate a density model.

Only the parser is imported here: TensorFlow and NumPy load inside the commands, so
that `--help` answers at once.
"""

import functools
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfp_flows.cli.errors import RunError, RunInterrupted, in_flags
from tfp_flows.cli.parser import build_parser

if TYPE_CHECKING:
    from tfp_flows.data import DataError

__all__ = ["main"]

_FAILURE = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: words of the command line, `sys.argv[1:]` by default.

    Returns:
        Exit code: 0, 2 for input that cannot be used, 130 for an interruption.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    namespace = build_parser().parse_args(words)
    namespace.words = words
    spell = functools.partial(in_flags, offered=vars(namespace))
    try:
        command = importlib.import_module(f"tfp_flows.cli.commands.{namespace.command}")
        command.run(namespace)
    except RunInterrupted as interruption:
        return _fail(str(interruption), _INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("interrupted: nothing was written", _INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(f"error: {_describe(error)}", _FAILURE)
    except RunError as error:
        return _fail(f"error: {error}", _FAILURE)
    except _data_error() as error:
        return _fail(f"error: {error.spelled(spell)}", _FAILURE)
    return 0


def _data_error() -> "type[DataError]":
    # Here and not above: tables load NumPy.
    from tfp_flows.data import DataError

    return DataError


def _describe(error: OSError) -> str:
    what = error.strerror or " ".join(map(str, error.args))
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{what}: choose another place or free it"


def _fail(message: str, code: int) -> int:
    print(f"tfp-flows: {message}", file=sys.stderr)
    return code
