"""Options that several commands share, or that come as a group."""

import argparse

from tfp_flows.cli.flows import BASES, FLOWS
from tfp_flows.cli.parser.types import (
    bounds,
    integer,
    names,
    number_or_auto,
    one_name,
    real,
)

__all__ = [
    "DATA_HELP",
    "add_columns",
    "add_drop_invalid",
    "add_model_options",
    "add_out_file",
    "add_reading_options",
    "add_run_and_data",
    "add_run_options",
    "add_seed",
    "add_table_options",
    "add_training_options",
    "add_weights",
]

DATA_HELP = (
    "a .csv, .parquet, .npy or .npz file, a pattern of such with the same columns, "
    "'parts/*.parquet', or the name of a built-in set (see tfp-flows data)"
)


def add_run_options(run: argparse._ArgumentGroup) -> None:
    """Adds what a command that trains takes about its folder."""
    run.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run in DIR"
    )
    run.add_argument(
        "--overwrite", action="store_true", help="replace DIR when the run succeeds"
    )
    run.add_argument("--quiet", action="store_true", help="no progress bar")


def add_model_options(group: argparse._ArgumentGroup) -> None:
    """Adds which density is trained, and how."""
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
        type=number_or_auto,
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
    add_training_options(
        group,
        "most epochs, of each flow of a mixture (100; 30 of a continuous flow alone, "
        "which starts with flow matching)",
    )


def add_training_options(group: argparse._ArgumentGroup, epochs: str) -> None:
    """Adds epochs, patience, batches, learning rate and seed."""
    number, positive = integer(1), real(lambda x: x > 0, "a positive number")
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
    add_seed(group, "of the whole run")


def add_weights(group: argparse._ArgumentGroup) -> None:
    """Adds the column of the rows' weights."""
    group.add_argument(
        "--weights",
        type=one_name,
        metavar="W",
        help="column of the rows' weights, not modeled (all count alike)",
    )


def add_table_options(group: argparse._ArgumentGroup) -> None:
    """Adds which columns play which role, and how the file is read."""
    add_columns(
        group,
        columns=("A,B", "to model (all)"),
        target=("Y,Z", "to predict from all others, or from --context"),
        context=("C,D", "to condition on (none)"),
        exclude=("E,F", "to leave out; a name with a comma in double quotes"),
    )
    add_weights(group)
    group.add_argument(
        "--bounds",
        type=bounds,
        action="extend",
        default=[],
        metavar="A=0:1,B=0:",
        help="ends of a column's range, which samples never leave; one may be open",
    )
    add_reading_options(group)
    group.add_argument(
        "--rows-in-memory",
        type=integer(100),
        metavar="N",
        help="most rows of files to keep, drawn at random: of more, training reads the "
        "files anew each epoch, all else looks at those kept; a sorted file is mixed "
        "in part only (what half of the memory works on)",
    )
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


def add_columns(group: argparse._ArgumentGroup, **options: tuple[str, str]) -> None:
    """Adds options of columns, each with its metavar and use."""
    for option, (metavar, use) in options.items():
        group.add_argument(
            f"--{option}",
            type=names,
            action="extend",
            default=[] if option == "exclude" else None,
            metavar=metavar,
            help=f"columns {use}",
        )


def add_reading_options(group: argparse._ArgumentGroup) -> None:
    """Adds how a table is read and split."""
    group.add_argument(
        "--missing",
        type=names,
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
    fraction = real(lambda x: 0 < x < 1, "a fraction between 0 and 1")
    for part, use in (("validation", "to stop on"), ("test", "to report on")):
        group.add_argument(
            f"--{part}",
            type=fraction,
            default=0.1,
            metavar="X",
            help=f"fraction of the rows {use} (%(default)s)",
        )
    add_drop_invalid(group)


def add_run_and_data(command: argparse.ArgumentParser) -> None:
    """Adds the folder of a run and the rows to use it on."""
    command.add_argument("run", metavar="DIR", help="folder written by fit")
    command.add_argument("data", metavar="DATA", help=DATA_HELP)


def add_seed(group: argparse._ActionsContainer, use: str) -> None:
    """Adds `--seed`."""
    group.add_argument(
        "--seed",
        type=integer(0),
        default=0,
        metavar="S",
        help=f"{use} (%(default)s)",
    )


def add_out_file(command: argparse.ArgumentParser, text: str) -> None:
    """Adds the file to write."""
    command.add_argument("--out", required=True, metavar="FILE", help=text)
    command.add_argument(
        "--overwrite", action="store_true", help="replace FILE if it exists"
    )


def add_drop_invalid(group: argparse._ActionsContainer) -> None:
    """Adds `--drop-invalid`."""
    group.add_argument(
        "--drop-invalid",
        action="store_true",
        help="leave out rows with NaN or infinities",
    )
