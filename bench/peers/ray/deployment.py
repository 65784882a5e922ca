"""Ray Serve: an application for each model of MODELS, at `/0`, `/1` and so on, with WORKERS replicas each."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ray
from ray import serve
from starlette.requests import Request

BATCH = int(os.environ.get("BATCH", "1"))


@serve.deployment(num_replicas=int(os.environ.get("WORKERS", "1")), ray_actor_options={"num_cpus": 0})
class Inference:
    def __init__(self, path):
        from function import Function

        self.function = Function(path)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=int(os.environ.get("WAIT_MS", "0")) / 1000)
    async def together(self, seeds):
        return self.function.run_together(seeds)

    async def __call__(self, request: Request):
        params = await request.json()
        return self.function.run(**params) if BATCH == 1 else await self.together(params["seed"])


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ray.init(
        include_dashboard=False,
        _temp_dir=os.environ["FOLDER"],
        runtime_env={"env_vars": {"PYTHONPATH": here}},
        object_store_memory=100_000_000,
        logging_level="warning",
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    for index, path in enumerate(os.environ["MODELS"].split(",")):
        serve.run(Inference.bind(path), name=f"function{index}", route_prefix=f"/{index}")
    while True:
        time.sleep(60)
