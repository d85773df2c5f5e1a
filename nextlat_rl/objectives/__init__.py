"""What a model is trained on: `nextlat`, and the baselines `gpt`, `mtp`, `jtp` and `bst`, one file each."""
