"""Settings of all tests."""

import os

import torch

# The tests' networks are tiny: several threads would only wait for each other, badly so on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
