import numpy as np
import pytest
import torch
from scipy import sparse

from sda import Layer, Masking, Pretraining, StackedDenoisingAutoencoder, pretrain, table
from sda.common.rows import ROWS, SparseRows, extent, in_blocks, shared


def matrix(n=9000, d=30):
    return sparse.random(n, d, 0.1, "csr", dtype=np.float32, random_state=0)


def test_drawn_rows_blocks_and_extent_are_those_of_the_dense_matrix():
    held, order = matrix(), torch.randperm(9000)[:100]
    x, dense = shared(held), torch.from_numpy(held.toarray())
    assert torch.equal(x.index_select(0, order), dense[order])
    assert torch.equal(torch.cat([b + 0 for b in in_blocks(x, x.device)]), dense)
    assert extent(x) == extent(dense)
    weight = torch.rand(30, 5)
    assert torch.equal(x @ weight, dense @ weight)


def test_sparse_rows_train_to_the_bits_of_dense_ones_and_are_never_made_dense(monkeypatch):
    held = matrix()
    trained, largest = [], []
    dense = SparseRows.dense
    monkeypatch.setattr(
        SparseRows, "dense", lambda self: (largest.append(len(self)), dense(self))[1]
    )
    settings = Pretraining(learning_rate=0.1, epochs=1, batch_size=100)
    valid = torch.from_numpy(held[:50].toarray())
    for x in (shared(held), torch.from_numpy(held.toarray())):
        layer = Layer(8, Masking(0.25))
        stack = StackedDenoisingAutoencoder.plan(30, [layer], seed=0)
        pretrain(stack, x, settings, 0, valid=valid)
        trained.append(stack.state_dict())
    for name, weight in trained[0].items():
        assert torch.equal(weight, trained[1][name])
    assert max(largest, default=0) <= ROWS < 9000


def test_the_digest_of_sparse_rows_tells_one_changed_value():
    y = np.arange(60) % 3
    held = matrix(60)
    first = table(held, y).digest()
    assert first == table(held.copy(), y).digest()
    held.data[5] += 1
    assert first != table(held, y).digest()


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_any_sparse_form_is_taken(form):
    assert table(matrix(60).asformat(form), np.arange(60) % 3).train.x.format == "csr"
