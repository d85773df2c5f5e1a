"""The trunk, the latent dynamics and the heads, and what they are trained on."""
