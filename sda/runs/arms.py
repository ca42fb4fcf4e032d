"""The arms: where fine-tuning starts from."""

from enum import StrEnum

# Settings that an arm does not read: they are no difference between two runs of it.
UNREAD = {
    "random": ("pretrain.", "corruption.", "reconstruction.", "stack.emphasis.", "stack.tied"),
    "saa": ("corruption.", "stack.emphasis."),
    "dbn": ("corruption.", "stack.emphasis."),
}


class Init(StrEnum):
    """The arm: where fine-tuning starts from.

    ``random``: the initial weights. ``saa``: weights pretrained without corruption (stacked
    autoassociators). ``dbn``: weights pretrained as restricted Boltzmann machines, by contrastive
    divergence (a deep belief network). ``sda``: weights pretrained with corruption. All have the
    same initial weights and see the same minibatches. ``baseline``: another classifier in place of
    the network; its arm has the name of that.
    """

    random = "random"
    saa = "saa"
    dbn = "dbn"
    sda = "sda"
    baseline = "baseline"
