"""A request is followed from its caller's trace to the commit that paid for it."""

import asyncio
import json
import signal
import subprocess
import sys

import httpx2
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.app.asking import ASK
from tests.app.shell import ROOT
from tests.journeys.collector import Collector, collecting, told
from tests.journeys.fleet import open_fleet

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PROMPT = "a question that nobody else may read"


def tree(collector: Collector, trace: str) -> dict[str, Span]:
    """The spans of one trace, by name."""
    return {span.name: span for span in collector.spans if span.trace_id.hex() == trace}


def parents(spans: dict[str, Span]) -> dict[str, str]:
    names = {span.span_id.hex(): name for name, span in spans.items()}
    return {
        name: names.get(span.parent_span_id.hex(), span.parent_span_id.hex())
        for name, span in spans.items()
    }


async def test_a_question_is_traced_from_its_caller_to_its_commits_and_tells_no_words(
    database_url: str, deployment_secret: str
) -> None:
    with collecting() as collector:
        async with open_fleet(
            database_url,
            deployment_secret,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as fleet:
            server = await fleet.server()
            async with httpx2.AsyncClient(timeout=60) as http:
                reply = await http.post(
                    f"{server.url}/graphql?tracked=too",
                    json={
                        "query": ASK,
                        "operationName": "Ask",
                        "variables": {"content": PROMPT, "key": "k", "wait": 30},
                    },
                    headers={
                        "authorization": f"Bearer {fleet.token}",
                        "traceparent": f"00-{TRACE}-{CALLER}-01",
                        "x-request-id": "request-0001",
                    },
                )
            failed = await fleet.ask(server, "Hello\nsimulate: empty", "empty")
            assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
            server.wait_for('"path":"/graphql"')

    spans = tree(collector, TRACE)
    answered = reply.json()["data"]["askAI"]["answer"]
    assert answered["status"] == "SUCCEEDED"
    assert parents(spans) == {
        "POST /graphql": CALLER,
        "graphql": "POST /graphql",
        "hold": "graphql",
        "answer": "graphql",
        "provider attempt": "answer",
        "settle": "answer",
    }
    assert told(spans["POST /graphql"]) == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "request.id": "request-0001",
    }
    assert told(spans["graphql"]) == {
        "graphql.operation.type": "mutation",
        "graphql.operation.name": "Ask",
    }
    assert told(spans["provider attempt"]) == {"tallystick.route": "default"}
    batches = [span for span in collector.spans if span.name == "ledger batch"]
    linked = {link.span_id.hex() for batch in batches for link in batch.links}
    assert {spans["hold"].span_id.hex(), spans["settle"].span_id.hex()} <= linked
    assert failed["askAI.code"] == "PROVIDER_FAILED"
    tries = [told(span) for span in collector.spans if span.name == "provider attempt"]
    assert any(each.get("error.type") for each in tries)
    assert all(span.status.code == Status.STATUS_CODE_UNSET for span in spans.values())
    assert collector.services == {"tallystick"}
    sent = b"".join(collector.bodies)
    for secret in (PROMPT, fleet.token, answered["text"], "tracked", "127.0.0.1", "somebody@"):
        assert secret.encode() not in sent
    lines = [json.loads(line) for line in server.told if '"event":"request"' in line]
    assert {"request-0001"} == {x["request_id"] for x in lines if x.get("trace_id") == TRACE}


async def test_without_the_variables_nothing_of_opentelemetry_is_imported() -> None:
    script = (
        "import sys, app.serving, app.working;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True
    )

    assert done.stdout.strip() == b"[]"
