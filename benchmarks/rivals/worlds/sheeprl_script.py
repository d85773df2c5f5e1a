"""DreamerV3's world model (arXiv 2301.04104) by sheeprl, run by a Python of its own; imports nothing of this project.

`python sheeprl_script.py` reads requests from standard input and answers on standard output: each is eight bytes of
length and as many of an `.npz` file. A request's `command` names the method of `Server` that gets the other arrays.

An observation is F categorical fields and C numbers. The RSSM, its encoder, decoder, reward and continuation networks
and the loss are sheeprl's; the fields are encoded one-hot and decoded as categoricals, the numbers as symlog mean
squared errors. The reward is a categorical over the given centres with two-hot targets. The policy is cloned on the
latent state and gives it no gradient.
"""

from __future__ import annotations

import io
import sys
import time
from bisect import bisect_left
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sheeprl.algos.dreamer_v3.agent import RSSM, MLPDecoder, MLPEncoder, RecurrentModel, RepresentationModel
from sheeprl.algos.dreamer_v3.loss import categorical_kl, reconstruction_loss
from sheeprl.algos.dreamer_v3.utils import init_weights, uniform_init_weights
from sheeprl.models.models import MLP, LayerNorm
from sheeprl.utils.distribution import SymlogDistribution
from sheeprl.utils.utils import symexp, symlog
from torch import Tensor, nn

GROUPS, CLASSES = 32, 32
LAYERS, LENGTH, WINDOWS = 2, 64, 16
LEARNING_RATE, CLIP = 1e-3, 1000.0
SMALLEST_STD = np.exp(-3.0)  # of a decoded number, as our own codec's


class Fixed:
    """A distribution whose log-probability of the value at hand is known."""

    def __init__(self, log_prob: Tensor) -> None:
        self._log_prob = log_prob

    def log_prob(self, value: Any) -> Tensor:
        """What was given."""
        return self._log_prob


def mlp(inputs: int, outputs: int, width: int, layers: int, kind: Any = MLP, *first: int) -> MLP:
    """Layers with layer norm and SiLU, as sheeprl configures them."""
    norm = {"eps": 1e-3, "normalized_shape": width}
    return kind(
        *first,
        input_dims=inputs,
        output_dim=outputs,
        hidden_sizes=[width] * layers,
        activation=nn.SiLU,
        layer_args={"bias": False},
        norm_layer=[LayerNorm] * layers,
        norm_args=[norm] * layers,
    )


