"""Reads a run's TensorBoard event files with the tensorboard wheel and compares them with its log.

    python -m pip install tensorboard
    python scripts/check_events.py RUN
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util import tensor_util
from pathlib import Path

CURVES = {
    "train/loss": "loss",
    "train/learning_rate": "learning_rate",
    "train/gradient_norm": "gradient_norm",
    "speed/tokens_per_second": "tokens_per_second",
    "speed/peak_share": "peak_share",
    "memory/peak_bytes": "peak_memory_bytes",
}


def main(run: str) -> None:
    steps, evaluations = {}, {}
    for line in Path(run, "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        (steps if entry["kind"] == "step" else evaluations)[entry["step"]] = entry

    # As they lie in the files, before the reader drops anything: no step twice.
    seen = set()
    for path in sorted(Path(run).glob("events.out.tfevents.*")):
        for raw in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(raw)
            for value in event.summary.value:
                assert (event.step, value.tag) not in seen, f"{path}: {value.tag} of step {event.step} is there twice"
                seen.add((event.step, value.tag))

    events = EventAccumulator(run, size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    for tag, key in CURVES.items():
        points = {point.step: point.value for point in events.Scalars(tag)}
        assert points.keys() == steps.keys(), f"{tag}: {len(points)} points, {len(steps)} lines of the log"
        for step, value in points.items():
            want = steps[step][key]
            assert abs(value - want) <= 1e-3 * abs(want) + 1e-4, f"{tag} of step {step}: {value}, the log has {want}"
    losses = {point.step: point.value for point in events.Scalars("validation/loss")}
    assert losses.keys() == evaluations.keys()
    texts = {
        event.step: tensor_util.make_ndarray(event.tensor_proto).item().decode()
        for event in events.Tensors("sample/text_summary")
    }
    assert texts == {step: entry["sample"] for step, entry in evaluations.items()}
    assert events.SummaryMetadata("sample/text_summary").plugin_data.plugin_name == "text"
    print(f"{run}: {len(steps)} steps in {len(CURVES)} curves, {len(texts)} samples, as in the log")


main(sys.argv[1])
