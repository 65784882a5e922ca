"""mosec: a front end in Rust, WORKERS processes, requests joined up to BATCH of them or WAIT_MS.

With START=fork the model is loaded here, before the workers are forked, and they share its pages.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mosec import Server, Worker

from function import Function

BATCH = int(os.environ.get("BATCH", "1"))
START = os.environ.get("START", "spawn")

loaded = Function() if START == "fork" else None


class Inference(Worker):
    def __init__(self):
        super().__init__()
        self.function = loaded or Function()

    def forward(self, data):
        if BATCH == 1:
            return self.function.run(**data)
        return self.function.run_together([each["seed"] for each in data])


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Inference,
        num=int(os.environ.get("WORKERS", "1")),
        max_batch_size=BATCH,
        max_wait_time=int(os.environ.get("WAIT_MS", "0")) or 1,
        start_method=START,
        timeout=300,
        route="/inference",
    )
    server.run()
