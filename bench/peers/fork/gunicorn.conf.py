"""`gunicorn --config gunicorn.conf.py app:application`; SIGTTIN to the master forks one more worker.

A worker runs each function twice before it takes requests, so that its buffers have their sizes, and leaves a file named
by its pid in FOLDER then.
"""

import os

bind = "127.0.0.1:" + os.environ["PORT"]
workers = int(os.environ.get("WORKERS", "1"))
preload_app = True
timeout = 300
loglevel = "warning"


def post_worker_init(worker):
    from app import functions

    for function in functions:
        function.run(seed=1, runs=2)
    open(os.path.join(os.environ["FOLDER"], str(worker.pid)), "w").close()
