#!/usr/bin/env python3
"""Writes requests.json: the bodies that OpenAI's own client sends for the calls people make, caught before they leave.
Needs openai and pydantic. Usage: Tests/APITests/Goldens/make_requests.py"""
import json
import pathlib

import httpx
import openai
import pydantic

HERE = pathlib.Path(__file__).resolve().parent
caught = []


def answer(request):
    caught.append({"path": request.url.path, "body": json.loads(request.content)})
    raise httpx.ConnectError("caught")


client = openai.OpenAI(
    api_key="k", base_url="http://localhost/v1", max_retries=0,
    http_client=httpx.Client(transport=httpx.MockTransport(answer)))


class Event(pydantic.BaseModel):
    name: str
    date: str
    people: list[str]
    note: str | None


class Weather(pydantic.BaseModel):
    """The weather of a place."""
    city: str
    days: int


def send(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except openai.APIConnectionError:
        pass


chat = client.chat.completions
user = [{"role": "user", "content": "Hi"}]
tool = openai.pydantic_function_tool(Weather)
parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
turns = [
    {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Weather in Rome?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "Weather", "arguments": '{"city": "Rome", "days": 1}'}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]

send(chat.create, model="m", messages=user)
send(chat.create, model="m", messages=parts, temperature=0.2, top_p=0.5, max_completion_tokens=9, seed=1, stop="x", n=2)
send(chat.create, model="m", messages=user, stream=True, stream_options={"include_usage": True})
send(chat.create, model="m", messages=turns, tools=[tool], tool_choice="auto", parallel_tool_calls=False)
send(chat.create, model="m", messages=user, tools=[tool],
     tool_choice={"type": "function", "function": {"name": "Weather"}})
send(chat.create, model="m", messages=user, logprobs=True, top_logprobs=3, logit_bias={"7": -100}, user="u",
     metadata={"a": "b"}, store=False, service_tier="auto", presence_penalty=0.5, frequency_penalty=0.5)
send(chat.create, model="m", messages=user, response_format={"type": "json_object"})
send(chat.create, model="m", messages=user, reasoning_effort="high", extra_body={
    "top_k": 5, "min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}})
send(chat.parse, model="m", messages=user, response_format=Event)
completions = client.completions
send(completions.create, model="m", prompt="Once")
send(completions.create, model="m", prompt=["a", "b"], n=2, stream=True, max_tokens=3)
send(completions.create, model="m", prompt=[[1, 2, 3]], temperature=0, max_tokens=1, logprobs=1, seed=1234, echo=True)
embeddings = client.embeddings
send(embeddings.create, model="m", input="a")
send(embeddings.create, model="m", input=["a", "b"], encoding_format="float", dimensions=8)
send(embeddings.create, model="m", input=[[1, 2], [3]])
responses = client.responses
send(responses.create, model="m", input="Hi", instructions="Be brief.", max_output_tokens=9)
send(responses.create, model="m", stream=True, input=[
    {"role": "user", "content": [{"type": "input_text", "text": "Weather in Rome?"}]},
    {"type": "function_call", "call_id": "call_1", "name": "Weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}], tools=[
        {"type": "function", "name": "Weather", "parameters": Weather.model_json_schema(), "strict": False}],
     reasoning={"effort": "low"})
send(responses.parse, model="m", input="Hi", text_format=Event)

lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in caught)
(HERE / "requests.json").write_text(f"[\n{lines}\n]\n")
