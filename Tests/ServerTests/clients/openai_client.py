#!/usr/bin/env python3
"""Speaks to a running server as the official openai client does: models, chat, streams, tools, structured output,
log-probabilities, completions, embeddings, errors and retries. One line a check; the exit code counts the failures.

  martlet serve smollm2 minilm --api-key sk-test-key &
  python openai_client.py http://127.0.0.1:8080/v1 sk-test-key smollm2 minilm [--grammar] [--random]

With --grammar, structured output and forced calls must be obeyed; without, they may be refused by name. With --random,
the models are small and random: nothing they say is looked at.
"""
import asyncio
import base64
import http.server
import json
import struct
import sys
import threading
import traceback

import openai
from openai import AsyncOpenAI, OpenAI

arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
has_grammar, is_random = "--grammar" in sys.argv, "--random" in sys.argv
base, key, chat_model = arguments[:3]
embedding_model = arguments[3] if len(arguments) > 3 else None
client = OpenAI(base_url=base, api_key=key, timeout=120)
question = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Name a colour."}]
checks = []


def check(function):
    checks.append(function)
    return function


@check
def models_are_listed():
    names = [m.id for m in client.models.list()]
    assert chat_model in names, names
    assert client.models.retrieve(chat_model).id == chat_model


@check
def a_chat_is_answered():
    reply = client.chat.completions.create(model=chat_model, messages=question, max_tokens=12, temperature=0)
    assert reply.object == "chat.completion" and reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply._request_id


@check
def a_stream_says_the_same():
    whole = client.chat.completions.create(model=chat_model, messages=question, max_tokens=12, temperature=0)
    text, usage, finish = "", None, None
    for chunk in client.chat.completions.create(
        model=chat_model, messages=question, max_tokens=12, temperature=0, stream=True,
        stream_options={"include_usage": True},
    ):
        assert chunk.object == "chat.completion.chunk"
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    assert text == whole.choices[0].message.content, (text, whole.choices[0].message.content)
    assert finish == whole.choices[0].finish_reason
    assert usage.completion_tokens == whole.usage.completion_tokens


@check
def seeds_and_samples():
    options = dict(model=chat_model, messages=question, max_tokens=8, temperature=1, seed=7, n=3)
    first, second = (client.chat.completions.create(**options) for _ in range(2))
    assert [c.message.content for c in first.choices] == [c.message.content for c in second.choices]
    assert [c.index for c in first.choices] == [0, 1, 2]


@check
def the_second_turn_finds_the_first():
    long = [{"role": "user", "content": "Count. " + " ".join(str(i) for i in range(40 if is_random else 150))}]
    first = client.chat.completions.create(model=chat_model, messages=long, max_tokens=8, temperature=0)
    turn = long + [{"role": "assistant", "content": first.choices[0].message.content}, {"role": "user", "content": "On."}]
    second = client.chat.completions.create(model=chat_model, messages=turn, max_tokens=2, temperature=0)
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached > (0.5 if is_random else 0.8) * first.usage.prompt_tokens, (cached, first.usage.prompt_tokens)


@check
def log_probabilities_fit():
    reply = client.chat.completions.create(
        model=chat_model, messages=question, max_tokens=6, temperature=0, logprobs=True, top_logprobs=3)
    content = reply.choices[0].logprobs.content
    assert len(content) == reply.usage.completion_tokens or len(content) == reply.usage.completion_tokens - 1
    for entry in content:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        assert entry.logprob == max(t.logprob for t in entry.top_logprobs)


@check
def completions_echo_with_log_probabilities():
    reply = client.completions.create(
        model=chat_model, prompt="The sky is blue", max_tokens=1, echo=True, logprobs=1, temperature=0)
    logprobs = reply.choices[0].logprobs
    assert reply.choices[0].text.startswith("The sky is blue")
    assert logprobs.token_logprobs[0] is None and logprobs.text_offset[0] == 0
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset)
    assert len({len(logprobs.tokens), reply.usage.prompt_tokens + 1}) == 1


