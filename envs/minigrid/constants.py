"""MiniGrid's numbers: actions, directions and the object codes in an observation's image.

They are part of MiniGrid's observation format and written down here so that reading an observation needs no import.
"""

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(6)

UNSEEN, EMPTY, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
OPEN, CLOSED, LOCKED = range(3)

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # direction -> (dx, dy); turning right adds one to the direction
