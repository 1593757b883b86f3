#!/usr/bin/env python3
"""Writes schema-cases.json: schemas with instances, sorted into valid and invalid by the jsonschema wheel (2020-12, formats
checked). Needs jsonschema, rfc3339-validator, fqdn, isoduration, jsonpointer.
Instances are written as a constrained model writes them: properties in the order of the schema, integers without a
fraction, no needless escapes.
Usage: Tests/InferenceTests/Goldens/make_schema_cases.py"""
import json
import pathlib

from jsonschema import Draft202012Validator

ANY = [None, True, False, 0, 1, -1, 5, 12, 1.5, -0.25, "", "a", "ab", "é", "12", [], [1], ["a"], [[]], {}, {"a": 1}]
NUMBERS = [0, 1, -1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 15, 99, 100, 101, -5, -9, -10, -11, -12, -99, -100, 1000, 12345,
           0.5, 1.5, 2.5, 0.25, -0.5, -1.5, 9.99, 10.01, 3.14, 0.125, -3.75, 99.5, 100.5]
STRINGS = ["", "a", "b", "ab", "abc", "abcd", "abcde", "é", "漢字", "😀😀", "a b", "A1", "12", "a1b2", "foo", "foobar", "barfoo",
           "line\nbreak", "quote\"", "back\\slash", "tab\t", "bell\u0007", "/path", "x-y", "_"]


def obj(properties, required=(), **more):
    return {"type": "object", "properties": properties, "required": list(required), **more}


