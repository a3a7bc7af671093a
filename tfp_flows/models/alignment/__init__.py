"""Several domains that share one latent space."""

__all__: list[str] = []
