"""Writes ifeval.json: which replies follow which of IFEval's instructions, as lm-evaluation-harness's checks say.

    python make_ifeval.py

Needs lm_eval[ifeval]. Left out are the checks that ask packages with data of their own (languages, sentences, words in capitals).
"""
import json, os, sys, types

import nltk
nltk.download = lambda *a, **k: True
nltk.data.find = lambda *a, **k: True
from lm_eval.tasks.ifeval import utils

HERE = os.path.dirname(os.path.abspath(__file__))
REPLIES = [
    "", "Yes.", "My answer is yes.", "\"My answer is no, and that is that.\"", "<<A title>>\n\nOne, two, three.\n\nP.S. Bye",
    "* one\n* two\n- three\n\n*** \nSecond part *here* and **there**", "SECTION 1\ntext\nSECTION 2\nmore [name] and [place]",
    "{\"a\": [1, 2]}", "```json\n{\"a\": 1}\n```", "A first answer.\n******\nAnother answer.", "******\nsame\n******\nsame\n******",
    "Write a poem. Here it is: roses are red", "First paragraph.\n\nSecond one\n\n'Third, they say", "first\n\nsecond\n\n",
    "Is there anything else I can help with?", "ALL BIG LETTERS, EVERYWHERE", "all small letters everywhere eee",
    "p. p. s. one more thing", "part one\n***\npart two\n***\n\n***\npart three", "*a* *b* *c* ** **", "Sea, seaside and SEA. The sea!",
    "Intro line\n\"quoted\"\nlast line", "\"quoted reply\"", "* star line\nP.P.S I forgot", "- a\n- b\n-c\n** not a bullet",
]
CHECKS = [
    ("keywords:existence", {"keywords": ["sea", "the"]}), ("keywords:existence", {"keywords": ["answer"]}),
    ("keywords:frequency", {"keyword": "sea", "relation": "at least", "frequency": 2}),
    ("keywords:frequency", {"keyword": "one", "relation": "less than", "frequency": 2}),
    ("keywords:forbidden_words", {"forbidden_words": ["sea", "two"]}),
    ("keywords:letter_frequency", {"letter": "e", "let_relation": "at least", "let_frequency": 4}),
    ("keywords:letter_frequency", {"letter": "s", "let_relation": "less than", "let_frequency": 2}),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}), ("length_constraints:number_paragraphs", {"num_paragraphs": 3}),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 5}),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 4}),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 3, "nth_paragraph": 3, "first_word": "third"}),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "first"}),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}), ("detectable_content:postscript", {"postscript_marker": "P.P.S"}),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}), ("detectable_format:number_bullet_lists", {"num_bullets": 1}),
    ("detectable_format:constrained_response", {}),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2}),
    ("detectable_format:json_format", {}), ("detectable_format:title", {}), ("combination:two_responses", {}),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem."}),
    ("startend:end_checker", {"end_phrase": "anything else I can help with?"}), ("startend:end_checker", {"end_phrase": "bye"}),
    ("startend:quotation", {}), ("punctuation:no_comma", {}),
]

strict, loose = [], []
for name, settings in CHECKS:
    for reply in REPLIES:
        sample = utils.InputExample(key=0, instruction_id_list=[name], prompt="Write a poem.", kwargs=[settings])
        strict.append(utils.test_instruction_following_strict(sample, reply).follow_all_instructions)
        loose.append(utils.test_instruction_following_loose(sample, reply).follow_all_instructions)
with open(f"{HERE}/ifeval.json", "w") as file:
    json.dump({"replies": REPLIES, "checks": CHECKS, "strict": "".join("01"[v] for v in strict),
               "loose": "".join("01"[v] for v in loose)}, file, ensure_ascii=False, indent=1)