@check
def prompts_come_in_batches_of_tokens():
    reply = client.completions.create(model=chat_model, prompt=[[50, 30, 90], [20, 21]], max_tokens=2, temperature=0)
    assert [c.index for c in reply.choices] == [0, 1]


@check
def stop_strings_stop():
    reply = client.completions.create(
        model=chat_model, prompt="1 2 3 4 5 6 7 8 9", max_tokens=40, temperature=0, stop=["1 2", "15"])
    assert "15" not in reply.choices[0].text


@check
def structured_output_is_obeyed():
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer",
              "minimum": 0, "maximum": 150}}, "required": ["name", "age"], "additionalProperties": False}
    call = lambda: client.chat.completions.create(  # noqa: E731
        model=chat_model, messages=[{"role": "user", "content": "Invent a person."}], max_tokens=80, temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}})
    reply = unless_refused(call, "response_format")
    if reply is None:
        return "refused by name"
    if reply.choices[0].finish_reason == "stop":
        value = json.loads(reply.choices[0].message.content)
        assert set(value) == {"name", "age"} and 0 <= value["age"] <= 150


@check
def json_objects_are_obeyed():
    call = lambda: client.chat.completions.create(  # noqa: E731
        model=chat_model, messages=[{"role": "user", "content": "A JSON object with one number."}], max_tokens=200,
        temperature=0, response_format={"type": "json_object"})
    reply = unless_refused(call, "response_format")
    if reply is None:
        return "refused by name"
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content), dict)


weather = {"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"],
    "additionalProperties": False}}}


@check
def forced_tools_are_called():
    call = lambda **more: client.chat.completions.create(  # noqa: E731
        model=chat_model, messages=[{"role": "user", "content": "What is the weather in Paris?"}], tools=[weather],
        tool_choice="required", max_tokens=80, temperature=0, **more)
    reply = unless_refused(call, None)
    if reply is None:
        return "refused by name"
    if reply.choices[0].finish_reason == "length":
        return "cut short"
    tools = reply.choices[0].message.tool_calls
    for tool in tools:
        assert tool.function.name == "weather" and set(json.loads(tool.function.arguments)) == {"city"}
    assert reply.choices[0].finish_reason == "tool_calls"
    # A model may call several times at once; their pieces have their call's index.
    streamed = {}
    for chunk in call(stream=True):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name, text = streamed.get(delta.index, (None, ""))
            streamed[delta.index] = (delta.function.name or name, text + (delta.function.arguments or ""))
    assert list(streamed.values()) == [(tool.function.name, tool.function.arguments) for tool in tools], streamed
    one = call(extra_body={"parallel_tool_calls": False})
    assert len(one.choices[0].message.tool_calls) == 1


@check
def tools_may_be_left_alone():
    reply = client.chat.completions.create(
        model=chat_model, messages=question, tools=[weather], tool_choice="none", max_tokens=8, temperature=0)
    assert reply.choices[0].message.content and not reply.choices[0].message.tool_calls


