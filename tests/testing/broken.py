"""Objects with one deliberate fault each, and the lawful ones they are made from."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions


class Vector(tfb.Bijector):
    """The identity on vectors, with the parts that a fault replaces."""

    def __init__(self, **variables):
        super().__init__(forward_min_event_ndims=1, name=type(self).__name__.lower())
        for name, value in variables.items():
            setattr(self, name, tf.Variable(np.float64(value), name=name))

    def _forward(self, x):
        return x

    def _inverse(self, y):
        return y

    def _forward_log_det_jacobian(self, x):
        return tf.zeros(x.shape[:-1], x.dtype)


class Doubling(Vector):
    def _forward(self, x):
        return 2 * x

    def _inverse(self, y):
        return y / 2

    def _forward_log_det_jacobian(self, x):
        size = tf.cast(x.shape[-1], x.dtype)
        return tf.fill(x.shape[:-1], size * tf.math.log(tf.constant(2, x.dtype)))


class WrongInverse(Vector):
    def _forward(self, x):
        return x + 1

    def _inverse(self, y):
        return y - 2


class WrongInverseFarOut(Vector):
    """Far beyond the images of ordinary rows."""

    def _inverse(self, y):
        return tf.where(y > 100, y - 1, y)


class WrongSign(Doubling):
    def _forward_log_det_jacobian(self, x):
        return -super()._forward_log_det_jacobian(x)


class MissingFactor(Doubling):
    def _forward_log_det_jacobian(self, x):
        return super()._forward_log_det_jacobian(x[..., :1])


class MissingTerm(Vector):
    """y = sinh(x), whose log-det is averaged instead of summed."""

    def _forward(self, x):
        return tf.sinh(x)

    def _inverse(self, y):
        return tf.asinh(y)

    def _forward_log_det_jacobian(self, x):
        return tf.reduce_mean(tf.math.log(tf.cosh(x)), axis=-1)


class InverseSign(Doubling):
    def _inverse_log_det_jacobian(self, y):
        return self._forward_log_det_jacobian(y)


class BatchDependent(Vector):
    def _forward(self, x):
        return x + tf.cast(tf.size(x), x.dtype)

    def _inverse(self, y):
        return y - tf.cast(tf.size(y), y.dtype)


class RowZeroContext(Vector):
    def _forward(self, x, context):
        return x + context[0]

    def _inverse(self, y, context):
        return y - context[0]

    def _forward_log_det_jacobian(self, x, context):
        return super()._forward_log_det_jacobian(x)


class ContextShift(RowZeroContext):
    def _forward(self, x, context):
        return x + context

    def _inverse(self, y, context):
        return y - context


class EagerOnly(Vector):
    def _forward(self, x):
        return x if tf.executing_eagerly() else x + 1

    def _inverse(self, y):
        return y if tf.executing_eagerly() else y - 1


class OtherDtype(Vector):
    def _forward(self, x):
        return tf.cast(x, tf.float64)

    def _inverse(self, y):
        return tf.cast(y, tf.float32)


class WhereTrap(Vector):
    """The identity; the branch that is not selected overflows in the tails."""

    def _forward(self, x):
        return tf.where(tf.abs(x) < 5, tf.math.log(tf.exp(x)), x)


class InverseWhereTrap(Vector):
    def _inverse(self, y):
        return tf.where(tf.abs(y) < 5, tf.math.log(tf.exp(y)), y)


class Scaling(Vector):
    """y = s x with a variable s."""

    def __init__(self):
        super().__init__(scale=2.0)

    def _forward(self, x):
        return x * self.scale

    def _inverse(self, y):
        return y / self.scale

    def _forward_log_det_jacobian(self, x):
        return tf.fill(x.shape[:-1], x.shape[-1] * tf.math.log(self.scale))


class StaleInverse(Scaling):
    def __init__(self):
        super().__init__()
        self.reciprocal = 1 / self.scale.numpy()

    def _inverse(self, y):
        return y * self.reciprocal


class StaleLogDet(Scaling):
    def __init__(self):
        super().__init__()
        self.log_scale = np.log(self.scale.numpy())

    def _forward_log_det_jacobian(self, x):
        return tf.fill(x.shape[:-1], x.shape[-1] * self.log_scale) + 0 * self.scale


class Detached(Scaling):
    """The variable is read once, as a Keras variable handed to TFP would be."""

    def __init__(self):
        super().__init__()
        self.variable, self.scale = self.scale, tf.constant(self.scale.numpy())


class Unused(Scaling):
    def __init__(self):
        super().__init__()
        self.forgotten = tf.Variable(1.0, name="forgotten")


class ShiftWithAttribute(tfb.Shift):
    """A variable that is an attribute, but not an argument of the constructor."""

    def __init__(self):
        super().__init__([0.0, 0.0])
        self.offset = tf.Variable([1.0, 2.0], name="offset")

    def _forward(self, x):
        return x + self.offset

    def _inverse(self, y):
        return y - self.offset


class SingularGradient(Vector):
    def __init__(self):
        super().__init__(shift=0.0)

    def _forward(self, x):
        return x + tf.sqrt(tf.square(self.shift))

    def _inverse(self, y):
        return y - tf.sqrt(tf.square(self.shift))


class Slogdet(Vector):
    """y = x W; XLA has no kernel for slogdet on a CPU."""

    def __init__(self):
        super().__init__(weight=[[2.0, 0.3], [0.1, 1.0]])

    def _forward(self, x):
        return tf.linalg.matvec(self.weight, x, transpose_a=True)

    def _inverse(self, y):
        inverse = tf.linalg.inv(self.weight)
        return tf.linalg.matvec(inverse, y, transpose_a=True)

    def _forward_log_det_jacobian(self, x):
        return tf.fill(x.shape[:-1], tf.linalg.slogdet(self.weight)[1])


class DeclaredSlogdet(Slogdet):
    supports_jit = False


class Raises(Vector):
    def _inverse(self, y):
        raise NotImplementedError("no inverse here")


def coupling(seed=0, tracked=True):
    """`tfb.RealNVP` on two numbers around a Keras network."""
    keras.utils.set_random_seed(seed)
    network = keras.Sequential(
        [keras.Input([1]), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
    )

    def shift_and_log_scale(x, _, **kwargs):
        rows = network(tf.reshape(x, [-1, 1]))
        rows = tf.reshape(rows, [*x.shape[:-1], 2])
        return rows[..., :1], tf.tanh(rows[..., 1:])

    bijector = tfb.RealNVP(1, shift_and_log_scale_fn=shift_and_log_scale)
    if tracked:
        bijector.weights = [variable.value for variable in network.variables]
    return bijector


class Gaussian(tfd.Normal):
    """The normal distribution, with the parts that a fault replaces."""

    def __init__(self, loc=0.5, scale=2.0, **kwargs):
        super().__init__(loc, scale, **kwargs)


class Unnormalized(Gaussian):
    def _log_prob(self, x):
        return super()._log_prob(x) + 0.02


class WideSampler(Gaussian):
    def _sample_n(self, n, seed=None):
        return 1.1 * super()._sample_n(n, seed)


class ShiftedSampler(Gaussian):
    def _sample_n(self, n, seed=None):
        return 0.3 + super()._sample_n(n, seed)


class Unseeded(Gaussian):
    def _sample_n(self, n, seed=None):
        return self.loc + self.scale * tf.random.normal([n])


class FixedSeed(Gaussian):
    def _sample_n(self, n, seed=None):
        return super()._sample_n(n, tf.constant([1, 2]))


class WrongSampleShape(Gaussian):
    def sample(self, *args, **kwargs):
        return super().sample(*args, **kwargs)[..., tf.newaxis]


class UncompiledSampler(Gaussian):
    """A sampler that passes through NumPy, which XLA cannot compile."""

    def _sample_n(self, n, seed=None):
        drawn = super()._sample_n(n, seed)
        copy = tf.numpy_function(np.copy, [drawn], drawn.dtype)
        return tf.ensure_shape(copy, drawn.shape)


class WrongShape(Gaussian):
    def _log_prob(self, x):
        return super()._log_prob(x)[..., tf.newaxis]


class DoubleLogProb(Gaussian):
    def _log_prob(self, x):
        return tf.cast(super()._log_prob(x), tf.float64)


class StaleNormalizer(Gaussian):
    def __init__(self):
        super().__init__(scale=tf.Variable(2.0, name="scale"))
        self.log_scale = np.log(2.0)

    def _log_prob(self, x):
        z = (x - self.loc) / self.scale
        return -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - self.log_scale


class SwappedSampler(tfd.MultivariateNormalTriL):
    """Unequal scales, whose samples come in the reverse order of coordinates."""

    def __init__(self, size=2):
        scale = np.diag(np.linspace(1, 2, size)).astype(np.float32)
        super().__init__(np.zeros(size, np.float32), scale)

    def sample(self, *args, **kwargs):
        return super().sample(*args, **kwargs)[..., ::-1]
