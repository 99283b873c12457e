"""What a reader of YAML 1.1 makes of the streams that stdin holds as a JSON object of texts by their names.

Prints a JSON object: of each name the documents as PyYAML reads them, and every word without quotes that YAML 1.1
(https://yaml.org/type/) and the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) take for
different things. PyYAML knows most of 1.1 and not all of it, so the words are held to the pages themselves.
"""

import json
import re
import sys

import yaml

WORD = {"true": True, "yes": True, "on": True, "y": True, "false": False, "no": False, "off": False, "n": False}
DATE = r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?([ \t]*(Z|[-+]\d\d?(:\d\d)?))?"


def matches(pattern, text):
    return re.fullmatch(pattern, text) is not None


def digits(text):
    """A number that may be sexagesimal."""
    negative = text.startswith("-")
    total = 0
    for part in text.lstrip("+-").replace("_", "").split(":"):
        total = total * 60 + (float(part) if "." in part else int(part))
    return -total if negative else total


def in_1_1(text):
    plain = text.replace("_", "").lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if matches(r"y|Y|n|N|(yes|no|true|false|on|off|Yes|No|True|False|On|Off|YES|NO|TRUE|FALSE|ON|OFF)", text):
        return "bool", WORD[text.lower()]
    if matches(r"~|null|Null|NULL|", text):
        return "null", None
    if matches(r"[-+]?0b[01_]+", text):
        return "int", sign * int(plain[2:], 2)
    if matches(r"[-+]?0x[0-9a-fA-F_]+", text):
        return "int", sign * int(plain[2:], 16)
    if matches(r"[-+]?0[0-7_]+", text):
        return "int", sign * int(plain, 8)
    if matches(r"[-+]?(0|[1-9][0-9_]*)|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+", text):
        return "int", digits(text)
    if matches(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*", text):
        return "float", digits(text)
    if matches(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?", text):
        return "float", sign * float(plain)
    if matches(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return "float", text.lower().lstrip("+")
    if matches(DATE, text):
        return "timestamp", text
    if text in ("<<", "="):
        return text, text
    return "str", text


def in_1_2(text):
    if matches(r"true|True|TRUE|false|False|FALSE", text):
        return "bool", WORD[text.lower()]
    if matches(r"~|null|Null|NULL|", text):
        return "null", None
    if matches(r"[-+]?[0-9]+", text):
        return "int", int(text)
    if matches(r"0o[0-7]+", text):
        return "int", int(text[2:], 8)
    if matches(r"0x[0-9a-fA-F]+", text):
        return "int", int(text[2:], 16)
    if matches(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return "float", float(text)
    if matches(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return "float", text.lower().lstrip("+")
    return "str", text


def doubtful(text):
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and in_1_1(event.value) != in_1_2(event.value):
            yield f"line {event.start_mark.line + 1}: {event.value}"


def shown(value):
    """As JSON has it; a date as what no text of ours is."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else f"{type(key).__name__} {key}": shown(it) for key, it in value.items()}
    if isinstance(value, list):
        return [shown(it) for it in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {type(value).__name__: str(value)}


def judged(text):
    documents = [shown(it) for it in yaml.safe_load_all(text)]
    return {"documents": documents, "doubtful": list(doubtful(text))}


json.dump({name: judged(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
