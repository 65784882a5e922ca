"""Fork after load: gunicorn loads the models in its master and forks workers, which share all of its pages.

MODELS has the paths of the models that one master serves, with commas: at `/0`, `/1` and so on.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from function import Function

functions = [Function(path) for path in os.environ["MODELS"].split(",")]


def application(environ, start_response):
    function = functions[int(environ["PATH_INFO"].strip("/") or 0)]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    params = json.loads(environ["wsgi.input"].read(length))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(function.run(**params)).encode()]
