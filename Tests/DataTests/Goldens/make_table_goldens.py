#!/usr/bin/env python3
"""Writes tables of every kind that the readers of Parquet and Arrow read, in folder `tables`, and what their rows are as
JSON in `tables/expected.json`: members that are null left out, as the readers do. Needs pyarrow."""
import json
import os

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tables")
os.makedirs(HERE, exist_ok=True)
# The rows of each table, and which table is in each file.
rows, files = {}, {}


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def note(name, table):
    # Maps come as lists of pairs, and a null in one is a value.
    kinds = {field.name: field.type for field in table.schema}
    def is_map(key):
        return pa.types.is_map(kinds[key])

    own = [
        {key: dict(entry) if is_map(key) else without_nulls(entry) for key, entry in row.items() if entry is not None}
        for row in table.to_pylist()
    ]
    known = next((key for key, other in rows.items() if other == own), name.split(".")[0])
    rows[known] = own
    files[name] = known


def parquet(name, table, **options):
    pq.write_table(table, os.path.join(HERE, name + ".parquet"), **options)
    note(name + ".parquet", table)


def stream(name, table, rows=None, **options):
    with pa.OSFile(os.path.join(HERE, name + ".arrow"), "wb") as sink:
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            for batch in table.to_batches(max_chunksize=rows):
                writer.write_batch(batch)
    note(name + ".arrow", table)


def file(name, table, **options):
    with pa.OSFile(os.path.join(HERE, name + ".arrow"), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table)
    note(name + ".arrow", table)


ROWS = 40
words = [f"word {i % 5} of {i}" + "é" * (i % 4) for i in range(ROWS)]
call = pa.struct([("name", pa.string()), ("arguments", pa.string())])
message = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.list_(call))])
chats = [
    None if i == 3 else [] if i == 4 else [
        {
            "role": "user" if m % 2 == 0 else "assistant",
            "content": None if m == 3 else f"{i}/{m}",
            "tool_calls": None if m % 2 == 0 else [] if i % 2 else
            [{"name": f"f{c}", "arguments": None if c == 1 else "{}"} for c in range(i % 3)],
        }
        for m in range(1 + i % 5)
    ]
    for i in range(ROWS)
]
nested = pa.table({
    "messages": pa.array(chats, pa.list_(message)),
    "grid": pa.array(
        [None if i % 9 == 8 else [[j * k for k in range(j)] if j != 2 else None for j in range(i % 4)]
         for i in range(ROWS)], pa.list_(pa.list_(pa.int32()))),
    "deep": pa.array(
        [[[["a", None], []], None, [[str(i)]]][: i % 4] for i in range(ROWS)],
        pa.list_(pa.list_(pa.list_(pa.string())))),
    "inner": pa.array(
        [None if i % 6 == 5 else {"a": {"b": i if i % 2 else None}, "c": [True, None, False][: i % 4]}
         for i in range(ROWS)],
        pa.struct([("a", pa.struct([("b", pa.int64())])), ("c", pa.list_(pa.bool_()))])),
    "map": pa.array(
        [None if i % 5 == 4 else [(f"k{j}", j if j else None) for j in range(i % 3)] for i in range(ROWS)],
        pa.map_(pa.string(), pa.int32())),
})
flat = pa.table({
    "text": pa.array([None if i % 7 == 3 else words[i] for i in range(ROWS)], pa.string()),
    "large": pa.array(words, pa.large_string()),
    "id": pa.array([(-1) ** i * 3**i % 2**62 for i in range(ROWS)], pa.int64()),
    "small": pa.array([i * 7 % 100 - 50 for i in range(ROWS)], pa.int32()),
    "byte": pa.array([i % 256 for i in range(ROWS)], pa.uint8()),
    "unsigned": pa.array([2**32 - 1 - i for i in range(ROWS)], pa.uint32()),
    "share": pa.array([None if i % 8 == 1 else i / 8 for i in range(ROWS)], pa.float32()),
    "wide": pa.array([i * 1.1 for i in range(ROWS)], pa.float64()),
    "flag": pa.array([None if i % 5 == 2 else i % 3 == 0 for i in range(ROWS)], pa.bool_()),
    "nothing": pa.array([None] * ROWS, pa.string()),
})
for version in ["1.0", "2.0"]:
    parquet(f"nested_v{version[0]}", nested, data_page_version=version, row_group_size=25, data_page_size=64,
            write_batch_size=4)
parquet("flat", flat, row_group_size=17)
parquet(
    "delta", flat, use_dictionary=False, data_page_version="2.0", data_page_size=200, write_batch_size=10,
    column_encoding={
        "text": "DELTA_BYTE_ARRAY", "large": "DELTA_LENGTH_BYTE_ARRAY", "id": "DELTA_BINARY_PACKED",
        "small": "DELTA_BINARY_PACKED", "wide": "BYTE_STREAM_SPLIT", "share": "BYTE_STREAM_SPLIT", "flag": "RLE",
    })
long = pa.table({"n": pa.array([(i * i * 7919) % 100_003 - 50_000 for i in range(700)], pa.int64())})
parquet("delta_long", long, use_dictionary=False, column_encoding={"n": "DELTA_BINARY_PACKED"})
for codec in ["lz4", "brotli", "zstd"]:
    parquet(f"codec_{codec}", flat.select(["text", "large", "nothing"]), compression=codec, use_dictionary=False)
parquet("no_rows", flat.slice(0, 0))
parquet("no_rows_nested", nested.slice(0, 0))

coded = pa.table({
    "text": pa.array(words).dictionary_encode(),
    "label": pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in range(ROWS)], pa.int8()), ["good", "bad", "odd"]),
    "list": pa.array([["x", "y"][: i % 3] for i in range(ROWS)], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
})
more = pa.table({
    "view": pa.array([None if i % 4 == 1 else words[i] * (i % 3) for i in range(ROWS)], pa.string_view()),
    "half": pa.array([i / 4 - 3 for i in range(ROWS)], pa.float16()),
    "triple": pa.array([[i, None, i + 2] for i in range(ROWS)], pa.list_(pa.int16(), 3)),
    "large_list": pa.array([[words[i]] * (i % 3) for i in range(ROWS)], pa.large_list(pa.string())),
    "null": pa.nulls(ROWS),
})
stream("stream_flat", flat, rows=15)
stream("stream_nested", nested, rows=15)
stream("stream_coded", coded)
stream("stream_more", more, rows=11)
stream("stream_zstd", flat, compression="zstd")
stream("stream_lz4", nested, compression="lz4")
stream("stream_no_rows", flat.slice(0, 0))
file("file_nested", nested)
file("file_flat_lz4", flat, compression="lz4")

with open(os.path.join(HERE, "expected.json"), "w") as out:
    json.dump({"rows": rows, "files": files}, out, ensure_ascii=False, separators=(",", ":"))
    out.write("\n")
