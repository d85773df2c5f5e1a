"""Record what mctx decides on random fake worlds.

`pip install jax mctx && python -m tests.agents.planning.record_mctx`
"""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mctx
import numpy as np

REFERENCE = Path(__file__).parent / "mctx_reference.json"


def main() -> None:
    cases = []
    for seed, (states, actions, simulations) in enumerate([(6, 2, 8), (12, 4, 16), (20, 5, 50), (30, 18, 40)]):
        random = np.random.default_rng(seed)
        world = {
            "following": random.integers(states, size=(states, actions)),
            "reward": random.normal(size=(states, actions)).round(3),
            "logits": random.normal(size=(states, actions)).round(3),
            "values": random.normal(size=states).round(3),
        }
        table = {name: jnp.asarray(part) for name, part in world.items()}

        def step(params, key, action, state, table=table):  # type: ignore[no-untyped-def]
            after = table["following"][state, action]
            output = mctx.RecurrentFnOutput(
                reward=table["reward"][state, action],
                discount=jnp.full(state.shape, 0.9),
                prior_logits=table["logits"][after],
                value=table["values"][after],
            )
            return output, after

        state = jnp.arange(states)
        root = mctx.RootFnOutput(prior_logits=table["logits"], value=table["values"], embedding=state)
        out = mctx.gumbel_muzero_policy(
            params=None,
            rng_key=jax.random.PRNGKey(0),
            root=root,
            recurrent_fn=step,
            num_simulations=simulations,
            gumbel_scale=0.0,
        )
        cases.append(
            {name: part.tolist() for name, part in world.items()}
            | {"simulations": simulations, "discount": 0.9}
            | {"action": np.asarray(out.action).tolist(), "weights": np.asarray(out.action_weights).round(5).tolist()}
            | {"visits": np.asarray(out.search_tree.summary().visit_counts).tolist()}
        )
    REFERENCE.write_text(json.dumps({"mctx": mctx.__version__, "jax": jax.__version__, "cases": cases}))


if __name__ == "__main__":
    main()
