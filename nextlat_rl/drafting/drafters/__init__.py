"""The drafters, one file each, and what the rivals of the latent dynamics need to be trained."""
