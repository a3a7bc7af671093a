"""The words that `tfp-flows` understands, and their help."""

import argparse
import csv
import math
from collections.abc import Callable
from typing import NoReturn

import tfp_flows
from tfp_flows.cli.flows import BASES, FLOWS

__all__ = ["build_parser", "parse_bound"]

_DATA_HELP = (
    "a .csv, .parquet, .npy or .npz file, or the name of a built-in set "
    "(see tfp-flows data)"
)


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="tfp-flows",
        description="Fit a normalizing flow to a table or to small images.",
    )
    parser.add_argument("--version", action="version", version=tfp_flows.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_score(commands)
    _add_sample(commands)
    _add_predict(commands)
    _add_evaluate(commands)
    _add_align(commands)
    _add_translate(commands)
    commands.add_parser("data", help="list the built-in data sets")
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _add_fit(commands: argparse._SubParsersAction) -> None:
    fit = commands.add_parser(
        "fit", help="train a density model and write it to a folder"
    )
    fit.add_argument("data", metavar="DATA", help=_DATA_HELP)
    fit.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    _add_model_options(fit.add_argument_group("model and training"))
    _add_table_options(fit.add_argument_group("data"))
    _add_run_options(fit.add_argument_group("run"))


def _add_run_options(run: argparse._ArgumentGroup) -> None:
    run.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in DIR"
    )
    run.add_argument(
        "--overwrite", action="store_true", help="replace DIR when the run succeeds"
    )
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--flow",
        choices=FLOWS,
        metavar="NAME",
        help=f"one of {', '.join(FLOWS)} (coupling-spline; for images glow)",
    )
    group.add_argument(
        "--base",
        choices=BASES,
        metavar="NAME",
        help="mixture: Gaussians, chosen on held-out rows; gaussian: one; student-t: "
        "heavy tails, an index a column; auto: student-t where a column's tails are "
        "heavy, else normal, or a mixture if none is; copula: as auto, joined by a "
        "fitted copula (chosen on validation rows; for images gaussian)",
    )
    group.add_argument(
        "--whiten",
        choices=("yes", "no"),
        help="whether to decorrelate columns first, or only to standardize them "
        "(chosen on validation rows; with --base: yes)",
    )
    group.add_argument(
        "--boost",
        type=_number_or_auto,
        metavar="C",
        help="a mixture of C flows, trained one after another on what those before "
        "explain badly; auto: as many as gain on the validation rows (1)",
    )
    group.add_argument(
        "--objective",
        choices=("likelihood", "energy"),
        default="likelihood",
        help="what to train by: likelihood, or the energy score of draws (%(default)s)",
    )
    _add_training_options(
        group,
        "most epochs, of each flow of a mixture (100; 30 of a continuous flow alone, "
        "which starts with flow matching)",
    )


def _add_training_options(group: argparse._ArgumentGroup, epochs: str) -> None:
    number, positive = _integer(1), _real(lambda x: x > 0, "a positive number")
    group.add_argument(
        "--epochs",
        type=number,
        metavar="N",
        help=epochs,
    )
    group.add_argument(
        "--patience",
        type=number,
        default=15,
        metavar="N",
        help="stop after N epochs without a better validation likelihood (%(default)s)",
    )
    group.add_argument(
        "--batch-size",
        type=number,
        metavar="N",
        help="rows of a step (512, or fewer for 20 steps an epoch)",
    )
    group.add_argument(
        "--learning-rate",
        type=positive,
        default=1e-3,
        metavar="X",
        help="of Adam at the start; falls to 0 along a cosine (%(default)s)",
    )
    group.add_argument(
        "--seed",
        type=_integer(0),
        default=0,
        metavar="S",
        help="of the whole run (%(default)s)",
    )


