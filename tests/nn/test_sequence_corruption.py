"""Corruptions of sequences: exact counts, order kept where it has to be, others' categories."""

import pytest
import torch

from sda import (
    Categorical,
    Deletion,
    Layer,
    LocalShuffling,
    Masking,
    Mixed,
    Pretraining,
    Replacement,
    StackedDenoisingAutoencoder,
    pretrain,
    stream,
)
from sda.common.layout import Block, Layout

L, V = 12, 7
LAYOUT = Layout(tuple(Block(f"word {k}", "categorical", V) for k in range(L)))
KINDS = [Replacement(0.25), Deletion(0.25), LocalShuffling(2)]


def sequences(n):
    return torch.randint(V, (n, L), generator=stream(0, "words"))


def rows(words):
    return torch.eye(V)[words].flatten(1)


def words_of(x):
    """Categories (n, L); -1 where a position is empty."""
    positions = x.reshape(len(x), L, V)
    return torch.where(positions.sum(-1) == 0, -1, positions.argmax(-1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hit_is_what_differs_by_whole_positions(kind):
    before = sequences(50)
    x = rows(before)
    corrupted = kind.on(LAYOUT)(x, stream(1))
    hit = corrupted.hit.reshape(50, L, V)
    assert torch.equal(hit.all(-1), hit.any(-1))
    assert torch.equal(hit[..., 0], words_of(corrupted.x) != before)
    assert torch.equal(x, rows(before))
    again = kind.on(LAYOUT)(x, stream(1)).x
    assert torch.equal(again, corrupted.x)
    assert not torch.equal(kind.on(LAYOUT)(x, stream(2)).x, corrupted.x)


def test_exactly_so_many_positions_get_another_category_all_equally_likely():
    n = 4000
    before = sequences(1).expand(n, -1)
    after = words_of(Replacement(0.25).on(LAYOUT)(rows(before), stream(3)).x)
    assert ((after != before).sum(1) == 3).all()
    first = after[after[:, 0] != before[:, 0], 0]
    counts = torch.bincount(first, minlength=V).double() / len(first)
    assert counts[before[0, 0]] == 0
    assert (counts.sort().values[1:] - 1 / 6).abs().max() < 4 * (5 / 36 / len(first)) ** 0.5


def test_an_empty_position_is_replaced_by_any_category():
    empty = torch.zeros(2000, L * V)
    after = words_of(Replacement(1.0).on(LAYOUT)(empty, stream(3)).x)
    share = torch.bincount(after.flatten(), minlength=V).double() / after.numel()
    assert (share - 1 / V).abs().max() < 4 * (6 / 49 / after.numel()) ** 0.5


def test_exactly_so_many_positions_go_and_the_others_keep_their_order():
    before = sequences(60)
    after = words_of(Deletion(0.25).on(LAYOUT)(rows(before), stream(4)).x)
    assert (after[:, -3:] == -1).all()
    assert (after[:, :-3] >= 0).all()
    for own, left in zip(before.tolist(), after[:, :-3].tolist(), strict=True):
        rest = iter(own)
        assert all(word in rest for word in left)  # a subsequence


def test_positions_move_by_at_most_the_window():
    places = torch.arange(L)
    eye = torch.eye(L)[places].flatten()[None].expand(500, -1)
    shuffled = LocalShuffling(2, categories=L)(eye, stream(5)).x.reshape(500, L, L).argmax(-1)
    assert torch.equal(shuffled.sort(1).values, places.expand(500, -1))
    assert (shuffled - places).abs().max() == 2
    still = LocalShuffling(0, categories=L)(eye, stream(6))
    assert torch.equal(still.x, eye)


def test_a_masked_position_is_empty_as_a_whole():
    corrupted = Masking(0.25).on(LAYOUT)(rows(sequences(30)), stream(7))
    assert ((words_of(corrupted.x) == -1).sum(1) == 3).all()


def test_a_layer_fills_in_positions_that_its_neighbours_tell():
    word = torch.randint(V, (300, 1), generator=stream(8))
    words = (word + torch.arange(L)) % V  # one tells all
    plan = Layer(40, Masking(0.25).on(LAYOUT), Categorical((V,) * L), initialisation="tutorial")
    stack = StackedDenoisingAutoencoder.plan(L * V, [plan], seed=0)
    pretrain(stack, rows(words), Pretraining(6, 0.1, 10), seed=0)
    assert stack[0].method == "closed form"
    masked = plan.corruption(rows(words), stream(9))
    told = stack.reconstruct(masked.x).reshape(300, L, V).argmax(-1)
    gone = words_of(masked.x) == -1
    assert (told == words)[gone].float().mean() > 0.9
    assert Mixed().on(LAYOUT).columns == (Categorical((V,)),) * L


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Replacement(2.0), r"fraction must be a number in \[0, 1\], got 2.0"),
        (lambda: LocalShuffling(-1), "window must be a whole number of at least 0, got -1"),
        (lambda: Deletion().on(Layout()), "Deletion needs sequences, columns that have the same"),
        (
            lambda: Deletion().on(Layout((Block("a", "categorical", 3), Block("b", "binary", 1)))),
            "needs sequences, columns that have the same categories each, and these inputs are",
        ),
        (
            lambda: Deletion().on(Layout(tuple(Block(a, "numeric", 2) for a in "ab"))),
            "needs sequences, columns that have the same categories each",
        ),
        (
            lambda: Deletion().on(
                Layout(tuple(Block(a, "categorical", 2, 1.0, (a, "z")) for a in "ab"))
            ),
            "needs sequences, columns that have the same categories each",
        ),
        (lambda: Deletion()(torch.zeros(1, 6), stream(0)), "needs categories, the components of"),
        (lambda: Deletion(categories=4)(torch.zeros(1, 6), stream(0)), "got 4 of 6"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(act, message):
    with pytest.raises(ValueError, match=message) as refusal:
        act()
    assert "\n" not in str(refusal.value)
