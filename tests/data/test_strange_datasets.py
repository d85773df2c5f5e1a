"""A data set that was damaged is read as far as its files allow, or refused in one line."""

import random
import shutil
from pathlib import Path

from nextlat_rl.data.minari_io import dataset_root, load_dataset
from nextlat_rl.data.rows import read_rows
from nextlat_rl.errors import UserError
from tests.helpers.fuzz import CASES

SAMPLE = Path(__file__).parents[1] / "data_samples" / "minari"
JSON = b'0123456789-[]{},:."eEna \x00\xff'


def test_any_damage_is_survived() -> None:
    """Minari keeps no digests, so another number may pass for what was recorded; nothing else may come of it."""
    shutil.copytree(SAMPLE, dataset_root())
    files = [dataset_root() / "sample/cartpole-v0/data" / name for name in ("metadata.json", "main_data.hdf5")]
    contents = {file: file.read_bytes() for file in files}
    rng = random.Random(0)
    refused = 0
    for number in range(CASES):
        file = files[number % 2]
        damaged = bytearray(contents[file])
        for _ in range(rng.choice((1, 2, 8, 64))):
            damaged[rng.randrange(len(damaged))] = rng.choice(JSON) if number % 2 == 0 else rng.randrange(256)
        file.write_bytes(damaged[: rng.choice((len(damaged), len(damaged), rng.randrange(len(damaged))))])
        try:
            for rows in read_rows(load_dataset("sample/cartpole-v0")):
                assert rows.lengths.sum() == len(rows.reward)
        except UserError as error:
            assert "\n" not in str(error)
            refused += 1
        file.write_bytes(contents[file])
    assert refused > CASES / 4
