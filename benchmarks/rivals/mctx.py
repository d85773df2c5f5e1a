"""mctx's Gumbel MuZero (jax) on a network of our weights; needs the extra `bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def make_search(network: nn.Module, latent: int, actions: int, simulations: int, batch: int) -> Callable[[], object]:
    """A compiled search that decides for `batch` random beliefs.

    Args:
        network: has the linear layers `first`, `second`, `last` and `heads` of the planner's speed test.
        latent: width of a belief.
        actions: how many.
        simulations: of the search.
        batch: decisions at once.

    Raises:
        ImportError: mctx is not installed.

    """
    import jax
    import jax.numpy as jnp
    import mctx

    weights = {name: jnp.asarray(p.detach().numpy()) for name, p in network.named_parameters()}

    def linear(name: str, x: Any) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def step(params: Any, key: Any, action: Any, belief: Any) -> Any:
        x = jnp.concatenate([belief, jax.nn.one_hot(action, actions)], axis=-1)
        belief = belief + linear("last", jax.nn.relu(linear("second", jax.nn.relu(linear("first", x)))))
        out = linear("heads", belief)
        answer = mctx.RecurrentFnOutput(
            reward=out[:, -1],
            discount=jnp.full(out.shape[:1], 0.99),
            prior_logits=out[:, :actions],
            value=out[:, actions],
        )
        return answer, belief

    @jax.jit
    def decide(key: Any, belief: Any) -> Any:
        out = linear("heads", belief)
        root = mctx.RootFnOutput(prior_logits=out[:, :actions], value=out[:, actions], embedding=belief)
        return mctx.gumbel_muzero_policy(None, key, root, step, num_simulations=simulations).action

    key, belief = jax.random.PRNGKey(0), jnp.asarray(torch.randn(batch, latent).numpy())
    return lambda: decide(key, belief).block_until_ready()
