"""The commands of `tfp-flows`, each with its words."""

import argparse

from tfp_flows.cli.parser.options import (
    DATA_HELP,
    add_columns,
    add_drop_invalid,
    add_model_options,
    add_out_file,
    add_reading_options,
    add_run_and_data,
    add_run_options,
    add_seed,
    add_table_options,
    add_training_options,
    add_weights,
)
from tfp_flows.cli.parser.types import integer, one_name, real

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds all commands."""
    for add in (
        _add_fit,
        _add_score,
        _add_sample,
        _add_predict,
        _add_evaluate,
        _add_align,
        _add_translate,
    ):
        add(commands)
    commands.add_parser("data", help="list the built-in data sets")


def _add_fit(commands: argparse._SubParsersAction) -> None:
    fit = commands.add_parser(
        "fit", help="train a density model and write it to a folder"
    )
    fit.add_argument("data", metavar="DATA", help=DATA_HELP)
    fit.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    add_model_options(fit.add_argument_group("model and training"))
    add_table_options(fit.add_argument_group("data"))
    run = fit.add_argument_group("run")
    add_run_options(run)
    run.add_argument(
        "--workers",
        type=integer(2),
        metavar="N",
        help="train in N processes of this machine; on a cluster start the same "
        "command everywhere, with TF_CONFIG (1)",
    )


def _add_score(commands: argparse._SubParsersAction) -> None:
    score = commands.add_parser(
        "score",
        help="write the log-density of each row",
        description="Writes each row's log-density, and as its p-value (1 + k) / "
        "(n + 1), with k of the n held-out rows at most as likely: of new rows of the "
        "same kind at most a share p has a p-value of p or less, whatever the model.",
    )
    add_run_and_data(score)
    add_out_file(
        score,
        ".csv or .parquet file to write, - for the terminal: log_density, p_value; a "
        "folder where DATA is a pattern such as 'parts/*.parquet', for a file each, to "
        "which a repeated command adds those that lack; 'DIR/*.parquet' for such files",
    )
    score.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what scores the files of a pattern: this process, or Ray Data, on this "
        "machine or the cluster of RAY_ADDRESS (%(default)s)",
    )
    score.add_argument(
        "--workers",
        type=integer(1),
        metavar="N",
        help="processes of --engine ray, each with the model and a core (1)",
    )
    score.add_argument(
        "--drop-invalid",
        action="store_true",
        help="leave the scores of rows with NaN or infinities empty",
    )


def _add_sample(commands: argparse._SubParsersAction) -> None:
    sample = commands.add_parser("sample", help="draw rows from the model")
    sample.add_argument("run", metavar="DIR", help="folder written by fit")
    sample.add_argument(
        "-n", type=integer(1), required=True, metavar="N", help="number of rows"
    )
    add_seed(sample, "same seed, same rows")
    sample.add_argument(
        "--context-data",
        metavar="FILE",
        help="rows to condition on, used in turn (the held-out ones)",
    )
    add_out_file(sample, ".csv, .parquet, .npy or .npz file; - for the terminal")


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser(
        "predict", help="write mean, median and intervals of the targets of new rows"
    )
    add_run_and_data(predict)
    level = real(lambda x: 0 < x < 1, "a level between 0 and 1")
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
        type=integer(2),
        default=999,
        metavar="N",
        help="draws for each row, from which all is computed (%(default)s)",
    )
    add_seed(predict, "same seed, same numbers")
    add_out_file(predict, ".csv file to write, - for the terminal")


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = commands.add_parser("evaluate", help="print the likelihood of new rows")
    add_run_and_data(evaluate)
    add_drop_invalid(evaluate)


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
        default="none",
        metavar="NAME",
        help="what draws rows to the target beside the likelihood of all: energy, "
        "least_squares, cross_entropy and wasserstein (critics), none (%(default)s)",
    )
    weight = real(lambda x: x >= 0, "a number ≥ 0")
    for term, start, what in (
        ("likelihood", 1.0, "the likelihood, a dimension, beside the matching"),
        ("transport", 0.3, "how far rows move among those of their domain"),
    ):
        model.add_argument(
            f"--{term}-weight",
            type=weight,
            default=start,
            metavar="X",
            help=f"of {what} (%(default)s)",
        )
    add_training_options(model, "most epochs (100)")
    table = align.add_argument_group("data")
    add_columns(
        table,
        columns=("A,B", "to translate (all)"),
        context=("C,D", "which rows keep, such as a treatment (none)"),
        exclude=("E,F", "to leave out; a name with a comma in double quotes"),
    )
    add_weights(table)
    table.add_argument(
        "--labels",
        type=one_name,
        metavar="L",
        help="column of numbers that name the rows' classes, not translated: the "
        "report says what becomes of each class",
    )
    add_reading_options(table)
    add_run_options(align.add_argument_group("run"))


def _add_translate(commands: argparse._SubParsersAction) -> None:
    translate = commands.add_parser(
        "translate", help="write rows of one domain as rows of another"
    )
    translate.add_argument("run", metavar="DIR", help="folder written by align")
    translate.add_argument("data", metavar="DATA", help=DATA_HELP)
    for end, use in (("from", "the rows are of"), ("to", "to translate to")):
        translate.add_argument(
            f"--{end}", required=True, metavar="NAME", help=f"domain {use}"
        )
    add_out_file(
        translate,
        ".csv, .parquet, .npy or .npz file: the columns, log_density and p_value in "
        "both domains, extrapolated; - for the terminal",
    )
