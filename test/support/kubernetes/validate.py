"""Checks Kubernetes objects against the strict schemas of several versions.

Arguments: versions, separated by commas, then files of YAML or JSON. Prints one JSON object: the problems, and the objects.
"""
import json
import sys

import kubernetes_validate
import yaml

versions, files = sys.argv[1].split(","), sys.argv[2:]
problems, objects = [], []
for name in files:
    with open(name) as file:
        found = [each for each in yaml.safe_load_all(file) if each]
    objects += found
    for version in versions:
        for each in found:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except Exception as error:
                text = getattr(error, "message", str(error))
                problems.append(f"{version} {each['kind']} {each['metadata']['name']}: {text[:300]}")
json.dump({"problems": problems, "objects": objects}, sys.stdout)