def _add_table_options(group: argparse._ArgumentGroup) -> None:
    _add_columns(
        group,
        columns=("A,B", "to model (all)"),
        target=("Y,Z", "to predict from all others, or from --context"),
        context=("C,D", "to condition on (none)"),
        exclude=("E,F", "to leave out; a name with a comma in double quotes"),
    )
    group.add_argument(
        "--weights",
        type=_one_name,
        metavar="W",
        help="column of the rows' weights, not modeled (all count alike)",
    )
    group.add_argument(
        "--bounds",
        type=_bounds,
        action="extend",
        default=[],
        metavar="A=0:1,B=0:",
        help="ends of a column's range, which samples never leave; one may be open",
    )
    _add_reading_options(group)
    group.add_argument(
        "--split",
        choices=("random", "tail"),
        default="random",
        help="random, or tail: hold out the last rows, for time series (%(default)s)",
    )
    group.add_argument(
        "--integers",
        choices=("refuse", "dequantize", "continuous"),
        help="what to do with integer-valued columns (refuse; --target: dequantize)",
    )


def _add_columns(group: argparse._ArgumentGroup, **options: tuple[str, str]) -> None:
    for option, (metavar, use) in options.items():
        group.add_argument(
            f"--{option}",
            type=_names,
            action="extend",
            default=[] if option == "exclude" else None,
            metavar=metavar,
            help=f"columns {use}",
        )


def _add_reading_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--missing",
        type=_names,
        action="extend",
        default=[],
        metavar="?,-999",
        help="cells that stand for a missing number",
    )
    group.add_argument(
        "--header",
        choices=("yes", "no", "auto"),
        default="auto",
        help="whether a first line of numbers holds the columns' names (%(default)s)",
    )
    fraction = _real(lambda x: 0 < x < 1, "a fraction between 0 and 1")
    for part, use in (("validation", "to stop on"), ("test", "to report on")):
        group.add_argument(
            f"--{part}",
            type=fraction,
            default=0.1,
            metavar="X",
            help=f"fraction of the rows {use} (%(default)s)",
        )
    _add_drop_invalid(group)


def _add_score(commands: argparse._SubParsersAction) -> None:
    score = commands.add_parser("score", help="write the log-density of each row")
    _add_run_and_data(score)
    _add_out_file(score, ".csv file to write, - for the terminal: log_density, p_value")
    score.add_argument(
        "--drop-invalid",
        action="store_true",
        help="leave the scores of rows with NaN or infinities empty",
    )


def _add_sample(commands: argparse._SubParsersAction) -> None:
    sample = commands.add_parser("sample", help="draw rows from the model")
    sample.add_argument("run", metavar="DIR", help="folder written by fit")
    sample.add_argument(
        "-n", type=_integer(1), required=True, metavar="N", help="number of rows"
    )
    sample.add_argument(
        "--seed",
        type=_integer(0),
        default=0,
        metavar="S",
        help="same seed, same rows (0)",
    )
    sample.add_argument(
        "--context-data",
        metavar="FILE",
        help="rows to condition on, used in turn (the held-out ones)",
    )
    _add_out_file(sample, ".csv, .parquet, .npy or .npz file; - for the terminal")


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser(
        "predict", help="write mean, median and intervals of the targets of new rows"
    )
    _add_run_and_data(predict)
    level = _real(lambda x: 0 < x < 1, "a level between 0 and 1")
    predict.add_argument(
        "--intervals",
        type=level,
        nargs="+",
        default=[0.9],
        metavar="P",
        help="levels of the intervals (0.9)",
    )
    predict.add_argument(
        "--draws",
        type=_integer(2),
        default=999,
        metavar="N",
        help="draws for each row, from which all is computed (%(default)s)",
    )
    predict.add_argument(
        "--seed",
        type=_integer(0),
        default=0,
        metavar="S",
        help="same seed, same numbers (0)",
    )
    _add_out_file(predict, ".csv file to write, - for the terminal")


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = commands.add_parser("evaluate", help="print the likelihood of new rows")
    _add_run_and_data(evaluate)
    _add_drop_invalid(evaluate)


