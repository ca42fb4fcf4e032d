# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a mixed table to predictions
#
# A table with numbers, words and holes; a stack that learns from all of its rows; classes, missing
# cells and unusual rows of new ones. Open it in Jupyter with jupytext, or run it as a script.

# %%
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sda

rng = np.random.default_rng(0)
n = 600
a, b = rng.normal(size=(2, n))
table = pd.DataFrame(
    {
        "length": a + 0.3 * rng.normal(size=n),
        "area": a * b + 0.3 * rng.normal(size=n),
        "colour": np.where(a > 0.3, "red", np.where(b > 0, "green", "blue")),
        "wild": np.where(b > 0, "yes", "no"),
        "species": np.where(a + b > 0.7, "oak", np.where(a > b, "elm", "fir")),
    }
)
for column in table.columns[:4]:
    table.loc[rng.random(n) < 0.1, column] = np.nan
known, new = table[:500], table[500:].reset_index(drop=True)
folder = Path(mkdtemp())
known.to_csv(folder / "trees.csv", index=False)
known.head()

# %% [markdown]
# Training, with the words of the command line.

# %%
words = ["data=table", f"data.path={folder / 'trees.csv'}", "data.label=species", "init=sda"]
sizes = ["stack.hidden=[30]", "pretrain.epochs=50", "pretrain.learning_rate=0.1"]
sizes += [f"runs_folder={folder / 'runs'}"]
command = [sys.executable, "-m", "sda", *words, *sizes, "tensorboard=false"]
print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
(run,) = (folder / "runs" / "trees").iterdir()

# %% [markdown]
# Each epoch is a line of `metrics.jsonl`.

# %%
epochs = pd.read_json(run / "metrics.jsonl", lines=True)
tuned = epochs[epochs.phase == "finetune"]
plt.plot(tuned.epoch, tuned.valid_error)
plt.xlabel("epoch of fine-tuning")
plt.ylabel("validation error")

# %% [markdown]
# New rows, without the label: their classes, and how sure the network is.

# %%
model = sda.Model.load(run)
answers = model.predict(new.drop(columns="species"))
print(f"right: {np.mean(answers.iloc[:, 0].to_numpy() == new.species.to_numpy()):.0%}")
answers.head()

# %% [markdown]
# Their missing cells, filled; known ones stay as they are.

# %%
filled = model.impute(new.drop(columns="species"))
holes = new.length.isna()
plt.figure()
plt.scatter(new.length[~holes], new.area[~holes], s=8, label="known")
plt.scatter(filled.length[holes], filled.area[holes], s=20, marker="x", label="length filled in")
plt.legend()
filled.head()

# %% [markdown]
# Rows that do not fit: one is spoilt by hand.

# %%
spoilt = new.drop(columns="species").copy()
spoilt.loc[0, "length"] = 40.0
scores = model.score(spoilt, 0.95)
plt.figure()
plt.hist(scores.iloc[:, 0], bins=30)
plt.xlabel("score, nats")
scores.sort_values(scores.columns[0], ascending=False).head()
