"""Drafters by name: made, saved beside their trunk and found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nextlat_rl.drafting.drafter import Drafter
from nextlat_rl.drafting.drafters.dflash import DFlashDrafter, DFlashNet
from nextlat_rl.drafting.drafters.draft_model import DraftModelDrafter, DraftModelNet
from nextlat_rl.drafting.drafters.eagle import EagleDrafter, EagleNet
from nextlat_rl.drafting.drafters.layerskip import LayerSkipDrafter, LayerSkipNet
from nextlat_rl.drafting.drafters.medusa import MedusaDrafter, MedusaNet
from nextlat_rl.drafting.drafters.net import DrafterNet
from nextlat_rl.drafting.drafters.nextlat import NextLatDrafter
from nextlat_rl.drafting.drafters.ngram import NgramDrafter
from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.training import checkpoint

UNTRAINED = ("nextlat", "ngram")  # these need no training of their own


def make_net(name: str, model: NextLat) -> DrafterNet:
    """Fresh weights of a drafter that needs training, of a size that fits the trunk."""
    trunk = model.config
    nets = {
        "draft_model": lambda: DraftModelNet(model.spaces, trunk),
        "layerskip": lambda: LayerSkipNet(trunk),
        "medusa": lambda: MedusaNet(trunk.width),
        "eagle": lambda: EagleNet(trunk),
        "dflash": lambda: DFlashNet(trunk),
    }
    return nets[name]().to(model.start.device)


def make_drafter(name: str, model: NextLat, net: DrafterNet | None = None) -> Drafter:
    """A drafter for the trunk; `net` as `make_net` made it and training changed it.

    Raises:
        UserError: `ngram` with continuous observations.

    """
    if name == "nextlat":
        return NextLatDrafter(model)
    if name == "ngram":
        return NgramDrafter(model)
    match net:
        case DraftModelNet():
            return DraftModelDrafter(net)
        case LayerSkipNet():
            return LayerSkipDrafter(model, net)
        case MedusaNet():
            return MedusaDrafter(model, net)
        case EagleNet():
            return EagleDrafter(model, net)
        case DFlashNet():
            return DFlashDrafter(model, net)
    raise ValueError(f"drafter {name} needs the net that make_net({name!r}) makes, got {type(net).__name__}")


def save_net(name: str, net: DrafterNet, run: str | Path, record: Mapping[str, object]) -> Path:
    """Write the weights to `drafters/<name>` of the trunk's run folder, with the trunk's fingerprint."""
    folder = checkpoint.run_folder(run) / "drafters" / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, folder / "drafter.safetensors")
    (folder / "drafter.json").write_text(json.dumps({"drafter": name, "trunk": fingerprint(run), **record}, indent=1))
    return folder


def load_net(name: str, model: NextLat, run: str | Path) -> DrafterNet:
    """The weights that `save_net` wrote.

    Raises:
        UserError: if there are none, or they were trained with another trunk.

    """
    folder = checkpoint.run_folder(run) / "drafters" / name
    how = f"python -m nextlat_rl.draft checkpoint={run} drafter={name}"
    if not (folder / "drafter.json").exists():
        raise UserError(f"drafter={name} was not trained for '{run}' yet: {how}")
    net = make_net(name, model)
    try:
        record = json.loads((folder / "drafter.json").read_text())
        if record["trunk"] != fingerprint(run):
            raise UserError(f"{folder} was trained with another trunk than '{run}' (fingerprints differ): {how}")
        net.load_state_dict(load_file(folder / "drafter.safetensors"))
    except (OSError, SafetensorError, RuntimeError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{folder} is broken ({str(error).splitlines()[0]}); train it again: {how}") from None
    return net.eval()


def fingerprint(run: str | Path) -> str:
    """A digest of a checkpoint's weights."""
    return hashlib.blake2b((checkpoint.find(run) / "model.safetensors").read_bytes(), digest_size=16).hexdigest()