def _add_align(commands: argparse._SubParsersAction) -> None:
    align = commands.add_parser(
        "align", help="train a translation between tables that were never paired"
    )
    align.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="a table for each domain, named after its file; columns by name",
    )
    align.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    model = align.add_argument_group("model and training")
    model.add_argument(
        "--matching",
        choices=("energy", "least_squares", "cross_entropy", "wasserstein", "none"),
        default="energy",
        metavar="NAME",
        help="what draws translated rows to the target: energy, a distance; "
        "least_squares, cross_entropy or wasserstein, a critic; none (%(default)s)",
    )
    weight = _real(lambda x: x >= 0, "a number ≥ 0")
    model.add_argument(
        "--likelihood-weight",
        type=weight,
        default=1.0,
        metavar="X",
        help="of the likelihood, a dimension, beside the matching (%(default)s)",
    )
    _add_training_options(model, "most epochs (100)")
    table = align.add_argument_group("data")
    _add_columns(
        table,
        columns=("A,B", "to translate (all)"),
        exclude=("E,F", "to leave out; a name with a comma in double quotes"),
    )
    _add_reading_options(table)
    _add_run_options(align.add_argument_group("run"))


def _add_translate(commands: argparse._SubParsersAction) -> None:
    translate = commands.add_parser(
        "translate", help="write rows of one domain as rows of another"
    )
    translate.add_argument("run", metavar="DIR", help="folder written by align")
    translate.add_argument("data", metavar="DATA", help=_DATA_HELP)
    for end, use in (("from", "the rows are of"), ("to", "to translate to")):
        translate.add_argument(
            f"--{end}", required=True, metavar="NAME", help=f"domain {use}"
        )
    _add_out_file(
        translate,
        ".csv, .parquet, .npy or .npz file: the columns, log_density and p_value in "
        "both domains, extrapolated; - for the terminal",
    )


def _add_run_and_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="DIR", help="folder written by fit")
    command.add_argument("data", metavar="DATA", help=_DATA_HELP)


def _add_out_file(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--out", required=True, metavar="FILE", help=text)
    command.add_argument(
        "--overwrite", action="store_true", help="replace FILE if it exists"
    )


def _add_drop_invalid(
    group: argparse._ArgumentGroup | argparse.ArgumentParser,
) -> None:
    group.add_argument(
        "--drop-invalid",
        action="store_true",
        help="leave out rows with NaN or infinities",
    )


def _integer(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number < 2**31:
            raise argparse.ArgumentTypeError(
                f"expected an integer from {least} to 2147483647, received {text!r}"
            )
        return number

    return parse


def _number_or_auto(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return _integer(1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'{error}; or "auto"') from None


def _real(accept: Callable[[float], bool], what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and accept(number)):
            raise argparse.ArgumentTypeError(f"expected {what}, received {text!r}")
        return number

    return parse


def _names(text: str) -> tuple[str, ...]:
    """Names separated by commas; one with a comma stands in double quotes."""
    fields = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(name.strip() for name in fields if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(
            f"expected column names separated by commas, received {text!r}"
        )
    return names


def _one_name(text: str) -> str:
    return _names(text)[0] if text.startswith('"') else text.strip()


def _bounds(text: str) -> tuple[str, ...]:
    fields = _names(text)
    for field in fields:
        try:
            parse_bound(field)
        except ValueError:
            raise argparse.ArgumentTypeError(
                "expected NAME=LOW:HIGH with LOW below HIGH, of which one may be left "
                f"out, received {field!r}"
            ) from None
    return fields


def parse_bound(text: str) -> tuple[str, float | None, float | None]:
    """Returns name, low and high of `NAME=LOW:HIGH`; None for an end left out.

    Raises:
        ValueError: it is no such text.
    """
    name, _, ends = text.rpartition("=")
    low, high = (float(end) if end.strip() else None for end in ends.split(":"))
    given = [end for end in (low, high) if end is not None]
    if not (name and given and all(map(math.isfinite, given))) or given != sorted(
        set(given)
    ):
        raise ValueError(f"no bounds: {text!r}")
    return name.strip(), low, high
