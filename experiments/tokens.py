"""Letters that are masked, told by their neighbours: a small text that lies beside this script.

    ./run experiments/tokens.py [--epochs 30] [--out OUT.csv]

Learns on windows of 16 letters of the first 85 % of texts/noise.txt, 15 % of them masked in every
presentation, with a softmax over the 27 letters at each place, and tells the masked letters of the
rest. Beside it the commonest letter, and the letter that is commonest between the two neighbours on
each side (with fewer neighbours where these were never seen). Prints the accuracy and some lines,
and writes results/figures/tokens.csv.
"""

from collections import Counter, defaultdict
from pathlib import Path

import torch
from lib import script
from lib.figure import write_table

import sda

LETTERS = " abcdefghijklmnopqrstuvwxyz"
V, L = len(LETTERS), 16
CONTEXTS = ((2, 2), (1, 2), (2, 1), (1, 1), (0, 1), (1, 0), (0, 0))  # letters before and after


def text():
    """Numbers of the letters of the text, words with one space between them."""
    words = (script.HERE / "texts" / "noise.txt").read_text().lower().split()
    kept = ("".join(c for c in word if c in LETTERS) for word in words)
    return [LETTERS.index(c) for c in " ".join(filter(None, kept))]


def windows(letters, step):
    """Windows (n, L) and the same as rows of ones of V, (n, L * V)."""
    found = torch.tensor([letters[k : k + L] for k in range(0, len(letters) - L + 1, step)])
    return found, torch.eye(V)[found].flatten(1)


def by_neighbours(letters, masked, words):
    """The letter that the text has most often between the same neighbours, for each masked one."""
    counts = defaultdict(Counter)
    for k in range(2, len(letters) - 2):
        for before, after in CONTEXTS:
            key = (tuple(letters[k - before : k]), tuple(letters[k + 1 : k + 1 + after]))
            counts[key][letters[k]] += 1
    told = words.clone()
    for row, place in masked.nonzero().tolist():
        for before, after in CONTEXTS:
            span = slice(max(0, place - before), place + after + 1)
            if place < before or place + after >= L or masked[row, span].sum() > 1:
                continue
            own = words[row].tolist()
            key = (tuple(own[place - before : place]), tuple(own[place + 1 : place + 1 + after]))
            if counts[key]:
                told[row, place] = counts[key].most_common(1)[0][0]
                break
    return told


def learned(x, noise, epochs):
    plan = sda.Layer(300, noise, sda.Categorical((V,) * L), tied=False, initialisation="tutorial")
    stack = sda.StackedDenoisingAutoencoder.plan(L * V, [plan], seed=0)
    sda.pretrain(stack, x, sda.Pretraining(epochs, 0.05, 20, momentum=0.5), seed=0)
    return lambda rows: stack.reconstruct(rows).reshape(-1, L, V).argmax(-1)


def read(words, masked=None):
    """Letters of a window, dots where masked."""
    gone = torch.zeros_like(words, dtype=torch.bool) if masked is None else masked
    return "".join("." if m else LETTERS[w] for w, m in zip(words, gone, strict=True))


def main(epochs, out):
    letters = text()
    cut = int(0.85 * len(letters))
    _, x = windows(letters[:cut], 1)
    words, rows = windows(letters[cut:], 3)
    columns = (V,) * L
    masking = sda.Masking(0.15, columns=columns)
    seen = masking(rows, sda.stream(1, "unseen"))
    masked = seen.hit.reshape(-1, L, V)[..., 0]
    noises = {
        "autoencoder, masked": masking,
        "autoencoder, masked and replaced": sda.Compose(
            (sda.Replacement(0.1, categories=V), sda.Masking(0.15, columns=columns))
        ),
    }
    commonest = Counter(letters[:cut]).most_common(1)[0][0]
    answers = {
        "commonest letter": torch.full_like(words, commonest),
        "neighbours": by_neighbours(letters[:cut], masked, words),
    }
    answers |= {name: learned(x, noise, epochs)(seen.x) for name, noise in noises.items()}
    count = int(masked.sum())
    table = []
    for name, told in answers.items():
        right = float((told == words)[masked].double().mean())
        half = 1.96 * (right * (1 - right) / count) ** 0.5
        share = f"{100 * right:.1f} ±{100 * half:.1f}"
        table.append({"told by": name, "masked letters": count, "right %": share})
    write_table(out, table)
    told = answers["autoencoder, masked"]
    for row in range(0, len(words), len(words) // 6):
        filled = torch.where(masked[row], told[row], words[row])
        print(f"{read(words[row])} | {read(words[row], masked[row])} | {read(filled)}")


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=script.FIGURES / "tokens.csv")
    args = parser.parse_args()
    main(args.epochs, args.out)