class Model(nn.Module):
    """World model and policy at a width."""

    std: Tensor

    def __init__(self, spec: dict[str, np.ndarray], width: int) -> None:
        super().__init__()
        self.cardinality = [int(c) for c in spec["cardinality"]]
        self.numbers = int(spec["numbers"])
        self.table = torch.from_numpy(spec["action_table"])  # [classes of an action's dimension, features]
        self.dimensions, rewards = int(spec["action_dimensions"]), int(spec["rewards"])
        one_hot, actions = sum(self.cardinality), self.dimensions * self.table.shape[1]
        latent, stochastic = width + GROUPS * CLASSES, GROUPS * CLASSES
        self.encoder = MLPEncoder(["fields", "numbers"], [one_hot, self.numbers], LAYERS, width)
        self.rssm = RSSM(
            RecurrentModel(actions + stochastic, width, width).apply(init_weights),
            mlp(2 * width, stochastic, width, 1, RepresentationModel, width).apply(init_weights),
            mlp(width, stochastic, width, 1).apply(init_weights),
            {},
            CLASSES,
        )
        self.decoder = MLPDecoder(["fields", "numbers"], [one_hot, self.numbers], latent, LAYERS, width)
        self.reward = mlp(latent, rewards, width, LAYERS)
        self.go_on = mlp(latent, 1, width, LAYERS)
        self.policy = mlp(latent, self.dimensions * len(self.table), width, LAYERS)
        for part in (self.encoder, self.decoder, self.reward, self.go_on, self.policy):
            part.apply(init_weights)
        for last in (self.rssm.transition_model.model[-1], self.rssm.representation_model.model[-1]):
            last.apply(uniform_init_weights(1.0))
        self.reward.model[-1].apply(uniform_init_weights(0.0))
        for head in (self.go_on.model[-1], self.policy.model[-1], self.decoder.heads):
            head.apply(uniform_init_weights(1.0))
        self.register_buffer("std", torch.ones(self.numbers))  # of a number's symlog around its decoded value

    def embed(self, fields: Tensor, numbers: Tensor) -> Tensor:
        """Encoded observations `[*B, E]`."""
        hot = [F.one_hot(field, c) for field, c in zip(fields.unbind(-1), self.cardinality, strict=True)]
        flat = torch.cat(hot, -1).float() if hot else numbers[..., :0]
        return self.encoder({"fields": flat, "numbers": numbers})

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Recurrent state `[1, B, H]` and posterior `[1, B, 32, 32]`, replaced at an episode's first step."""
        return torch.zeros(1, batch, self.rssm.recurrent_model.recurrent_state_size), torch.zeros(
            1, batch, GROUPS, CLASSES
        )

    def unroll(self, embedded: Tensor, action: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latent states `[T, B, D]`, and logits `[T, B, 32, 32]` of priors and posteriors."""
        recurrent, posterior = self.start(embedded.shape[1])
        initial = self.rssm.get_initial_states(recurrent.shape[:2])
        projected = self.rssm.project_observations(embedded)
        states, samples, logits = [], [], []
        for t in range(len(embedded)):
            at = slice(t, t + 1)
            recurrent, posterior, found = self.rssm.dynamic(
                posterior, recurrent, action[at], projected[at], is_first[at], initial, projected=True
            )
            states.append(recurrent)
            samples.append(posterior)
            logits.append(found)
        joined = torch.cat(states)
        shape = (GROUPS, CLASSES)
        prior = self.rssm.prior_logits(joined).unflatten(-1, shape)
        latent = torch.cat([torch.cat(samples).flatten(-2), joined], -1)
        return latent, prior, torch.cat(logits).unflatten(-1, shape)

    def fields_log_prob(self, logits: Tensor, fields: Tensor) -> Tensor:
        """Log-probability `[*B]` of all fields."""
        total = torch.zeros(fields.shape[:-1])
        for part, field in zip(logits.split(self.cardinality, -1), fields.unbind(-1), strict=True):
            total = total + part.log_softmax(-1).gather(-1, field[..., None])[..., 0]
        return total

    def numbers_log_density(self, decoded: Tensor, numbers: Tensor) -> Tensor:
        """Log-density `[*B]` of the numbers: a Gaussian of their symlog, whose std was measured after training."""
        log_p = torch.distributions.Normal(decoded, self.std).log_prob(symlog(numbers))
        return (log_p - torch.log1p(numbers.abs())).sum(-1)


def two_hot_log_prob(logits: Tensor, lower: Tensor, weight: Tensor) -> Tensor:
    """Negative cross entropy `[*B]` with two neighbouring classes in proportion."""
    upper = (lower + 1).clamp_max(logits.shape[-1] - 1)
    log_p = logits.log_softmax(-1)
    return torch.lerp(log_p.gather(-1, lower[..., None])[..., 0], log_p.gather(-1, upper[..., None])[..., 0], weight)


class Server:
    """The methods are the commands; arguments and results are arrays."""

    def build(self, **spec: np.ndarray) -> dict[str, Any]:
        """A model of about `parameters` numbers."""
        torch.set_num_threads(1)
        torch.manual_seed(int(spec["seed"]))
        widths, wanted = range(32, 513, 16), int(spec["parameters"])
        above = bisect_left(widths, wanted, hi=len(widths) - 1, key=lambda width: _count(Model(spec, width)))
        near = [Model(spec, width) for width in widths[max(above - 1, 0) : above + 1]]
        self.model = min(near, key=lambda model: abs(_count(model) - wanted))
        return {"parameters": _count(self.model)}

    def fit(self, seconds: np.ndarray, **rows: np.ndarray) -> dict[str, Any]:
        """Train on rows `[N]` of whole episodes for so many seconds of this process; `action` is that before a row."""
        data = {name: torch.from_numpy(array) for name, array in rows.items()}
        optimizer = torch.optim.Adam(self.model.parameters(), LEARNING_RATE, eps=1e-8)
        started, step = time.process_time(), 0
        length = min(LENGTH, len(rows["reward_lower"]))
        while step == 0 or time.process_time() - started < float(seconds):
            loss = self._loss(_windows(data, length))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
            optimizer.step()
            step += 1
        spent = time.process_time() - started
        self._measure_std(data, length)
        return {"seconds": spent, "steps": step}

    def _loss(self, batch: dict[str, Tensor]) -> Tensor:
        """sheeprl's loss of the world model, and that of the cloned policy."""
        model, first = self.model, batch["is_first"]
        latent, prior, posterior = model.unroll(_embedded(model, batch), batch["action"], first[..., None])
        decoded = model.decoder(latent)
        seen = {
            "fields": Fixed(model.fields_log_prob(decoded["fields"], batch["fields"])),
            "numbers": SymlogDistribution(decoded["numbers"], 1),
        }
        known = 1 - first  # nothing came before an episode's first observation
        reward = two_hot_log_prob(model.reward(latent), batch["reward_lower"], batch["reward_weight"]) * known
        go_on = F.logsigmoid(torch.where(batch["ended"], -1.0, 1.0) * model.go_on(latent)[..., 0]) * known
        loss = reconstruction_loss(
            seen, batch, Fixed(reward), reward, prior, posterior, pc=Fixed(go_on), continue_targets=go_on
        )[0]
        logits = model.policy(latent.detach()).unflatten(-1, (model.dimensions, -1))
        cloned = two_hot_log_prob(logits, batch["next_lower"], batch["next_weight"]).sum(-1) * batch["has_next"]
        return loss - cloned.sum() / batch["has_next"].sum().clamp_min(1)

    @torch.no_grad()
    def _measure_std(self, data: dict[str, Tensor], length: int) -> None:
        """Spread of the numbers' symlog around what is decoded, on training windows."""
        if not self.model.numbers:
            return
        errors = []
        for _ in range(8):
            batch = _windows(data, length)
            latent, _, _ = self.model.unroll(
                _embedded(self.model, batch), batch["action"], batch["is_first"][..., None]
            )
            errors.append((symlog(batch["numbers"]) - self.model.decoder(latent)["numbers"]).flatten(0, 1))
        self.model.std = torch.cat(errors).square().mean(0).sqrt().clamp_min(SMALLEST_STD)

    @torch.no_grad()
    def bits(self, **rows: np.ndarray) -> dict[str, Any]:
        """Sums of nats over windows `[T, B]` where `counted`: the parts of the negative evidence lower bound."""
        batch, model = {name: torch.from_numpy(array) for name, array in rows.items()}, self.model
        torch.manual_seed(0)
        latent, prior, posterior = model.unroll(_embedded(model, batch), batch["action"], batch["is_first"][..., None])
        decoded, counted = model.decoder(latent), batch["counted"]
        seen = model.fields_log_prob(decoded["fields"], batch["fields"])
        seen = seen + model.numbers_log_density(decoded["numbers"], batch["numbers"])
        parts = {
            "reward": two_hot_log_prob(model.reward(latent), batch["reward_lower"], batch["reward_weight"]),
            "end": F.logsigmoid(torch.where(batch["ended"], -1.0, 1.0) * model.go_on(latent)[..., 0]),
            "observation": seen,
            "code": -categorical_kl(posterior, prior),
        }
        return {name: -float(value[counted].double().sum()) for name, value in parts.items()}

    def begin(self, count: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        """Start to act in so many episodes."""
        torch.manual_seed(int(seed))
        self._recurrent, self._posterior = self.model.start(int(count))
        self._action = torch.zeros(1, int(count), self.model.dimensions * self.model.table.shape[1])
        self._first = torch.ones(1, int(count), 1)
        return {}

    @torch.no_grad()
    def act(self, fields: np.ndarray, numbers: np.ndarray) -> dict[str, Any]:
        """Classes `[N, d]` of the next actions."""
        embedded = self.model.embed(torch.from_numpy(fields), torch.from_numpy(numbers))[None]
        self._recurrent, self._posterior, _ = self.model.rssm.dynamic(
            self._posterior, self._recurrent, self._action, embedded, self._first
        )
        self._first = torch.zeros_like(self._first)
        return {"action": self._choose().numpy()}

    def _choose(self) -> Tensor:
        latent = torch.cat([self._posterior.flatten(-2), self._recurrent], -1)[0]
        logits = self.model.policy(latent).unflatten(-1, (self.model.dimensions, -1))
        chosen = torch.distributions.Categorical(logits=logits).sample()
        self._action = self.model.table[chosen].flatten(1)[None]
        return chosen

    @torch.no_grad()
    def dream(self, fields: np.ndarray, numbers: np.ndarray, horizon: np.ndarray, seed: np.ndarray) -> dict[str, Any]:
        """Imagined steps: latent states, rewards, ends and actions are drawn, observations the decoder's likeliest."""
        started = time.process_time()
        self.begin(np.asarray(len(fields)), seed)
        chosen = torch.from_numpy(self.act(fields, numbers)["action"])
        found: dict[str, list[Tensor]] = {name: [] for name in ("action", "fields", "numbers", "reward", "ended")}
        alive = torch.ones(len(fields), dtype=torch.bool)
        for _ in range(int(horizon)):
            prior, self._recurrent = self.model.rssm.imagination(
                self._posterior.flatten(-2), self._recurrent, self._action
            )
            self._posterior = prior.view(1, len(fields), GROUPS, CLASSES)
            latent = torch.cat([prior.view(1, len(fields), -1), self._recurrent], -1)[0]
            decoded = self.model.decoder(latent)
            likeliest = [part.argmax(-1) for part in decoded["fields"].split(self.model.cardinality, -1)]
            ended = torch.rand(len(fields)) > torch.sigmoid(self.model.go_on(latent)[:, 0])
            found["action"].append(chosen)
            found["fields"].append(torch.stack(likeliest, -1) if likeliest else torch.from_numpy(fields))
            found["numbers"].append(symexp(decoded["numbers"]))
            found["reward"].append(torch.distributions.Categorical(logits=self.model.reward(latent)).sample())
            found["ended"].append(ended)
            alive = alive & ~ended
            if not alive.any():
                break
            chosen = self._choose()
        arrays: dict[str, Any] = {name: torch.stack(values, 1).numpy() for name, values in found.items()}
        return arrays | {"seconds": time.process_time() - started}


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _embedded(model: Model, batch: dict[str, Tensor]) -> Tensor:
    return model.embed(batch["fields"], batch["numbers"])


def _windows(data: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """Random windows `[T, B]` of consecutive rows; the first row of each counts as an episode's first."""
    start = torch.randint(len(data["is_first"]) - length + 1, (WINDOWS,))
    rows = start + torch.arange(length)[:, None]
    batch = {name: array[rows] for name, array in data.items()}
    batch["is_first"][0], batch["fields"] = 1.0, batch["fields"].long()
    return batch


def main() -> None:
    """Answer until the input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    server = Server()
    while head := source.read(8):
        with np.load(io.BytesIO(source.read(int.from_bytes(head, "big")))) as arrays:
            request = {name: arrays[name] for name in arrays.files}
        answer = getattr(server, str(request.pop("command")))(**request)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in answer.items()})
        sink.write(len(buffer.getvalue()).to_bytes(8, "big") + buffer.getvalue())
        sink.flush()


if __name__ == "__main__":
    main()
