"""Training a translation between tables, resumable after each epoch."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfp_flows import data
from tfp_flows.cli.runs.files import reading
from tfp_flows.cli.runs.options import AlignOptions
from tfp_flows.cli.training.checkpoint import Checkpoint
from tfp_flows.cli.training.progress import Progress
from tfp_flows.models import AlignFlow

__all__ = ["AlignTask", "train_alignment"]

_BATCH_SIZE, _CLIP_NORM = 256, 10.0


@dataclasses.dataclass(frozen=True)
class AlignTask:
    """One alignment, checked: what remains is to train.

    Attributes:
        options: what was asked for.
        tables: all rows, by domain.
        splits: which rows are for what, by domain.
        folder: where to write.
        labels: a number for the class of each row, by domain; empty without labels.
    """

    options: AlignOptions
    tables: dict[str, data.Table]
    splits: dict[str, data.Split]
    folder: pathlib.Path
    labels: dict[str, np.ndarray]

    @functools.cached_property
    def schema(self) -> data.Schema:
        """What a row of each domain holds."""
        return next(iter(self.tables.values())).schema

    def part(self, name: str) -> dict[str, data.Table]:
        """The tables of "train", "validation" or "test"; rows count alike in these."""
        parts = {
            domain: table.take(getattr(self.splits[domain], name))
            for domain, table in self.tables.items()
        }
        if name == "train":
            return parts
        return {domain: part.equally_weighted() for domain, part in parts.items()}

    def test_labels(self) -> dict[str, np.ndarray]:
        """The labels of `part("test")`, by domain."""
        return {
            domain: labels[rows][self.tables[domain].take(rows).equal_rows()]
            for domain, labels in self.labels.items()
            for rows in [self.splits[domain].test]
        }


def train_alignment(task: AlignTask) -> tuple[AlignFlow, Progress]:
    """Trains, or goes on training, and returns the best epoch.

    Raises:
        RunError: a checkpoint is damaged, or the loss is no longer a number.
    """
    options = task.options
    keras.utils.set_random_seed(options.seed)
    progress = Progress.read(task.folder)
    if progress is None:
        progress, model = Progress(), _new_model(task)
    else:
        with reading(task.folder / progress.last):
            model = keras.models.load_model(task.folder / progress.last)
        print(f"\nresuming after epoch {progress.epoch}")
    checkpoint = Checkpoint(task.folder, progress, patience=options.patience)
    train, validation = task.part("train"), _rows(task.part("validation"))
    if not progress.history:
        logs = model.evaluate(validation, verbose=0, return_dict=True)
        checkpoint.start_loss = logs["loss"]
    if progress.epoch < options.epochs and not checkpoint.finished:
        model.fit(
            _rows(train),
            sample_weight=_weights(train),
            validation_data=validation,
            batch_size=options.batch_size or _BATCH_SIZE,
            epochs=options.epochs,
            initial_epoch=progress.epoch,
            callbacks=[checkpoint],
            verbose=options.verbose,
        )
    with reading(task.folder / progress.best):
        best = keras.models.load_model(task.folder / progress.best, compile=False)
    return best, progress


def _new_model(task: AlignTask) -> AlignFlow:
    options = task.options
    model = AlignFlow.for_tables(
        list(task.tables),
        len(task.schema.columns),
        context_size=len(task.schema.context_columns) or None,
        matching=options.matching,
        likelihood_weight=options.likelihood_weight,
        transport_weight=options.transport_weight,
        seed=options.seed,
    )
    adam = keras.optimizers.Adam(options.learning_rate, global_clipnorm=_CLIP_NORM)
    model.compile(adam)
    train = task.part("train")
    model.adapt(_rows(train), _weights(train))
    return model


def _rows(tables: Mapping[str, data.Table]) -> dict[str, Any]:
    return {
        name: table.values if table.context is None else (table.values, table.context)
        for name, table in tables.items()
    }


def _weights(tables: Mapping[str, data.Table]) -> dict[str, np.ndarray]:
    weights = {name: table.weight for name, table in tables.items()}
    return {name: one for name, one in weights.items() if one is not None}
