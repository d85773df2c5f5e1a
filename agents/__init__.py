"""What decides: acting on beliefs, running episodes, and the agent as a behaviour that gathers data."""
