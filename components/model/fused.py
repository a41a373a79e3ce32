"""Keras's optimizers with their update as one operation of TensorFlow.

Keras computes an update in a dozen operations, each of them a pass over all weights; TensorFlow has the same in one.
"""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Adam."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Move one variable of the model, and its two moments, in place by its gradient."""
        number = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[number].value.handle, v=self._velocities[number].value.handle,
            beta1=self.beta_1, beta1_power=tf.pow(self.beta_1, step),
            beta2=self.beta_2, beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype), epsilon=self.epsilon, grad=gradient,
        )  # fmt: skip


class AdamW(Adam, keras.optimizers.AdamW):
    """Adam with weight decay beside its step, of kernels alone: not of biases, nor of what normalisation learns.

    Source:
        He et al., Bag of Tricks for Image Classification, arXiv 1812.01187.
    """

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the optimizer's variables; those of the model that are vectors or scalars do not decay."""
        self.exclude_from_weight_decay([variable for variable in variables if len(variable.shape) < 2])
        super().build(variables)


class RMSprop(keras.optimizers.RMSprop):
    """RMSprop without momentum, for which the operation needs variables all the same."""

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the optimizer's variables, and those of the momentum, which Keras leaves out where it is 0."""
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Move one variable of the model, its mean square and its momentum in place by its gradient."""
        number = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle, ms=self._velocities[number].value.handle, mom=self._momentums[number].value.handle,
            rho=self.rho, momentum=self.momentum,
            lr=tf.cast(learning_rate, variable.dtype), epsilon=self.epsilon, grad=gradient,
        )  # fmt: skip


class SGD(keras.optimizers.SGD):
    """Gradient descent, with momentum or without."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Move one variable of the model, and its momentum where there is one, in place by its gradient."""
        rate = tf.cast(learning_rate, variable.dtype)
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        momentum = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=momentum.handle, lr=rate, grad=gradient, momentum=self.momentum
        )
