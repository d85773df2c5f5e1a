"""Downloads from the Minari hub; fails within seconds where there is no network."""

import contextlib
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import minari
from minari.storage import get_dataset_path

from nextlat_rl.data.disk import ROOT_VARIABLE, UNFINISHED
from nextlat_rl.durable import make_folder, publish
from nextlat_rl.locks import scratch_folder

PROBE_SECONDS = 2.0


class HubError(Exception):
    """The data set cannot be downloaded; the message is the reason in a few words."""


def _answers(url: str) -> bool:
    """Whether any server answers at `url`, through the proxy if one is configured.

    Runs in a thread because a name lookup without network can take long and has no timeout.
    """
    answered = threading.Event()

    def probe() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # an error page is an answer
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


@contextlib.contextmanager
def _root_at(folder: Path) -> Iterator[None]:
    """Let Minari work in another folder inside the block."""
    before = os.environ.get(ROOT_VARIABLE)
    os.environ[ROOT_VARIABLE] = str(folder)
    try:
        yield
    finally:
        del os.environ[ROOT_VARIABLE]
        os.environ |= {} if before is None else {ROOT_VARIABLE: before}


def download(dataset_id: str) -> None:
    """Download a data set into the local Minari folder.

    Raises:
        HubError: within a few seconds where the hub package or the network is missing, or when the hub has no
            such data set. Nothing is left of a download that broke off.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise HubError("no hub package: pip install 'nextlat_rl[hub]'") from error
    if constants.HF_HUB_OFFLINE:
        raise HubError("no network: HF_HUB_OFFLINE is set")
    if not _answers(constants.ENDPOINT):
        raise HubError(f"no network: {constants.ENDPOINT} does not answer")
    folder, root = get_dataset_path(dataset_id), get_dataset_path()
    if folder.exists():
        raise HubError(f"the folder {folder} is in the way and holds no data: delete it")
    try:
        # Minari reports its progress on stdout, which belongs to the command's own result.
        with scratch_folder(root, UNFINISHED) as aside, _root_at(aside), contextlib.redirect_stdout(sys.stderr):
            minari.download_dataset(dataset_id)
            for found in list(aside.rglob("data/metadata.json")):  # the data set, and those that it is made of
                target = root / found.parents[1].relative_to(aside)
                make_folder(target.parent)
                if not target.exists():
                    publish(found.parents[1], target)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise HubError(f"the hub says: {reason}") from error
