"""Drafting: cheap guesses of whole steps, verified by the trunk so that nothing is lost."""
