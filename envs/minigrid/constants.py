"""MiniGrid's actions, directions and object codes, which are part of its observation format."""

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(6)

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
CLOSED_DOOR, LOCKED_DOOR = 11, 12  # of the explorer's map, after MiniGrid's own; DOOR itself is open there
OPEN, CLOSED, LOCKED = range(3)

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # direction -> (dx, dy); turning right adds one to the direction
