#!/usr/bin/env python3
"""Writes the files that the readers of documents are tested with. Needs pyarrow and zstandard.

The tests compute the same texts by the same rules, so that no expected output is stored.
"""
import gzip
import os

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import zstandard

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 300


def text(i):
    return f"row {i}: é " + "abc " * (i % 17)


def path(name):
    return os.path.join(HERE, name)


story = "".join(f"{text(i)}\n" for i in range(ROWS)).encode()
with open(path("story.txt.gz"), "wb") as f:
    # Two members, as `cat a.gz b.gz` gives.
    f.write(gzip.compress(story[:5000], 9, mtime=0) + gzip.compress(story[5000:], 1, mtime=0))
with open(path("story.txt.zst"), "wb") as f:
    f.write(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(story[:5000]))
    f.write(zstandard.ZstdCompressor(level=1).compress(story[5000:]))

table = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int64()),
        "text": pa.array([None if i % 7 == 3 else text(i) for i in range(ROWS)], pa.string()),
        "label": pa.array([["good", "bad", "odd"][i % 3] for i in range(ROWS)], pa.string()),
    },
    schema=pa.schema([("id", pa.int64()), ("text", pa.string()), pa.field("label", pa.string(), nullable=False)]),
)
for codec in ["none", "snappy", "gzip", "zstd"]:
    for version in ["1.0", "2.0"]:
        pq.write_table(
            table, path(f"flat_{codec}_v{version[0]}.parquet"), compression=codec, data_page_version=version,
            row_group_size=120, data_page_size=1500, write_batch_size=20,
            use_dictionary=["label"] if version == "1.0" else ["label", "text"], dictionary_pagesize_limit=1200)

chats = [
    None if i == 5 else [
        {"role": "user" if m % 2 == 0 else "assistant", "content": f"{i}/{m}"} for m in range(1 + i % 4)
    ]
    for i in range(40)
]
message = pa.struct([("content", pa.string()), ("role", pa.string())])
pq.write_table(pa.table({"messages": pa.array(chats, pa.list_(message))}), path("chats.parquet"))
# As the datasets library stores pictures: of the third conversation alone there is one, which is no text.
picture = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
pictures = pa.table({
    "messages": pa.array(chats[1:4], pa.list_(message)),
    "images": pa.array([[], None, [{"bytes": b"\x89PNG\xff", "path": None}]], picture)})
pq.write_table(pictures, path("pictures.parquet"))
with pa.ipc.new_file(path("pictures.arrow"), pictures.schema) as file:
    file.write_table(pictures)
pq.write_table(
    pa.table({"text": pa.array(["a"])}), path("lz4.parquet"), compression="lz4")
pq.write_table(
    pa.table({"text": pa.array(["a", "b"])}), path("delta.parquet"), use_dictionary=False,
    column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"})
