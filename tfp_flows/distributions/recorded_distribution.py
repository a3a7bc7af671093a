"""What the distributions of this package share."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors.recorded_parameters import RecordedParameters

__all__ = ["RecordedDistribution"]


class RecordedDistribution(RecordedParameters, tfd.Distribution):
    """Base: events of one known shape on all of R^n, no argument with batch axes.

    A subclass writes `_event_shape`, and overrides what is otherwise with it.

    Args:
        reparameterization_type: as in TFP.
        **kwargs: passed to `tfd.Distribution`, see `RecordedParameters`.
    """

    def __init__(
        self,
        *,
        reparameterization_type: Any = tfd.FULLY_REPARAMETERIZED,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            reparameterization_type=reparameterization_type,
            allow_nan_stats=True,
            **kwargs,
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # TFP puts a function there that warns of properties that are inherited; these
        # are meant to be.
        own = cls.__dict__.get("_parameter_properties")
        if own is not None and not isinstance(own, classmethod):
            del cls._parameter_properties

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {}

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self.event_shape.as_list(), tf.int32)

    def _default_event_space_bijector(self) -> Any:
        return tfb.Identity()
