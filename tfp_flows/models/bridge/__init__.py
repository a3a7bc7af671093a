"""Between Keras and TFP: variables, inputs, seeds, files and servers."""

__all__: list[str] = []
