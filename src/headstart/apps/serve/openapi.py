"""The OpenAPI document of the server, and a page for people that is made from it: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from headstart import __version__
from headstart.apps.serve.answering import Predictor

#: One white pixel, a PNG: small enough for an example.
EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"
_BASE64 = {"type": "string", "contentEncoding": "base64", "description": "The bytes of a photo's file, as base64."}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_WRONG = {
    "400": "The request cannot be understood.",
    "401": "The token is missing or wrong.",
    "403": "A page of another site sent it, and may not.",
    "408": "The request arrived too slowly.",
    "413": "It is too large, or has too many photos.",
    "415": "The type of the body is not one of these.",
    "421": "It is addressed to another server.",
    "422": "A photo cannot be used; the error names the reason.",
    "503": "Too many photos are waiting: try again after the seconds in Retry-After.",
}


def document(name: str, model: str, predictor: Predictor, with_token: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        name: of the classifier.
        model: path of its metadata.
        predictor: answers.
        with_token: whether a token is needed.
    """
    classes, limits = list(predictor.classifier.classes), predictor.engine.limits
    label = {
        "type": "object",
        "required": ["label", "score"],
        "properties": {
            "label": {"type": "string", "enum": classes},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "unknown": {"type": "boolean", "description": "Whether the photo is unlike all training photos."},
        },
        "additionalProperties": False,
    }
    labels = {"type": "array", "items": label}
    scores = [0.9, 0.1] + [0.0] * (len(classes) - 2)
    shown = [{"label": one, "score": score, "unknown": False} for one, score in zip(classes[:2], scores, strict=False)]
    vector = {"type": "array", "items": {"type": "number"}}
    query = [
        _query(
            "top",
            {"type": "integer", "minimum": 1, "maximum": 999_999_999},
            "How many classes to answer: 5 if not given.",
        ),
        _query(
            "unknown",
            {"type": "string", "enum": ["true", "false"]},
            "false leaves out whether the photo is unlike the training photos.",
        ),
    ]
    photos = (
        f"One photo or up to {limits.photos}, each at most {limits.photo_bytes:,} bytes and {limits.pixels:,} pixels. "
        "One photo has one answer; several photos, or a list in JSON, have a list of answers."
    )
    paths: dict[str, Any] = {
        "/predict": {"post": _post("Predict photos", photos, _photo_body(), _one_or_many(labels), shown, query)},
        "/embed": {
            "post": _post(
                "Feature vectors of photos", photos, _photo_body(with_top=False), _one_or_many(vector), [0.12, 0.0]
            )
        },
        f"{model}/infer": {
            "post": _post(
                "Open Inference Protocol: infer",
                "One tensor: BYTES [n], photos' files as base64, or UINT8 [n, height, width, 3], RGB. Binary tensors "
                "may follow the JSON (Inference-Header-Content-Length).",
                _infer_body(),
                {"type": "object", "required": ["model_name", "outputs"]},
                {
                    "model_name": name,
                    "model_version": "1",
                    "outputs": [
                        {"name": "probabilities", "datatype": "FP64", "shape": [1, len(classes)], "data": scores},
                        {"name": "label", "datatype": "BYTES", "shape": [1], "data": classes[:1]},
                        {"name": "unknown", "datatype": "BOOL", "shape": [1], "data": [False]},
                    ],
                },
            )
        },
        model: {"get": _get("Class names, card, and what was measured")},
        f"{model}/ready": {"get": _get("Whether the classifier is ready")},
        "/v2": {"get": _get("Name and version of the server")},
        "/v2/health/live": {"get": _get("Whether the server lives; needs no token")},
        "/v2/health/ready": {"get": _get("Whether the server is ready; needs no token")},
        "/metrics": {"get": _get("Numbers for Prometheus", "text/plain")},
        "/openapi.json": {"get": _get("This document")},
    }
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"headstart: {name}", "version": __version__, "description": f"{len(classes)} classes."},
        "paths": paths,
    }
    if with_token:
        made["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        made["security"] = [{"token": []}]
    return made


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _one_or_many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


def _answers(kind: str, schema: dict[str, Any] | None, example: Any = None, wrong: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {} if schema is None else {"schema": schema}
    if example is not None:
        content["example"] = example
    refused = {
        code: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
        for code, text in _WRONG.items()
        if wrong or code in ("400", "401", "408", "413", "421", "503")
    }
    return {"200": {"description": "Answered.", "content": {kind: content}}, **refused}


def _get(summary: str, kind: str = "application/json") -> dict[str, Any]:
    return {"summary": summary, "responses": _answers(kind, None, wrong=False)}


def _post(
    summary: str, text: str, body: dict[str, Any], schema: dict[str, Any], example: Any, query: Any = ()
) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": text,
        "parameters": list(query),
        "requestBody": {"required": True, "content": body},
        "responses": _answers("application/json", schema, example),
    }


def _photo_body(with_top: bool = True) -> dict[str, Any]:
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    one_or_many = {"anyOf": [_BASE64, {"type": "array", "items": _BASE64, "minItems": 1}]}
    parameters = {"type": "object", "properties": {"top_k": {"type": "integer", "minimum": 1, "maximum": 999_999_999}}}
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"image": {"type": "array", "items": file, "minItems": 1}},
                "required": ["image"],
            }
        },
        "image/*": {"schema": file},
        "application/octet-stream": {"schema": file},
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"inputs": one_or_many, "parameters": parameters},
                "required": ["inputs"],
            },
            "example": {"inputs": EXAMPLE, **({"parameters": {"top_k": 3}} if with_top else {})},
        },
    }


