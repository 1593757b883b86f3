#!/usr/bin/env python3
"""Reads the replies in replies/ with the types of OpenAI's own client, strictly: no member of the wrong type, none missing.
The tests hold what the code writes against these files; MARTLET_WRITE_GOLDENS=1 makes them write the files anew.
Needs openai, anthropic and ollama. Usage: Tests/APITests/Goldens/check_replies.py"""
import json
import pathlib
import sys

from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

HERE = pathlib.Path(__file__).resolve().parent / "replies"


def events(text):
    """The JSON of each event, and the name that stands before it."""
    for block in text.split("\n\n"):
        if not block:
            continue
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        if lines["data"] != "[DONE]":
            yield lines.get("event"), json.loads(lines["data"])


def kind(name):
    if name.startswith("chat"):
        return ChatCompletionChunk if name.endswith(".sse") else ChatCompletion
    if name.startswith("completion"):
        return Completion
    if name.startswith("embeddings"):
        return CreateEmbeddingResponse
    if name.startswith("model"):
        return Model
    if name.startswith("response"):
        return ResponseStreamEvent if name.endswith(".sse") else Response
    if name.startswith("message"):
        import anthropic.types as types
        return types.RawMessageStreamEvent if name.endswith(".sse") else types.Message
    if name.startswith("ollama"):
        import ollama
        return ollama.GenerateResponse if "generate" in name else ollama.ChatResponse
    raise SystemExit(f"no type for {name}")


count = 0
for path in sorted(HERE.iterdir()):
    reader = TypeAdapter(kind(path.name))
    text = path.read_text()
    if path.suffix == ".sse":
        found = list(events(text))
        assert found, path
        for name, value in found:
            assert name in (None, value.get("type")), (path, name)
        values = [value for _, value in found]
    elif path.suffix == ".ndjson":
        values = [json.loads(line) for line in text.splitlines()]
    else:
        values = [json.loads(text)]
    for value in values:
        try:
            reader.validate_json(json.dumps(value), strict=True)
        except Exception as error:
            sys.exit(f"{path.name}: {error}\n{json.dumps(value)}")
        count += 1
print(f"{count} objects are as the clients read them")
