"""What a model is trained on: NextLat and the rivals of the paper, one file each."""