def _infer_body() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 1}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": whole, "minItems": 1, "maxItems": 4},
            "datatype": {"type": "string", "enum": ["BYTES", "UINT8"]},
            "data": {"type": "array"},
        },
    }
    example = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [EXAMPLE]}]}
    return {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
                },
            },
            "example": example,
        }
    }


@dataclass(frozen=True)
class Page:
    """A page, and the Content-Security-Policy that admits its style sheet and nothing else."""

    html: str
    policy: str


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .3rem; overflow-wrap: anywhere; }
code, pre { font: .85rem/1.5 ui-monospace, monospace; }
pre { padding: .7rem 1rem; overflow-x: auto; border: 1px solid #8886; border-radius: 6px; }
.method { display: inline-block; min-width: 3.2rem; font-weight: 700; color: light-dark(#0b57d0, #8ab4f8); }
table { border-collapse: collapse; width: 100%; }
td { padding: .15rem .8rem .15rem 0; vertical-align: top; border-top: 1px solid #8883; }
td:first-child { white-space: nowrap; }
"""
_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ doc.info.title }}</title><style>{{ style }}</style></head><body>
<h1>{{ doc.info.title }}</h1>
<p>{{ doc.info.description }} headstart {{ doc.info.version }}.
For programs: <a href="openapi.json">openapi.json</a>.</p>
{% if doc.security %}<p>Send the token with each request: <code>Authorization: Bearer TOKEN</code>.</p>{% endif %}
<pre>curl -F image=@photo.jpg {% if doc.security %}-H "Authorization: Bearer $HEADSTART_TOKEN" {% endif %}\
http://{{ address }}/predict</pre>
{% for path, methods in doc.paths.items() %}{% for method, one in methods.items() %}
<section>
<h2><span class="method">{{ method.upper() }}</span> <code>{{ path }}</code></h2>
<p>{{ one.summary }}.{% if one.description %} {{ one.description }}{% endif %}</p>
{% if one.parameters %}<table>{% for p in one.parameters %}
<tr><td><code>?{{ p.name }}=</code></td><td>{{ p.description }}</td></tr>{% endfor %}</table>{% endif %}
{% if one.requestBody %}<p>Body: {% for kind in one.requestBody.content %}<code>{{ kind }}</code>\
{% if not loop.last %}, {% endif %}{% endfor %}.</p>
{% for kind, body in one.requestBody.content.items() if body.example %}<pre>{{ pretty(body.example) }}</pre>{% endfor %}
{% endif %}
{% for kind, body in one.responses["200"].content.items() if body.example %}
<p>Answer:</p><pre>{{ pretty(body.example) }}</pre>{% endfor %}
{% if one.requestBody %}<details><summary>Errors: <code>{"error": "..."}</code></summary><table>
{% for code, what in one.responses.items() if code != "200" %}
<tr><td>{{ code }}</td><td>{{ what.description }}</td></tr>{% endfor %}</table></details>{% endif %}
</section>{% endfor %}{% endfor %}
</body></html>
"""


def page(made: dict[str, Any], address: str) -> Page:
    """The page of an OpenAPI document, for a server at an address such as `127.0.0.1:8080`."""
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True).from_string(_TEMPLATE)
    html = template.render(doc=made, address=address, style=Markup(_STYLE), pretty=_pretty)
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    return Page(html, f"{policy}; form-action 'none'")


def _pretty(example: Any) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
