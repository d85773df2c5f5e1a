"""Two-sample test: can a small classifier tell the rows of one sample from those of another (arXiv 1610.06545)?"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

_HIDDEN, _STEPS, _RATE, _DECAY = 32, 40, 1e-2, 1.0
_COLUMNS = 32  # that the classifier reads
_LARGEST = 6.0  # standard deviations


def two_sample_auc(real: np.ndarray, imagined: np.ndarray, pair: np.ndarray, seed: int = 0) -> float:
    """How well a network with one hidden layer tells rows apart that it was not trained on: 0.5 not at all, 1 always.

    It is trained on the rows of one half of the pairs and scored on those of the other, and the other way round; the
    result is the mean area under the ROC curve of both, and at least 0.5. All rows of a pair are in the same half.

    Args:
        real: `[S, F]`.
        imagined: `[S, F]`, row s the twin of real row s.
        pair: `[S]`, which pair (an episode and a dream from the same start) a row belongs to.
        seed: of the halves and of the network's first weights.
    """
    pairs = np.unique(pair)
    first_half = np.random.default_rng(seed).permutation(pairs)[: len(pairs) // 2]
    half = np.isin(pair, first_half)
    areas = [_auc_on(real, imagined, half, seed), _auc_on(real, imagined, ~half, seed)]
    return max(0.5, float(np.mean(areas)))


def roc_auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive's score is above a negative's, ties counted half; `score` and `positive` (bool) `[S]`."""
    ranks = rankdata(score)
    hits = int(positive.sum())
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(score) - hits)))


def _auc_on(real: np.ndarray, imagined: np.ndarray, trained: np.ndarray, seed: int) -> float:
    """Area under the curve on the rows that are not `trained` on, `[S]` bool."""
    rows = torch.from_numpy(np.concatenate((real[trained], imagined[trained]))).float()
    others = torch.from_numpy(np.concatenate((real[~trained], imagined[~trained]))).float()
    mean, std = rows.mean(0), rows.std(0).clamp_min(1e-6)
    rows, others = (_signed_and_absolute((part - mean) / std) for part in (rows, others))
    label = torch.arange(len(rows)) >= int(trained.sum())
    kept = _telling(rows, label)
    rows, others = rows[:, kept], others[:, kept]
    weights = _fit(rows, label.float(), seed)
    score = _logits(others, weights).numpy()
    return roc_auc(score, np.arange(len(others)) >= int((~trained).sum()))


def _signed_and_absolute(rows: Tensor) -> Tensor:
    """Standardised numbers `[S, F]` and their sizes, `[S, 2 F]`: a difference in spread is one of mean size."""
    rows = rows.clamp(-_LARGEST, _LARGEST)
    return torch.cat((rows, rows.abs()), dim=1)


def _telling(rows: Tensor, label: Tensor) -> Tensor:
    """The columns of `rows: [S, F]` whose means differ most, in standard errors.

    With hundreds of columns and a few hundred rows a network would learn the noise of them all.
    """
    a, b = rows[~label], rows[label]
    error = ((a.var(0) + b.var(0)) / len(a)).clamp_min(1e-6).sqrt()
    return ((a.mean(0) - b.mean(0)) / error).abs().topk(min(_COLUMNS, rows.shape[1])).indices


def _fit(rows: Tensor, label: Tensor, seed: int) -> list[Tensor]:
    """Weights of a linear layer and of a hidden layer beside it, by full-batch AdamW on the logistic loss."""
    generator = torch.Generator().manual_seed(seed)
    width = max(rows.shape[1], 1)
    drawn = torch.randn(rows.shape[1], _HIDDEN, generator=generator, dtype=rows.dtype) / width**0.5
    weights = [
        rows.new_zeros(rows.shape[1], 1),
        drawn,
        *(rows.new_zeros(shape) for shape in (_HIDDEN, (_HIDDEN, 1), 1)),
    ]
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.AdamW(weights, lr=_RATE, weight_decay=_DECAY)
    with torch.enable_grad():
        for _ in range(_STEPS):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(_logits(rows, weights), label).backward()
            optimizer.step()
    return [weight.detach() for weight in weights]


def _logits(rows: Tensor, weights: list[Tensor]) -> Tensor:
    linear, hidden, shift, out, offset = weights
    return (rows @ linear + F.gelu(rows @ hidden + shift) @ out + offset).squeeze(1)
