"""Layer-wise pretraining as one usually writes it in PyTorch, for benchmark_step.py."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class UsualLayer(nn.Module):
    """A dA as one usually writes it: nn.Linear, tied by the functional call."""

    def __init__(self, n_visible: int, n_hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(n_visible, n_hidden)
        self.visible_bias = nn.Parameter(torch.zeros(n_visible))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the reconstruction of x (n, d)."""
        codes = torch.sigmoid(self.encoder(x))
        return nn.functional.linear(codes, self.encoder.weight.T, self.visible_bias)


def pretrain(x: Tensor, hidden: list[int], epochs: int, batch_size: int) -> None:
    """Pretrain on x (n, d) with DataLoader, nn.Linear, optim.SGD, Bernoulli masks.

    The codes of a layer are computed once.
    """
    for n_hidden in hidden:
        layer = UsualLayer(x.shape[1], n_hidden).to(x.device)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(x), batch_size, shuffle=True)
        for _ in range(epochs):
            for (batch,) in loader:
                corrupted = batch * (torch.rand_like(batch) >= 0.25)
                loss = nn.functional.binary_cross_entropy_with_logits(
                    layer(corrupted), batch, reduction="sum"
                )
                optimizer.zero_grad()
                (loss / len(batch)).backward()
                optimizer.step()
        with torch.no_grad():
            x = torch.sigmoid(layer.encoder(x))
