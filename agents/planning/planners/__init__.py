"""One planner a file: its settings, its search, and the class that `PLANNER` names."""
