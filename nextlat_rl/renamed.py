"""Options that had another name before version 0.1.0, for errors and for checkpoints written then."""

RENAMED = {
    "env.behaviour": "collect.behaviour",
    "env.data_steps": "collect.steps",
    "env.sb3": "collect.sb3",
    "env.context": "model.context",
    "env.train_steps": "trainer.steps",
    "env.follow_steps": "trainer.dynamics_finetune_steps",
    "env.batch_size": "trainer.batch_size",
    "env.learning_rate": "trainer.learning_rate",
    "env.eval_episodes": "trainer.eval_episodes",
    "env.horizon": "objective.horizon",
    "env.prompt_weight": "objective.prompt_weight",
    "env.policy_temperature": "objective.policy_temperature",
    "env.deterministic": "deterministic",
    "env.planner": "planner",
    "trainer.best_share": "trainer.top_return_fraction",
    "trainer.follow_steps": "trainer.dynamics_finetune_steps",
    "objective.fewest_starts": "objective.min_rollouts",
    "objective.blind_weight": "objective.code_weight",
    "objective.open_loop_weight": "objective.code_weight",
    "planner.mode": "planner.rollout",
    "planner.sharpness": "planner.value_scale",
    "planner.simulations": "planner.num_simulations",
    "planner.considered": "planner.max_considered_actions",
    "planner.samples": "planner.num_samples",
    "planner.policy_samples": "planner.num_policy_samples",
}
RENAMED_VALUES = {
    "planner.rollout": {"blind": "sample", "open_loop": "sample", "mode": "argmax"},
    "drafter": {"lookahead": "ngram"},
}