@check
def results_of_tools_are_read():
    messages = [{"role": "user", "content": "Weather in Paris?"}, {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Paris\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny, 21 degrees."}]
    reply = client.chat.completions.create(
        model=chat_model, messages=messages, tools=[weather], max_tokens=16, temperature=0)
    assert reply.choices[0].message.content or reply.choices[0].message.tool_calls


@check
def embeddings_in_both_formats():
    if not embedding_model:
        return "skipped"
    packed = client.embeddings.create(model=embedding_model, input=["a cat", "a dog", "an engine"])
    plain = client.embeddings.create(model=embedding_model, input=["a cat"], encoding_format="float")
    raw = client.embeddings.with_raw_response.create(model=embedding_model, input="a cat", encoding_format="base64")
    text = json.loads(raw.content)["data"][0]["embedding"]
    floats = struct.unpack(f"<{len(base64.b64decode(text)) // 4}f", base64.b64decode(text))
    assert max(abs(a - b) for a, b in zip(floats, plain.data[0].embedding)) < 1e-6
    dot = lambda a, b: sum(x * y for x, y in zip(a.embedding, b.embedding))  # noqa: E731
    assert abs(dot(packed.data[0], packed.data[0]) - 1) < 1e-4
    assert is_random or dot(packed.data[0], packed.data[1]) > dot(packed.data[0], packed.data[2])


def unless_refused(call, parameter):
    """The reply, or None where the server says that it cannot do this and --grammar does not ask for it."""
    try:
        return call()
    except openai.BadRequestError as error:
        assert not has_grammar, error
        assert parameter is None or parameter in str(error.param), error
        return None


def fails(kind, status, call, **wanted):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        for name, value in wanted.items():
            assert getattr(error, name) == value, (name, getattr(error, name), value)
        assert error.body.get("message")
        return
    raise AssertionError("no error")


@check
def errors_are_the_clients_own():
    ask = lambda **change: lambda: client.chat.completions.create(  # noqa: E731
        **{"model": chat_model, "messages": question, "max_tokens": 2, **change})
    fails(openai.NotFoundError, 404, ask(model="gpt-9"), code="model_not_found", param="model")
    fails(openai.BadRequestError, 400, ask(temperature=-1), param="temperature")
    fails(openai.BadRequestError, 400, ask(n=10**9), param="n")
    fails(openai.BadRequestError, 400, ask(messages=[]), param="messages")
    fails(openai.BadRequestError, 400, ask(messages="hello"), param="messages")
    fails(openai.BadRequestError, 400, ask(max_tokens=10**7), code="context_length_exceeded")
    fails(openai.BadRequestError, 400, ask(stop=["a"] * 10**4), param="stop")
    fails(openai.BadRequestError, 400, ask(extra_body={"top_p": "high"}), param="top_p")
    wrong = OpenAI(base_url=base, api_key="wrong-key", max_retries=0)
    fails(openai.AuthenticationError, 401, lambda: wrong.models.list(), code="invalid_api_key")


@check
def many_at_once():
    async def run():
        async with AsyncOpenAI(base_url=base, api_key=key, timeout=120) as many:
            return await asyncio.gather(*(
                many.chat.completions.create(model=chat_model, messages=question, max_tokens=8, temperature=0)
                for _ in range(16)))
    replies = asyncio.run(run())
    assert len({r.choices[0].message.content for r in replies}) == 1


@check
def leaving_a_stream_is_clean():
    stream = client.chat.completions.create(model=chat_model, messages=question, max_tokens=200 if is_random else 2000, stream=True)
    next(iter(stream))
    stream.close()
    assert client.chat.completions.create(model=chat_model, messages=question, max_tokens=1).choices


@check
def refusals_are_retried():
    """A proxy that answers the first request with a 429 of this server's shape: the client must come again."""
    seen = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(1)
            body = b"{\"object\":\"list\",\"data\":[]}" if len(seen) > 1 else b"{\"error\":{\"message\":\"busy\"}}"
            self.send_response(200 if len(seen) > 1 else 429)
            self.send_header("retry-after-ms", "20")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    proxy = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    list(OpenAI(base_url=f"http://127.0.0.1:{proxy.server_port}/v1", api_key="x").models.list())
    proxy.shutdown()
    assert len(seen) == 2


failures = 0
for function in checks:
    try:
        note = function()
        print(f"ok    {function.__name__}" + (f" ({note})" if note else ""))
    except Exception:
        failures += 1
        print(f"FAIL  {function.__name__}")
        traceback.print_exc()
print(f"{len(checks) - failures} of {len(checks)} pass, openai {openai.__version__}")
sys.exit(min(failures, 100))
