"""The event file that `event_file.rs` writes, written by TensorBoard's own writer; read back by its reader.

generate.py OUT_DIR
"""

import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

SCALARS = [(1, "train/loss", 6.25), (2, "train/loss", 0.1), (300, "validation/bleu", 31.5), (70_000, "lr", 1e-30)]

path = Path(sys.argv[1]) / "events.out.tfevents"
with open(path, "wb") as file:
    writer = RecordWriter(file)
    write = lambda event: writer.write(event.SerializeToString(deterministic=True))
    write(Event(wall_time=1.5, file_version="brain.Event:2"))
    write(Event(wall_time=1.5, step=1, session_log=SessionLog(status=SessionLog.START)))
    for step, tag, value in SCALARS:
        write(Event(wall_time=2.5, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)])))

events = list(LegacyEventFileLoader(str(path)).Load())
assert [event.file_version for event in events][:1] == ["brain.Event:2"]
read = [(event.step, event.summary.value[0].tag) for event in events[2:]]
assert read == [(step, tag) for step, tag, _ in SCALARS], read
