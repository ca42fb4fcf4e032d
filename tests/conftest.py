"""One thread for every test: bits depend on the number of threads."""

import torch

torch.set_num_threads(1)
