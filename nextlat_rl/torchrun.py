"""What torchrun tells the processes that it starts; without torch, which `--help` and bad options do not wait for."""

import os


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def follows() -> bool:
    """Whether torchrun started this process, and not as the main one."""
    return launched() and os.environ["RANK"] != "0"
