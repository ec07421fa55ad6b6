"""Products per sample, squared and summed a few samples at a time."""

import torch
from torch import Tensor

# A block of per-sample gradients should still lie in the cache when it is read again to be squared. With 512 kB of
# second-level cache a core, 0.5 to 2 MB measured alike and 8 MB slower.
BLOCK_BYTES = 2**20
# Gradients at least this large are squared into the sum one by one, in a single pass over memory; for smaller ones
# that many calls would cost more than the passes they save.
LARGE_GRADIENT_BYTES = 2**17


def add_squared_products(into: Tensor, g: Tensor, u: Tensor) -> None:
    """Add Σ_i (g_iᵀ u_i)², squared entry by entry, to `into` [P, Q]; g [N, T, P], u [N, T, Q]."""
    samples = len(g)
    gradient_bytes = into.numel() * into.element_size()
    per_block = max(1, min(samples, BLOCK_BYTES // gradient_bytes))
    block = g.new_empty(per_block, *into.shape)
    for start in range(0, samples, per_block):
        stop = min(start + per_block, samples)
        gradients = block[: stop - start]
        torch.bmm(g[start:stop].transpose(1, 2), u[start:stop], out=gradients)
        if gradient_bytes >= LARGE_GRADIENT_BYTES:
            for gradient in gradients:
                into.addcmul_(gradient, gradient)
        else:
            into.add_(gradients.square_().sum(0))