CASES = [
    # Types
    (True, ANY), ({}, ANY), ({"type": "null"}, ANY), ({"type": "boolean"}, ANY), ({"type": "integer"}, ANY + NUMBERS),
    ({"type": "number"}, ANY + NUMBERS), ({"type": "string"}, ANY + STRINGS), ({"type": "array"}, ANY),
    ({"type": "object"}, ANY), ({"type": ["string", "null"]}, ANY), ({"type": ["integer", "array"]}, ANY),
    ({"title": "T", "description": "d", "default": 3, "examples": [1], "type": "integer"}, ANY),
    # Values
    ({"enum": ["red", "green", 3, None, 1.5, {"a": [1, "x"]}]},
     ["red", "green", "blue", 3, 4, None, 1.5, {"a": [1, "x"]}, {"a": [1]}, "re"]),
    ({"const": "a\"b\\c\n"}, ["a\"b\\c\n", "a", ""]), ({"const": [1, {"x": None}]}, [[1, {"x": None}], [1], []]),
    ({"enum": ["a", "bb", "ccc", 1, 20], "minLength": 2, "minimum": 5}, ["a", "bb", "ccc", 1, 20]),
    ({"type": "string", "enum": ["a", 1, None]}, ["a", 1, None]),
    # Numbers
    ({"type": "integer", "minimum": 3}, NUMBERS), ({"type": "integer", "maximum": -10}, NUMBERS),
    ({"type": "integer", "minimum": -11, "maximum": 99}, NUMBERS),
    ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 100}, NUMBERS),
    ({"type": "integer", "minimum": 10, "maximum": 12}, NUMBERS), ({"type": "integer", "minimum": 9.5, "maximum": 12.5}, NUMBERS),
    ({"type": "number", "minimum": 0.25, "maximum": 9.99}, NUMBERS),
    ({"type": "number", "exclusiveMinimum": -1.5, "exclusiveMaximum": 3.14}, NUMBERS),
    ({"type": "number", "minimum": -3.75, "exclusiveMaximum": 0}, NUMBERS), ({"maximum": 1, "type": ["number", "string"]}, NUMBERS + STRINGS),
    ({"type": "integer", "multipleOf": 3}, NUMBERS), ({"type": "number", "multipleOf": 0.5}, NUMBERS),
    ({"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 10}, NUMBERS),
    ({"type": "integer", "multipleOf": 2.5}, NUMBERS), ({"type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 1000}, [7, 14, 21, 994, 1001, 0, -7]),
    ({"type": "number", "minimum": 1000000000000, "maximum": 1e15}, [999999999999, 1000000000000, 123456789012345, 1000000000000001]),
    # Strings
    ({"type": "string", "minLength": 2, "maxLength": 3}, STRINGS), ({"type": "string", "maxLength": 0}, STRINGS),
    ({"type": "string", "minLength": 4}, STRINGS), ({"type": "string", "pattern": "^foo"}, STRINGS),
    ({"type": "string", "pattern": "foo$"}, STRINGS), ({"type": "string", "pattern": "o"}, STRINGS),
    ({"type": "string", "pattern": "^[a-z]+[0-9]*$"}, STRINGS), ({"type": "string", "pattern": "^(a|bc)?$"}, STRINGS),
    ({"type": "string", "pattern": "[\"\\\\\\t]"}, STRINGS), ({"type": "string", "pattern": "^[a-f]*$", "minLength": 2, "maxLength": 4}, STRINGS),
    ({"type": "string", "pattern": "^(?=.*[0-9])(?!.*b)"}, STRINGS), ({"type": "string", "pattern": "^\\S+$", "allOf": [{"pattern": "[^a-z]"}]}, STRINGS),
    ({"type": "string", "format": "date"}, ["2024-02-29", "2023-02-29", "2000-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "2024-12-31", "0000-01-01", "24-1-1", ""]),
    ({"type": "string", "format": "time"}, ["12:30:00Z", "23:59:59.5+02:00", "24:00:00Z", "12:60:00Z", "12:30", "12:30:00"]),
    ({"type": "string", "format": "date-time"}, ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09.123-05:30", "2024-05-06", "2024-05-32T07:08:09Z", "2024-05-06 07:08:09"]),
    ({"type": "string", "format": "duration"}, ["P1D", "P1Y2M3D", "PT1H2M3S", "P2W", "P3DT12H", "1D", "P", "PT", "P1H"]),
    ({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", "123e4567e89b12d3a456426614174000", "g23e4567-e89b-12d3-a456-426614174000"]),
    ({"type": "string", "format": "ipv4"}, ["0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "01.2.3.4", "192.168.1.10"]),
    ({"type": "string", "format": "ipv6"}, ["::", "::1", "1::", "2001:db8::8a2e:370:7334", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::ffff:1.2.3.4", "1::2::3", "12345::", ":1", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8"]),
    ({"type": "string", "format": "email"}, ["a@b.c", "joe.bloggs@example.com", "no-at", ""]),
    ({"type": "string", "format": "hostname"}, ["example.com", "a-b.c", "-a.b", "a_b"]),
    ({"type": "string", "format": "json-pointer"}, ["", "/a/b~0/c~1", "/a~2", "a"]),
    # Arrays
    ({"type": "array", "items": {"type": "integer"}}, [[], [1], [1, 2, 3], ["a"], [1, "a"], [1.5]]),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}, [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [[], [1], [1, "a"], [1, 2], ["a"], [1, "a", None, {}]]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 1}, [[], [1], [1, "a"], [1, "a", 2]]),
    ({"type": "array", "prefixItems": [{"const": 1}], "items": {"type": "boolean"}}, [[], [1], [1, True], [1, 1], [True]]),
    ({"type": "array", "items": False}, [[], [1]]), ({"items": {"type": "string"}}, ANY),
    ({"type": "array", "contains": {"type": "integer"}}, [[], [1], ["a"], ["a", 1], [1, 2], ["a", "b", 3]]),
    ({"type": "array", "items": {"enum": [1, 2, "x"]}, "contains": {"type": "integer"}, "minContains": 2, "maxContains": 3},
     [[1], [1, "x", 2], [1, 1, 1], [1, 1, 1, 1], ["x", "x"], [1, "x", 1, "x", 1], [1, "x", 1, "x", 1, 2]]),
    ({"type": "array", "contains": {"const": 1}, "minContains": 0}, [[], [1], [2]]),
    ({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True}, [[], ["a"], ["a", "b"], ["a", "a"], ["c", "b", "a"], ["a", "b", "c", "a"]]),
    ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 1}, [[], [True], [True, False], [True, True]]),
    ({"type": "array", "items": {"type": "array", "items": {"type": "null"}, "maxItems": 1}}, [[], [[]], [[None], []], [[None, None]], [None]]),
    # Objects
    (obj({"a": {"type": "integer"}, "b": {"type": "string"}}, ["a"]),
     [{}, {"a": 1}, {"a": 1, "b": "x"}, {"b": "x"}, {"a": "x"}, {"a": 1, "c": [1]}, {"a": 1, "b": 2}, {"a": 1, "b": "", "c": None, "d": {}}]),
    (obj({"a": {"type": "integer"}, "b": {"type": "string"}}, ["a", "b"], additionalProperties=False),
     [{}, {"a": 1}, {"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 1}]),
    (obj({"a": True, "b": True, "c": True}, [], additionalProperties=False), [{}, {"a": 1}, {"b": 1}, {"a": 1, "c": 1}, {"a": 1, "b": 2, "c": 3}, {"d": 1}]),
    (obj({"a": {"type": "null"}}, [], additionalProperties={"type": "integer"}), [{}, {"a": None}, {"b": 1}, {"a": None, "bb": 2}, {"a": 1}, {"b": "x"}, {"aa": 1}]),
    (obj({}, ["x", "y"]), [{}, {"x": 1}, {"x": 1, "y": 2}, {"x": 1, "y": 2, "z": 3}]),
    ({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}, [{}, {"a": "b"}, {"a": "b", "c": "d"}, {"a": 1}]),
    ({"type": "object", "maxProperties": 2}, [{}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}]),
    (obj({"a": True, "b": True, "c": True}, [], minProperties=2, additionalProperties=False), [{}, {"a": 1}, {"a": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}]),
    (obj({"a": True, "b": True, "c": True}, ["b"], maxProperties=2), [{"b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"b": 1, "z": 1}, {"b": 1, "y": 1, "z": 1}]),
    ({"type": "object", "patternProperties": {"^n_": {"type": "integer"}, "_s$": {"type": "string"}}, "additionalProperties": {"type": "null"}},
     [{}, {"n_a": 1}, {"n_a": "x"}, {"a_s": "x"}, {"a_s": 1}, {"q": None}, {"q": 1}, {"n_s": 1}, {"n_": 4, "z": None}]),
    (obj({"n_a": {"minimum": 5}}, [], patternProperties={"^n_": {"type": "integer"}}, additionalProperties=False),
     [{"n_a": 5}, {"n_a": 4}, {"n_a": "x"}, {"n_b": 1}, {"n_b": "x"}, {"b": 1}]),
    ({"type": "object", "propertyNames": {"pattern": "^[a-z]{2,3}$"}}, [{}, {"ab": 1}, {"a": 1}, {"abcd": 1}, {"A": 1}]),
    ({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}}, [{}, {"a": 1}, {"b": 2}, {"c": 1}, {"a": "x"}]),
    (obj({"a\"b": {"type": "integer"}, "é/~": {"type": "integer"}}, ["a\"b"], additionalProperties=False), [{"a\"b": 1}, {"a\"b": 1, "é/~": 2}, {"é/~": 2}]),
    (obj({"a": False, "b": {"type": "integer"}}), [{}, {"b": 1}, {"a": 1}]),
    (obj({"a": True, "b": True}, dependentRequired={"a": ["b"]}), [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}]),
    (obj({"a": True, "b": True}, dependentSchemas={"a": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}}),
     [{}, {"a": 1}, {"b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": 3}]),
    ({"properties": {"a": {"type": "integer"}}}, ANY + [{"a": "x"}]),
    # References
    ({"$defs": {"node": obj({"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, ["value", "next"], additionalProperties=False)}, "$ref": "#/$defs/node"},
     [{"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": None}}, {"value": 1}, {"value": 1, "next": 2}]),
    (obj({"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}, ["name"], additionalProperties=False),
     [{"name": "a"}, {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c"}]}, {"name": "a", "children": [1]}, {"children": []}]),
    ({"$defs": {"a/b": {"c~d": {"type": "integer"}}, "n": {"$anchor": "here", "type": "boolean"}}, "type": "array", "prefixItems": [{"$ref": "#/$defs/a~1b/c~0d"}, {"$ref": "#here"}], "items": False},
     [[1], [1, True], ["a"], [1, 1]]),
    ({"definitions": {"p": {"type": "integer", "minimum": 1}}, "$ref": "#/definitions/p", "maximum": 5}, NUMBERS),
    # Combinations
    ({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "string", "maxLength": 1}]}, ANY + NUMBERS),
    ({"type": "integer", "anyOf": [{"minimum": 10}, {"maximum": -10}]}, NUMBERS),
    ({"allOf": [obj({"a": {"type": "integer"}}, ["a"]), obj({"b": {"type": "integer"}}, ["b"])]}, [{"a": 1}, {"a": 1, "b": 2}, {"b": 2}, {"a": 1, "b": "x"}, {"a": 1, "b": 2, "c": 0}]),
    ({"allOf": [{"type": ["integer", "string"]}, {"type": ["integer", "null"]}, {"minimum": 3}]}, ANY),
    ({"allOf": [obj({"a": {"minimum": 3}}), obj({"a": {"type": "integer"}}, additionalProperties=False)]}, [{}, {"a": 3}, {"a": 2}, {"a": "x"}, {"b": 1}]),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ANY),
    ({"oneOf": [obj({"kind": {"const": "cat"}, "lives": {"type": "integer"}}, ["kind", "lives"]), obj({"kind": {"const": "dog"}, "name": {"type": "string"}}, ["kind"])]},
     [{"kind": "cat", "lives": 9}, {"kind": "dog"}, {"kind": "dog", "name": "Rex"}, {"kind": "cat"}, {"kind": "cow"}, {"kind": "dog", "name": 1}]),
    ({"oneOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": 5}]}, NUMBERS),
    ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": True, "b": True}}, [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}]),
    ({"not": {"type": "string"}}, ANY), ({"type": "integer", "not": {"minimum": 3, "maximum": 5}}, NUMBERS),
    ({"type": "string", "not": {"enum": ["a", "ab", "é"]}}, STRINGS), ({"type": "integer", "not": {"const": 5}}, NUMBERS),
    ({"type": "string", "not": {"pattern": "foo"}}, STRINGS), ({"type": "object", "not": {"required": ["a"]}}, [{}, {"a": 1}, {"b": 1}]),
    ({"type": ["number", "null"], "not": {"type": "integer"}}, ANY + NUMBERS), ({"not": {"anyOf": [{"type": "array"}, {"type": "object"}, {"const": True}]}}, ANY),
    ({"type": "array", "not": {"items": {"type": "integer"}}}, [[], [1], ["a"], [1, "a", 2]]),
    (obj({"kind": {"enum": ["a", "b"]}, "x": True}, ["kind"], **{"if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["x"]}, "else": {"properties": {"x": {"type": "null"}}}}),
     [{"kind": "a"}, {"kind": "a", "x": 1}, {"kind": "b"}, {"kind": "b", "x": None}, {"kind": "b", "x": 1}, {"kind": "c"}]),
    # Different items
    ({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "uniqueItems": True, "maxItems": 3},
     [[], [1], [1, 2, 3], [3, 3], [9, 1, 9], [1, 2, 3, 4], [0, 1], [5, 4]]),
    ({"type": "array", "items": {"enum": ["a", "b", 1, 1.0, True, None, [1], {"x": 1}, "c", "d"]}, "uniqueItems": True, "minItems": 2, "maxItems": 3},
     [["a"], ["a", "b"], [1, True], [1, "a", 1], [[1], [1]], [{"x": 1}, [1]], ["a", "b", "c", "d"], ["d", "c", None], ["d", "c", "d"]]),
    ({"type": "array", "prefixItems": [{"enum": ["a", "b"]}, {"enum": ["a", "c"]}], "items": {"const": "d"}, "uniqueItems": True, "minItems": 2},
     [["a", "c"], ["a", "a"], ["b", "a"], ["b", "c", "d"], ["b", "c", "d", "d"], ["a"], ["b", "a", "c"]]),
    ({"type": "array", "prefixItems": [{"enum": ["a", "b"]}, {"const": "a"}], "uniqueItems": True, "minItems": 2, "maxItems": 2},
     [["a", "a"], ["b", "a"], ["b"], ["a"]]),
    # What other schemas have not seen
    ({"allOf": [obj({"a": {"type": "integer"}}, ["a"]), obj({"b": {"type": "string"}})], "properties": {"c": True}, "unevaluatedProperties": False},
     [{"a": 1}, {"a": 1, "b": "x"}, {"c": [], "a": 1, "b": "x"}, {"a": 1, "d": 1}, {"b": "x"}, {"a": "x"}, 3]),
    ({"$defs": {"base": obj({"id": {"type": "integer"}}, ["id"])}, "$ref": "#/$defs/base", "properties": {"name": {"type": "string"}}, "unevaluatedProperties": {"type": "null"}},
     [{"id": 1}, {"name": "x", "id": 1}, {"name": 2, "id": 1}, {"id": 1, "other": None}, {"id": 1, "other": 1}, {"name": "x"}]),
    ({"type": "object", "anyOf": [obj({"a": {"type": "integer"}}, ["a"]), obj({"b": {"type": "integer"}}, ["b"]), obj({"c": {"type": "integer"}}, ["c"])], "unevaluatedProperties": False},
     [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": "x"}, {"a": "x", "b": 1}, {"a": 1, "d": 1}, {"c": 3}]),
    ({"oneOf": [obj({"kind": {"const": "cat"}, "lives": {"type": "integer"}}, ["kind"]), obj({"kind": {"const": "dog"}, "name": {"type": "string"}}, ["kind"])], "unevaluatedProperties": False},
     [{"kind": "cat", "lives": 9}, {"kind": "dog", "name": "Rex"}, {"kind": "dog", "lives": 9}, {"kind": "cat", "name": "Tom"}, {"kind": "cat"}, {"kind": "cow"}]),
    (obj({"kind": {"enum": ["a", "b"]}}, ["kind"], **{"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}, "then": {"properties": {"x": {"type": "integer"}}},
                                                     "else": {"properties": {"y": {"type": "integer"}}}, "unevaluatedProperties": False}),
     [{"kind": "a"}, {"kind": "a", "x": 1}, {"kind": "a", "y": 1}, {"kind": "b", "y": 1}, {"kind": "b", "x": 1}, {"kind": "b", "y": "z"}, {"kind": "c"}]),
    (obj({"a": True}, **{"if": obj({"b": {"type": "integer"}}, ["b"]), "unevaluatedProperties": False}), [{}, {"a": 1}, {"a": 1, "b": 1}, {"b": "x"}, {"b": 1}, {"c": 1}]),
    (obj({"a": True, "b": True}, dependentSchemas={"a": {"properties": {"c": {"type": "integer"}}}}, unevaluatedProperties=False),
     [{}, {"a": 1}, {"a": 1, "c": 1}, {"b": 1}, {"b": 1, "c": 1}, {"a": 1, "c": "x"}]),
    ({"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
     [{}, {"a": 1}, {"n_a": 1}, {"n_a": "x"}, {"a": 1, "n_b": 2}, {"b": 1}]),
    ({"type": "object", "not": {"properties": {"a": {"type": "string"}}, "required": ["a"]}, "properties": {"b": True}, "unevaluatedProperties": False}, [{}, {"b": 1}, {"a": 1}, {"a": "x"}, {"c": 1}]),
    (obj({"a": obj({"b": True})}, allOf=[{"properties": {"a": obj({"c": True})}}], unevaluatedProperties=False), [{}, {"a": {"c": 2, "b": 1, "d": 3}}, {"a": 1}, {"b": 1}]),
    ({"allOf": [obj({"a": True}, additionalProperties={"type": "integer"})], "properties": {"b": True}, "unevaluatedProperties": False}, [{"a": "x"}, {"b": 1}, {"b": "x"}, {"c": 1}, {"c": "x"}]),
    ({"allOf": [obj({"a": True}, unevaluatedProperties=True)], "unevaluatedProperties": False}, [{"a": 1}, {"b": 1}, {}, 1]),
    ({"allOf": [obj({"a": True}, unevaluatedProperties=False)], "properties": {"b": True}}, [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {}]),
    ({"enum": [{"a": 1}, {"b": 1}, 3], "properties": {"a": True}, "unevaluatedProperties": False}, [{"a": 1}, {"b": 1}, 3, 4]),
    ({"type": "array", "allOf": [{"prefixItems": [{"type": "integer"}]}, {"prefixItems": [True, {"type": "string"}]}], "unevaluatedItems": False},
     [[], [1], [1, "a"], [1, 2], ["a"], [1, "a", None]]),
    ({"type": "array", "anyOf": [{"prefixItems": [{"const": 1}]}, {"prefixItems": [True, {"const": 2}], "minItems": 2}], "unevaluatedItems": {"type": "null"}},
     [[], [1], [1, 2], [1, None], [3, 2], [3, 2, None], [1, 2, 3], [3, None], [1, None, None]]),
    ({"type": "array", "oneOf": [{"type": "array", "items": {"type": "integer"}, "minItems": 2}, {"type": "array", "prefixItems": [{"type": "string"}], "maxItems": 1}], "unevaluatedItems": False},
     [[1], [1, 2], ["a"], ["a", 1], [], [None]]),
    # As people write them
    (obj({"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "email": {"type": "string", "format": "email"},
          "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}, "address": obj({"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}, ["zip"], additionalProperties=False)},
         ["name", "age"], additionalProperties=False),
     [{"name": "Ann", "age": 3}, {"name": "", "age": 3}, {"name": "Ann", "age": 151}, {"name": "Ann", "age": 150, "tags": ["x", "y"]},
      {"name": "Ann", "age": 15, "address": {"zip": "12345"}}, {"name": "Ann", "age": 15, "address": {"street": "s", "zip": "1234"}},
      {"name": "Ann", "age": 15, "email": "a@b.c", "tags": [], "address": {"street": "s", "zip": "99999"}}]),
]

out = []
for schema, instances in CASES:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    case = {"schema": schema, "valid": [], "invalid": []}
    seen = set()
    for instance in instances:
        text = json.dumps(instance, ensure_ascii=False, separators=(",", ":"))
        if text not in seen:
            seen.add(text)
            case["valid" if validator.is_valid(instance) else "invalid"].append(text)
    out.append(case)
path = pathlib.Path(__file__).with_name("schema-cases.json")
path.write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in out) + "\n]\n")
print(len(out), "schemas,", sum(len(c["valid"]) for c in out), "valid,", sum(len(c["invalid"]) for c in out), "invalid,", path.stat().st_size, "bytes")
