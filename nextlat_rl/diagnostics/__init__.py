"""How good is the belief, how good is the world model: numbers and figures."""
