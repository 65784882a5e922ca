"""BentoML: a service of WORKERS processes, requests joined adaptively up to BATCH of them within LATENCY_MS.

  bentoml serve service:Inference --port PORT
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import bentoml

from function import Function

BATCH = int(os.environ.get("BATCH", "1"))


@bentoml.service(workers=int(os.environ.get("WORKERS", "1")), traffic={"timeout": 300}, metrics={"enabled": False})
class Inference:
    def __init__(self) -> None:
        self.function = Function()

    if BATCH == 1:

        @bentoml.api(route="/run")
        def run(self, seed: int, batch: int = 1, runs: int = 1) -> dict:
            return self.function.run(seed, batch, runs)

    else:

        @bentoml.api(
            route="/run", batchable=True, max_batch_size=BATCH, max_latency_ms=int(os.environ.get("LATENCY_MS", "300"))
        )
        def run(self, seed: list[int]) -> list[dict]:
            return self.function.run_together(seed)
