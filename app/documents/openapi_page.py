"""The OpenAPI document as the values of a page."""

from __future__ import annotations

from typing import Any


def sections(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations by tag, each with its parameters and answers written out."""
    known = document["components"]
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        operation = methods["get"]
        resolved = [
            known["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in operation["parameters"]
        ]
        found[operation["tags"][0]].append({
            "id": operation["operationId"],
            "path": path,
            "summary": operation["summary"],
            "parameters": [_parameter(each) for each in resolved],
            "answers": [_answer(status, each, known["responses"]) for status, each in operation["responses"].items()],
        })
    return [{"title": title, "operations": operations} for title, operations in found.items()]


def _parameter(described: dict[str, Any]) -> dict[str, Any]:
    schema = described["schema"]
    limits = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("default", "default"))
        if key in schema
    ]
    return {
        "name": described["name"],
        "place": described["in"],
        "type": schema["type"],
        "limits": ", ".join(limits),
        "choices": schema.get("enum", ()),
        "description": described["description"],
        "note": schema.get("description", ""),
        "example": described.get("example"),
        "required": described.get("required", False),
    }


def _answer(status: str, described: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    answer = known[described["$ref"].rpartition("/")[2]] if "$ref" in described else described
    return {"status": status, "description": answer["description"], "types": list(answer.get("content", ()))}
