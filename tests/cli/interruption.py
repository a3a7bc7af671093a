"""Stopping `fit` in the midst of training, by a callback that Keras is given too.

As a script, `python -m tests.cli.interruption EPOCH WORDS...`, it is the command
`tfp-flows WORDS...` with small flows and no pages, killed in the second batch of an
epoch. Epochs count from zero; "never" lets the command run to its end.
"""

import functools
import os
import signal
import sys

import keras

from tests.cli.conftest import shrink_flows, skip_pages
from tfp_flows import models
from tfp_flows.cli import main


class StopIn(keras.callbacks.Callback):
    """Stops in the second batch of an epoch."""

    def __init__(self, epoch, stop):
        super().__init__()
        self.epoch, self.stop = epoch, stop

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, 1):
            self.stop()


def stop_in(epoch, stop, patch=setattr):
    """Hands `fit` of flows and mixtures one more callback."""
    for model in (models.FlowModel, models.BoostedFlow):
        patch(model, "fit", _with_callback(model.fit, StopIn(epoch, stop)))


def _with_callback(fit, callback):
    @functools.wraps(fit)
    def stopped(model, *arguments, callbacks, **options):
        return fit(model, *arguments, callbacks=[*callbacks, callback], **options)

    return stopped


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    shrink_flows()
    skip_pages()
    epoch, *words = sys.argv[1:]
    if epoch != "never":
        stop_in(int(epoch), _kill)
    sys.exit(main(words))
