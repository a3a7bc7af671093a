"""Broken trainings return to good weights, slow down, and say so."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.diagnostics import VolumeLimits, VolumeMonitor
from tfp_flows.models import FlowModel, RollBack

tfb, tfd = tfp.bijectors, tfp.distributions


def linear_model(rate, optimizer=keras.optimizers.Adam):
    layer = tfb.ScaleMatvecDiag(tf.Variable([1.0, 1.0]))
    base = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    model = FlowModel(tfd.TransformedDistribution(base, tfb.Invert(layer)))
    model.compile(optimizer(rate))
    return model


def rows(count=64, spread=1.0):
    return spread * np.random.default_rng(0).normal(size=(count, 2)).astype("f")


class BreakAt(keras.callbacks.Callback):
    """Poisons a weight after one step, as a bad batch would."""

    def __init__(self, steps, value=np.nan):
        super().__init__()
        self.steps, self.value = list(steps), value

    def on_train_batch_begin(self, batch, logs=None):
        if self.steps and int(self.model.optimizer.iterations) == self.steps[0]:
            self.steps.pop(0)
            self.model.trainable_variables[0].assign([self.value, 1.0])


def test_a_broken_weight_is_undone_and_training_goes_on():
    model, rescue = linear_model(0.05), RollBack(every=4)
    with pytest.warns(RuntimeWarning, match="Roll-back 1 at step 11: the loss is not"):
        history = model.fit(
            rows(),
            batch_size=8,
            epochs=4,
            verbose=0,
            callbacks=[BreakAt([10]), rescue],
        )
    (event,) = rescue.events
    assert (event.step, event.to_step) == (11, 4)
    assert event.learning_rate == pytest.approx(0.025)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.025)
    # 32 steps were made, 7 of them twice.
    assert int(model.optimizer.iterations) == 32 - 7
    assert np.isfinite(model.log_prob(rows())).all()
    assert np.isfinite(history.history["loss"]).all()
    assert history.history["rollbacks"][-1] == 1.0
    for variable in model.optimizer.variables:
        assert np.isfinite(variable.numpy()).all()


def test_returns_are_exact():
    """Weights and moments after a return equal those of an undisturbed training."""
    seen = {}

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            values = [*self.model.weights, *self.model.optimizer.variables[2:]]
            step = int(self.model.optimizer.iterations)
            seen.setdefault(step, []).append([np.array(v.numpy()) for v in values])

    rescue = RollBack(every=2)
    with pytest.warns(RuntimeWarning):
        linear_model(0.05).fit(
            rows(),
            batch_size=8,
            shuffle=False,
            verbose=0,
            callbacks=[BreakAt([5]), rescue, Record()],
        )
    to_step = rescue.events[0].to_step
    before, after = seen[to_step][:2]
    for expected, found in zip(before, after, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_a_break_in_the_last_batch_is_no_loss_of_zero():
    model, rescue = linear_model(0.05), RollBack()
    with pytest.warns(RuntimeWarning):
        history = model.fit(
            rows(),
            batch_size=8,
            epochs=2,
            verbose=0,
            callbacks=[BreakAt([7]), rescue],
        )
    assert np.isnan(history.history["loss"][0])
    assert np.isfinite(history.history["loss"][1])


def test_a_rate_that_is_too_large_falls_until_training_works():
    """Gradient descent that overshoots to infinity at its first rate."""
    model = linear_model(3e19, keras.optimizers.SGD)
    rescue = RollBack(factor=1e-4)
    with pytest.warns(RuntimeWarning):
        model.fit(rows(), batch_size=8, epochs=8, verbose=0, callbacks=[rescue])
    assert 1 < len(rescue.events) < 10
    rates = [event.learning_rate for event in rescue.events]
    assert rates == sorted(rates, reverse=True)
    assert -np.mean(model.log_prob(rows())) < 4.0


def test_data_that_stay_broken_stop_the_training_with_good_weights():
    x = rows()
    x[3] = 1e30
    model, rescue = linear_model(0.05), RollBack(max_rollbacks=3)
    with pytest.warns(RuntimeWarning) as caught:
        model.fit(x, batch_size=64, epochs=20, verbose=0, callbacks=[rescue])
    assert len(caught) == 3
    assert "training stops. Look for rows" in str(caught[-1].message)
    assert len(rescue.events) == 3
    assert np.isfinite(model.log_prob(rows())).all()


def test_a_validation_loss_is_heeded():
    broken = rows()
    broken[0] = 1e30
    model, rescue = linear_model(0.05), RollBack(max_rollbacks=2)
    with pytest.warns(RuntimeWarning, match="the val loss is not finite"):
        model.fit(
            rows(),
            epochs=5,
            validation_data=(broken,),
            verbose=0,
            callbacks=[rescue],
        )
    assert len(rescue.events) == 2


def test_a_flag_of_the_monitor_returns_to_the_last_clean_measurement():
    limits = VolumeLimits(largest=1.5)
    monitor = VolumeMonitor(rows(), every=1, max_share=None, limits=limits)
    rescue = RollBack(monitor)
    # Rows of spread 0.2 pull both scales towards 5, beyond the limit.
    model = linear_model(0.1)
    with pytest.warns(RuntimeWarning) as caught:
        model.fit(
            rows(spread=0.2),
            batch_size=8,
            epochs=4,
            verbose=0,
            callbacks=[monitor, rescue],
        )
    assert any("the monitor raised expansion" in str(w.message) for w in caught)
    assert len(rescue.events) > 1
    scale = model.trainable_variables[0].numpy()
    assert 1.2 < scale.max() < 1.5
    assert all(event.to_step < event.step for event in rescue.events)


def test_flags_that_were_there_at_the_start_are_no_reason_to_return():
    limits = VolumeLimits(largest=0.5, smallest=0.1)
    monitor = VolumeMonitor(rows(), every=1, max_share=None, limits=limits)
    rescue = RollBack(monitor)
    with pytest.warns(RuntimeWarning, match="Volume flags raised at step 0"):
        linear_model(0.01).fit(rows(), verbose=0, callbacks=[monitor, rescue])
    assert rescue.events == []


def test_schedules_and_impossible_arguments_are_refused():
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    with pytest.raises(ValueError, match="CosineDecay. Compile with a number"):
        linear_model(schedule).fit(rows(), verbose=0, callbacks=[RollBack()])
    with pytest.raises(ValueError, match="factor"):
        RollBack(factor=1.0)
