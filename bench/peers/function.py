"""The function that every peer serves: onnxruntime as `bench/actions/classify.js` uses it, and the same made-up inputs.

MODEL is the model's path; VOCABULARY bounds its token ids, where it takes any.
"""

import os
import time

import numpy as np
import onnxruntime

LOGITS_MAX = 1000
KEPT = 2**20
OPEN_DIMENSION = 16


def draws(seed, count):
    """Numbers between -1.7 and 1.7: those of the generator x -> 1664525 x + 1013904223, modulo 2^32."""
    with np.errstate(over="ignore"):
        factors = np.cumprod(np.full(count, 1664525, np.uint32), dtype=np.uint32)
        sums = np.concatenate(([1], 1 + np.cumsum(factors[:-1], dtype=np.uint32))).astype(np.uint32)
        states = factors * np.uint32(seed) + np.uint32(1013904223) * sums
    return (1.7 * states.view(np.int32) / 0x80000000).astype(np.float32)


class Function:
    def __init__(self, path=None, vocabulary=None):
        vocabulary = vocabulary or os.environ.get("VOCABULARY")
        self.vocabulary = int(vocabulary) if vocabulary else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        start = time.perf_counter()
        self.session = onnxruntime.InferenceSession(
            path or os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.load_ms = 1000 * (time.perf_counter() - start)

    def feeds(self, seed, batch=1):
        feeds = {}
        for index, put in enumerate(self.session.get_inputs()):
            dims = [batch, *(size if isinstance(size, int) else OPEN_DIMENSION for size in put.shape[1:])]
            count = int(np.prod(dims))
            if self.vocabulary or put.type == "tensor(int64)":
                bound = self.vocabulary or 2
                numbers = np.abs(draws(seed, count).astype(np.float64) / 1.7)
                data = (numbers * bound).astype(np.int64) % bound
            elif index == 0:
                data = draws(seed, count)
            else:
                earlier = seed + 1000 * index
                start = (earlier * 10_007) % max(1, KEPT - count)
                data = draws(1, KEPT)[start : start + count]
            feeds[put.name] = data.reshape(dims)
        return feeds

    def run(self, seed, batch=1, runs=1):
        """What one activation of the action reports."""
        feeds = self.feeds(seed, batch)
        run_ms = []
        for _ in range(runs):
            start = time.perf_counter()
            results = self.session.run(None, feeds)
            run_ms.append(1000 * (time.perf_counter() - start))
        logits = results[0].ravel()[:LOGITS_MAX].tolist()
        return {"pid": os.getpid(), "loadMs": self.load_ms, "runMs": run_ms, "logits": logits, "lasts": []}

    def run_together(self, seeds):
        """Requests of several callers in one execution: a report for each."""
        each = [self.feeds(seed) for seed in seeds]
        feeds = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        first = self.session.run(None, feeds)[0]
        reports = [row.ravel()[:LOGITS_MAX].tolist() for row in first]
        return [{"pid": os.getpid(), "loadMs": self.load_ms, "runMs": [], "logits": row, "lasts": []} for row in reports]
