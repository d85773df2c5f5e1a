"""Saving and loading drafters' weights in the run folder of their trunk."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save

from nextlat_rl.drafting.make import make_net
from nextlat_rl.drafting.net import DrafterNet
from nextlat_rl.durable import replaced
from nextlat_rl.errors import UserError
from nextlat_rl.files import read_json, seal
from nextlat_rl.results import write_json
from nextlat_rl.training import checkpoint
from nextlat_rl.training.weights import check_header, read_header, read_tensors
from nextlat_rl.world_model import WorldModel


def save_net(name: str, net: DrafterNet, run: str | Path, record: Mapping[str, object]) -> Path:
    """Write the weights to `drafters/<name>` of the trunk's run folder, with the trunk's fingerprint.

    Raises:
        UserError: they cannot be written; those that were there before are there still.
    """
    folder = checkpoint.run_folder(run) / "drafters" / name
    content = save({key: value.contiguous() for key, value in net.state_dict().items()})
    file = (
        folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
    )  # beside the older ones, until the record names it
    with replaced(file) as part:
        part.write_bytes(content)
    write_json(folder / "drafter.json", {"drafter": name, "trunk": fingerprint(run), "file": seal(file), **record})
    for other in folder.iterdir():
        if other.name not in (file.name, "drafter.json"):
            other.unlink()
    return folder


def load_net(world_model: WorldModel, name: str, run: str | Path) -> DrafterNet:
    """The weights that `save_net` wrote.

    Raises:
        UserError: if there are none, or they were trained with another trunk.
    """
    folder = checkpoint.run_folder(run) / "drafters" / name
    how = f"python -m nextlat_rl.draft checkpoint={run} drafter={name}"
    if not (folder / "drafter.json").exists():
        raise UserError(f"drafter={name} was not trained for '{run}' yet: {how}")
    net = make_net(world_model, name)
    try:
        record = read_json(folder / "drafter.json")
        if record["trunk"] != fingerprint(run):
            raise UserError(f"{folder} was trained with another trunk than '{run}' (fingerprints differ): {how}")
        file = folder / f"{(record.get('file') or {}).get('sha256')}.safetensors"
        if not file.exists():
            file = folder / "drafter.safetensors"  # its name in older versions
        check_header(read_header(file), net.state_dict())
        net.load_state_dict(read_tensors(file, record.get("file")))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{folder} is broken ({str(error).splitlines()[0]}); train it again: {how}") from None
    return net.eval()


def fingerprint(run: str | Path) -> str:
    """A digest of a checkpoint's weights."""
    return hashlib.blake2b((checkpoint.find(run) / "model.safetensors").read_bytes(), digest_size=16).hexdigest()
