"""The networks: trunk, latent dynamics and heads."""
