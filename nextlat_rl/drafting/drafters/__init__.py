"""One drafter a file: its weights, the drafter, and the name `DRAFTER` for it."""
