"""Writes each YAML file of this folder as the JSON that the reader of YAML files makes of it (PyYAML's resolver)."""
import glob
import json

import yaml

for path in sorted(glob.glob("*.yaml")):
    with open(path) as file:
        value = yaml.safe_load(file)
    with open(path.replace(".yaml", ".json"), "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
